//! Locking the agent and unlocking it again, with the pace at which passwords may be tried.

use std::sync::{Arc, Weak};

use oidc_proto::{error_code::ErrorCode, message::Failure, secret::Password, vault::VaultError};
use tokio::time::sleep;

use super::{
    loaded::Accounts,
    lock::{Covered, LockKey},
    off_thread::off_thread,
    tries::Pace,
};

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
            let key = Arc::new(LockKey::new(&password).map_err(|error| no_key("lock", &error))?);
            let mut state = accounts.state();
            if state.lock.is_some() {
                return Err(Failure::agent_locked());
            }
            state.loaded.iter().chain(&state.unsaved).for_each(|account| account.seal(key.public()));
            state.covered.iter().filter_map(Weak::upgrade).for_each(|secrets| secrets.seal(key.public()));
            state.lock = Some(key);
            drop(state);
            accounts.0.changed.send_replace(());
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
        match off_thread(move || accounts.unseal(&key, &password)).await {
            Ok(()) => {
                *pace = Pace::default();
                // Passwords may have been waiting to be forgotten.
                self.0.lifetimes_changed.notify_one();
                Ok(())
            }
            Err(VaultError::WrongPassword) => {
                pace.pause(delay);
                drop((pace, place));
                sleep(delay).await;
                Err(Failure::wrong_password())
            }
            Err(error) => {
                pace.take_back();
                Err(no_key("unlock", &error))
            }
        }
    }

    fn unseal(&self, key: &LockKey, password: &Password) -> Result<(), VaultError> {
        let secret = key.open(password)?;
        let mut state = self.state();
        state.unsaved.retain(|account| account.unseal(&secret));
        state.loaded.retain(|account| account.unseal(&secret));
        state.covered.iter().filter_map(Weak::upgrade).for_each(|secrets| secrets.unseal(&secret));
        state.lock = None;
        drop(state);
        self.0.changed.send_replace(());
        Ok(())
    }
}

/// The key of the lock could not be derived from a password, whether that is the right one or not.
fn no_key(what: &str, error: &VaultError) -> Failure {
    tracing::error!(%error, "could not {what} the agent");
    Failure::new(ErrorCode::TooManyRequests, format!("could not {what} the agent: {error}")).with_info(
        "Nothing was changed. It takes 64 MiB of memory for a moment, which the agent did not get: end other programs, or \
         raise the limit that the agent runs under, and try again.",
    )
}

fn too_many() -> Failure {
    let error = "the agent is busy trying other passwords for its lock; please try again in a few seconds";
    Failure::new(ErrorCode::TooManyRequests, error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{task::JoinSet, time::Instant};

    use super::{
        super::{
            testing::Bench,
            tries::{LONGEST_PAUSE, PLACES, delay},
        },
        *,
    };

    async fn locked() -> Bench {
        let bench = Bench::new();
        bench.accounts.lock("sesame".into()).await.expect("locked");
        bench
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
