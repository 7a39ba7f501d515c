//! One login by device code: what it polls with, and how often it may.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{LOGIN_LIFETIME, setting::Setting, table::Entry};
use crate::{
    clock::BootTime,
    provider::{DeviceAuthorization, SLOW_DOWN},
};

/// A client's clock and the way to the agent may make a poll look a little early.
const TOLERANCE: Duration = Duration::from_millis(250);
/// The longest pause after the provider could not be reached (RFC 8628 section 3.5 asks for growing ones).
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// How often in a row the provider may be unreachable before the person is told.
const MAX_FAILURES: u32 = 5;

/// The longest life of a device code that is believed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A login by device code.
pub struct DeviceLogin {
    /// Account and provider.
    pub setting: Setting,
    /// The provider's answer, with what the poll needs.
    pub authorization: DeviceAuthorization,
    expires_at: BootTime,
    pace: Mutex<Pace>,
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
    pub fn new(setting: Setting, authorization: DeviceAuthorization, now: BootTime) -> Self {
        let interval = authorization.interval;
        Self {
            setting,
            expires_at: now.plus(authorization.expires_in.unwrap_or(LOGIN_LIFETIME).min(MAX_LIFETIME)),
            authorization,
            pace: Mutex::new(Pace { interval, not_before: now.plus(interval), failures: 0 }),
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

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Nothing panics while it is held.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    fn begin(&mut self, now: BootTime) -> bool {
        if now.plus(TOLERANCE) < self.not_before {
            return false;
        }
        self.wait(now);
        true
    }

    fn wait(&mut self, now: BootTime) {
        let back_off = self.interval.saturating_mul(1 << self.failures.min(8)).min(MAX_BACK_OFF);
        self.not_before = now.plus(back_off.max(self.interval));
    }
}

impl Entry for DeviceLogin {
    fn is(&self, key: &str) -> bool {
        self.authorization.device_code == key.into()
    }

    fn expires_at(&self) -> BootTime {
        self.expires_at
    }

    fn is_over(&self) -> bool {
        false
    }

    fn end(&self) {}
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
