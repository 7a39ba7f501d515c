//! How far a login is, and what of that is secret.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{
    account::AccountConfig,
    json::Object,
    message::{Failure, TokenReply},
    secret::AccessToken,
    shortname::Shortname,
};

use tokio::sync::Notify;

use super::held::{Held, Sealable};

/// How far a login is.
#[derive(Clone)]
pub enum Phase<A> {
    /// It waits for the person; what it needs to go on.
    Open(A),
    /// The provider has given a refresh token, but the account could not be loaded yet.
    Unloaded(Box<AccountConfig>),
    /// The account is loaded and waits to be fetched.
    Loaded,
    /// An access token, all that was wanted, waits to be fetched.
    Token(TokenReply),
    /// The provider or the person refused.
    Refused(Failure),
    /// The result was fetched.
    Fetched,
    /// The agent is locked, and with it what is known of this login.
    Locked,
}

/// The phase of one login, shared by all who go on with it.
pub struct CurrentPhase<A> {
    held: Mutex<Held<Phase<A>>>,
    changed: Notify,
}

impl<A: Sealable + Clone> CurrentPhase<A> {
    /// It waits for the person.
    pub fn open(attempt: A) -> Self {
        Self { held: Mutex::new(Held::new(Phase::Open(attempt))), changed: Notify::new() }
    }

    /// How far it is.
    pub fn get(&self) -> Phase<A> {
        self.lock().open().cloned().unwrap_or(Phase::Locked)
    }

    /// It goes on, also under the agent's lock.
    pub fn set(&self, phase: Phase<A>) {
        self.lock().set(phase);
        self.tell();
    }

    /// Whoever waits for something about this login looks again.
    pub fn tell(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until `look` finds something. It looks again whenever the login has gone on, or was opened again.
    pub async fn until<T>(&self, look: impl Fn(Phase<A>) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on nothing is missed.
            changed.as_mut().enable();
            if let Some(found) = look(self.get()) {
                return found;
            }
            changed.await;
        }
    }

    /// Whether it is in such a phase, also under the agent's lock.
    pub fn is(&self, matches: impl FnOnce(&Phase<A>) -> bool) -> bool {
        matches(self.lock().without_secrets())
    }

    /// Seals it to the key of a locked period.
    pub fn seal(&self, key: &PublicKey) {
        self.lock().seal(key);
    }

    /// Opens it again.
    pub fn unseal(&self, key: &SecretKey) {
        self.lock().unseal(key);
        self.tell();
    }

    /// Its time is over: nothing that the provider gave shall get lost without a word.
    pub fn end(&self, account: &Shortname) {
        match self.lock().without_secrets() {
            Phase::Loaded => tracing::warn!(
                %account,
                "logged in, but nobody has fetched the account: it is in this agent only, until the agent ends"
            ),
            Phase::Unloaded(_) => tracing::warn!(
                %account,
                "logged in, but the agent was locked until the login's time was over: please log in again"
            ),
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held<Phase<A>>> {
        // Nothing panics while it is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Sealable> Sealable for Phase<A> {
    fn strip(&mut self) -> Object {
        let mut secrets = Object::default();
        match self {
            Self::Open(attempt) => return attempt.strip(),
            Self::Unloaded(config) => {
                secrets.insert("config", std::mem::take(&mut **config).to_object().into_value());
            }
            Self::Token(reply) => {
                let token = std::mem::replace(&mut reply.access_token, AccessToken::from(""));
                secrets.insert("access_token", token.expose());
            }
            Self::Loaded | Self::Refused(_) | Self::Fetched | Self::Locked => {}
        }
        secrets
    }

    fn restore(&mut self, secrets: Object) {
        match self {
            Self::Open(attempt) => attempt.restore(secrets),
            Self::Unloaded(held) => {
                **held = secrets.object("config").map(AccountConfig::from_object).unwrap_or_default();
            }
            Self::Token(reply) => {
                reply.access_token = AccessToken::new(secrets.string("access_token").unwrap_or_default());
            }
            Self::Loaded | Self::Refused(_) | Self::Fetched | Self::Locked => {}
        }
    }
}
