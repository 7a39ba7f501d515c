//! Whether the issuer signed a token: the signature, or why it cannot be checked.

use super::{
    compact::Token,
    key_set::{KeySet, NoKey},
    kind::is_hmac,
    problem::{Problem, quoted},
    signature::Checked,
};

/// Checks the signature with the issuer's keys. Nothing comes back where it is good.
///
/// What is not a JWS, is not signed at all or under a key that the issuer shares is told by [`super::judge()`], and again
/// here for nobody to believe it: such a token never passes.
pub fn check_signature(token: &Token, keys: &KeySet) -> Option<Problem> {
    let (Some(jwt), Some((signed, signature))) = (token.signed(), token.signature()) else {
        return Some(Problem::error("not_signed", "only a signed token can be verified"));
    };
    let algorithm = jwt.algorithm().unwrap_or_default();
    match keys.check(signed, signature, algorithm, jwt.key_id()) {
        Checked::Good => None,
        Checked::Wrong => Some(Problem::error(
            "signature",
            "the signature is wrong: the issuer did not sign this, or it was changed since",
        )),
        Checked::UnknownAlgorithm if is_hmac(jwt) || algorithm.eq_ignore_ascii_case("none") => {
            Some(Problem::error(
                "signature",
                "nothing here proves who made it: it would have to be signed with a key pair",
            ))
        }
        Checked::UnknownAlgorithm => Some(Problem::error(
            "alg_unknown",
            format!("signatures by the algorithm {} cannot be checked here", quoted(algorithm)),
        )),
        Checked::NoKey => Some(no_key(keys.why_none(jwt.key_id()), jwt.key_id(), algorithm)),
    }
}

fn no_key(why: NoKey, kid: Option<&str>, algorithm: &str) -> Problem {
    let kid = quoted(kid.unwrap_or_default());
    let algorithm = quoted(algorithm);
    match why {
        NoKey::NoneOfThatName => Problem::error(
            "key_unknown",
            format!("the issuer publishes no such key: the token says that {kid} signed it"),
        ),
        NoKey::NotForSignatures => Problem::error(
            "key_not_for_signatures",
            format!("the key {kid} is not for signatures: another key would have to have signed the token"),
        ),
        NoKey::OfAnotherType => Problem::error(
            "key_of_another_type",
            format!("the key {kid} is one of another type: it cannot make signatures by {algorithm}"),
        ),
        NoKey::NoneFits => Problem::error(
            "key_unknown",
            format!("the issuer publishes no key for signatures by {algorithm}, and the token names none"),
        ),
    }
}
