//! The assertion by which a client with a key proves who it is (RFC 7523 sections 2.2 and 3, OpenID Connect Core section 9).

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_proto::{
    client_key::{ClientKey, ClientKeyError},
    secret,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{metadata::ProviderMetadata, quirks::AssertionAudience};
use crate::clock::Clock;

/// `client_assertion_type` (RFC 7523 section 2.2).
pub(crate) const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds for which an assertion is good: the way to the provider, and clocks that are not quite right.
const LIFETIME: i64 = 60;
/// Seconds by which a provider's clock may be off without being noticed: `Date` has whole seconds, and is under way.
const TOLERANCE: i64 = 10;

/// What signs for one client at one provider.
pub(crate) struct Signer<'a> {
    pub(crate) key: ClientKey,
    pub(crate) algorithm: &'static str,
    pub(crate) metadata: &'a ProviderMetadata,
    /// Where the metadata name none.
    pub(crate) issuer: &'a str,
    pub(crate) clock: &'a ProviderClock,
}

impl Signer<'_> {
    /// A new assertion: each is good for one request. `names_key`: the header says by `kid` which key it is.
    pub(crate) fn sign(
        &self,
        client_id: &str,
        audience: AssertionAudience,
        names_key: bool,
    ) -> Result<Zeroizing<String>, ClientKeyError> {
        let issuer = Some(&*self.metadata.issuer).filter(|issuer| !issuer.is_empty()).unwrap_or(self.issuer);
        let audience = match audience {
            AssertionAudience::Issuer => issuer,
            AssertionAudience::TokenEndpoint => self.metadata.token_endpoint.as_deref().unwrap_or(issuer),
        };
        let mut header = json!({"alg": self.algorithm, "typ": "JWT"});
        if names_key {
            header["kid"] = self.key.id().into();
        }
        let mut id = [0; 16];
        secret::random(&mut id);
        let now = self.clock.now();
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": encode(id),
            "iat": now,
            "exp": now.saturating_add(LIFETIME),
        });
        let signed = [encode(header.to_string()), encode(claims.to_string())].join(".");
        let signature = self.key.sign(self.algorithm, signed.as_bytes())?;
        Ok(Zeroizing::new([signed, encode(signature)].join(".")))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What time it is at the provider, as far as its answers tell (`Date`, RFC 9110 section 6.6.1).
#[derive(Default)]
pub(crate) struct ProviderClock {
    /// This computer's.
    own: Clock,
    /// Seconds that it is ahead of this computer's clock.
    ahead: AtomicI64,
}

impl ProviderClock {
    /// As far as is known, it agrees with this computer's.
    pub(crate) fn new(own: Clock) -> Self {
        Self { own, ahead: AtomicI64::default() }
    }

    /// Seconds since the epoch, by this computer's clock.
    pub(crate) fn own(&self) -> i64 {
        i64::try_from(self.own.now().wall).unwrap_or(i64::MAX)
    }

    /// How many seconds this computer's clock is ahead of an answer that was sent just now; negative where it is behind.
    pub(crate) fn ahead_of(&self, sent_at: SystemTime) -> i64 {
        self.own().saturating_sub(seconds(sent_at))
    }

    /// Compares, after an answer has come. Whether the provider's clock is another one than was thought.
    pub(crate) fn saw(&self, sent_at: SystemTime) -> bool {
        let ahead = self.ahead_of(sent_at).saturating_neg();
        let ahead = if ahead.abs() <= TOLERANCE { 0 } else { ahead };
        let before = self.ahead.swap(ahead, Ordering::Relaxed);
        before.abs_diff(ahead) > TOLERANCE.unsigned_abs()
    }

    fn now(&self) -> i64 {
        self.own().saturating_add(self.ahead.load(Ordering::Relaxed))
    }
}

/// Seconds since the epoch.
fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oidc_proto::jwt::Claims;

    use super::*;

    fn signed(audience: AssertionAudience, names_key: bool, clock: &ProviderClock) -> (String, String) {
        let metadata = ProviderMetadata {
            issuer: "https://op/own".into(),
            token_endpoint: Some("https://op/token".into()),
            ..ProviderMetadata::default()
        };
        let key = ClientKey::parse(&ClientKey::generate()).expect("a key");
        let signer = Signer { key, algorithm: "ES256", metadata: &metadata, issuer: "https://op", clock };
        let assertion = signer.sign("client", audience, names_key).expect("signed");
        let header = assertion.split('.').next().expect("a header");
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).expect("base64url");
        (String::from_utf8(header).expect("text"), assertion.to_string())
    }

    #[test]
    fn says_who_for_whom_and_for_how_long() {
        let clock = ProviderClock::default();
        let (header, one) = signed(AssertionAudience::Issuer, true, &clock);
        assert!(header.contains(r#""alg":"ES256""#) && header.contains("kid"), "{header}");
        let claims = Claims::of(&one).expect("a JWT");
        assert_eq!((claims.text("iss"), claims.text("sub")), (Some("client"), Some("client")));
        assert_eq!(claims.text("aud"), Some("https://op/own"));
        let (iat, exp) = (claims.time("iat").expect("iat"), claims.time("exp").expect("exp"));
        assert_eq!(exp - iat, 60);
        let (header, other) = signed(AssertionAudience::TokenEndpoint, false, &clock);
        assert!(!header.contains("kid"), "{header}");
        let other = Claims::of(&other).expect("a JWT");
        assert_eq!(other.text("aud"), Some("https://op/token"));
        assert_ne!(other.text("jti"), claims.text("jti"));
    }

    #[test]
    fn goes_by_the_providers_clock_where_that_is_another() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = ProviderClock::new(Clock::simulated(1_700_000_000));
        assert!(!clock.saw(now + Duration::from_secs(3)));
        let (_, assertion) = signed(AssertionAudience::Issuer, true, &clock);
        let iat = |assertion: &str| Claims::of(assertion).expect("a JWT").time("iat").expect("iat");
        let right = iat(&assertion);
        assert!(clock.saw(now - Duration::from_secs(600)));
        assert!(!clock.saw(now - Duration::from_secs(602)), "it is known already");
        let (_, assertion) = signed(AssertionAudience::Issuer, true, &clock);
        assert_eq!((right, iat(&assertion)), (1_700_000_000, 1_700_000_000 - 602));
        assert!(clock.saw(now), "it was set");
    }
}
