//! The process that keeps files fresh: a child of nobody in particular, in a session of its own, so that
//! no signal of the terminal and no end of a pipe concerns it. It sees by a pidfd when the command has ended.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::{Command as Program, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::{
    environment::without_secrets,
    files::entry::{Entry, OnExpiry, Span},
    private_file,
    process::Process,
};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{
    lease::{Lease, Life},
    wanted::{self, Obtained},
};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    process::descriptors,
    say::exit::Exit,
};

/// The longest time without a look: timers stand still while a laptop sleeps.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The shortest one.
const SHORTEST_WAIT: u64 = 1;
/// How soon a token is renewed at the earliest, in seconds, however short its life.
const SOONEST: u64 = 5;
/// How soon one whose end is not known, in seconds.
const WITHOUT_END: u64 = 300;
/// The longest plan, in bytes.
const LONGEST_PLAN: u64 = 1024 * 1024;

/// What is to be kept fresh.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// For which process which files.
    pub lease: Lease,
    /// When the token in each expires, in seconds since the epoch.
    pub expires: Vec<Option<u64>>,
    /// Where to say what happens.
    pub log: Option<PathBuf>,
}

/// Starts it. Returns when it is there.
pub fn start(plan: &Plan, common: &Common) -> io::Result<()> {
    let mut program = Program::new("/proc/self/exe");
    program.args(["renew-for-exec", "--no-autostart"]);
    if common.sealed {
        program.arg("--sealed");
    }
    program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = without_secrets(&mut program).spawn()?;
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(&serde_json::to_vec(plan)?));
    // It has started the one that stays, which is nobody's child: the command has no child that it did not start.
    let ended = child.wait()?;
    written.transpose()?;
    if ended.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {ended}"))) }
}

/// Keep files fresh for a process: started by `oidc exec`
#[derive(Debug, Clone, Default, Parser)]
pub struct RenewerArgs {
    /// The process that stays
    #[arg(long)]
    stays: bool,

    #[command(flatten)]
    pub common: Common,
}

impl Command for RenewerArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let failed = |error: io::Error| Error::Other(Exit::Failure, error.to_string());
        if self.stays {
            stay(context).map_err(failed)
        } else {
            self.start_the_one_that_stays().map_err(failed)
        }
    }
}

impl RenewerArgs {
    fn start_the_one_that_stays(&self) -> io::Result<()> {
        rustix::process::setsid()?;
        let mut program = Program::new("/proc/self/exe");
        program.args(["renew-for-exec", "--no-autostart", "--stays"]);
        if self.common.sealed {
            program.arg("--sealed");
        }
        // It inherits the pipe with the plan.
        program.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(drop)
    }
}

fn stay(context: &mut Context) -> io::Result<()> {
    descriptors::close_inherited();
    let mut text = Vec::new();
    io::stdin().lock().take(LONGEST_PLAN).read_to_end(&mut text)?;
    let plan: Plan = serde_json::from_slice(&text)?;
    let mut log = plan.log.as_deref().and_then(|path| {
        let nothing = private_file::write(&private_file::Target::private(path), b"");
        nothing.ok().and_then(|_| {
            File::options().append(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path).ok()
        })
    });
    let mut say = |text: &str| {
        if let Some(log) = &mut log {
            drop(writeln!(log, "{} {text}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")));
        }
    };
    let process = Process::open(plan.lease.process.pid);
    if plan.lease.process.life() == Life::Running
        && let Ok(process) = process
    {
        renew(&plan, &process, context, &mut say)?;
    }
    // Wherever the first of them lies; the note is in the directory of this user.
    if let Ok(directory) = wanted::directory() {
        plan.lease.clear(&directory);
    }
    if let Some(log) = &plan.log {
        drop(private_file::remove(log));
    }
    Ok(())
}

/// One file.
struct Kept<'a> {
    entry: &'a Entry,
    expires_at: Option<u64>,
    next: u64,
    failures: u32,
}

/// Until the process has ended.
fn renew(plan: &Plan, process: &Process, context: &mut Context, say: &mut dyn FnMut(&str)) -> io::Result<()> {
    let mut now = seconds();
    let mut files: Vec<_> = plan
        .lease
        .entries
        .iter()
        .zip(&plan.expires)
        .map(|(entry, expires_at)| {
            let next = due(entry, *expires_at, now);
            Kept { entry, expires_at: *expires_at, next, failures: 0 }
        })
        .collect();
    let home = context.home().ok();
    loop {
        let next = files.iter().map(|file| file.next).min().unwrap_or(u64::MAX);
        let wait = Duration::from_secs(next.saturating_sub(now).max(SHORTEST_WAIT)).min(LONGEST_WAIT);
        if process.has_ended_within(wait)? {
            return Ok(());
        }
        now = seconds();
        let looked = now;
        for file in files.iter_mut().filter(|file| file.next <= looked) {
            // Else what the agent has at hand might be the very token that is in the file.
            let left = file.expires_at.unwrap_or_default().saturating_sub(now);
            let at_least = file.entry.timing.min_lifetime.as_secs().max(left + 1);
            let renewed = wanted::ask_again(file.entry, at_least, context).and_then(|obtained| {
                wanted::publish(file.entry, &obtained, home.as_ref()).map(|()| obtained)
            });
            now = seconds();
            match renewed {
                Ok(Obtained { expires_at, .. }) => {
                    (file.expires_at, file.failures) = (expires_at, 0);
                    file.next = due(file.entry, expires_at, now);
                    say(&format!(
                        "{}: renewed; again in {} s",
                        file.entry.name,
                        file.next.saturating_sub(now)
                    ));
                }
                Err(error) => {
                    file.next = now + pause(file, now);
                    file.failures += 1;
                    say(&format!("{}: {error}; again in {} s", file.entry.name, file.next - now));
                    let may_go = file.entry.on_expiry == OnExpiry::Remove;
                    if may_go && file.expires_at.is_some_and(|end| end <= now) {
                        remove(file.entry);
                    }
                }
            }
        }
    }
}

/// When a token that was just obtained is renewed, in seconds since the epoch.
fn due(entry: &Entry, expires_at: Option<u64>, now: u64) -> u64 {
    let Some(expires_at) = expires_at else { return now + WITHOUT_END };
    let life = expires_at.saturating_sub(now);
    let min = entry.timing.min_lifetime.as_secs();
    let before = match entry.timing.renew_before {
        Span::Fixed(length) => length.as_secs(),
        Span::Percent(percent) => life * u64::from(percent) / 100,
    };
    let lead = if life <= 2 * min { life / 2 } else { before.max(min) };
    (expires_at - lead.min(expires_at)).max(now + SOONEST)
}

/// How long after a failure the next try is, in seconds: twice as long each time, and still several before the end.
fn pause(file: &Kept<'_>, now: u64) -> u64 {
    let timing = &file.entry.timing;
    let doubled = timing.min_backoff.as_secs().saturating_mul(1 << file.failures.min(16));
    let longest = match file.expires_at.map(|end| end.saturating_sub(now)) {
        Some(left) if left > 0 => (left / 6).max(timing.min_backoff.as_secs()),
        _ => u64::MAX,
    };
    doubled.min(timing.max_backoff.as_secs()).min(longest).max(SHORTEST_WAIT)
}

fn remove(entry: &Entry) {
    if let oidc_proto::files::entry::Sink::File(file) = &entry.sink {
        drop(private_file::remove(&file.path));
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
