//! One login by device code: what it polls with, and how often it may.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::Failure,
    secret::{CodeVerifier, DeviceCode},
    shortname::Shortname,
};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use tokio::task::JoinHandle;

use super::{
    held::Sealable,
    login_request::LoginRequest,
    phase::CurrentPhase,
    purpose::Purpose,
    table::{Entry, LOGIN_LIFETIME},
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
    /// Who goes on with what it brings.
    pub purpose: Purpose,
    /// How far it is.
    pub phase: CurrentPhase<Arc<DeviceAttempt>>,
    /// The poll that is under way, or whose end nobody has seen.
    pub poll: tokio::sync::Mutex<Option<JoinHandle<Polled>>>,
    /// By the SHA-256 of its device code: also found where that is sealed.
    key: [u8; SHA256_OUTPUT_LEN],
    expires_at: BootTime,
    pace: Mutex<Pace>,
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
    /// What a poll came to that the provider may have answered with tokens, which never arrived.
    lost: Option<Failure>,
}

impl DeviceLogin {
    /// A login that has just begun.
    pub fn new(login_request: LoginRequest, authorization: DeviceAuthorization, now: BootTime) -> Self {
        let interval = authorization.interval;
        Self {
            key: key_of(authorization.device_code.expose()),
            expires_at: now.plus(authorization.expires_in.unwrap_or(LOGIN_LIFETIME)),
            account: login_request.name.clone(),
            purpose: login_request.purpose.clone(),
            poll: tokio::sync::Mutex::default(),
            phase: CurrentPhase::open(Arc::new(DeviceAttempt { login_request, authorization })),
            pace: Mutex::new(Pace { interval, not_before: now.plus(interval), failures: 0, lost: None }),
        }
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

    /// A poll failed whose answer may have been the tokens: the first such failure is remembered.
    pub fn lost(&self, failure: &Failure) {
        self.pace().lost.get_or_insert_with(|| failure.clone());
    }

    /// Why nothing came of it in time, once its time is over: what went wrong first, or that nobody used the code.
    pub fn expired(&self, now: BootTime) -> Option<Failure> {
        (now >= self.expires_at).then(|| {
            self.spent().unwrap_or_else(|| {
                Failure::new(ErrorCode::ProviderRefused, "expired_token: the code was not used in time")
                    .with_info("Run the same command again; the provider gives a new code.")
            })
        })
    }

    /// What the provider says of a code that it does not know any more: the failure of the poll that spent it, if there was
    /// one.
    pub fn spent(&self) -> Option<Failure> {
        self.pace().lost.clone()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Nothing panics while it is held.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For how long it is known afterwards that a code has expired.
const KNOWN_FOR: Duration = Duration::from_secs(5 * 60);

impl Sealable for Arc<DeviceAttempt> {
    fn strip(&mut self) -> Object {
        let mut secrets = Object::default();
        secrets.insert("config", self.login_request.config.to_object().into_value());
        secrets.insert("device_code", self.authorization.device_code.expose());
        if let Some(verifier) = &self.authorization.code_verifier {
            secrets.insert("code_verifier", verifier.expose());
        }
        *self = Self::new(self.with_secrets(AccountConfig::default(), DeviceCode::from(""), None));
        secrets
    }

    fn restore(&mut self, secrets: Object) {
        let config = secrets.object("config").map(AccountConfig::from_object).unwrap_or_default();
        let device_code = DeviceCode::new(secrets.string("device_code").unwrap_or_default());
        let code_verifier = secrets.string("code_verifier").map(CodeVerifier::new);
        *self = Self::new(self.with_secrets(config, device_code, code_verifier));
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
        self.expires_at.plus(KNOWN_FOR)
    }

    /// A client that still waits polls: one that does not makes room for others.
    fn is_over(&self, now: BootTime) -> bool {
        self.pace().is_abandoned(now)
    }

    fn end(&self) {
        self.phase.end(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(seconds: u64) -> (Pace, BootTime) {
        let now = BootTime::default();
        let interval = Duration::from_secs(seconds);
        (Pace { interval, not_before: now.plus(interval), failures: 0, lost: None }, now)
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
