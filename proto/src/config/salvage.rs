//! What a text that is no JSON says of a key all the same.
//!
//! Used for keys that guard something only: a comma too much shall not switch off what asks the person.

use super::{
    comments::string_length,
    key::{Key, Value},
};

/// What is said of the key wherever its name stands, without regard to sections: its value there, or `None` where that
/// cannot be read. Empty: its name stands nowhere. Names and texts may stand in the quotation marks of other languages, names in
/// none.
pub(super) fn mentions(text: &[u8], key: &Key) -> Vec<Option<Value>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (name, length) = match text[at] {
            b'"' => {
                let length = string_length(&text[at..]).max(1);
                (String::from_utf8_lossy(&text[at..at + length]).trim_matches('"').to_owned(), length)
            }
            byte if is_of_name(byte) => {
                let length = text[at..].iter().position(|byte| !is_of_name(*byte)).unwrap_or(text.len() - at);
                (String::from_utf8_lossy(&text[at..at + length]).into_owned(), length)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        let is_quoted = text[at] == b'"';
        at += length;
        if !key.is_called(&name) {
            continue;
        }
        let rest = if is_quoted { &text[at..] } else { text[at..].strip_prefix(b"'").unwrap_or(&text[at..]) };
        let has_value = rest.trim_ascii_start().first() == Some(&b':');
        // A bare word may be part of anything; a name in quotation marks is one.
        if is_quoted || has_value {
            found.push(value(rest).and_then(|text| match text.as_str() {
                "null" => Some(Value::Nothing),
                text => key.read(text),
            }));
        }
    }
    found
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The scalar behind a key.
fn value(rest: &[u8]) -> Option<String> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    if rest.first() == Some(&b'"') {
        let text = &rest[..string_length(rest)];
        let text = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        return Some(String::from_utf8_lossy(text).into_owned());
    }
    if let Some(rest) = rest.strip_prefix(b"'") {
        let end = rest.iter().position(|byte| *byte == b'\'')?;
        return Some(String::from_utf8_lossy(&rest[..end]).into_owned());
    }
    let end = rest.iter().position(|byte| {
        matches!(byte, b',' | b'}' | b'{' | b'[' | b']' | b'"') || byte.is_ascii_whitespace()
    });
    let text = &rest[..end.unwrap_or(rest.len())];
    // Python's words for them.
    let text: &[u8] = match text {
        b"True" => b"true",
        b"False" => b"false",
        b"None" => b"null",
        text => text,
    };
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::{CONFIRM, LIFETIME};

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        let on = Some(Value::Switch(true));
        let off = Some(Value::Switch(false));
        for (text, expected) in [
            ("", vec![]),
            (r#"{"confirmed": true"#, vec![]),
            (r#"{"oidc-agent": {"confirm": true,}}"#, vec![on.clone()]),
            (r#"{"oidc-agent": {"confirm" : "true""#, vec![on.clone()]),
            (r#""confirm":false "confirm":1"#, vec![off.clone(), on.clone()]),
            (r#"{"confirm": ture}"#, vec![None]),
            (r#"{"confirm" true}"#, vec![None]),
            (r#"{"confirm": null"#, vec![Some(Value::Nothing)]),
            (r#"{"confirm": "#, vec![None]),
            (r#"{"confirm"#, vec![None]),
            ("{'oidc-agent': {'confirm': True}}", vec![on.clone()]),
            ("{'confirm': 'false'}", vec![off.clone()]),
            ("{oidc-agent: {confirm: true}}", vec![on.clone()]),
            ("agent.confirm is on; confirm it", vec![]),
            ("{autoconfirm: true, no-confirm: true}", vec![]),
            ("{confirm:", vec![None]),
        ] {
            assert_eq!(mentions(text.as_bytes(), &CONFIRM), expected, "{text}");
        }
        assert_eq!(mentions(br#"{"lifetime": 60]"#, &LIFETIME), [Some(Value::Seconds(60))]);
    }
}
