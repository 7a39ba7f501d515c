//! The process that keeps files fresh: a child of nobody in particular, in a session of its own, so that
//! no signal of the terminal and no end of a pipe concerns it. It sees by a pidfd when the command has ended.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Read, Write},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command as Program, Stdio},
    time::Duration,
};

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::{
    environment::without_secrets,
    files::entry::{Entry, OnExpiry, Span},
    private_file,
    process::Process,
    token::TokenDigest,
};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{
    lease::{self, Lease, Life},
    place::{self, Content},
    wanted::{self, Obtained},
};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    process::{clock, descriptors},
    say::exit::Exit,
};

/// The longest time without a look: timers stand still while a laptop sleeps.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The shortest one.
const SHORTEST_WAIT: u64 = 1;
/// How soon a token is renewed at the earliest, in seconds, however short its life.
const SOONEST: u64 = 5;
/// How soon a path is looked at again that leads to where no token may be, in seconds.
const LOOK_AGAIN: u64 = 10;
/// How soon one whose end is not known, in seconds.
const WITHOUT_END: u64 = 300;
/// What lists of processes call the one that stays.
const NAME: &CStr = c"oidc-exec";
/// The longest plan, in bytes.
const LONGEST_PLAN: u64 = 1024 * 1024;

/// What is to be kept fresh.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// For which process which files.
    pub lease: Lease,
    /// When the token in each expires, in seconds since the epoch.
    pub expires: Vec<Option<u64>>,
    /// Which token is in each: [`TokenDigest`].
    pub digests: Vec<String>,
    /// Where to say what happens.
    pub log: Option<PathBuf>,
}

/// Starts it. Returns when it is there.
pub fn start(plan: &Plan, common: &Common) -> io::Result<()> {
    let mut program = this_program(plan.lease.process.pid, common);
    program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = without_secrets(&mut program).spawn()?;
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(&serde_json::to_vec(plan)?));
    // It has started the one that stays, which is nobody's child: the command has no child that it did not start.
    let ended = child.wait()?;
    written.transpose()?;
    if ended.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {ended}"))) }
}

/// This program once more, as lists of processes are to show it.
fn this_program(process: i32, common: &Common) -> Program {
    let mut program = Program::new("/proc/self/exe");
    program.arg0("oidc").args(["renew-for-exec", "--no-autostart", "--process", &process.to_string()]);
    if common.sealed {
        program.arg("--sealed");
    }
    program
}

/// Keep files fresh for a process: started by `oidc exec`
#[derive(Debug, Clone, Default, Parser)]
pub struct RenewerArgs {
    /// The process that stays
    #[arg(long)]
    stays: bool,

    /// For which process, for whoever looks at a list of them
    #[arg(long, value_name = "PID", default_value_t)]
    process: i32,

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
        let mut program = this_program(self.process, &self.common);
        program.arg("--stays");
        // It inherits the pipe with the plan.
        program.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(drop)
    }
}

fn stay(context: &mut Context) -> io::Result<()> {
    descriptors::close_inherited();
    // The kernel calls it after the file that was executed: `exe`.
    rustix::thread::set_name(NAME)?;
    let mut text = Vec::new();
    io::stdin().lock().take(LONGEST_PLAN).read_to_end(&mut text)?;
    let mut plan: Plan = serde_json::from_slice(&text)?;
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
        renew(&mut plan, &process, context, &mut say)?;
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
struct Kept {
    /// Its place in the lease.
    index: usize,
    entry: Entry,
    expires_at: Option<u64>,
    /// The token that was written last.
    known: Option<TokenDigest>,
    /// Its readers find none.
    is_lost: bool,
    next: u64,
    failures: u32,
}

/// Until the process has ended.
fn renew(
    plan: &mut Plan,
    process: &Process,
    context: &mut Context,
    say: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let mut now = clock::now();
    let mut files: Vec<_> = plan
        .lease
        .entries
        .iter()
        .enumerate()
        .zip(&plan.expires)
        .map(|((index, entry), expires_at)| Kept {
            index,
            entry: entry.clone(),
            expires_at: *expires_at,
            known: plan.digests.get(index).and_then(|digest| digest.parse().ok()),
            is_lost: false,
            next: due(entry, *expires_at, now),
            failures: 0,
        })
        .collect();
    loop {
        let next = files.iter().map(|file| file.next).min().unwrap_or(u64::MAX);
        let wait = Duration::from_secs(next.saturating_sub(now).max(SHORTEST_WAIT)).min(LONGEST_WAIT);
        if process.has_ended_within(wait)? {
            return Ok(());
        }
        now = clock::now();
        for file in &mut files {
            file.is_lost = place::is_lost(&file.entry);
            // After a failure it is tried again in its time.
            if file.is_lost && file.failures == 0 {
                file.next = now;
            }
        }
        let looked = now;
        for file in files.iter_mut().filter(|file| file.next <= looked) {
            let there = match may_write(file, &plan.lease, context) {
                Ok(there) => there,
                Err(error) => {
                    file.next = now + LOOK_AGAIN;
                    say(&format!("{}: {error}; looked at again in {LOOK_AGAIN} s", file.entry.name));
                    continue;
                }
            };
            let renewed = renew_one(file, there, &mut plan.lease, now, context);
            now = clock::now();
            match renewed {
                Ok(Obtained { expires_at, token }) => {
                    (file.expires_at, file.failures) = (expires_at, 0);
                    file.known = Some(TokenDigest::of(token.expose()));
                    file.next = due(&file.entry, expires_at, now);
                    let what = if file.is_lost { "written again" } else { "renewed" };
                    say(&format!(
                        "{}: {what}; again in {} s",
                        file.entry.name,
                        file.next.saturating_sub(now)
                    ));
                }
                Err(error) => {
                    file.next = now + pause(file, now);
                    file.failures += 1;
                    say(&format!("{}: {error}; again in {} s", file.entry.name, file.next - now));
                    let is_over = file.expires_at.is_some_and(|end| end <= now);
                    if is_over && is_own(file, &plan.lease) {
                        remove(&file.entry);
                    }
                }
            }
        }
    }
}

/// What is where the path leads by now, if a token may be written there.
fn may_write(file: &Kept, lease: &Lease, context: &mut Context) -> Result<Content, Error> {
    let (directory, home) = (wanted::directory()?, context.home().ok());
    place::claim_again(&file.entry, &lease.process, file.known.as_ref(), &directory, home.as_ref())
}

/// Gets another token and writes it over what is `there`.
fn renew_one(
    file: &mut Kept,
    there: Content,
    lease: &mut Lease,
    now: u64,
    context: &mut Context,
) -> Result<Obtained, Error> {
    let (directory, home) = (wanted::directory()?, context.home().ok());
    // Else what the agent has at hand might be the very token that is in the file.
    let left = file.expires_at.unwrap_or_default().saturating_sub(now);
    let min = file.entry.timing.min_lifetime.as_secs();
    let at_least = if file.is_lost { min } else { min.max(left + 1) };
    let obtained = wanted::ask_again(&file.entry, at_least, context)?;
    let location = lease::location(&file.entry);
    let is_elsewhere = lease.locations.get(file.index).is_some_and(|before| *before != location);
    if is_elsewhere {
        // Before the token is there: who is killed in between leaves nothing that nobody knows of.
        lease.locations[file.index] = location;
        if there != Content::Missing {
            file.entry.on_expiry = OnExpiry::Keep;
            lease.entries[file.index].on_expiry = OnExpiry::Keep;
        }
        lease.note(&directory).map_err(|error| Error::Other(Exit::File, error.to_string()))?;
    }
    wanted::publish(&file.entry, &obtained, home.as_ref())?;
    Ok(obtained)
}

/// Whether what is there was written for this process, and goes with it.
fn is_own(file: &Kept, lease: &Lease) -> bool {
    let written = lease.locations.get(file.index);
    file.entry.on_expiry == OnExpiry::Remove
        && written.is_none_or(|written| *written == lease::location(&file.entry))
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
fn pause(file: &Kept, now: u64) -> u64 {
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
