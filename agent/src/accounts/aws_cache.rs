//! Temporary credentials of one account, kept by what they are for, and what was refused just now.

use std::time::Duration;

use oidc_proto::{
    json::Object,
    message::{AwsCredentials, Failure},
    secret::SecretText,
};
use serde_json::{Value, json};

use crate::clock::{BootTime, Expiry, Moment};

/// Most credentials kept for one account; those that expire first make room.
const CAPACITY: usize = 32;

/// Who has less than this left is renewed. The SDKs of AWS ask for others a quarter of an hour before the end, and for each
/// request from then on: credentials that are older would have a helper run each time.
const MARGIN: u64 = 20 * 60;

/// How long a failure answers for the service: SDKs that are refused try again at once.
const PAUSE: Duration = Duration::from_secs(5);

/// What credentials are for. Compared as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct For(String);

impl For {
    /// From everything that makes a difference.
    pub fn new(parts: &[Option<&str>]) -> Self {
        // As JSON, so that no part can be taken for another.
        Self(json!(parts).to_string())
    }
}

/// Credentials with what is known about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    access_key_id: String,
    secret_access_key: SecretText,
    session_token: SecretText,
    obtained: Moment,
    /// Seconds from then on.
    lifetime: u64,
}

impl Kept {
    /// As just obtained, for so many seconds.
    pub fn new(
        (access_key_id, secret_access_key, session_token): (String, SecretText, SecretText),
        lifetime: u64,
        obtained: Moment,
    ) -> Self {
        Self { access_key_id, secret_access_key, session_token, obtained, lifetime }
    }

    /// Seconds left.
    pub fn remaining(&self, now: Moment) -> u64 {
        self.expiry().remaining(now)
    }

    /// Whether they are handed out as they are. Short-lived ones cannot have the whole margin.
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.remaining(now) > MARGIN.min(self.lifetime / 2)
    }

    /// For a reply.
    pub fn to_reply(&self, now: Moment) -> AwsCredentials {
        AwsCredentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            session_token: self.session_token.clone(),
            expires_at: self.expiry().at(now),
        }
    }

    fn expiry(&self) -> Expiry {
        Expiry::after(self.obtained, Duration::from_secs(self.lifetime))
    }

    fn to_value(&self) -> Value {
        json!({
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key.expose(),
            "session_token": self.session_token.expose(),
            "obtained_at": self.obtained.wall,
            "obtained_by_boot": self.obtained.boot.as_millis(),
            "lifetime": self.lifetime,
        })
    }

    fn from_object(object: &Object) -> Option<Self> {
        let number = |key| object.integer(key).and_then(|number| u64::try_from(number).ok());
        Some(Self {
            access_key_id: object.string("access_key_id")?,
            secret_access_key: SecretText::new(object.string("secret_access_key")?),
            session_token: SecretText::new(object.string("session_token")?),
            obtained: Moment {
                wall: number("obtained_at")?,
                boot: BootTime::from_millis(number("obtained_by_boot")?),
            },
            lifetime: number("lifetime")?,
        })
    }
}

/// The credentials of one account.
#[derive(Debug, Default)]
pub struct AwsCache {
    kept: Vec<(For, Kept)>,
    refused: Vec<(For, BootTime, Failure)>,
}

impl AwsCache {
    /// The credentials for something, whatever is left of them.
    pub fn find(&self, what: &For) -> Option<&Kept> {
        self.kept.iter().find(|(own, _)| own == what).map(|(_, kept)| kept)
    }

    /// What was refused for it just now.
    pub fn refused(&self, what: &For, now: BootTime) -> Option<Failure> {
        let found = self.refused.iter().find(|(own, until, _)| own == what && now < *until);
        found.map(|(_, _, failure)| failure.clone())
    }

    /// Keeps credentials; others for the same are replaced.
    pub fn keep(&mut self, what: For, kept: Kept) {
        let now = kept.obtained;
        self.refused.retain(|(own, _, _)| *own != what);
        self.kept.retain(|(own, other)| *own != what && other.remaining(now) > 0);
        if self.kept.len() >= CAPACITY
            && let Some(first) = (0..self.kept.len()).min_by_key(|index| self.kept[*index].1.remaining(now))
        {
            self.kept.swap_remove(first);
        }
        self.kept.push((what, kept));
    }

    /// Notes a failure.
    pub fn refuse(&mut self, what: For, failure: Failure, now: BootTime) {
        self.refused.retain(|(own, until, _)| *own != what && now < *until);
        if self.refused.len() < CAPACITY {
            self.refused.push((what, now.plus(PAUSE), failure));
        }
    }

    /// All credentials as JSON, for sealing under the agent's lock.
    pub fn to_value(&self) -> Value {
        self.kept.iter().map(|(what, kept)| json!({"for": what.0, "kept": kept.to_value()})).collect()
    }

    /// Adds what [`AwsCache::to_value`] gave.
    pub fn restore(&mut self, value: Value) {
        let Value::Array(entries) = value else { return };
        for entry in entries.into_iter().filter_map(Object::from_value) {
            let kept = entry.object("kept").as_ref().and_then(Kept::from_object);
            if let Some((what, kept)) = entry.string("for").zip(kept) {
                self.keep(For(what), kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::error_code::ErrorCode;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { wall: 1_800_000_000 + seconds, boot: BootTime::from_millis(seconds * 1000) }
    }

    fn kept(lifetime: u64) -> Kept {
        Kept::new(("ASIA".to_owned(), "secret".into(), "token".into()), lifetime, at(0))
    }

    #[test]
    fn they_are_renewed_while_an_sdk_is_content_with_them() {
        for (lifetime, fresh_until) in [(3600, 2399), (43_200, 41_999), (900, 449), (1, 0)] {
            assert!(kept(lifetime).is_fresh(at(fresh_until)), "{lifetime}");
            assert!(!kept(lifetime).is_fresh(at(fresh_until + 1)), "{lifetime}");
        }
    }

    #[test]
    fn what_differs_in_anything_is_another() {
        let mut cache = AwsCache::default();
        cache.keep(For::new(&[Some("a"), None, Some("b")]), kept(3600));
        for other in [[Some("a"), Some("b"), None], [Some("ab"), None, None], [Some("a\",\"b"), None, None]] {
            assert!(cache.find(&For::new(&other)).is_none(), "{other:?}");
        }
        assert!(cache.find(&For::new(&[Some("a"), None, Some("b")])).is_some());
    }

    #[test]
    fn a_failure_answers_for_a_moment_and_success_ends_it() {
        let (mut cache, what) = (AwsCache::default(), For::new(&[]));
        cache.refuse(what.clone(), Failure::new(ErrorCode::StsRefused, "no"), at(0).boot);
        assert!(cache.refused(&what, at(4).boot).is_some());
        assert!(cache.refused(&what, at(5).boot).is_none());
        cache.keep(what.clone(), kept(3600));
        assert!(cache.refused(&what, at(0).boot).is_none());
    }

    #[test]
    fn room_is_bounded_and_survives_the_lock() {
        let mut cache = AwsCache::default();
        for number in 0..100_u64 {
            cache.keep(For::new(&[Some(&number.to_string())]), kept(1000 + number));
            cache.refuse(For::new(&[Some(&format!("r{number}"))]), Failure::agent_locked(), at(0).boot);
        }
        assert_eq!((cache.kept.len(), cache.refused.len()), (CAPACITY, CAPACITY));
        let mut again = AwsCache::default();
        again.restore(cache.to_value());
        assert_eq!(again.kept, cache.kept);
        assert!(again.find(&For::new(&[Some("99")])).is_some(), "the longest-lived stay");
    }
}
