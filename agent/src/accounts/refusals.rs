//! What a provider refused an account for a reason that asking again does not mend: an unknown client, a scope that is
//! not granted, metadata of another issuer. It is remembered for a while, so that the provider is not asked again for
//! everybody who wants a token.

use std::time::Duration;

use oidc_proto::{json::Object, message::Failure};
use serde_json::Value;

use super::token_cache::Purpose;
use crate::{
    clock::BootTime,
    handed_on::{self, Unreadable},
    provider::{ProviderError, ProviderErrorKind},
};

/// For how long at first, and at most: the person may have mended it at the provider.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(120);

/// Most that are remembered of one account; the one that ends first makes room.
const CAPACITY: usize = 32;

/// What else than a purpose may be refused, in [`Refusals::to_value`].
const CLIENT: &str = "client";
const PROVIDER: &str = "provider";

/// The refusals of one account.
#[derive(Default)]
pub struct Refusals(Vec<Refusal>);

struct Refusal {
    concerns: Concerns,
    failure: Failure,
    /// The provider has said so, by an OAuth error.
    is_final: bool,
    length: Duration,
    until: BootTime,
}

/// What a refusal is about.
#[derive(Clone, PartialEq, Eq)]
enum Concerns {
    /// The account's client, whatever it asks for.
    Client,
    /// Its provider as it is now, whatever is asked for.
    Provider,
    /// Tokens with these scopes and audiences.
    Purpose(Purpose),
}

impl Refusals {
    /// The refusal that answers for the provider, if there is one.
    pub fn find(&self, purpose: &Purpose, now: BootTime) -> Option<Failure> {
        let refusal = self.0.iter().find(|refusal| refusal.answers(purpose) && now < refusal.until)?;
        let left = refusal.until.since(now).as_secs().saturating_add(1);
        let known = refusal.failure.info.clone().unwrap_or_default();
        let info = format!(
            "{known}The provider said so a moment ago. It is asked again in {left} seconds, or when the account is loaded \
             again or its file has changed."
        );
        Some(refusal.failure.clone().with_info(info))
    }

    /// What the provider said last of tokens for this purpose, without when it may be asked again.
    pub fn said(&self, purpose: &Purpose) -> Option<&Failure> {
        self.0.iter().find(|refusal| refusal.answers(purpose)).map(|refusal| &refusal.failure)
    }

    /// Whether what was refused last of tokens for this purpose is wrong with the account or the purpose, and not just with the
    /// provider as it is now. `None`: nothing was refused.
    pub fn is_final(&self, purpose: &Purpose) -> Option<bool> {
        let mut refusals = self.0.iter().filter(|refusal| refusal.answers(purpose)).peekable();
        refusals.peek()?;
        Some(refusals.all(|refusal| refusal.is_final))
    }

    /// Why the account's client was refused last. Known until a token is granted, also while the provider may be asked again.
    pub fn of_client(&self) -> Option<&Failure> {
        let is_client = |refusal: &&Refusal| refusal.concerns == Concerns::Client;
        self.0.iter().find(is_client).map(|refusal| &refusal.failure)
    }

    /// Remembers an error, if it is of that kind. Refusals in a row double the time.
    pub fn note(&mut self, purpose: &Purpose, error: &ProviderError, failure: &Failure, now: BootTime) {
        let Some(concerns) = concerns(purpose, error) else { return };
        let earlier = self.0.iter().position(|refusal| refusal.concerns == concerns);
        let earlier = earlier.map(|index| self.0.swap_remove(index));
        let length = earlier.map_or(FIRST, |refusal| refusal.length.saturating_mul(2).min(LONGEST));
        if self.0.len() >= CAPACITY
            && let Some(first) = (0..self.0.len()).min_by_key(|index| self.0[*index].until)
        {
            self.0.swap_remove(first);
        }
        let is_final =
            matches!(error.kind(), ProviderErrorKind::Refused(_) | ProviderErrorKind::Unsupported(_));
        let failure = failure.clone();
        self.0.push(Refusal { concerns, failure, is_final, length, until: now.plus(length) });
    }

    /// The provider granted a token: nothing is wrong with the account, nor with this purpose.
    pub fn granted(&mut self, purpose: &Purpose) {
        self.0.retain(|refusal| !refusal.answers(purpose));
    }

    /// For a process of the agent that goes on with the account.
    pub fn to_value(&self) -> Value {
        let entry = |refusal: &Refusal| {
            let mut object = Object::default();
            match &refusal.concerns {
                Concerns::Client => object.insert("concerns", CLIENT),
                Concerns::Provider => object.insert("concerns", PROVIDER),
                Concerns::Purpose(purpose) => purpose.write(&mut object),
            }
            object.insert("failure", refusal.failure.to_object().into_value());
            object.insert("is_final", refusal.is_final);
            object.insert("length", u64::try_from(refusal.length.as_millis()).unwrap_or(u64::MAX));
            object.insert("until", refusal.until.as_millis());
            object.into_value()
        };
        self.0.iter().map(entry).collect()
    }

    /// What [`Refusals::to_value`] gave.
    pub fn handed_on(within: &mut Object, member: &str) -> Result<Self, Unreadable> {
        let entry = |mut object: Object| {
            let concerns = match handed_on::optional_text(&object, "concerns")?.as_deref() {
                Some(CLIENT) => Concerns::Client,
                Some(PROVIDER) => Concerns::Provider,
                None => Concerns::Purpose(Purpose::read(&object)),
                Some(_) => return Err(Unreadable::new("concerns")),
            };
            Ok(Refusal {
                concerns,
                failure: Failure::from_object(&handed_on::object(&mut object, "failure")?),
                is_final: handed_on::flag(&object, "is_final")?,
                length: Duration::from_millis(handed_on::number(&object, "length")?).min(LONGEST),
                until: BootTime::from_millis(handed_on::number(&object, "until")?),
            })
        };
        let entries = handed_on::objects(within, member)?;
        entries.into_iter().take(CAPACITY).map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// The account is another one now: loaded again, logged in again, or read from a changed file.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Refusal {
    fn answers(&self, purpose: &Purpose) -> bool {
        match &self.concerns {
            Concerns::Client | Concerns::Provider => true,
            Concerns::Purpose(own) => own == purpose,
        }
    }
}

/// What an error is about. `None`: it may pass, is about the refresh token, or cost the provider nothing.
fn concerns(purpose: &Purpose, error: &ProviderError) -> Option<Concerns> {
    if error.is_transient() || error.is_dead_token() {
        return None;
    }
    match error.kind() {
        ProviderErrorKind::Configuration { .. } | ProviderErrorKind::InsecureUrl { .. } => None,
        ProviderErrorKind::Refused(refusal) => Some(match refusal.error.as_str() {
            "invalid_client" | "unauthorized_client" | "unsupported_grant_type" => Concerns::Client,
            _ => Concerns::Purpose(purpose.clone()),
        }),
        ProviderErrorKind::IssuerMismatch { .. }
        | ProviderErrorKind::Unsupported(_)
        | ProviderErrorKind::Tls { .. }
        | ProviderErrorKind::Redirect { .. } => Some(Concerns::Provider),
        _ => Some(Concerns::Purpose(purpose.clone())),
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::error_code::ErrorCode;

    use super::*;
    use crate::provider::{OAuthError, Unsupported};

    fn error(kind: ProviderErrorKind) -> ProviderError {
        ProviderError::new("op.example".into(), kind)
    }

    fn refused(status: u16, code: &str) -> ProviderError {
        error(ProviderErrorKind::Refused(OAuthError::new(status, code, None, &[])))
    }

    fn failure() -> Failure {
        Failure::new(ErrorCode::InvalidScope, "refused")
    }

    fn after(seconds: u64) -> BootTime {
        BootTime::default().plus(Duration::from_secs(seconds))
    }

    fn scope(scope: &str) -> Purpose {
        Purpose::new(Some(scope), None)
    }

    #[test]
    fn a_refused_client_is_known_as_such_until_it_is_granted_something() {
        for (error, of_client) in [
            (refused(401, "invalid_client"), true),
            (refused(400, "unauthorized_client"), true),
            (refused(400, "unsupported_grant_type"), true),
            (refused(400, "invalid_scope"), false),
            (refused(400, "temporarily_unavailable"), false),
            (error(ProviderErrorKind::Tls { reason: String::new() }), false),
        ] {
            let mut refusals = Refusals::default();
            refusals.note(&scope("a"), &error, &failure(), after(0));
            assert_eq!(refusals.of_client().is_some(), of_client, "{error:?}");
            refusals.granted(&scope("b"));
            assert!(refusals.of_client().is_none(), "{error:?}");
        }
    }

    /// Which errors are remembered, and whether also for tokens of another purpose.
    #[test]
    fn what_asking_again_does_not_mend_is_remembered() {
        let reason = || String::new();
        for (error, for_this, for_others) in [
            (refused(401, "invalid_client"), true, true),
            (refused(400, "unauthorized_client"), true, true),
            (refused(400, "unsupported_grant_type"), true, true),
            (refused(400, "invalid_scope"), true, false),
            (refused(400, "invalid_target"), true, false),
            (refused(400, "of their own"), true, false),
            (error(ProviderErrorKind::IssuerMismatch { expected: reason(), found: None }), true, true),
            (error(ProviderErrorKind::Unsupported(Unsupported::Token)), true, true),
            (error(ProviderErrorKind::Tls { reason: reason() }), true, true),
            (error(ProviderErrorKind::BadResponse { what: "" }), true, false),
            (error(ProviderErrorKind::TooLarge), true, false),
            (error(ProviderErrorKind::Status { status: 404, retry_after: None, said: None }), true, false),
            (error(ProviderErrorKind::Status { status: 503, retry_after: None, said: None }), false, false),
            (error(ProviderErrorKind::Timeout { after: FIRST }), false, false),
            (error(ProviderErrorKind::Configuration { reason: reason() }), false, false),
            (refused(400, "temporarily_unavailable"), false, false),
            (
                error(ProviderErrorKind::LoginNeeded(OAuthError::new(400, "invalid_grant", None, &[]))),
                false,
                false,
            ),
        ] {
            let mut refusals = Refusals::default();
            refusals.note(&scope("a"), &error, &failure(), after(0));
            let mut within = Object::default();
            within.insert("refusals", refusals.to_value());
            let refusals = Refusals::handed_on(&mut within, "refusals").expect("its own words");
            let found = |purpose: &str| refusals.find(&scope(purpose), after(4)).is_some();
            assert_eq!((found("a"), found("b")), (for_this, for_others), "{error:?}");
        }
    }

    #[test]
    fn the_time_grows_and_ends_growing() {
        let (mut refusals, mut now) = (Refusals::default(), 0);
        for length in [5, 10, 20, 40, 80, 120, 120] {
            refusals.note(&scope("a"), &refused(400, "invalid_scope"), &failure(), after(now));
            let found = refusals.find(&scope("a"), after(now + length - 1)).expect("remembered");
            assert!(found.info.is_some_and(|info| info.contains("in 2 seconds")), "{length}");
            assert!(refusals.find(&scope("a"), after(now + length)).is_none(), "{length}");
            now += length;
        }
    }

    #[test]
    fn a_grant_or_another_account_makes_it_forgotten() {
        let noted = || {
            let mut refusals = Refusals::default();
            refusals.note(&scope("a"), &refused(400, "invalid_scope"), &failure(), after(0));
            refusals.note(&scope("a"), &refused(401, "invalid_client"), &failure(), after(0));
            refusals
        };
        let mut refusals = noted();
        refusals.granted(&scope("b"));
        assert!(refusals.find(&scope("b"), after(1)).is_none(), "the account is fine");
        assert!(refusals.find(&scope("a"), after(1)).is_some(), "the scope is not");
        refusals.granted(&scope("a"));
        assert!(refusals.find(&scope("a"), after(1)).is_none());
        let mut refusals = noted();
        refusals.clear();
        assert!(refusals.find(&scope("a"), after(1)).is_none());
    }

    #[test]
    fn is_bounded() {
        let mut refusals = Refusals::default();
        for number in 0..1000 {
            let purpose = scope(&number.to_string());
            refusals.note(&purpose, &refused(400, "invalid_scope"), &failure(), after(0));
        }
        assert_eq!(refusals.0.len(), CAPACITY);
        assert!(refusals.find(&scope("999"), after(1)).is_some());
    }
}
