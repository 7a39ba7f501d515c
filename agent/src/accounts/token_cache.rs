//! Access tokens of one account, kept by what they are for.

use std::sync::Arc;

use oidc_proto::{json::Object, secret::AccessToken};
use serde_json::{Value, json};

/// Most tokens kept for one account; the one that expires first makes room.
const CAPACITY: usize = 64;

/// A token so recent that asking again would not bring a longer-lived one, in seconds.
const JUST_OBTAINED: u64 = 10;

/// What a token is for: the scopes and audiences asked for, order and repetition left aside. Both absent: the
/// account's default token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Purpose {
    scope: Option<Box<str>>,
    audience: Option<Box<str>>,
}

impl Purpose {
    /// From the blank-separated lists of a request. A scope of blanks alone asks for the provider's default, which
    /// is not the account's: programs that know nothing of scopes send it.
    pub fn new(scope: Option<&str>, audience: Option<&str>) -> Self {
        Self { scope: scope.map(as_set), audience: audience.map(as_set).filter(|set| !set.is_empty()) }
    }

    /// Scopes asked for, separated by blanks.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Audiences asked for, separated by blanks.
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }
}

fn as_set(list: &str) -> Box<str> {
    let mut words: Vec<&str> = list.split_ascii_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ").into()
}

/// An access token with what is known about it. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedToken {
    /// The token.
    pub access_token: AccessToken,
    /// The issuer as the provider spells it.
    pub issuer: Arc<str>,
    /// When it was obtained.
    pub obtained_at: u64,
    /// The seconds of validity that were wanted when it was obtained.
    pub wanted: u64,
    /// When it expires; `None` when nothing tells.
    pub expires_at: Option<u64>,
    /// The granted scopes, when the provider named them.
    pub scope: Option<Box<str>>,
    /// What was asked for and not granted, as sentences.
    pub warnings: Vec<String>,
}

impl CachedToken {
    /// Seconds left at `now`; 0 when expired or unknown.
    pub fn remaining(&self, now: u64) -> u64 {
        self.expires_at.map_or(0, |end| end.saturating_sub(now))
    }

    /// Whether it answers a request for a token that is valid for more than `min_valid` seconds.
    ///
    /// A token just obtained for a request like this one answers also when its whole life is shorter: another would
    /// be no longer, and a herd of such requests would cost one refresh each.
    pub fn serves(&self, min_valid: u64, now: u64) -> bool {
        let remaining = self.remaining(now);
        let just_obtained = now.saturating_sub(self.obtained_at) < JUST_OBTAINED;
        let no_longer_one = self.wanted >= self.lifetime() && min_valid >= self.lifetime();
        remaining > min_valid || (remaining > 0 && just_obtained && no_longer_one)
    }

    /// Whether less than a quarter of its life is left, so that a successor should be fetched ahead of time.
    pub fn is_near_its_end(&self, now: u64) -> bool {
        self.remaining(now) < self.lifetime() / 4
    }

    fn lifetime(&self) -> u64 {
        self.expires_at.map_or(0, |end| end.saturating_sub(self.obtained_at))
    }

    fn to_value(&self) -> Value {
        json!({
            "access_token": self.access_token.expose(),
            "issuer": &*self.issuer,
            "obtained_at": self.obtained_at,
            "wanted": self.wanted,
            "expires_at": self.expires_at,
            "scope": self.scope,
            "warnings": self.warnings,
        })
    }

    fn from_object(object: &Object) -> Option<Self> {
        let seconds = |key| object.integer(key).and_then(|number| u64::try_from(number).ok());
        Some(Self {
            access_token: AccessToken::new(object.string("access_token")?),
            issuer: object.text("issuer")?.into(),
            obtained_at: seconds("obtained_at")?,
            wanted: seconds("wanted").unwrap_or(0),
            expires_at: seconds("expires_at"),
            scope: object.string("scope").map(Into::into),
            warnings: object.strings("warnings"),
        })
    }
}

/// The tokens of one account.
#[derive(Debug, Default)]
pub struct TokenCache(Vec<(Purpose, Arc<CachedToken>)>);

impl TokenCache {
    /// The token for a purpose, whatever its age.
    pub fn find(&self, purpose: &Purpose) -> Option<&Arc<CachedToken>> {
        self.0.iter().find(|(own, _)| own == purpose).map(|(_, token)| token)
    }

    /// Keeps a token; one for the same purpose is replaced. Tokens without a known expiry are not kept.
    pub fn keep(&mut self, purpose: Purpose, token: Arc<CachedToken>) {
        self.forget(&purpose);
        let Some(expires_at) = token.expires_at else { return };
        self.0.retain(|(_, other)| other.remaining(token.obtained_at) > 0);
        if self.0.len() >= CAPACITY
            && let Some(first) = (0..self.0.len()).min_by_key(|index| self.0[*index].1.expires_at)
        {
            self.0.swap_remove(first);
        }
        if expires_at > token.obtained_at {
            self.0.push((purpose, token));
        }
    }

    /// Drops the token for a purpose.
    pub fn forget(&mut self, purpose: &Purpose) {
        self.0.retain(|(own, _)| own != purpose);
    }

    /// All tokens as JSON, for sealing under the agent's lock.
    pub fn to_value(&self) -> Value {
        let entry = |(purpose, token): &(Purpose, Arc<CachedToken>)| json!({ "scope": purpose.scope, "audience": purpose.audience, "token": token.to_value() });
        self.0.iter().map(entry).collect()
    }

    /// Adds what [`TokenCache::to_value`] gave.
    pub fn restore(&mut self, value: Value) {
        let Value::Array(entries) = value else { return };
        for entry in entries.into_iter().filter_map(Object::from_value) {
            let text = |key| entry.members().get(key).and_then(Value::as_str);
            let purpose = Purpose::new(text("scope"), text("audience"));
            if let Some(token) = entry.object("token").as_ref().and_then(CachedToken::from_object) {
                self.keep(purpose, Arc::new(token));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn token(text: &str, obtained_at: u64, lifetime: u64) -> Arc<CachedToken> {
        Arc::new(CachedToken {
            access_token: text.into(),
            issuer: "https://op.example".into(),
            obtained_at,
            wanted: 0,
            expires_at: (lifetime > 0).then_some(obtained_at + lifetime),
            scope: None,
            warnings: Vec::new(),
        })
    }

    #[test]
    fn a_purpose_is_a_pair_of_sets() {
        assert_eq!(Purpose::new(Some("b a  b"), None), Purpose::new(Some("a b"), Some(" ")));
        assert_ne!(Purpose::new(Some("a"), None), Purpose::new(None, Some("a")));
        assert_eq!(Purpose::new(None, Some(" ")), Purpose::default());
        assert_ne!(Purpose::new(Some(" "), None), Purpose::default());
    }

    #[test]
    fn remaining_must_exceed_what_is_asked() {
        let token = token("t", 1000, 3600);
        assert!(token.serves(3599, 1000));
        assert!(!token.serves(3600, 1020));
        assert!(token.serves(0, 4599));
        assert!(!token.serves(0, 4600));
    }

    #[test]
    fn a_token_just_obtained_answers_for_a_longer_one() {
        let first = token("t", 1000, 60);
        assert!(!first.serves(3600, 1001), "nobody has asked for a longer one yet");
        let token = CachedToken { wanted: 7200, ..Arc::unwrap_or_clone(first) };
        assert!(token.serves(3600, 1009));
        assert!(!token.serves(3600, 1010));
        assert!(!token.serves(59, 1009), "a longer one can be had");
    }

    #[test]
    fn keeps_one_token_for_each_purpose_within_bounds() {
        let mut cache = TokenCache::default();
        for number in 0..200 {
            cache.keep(Purpose::new(Some(&format!("s{number}")), None), token("t", 1000, 100 + number));
        }
        assert_eq!(cache.0.len(), CAPACITY);
        assert!(cache.find(&Purpose::new(Some("s199"), None)).is_some());
        cache.keep(Purpose::default(), token("no expiry", 1000, 0));
        assert!(cache.find(&Purpose::default()).is_none());
    }

    #[test]
    fn survives_sealing() {
        let mut cache = TokenCache::default();
        let purpose = Purpose::new(Some("a b"), Some("https://aud"));
        cache.keep(purpose.clone(), token("t", 1000, 100));
        let mut restored = TokenCache::default();
        restored.restore(cache.to_value());
        assert_eq!(restored.find(&purpose), cache.find(&purpose));
    }
}
