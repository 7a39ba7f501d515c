//! One login by device code: what it polls with, and how often it may.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{
    account::AccountConfig,
    json::Object,
    message::{Failure, TokenReply},
    secret::{AccessToken, CodeVerifier, DeviceCode},
    shortname::Shortname,
};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use tokio::task::JoinHandle;

use super::{
    LOGIN_LIFETIME,
    held::{Held, Sealable},
    login_request::LoginRequest,
    table::Entry,
};
use crate::{
    clock::BootTime,
    provider::{DeviceAuthorization, SLOW_DOWN},
};

/// A client's clock and the way to the agent may make a poll look a little early.
const TOLERANCE: Duration = Duration::from_millis(250);
/// The longest pause after the provider could not be reached (RFC 8628 section 3.5 asks for growing ones).
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// How long after it might have been asked again a login counts as left behind by its client.
const ABANDONED: Duration = Duration::from_secs(5 * 60);
/// How often in a row the provider may be unreachable before the person is told.
const MAX_FAILURES: u32 = 5;

/// A login by device code.
pub struct DeviceLogin {
    /// The account that will come of it.
    pub account: Shortname,
    /// The poll that is under way, or whose end nobody has seen.
    pub poll: tokio::sync::Mutex<Option<JoinHandle<Polled>>>,
    /// By the SHA-256 of its device code: also found where that is sealed.
    key: [u8; SHA256_OUTPUT_LEN],
    phase: Mutex<Held<Phase>>,
    expires_at: BootTime,
    pace: Mutex<Pace>,
}

/// How far a login is.
#[derive(Clone)]
pub enum Phase {
    /// It waits for the person.
    Open(Arc<DeviceAttempt>),
    /// The provider has given a refresh token, but the account could not be loaded yet.
    Unloaded(Box<AccountConfig>),
    /// The account is loaded and waits to be fetched.
    Loaded,
    /// An access token, all that was wanted, waits to be fetched.
    Token(TokenReply),
    /// The result was fetched.
    Fetched,
    /// The agent is locked, and with it what is known of this login.
    Locked,
}

/// What a poll found.
pub enum Polled {
    /// The person is not done, or the provider cannot be asked.
    NotOver(Failure),
    /// The person agreed: see the login's phase.
    Granted,
    /// The login has failed.
    Over(Failure),
}

/// What a poll needs.
pub struct DeviceAttempt {
    /// Account and provider.
    pub login_request: LoginRequest,
    /// The provider's answer.
    pub authorization: DeviceAuthorization,
}

/// When the provider may be asked again.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    not_before: BootTime,
    failures: u32,
}

impl DeviceLogin {
    /// A login that has just begun.
    pub fn new(login_request: LoginRequest, authorization: DeviceAuthorization, now: BootTime) -> Self {
        let interval = authorization.interval;
        Self {
            key: key_of(authorization.device_code.expose()),
            expires_at: now.plus(authorization.expires_in.unwrap_or(LOGIN_LIFETIME)),
            account: login_request.name.clone(),
            poll: tokio::sync::Mutex::default(),
            phase: Mutex::new(Held::new(Phase::Open(Arc::new(DeviceAttempt {
                login_request,
                authorization,
            })))),
            pace: Mutex::new(Pace { interval, not_before: now.plus(interval), failures: 0 }),
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.held().open().cloned().unwrap_or(Phase::Locked)
    }

    /// It goes on, also under the agent's lock.
    pub fn set(&self, phase: Phase) {
        self.held().set(phase);
    }

    /// Seals it to the key of a locked period.
    pub fn seal(&self, key: &PublicKey) {
        self.held().seal(key);
    }

    /// Opens it again.
    pub fn unseal(&self, key: &SecretKey) {
        self.held().unseal(key);
    }

    /// Whether the provider may be asked now. If so, the next time is an interval away.
    pub fn may_poll(&self, now: BootTime) -> bool {
        self.pace().begin(now)
    }

    /// The provider answered that the person is not done; `slow_down`: and that it is asked too often.
    pub fn answered(&self, slow_down: bool, now: BootTime) {
        let mut pace = self.pace();
        pace.failures = 0;
        if slow_down {
            pace.interval = pace.interval.saturating_add(SLOW_DOWN);
        }
        pace.wait(now);
    }

    /// The provider did not answer. Whether to go on as if it had.
    pub fn failed(&self, now: BootTime) -> bool {
        let mut pace = self.pace();
        pace.failures = pace.failures.saturating_add(1);
        pace.wait(now);
        pace.failures <= MAX_FAILURES
    }

    fn held(&self) -> MutexGuard<'_, Held<Phase>> {
        // Nothing panics while it is held.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Nothing panics while it is held.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sealable for Phase {
    fn strip(&mut self) -> Object {
        let mut secrets = Object::default();
        match self {
            Self::Open(attempt) => {
                secrets.insert("config", attempt.login_request.config.to_object().into_value());
                secrets.insert("device_code", attempt.authorization.device_code.expose());
                if let Some(verifier) = &attempt.authorization.code_verifier {
                    secrets.insert("code_verifier", verifier.expose());
                }
                *attempt =
                    Arc::new(attempt.with_secrets(AccountConfig::default(), DeviceCode::from(""), None));
            }
            Self::Unloaded(config) => {
                secrets.insert("config", std::mem::take(&mut **config).to_object().into_value());
            }
            Self::Token(reply) => {
                let token = std::mem::replace(&mut reply.access_token, AccessToken::from(""));
                secrets.insert("access_token", token.expose());
            }
            Self::Loaded | Self::Fetched | Self::Locked => {}
        }
        secrets
    }

    fn restore(&mut self, secrets: Object) {
        let text = |key| secrets.string(key).unwrap_or_default();
        let config = || secrets.object("config").map(AccountConfig::from_object).unwrap_or_default();
        match self {
            Self::Open(attempt) => {
                let code_verifier = secrets.string("code_verifier").map(CodeVerifier::new);
                let device_code = DeviceCode::new(text("device_code"));
                *attempt = Arc::new(attempt.with_secrets(config(), device_code, code_verifier));
            }
            Self::Unloaded(held) => **held = config(),
            Self::Token(reply) => reply.access_token = AccessToken::new(text("access_token")),
            Self::Loaded | Self::Fetched | Self::Locked => {}
        }
    }
}

impl DeviceAttempt {
    fn with_secrets(
        &self,
        config: AccountConfig,
        device_code: DeviceCode,
        code_verifier: Option<CodeVerifier>,
    ) -> Self {
        let authorization = DeviceAuthorization { device_code, code_verifier, ..self.authorization.clone() };
        Self { login_request: self.login_request.with_config(config), authorization }
    }
}

fn key_of(device_code: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut key = [0; SHA256_OUTPUT_LEN];
    key.copy_from_slice(digest(&SHA256, device_code.as_bytes()).as_ref());
    key
}

impl Pace {
    fn begin(&mut self, now: BootTime) -> bool {
        if now.plus(TOLERANCE) < self.not_before {
            return false;
        }
        self.wait(now);
        true
    }

    fn is_abandoned(&self, now: BootTime) -> bool {
        now > self.not_before.plus(ABANDONED)
    }

    fn wait(&mut self, now: BootTime) {
        let back_off = self.interval.saturating_mul(1 << self.failures.min(8)).min(MAX_BACK_OFF);
        self.not_before = now.plus(back_off.max(self.interval));
    }
}

impl Entry for DeviceLogin {
    fn is(&self, key: &str) -> bool {
        self.key == key_of(key)
    }

    fn expires_at(&self) -> BootTime {
        self.expires_at
    }

    /// A client that still waits polls: one that does not makes room for others.
    fn is_over(&self, now: BootTime) -> bool {
        self.pace().is_abandoned(now)
    }

    fn end(&self) {
        // Nothing that the provider gave shall get lost without a word.
        match self.held().without_secrets() {
            Phase::Loaded => tracing::warn!(
                account = %self.account,
                "logged in, but nobody has fetched the account: it is in this agent only, until the agent ends"
            ),
            Phase::Unloaded(_) => tracing::warn!(
                account = %self.account,
                "logged in, but the agent was locked until the login's time was over: please log in again"
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(seconds: u64) -> (Pace, BootTime) {
        let now = BootTime::default();
        let interval = Duration::from_secs(seconds);
        (Pace { interval, not_before: now.plus(interval), failures: 0 }, now)
    }

    fn after(start: BootTime, milliseconds: u64) -> BootTime {
        start.plus(Duration::from_millis(milliseconds))
    }

    #[test]
    fn the_interval_is_kept() {
        let (mut pace, start) = pace(5);
        assert!(!pace.begin(after(start, 1000)));
        assert!(pace.begin(after(start, 4900)));
        assert!(!pace.begin(after(start, 5000)), "one poll at a time");
        assert!(pace.begin(after(start, 9700)));
    }

    #[test]
    fn who_polls_no_more_makes_room() {
        let (mut pace, start) = pace(5);
        let later = after(start, 5000).plus(ABANDONED);
        assert!(!pace.is_abandoned(start) && !pace.is_abandoned(later));
        assert!(pace.is_abandoned(after(later, 1000)));
        assert!(pace.begin(later));
        assert!(!pace.is_abandoned(later.plus(ABANDONED)));
    }

    #[test]
    fn an_unreachable_provider_is_asked_less_and_less() {
        let (mut pace, start) = pace(5);
        for (failures, seconds) in [(1, 10), (2, 20), (3, 40), (4, 60), (30, 60)] {
            pace.failures = failures;
            pace.wait(start);
            assert_eq!(pace.not_before, start.plus(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn no_interval_is_too_long_to_count() {
        let (mut pace, start) = pace(u64::MAX);
        assert!(!pace.begin(after(start, 5000)));
        pace.failures = u32::MAX;
        pace.wait(start);
        assert!(!pace.begin(after(start, 5000)));
    }
}
