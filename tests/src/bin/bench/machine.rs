//! Whether anything else keeps the machine busy.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::say;

/// How long to wait for others to finish.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long is looked at at once.
const WINDOW: Duration = Duration::from_secs(2);
/// The share of all processors that others may take, in percent.
const TOLERATED: u64 = 5;

/// How busy the machine is, in percent of all processors.
#[derive(Debug, Clone, Copy)]
pub struct Busy(u64);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "other programs take {} % of this machine", self.0)
    }
}

/// Waits until the machine is quiet, [`PATIENCE`] at most; fails where it is not by then.
pub fn wait_for_quiet() -> Result<(), Busy> {
    let deadline = Instant::now() + PATIENCE;
    let mut said = false;
    loop {
        // Where nothing tells, it is taken for quiet.
        let Ok(share) = busy_share() else { return Ok(()) };
        if share <= TOLERATED {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Busy(share));
        }
        if !std::mem::replace(&mut said, true) {
            say(&format!("bench: {}, waiting up to {} s for them", Busy(share), PATIENCE.as_secs()));
        }
    }
}

/// The share of all processors that is not idle, in percent.
fn busy_share() -> Result<u64> {
    let before = Jiffies::now()?;
    thread::sleep(WINDOW);
    let after = Jiffies::now()?;
    let all = after.all.saturating_sub(before.all).max(1);
    Ok(100 - 100 * after.idle.saturating_sub(before.idle).min(all) / all)
}

/// The first line of `/proc/stat`, proc(5).
struct Jiffies {
    all: u64,
    idle: u64,
}

impl Jiffies {
    fn now() -> Result<Self> {
        let text = fs_err::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("/proc/stat is empty")?;
        let numbers: Vec<u64> =
            line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest time is in user time already.
        let idle = numbers.iter().skip(3).take(2).sum();
        Ok(Self { all: numbers.iter().take(8).sum(), idle })
    }
}
