//! What the person allowed for longer than once, of one account. It goes with the account, and with the agent's lock.
//!
//! A program is its file, by device and inode, and its user; a process is that file, its number and when it began. Names
//! and what a program says of itself count for nothing here.

use oidc_proto::json::Object;
use serde_json::{Value, json};

use crate::{
    caller::{FileId, Process},
    clock::{Expiry, Moment},
    handed_on::{self, Unreadable},
    prompt::{MINUTES, Permission},
};

/// More than a person has said yes to; the oldest one is forgotten.
const MAX_ENTRIES: usize = 16;
/// A wish that is described by more bytes is asked about each time.
const MAX_WISH: usize = 2048;

/// Who asks, where it can be known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    uid: u32,
    file: FileId,
    pid: i32,
    began: u64,
}

/// What was allowed.
#[derive(Debug, Default)]
pub struct Remembered(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    wish: String,
    known: Known,
    /// Until then it is for all processes of the program; without an end, for this one.
    until: Option<Expiry>,
}

impl Known {
    /// A process of this user; `None` where it cannot be told from others.
    pub fn of(process: &Process, uid: u32) -> Option<Self> {
        Some(Self { uid, file: process.file?, pid: process.pid?, began: process.began? })
    }

    fn is_same_program(&self, other: &Self) -> bool {
        (self.uid, self.file) == (other.uid, other.file)
    }
}

impl Remembered {
    /// For a process of the agent that goes on with the account.
    pub fn to_value(&self) -> Value {
        let entry = |entry: &Entry| {
            let Known { uid, file, pid, began } = entry.known;
            let (device, inode) = file.parts();
            json!({
                "wish": entry.wish, "uid": uid, "device": device, "inode": inode, "pid": pid, "began": began,
                "until": handed_on::expiry_to_value(entry.until),
            })
        };
        self.0.iter().map(entry).collect()
    }

    /// What [`Remembered::to_value`] gave.
    pub fn handed_on(within: &mut Object, member: &str) -> Result<Self, Unreadable> {
        let entry = |mut object: Object| {
            let number = |name| handed_on::number(&object, name);
            let small = |name| i32::try_from(number(name)?).map_err(|_| Unreadable::new(name));
            let known = Known {
                uid: u32::try_from(number("uid")?).map_err(|_| Unreadable::new("uid"))?,
                file: FileId::new(number("device")?, number("inode")?),
                pid: small("pid")?,
                began: number("began")?,
            };
            let wish = handed_on::text(&object, "wish")?;
            Ok(Entry { wish, known, until: handed_on::expiry(&mut object, "until")? })
        };
        let entries = handed_on::objects(within, member)?;
        entries.into_iter().take(MAX_ENTRIES).map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this wish of theirs was allowed before, and is still.
    pub fn allows(&mut self, wish: &str, known: &Known, now: Moment) -> bool {
        self.0.retain(|entry| !entry.until.is_some_and(|until| until.is_over(now)));
        self.0.iter().any(|entry| {
            entry.wish == wish
                && if entry.until.is_some() {
                    entry.known.is_same_program(known)
                } else {
                    entry.known == *known
                }
        })
    }

    /// Takes notice of what was allowed at `now`.
    pub fn allow(&mut self, wish: &str, known: Known, permission: Permission, now: Moment) {
        let until = match permission {
            Permission::Once => return,
            Permission::ForMinutes => Some(Expiry::after(now, MINUTES)),
            Permission::ForProcess => None,
        };
        if wish.len() > MAX_WISH {
            return;
        }
        if self.0.len() >= MAX_ENTRIES {
            self.0.remove(0);
        }
        self.0.push(Entry { wish: wish.to_owned(), known, until });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    const WISH: &str = "an access token";

    fn known(file: u64, pid: i32, began: u64) -> Known {
        let process = Process {
            pid: Some(pid),
            file: Some(FileId::new(1, file)),
            began: Some(began),
            ..Process::default()
        };
        Known::of(&process, 1000).expect("known")
    }

    #[tokio::test(start_paused = true)]
    async fn five_minutes_are_for_the_program_and_end_by_either_clock() {
        let ways: [fn(&Clock); 3] =
            [|clock| clock.suspend(MINUTES), |clock| clock.freeze(MINUTES), |clock| clock.set_wall(301)];
        for end in ways {
            let clock = Clock::simulated(1_800_000_000);
            let mut remembered = Remembered::default();
            remembered.allow(WISH, known(1, 7, 70), Permission::ForMinutes, clock.now());
            clock.set_wall(-3600);
            tokio::time::advance(Duration::from_secs(60)).await;
            assert!(remembered.allows(WISH, &known(1, 8, 80), clock.now()), "another process of the program");
            assert!(!remembered.allows(WISH, &known(2, 7, 70), clock.now()), "another program");
            assert!(!remembered.allows("another wish", &known(1, 7, 70), clock.now()));
            let stranger = Known { uid: 1001, ..known(1, 7, 70) };
            assert!(!remembered.allows(WISH, &stranger, clock.now()), "another user");
            clock.set_wall(3600);
            end(&clock);
            assert!(!remembered.allows(WISH, &known(1, 7, 70), clock.now()), "it is over");
            assert!(remembered.0.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_is_no_other_one_that_gets_its_number() {
        let clock = Clock::simulated(1_800_000_000);
        let mut remembered = Remembered::default();
        remembered.allow(WISH, known(1, 7, 70), Permission::ForProcess, clock.now());
        tokio::time::advance(Duration::from_secs(24 * 3600)).await;
        let mut within = Object::default();
        within.insert("remembered", remembered.to_value());
        let mut remembered = Remembered::handed_on(&mut within, "remembered").expect("its own words");
        assert!(remembered.allows(WISH, &known(1, 7, 70), clock.now()));
        for other in [known(1, 7, 71), known(1, 8, 70), known(2, 7, 70)] {
            assert!(!remembered.allows(WISH, &other, clock.now()), "{other:?}");
        }
    }

    #[test]
    fn little_is_kept_and_once_is_once() {
        let (now, mut remembered) = (Clock::system().now(), Remembered::default());
        remembered.allow(WISH, known(1, 7, 70), Permission::Once, now);
        remembered.allow(&"x".repeat(MAX_WISH + 1), known(1, 7, 70), Permission::ForProcess, now);
        assert!(remembered.0.is_empty());
        for pid in 0..100 {
            remembered.allow(WISH, known(1, pid, 70), Permission::ForProcess, now);
        }
        assert_eq!(remembered.0.len(), MAX_ENTRIES);
        assert!(
            remembered.allows(WISH, &known(1, 99, 70), now)
                && !remembered.allows(WISH, &known(1, 0, 70), now)
        );
        assert_eq!(Known::of(&Process { pid: Some(7), ..Process::default() }, 1000), None);
    }
}
