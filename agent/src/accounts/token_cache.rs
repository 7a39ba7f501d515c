//! Access tokens of one account, kept by what they are for.

use std::{sync::Arc, time::Duration};

use oidc_proto::{json::Object, secret::AccessToken};
use serde_json::{Value, json};

use crate::clock::{BootTime, Expiry, Moment};

/// Most tokens kept for one account; the one that expires first makes room.
const CAPACITY: usize = 64;

/// A token so recent that asking again would not bring a longer-lived one.
const JUST_OBTAINED: Duration = Duration::from_secs(10);

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

    /// Adds it to an object.
    pub fn write(&self, object: &mut Object) {
        object.insert("scope", self.scope.as_deref());
        object.insert("audience", self.audience.as_deref());
    }

    /// What [`Purpose::write`] wrote.
    pub fn read(object: &Object) -> Self {
        let text = |key| object.members().get(key).and_then(Value::as_str);
        Self::new(text("scope"), text("audience"))
    }
}

fn as_set(list: &str) -> Box<str> {
    let mut words: Vec<&str> = list.split_ascii_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ").into()
}

/// An access token with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedToken {
    /// The token.
    pub access_token: AccessToken,
    /// The account's issuer, as the account spells it.
    pub issuer: Arc<str>,
    /// When it was obtained.
    pub obtained: Moment,
    /// The seconds of validity that were wanted when it was obtained.
    pub wanted: u64,
    /// How many seconds it lives from then on; `None` when nothing tells.
    pub lifetime: Option<u64>,
    /// The granted scopes, when the provider named them.
    pub scope: Option<Box<str>>,
    /// What was asked for and not granted, as sentences.
    pub warnings: Vec<String>,
}

impl CachedToken {
    /// Seconds left at `now`; 0 when expired or unknown.
    pub fn remaining(&self, now: Moment) -> u64 {
        self.expiry().map_or(0, |end| end.remaining(now))
    }

    /// When it expires, in seconds since the epoch as the wall clock counts them now; `None` when nothing tells.
    pub fn expires_at(&self, now: Moment) -> Option<u64> {
        self.expiry().map(|end| end.at(now))
    }

    fn expiry(&self) -> Option<Expiry> {
        self.lifetime.map(|seconds| Expiry::after(self.obtained, Duration::from_secs(seconds)))
    }

    /// Whether it answers a request for a token that is valid for more than `min_valid` seconds.
    ///
    /// A token just obtained for a request like this one answers also when its whole life is shorter: another would
    /// be no longer, and a herd of such requests would cost one refresh each.
    pub fn serves(&self, min_valid: u64, now: Moment) -> bool {
        let remaining = self.remaining(now);
        let just_obtained = now.boot.since(self.obtained.boot) < JUST_OBTAINED;
        let lifetime = self.lifetime.unwrap_or(0);
        let no_longer_one = self.wanted >= lifetime && min_valid >= lifetime;
        remaining > min_valid || (remaining > 0 && just_obtained && no_longer_one)
    }

    /// Whether less than a quarter of its life is left, so that a successor should be fetched ahead of time.
    pub fn is_near_its_end(&self, now: Moment) -> bool {
        self.remaining(now) < self.lifetime.unwrap_or(0) / 4
    }

    fn to_value(&self) -> Value {
        json!({
            "access_token": self.access_token.expose(),
            "issuer": &*self.issuer,
            "obtained_at": self.obtained.wall,
            "obtained_by_boot": self.obtained.boot.as_millis(),
            "wanted": self.wanted,
            "lifetime": self.lifetime,
            "scope": self.scope,
            "warnings": self.warnings,
        })
    }

    fn from_object(object: &Object) -> Option<Self> {
        let seconds = |key| object.integer(key).and_then(|number| u64::try_from(number).ok());
        Some(Self {
            access_token: AccessToken::new(object.string("access_token")?),
            issuer: object.text("issuer")?.into(),
            obtained: Moment {
                wall: seconds("obtained_at")?,
                boot: BootTime::from_millis(seconds("obtained_by_boot")?),
            },
            wanted: seconds("wanted").unwrap_or(0),
            lifetime: seconds("lifetime"),
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

    /// What is kept of a token, whatever it is for.
    pub fn of_text(&self, token: &str) -> Option<&Arc<CachedToken>> {
        let token = AccessToken::from(token);
        self.0.iter().find(|(_, kept)| kept.access_token == token).map(|(_, kept)| kept)
    }

    /// Keeps a token; one for the same purpose is replaced. Tokens without a known expiry are not kept.
    pub fn keep(&mut self, purpose: Purpose, token: Arc<CachedToken>) {
        self.forget(&purpose);
        let now = token.obtained;
        self.0.retain(|(_, other)| other.remaining(now) > 0);
        if token.remaining(now) == 0 {
            return;
        }
        if self.0.len() >= CAPACITY
            && let Some(first) = (0..self.0.len()).min_by_key(|index| self.0[*index].1.remaining(now))
        {
            self.0.swap_remove(first);
        }
        // Most accounts have one token.
        self.0.reserve_exact(1);
        self.0.push((purpose, token));
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
            let purpose = Purpose::read(&entry);
            if let Some(token) = entry.object("token").as_ref().and_then(CachedToken::from_object) {
                self.keep(purpose, Arc::new(token));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::Clock;

    const HOUR: u64 = 3600;

    /// A moment at which both clocks show the same.
    pub(crate) fn at(seconds: u64) -> Moment {
        Moment { wall: seconds, boot: BootTime::from_millis(seconds * 1000) }
    }

    pub(crate) fn token(text: &str, obtained: Moment, lifetime: u64) -> Arc<CachedToken> {
        Arc::new(CachedToken {
            access_token: text.into(),
            issuer: "https://op.example".into(),
            obtained,
            wanted: 0,
            lifetime: (lifetime > 0).then_some(lifetime),
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
        let token = token("t", at(1000), HOUR);
        for (min_valid, now, serves) in [
            (3599, 1000, true),
            (3600, 1020, false),
            (0, 4599, true),
            (0, 4600, false),
            (u64::MAX, 1020, false),
        ] {
            assert_eq!(token.serves(min_valid, at(now)), serves, "{min_valid} s at {now}");
        }
    }

    #[test]
    fn a_token_just_obtained_answers_for_a_longer_one() {
        let first = token("t", at(1000), 60);
        assert!(!first.serves(3600, at(1001)), "nobody has asked for a longer one yet");
        let token = CachedToken { wanted: 7200, ..Arc::unwrap_or_clone(first) };
        assert!(token.serves(3600, at(1009)));
        assert!(!token.serves(3600, at(1010)));
        assert!(!token.serves(59, at(1009)), "a longer one can be had");
    }

    /// By how much the clock is wrong while the token is obtained, how long the machine works and sleeps after it was
    /// set right, and whether the token serves then.
    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_makes_no_token_live_longer() {
        const DAY: i64 = 24 * 3600;
        const START: u64 = 1_800_000_000;
        for (wrong_by, works, sleeps, serves) in [
            (0, HOUR - 1, 0, true),
            (0, HOUR, 0, false),
            (0, 60, HOUR, false),
            (30 * DAY, 60, 0, true),
            (30 * DAY, HOUR, 0, false),
            (30 * DAY, 60, HOUR, false),
            (36_500 * DAY, HOUR, 0, false),
            // Set forward: by the wall clock its time is over. Another one costs a refresh, and is right.
            (-7200, 60, 0, false),
            (-1800, 60, 0, true),
            (-1800, 1800, 0, false),
            (-1_800_000_000, 60, 0, false),
        ] {
            let clock = Clock::simulated(START);
            clock.set_wall(wrong_by);
            let token = token("t", clock.now(), HOUR);
            clock.set_wall(-wrong_by);
            tokio::time::advance(Duration::from_secs(works)).await;
            clock.suspend(Duration::from_secs(sleeps));
            let (now, row) = (clock.now(), format!("wrong by {wrong_by} s, {works} + {sleeps} s later"));
            assert_eq!(token.serves(0, now), serves, "{row}");
            let ends = token.expires_at(now).expect("known");
            assert!(ends <= now.wall + HOUR, "{row}: expires {} s from now", ends - now.wall);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn just_obtained_is_by_the_time_that_passed() {
        let clock = Clock::simulated(1_800_000_000);
        let token = Arc::unwrap_or_clone(token("t", clock.now(), 60));
        let token = CachedToken { wanted: 7200, ..token };
        clock.set_wall(-30);
        tokio::time::advance(JUST_OBTAINED).await;
        assert!(!token.serves(7200, clock.now()), "the wall clock still stands before it was obtained");
    }

    #[test]
    fn a_successor_is_due_in_the_last_quarter() {
        let token = token("t", at(1000), HOUR);
        assert!(!token.is_near_its_end(at(1000 + 2700)));
        assert!(token.is_near_its_end(at(1000 + 2701)));
    }

    #[test]
    fn keeps_one_token_for_each_purpose_within_bounds() {
        let mut cache = TokenCache::default();
        for number in 0..200 {
            cache.keep(Purpose::new(Some(&format!("s{number}")), None), token("t", at(1000), 100 + number));
        }
        assert_eq!(cache.0.len(), CAPACITY);
        assert!(cache.find(&Purpose::new(Some("s199"), None)).is_some());
        assert!(cache.find(&Purpose::new(Some("s100"), None)).is_none(), "the first to expire made room");
        cache.keep(Purpose::default(), token("no expiry", at(1000), 0));
        assert!(cache.find(&Purpose::default()).is_none());
        cache.keep(Purpose::default(), token("for ever", at(1000), u64::MAX));
        assert!(cache.find(&Purpose::default()).is_some_and(|token| token.serves(HOUR, at(1001))));
        cache.keep(Purpose::default(), token("much later", at(5000), 100));
        assert_eq!(cache.0.len(), 1, "what is over makes room");
    }

    #[test]
    fn survives_sealing() {
        let mut cache = TokenCache::default();
        let purpose = Purpose::new(Some("a b"), Some("https://aud"));
        cache.keep(purpose.clone(), token("t", at(1000), 100));
        let mut restored = TokenCache::default();
        restored.restore(cache.to_value());
        assert_eq!(restored.find(&purpose), cache.find(&purpose));
    }
}
