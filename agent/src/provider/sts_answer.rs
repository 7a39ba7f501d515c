//! What a security token service answers: XML, read strictly and within bounds.
//!
//! AWS, Ceph and MinIO name elements alike and namespaces differently, so only local names count. Nothing that XML can do
//! beyond elements and text is let in: no document type, and with it no entities but the five that need none.

use jiff::Timestamp;
use oidc_proto::secret::SecretText;
use quick_xml::{Reader, events::Event};
use zeroize::Zeroizing;

/// Longest answer that is read; AWS's are below 4 KiB.
const MAX_BODY: usize = 64 << 10;
/// How deep elements may stand in each other; four is as deep as it gets.
const MAX_DEPTH: usize = 16;
/// Longest text of one element; a session token may have some thousand characters.
const MAX_TEXT: usize = 16 << 10;

/// An answer of the service.
#[derive(Debug)]
pub(super) enum Said {
    /// `AssumeRoleWithWebIdentityResponse`.
    Credentials(Temporary),
    /// `ErrorResponse`, or S3's bare `Error`.
    Error {
        /// The service's name for it.
        code: String,
        /// The service's words, as they came.
        message: String,
    },
}

/// Credentials as they came.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretText,
    pub(super) session_token: SecretText,
    /// Seconds since the epoch, by the service's clock.
    pub(super) expiration: u64,
}

/// Texts of the elements that count.
#[derive(Default)]
struct Texts {
    found: Vec<(&'static str, Zeroizing<String>)>,
}

/// Where what counts stands, innermost element last.
const CREDENTIALS: [&str; 3] =
    ["AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult", "Credentials"];
const CREDENTIAL: [&str; 4] = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
const ERRORS: [&[&str]; 2] = [&["ErrorResponse", "Error"], &["Error"]];
const ERROR: [&str; 2] = ["Code", "Message"];

/// Reads an answer; `None`: it is neither of the two.
pub(super) fn read(body: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= MAX_BODY)?;
    let mut texts = texts(text)?;
    if let Some(code) = texts.take("Code") {
        let message = texts.take("Message").map(|message| message.to_string()).unwrap_or_default();
        return Some(Said::Error { code: code.to_string(), message });
    }
    let secret = |text: Zeroizing<String>| SecretText::from(text.as_str());
    let credentials = Temporary {
        access_key_id: texts.take("AccessKeyId")?.to_string(),
        secret_access_key: secret(texts.take("SecretAccessKey")?),
        session_token: secret(texts.take("SessionToken")?),
        expiration: texts.take("Expiration")?.parse::<Timestamp>().ok()?.as_second().try_into().ok()?,
    };
    let is_whole = [credentials.access_key_id.as_str(), credentials.secret_access_key.expose()]
        .iter()
        .chain(&[credentials.session_token.expose()])
        .all(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    is_whole.then_some(Said::Credentials(credentials))
}

/// The texts that count, of a document that is whole and has each of them once.
fn texts(document: &str) -> Option<Texts> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().enable_all_checks(true);
    let (mut path, mut texts, mut has_root) = (Vec::<String>::new(), Texts::default(), false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if path.len() >= MAX_DEPTH || (path.is_empty() && std::mem::replace(&mut has_root, true)) {
                    return None;
                }
                path.push(start.local_name().into_inner().to_owned());
                if let Some(name) = counted(&path) {
                    texts.begin(name)?;
                }
            }
            Event::Empty(_) if path.is_empty() => return None,
            Event::End(_) => drop(path.pop()),
            Event::Text(text) => texts.add(&path, &text)?,
            Event::CData(text) => texts.add(&path, &text)?,
            Event::GeneralRef(reference) => {
                let resolved = match &*reference {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => reference.resolve_char_ref().ok()??,
                };
                texts.add(&path, resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) | Event::PI(_) => return None,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) => {}
            Event::Eof => return (path.is_empty() && has_root).then_some(texts),
        }
    }
}

/// The name of an element whose text counts, by where it stands.
fn counted(path: &[String]) -> Option<&'static str> {
    let (name, above) = path.split_last()?;
    let named = |names: &[&'static str]| names.iter().copied().find(|counted| counted == name);
    if above == CREDENTIALS {
        named(&CREDENTIAL)
    } else if ERRORS.iter().any(|error| above == *error) {
        named(&ERROR)
    } else {
        None
    }
}

impl Texts {
    fn begin(&mut self, name: &'static str) -> Option<()> {
        if self.found.iter().any(|(other, _)| *other == name) {
            return None;
        }
        // As long as it may become, so that no copy is left behind.
        self.found.push((name, Zeroizing::new(String::with_capacity(MAX_TEXT))));
        Some(())
    }

    fn add(&mut self, path: &[String], text: &str) -> Option<()> {
        if path.is_empty() {
            return text.trim().is_empty().then_some(());
        }
        if counted(path).is_none() {
            return Some(());
        }
        let (_, found) = self.found.last_mut()?;
        if found.len() + text.len() > MAX_TEXT {
            return None;
        }
        found.push_str(text);
        Some(())
    }

    /// The text without white space around it.
    fn take(&mut self, name: &str) -> Option<Zeroizing<String>> {
        let position = self.found.iter().position(|(other, _)| *other == name)?;
        let (_, text) = self.found.swap_remove(position);
        Some(Zeroizing::new(text.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAKEY</AccessKeyId>
      <SecretAccessKey>a/b+c&amp;d&#x2F;e</SecretAccessKey>
      <SessionToken>tok==</SessionToken>
      <Expiration>2027-01-15T08:00:00Z</Expiration>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>x</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#;

    #[test]
    fn credentials_are_read_whatever_the_namespace() {
        let prefixed = ANSWER.replace("</", "</s:").replace('<', "<s:").replace("<s:/s:", "</s:");
        for answer in [ANSWER.to_owned(), prefixed, format!("<?xml version=\"1.0\"?>\n{ANSWER}\n")] {
            let Some(Said::Credentials(read)) = read(answer.as_bytes()) else { panic!("{answer}") };
            assert_eq!(read.access_key_id, "ASIAKEY");
            assert_eq!(read.secret_access_key.expose(), "a/b+c&d/e");
            assert_eq!((read.session_token.expose(), read.expiration), ("tok==", 1_800_000_000));
            assert!(!format!("{read:?}").contains("tok=="));
        }
    }

    #[test]
    fn errors_are_read_in_both_shapes() {
        let error =
            "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &lt;way&gt;</Message></Error>";
        for answer in
            [error.to_owned(), format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>")]
        {
            let Some(Said::Error { code, message }) = read(answer.as_bytes()) else { panic!("{answer}") };
            assert_eq!((code.as_str(), message.as_str()), ("AccessDenied", "no <way>"));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let twice = ANSWER.replace("<Expiration>", "<AccessKeyId>B</AccessKeyId><Expiration>");
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        let doctype = format!("<!DOCTYPE x [<!ENTITY e 'v'>]>{ANSWER}");
        let long = ANSWER.replace("tok==", &"t".repeat(MAX_TEXT + 1));
        for answer in [
            "",
            "{}",
            "<html><body>Login</body></html>",
            "<Error/>",
            &ANSWER[..ANSWER.len() - 5],
            &ANSWER.replace("2027-01-15T08:00:00Z", "soon"),
            &ANSWER.replace("2027-", "1927-"),
            &ANSWER.replace("ASIAKEY", ""),
            &ANSWER.replace("ASIAKEY", "AS IA"),
            &ANSWER.replace("&amp;", "&other;"),
            &ANSWER.replace("&amp;", "&"),
            &format!("{ANSWER}{ANSWER}"),
            &format!("{ANSWER} and more"),
            &twice,
            &deep,
            &doctype,
            &long,
        ] {
            assert!(read(answer.as_bytes()).is_none(), "{answer}");
        }
        assert!(read(&[0xff, 0xfe]).is_none());
        assert!(read(" ".repeat(MAX_BODY + 1).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_damaged_answer_panics(at in 0..ANSWER.len(), with in any::<u8>()) {
            let mut bytes = ANSWER.as_bytes().to_vec();
            bytes[at] = with;
            let _ = read(&bytes);
        }
    }
}
