//! What tells tokens apart without showing them.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

/// How many bytes of the hash are kept: nobody finds another token with the same ones.
const KEPT: usize = 16;

/// Which token is meant: the first 16 bytes of its SHA-256, as 22 characters of base64url. It may stand in states and logs of
/// programs that must not hold the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenDigest(String);

/// Not 22 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the digest of a token: 22 characters of base64url")]
pub struct NotADigest;

impl TokenDigest {
    /// Of a token as it stands.
    pub fn of(token: &str) -> Self {
        let hash = digest(&SHA256, token.as_bytes());
        Self(BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..KEPT]))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| NotADigest)?;
        if bytes.len() == KEPT { Ok(Self(text.to_owned())) } else { Err(NotADigest) }
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_one_token_and_comes_back() {
        let digest = TokenDigest::of("token");
        assert_eq!(digest.as_str(), "PEaenWxYddN6Q_NT1PiOYQ");
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        assert_ne!(TokenDigest::of("token "), digest);
        for text in
            ["", "PEaenWxYddN6Q_NT1PiOY", "PEaenWxYddN6Q_NT1PiOYQ==", "PEaenWxYddN6Q_NT1PiOYQAA", "a b"]
        {
            assert_eq!(text.parse::<TokenDigest>(), Err(NotADigest), "{text}");
        }
    }
}
