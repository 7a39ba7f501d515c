//! The comments that the C suite lets people write into JSON.

/// Drops lines that begin with `#` and comments in the manner of C, neither within strings. What begins a comment that
/// does not end stays: it is no comment, and may hide what somebody meant.
pub(super) fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut at_line_start = true;
    while let Some(&byte) = rest.first() {
        let skipped = match rest {
            [b'#', ..] if at_line_start => line_length(rest),
            [b'/', b'/', ..] => line_length(rest),
            [b'/', b'*', ..] => rest.windows(2).skip(2).position(|end| end == b"*/").map_or(0, |at| at + 4),
            _ => 0,
        };
        let taken = match byte {
            _ if skipped > 0 => 0,
            b'"' => string_length(rest),
            _ => 1,
        };
        at_line_start = byte == b'\n' || at_line_start && byte.is_ascii_whitespace();
        kept.extend_from_slice(&rest[..taken]);
        // Whoever reads of a mistake in line 7 looks for it there.
        kept.extend(rest[..skipped].iter().filter(|byte| **byte == b'\n'));
        rest = &rest[skipped + taken..];
    }
    kept
}

/// Bytes up to the end of the line, which itself is kept.
fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// Bytes of a string with both quotes; of the line when it does not end there.
pub(super) fn string_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &byte) in rest.iter().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\n' => return at,
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> String {
        String::from_utf8(without_comments(text.as_bytes())).expect("text")
    }

    #[test]
    fn comments_are_dropped_outside_strings() {
        assert_eq!(kept("# one\n  # two\n{ // three\n\"a\": /* four\n */ 1}\n"), "\n  \n{ \n\"a\": \n 1}\n");
        assert_eq!(kept(r#"{"a": "b//c#\"/*"} // x"#), r#"{"a": "b//c#\"/*"} "#);
    }

    #[test]
    fn unfinished_text_is_kept_and_no_panic() {
        for text in ["/*", "/*/", "\"", "\"\\", "{\"oidc-agent\": \"", "/", "\"a\n\"b\""] {
            assert_eq!(kept(text), text);
        }
        assert_eq!(kept("#"), "");
        assert_eq!(kept("//"), "");
    }
}
