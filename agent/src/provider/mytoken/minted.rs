//! Mytokens in answers: the one that was asked for, and the one that replaces the one that was used.

use std::time::Duration;

use oidc_proto::{json::Object, secret::RefreshToken};

/// The longest life that is believed: 10 years, as of access tokens.
const LONGEST_LIFE: u64 = 10 * 365 * 24 * 3600;
/// Where the mytoken stands that replaces the used one: what the server has, and what the C suite reads.
const UPDATES: [&str; 2] = ["token_update", "updated_token"];

/// A mytoken for an account.
#[derive(Debug)]
pub struct Mytoken {
    /// It stands where other accounts have a refresh token.
    pub token: RefreshToken,
    /// How long it lives from now; absent: until it is revoked, or nobody says.
    pub expires_in: Option<Duration>,
}

/// What was made of a mytoken by a mytoken server.
#[derive(Debug)]
pub struct Minted {
    /// The answer without what is of the account's own mytoken.
    pub answer: Object,
    /// Present: replaces the mytoken that was used, at once and for good.
    pub successor: Option<Mytoken>,
}

impl Mytoken {
    /// The mytoken of an object, which has it as `mytoken`.
    pub(super) fn of(object: &Object) -> Option<Self> {
        Some(Self { token: RefreshToken::new(object.string("mytoken")?), expires_in: expires_in(object) })
    }

    /// Takes the one out of an answer that replaces the used one.
    pub(super) fn take_successor(answer: &mut Object) -> Option<Self> {
        let mut found = None;
        for key in UPDATES {
            let update = answer.object(key);
            answer.remove(key);
            found = found.or_else(|| Self::of(&update?));
        }
        found
    }
}

/// `expires_in`, as far as it is believed.
pub(super) fn expires_in(object: &Object) -> Option<Duration> {
    let seconds = u64::try_from(object.integer("expires_in")?).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.min(LONGEST_LIFE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_found_under_both_names_and_leaves_nothing_behind() {
        for (answer, expected) in [
            (
                r#"{"mytoken":"sub","token_update":{"mytoken":"new","expires_in":60}}"#,
                Some(("new", Some(60))),
            ),
            (r#"{"mytoken":"sub","updated_token":{"mytoken":"new","expires_in":0}}"#, Some(("new", None))),
            (
                r#"{"mytoken":"sub","token_update":null,"updated_token":{"mytoken":"new"}}"#,
                Some(("new", None)),
            ),
            (r#"{"mytoken":"sub","token_update":{"transfer_code":"x"}}"#, None),
            (r#"{"mytoken":"sub","token_update":"text"}"#, None),
            (r#"{"mytoken":"sub"}"#, None),
        ] {
            let mut object = Object::parse(answer.as_bytes()).expect("an object");
            let found = Mytoken::take_successor(&mut object);
            let found = found.map(|found| (found.token.expose().to_owned(), found.expires_in));
            let expected = expected.map(|(token, life)| (token.to_owned(), life.map(Duration::from_secs)));
            assert_eq!(found, expected, "{answer}");
            assert_eq!(object.to_json().as_str(), r#"{"mytoken":"sub"}"#);
        }
    }

    #[test]
    fn no_life_is_longer_than_believed() {
        let object =
            Object::parse(br#"{"mytoken":"m","expires_in":9223372036854775807}"#).expect("an object");
        let mytoken = Mytoken::of(&object).expect("a mytoken");
        assert_eq!(mytoken.expires_in, Some(Duration::from_secs(LONGEST_LIFE)));
    }
}
