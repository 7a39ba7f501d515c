//! When the login of an account ends, as its provider said beside the refresh token (`refresh_expires_in`, as Keycloak has
//! it): kept in the account among the other members, with what it takes to know that token again. Whoever replaces the
//! token without a word leaves no false date behind.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::AccountConfig;
use crate::secret::RefreshToken;

/// The member: an object with `at`, in seconds since the epoch, and `of`, a digest of the token.
const REFRESH_TOKEN_EXPIRES_AT: &str = "refresh_token_expires_at";
/// RFC 7591 section 3.2.1: when the client's secret ends; 0 = never.
const CLIENT_SECRET_EXPIRES_AT: &str = "client_secret_expires_at";
/// The bytes of the digest that are kept: enough to know a token again, useless otherwise.
const DIGEST_LEN: usize = 12;

/// Notes when a refresh token ends, in seconds since the epoch; `None`: nobody says.
pub fn note(account: &mut AccountConfig, token: &RefreshToken, ends_at: Option<u64>) {
    account.other.remove(REFRESH_TOKEN_EXPIRES_AT);
    if let Some(at) = ends_at {
        account.other.insert(REFRESH_TOKEN_EXPIRES_AT, json!({"at": at, "of": digest_of(token)}));
    }
}

/// When a refresh token ends, as was noted; in seconds since the epoch.
pub fn of(account: &AccountConfig, token: &RefreshToken) -> Option<u64> {
    let noted = account.other.members().get(REFRESH_TOKEN_EXPIRES_AT)?;
    let is_its = noted.get("of").and_then(Value::as_str) == Some(&digest_of(token));
    noted.get("at").and_then(Value::as_u64).filter(|_| is_its)
}

/// When the registration of the account's client ends, in seconds since the epoch, as it said (RFC 7591 section 3.2.1); a
/// number or a text. `None`: never, or nobody says.
pub fn of_client(account: &AccountConfig) -> Option<u64> {
    let at = account.other.integer(CLIENT_SECRET_EXPIRES_AT)?;
    u64::try_from(at).ok().filter(|at| *at != 0)
}

fn digest_of(token: &RefreshToken) -> String {
    let digest = digest(&SHA256, token.expose().as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&digest.as_ref()[..DIGEST_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_belongs_to_one_token() {
        let (one, other) = (RefreshToken::from("rt-1"), RefreshToken::from("rt-2"));
        let mut account = AccountConfig::default();
        assert_eq!(of(&account, &one), None);
        note(&mut account, &one, Some(1_800_000_000));
        let account = AccountConfig::parse(account.to_json().as_bytes()).expect("an account");
        assert_eq!((of(&account, &one), of(&account, &other)), (Some(1_800_000_000), None));
        assert!(!account.to_json().contains("rt-1"));
        let mut account = account;
        note(&mut account, &other, None);
        assert_eq!(account, AccountConfig::default());
    }

    #[test]
    fn registrations_end_or_do_not() {
        for (json, at) in [
            (r#"{"client_secret_expires_at":1800000000}"#, Some(1_800_000_000)),
            (r#"{"client_secret_expires_at":"1800000000"}"#, Some(1_800_000_000)),
            (r#"{"client_secret_expires_at":0}"#, None),
            (r#"{"client_secret_expires_at":-1}"#, None),
            (r#"{"client_secret_expires_at":null}"#, None),
            ("{}", None),
        ] {
            assert_eq!(of_client(&AccountConfig::parse(json.as_bytes()).expect("an account")), at, "{json}");
        }
    }
}
