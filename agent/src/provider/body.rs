//! What a body is that is not what was expected: a few words of it, for a person.

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
    match (is_html(body), first_words(body, secrets)) {
        (true, Some(title)) => format!("a web page '{title}'"),
        (true, None) => "a web page".to_owned(),
        (false, Some(words)) => format!("'{words}'"),
        (false, None) => "something else".to_owned(),
    }
}

/// The first line of a text, or the title of a web page; `None`: there is none, or it is JSON.
pub(crate) fn first_words(body: &[u8], secrets: &[&str]) -> Option<String> {
    let start = &body[..body.len().min(LOOKED_AT)];
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim();
    if body.starts_with(GZIP) || text.starts_with(['{', '[']) {
        return None;
    }
    let words = if is_html(body) {
        ["title", "h1", "h2", "p", "body"].iter().find_map(|tag| within(text, tag))?
    } else {
        text.lines().next()?.to_owned()
    };
    let words = presentable(&words, secrets);
    let shown = match words.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    };
    (!shown.is_empty()).then_some(shown)
}

/// Whether it looks like a web page.
pub(crate) fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
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
            (b"<>", "a web page"),
            (b"<title", "a web page"),
            (b"Forbidden\nmore", "'Forbidden'"),
            (b"\x1b[2Jx", "'\\u{1b}[2Jx'"),
            (b"[1]", "something else"),
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
