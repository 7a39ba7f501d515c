//! Tokens that were copied from a terminal, with ends of lines within.
//!
//! A line goes on with the next one while the token cannot be complete: it lacks parts, or its signature has another
//! length than its algorithm makes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{compact::is_part, member::Members};

/// A token without the ends of lines.
pub(super) struct Unwrapped {
    /// The token.
    pub(super) text: Zeroizing<String>,
    /// How much of the text it takes, in bytes.
    pub(super) read: usize,
}

impl Unwrapped {
    /// Reads a token at the beginning of a text.
    pub(super) fn read(text: &str) -> Self {
        let mut end = end_of_part(text);
        let mut token = Zeroizing::new(String::with_capacity(end.max(4096)));
        token.push_str(&text[..end]);
        let mut shape = Shape::default();
        shape.look(&token);
        while shape.lacks_something(&token) {
            let Some((skipped, line)) = next_line(&text[end..]) else { break };
            let dots = line.matches('.').take(2).count();
            if line.starts_with("eyJ") && (dots == 2 || shape.has_a_signature(&token)) {
                break;
            }
            token.push_str(line);
            end += skipped + line.len();
            shape.look(&token);
        }
        Self { text: token, read: end }
    }
}

fn end_of_part(text: &str) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// The next line where it has nothing but characters of tokens, and how much comes before it.
fn next_line(text: &str) -> Option<(usize, &str)> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r');
    let after = text.trim_start_matches(blank);
    let line = after.strip_prefix('\n')?.trim_start_matches(blank);
    let end = end_of_part(line);
    let rest = line[end..].trim_start_matches(blank);
    (end > 0 && (rest.is_empty() || rest.starts_with(['\n', '\'', '"', '<'])))
        .then(|| (text.len() - line.len(), &line[..end]))
}

/// What is known of a token while it is read. Looks at each byte once.
#[derive(Default)]
struct Shape {
    looked_at: usize,
    dots: usize,
    last_dot: usize,
    header: Option<Header>,
}

/// What the header says about the rest.
enum Header {
    Signed(String),
    Encrypted,
    Unreadable,
}

impl Shape {
    fn look(&mut self, token: &str) {
        for (at, _) in token[self.looked_at..].match_indices('.') {
            let at = self.looked_at + at;
            if self.dots == 0 {
                self.header = Some(Header::of(&token[..at]));
            }
            self.dots += 1;
            self.last_dot = at;
        }
        self.looked_at = token.len();
    }

    fn has_a_signature(&self, token: &str) -> bool {
        self.dots == 2 && self.last_dot + 1 < token.len()
    }

    fn lacks_something(&self, token: &str) -> bool {
        let last = token.len() - self.last_dot - usize::from(self.dots > 0);
        match &self.header {
            None => true,
            Some(Header::Unreadable) => false,
            Some(Header::Encrypted) => self.dots < 4 || last < 22,
            Some(Header::Signed(_)) if self.dots < 2 => true,
            Some(Header::Signed(algorithm)) => self.dots == 2 && !is_whole(algorithm, last),
        }
    }
}

impl Header {
    fn of(part: &str) -> Self {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).unwrap_or_default();
        match Members::parse(&bytes) {
            None => Self::Unreadable,
            Some(header) if header.get("enc").is_some() => Self::Encrypted,
            Some(header) => Self::Signed(header.text("alg").unwrap_or_default().to_owned()),
        }
    }
}

/// Whether a signature by that algorithm may be that long, in characters of base64url.
fn is_whole(algorithm: &str, len: usize) -> bool {
    match algorithm {
        // Keys of 2048, 3072, 4096, 6144 and 8192 bits.
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => {
            matches!(len, 342 | 512 | 683 | 1024 | 1366)
        }
        "ES256" | "EdDSA" | "HS512" | "ES256K" => len == 86,
        "ES384" => len == 128,
        "ES512" => len == 176,
        "HS256" => len == 43,
        "HS384" => len == 64,
        _ => true,
    }
}
