//! What a text that is no JSON says of a key all the same.
//!
//! Used for keys that guard something only: a comma too much shall not switch off what asks the person.

use super::{
    comments::string_length,
    key::{Key, Value},
};

/// What is said of the key wherever its name stands, without regard to sections: its value there, or `None` where that
/// cannot be read. Empty: its name stands nowhere.
pub(super) fn mentions(text: &[u8], key: &Key) -> Vec<Option<Value>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].iter().position(|byte| *byte == b'"') {
        let begin = at + offset;
        let length = string_length(&text[begin..]).max(1);
        at = begin + length;
        let name = String::from_utf8_lossy(&text[begin..at]);
        if key.is_called(name.trim_matches('"')) {
            found.push(value(&text[at..]).and_then(|text| match text.as_str() {
                "null" => Some(Value::Nothing),
                text => key.read(text),
            }));
        }
    }
    found
}

/// The scalar behind a key.
fn value(rest: &[u8]) -> Option<String> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    if rest.first() == Some(&b'"') {
        let text = &rest[..string_length(rest)];
        let text = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        return Some(String::from_utf8_lossy(text).into_owned());
    }
    let end = rest.iter().position(|byte| {
        matches!(byte, b',' | b'}' | b'{' | b'[' | b']' | b'"') || byte.is_ascii_whitespace()
    });
    let text = &rest[..end.unwrap_or(rest.len())];
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
            (r#""confirm":false "confirm":1"#, vec![off.clone(), on]),
            (r#"{"confirm": ture}"#, vec![None]),
            (r#"{"confirm" true}"#, vec![None]),
            (r#"{"confirm": null"#, vec![Some(Value::Nothing)]),
            (r#"{"confirm": "#, vec![None]),
            (r#"{"confirm"#, vec![None]),
        ] {
            assert_eq!(mentions(text.as_bytes(), &CONFIRM), expected, "{text}");
        }
        assert_eq!(mentions(br#"{"lifetime": 60]"#, &LIFETIME), [Some(Value::Seconds(60))]);
    }
}
