//! What time it is, by both clocks that matter: the wall's, which people and programs agree on and which may be set, and
//! the one that counts the time that really passed since the machine was started, suspend included (`CLOCK_BOOTTIME`).
//!
//! Whatever is kept or remembered for a while goes by these; the runtime's own clock, which stands still during
//! suspend, serves deadlines of work in hand only. Tests get a clock that they can set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// The longest time that anything is taken to last: 100 years. More is a mistake, and would not be worth an overflow.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The longest sleep in one piece: the runtime's clock stands still while a laptop sleeps, the boot clock does not.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How far the clocks may drift apart before the wall clock counts as set. It is corrected all the time, by less.
const DRIFT: u64 = 5;

/// The time since the machine was started, suspend included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// That much later, at most [`LONGEST`].
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length.min(LONGEST)))
    }

    /// Whole milliseconds of it, for [`BootTime::from_millis`].
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// What [`BootTime::as_millis`] gave.
    pub fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The time from an earlier moment to this one; zero when that moment is yet to come.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since the epoch; 0 for a clock set before it.
    pub wall: u64,
    /// The time since the machine was started.
    pub boot: BootTime,
}

/// The end of a time that began at a known moment. It is over as soon as one of the clocks says so: the wall clock may
/// have been wrong at the beginning, or be wrong now, and a machine that was frozen and thawed has no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    wall: u64,
    boot: BootTime,
}

impl Expiry {
    /// The end of `length` from `beginning` on, of at most [`LONGEST`].
    pub fn after(beginning: Moment, length: Duration) -> Self {
        let length = length.min(LONGEST);
        Self { wall: beginning.wall.saturating_add(length.as_secs()), boot: beginning.boot.plus(length) }
    }

    /// Seconds left, begun ones counted; 0 when it is over.
    pub fn remaining(self, now: Moment) -> u64 {
        self.wall.saturating_sub(now.wall).min(self.left_by_boot(now))
    }

    /// Whether it is over.
    pub fn is_over(self, now: Moment) -> bool {
        self.remaining(now) == 0
    }

    /// When it ends, in seconds since the epoch as the wall clock counts them now.
    pub fn at(self, now: Moment) -> u64 {
        let by_boot = now.wall.saturating_add(self.left_by_boot(now));
        // A second more or less is no clock that was set, and is not to be seen.
        if by_boot.saturating_add(DRIFT) < self.wall { by_boot } else { self.wall }
    }

    /// The same, but over by then at the latest.
    #[must_use]
    pub fn no_later_than(self, boot: BootTime) -> Self {
        Self { boot: self.boot.min(boot), ..self }
    }

    /// When it ends by the wall clock as that went when it was set.
    pub fn wall(self) -> u64 {
        self.wall
    }

    /// When it ends by the boot clock.
    pub fn boot(self) -> BootTime {
        self.boot
    }

    fn left_by_boot(self, now: Moment) -> u64 {
        let left = self.boot.since(now.boot);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }
}

/// Tells the time. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    #[cfg(test)]
    Simulated(std::sync::Arc<std::sync::Mutex<simulated::Simulated>>),
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::default()
    }

    /// Both clocks, now.
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System => Moment {
                wall: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()),
                boot: boot_time(),
            },
            #[cfg(test)]
            Source::Simulated(simulated) => simulated::lock(simulated).now(),
        }
    }

    /// The time since the machine was started.
    pub fn boot(&self) -> BootTime {
        self.now().boot
    }

    /// Sleeps until then; when the machine is suspended meanwhile, at most [`LONGEST_SLEEP`] longer.
    pub async fn sleep_until(&self, end: BootTime) {
        loop {
            let left = end.since(self.boot());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

fn boot_time() -> BootTime {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    BootTime(Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default()))
}

/// A clock that tests set. It goes on with the runtime's own: `tokio::time::advance` moves both.
#[cfg(test)]
mod simulated {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use tokio::time::Instant;

    use super::{BootTime, Clock, Duration, Moment, Source};

    #[derive(Debug)]
    pub(super) struct Simulated {
        start: Instant,
        wall: Duration,
        boot: Duration,
    }

    impl Simulated {
        pub(super) fn now(&self) -> Moment {
            let elapsed = self.start.elapsed();
            Moment { wall: (self.wall + elapsed).as_secs(), boot: BootTime(self.boot + elapsed) }
        }
    }

    pub(super) fn lock(simulated: &Mutex<Simulated>) -> MutexGuard<'_, Simulated> {
        simulated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Clock {
        /// A clock whose wall shows `wall` seconds since the epoch now.
        pub fn simulated(wall: u64) -> Self {
            let (wall, boot) = (Duration::from_secs(wall), Duration::from_secs(1000));
            Self(Source::Simulated(Arc::new(Mutex::new(Simulated { start: Instant::now(), wall, boot }))))
        }

        /// Somebody sets the wall clock, forward or back. Nothing else happens.
        pub fn set_wall(&self, by_seconds: i64) {
            let by = Duration::from_secs(by_seconds.unsigned_abs());
            self.change(|simulated| {
                simulated.wall =
                    if by_seconds < 0 { simulated.wall.saturating_sub(by) } else { simulated.wall + by };
            });
        }

        /// The machine sleeps that long: the runtime's clock stands still.
        pub fn suspend(&self, length: Duration) {
            self.change(|simulated| {
                simulated.wall += length;
                simulated.boot += length;
            });
        }

        /// The machine is frozen and thawed that much later: only the wall clock knows.
        pub fn freeze(&self, length: Duration) {
            self.change(|simulated| simulated.wall += length);
        }

        fn change(&self, change: impl FnOnce(&mut Simulated)) {
            match &self.0 {
                Source::Simulated(simulated) => change(&mut lock(simulated)),
                Source::System => panic!("the machine's clock is not for tests to set"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: i64 = 24 * 3600;
    const START: u64 = 1_800_000_000;

    fn hour(clock: &Clock) -> Expiry {
        Expiry::after(clock.now(), Duration::from_secs(HOUR))
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_comes_with_the_time_that_really_passed() {
        let clock = Clock::simulated(START);
        let end = hour(&clock);
        assert_eq!((end.remaining(clock.now()), end.at(clock.now())), (HOUR, START + HOUR));
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!((end.remaining(clock.now()), end.at(clock.now())), (HOUR - 600, START + HOUR));
        clock.suspend(Duration::from_secs(1000));
        assert_eq!(end.remaining(clock.now()), HOUR - 1600);
        tokio::time::advance(Duration::from_millis(1_999_999)).await;
        assert!(!end.is_over(clock.now()));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(end.is_over(clock.now()));
    }

    /// Where the wall clock is set to, in seconds from where it was; how much of an hour is left then, and when it
    /// ends as seen from the new beginning.
    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_prolongs_nothing() {
        for (set_by, remaining, ends_in) in [
            (0, HOUR, HOUR),
            (-30 * DAY, HOUR, HOUR),
            (-7200, HOUR, HOUR),
            (-3, HOUR, HOUR + 3),
            (600, HOUR - 600, HOUR - 600),
            (30 * DAY, 0, 0),
            (i64::MIN, HOUR, HOUR),
        ] {
            let clock = Clock::simulated(START);
            let end = hour(&clock);
            clock.set_wall(set_by);
            let now = clock.now();
            assert_eq!(end.remaining(now), remaining, "set by {set_by}");
            assert_eq!(end.at(now).saturating_sub(now.wall), ends_in, "set by {set_by}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_was_frozen_has_the_wall_clock_only() {
        let clock = Clock::simulated(START);
        let end = hour(&clock);
        clock.freeze(Duration::from_secs(HOUR));
        assert!(end.is_over(clock.now()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_length_overflows() {
        let now = Clock::simulated(u64::MAX / 4).now();
        for seconds in [0, 1, HOUR, 1 << 62, u64::MAX] {
            let end = Expiry::after(now, Duration::from_secs(seconds));
            assert_eq!(end.remaining(now), seconds.min(LONGEST.as_secs()), "{seconds} s");
        }
        let last = Moment { wall: u64::MAX, boot: BootTime(Duration::MAX) };
        assert_eq!(Expiry::after(last, Duration::MAX).at(last), u64::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn sleep_ends_soon_after_a_suspend() {
        let clock = Clock::simulated(START);
        let (began, end) = (clock.now(), clock.boot().plus(Duration::from_secs(HOUR)));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(end).await }
        });
        tokio::task::yield_now().await;
        clock.suspend(Duration::from_secs(HOUR));
        sleeper.await.expect("woke up");
        let slept = clock.boot().since(began.boot);
        assert!(slept <= Duration::from_secs(HOUR) + LONGEST_SLEEP, "{slept:?}");
    }

    #[test]
    fn the_machine_has_both_clocks() {
        let (first, second) = (Clock::system().now(), Clock::system().now());
        assert!(first.wall > START - 400 * 24 * HOUR && first.boot <= second.boot);
        assert!(second.boot.since(first.boot) < Duration::from_secs(60));
    }
}
