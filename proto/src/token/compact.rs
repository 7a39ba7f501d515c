//! A token taken apart: JWS and JWE in compact form (RFC 7515 section 7.1, RFC 7516 section 7.1), or opaque.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::member::Members;

/// A token: an access token, an ID token, whatever it is. Its text is overwritten when dropped and shown by
/// [`Token::expose`] alone.
#[derive(Clone)]
pub struct Token {
    text: Zeroizing<String>,
    shape: Shape,
}

#[derive(Clone)]
enum Shape {
    Signed(Box<Signed>),
    Encrypted(Box<Members>),
    Opaque,
}

/// What a JWS says: a JWT that can be read by everybody. Unverified.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The JOSE header (RFC 7515 section 4).
    pub header: Members,
    /// The claims (RFC 7519 section 4).
    pub claims: Members,
    /// Whether a part is padded or in the standard alphabet of base64 instead of the URL-safe one (RFC 7515 section 2):
    /// read here, refused by services.
    pub in_standard_base64: bool,
}

/// Why a text that looks like a JWT is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The dots are too many or too few.
    #[error("it has {}, where a signed token has 3 between its dots and an encrypted one 5", parts(*.0))]
    Parts(usize),
    /// The first part cannot be read.
    #[error("its header is not base64url")]
    HeaderEncoding,
    /// The first part holds something else.
    #[error("its header is no JSON object")]
    HeaderNotJson,
    /// The second part cannot be read.
    #[error("its payload is not base64url")]
    PayloadEncoding,
    /// The second part holds something else.
    #[error("its payload is no JSON object")]
    PayloadNotJson,
    /// There are characters in it that no token has (RFC 6750 section 2.1, `b64token`).
    #[error("it has characters that no token has")]
    Characters,
    /// There is nothing.
    #[error("it is empty")]
    Empty,
}

impl Token {
    /// Takes a token apart. What does not begin like a JWT is opaque, if it has only characters that tokens have.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Err(Malformed::Empty);
        }
        let shape = match shape(text) {
            Ok(Some(shape)) => shape,
            Ok(None) if is_b64token(text) => Shape::Opaque,
            Ok(None) => return Err(Malformed::Characters),
            Err(malformed) => return Err(malformed),
        };
        Ok(Self { text: Zeroizing::new(text.to_owned()), shape })
    }

    /// The token itself. Every use of this method is a place where it may leave.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        self.text.len()
    }

    /// What it says, where it is a JWS.
    pub fn signed(&self) -> Option<&Signed> {
        match &self.shape {
            Shape::Signed(signed) => Some(signed),
            _ => None,
        }
    }

    /// The header of a JWS or a JWE.
    pub fn header(&self) -> Option<&Members> {
        match &self.shape {
            Shape::Signed(signed) => Some(&signed.header),
            Shape::Encrypted(header) => Some(header),
            Shape::Opaque => None,
        }
    }

    /// Whether it is a JWE.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.shape, Shape::Encrypted(_))
    }

    /// Whether it says nothing to anybody but its issuer.
    pub fn is_opaque(&self) -> bool {
        matches!(self.shape, Shape::Opaque)
    }

    /// What the signature of a JWS is over, and the signature.
    pub(super) fn signature(&self) -> Option<(&str, &str)> {
        self.signed().and_then(|_| self.text.rsplit_once('.'))
    }
}

fn parts(count: usize) -> String {
    if count == 1 { "1 part".to_owned() } else { format!("{count} parts") }
}

/// Never shows the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shape {
            Shape::Signed(signed) => signed.fmt(f),
            Shape::Encrypted(header) => write!(f, "Encrypted({header:?})"),
            Shape::Opaque => f.write_str("Opaque"),
        }
    }
}

/// Whether a character may be part of a token.
pub(super) fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '~')
}

/// Whether a text has only characters that a bearer token may have (RFC 6750 section 2.1).
pub fn is_b64token(text: &str) -> bool {
    let core = text.trim_end_matches('=');
    !core.is_empty() && core.chars().all(|c| is_part(c) && c != '=')
}

/// `None`: it does not begin like a JWT.
fn shape(text: &str) -> Result<Option<Shape>, Malformed> {
    // Without a dot it may just as well be an opaque token that happens to begin so.
    let is_meant = begins_like_json(text) && (text.contains('.') || text.starts_with("eyJ"));
    let parts: Vec<&str> = text.splitn(7, '.').collect();
    let (header, header_is_standard) = match decode(parts[0]) {
        Some((bytes, is_standard)) => match Members::parse(&bytes) {
            Some(header) => (header, is_standard),
            None if is_meant => return Err(Malformed::HeaderNotJson),
            None => return Ok(None),
        },
        None if is_meant => return Err(Malformed::HeaderEncoding),
        None => return Ok(None),
    };
    if parts.len() == 5 && header.get("enc").is_some() {
        return Ok(Some(Shape::Encrypted(Box::new(header))));
    }
    let [_, payload, signature] = parts[..] else {
        return Err(Malformed::Parts(text.split('.').count()));
    };
    let (payload, payload_is_standard) = decode(payload).ok_or(Malformed::PayloadEncoding)?;
    let claims = Members::parse(&payload).ok_or(Malformed::PayloadNotJson)?;
    let in_standard_base64 = header_is_standard || payload_is_standard || signature.contains(['+', '/', '=']);
    Ok(Some(Shape::Signed(Box::new(Signed { header, claims, in_standard_base64 }))))
}

/// Whether a part begins as `{"` does in base64, with or without white space within.
pub(super) fn begins_like_json(part: &str) -> bool {
    ["ey", "ew", "e3"].iter().any(|start| part.starts_with(start))
}

/// A part and whether it was written in another base64 than base64url without padding.
fn decode(part: &str) -> Option<(Zeroizing<Vec<u8>>, bool)> {
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(part) {
        return Some((Zeroizing::new(bytes), false));
    }
    let url_safe: Zeroizing<String> = Zeroizing::new(
        part.trim_end_matches('=')
            .chars()
            .map(|c| match c {
                '+' => '-',
                '/' => '_',
                c => c,
            })
            .collect(),
    );
    URL_SAFE_NO_PAD.decode(url_safe.as_str()).ok().map(|bytes| (Zeroizing::new(bytes), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn says_why_something_is_no_token() {
        let header = part(r#"{"alg":"RS256"}"#);
        let payload = part(r#"{"sub":"me"}"#);
        for (text, why) in [
            (String::new(), Malformed::Empty),
            (header.clone(), Malformed::Parts(1)),
            (format!("{header}.{payload}"), Malformed::Parts(2)),
            (format!("{header}.{payload}.x.y"), Malformed::Parts(4)),
            (format!("{header}.{payload}.x.{header}.{payload}.x"), Malformed::Parts(6)),
            (format!("{header}.{payload}!.x"), Malformed::PayloadEncoding),
            (format!("{header}.{}.x", part("hello")), Malformed::PayloadNotJson),
            (format!("{header}.{}.x", part("[1]")), Malformed::PayloadNotJson),
            (format!("{}.{payload}.x", part(r#"{"alg"}"#)), Malformed::HeaderNotJson),
            (format!("{}.{payload}.x", &header[..9]), Malformed::HeaderEncoding),
            ("two words".to_owned(), Malformed::Characters),
        ] {
            assert_eq!(Token::parse(&text).err(), Some(why), "{text}");
        }
        assert!(Token::parse(&".".repeat(1 << 20)).expect("characters of a token").is_opaque());
    }

    #[test]
    fn other_base64_is_read_and_told() {
        let (header, payload) = (part(r#"{"alg":"RS256"}"#), part(r#"{"sub":"me?>"}"#));
        let good = Token::parse(&format!("{header}.{payload}.c2ln")).expect("a token");
        assert!(!good.signed().expect("a JWS").in_standard_base64);
        for text in [
            format!("{header}=.{payload}.c2ln"),
            format!("{header}.{payload}==.c2ln"),
            format!("{header}.{payload}.c2l+"),
            format!("{header}.{}.c2ln", base64::prelude::BASE64_STANDARD.encode(r#"{"sub":"me?>??"}"#)),
        ] {
            assert!(Token::parse(&text).expect("a token").signed().expect("a JWS").in_standard_base64);
        }
    }

    #[test]
    fn an_encrypted_one_has_five_parts_and_a_cipher() {
        let token = format!("{}.a.b.c.d", part(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#));
        assert!(Token::parse(&token).expect("a token").is_encrypted());
        let token = format!("{}.a.b.c.d", part(r#"{"alg":"RS256"}"#));
        assert_eq!(Token::parse(&token).err(), Some(Malformed::Parts(5)));
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = Token::parse(&format!("{}.{}.c2ln", part("{}"), part(r#"{"sub":"canary"}"#)));
        assert!(!format!("{token:?}").contains("canary"));
        assert_eq!(format!("{:?}", Token::parse("opaque-canary").expect("opaque")), "Opaque");
    }
}
