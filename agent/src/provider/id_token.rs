//! Judging ID tokens (OpenID Connect Core section 3.1.3.7).
//!
//! All of them come straight from the token endpoint, over TLS or from this machine, so it is known who sent them, and
//! number 6 of that section lets this stand in for the signature. A signature is checked where it can be, and a wrong
//! one is refused; where it cannot be (an algorithm that is not known here, keys that are not published, cannot be
//! fetched or do not include the one that signed) the claims are judged as ever.
//!
//! Times are judged by the provider's clock, which the answer that brought the token tells (`Date`, RFC 9110 section
//! 6.6.1), as well as by this computer's: a token is refused for its times if both say so, give or take [`LEEWAY`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oidc_proto::{
    account::same_issuer,
    jwt::{Claims, Jwt},
    secret::IdToken,
    token::{Checked, KeySet},
};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::{
    Provider,
    error::{ProviderError, ProviderErrorKind},
    text::presentable,
};

/// How far a clock may be off before a token is refused for its times, in seconds.
const LEEWAY: u64 = 5 * 60;
/// How long keys are waited for that one can do without.
const KEYS_DEADLINE: Duration = Duration::from_secs(5);
/// In Google's tokens the scheme may be missing.
const GOOGLE: (&str, &str) = ("https://accounts.google.com", "accounts.google.com");

/// An ID token as an answer of the token endpoint brought it: only such answers make one.
#[derive(Clone, Debug)]
pub struct ReceivedIdToken {
    token: IdToken,
    /// Seconds since the epoch, by the provider's clock.
    sent_at: Option<u64>,
}

/// What an ID token has to fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who asked for it.
    pub client_id: &'a str,
    /// That of the authorization request. A token that comes with a refresh or a device code need not have one
    /// (OpenID Connect Core section 12.2).
    pub nonce: Option<&'a str>,
}

impl ReceivedIdToken {
    pub(super) fn new(token: IdToken, sent_at: Option<SystemTime>) -> Self {
        Self { token, sent_at: sent_at.map(seconds) }
    }

    /// The token, judged or not: see [`Provider::judge_id_token`].
    pub fn token(&self) -> &IdToken {
        &self.token
    }
}

impl Provider {
    /// Judges signature and claims of an ID token. It takes [`KEYS_DEADLINE`] at most.
    pub async fn judge_id_token(
        &self,
        received: &ReceivedIdToken,
        expected: Expected<'_>,
        deadline: Instant,
    ) -> Result<(), ProviderError> {
        let refused = |reason| self.http.error(ProviderErrorKind::IdToken { reason });
        let issuer = self.metadata(deadline).await?.issuer.clone();
        let jwt =
            Jwt::parse(received.token.expose()).ok_or_else(|| refused("it is no signed JWT".to_owned()))?;
        check_claims(&jwt.claims, &issuer, expected).map_err(refused)?;
        check_times(&jwt.claims, received.sent_at, self.clock.own().unsigned_abs()).map_err(refused)?;
        self.check_signature(&jwt, deadline).await.map_err(refused)
    }

    /// Tries the keys that are known, then those that are published now.
    pub(super) async fn check_signature(&self, jwt: &Jwt<'_>, deadline: Instant) -> Result<(), String> {
        let deadline = deadline.min(Instant::now() + KEYS_DEADLINE);
        let algorithm = jwt.header.string("alg").unwrap_or_default();
        if algorithm.is_empty() || algorithm.eq_ignore_ascii_case("none") {
            return Err("it is not signed (algorithm 'none')".to_owned());
        }
        let unchecked = |why: &str| {
            let algorithm = presentable(&algorithm, &[]);
            tracing::info!(provider = self.name(), %algorithm, why, "a token is believed by its TLS connection");
            Ok(())
        };
        let mut checked = Checked::NoKey;
        for fresh in [false, true] {
            let keys = if fresh { self.new_keys(deadline).await } else { self.keys(deadline).await };
            checked = match keys {
                Ok(keys) => check_with(&keys, jwt, &algorithm),
                Err(error) => return unchecked(&error.to_string()),
            };
            if matches!(checked, Checked::Good | Checked::UnknownAlgorithm) {
                break;
            }
        }
        match checked {
            Checked::Good => Ok(()),
            Checked::Wrong => Err("its signature is wrong".to_owned()),
            Checked::NoKey => unchecked("none of the provider's keys is the one that signed it"),
            Checked::UnknownAlgorithm => unchecked("the algorithm is not known here"),
        }
    }
}

fn check_with(keys: &KeySet, jwt: &Jwt<'_>, algorithm: &str) -> Checked {
    keys.check(jwt.signed, jwt.signature, algorithm, jwt.header.string("kid").as_deref())
}

fn check_claims(claims: &Claims, issuer: &str, expected: Expected<'_>) -> Result<(), String> {
    let found = claims.text("iss").ok_or("it names no issuer")?;
    if !same_issuer(found, issuer) && (issuer.trim_end_matches('/'), found) != GOOGLE {
        return Err(format!("another issuer made it ({})", presentable(found, &[])));
    }
    if claims.text("sub").is_none() {
        return Err("it does not say whom it is about".to_owned());
    }
    if !claims.audiences().contains(&expected.client_id) {
        return Err("it is meant for another client".to_owned());
    }
    if claims.text("azp").is_some_and(|party| party != expected.client_id) {
        return Err("it was issued to another client".to_owned());
    }
    let nonce_fits = match (expected.nonce, claims.text("nonce")) {
        (Some(expected), Some(found)) => bool::from(expected.as_bytes().ct_eq(found.as_bytes())),
        (Some(_), None) => false,
        (None, _) => true,
    };
    if nonce_fits { Ok(()) } else { Err("its nonce is not the one of this login".to_owned()) }
}

/// All times in seconds since the epoch; `sent_at` by the provider's clock, `now` by this computer's.
fn check_times(claims: &Claims, sent_at: Option<u64>, now: u64) -> Result<(), String> {
    let expires_at = claims.expires_at().ok_or("it does not say when it expires")?;
    let not_before = claims.time("nbf").unwrap_or(0);
    let fits =
        |time: u64| expires_at.saturating_add(LEEWAY) > time && not_before <= time.saturating_add(LEEWAY);
    if fits(now) || sent_at.is_some_and(fits) {
        return Ok(());
    }
    let reason =
        if not_before > now.saturating_add(LEEWAY) { "it is not valid yet" } else { "it has expired" };
    // Without the provider's clock the time of issue has to do: the token has only just come.
    match (sent_at, claims.time("iat")) {
        (Some(_), _) => Err(format!("{reason}, by the provider's own clock as well")),
        (None, Some(issued_at)) if issued_at.abs_diff(now) > LEEWAY => {
            let (apart, off) =
                (span(issued_at.abs_diff(now)), if issued_at < now { "ahead" } else { "behind" });
            Err(format!(
                "{reason}: the clock of this computer seems to be {apart} {off}; please set it right"
            ))
        }
        _ => Err(format!("{reason}, if the clock of this computer is right")),
    }
}

/// A time as people say it.
fn span(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} minutes", seconds / 60),
        3600..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Since the epoch.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    fn claims(json: &str) -> Claims {
        Claims::of(&format!("e30.{}.", URL_SAFE_NO_PAD.encode(json))).expect("a JWT")
    }

    /// A token of ten minutes, issued by a clock that is `behind` this computer's.
    fn judged(behind: i64, sent_at: Option<i64>) -> Result<(), String> {
        let provider = NOW.saturating_add_signed(-behind);
        let token = claims(&format!(r#"{{"iat":{provider},"nbf":{provider},"exp":{}}}"#, provider + 600));
        check_times(&token, sent_at.map(|behind| NOW.saturating_add_signed(-behind)), NOW)
    }

    #[test]
    fn a_clock_that_is_off_is_tolerated_and_beyond_that_named() {
        for behind in [0, 120, 290, 890, -120, -290] {
            assert_eq!(judged(behind, None), Ok(()), "{behind}");
        }
        for (behind, text) in [
            (960, "it has expired: the clock of this computer seems to be 16 minutes ahead"),
            (7201, "it has expired: the clock of this computer seems to be 2 hours ahead"),
            (-360, "it is not valid yet: the clock of this computer seems to be 6 minutes behind"),
            (-30 * i64::try_from(DAY).expect("small"), "seems to be 30 days behind"),
        ] {
            let refused = judged(behind, None).expect_err("too far");
            assert!(refused.contains(text) && refused.contains("clock"), "{behind}: {refused}");
        }
    }

    #[test]
    fn the_providers_own_clock_goes_before_this_computers() {
        for behind in [960, 30 * 86_400, -30 * 86_400] {
            assert_eq!(judged(behind, Some(behind)), Ok(()), "{behind}");
            assert_eq!(judged(0, Some(behind)), Ok(()), "a date that is off does no harm");
        }
        let refused = judged(960, Some(0)).expect_err("an old token");
        assert_eq!(refused, "it has expired, by the provider's own clock as well");
    }

    #[test]
    fn without_a_time_of_issue_the_clock_is_doubted_still() {
        let refused = check_times(&claims(&format!(r#"{{"exp":{}}}"#, NOW - DAY)), None, NOW);
        assert_eq!(refused, Err("it has expired, if the clock of this computer is right".to_owned()));
        assert_eq!(check_times(&claims("{}"), None, NOW), Err("it does not say when it expires".to_owned()));
        let far = claims(r#"{"exp":1e300,"nbf":1e300}"#);
        assert!(check_times(&far, None, NOW).is_err(), "and nothing overflows");
    }

    #[test]
    fn claims_have_to_fit() {
        let issuer = "https://op.example";
        let good = r#"{"iss":"https://op.example/","sub":"me","aud":["x","c"],"azp":"c","nonce":"n"}"#;
        let expected = Expected { client_id: "c", nonce: Some("n") };
        assert_eq!(check_claims(&claims(good), issuer, expected), Ok(()));
        assert_eq!(check_claims(&claims(good), issuer, Expected { nonce: None, ..expected }), Ok(()));
        for (from, to, reason) in [
            ("https://op.example/", "https://evil.example", "another issuer made it (https://evil.example)"),
            ("\"iss\"", "\"x\"", "it names no issuer"),
            ("\"sub\"", "\"x\"", "it does not say whom it is about"),
            ("[\"x\",\"c\"]", "\"x\"", "it is meant for another client"),
            ("\"azp\":\"c\"", "\"azp\":\"x\"", "it was issued to another client"),
            ("\"n\"", "\"other\"", "its nonce is not the one of this login"),
            ("\"nonce\"", "\"x\"", "its nonce is not the one of this login"),
        ] {
            let changed = good.replace(from, to);
            assert_eq!(
                check_claims(&claims(&changed), issuer, expected),
                Err(reason.to_owned()),
                "{changed}"
            );
        }
        let google = r#"{"iss":"accounts.google.com","sub":"me","aud":"c"}"#;
        let expected = Expected { client_id: "c", nonce: None };
        assert_eq!(check_claims(&claims(google), GOOGLE.0, expected), Ok(()));
        assert!(check_claims(&claims(google), "https://accounts.example", expected).is_err());
    }
}
