//! The `state` of an authorization request, in the C suite's layout.
//!
//! ```text
//! <slash>:<at><24 random characters>:<length>:<socket path>
//! ```
//!
//! `slash` is 1 when the redirect URI ends in one, `at` is 1 when only an access token is wanted, `length` is that of
//! the socket path in bytes, and the path is base64url without padding: `oidc-gen --codeExchange` reads all of them,
//! and finds the agent by the path.

use std::{fmt, os::unix::ffi::OsStrExt, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oidc_proto::secret;
use subtle::ConstantTimeEq;

/// Random bytes in a `state`: 24 characters.
const RANDOM_BYTES: usize = 18;

/// What ties an answer of the browser to one login. Whoever knows it can end the login, so it is not logged.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginState(String);

impl LoginState {
    /// A new one, for a login that is answered to `redirect_uri` and belongs to the agent at `socket`.
    pub fn new(redirect_uri: &str, only_at: bool, socket: &Path) -> Self {
        let mut random = [0; RANDOM_BYTES];
        secret::random(&mut random);
        let random = URL_SAFE_NO_PAD.encode(random);
        let socket = socket.as_os_str().as_bytes();
        Self(format!(
            "{}:{}{random}:{}:{}",
            u8::from(redirect_uri.ends_with('/')),
            u8::from(only_at),
            socket.len(),
            URL_SAFE_NO_PAD.encode(socket)
        ))
    }

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this very state, in constant time.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl fmt::Debug for LoginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginState(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_layout_that_oidc_gen_reads() {
        let state = LoginState::new("http://localhost:4242", false, Path::new("/tmp/agent.sock"));
        let parts: Vec<&str> = state.as_str().split(':').collect();
        assert_eq!((parts[0], &parts[1][..1], parts[1].len(), parts[2]), ("0", "0", 25, "15"));
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[3]).as_deref(), Ok(&b"/tmp/agent.sock"[..]));

        let other = LoginState::new("http://localhost:4242/", true, Path::new("/tmp/agent.sock"));
        assert!(other.as_str().starts_with("1:1"));
    }

    #[test]
    fn no_two_are_alike() {
        let new = || LoginState::new("http://localhost:1", false, Path::new("/s"));
        let (one, two) = (new(), new());
        assert_ne!(one, two);
        assert!(one.matches(one.as_str()) && !one.matches(two.as_str()) && !one.matches(""));
        assert!(!format!("{one:?}").contains(one.as_str()));
    }
}
