//! What a body is that is not what was expected: a few words of it, for a person.

use oidc_proto::json::Object;
use serde::de::IgnoredAny;

use super::text::presentable;

/// RFC 1952 section 2.3.1.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// How much is looked at.
const LOOKED_AT: usize = 4096;
/// Longest text that is shown, in characters: more is no first line but a page.
const MAX_CHARS: usize = 160;

/// What the body is, as an error text goes on after "sent".
pub(crate) fn describe(body: &[u8], secrets: &[&str]) -> String {
    if body.trim_ascii().is_empty() {
        return "nothing".to_owned();
    }
    if body.starts_with(GZIP) {
        return "compressed data (gzip), which was not asked for".to_owned();
    }
    if std::str::from_utf8(body).is_err() {
        return "text in another encoding than UTF-8, or none".to_owned();
    }
    let kind = if is_page(body) {
        Some("a web page")
    } else if is_markup(body) {
        Some("XML of another kind")
    } else if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return json_in_words(body, secrets);
    } else {
        None
    };
    match (kind, first_words(body, secrets)) {
        (Some(kind), Some(words)) => format!("{kind} '{words}'"),
        (Some(kind), None) => kind.to_owned(),
        (None, Some(words)) => format!("'{words}'"),
        (None, None) => "something else".to_owned(),
    }
}

/// What JSON says that is not of the form expected.
fn json_in_words(body: &[u8], secrets: &[&str]) -> String {
    let said = Object::parse(body).ok().and_then(|object| {
        ["error_description", "message", "Message", "error"].iter().find_map(|key| object.string(key))
    });
    let said = said.map(|said| presentable(&said, secrets)).filter(|said| !said.is_empty());
    said.map_or_else(|| "other JSON".to_owned(), |said| format!("other JSON, which says '{}'", short(&said)))
}

/// The first line of a text, the title of a web page, or the message of other XML; `None`: there is none, or it is JSON.
pub(crate) fn first_words(body: &[u8], secrets: &[&str]) -> Option<String> {
    let start = &body[..body.len().min(LOOKED_AT)];
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim();
    if body.starts_with(GZIP) || text.starts_with(['{', '[']) {
        return None;
    }
    let words = if is_markup(body) {
        ["title", "h1", "h2", "p", "body", "message", "code"].iter().find_map(|tag| within(text, tag))?
    } else {
        text.lines().next()?.to_owned()
    };
    let shown = short(&presentable(&words, secrets));
    (!shown.is_empty()).then_some(shown)
}

fn short(words: &str) -> String {
    match words.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// Whether it looks like a web page or other markup.
pub(crate) fn is_markup(body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Whether it is a web page: markup with what no other XML begins with.
fn is_page(body: &[u8]) -> bool {
    const TAGS: [&str; 8] = ["<!doctype html", "<html", "<head", "<title", "<body", "<meta", "<h1", "<p"];
    let start = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]).to_ascii_lowercase();
    let has = |tag: &&str| {
        let mut found = start.match_indices(*tag);
        found.any(|(at, tag)| !start[at + tag.len()..].starts_with(|next: char| next.is_ascii_alphanumeric()))
    };
    is_markup(body) && TAGS.iter().any(has)
}

/// The text of the first element of that name, without the elements in it.
fn within(page: &str, tag: &str) -> Option<String> {
    // ASCII only is changed, so places are the same in both.
    let lower = page.to_ascii_lowercase();
    let open = lower.match_indices('<').find_map(|(at, _)| {
        let rest = lower[at + 1..].strip_prefix(tag)?;
        rest.starts_with(|next: char| next == '>' || next.is_whitespace()).then_some(at)
    })?;
    let start = open + page[open..].find('>')? + 1;
    let end = lower[start..].find(&format!("</{tag}")).map_or(page.len(), |at| start + at);
    let mut text = String::new();
    let mut is_text = true;
    for c in page[start..end].chars() {
        match c {
            '<' => is_text = false,
            '>' => {
                is_text = true;
                text.push(' ');
            }
            c if is_text => text.push(c),
            _ => {}
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_is() {
        for (body, found) in [
            (&b""[..], "nothing"),
            (b" \r\n", "nothing"),
            (b"\x1f\x8b\x08\0", "compressed data (gzip), which was not asked for"),
            (b"\xff\xfe{\0}\0", "text in another encoding than UTF-8, or none"),
            (b"gr\xfc\xdfe", "text in another encoding than UTF-8, or none"),
            (b"<html><head><title>Sign\n in</title>", "a web page 'Sign in'"),
            (b"<!DOCTYPE html><body class='x'><h1>Not <b>here</b></h1><p>x</p>", "a web page 'Not here'"),
            (b"<>", "XML of another kind"),
            (b"\xef\xbb\xbf<html>", "a web page"),
            (b"<!-- maintenance --><HTML><TITLE>Sorry</TITLE>", "a web page 'Sorry'"),
            (b"<?xml version='1.0'?><ListAllMyBucketsResult/>", "XML of another kind"),
            (b"<ServiceError><Message>go away</Message></ServiceError>", "XML of another kind 'go away'"),
            (b"<title", "a web page"),
            (b"Forbidden\nmore", "'Forbidden'"),
            (b"\x1b[2Jx", "'\\u{1b}[2Jx'"),
            (b"[1]", "other JSON"),
            (b"{\"a\": ", "something else"),
            (b"{\"message\": \"Forbidden\"}", "other JSON, which says 'Forbidden'"),
        ] {
            assert_eq!(describe(body, &[]), found, "{body:?}");
        }
    }

    #[test]
    fn is_short_and_tells_no_secret() {
        let words = first_words("x".repeat(100_000).as_bytes(), &[]).expect("words");
        assert_eq!(words.chars().count(), MAX_CHARS + 1);
        assert_eq!(
            first_words(b"no token rt-12345 here", &["rt-12345"]).as_deref(),
            Some("no token [redacted] here")
        );
        assert_eq!(first_words(b"{\"a\":1}", &[]), None);
        assert!(first_words("\u{20ac}".repeat(3000).as_bytes(), &[]).is_some(), "cut within a character");
    }
}
