//! Texts of agents, providers and files on their way to a terminal.

use std::borrow::Cow;

use oidc_proto::shortname::is_control;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_fooled() {
        assert_eq!(escaped("plain\n\ttext é"), "plain\n\ttext é");
        assert_eq!(escaped("a\u{1b}[2Jb\r\u{202e}"), "a\\u{1b}[2Jb\\u{d}\\u{202e}");
    }
}
