//! What the agent holds of one account, in the open or sealed under the agent's lock.

mod succession;

use std::time::Duration;

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{
    account::AccountConfig,
    json::Object,
    message::Failure,
    rotation::Stored,
    secret::{RefreshToken, SecretText},
    vault::FileKey,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    aws_cache::AwsCache,
    lock,
    look::{Known, Stamp},
    password_source::PasswordSource,
    refresh_tokens::{Kept, RefreshTokens},
    refusals::Refusals,
    standing::Standing,
    token_cache::{CachedToken, Purpose, TokenCache},
};
use crate::clock::{BootTime, Moment};

/// The first pause after a failure that may pass, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The secrets of one account.
pub enum Held {
    /// Usable.
    Open(Box<Open>),
    /// Under the agent's lock.
    Sealed(Box<Sealed>),
}

/// An account in the open.
pub struct Open {
    /// Issuer, client and all else but the refresh token.
    pub config: AccountConfig,
    /// The refresh token, and those before it.
    pub tokens: RefreshTokens,
    /// What rewrites the account's file without its password.
    pub file_key: Option<FileKey>,
    /// The file as last seen; `None` before the first look, and for accounts without a file.
    pub stamp: Option<Stamp>,
    /// Where the file's password may be had again, when the person said so.
    pub password_source: Option<Box<PasswordSource>>,
    /// Access tokens.
    pub cache: TokenCache,
    /// ID tokens, judged, by the scopes that were asked for.
    pub id_tokens: TokenCache,
    /// Temporary credentials.
    pub aws: AwsCache,
    /// The refresh token that could not be saved lies in the runtime directory.
    pub kept_at_hand: bool,
    /// Whether new tokens can be had.
    pub standing: Standing,
    /// The last failure that may pass.
    pub pause: Option<Box<Pause>>,
    /// What the provider refused for a reason that asking again does not mend.
    pub refusals: Refusals,
    /// When a refresh failed last, if none has succeeded since.
    pub failed_at: Option<BootTime>,
}

/// A provider that failed is left alone for a while.
pub struct Pause {
    until: BootTime,
    length: Duration,
    /// Until when the provider wants to be left alone, however long that is.
    asked: Option<BootTime>,
    failure: Failure,
}

impl Open {
    /// An account as just loaded.
    pub fn new(mut config: AccountConfig) -> Self {
        Self {
            tokens: RefreshTokens::new(config.refresh_token.take()),
            config,
            file_key: None,
            stamp: None,
            password_source: None,
            cache: TokenCache::default(),
            id_tokens: TokenCache::default(),
            aws: AwsCache::default(),
            kept_at_hand: false,
            standing: Standing::Usable,
            pause: None,
            refusals: Refusals::default(),
            failed_at: None,
        }
    }

    /// What a look at the file at `now` needs to know.
    pub fn known(&mut self, now: Moment) -> Known {
        self.forget_password(now);
        Known {
            stamp: self.stamp,
            key: self.file_key.clone(),
            source: self.password_source.as_deref().cloned(),
            token: self.tokens.current().cloned(),
            in_file: self.tokens.in_file().cloned(),
        }
    }

    /// Takes the key of the account's file. Where that goes on opening it, whoever writes it under the same password, the
    /// password itself is of no more use.
    pub fn take_key(&mut self, key: FileKey) {
        if key.outlives_rewriting() {
            self.password_source =
                self.password_source.take().and_then(|source| source.without_password()).map(Box::new);
        }
        self.file_key = Some(key);
    }

    /// Forgets a password whose time is over.
    pub fn forget_password(&mut self, now: Moment) {
        self.password_source =
            self.password_source.take().and_then(|source| source.known_at(now)).map(Box::new);
    }

    /// The account with its refresh token, as it would stand in a file.
    pub fn whole_config(&self) -> AccountConfig {
        AccountConfig { refresh_token: self.tokens.current().cloned(), ..self.config.clone() }
    }

    /// Whether a token may be fetched ahead of time: the provider is neither refusing nor being left alone, and has
    /// not failed just now.
    pub fn may_look_ahead(&self, now: BootTime) -> bool {
        let failed_lately = self.failed_at.is_some_and(|at| now.since(at) < LONGEST_PAUSE);
        self.standing.refusal().is_none() && self.paused(now).is_none() && !failed_lately
    }

    /// The failure of a provider that is being left alone right now.
    pub fn paused(&self, now: BootTime) -> Option<Failure> {
        self.pause.as_ref().filter(|pause| now < pause.until).map(|pause| pause.failure.clone())
    }

    /// For how long the provider wants to be left alone; nobody but the agent's own work waits for that.
    pub fn asked_to_wait(&self, now: BootTime) -> Option<Duration> {
        self.pause.as_ref()?.asked.map(|until| until.since(now)).filter(|left| !left.is_zero())
    }

    /// Notes a failure that may pass: until the pause is over it answers for the provider. Pauses double while
    /// failures go on, and last at least as long as the provider asked.
    pub fn pause_after(&mut self, failure: Failure, retry_after: Option<Duration>, now: BootTime) {
        let grown = self.pause.as_ref().map_or(FIRST_PAUSE, |pause| (pause.length * 2).min(LONGEST_PAUSE));
        let length = retry_after.map_or(grown, |asked| asked.clamp(grown, LONGEST_PAUSE.max(grown)));
        let asked = retry_after.map(|asked| now.plus(asked));
        self.pause = Some(Box::new(Pause { until: now.plus(length), length, asked, failure }));
    }

    /// Goes on with a refresh token that another login or another program brought: what was wrong with the one before
    /// is forgotten.
    pub fn has_another_token(&mut self) {
        self.standing.has_another_token();
        (self.pause, self.failed_at) = (None, None);
        self.refusals.clear();
    }

    /// The provider gave a token: what was wrong is over.
    pub fn was_answered(&mut self) {
        self.standing.accepted();
        (self.pause, self.failed_at) = (None, None);
    }

    fn to_json(&self) -> Zeroizing<String> {
        self.to_object().to_json()
    }

    fn to_object(&self) -> Object {
        let mut object = Object::default();
        object.insert("config", Value::Object(self.config.to_object().members().clone()));
        if let Some(key) = &self.file_key {
            object.insert("file_key", key.to_text().expose());
        }
        object.insert("tokens", self.tokens.to_value());
        if let Some(source) = &self.password_source {
            object.insert("password_source", source.to_value());
        }
        object.insert("cache", self.cache.to_value());
        object.insert("id_tokens", self.id_tokens.to_value());
        object.insert("aws", self.aws.to_value());
        object
    }

    fn from_json(bytes: &[u8]) -> Option<Self> {
        Self::from_object(Object::parse(bytes).ok()?)
    }

    fn from_object(mut object: Object) -> Option<Self> {
        let mut open = Self::new(AccountConfig::from_object(object.object("config")?));
        let file_key = object.string("file_key").map(SecretText::new);
        open.file_key = file_key.and_then(|text| FileKey::from_text(&text).ok());
        open.tokens = object.object("tokens").as_ref().map(RefreshTokens::from_object).unwrap_or_default();
        open.password_source =
            object.object("password_source").as_ref().and_then(PasswordSource::from_object).map(Box::new);
        open.cache.restore(object.remove("cache").unwrap_or_default());
        open.id_tokens.restore(object.remove("id_tokens").unwrap_or_default());
        open.aws.restore(object.remove("aws").unwrap_or_default());
        Some(open)
    }
}

/// An account under the agent's lock. What holds no secret stays readable.
pub struct Sealed {
    key: PublicKey,
    account: Vec<u8>,
    results: Vec<Vec<u8>>,
    stamp: Option<Stamp>,
    kept: Kept,
    /// As [`Open::kept_at_hand`].
    kept_at_hand: bool,
    standing: Standing,
}

/// A token that came while the agent was locked.
pub struct ObtainedUnderLock<'a> {
    /// What the token is for.
    pub purpose: &'a Purpose,
    /// The token.
    pub token: &'a CachedToken,
    /// The provider's new refresh token, if it rotated, and what became of it.
    pub rotated: Option<(&'a RefreshToken, Option<&'a Stored>)>,
}

impl Sealed {
    /// Seals an account to the public key of a locked period.
    pub fn new(open: &Open, key: &PublicKey) -> Self {
        Self {
            key: key.clone(),
            account: lock::seal(key, open.to_json().as_bytes()),
            results: Vec::new(),
            stamp: open.stamp,
            kept: open.tokens.kept(),
            kept_at_hand: open.kept_at_hand,
            standing: open.standing.clone(),
        }
    }

    /// Puts a result away until the agent is unlocked.
    pub fn put_away(&mut self, result: &ObtainedUnderLock) {
        let mut cache = TokenCache::default();
        cache.keep(result.purpose.clone(), std::sync::Arc::new(result.token.clone()));
        let mut object = Object::default();
        object.insert("cache", cache.to_value());
        self.put_away_object(object, result.rotated);
    }

    /// The same for a refresh token that was replaced by something else than asking for a token.
    pub fn put_away_rotated(&mut self, rotated: (&RefreshToken, Option<&Stored>)) {
        self.put_away_object(Object::default(), Some(rotated));
    }

    fn put_away_object(&mut self, mut object: Object, rotated: Option<(&RefreshToken, Option<&Stored>)>) {
        if let Some((refresh_token, stored)) = rotated {
            object.insert("refresh_token", refresh_token.expose());
            let kept = match stored {
                Some(Stored::InFile { .. } | Stored::Gone) => Kept::Home,
                Some(Stored::Beside(_)) => Kept::Beside,
                Some(Stored::InRuntimeDirectory(_)) => Kept::ForNow,
                // The next look at the file finds what another program has stored.
                Some(Stored::Adopted { .. }) | None => Kept::Nowhere,
            };
            object.insert("kept", kept.to_text());
            self.kept = kept;
            self.kept_at_hand = matches!(stored, Some(Stored::InRuntimeDirectory(_)));
        }
        self.results.push(lock::seal(&self.key, object.to_json().as_bytes()));
    }

    /// Where the current refresh token is kept, and whether it lies in the runtime directory.
    pub fn kept(&self) -> (Kept, bool) {
        (self.kept, self.kept_at_hand)
    }

    /// Notes why no new token can be had.
    pub fn refuse(&mut self, failure: Failure) {
        self.standing.refused(failure);
    }

    /// The account in the open again. `None` when it was not sealed to this key.
    pub fn open(&self, key: &SecretKey) -> Option<Open> {
        let mut open = Open::from_json(&lock::open(key, &self.account)?)?;
        for result in &self.results {
            let mut result = Object::parse(&lock::open(key, result)?).ok()?;
            open.cache.restore(result.remove("cache").unwrap_or_default());
            if let Some(refresh_token) = result.string("refresh_token") {
                open.tokens.rotated(RefreshToken::new(refresh_token));
                open.tokens.is_kept(result.text("kept").as_deref().map(Kept::from_text).unwrap_or_default());
            }
        }
        open.stamp = self.stamp;
        open.kept_at_hand = self.kept_at_hand;
        open.standing.clone_from(&self.standing);
        Some(open)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oidc_proto::error_code::ErrorCode;

    use super::{
        super::token_cache::tests::{at, token},
        *,
    };

    fn account() -> Open {
        let text =
            br#"{"name":"a","issuer_url":"https://op","client_id":"c","refresh_token":"R1","custom":[1]}"#;
        let mut open = Open::new(AccountConfig::parse(text).expect("an account"));
        open.cache.keep(Purpose::default(), token("T1", at(1000), 3600));
        open.id_tokens.keep(Purpose::default(), token("I1", at(1000), 3600));
        open
    }

    #[test]
    fn comes_back_whole_from_under_the_lock() {
        let lock = lock::LockKey::new(&"x".into()).expect("memory");
        let key = lock.open(&"x".into()).expect("right password");
        let sealed = Sealed::new(&account(), lock.public());
        let open = sealed.open(&key).expect("sealed to this key");
        assert_eq!(open.whole_config(), account().whole_config());
        assert_eq!(open.tokens, account().tokens);
        assert_eq!(open.cache.find(&Purpose::default()), account().cache.find(&Purpose::default()));
        assert_eq!(open.id_tokens.find(&Purpose::default()), account().id_tokens.find(&Purpose::default()));
    }

    #[test]
    fn a_refresh_that_ends_under_the_lock_is_kept() {
        let lock = lock::LockKey::new(&"x".into()).expect("memory");
        let mut sealed = Sealed::new(&account(), lock.public());
        let (purpose, new) = (Purpose::new(Some("s"), None), token("T2", at(1000), 3600));
        sealed.put_away(&ObtainedUnderLock {
            purpose: &purpose,
            token: &new,
            rotated: Some((&"R2".into(), None)),
        });
        let open = sealed.open(&lock.open(&"x".into()).expect("right password")).expect("sealed to this key");
        assert_eq!(open.tokens.current(), Some(&"R2".into()));
        assert_eq!(open.tokens.in_file(), Some(&"R1".into()));
        assert!(open.tokens.must_be_stored());
        assert_eq!(open.cache.find(&purpose).map(Arc::as_ref), Some(new.as_ref()));
    }

    #[test]
    fn pauses_grow_and_respect_the_provider() {
        let (mut open, now) = (account(), BootTime::default());
        let failure = Failure::new(ErrorCode::ProviderTimeout, "no answer");
        open.pause_after(failure.clone(), None, now);
        assert!(open.paused(now).is_some());
        let lengths: Vec<u64> = (0..7)
            .map(|_| {
                open.pause_after(failure.clone(), None, now);
                open.pause.as_ref().map_or(0, |pause| pause.length.as_secs())
            })
            .collect();
        assert_eq!(lengths, [2, 4, 8, 16, 30, 30, 30]);
        open.pause = None;
        open.pause_after(failure, Some(Duration::from_secs(7)), now);
        assert_eq!(open.pause.as_ref().map(|pause| pause.length.as_secs()), Some(7));
    }
}
