//! Secrets as types: zeroized on drop, redacted in `Debug`, compared in constant time, and serialised only where
//! somebody wrote `expose`.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

macro_rules! secret_text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes the text over; a spare copy left in a growing buffer is the caller's to avoid.
            pub fn new(text: String) -> Self {
                Self(SecretString::from(text))
            }

            /// The secret itself. Every use of this method is a place where the secret may leave.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// Whether there is nothing in it.
            pub fn is_empty(&self) -> bool {
                self.expose().is_empty()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(SecretString::from(text))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::new)
            }
        }
    )*};
}

secret_text! {
    /// An access token (RFC 6749 section 1.4).
    AccessToken;
    /// A refresh token (RFC 6749 section 1.5); for mytoken accounts the mytoken.
    RefreshToken;
    /// An ID token (OpenID Connect Core section 2).
    IdToken;
    /// A client secret (RFC 6749 section 2.3.1).
    ClientSecret;
    /// A registration access token (RFC 7592 section 1.2).
    RegistrationAccessToken;
    /// A password: of an account file, of the agent's lock, or of the resource owner (RFC 6749 section 4.3).
    Password;
    /// An authorization code (RFC 6749 section 1.3.1).
    AuthorizationCode;
    /// A PKCE code verifier (RFC 7636 section 4.1).
    CodeVerifier;
    /// A device code (RFC 8628 section 3.2).
    DeviceCode;
    /// Any other text that must not be seen.
    SecretText;
}

/// A 32-byte symmetric key.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Takes the bytes over.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Copies the bytes from a slice; `None` unless it holds exactly 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        (bytes.len() == key.len()).then(|| {
            key.copy_from_slice(bytes);
            Self(key)
        })
    }

    /// A new key from the operating system's random source.
    pub fn random() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        random(key.as_mut());
        Self(key)
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_ref()).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

/// Fills `bytes` from the operating system's random source.
///
/// # Panics
/// When the operating system has no random source: nothing that follows could be secure.
pub fn random(bytes: &mut [u8]) {
    use ring::rand::{SecureRandom, SystemRandom};
    SystemRandom::new().fill(bytes).expect("the operating system gives random bytes");
}

/// Overwrites every string value in a JSON value, at any depth.
pub(crate) fn zeroize_json(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(zeroize_json),
        Value::Object(members) => members.values_mut().for_each(zeroize_json),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:?}", Password::from("hunter2"), Key::random());
        assert_eq!(shown, "Password([redacted]) Key([redacted])");
    }

    #[test]
    fn compares_by_content() {
        assert_eq!(RefreshToken::from("a"), RefreshToken::new("a".into()));
        assert_ne!(RefreshToken::from("a"), RefreshToken::from("ab"));
        assert_ne!(Key::random(), Key::random());
    }
}
