//! Tokens in text: wherever characters of tokens stand together and begin like a JWT, also over the end of a line; and
//! opaque ones, where a word before them says so or where there is nothing else.
//!
//! Every character is looked at a bounded number of times, whatever the text.

use zeroize::Zeroizing;

use super::{
    compact::{begins_like_json, is_b64token, is_part},
    found::Found,
    wrapped::Unwrapped,
};

/// The shortest opaque token: shorter words are more likely to be words.
const MIN_OPAQUE_LEN: usize = 16;
/// How often a beginning is tried within characters that stand together.
const MAX_TRIED: usize = 4;
/// What stands before an opaque token, in lower case.
const LABELS: [&str; 8] = [
    "bearer ",
    "bearer%20",
    "bearer_token=",
    "access_token=",
    "accesstoken:",
    "access_token:",
    "\"access_token\":",
    "oauth2:",
];
const REFRESH_LABELS: [&str; 3] = ["refreshtoken:", "refresh_token=", "\"refresh_token\":"];

/// Searches for what is or looks like a JWT.
pub(super) fn search(text: &str, found: &mut Found) {
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let Some(begin) = beginning(&rest[..end]) else {
            rest = &rest[end..];
            continue;
        };
        let token = Unwrapped::read(&rest[begin..]);
        let bare = without_full_stop(&token.text);
        // Short ones are words of a language, or pieces of something else.
        if bare.len() >= MIN_OPAQUE_LEN {
            found.add(bare, None);
        }
        rest = &rest[begin + token.read..];
    }
    let lower: Zeroizing<String> = Zeroizing::new(text.to_ascii_lowercase());
    found.has_refresh_token |= REFRESH_LABELS.iter().any(|label| lower.contains(label));
}

/// Searches for an opaque token.
pub(super) fn search_opaque(text: &str, found: &mut Found) {
    let lower: Zeroizing<String> = Zeroizing::new(text.to_ascii_lowercase());
    for label in LABELS {
        for (at, _) in lower.match_indices(label).take(MAX_TRIED) {
            let rest = text[at + label.len()..]
                .trim_start_matches(|c: char| c.is_whitespace() || c == '\'' || c == '"');
            let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
            if word.len() >= MIN_OPAQUE_LEN {
                found.add(word, Some("access_token"));
            }
        }
    }
    let whole = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if found.tokens.is_empty() && whole.len() >= MIN_OPAQUE_LEN && is_b64token(whole) {
        found.add(whole, None);
    }
}

/// Where a JWT begins in characters that stand together.
fn beginning(together: &str) -> Option<usize> {
    if begins_like_json(together) && (together.starts_with("eyJ") || together.contains('.')) {
        return Some(0);
    }
    let starts = together.match_indices("eyJ").take(MAX_TRIED).map(|(at, _)| at);
    // After a dot there is a payload whose header is missing.
    starts.into_iter().find(|at| *at == 0 || !together[..*at].ends_with('.'))
}

/// A token at the end of a sentence.
fn without_full_stop(token: &str) -> &str {
    match token.strip_suffix('.') {
        Some(bare) if token.split('.').count() == 4 || token.split('.').count() == 6 => bare,
        _ => token,
    }
}
