//! Provider texts made fit to be shown: bounded, on one line, without anything that could steer a terminal or hide
//! what it says, and without tokens.

/// Longest provider text that is passed on, in characters.
const MAX_CHARS: usize = 400;

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// Makes text from a provider presentable.
///
/// `secrets` are the values that went out with the request: providers quote them back (INDIGO IAM names the refresh
/// token that it could not find). Anything that looks like a JWT is taken for a token as well.
pub(crate) fn presentable(text: &str, secrets: &[&str]) -> String {
    let mut text = text.trim().to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(secret, REDACTED);
    }
    let mut shown = String::with_capacity(text.len().min(MAX_CHARS * 4));
    for (count, word) in text.split_inclusive(char::is_whitespace).enumerate() {
        let bare = word.trim_end();
        if count > MAX_CHARS {
            break;
        }
        if looks_like_a_jwt(bare) {
            shown.push_str(REDACTED);
            shown.push(' ');
        } else {
            shown.extend(word.chars().flat_map(escaped));
        }
    }
    bounded(shown.trim_end())
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Base64url of `{"` starts every JWT header.
fn looks_like_a_jwt(word: &str) -> bool {
    word.find("eyJ").is_some_and(|start| word.len() - start >= 24)
}

/// The character, or its escape when it is invisible or could reorder what stands around it.
fn escaped(c: char) -> Vec<char> {
    match c {
        '\t' | '\n' | '\r' => vec![' '],
        c if c.is_control() || is_format_character(c) => c.escape_unicode().collect(),
        c => vec![c],
    }
}

/// Bidirectional controls, zero-width characters, line separators and tag characters.
fn is_format_character(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_steer_a_terminal() {
        assert_eq!(presentable("a\u{1b}[2Jb\nc\u{202e}d", &[]), "a\\u{1b}[2Jb c\\u{202e}d");
        assert_eq!(presentable("100%s %n grüße", &[]), "100%s %n grüße");
    }

    #[test]
    fn is_bounded() {
        let shown = presentable(&"x".repeat(100_000), &[]);
        assert_eq!(shown.chars().count(), MAX_CHARS + 1);
        assert!(presentable(&" y".repeat(100_000), &[]).chars().count() <= MAX_CHARS + 1);
    }

    #[test]
    fn tokens_are_redacted() {
        let jwt = "eyJhbGciOiJub25lIn0.eyJqdGkiOiIxIn0.";
        assert_eq!(
            presentable(&format!("Refresh token for value {jwt} was not found"), &[]),
            "Refresh token for value [redacted] was not found"
        );
        assert_eq!(presentable("no such token 'rt-12345'", &["rt-12345"]), "no such token '[redacted]'");
    }
}
