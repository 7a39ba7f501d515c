//! Distinguished names of certificates (X.501): read as LDAP writes them (RFC 4514, and what RFC 2253 and RFC 1779 wrote
//! before), shown as grid tools compare them (`/DC=ch/DC=cern/CN=…`, OpenSSL's `X509_NAME_oneline`).
//!
//! The two have opposite orders: RFC 4514 begins with what is most particular, the other one with what is most general.

use std::fmt::Write;

/// Most parts that a name may have: real ones have ten.
const MOST_PARTS: usize = 64;

/// A distinguished name, the most particular part first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName(Vec<RelativeName>);

/// A part of a name: mostly one attribute, several where the name joins them by `+`.
pub type RelativeName = Vec<Attribute>;

/// An attribute type and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// As it was written: a short name, or an object identifier.
    pub kind: String,
    /// The value, unescaped.
    pub value: String,
}

/// Object identifiers and LDAP's names, and what OpenSSL calls them.
const NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("S", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("EMAIL", "emailAddress"),
    ("EMAILADDRESS", "emailAddress"),
    ("E", "emailAddress"),
];

impl DistinguishedName {
    /// Reads RFC 4514's notation; blanks around separators, `;` between parts and values in quotes are taken as RFC 2253
    /// section 4 asks for. `None`: it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let (mut parts, mut part) = (Vec::new(), RelativeName::new());
        loop {
            part.push(reader.attribute()?);
            let separator = reader.separator();
            if separator != Some('+') {
                parts.push(std::mem::take(&mut part));
            }
            if separator.is_none() {
                return reader.rest.is_empty().then_some(Self(parts));
            }
            if parts.len() + part.len() > MOST_PARTS {
                return None;
            }
        }
    }

    /// The parts, the most particular one first.
    pub fn parts(&self) -> &[RelativeName] {
        &self.0
    }

    /// `/DC=ch/DC=cern/CN=…`: the most general part first. As OpenSSL does, bytes beyond printable ASCII are written `\xNN`,
    /// and a slash within a value stays as it is.
    pub fn with_slashes(&self) -> String {
        let mut text = String::new();
        for Attribute { kind, value } in self.0.iter().rev().flatten() {
            let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
            text.push('/');
            text.push_str(known.map_or(kind, |(_, shown)| shown));
            text.push('=');
            for byte in value.bytes() {
                match byte {
                    b' '..=b'~' => text.push(byte.into()),
                    _ => write!(text, "\\x{byte:02X}").expect("a String takes all"),
                }
            }
        }
        text
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn attribute(&mut self) -> Option<Attribute> {
        let (kind, rest) = self.rest.split_once('=')?;
        let kind = kind.trim_matches(' ');
        // RFC 1779 section 2.3.
        let kind = kind.strip_prefix("OID.").or_else(|| kind.strip_prefix("oid.")).unwrap_or(kind);
        let is_kind = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if kind.is_empty() || !kind.chars().all(is_kind) {
            return None;
        }
        self.rest = rest.trim_start_matches(' ');
        let value = match self.rest.chars().next() {
            Some('"') => self.quoted()?,
            Some('#') => self.encoded()?,
            _ => self.plain()?,
        };
        Some(Attribute { kind: kind.to_owned(), value })
    }

    /// What stands between two attributes; `None` at the end, or where something else is.
    fn separator(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches(' ');
        let separator = self.rest.chars().next().filter(|c| matches!(c, ',' | ';' | '+'))?;
        self.rest = &self.rest[1..];
        Some(separator)
    }

    /// A value with escapes, up to a separator. Blanks at its end do not count unless they are escaped.
    fn plain(&mut self) -> Option<String> {
        let (mut value, mut end) = (Vec::new(), 0);
        while let Some(c) = self.rest.chars().next() {
            match c {
                ',' | ';' | '+' => break,
                '"' | '<' | '>' => return None,
                '\\' => {
                    self.escaped(&mut value)?;
                    end = value.len();
                    continue;
                }
                c => {
                    value.extend(c.encode_utf8(&mut [0; 4]).bytes());
                    if c != ' ' {
                        end = value.len();
                    }
                }
            }
            self.rest = &self.rest[c.len_utf8()..];
        }
        value.truncate(end);
        String::from_utf8(value).ok()
    }

    /// RFC 2253 section 4.
    fn quoted(&mut self) -> Option<String> {
        let mut value = Vec::new();
        self.rest = &self.rest[1..];
        loop {
            let c = self.rest.chars().next()?;
            if c == '\\' {
                self.escaped(&mut value)?;
                continue;
            }
            self.rest = &self.rest[c.len_utf8()..];
            if c == '"' {
                return String::from_utf8(value).ok();
            }
            value.extend(c.encode_utf8(&mut [0; 4]).bytes());
        }
    }

    /// RFC 4514 section 3: a backslash and a special character, or the two hexadecimal digits of a byte.
    fn escaped(&mut self, value: &mut Vec<u8>) -> Option<()> {
        let rest = self.rest.strip_prefix('\\')?;
        if let Some(byte) = rest.get(..2).and_then(byte) {
            value.push(byte);
            self.rest = &rest[2..];
            return Some(());
        }
        let c = rest.chars().next().filter(|c| " \"#+,;<=>\\".contains(*c))?;
        value.push(u8::try_from(c).ok()?);
        self.rest = &rest[1..];
        Some(())
    }

    /// RFC 4514 section 2.4: the encoding of the value in hexadecimal digits, as Java writes types that it has no name for.
    /// Text is decoded; anything else stays as it is.
    fn encoded(&mut self) -> Option<String> {
        let end = self.rest[1..].find(|c: char| !c.is_ascii_hexdigit()).map_or(self.rest.len(), |at| at + 1);
        let (written, rest) = self.rest.split_at(end);
        let bytes: Option<Vec<u8>> = written.as_bytes()[1..]
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).ok().and_then(byte))
            .collect();
        let text = bytes.filter(|bytes| !bytes.is_empty())?;
        self.rest = rest;
        Some(der_text(&text).unwrap_or_else(|| written.to_owned()))
    }
}

/// Two hexadecimal digits.
fn byte(digits: &str) -> Option<u8> {
    let is_byte = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_byte.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// The text in a DER encoding, of the kinds that are UTF-8 or a part of it: `UTF8String`, `PrintableString`, `IA5String`.
fn der_text(der: &[u8]) -> Option<String> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, text) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => rest.split_first().map(|(length, text)| (usize::from(*length), text))?,
        _ => return None,
    };
    let is_text = matches!(tag, 0x0c | 0x13 | 0x16) && text.len() == length;
    is_text.then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slashes(text: &str) -> Option<String> {
        DistinguishedName::parse(text).map(|name| name.with_slashes())
    }

    #[test]
    fn grid_tools_find_what_they_compare() {
        for (written, shown) in [
            (
                "CN=Ada Lovelace,CN=684321,CN=ada,OU=Users,OU=Organic Units,DC=cern,DC=ch",
                "/DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=ada/CN=684321/CN=Ada Lovelace",
            ),
            ("CN=a, O = Big , C=CH", "/C=CH/O=Big/CN=a"),
            ("CN=a;O=b", "/O=b/CN=a"),
            (r"CN=Lovelace\, Ada,O=a\+b\=c", "/O=a+b=c/CN=Lovelace, Ada"),
            (r"CN=\ two \ ,O=x\\y", r"/O=x\y/CN= two  "),
            (r"CN=M\C3\BCller", r"/CN=M\xC3\xBCller"),
            ("CN=Müller", r"/CN=M\xC3\xBCller"),
            ("CN=\"a, \\\"b\\\"\" ,O=c", "/O=c/CN=a, \"b\""),
            ("CN=host/se.example.org,DC=org", "/DC=org/CN=host/se.example.org"),
            ("1.2.840.113549.1.9.1=#160561406f7067,CN=a", "/CN=a/emailAddress=a@opg"),
            ("OID.0.9.2342.19200300.100.1.25=ch", "/DC=ch"),
            ("1.2.3=#0500", "/1.2.3=#0500"),
            ("E=a@b,CN=c", "/CN=c/emailAddress=a@b"),
            ("CN=a+UID=1,O=b", "/O=b/CN=a/UID=1"),
            ("CN=,O=b", "/O=b/CN="),
            ("CN=\u{1b}[2J", r"/CN=\x1B[2J"),
        ] {
            assert_eq!(slashes(written).as_deref(), Some(shown), "{written}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "a",
            "=a",
            "CN=a,",
            "CN=a,,O=b",
            "CN=a\\",
            r"CN=\x",
            "CN=\"a",
            "CN=\"a\"b",
            "CN=a<b",
            "C N=a",
            r"CN=\C3",
            "CN=#",
            "CN=#1",
            "CN=#zz",
            "/DC=ch/CN=a",
        ] {
            assert_eq!(slashes(text), None, "{text}");
        }
        assert_eq!(slashes(&"CN=a,".repeat(100_000)), None);
    }

    fn escaped(value: &str) -> String {
        value.chars().fold(String::new(), |mut text, c| {
            if " \"#+,;<=>\\".contains(c) {
                text.push('\\');
            }
            text.push(c);
            text
        })
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(values in prop::collection::vec(any::<String>(), 1..8)) {
            let written: Vec<_> = values.iter().map(|value| format!("CN={}", escaped(value))).collect();
            let name = DistinguishedName::parse(&written.join(",")).expect("a name");
            let read: Vec<_> = name.parts().iter().map(|part| part[0].value.clone()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn anything_is_read_or_refused(text in any::<String>()) {
            if let Some(shown) = slashes(&text) {
                prop_assert!(shown.starts_with('/') && shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
        }
    }
}
