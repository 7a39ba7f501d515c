//! Texts of others in a question: nothing in them may look like the agent's own words.

use oidc_proto::shortname::is_format;

/// A text of at most `longest` bytes on the way to pinentry. What could break the line, change its direction or hide in
/// it is shown as an escape; where something was cut off stands `…`.
pub fn bounded(text: &str, longest: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(longest));
    let mut room = longest;
    for c in text.chars() {
        let escaped = escape(c);
        let width = escaped.as_ref().map_or_else(|| char_bytes(c), String::len);
        if width > room {
            shown.push('…');
            return shown;
        }
        room -= width;
        match escaped {
            Some(escaped) => shown.push_str(&escaped),
            None => shown.push(c),
        }
    }
    shown
}

/// What a text takes in a line of the protocol, where percent signs and ends of lines are escaped.
pub fn line_bytes(text: &str) -> usize {
    text.chars().map(char_bytes).sum()
}

fn char_bytes(c: char) -> usize {
    if matches!(c, '%' | '\n') { 3 } else { c.len_utf8() }
}

fn escape(c: char) -> Option<String> {
    let hidden = c.is_control() || is_format(c) || matches!(c, '\u{2028}' | '\u{2029}');
    (hidden || c == '\\').then(|| c.escape_default().to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_breaks_the_line_or_turns_it() {
        assert_eq!(
            bounded("a\nb\r\t\u{1b}[31m\u{202e}c\u{2028}\\", 100),
            r"a\nb\r\t\u{1b}[31m\u{202e}c\u{2028}\\"
        );
        assert_eq!(bounded("plain: ä 漢", 100), "plain: ä 漢");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(bounded("abcdef", 6), "abcdef");
        assert_eq!(bounded("abcdefg", 6), "abcdef…");
        assert_eq!(bounded("abc\n\n", 6), "abc\\n…");
        assert_eq!(bounded("ää%%", 7), "ää%…");
    }

    proptest! {
        #[test]
        fn any_text_is_one_bounded_line(text in "\\PC*|.*", longest in 0_usize..100) {
            let shown = bounded(&text, longest);
            prop_assert!(shown.chars().count() <= longest + 1 && shown.len() <= longest + '…'.len_utf8());
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_format(c)));
        }
    }
}
