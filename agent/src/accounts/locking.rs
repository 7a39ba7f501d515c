//! Locking the agent and unlocking it again, with the pace at which passwords may be tried.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{error_code::ErrorCode, message::Failure, secret::Password};
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, sleep, sleep_until},
};

use super::{Accounts, disk::off_thread, lock::LockKey};

/// The answer to the n-th wrong password in a row waits 100 ms times the square of n, n counted up to 25: the C suite's
/// rule.
const DELAY_UNIT: Duration = Duration::from_millis(100);
const DELAY_STEPS: u32 = 25;

/// The next password is not tried before that is over, whoever sends it, but no later than this: with the places below
/// it bounds how long a guesser can keep the right password waiting.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How many may wait for their password to be tried.
const PLACES: usize = 4;

/// Secrets beside the accounts that the agent's lock covers.
pub trait Covered: Send + Sync {
    /// Seals them to the key of a locked period. Called while the accounts are held: must not ask for them.
    fn seal(&self, key: &PublicKey);

    /// Opens them again.
    fn unseal(&self, key: &SecretKey);
}

/// Who tries passwords, one after the other.
pub struct Tries {
    places: Semaphore,
    pace: Mutex<Pace>,
}

/// How quickly.
#[derive(Default)]
struct Pace {
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
    async fn wait(&self) {
        if let Some(not_before) = self.not_before {
            sleep_until(not_before).await;
        }
    }

    /// One more; tells how long the answer to it waits.
    fn fail(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        delay(self.failures)
    }

    fn pause(&mut self, delay: Duration) {
        self.not_before = Some(Instant::now() + delay.min(LONGEST_PAUSE));
    }
}

fn delay(failures: u32) -> Duration {
    DELAY_UNIT * failures.min(DELAY_STEPS).pow(2)
}

impl Accounts {
    /// Has the lock cover further secrets, as long as they are there.
    pub fn cover(&self, secrets: Weak<dyn Covered>) {
        self.state().covered.push(secrets);
    }

    /// Locks the agent: one key derivation, whatever number of accounts is loaded.
    pub async fn lock(&self, password: Password) -> Result<(), Failure> {
        let tries = &self.0.tries;
        let _place = tries.places.try_acquire().map_err(|_| too_many())?;
        let _one_at_a_time = tries.pace.lock().await;
        self.require_unlocked()?;
        let accounts = self.clone();
        off_thread(move || {
            let key = Arc::new(LockKey::new(&password));
            let mut state = accounts.state();
            if state.lock.is_some() {
                return Err(Failure::agent_locked());
            }
            state.loaded.iter().chain(&state.unsaved).for_each(|account| account.seal(key.public()));
            state.covered.iter().filter_map(Weak::upgrade).for_each(|secrets| secrets.seal(key.public()));
            state.lock = Some(key);
            Ok(())
        })
        .await
    }

    /// Unlocks the agent. A wrong password is answered after a delay that grows with each further one; also how soon
    /// the next one is tried depends on how many were wrong, so that guesses sent at once are no quicker. Whatever else
    /// the agent does is not held up.
    pub async fn unlock(&self, password: Password) -> Result<(), Failure> {
        if !self.is_locked() {
            return Err(Failure::agent_not_locked());
        }
        let tries = &self.0.tries;
        let place = tries.places.try_acquire().map_err(|_| too_many())?;
        let mut pace = tries.pace.lock().await;
        pace.wait().await;
        let key = self.state().lock.clone().ok_or_else(Failure::agent_not_locked)?;
        // Counted before it is known to be wrong: whoever goes away meanwhile has tried it nevertheless.
        let delay = pace.fail();
        let accounts = self.clone();
        if off_thread(move || accounts.unseal(&key, &password)).await {
            *pace = Pace::default();
            return Ok(());
        }
        pace.pause(delay);
        drop((pace, place));
        sleep(delay).await;
        Err(Failure::wrong_password())
    }

    fn unseal(&self, key: &LockKey, password: &Password) -> bool {
        let Some(secret) = key.open(password) else { return false };
        let mut state = self.state();
        state.unsaved.retain(|account| account.unseal(&secret));
        state.loaded.retain(|account| account.unseal(&secret));
        state.covered.iter().filter_map(Weak::upgrade).for_each(|secrets| secrets.unseal(&secret));
        state.lock = None;
        true
    }
}

fn too_many() -> Failure {
    let error = "the agent is busy trying other passwords for its lock; please try again in a few seconds";
    Failure::new(ErrorCode::TooManyRequests, error)
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::{super::testing::Bench, *};

    async fn locked() -> Bench {
        let bench = Bench::new();
        bench.accounts.lock("sesame".into()).await.expect("locked");
        bench
    }

    #[test]
    fn delay_grows_and_ends_growing() {
        assert_eq!([1, 2, 5, 25, 400].map(|n| delay(n).as_millis()), [100, 400, 2500, 62_500, 62_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_passwords_one_after_the_other_are_answered_as_the_c_suite_does() {
        let bench = locked().await;
        for n in 1..=6 {
            let asked = Instant::now();
            let refused = bench.accounts.unlock("guess".into()).await.expect_err("wrong");
            assert_eq!(refused.code, ErrorCode::WrongPassword);
            assert!(asked.elapsed() >= delay(n), "{n}: {:?}", asked.elapsed());
        }
        bench.accounts.unlock("sesame".into()).await.expect("the right one");
        bench.accounts.lock("other".into()).await.expect("locked again");
        let asked = Instant::now();
        bench.accounts.unlock("guess".into()).await.expect_err("wrong");
        assert!(asked.elapsed() < delay(2), "the right password made the wrong ones forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_at_once_are_no_quicker_and_do_not_starve_the_right_one() {
        let bench = locked().await;
        for _ in 0..5 {
            bench.accounts.unlock("guess".into()).await.expect_err("wrong");
        }
        let began = Instant::now();
        let mut guessing = JoinSet::new();
        for number in 0..200 {
            let accounts = bench.accounts.clone();
            guessing.spawn(async move {
                let refused = accounts.unlock(format!("guess {number}").as_str().into()).await;
                refused.expect_err("wrong").code
            });
        }
        tokio::task::yield_now().await;
        // Who finds no place is told so at once, and finds one as soon as a guess was tried.
        let mut refused = 0;
        while let Err(failure) = bench.accounts.unlock("sesame".into()).await {
            assert_eq!(failure.code, ErrorCode::TooManyRequests);
            refused += 1;
            sleep(Duration::from_millis(100)).await;
        }
        let waited = began.elapsed();
        assert!(refused > 0 && waited < Duration::from_secs(11), "{refused} refusals, {waited:?}");
        let tried = PLACES - 1;
        let paces = LONGEST_PAUSE * u32::try_from(tried).expect("few");
        assert!(waited >= paces, "{tried} guesses and the right one took only {waited:?}");
        let codes = guessing.join_all().await;
        let busy = codes.iter().filter(|code| **code == ErrorCode::TooManyRequests).count();
        assert_eq!(busy, 200 - PLACES);
    }
}
