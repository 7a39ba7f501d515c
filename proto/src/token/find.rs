//! Tokens in what people have at hand: the bare token, a header, a command line, JSON, a saved page, a wrapped copy.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{
    found::{Found, FoundToken},
    in_json, in_text,
    instead::Instead,
    kind::{Class, Kind},
};

/// The longest text that is searched, in bytes.
pub const MAX_TEXT_LEN: usize = 4 << 20;
/// Finds the tokens in a text, or says what it is instead.
pub fn find(bytes: &[u8]) -> Result<Found, Instead> {
    if bytes.len() > MAX_TEXT_LEN {
        return Err(Instead::TooLarge);
    }
    let text = text_of(bytes);
    let mut found = Found::default();
    if !in_json::search(&text, &mut found) {
        in_text::search(&text, &mut found);
    }
    if found.tokens.is_empty() && found.malformed.is_empty() && Instead::recognised(bytes, &text).is_none() {
        in_text::search_opaque(&text, &mut found);
    }
    set_refresh_tokens_aside(&mut found);
    if found.tokens.is_empty() {
        return Err(Instead::of(bytes, &text, found.malformed.first().copied()));
    }
    Ok(found)
}

/// A refresh token beside others is not told: it is a secret that nobody wants to see by the way.
fn set_refresh_tokens_aside(found: &mut Found) {
    let is_refresh = |one: &FoundToken| {
        matches!(Kind::of(&one.token, one.found_as).class, Class::IamRefresh | Class::KeycloakRefresh)
    };
    if found.tokens.iter().all(is_refresh) {
        return;
    }
    let count = found.tokens.len();
    found.tokens.retain(|one| !is_refresh(one));
    found.has_refresh_token |= found.tokens.len() < count;
}

/// The text as characters: without a byte order mark, from UTF-16 where it has one of that.
fn text_of(bytes: &[u8]) -> Zeroizing<String> {
    let utf_16 = |bytes: &[u8], of: fn([u8; 2]) -> u16| {
        let units: Zeroizing<Vec<u16>> =
            Zeroizing::new(bytes.chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect());
        String::from_utf16_lossy(&units)
    };
    Zeroizing::new(match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => text.to_owned(),
            Cow::Owned(text) => text,
        },
    })
}
