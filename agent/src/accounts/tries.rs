//! The pace at which passwords may be tried.

use std::time::Duration;

use oidc_proto::json::Object;
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, sleep_until},
};

use crate::handed_on::{self, Unreadable};

/// The answer to the n-th wrong password in a row waits 100 ms times the square of n, n counted up to 25: the C suite's
/// rule.
const DELAY_UNIT: Duration = Duration::from_millis(100);
const DELAY_STEPS: u32 = 25;

/// The next password is not tried before that is over, whoever sends it, but no later than this: with the places below
/// it bounds how long a guesser can keep the right password waiting.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How many may wait for their password to be tried.
pub const PLACES: usize = 4;

/// Who tries passwords, one after the other.
pub struct Tries {
    pub places: Semaphore,
    pub pace: Mutex<Pace>,
}

/// How quickly.
#[derive(Default)]
pub struct Pace {
    /// Wrong passwords in a row.
    failures: u32,
    not_before: Option<Instant>,
}

impl Default for Tries {
    fn default() -> Self {
        Self { places: Semaphore::new(PLACES), pace: Mutex::default() }
    }
}

impl Pace {
    /// For a process of the agent that goes on: a change of version is no way to guess more quickly.
    pub fn to_value(&self) -> Value {
        let left = self.not_before.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map_or(0, |left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        json!({ "failures": self.failures, "not_before": left })
    }

    /// What [`Pace::to_value`] gave.
    pub fn handed_on(within: &mut Object, member: &str) -> Result<Self, Unreadable> {
        let pace = handed_on::object(within, member)?;
        let failures = u32::try_from(handed_on::number(&pace, "failures")?).unwrap_or(u32::MAX);
        let left = Duration::from_millis(handed_on::number(&pace, "not_before")?).min(LONGEST_PAUSE);
        Ok(Self { failures, not_before: (!left.is_zero()).then(|| Instant::now() + left) })
    }

    /// Waits until the next password may be tried.
    pub async fn wait(&self) {
        if let Some(not_before) = self.not_before {
            sleep_until(not_before).await;
        }
    }

    /// One more; tells how long the answer to it waits.
    pub fn fail(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        delay(self.failures)
    }

    /// The last one that was counted could not be tried.
    pub fn take_back(&mut self) {
        self.failures = self.failures.saturating_sub(1);
    }

    /// Notes that one was wrong.
    pub fn pause(&mut self, delay: Duration) {
        self.not_before = Some(Instant::now() + delay.min(LONGEST_PAUSE));
    }
}

/// How long the answer to the n-th wrong password in a row waits.
pub fn delay(failures: u32) -> Duration {
    DELAY_UNIT * failures.min(DELAY_STEPS).pow(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_guesser_is_no_quicker_in_the_next_process() {
        let mut pace = Pace::default();
        for _ in 0..24 {
            pace.fail();
        }
        pace.pause(delay(24));
        let mut within = Object::default();
        within.insert("pace", pace.to_value());
        let mut next = Pace::handed_on(&mut within, "pace").expect("its own words");
        let began = Instant::now();
        next.wait().await;
        assert!(began.elapsed() >= LONGEST_PAUSE, "{:?}", began.elapsed());
        assert_eq!(next.fail(), delay(25));
    }

    #[test]
    fn delay_grows_and_ends_growing() {
        assert_eq!([1, 2, 5, 25, 400].map(|n| delay(n).as_millis()), [100, 400, 2500, 62_500, 62_500]);
    }
}
