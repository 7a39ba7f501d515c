//! Texts of agents, providers and files on their way to a terminal.

use std::{borrow::Cow, fmt::Write};

use oidc_proto::shortname::{is_control, is_format};

/// Text for a terminal: control characters and those that reorder text are escaped, line feeds and tabs are kept.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// JSON in which nothing moves the cursor of a terminal or reorders what stands there; its meaning stays. Such characters
/// stand within strings only, where JSON has another way to write them.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let harmful = |c: char| is_control(c) || is_format(c);
    if !json.contains(harmful) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_fools_no_terminal() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}31m \u{1b} \u{e0001} é \n"});
        let json = value.to_string();
        let escaped = escaped_json(&json);
        assert!(!escaped.contains(|c| is_control(c) || is_format(c)), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("JSON"), value);
        assert_eq!(escaped_json("{\"é\":1}"), "{\"é\":1}");
    }

    #[test]
    fn a_terminal_is_not_fooled() {
        assert_eq!(escaped("plain\n\ttext é"), "plain\n\ttext é");
        assert_eq!(escaped("a\u{1b}[2Jb\r\u{202e}"), "a\\u{1b}[2Jb\\u{d}\\u{202e}");
    }
}
