//! Signals that would end or stop this program while something has to be put in order first: a terminal without echo,
//! a client registered for a login that is under way, the children of a password command.
//!
//! They are noted while somebody [holds](Signals::hold) them, and do what they always do while nobody does. A signal
//! that this program was started to ignore (`nohup`, `trap ''`) stays ignored.

use std::{
    io::{self, Read},
    os::{fd::BorrowedFd, unix::net::UnixStream},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering},
    },
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use signal_hook::{
    consts::{
        SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGXCPU,
    },
    flag,
    low_level::{emulate_default_handler, pipe},
};

use crate::process::kinship::Kinship;

/// The number of a signal.
pub type Signal = i32;

/// What ends a program that does not handle it.
const ENDING: [Signal; 8] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU];

/// The signals of this process.
pub struct Signals {
    /// While set, a signal that ends programs ends this one at once.
    ends: Arc<AtomicBool>,
    /// While set, Ctrl-Z stops this program at once.
    stops: Arc<AtomicBool>,
    holders: AtomicUsize,
    stop_holders: AtomicUsize,
    /// Readable once a signal has come.
    came: UnixStream,
    noted: Vec<(Signal, Arc<AtomicBool>)>,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// A request to end.
    End(Signal),
    /// Ctrl-Z.
    Stop,
    /// The program goes on after a stop, Ctrl-Z or not.
    Continue,
}

/// Signals that end programs are noted until this is dropped; one that nobody has taken by then ends the program.
pub struct Held {
    signals: &'static Signals,
}

/// Ctrl-Z is noted until this is dropped.
pub struct HeldStops {
    signals: &'static Signals,
}

/// The signal that ended what was being done, for an end of the program that its parent understands.
static TAKEN: AtomicI32 = AtomicI32::new(0);

impl Signals {
    /// The handlers, installed when they are first needed and never removed.
    pub fn of_process() -> io::Result<&'static Self> {
        static SIGNALS: OnceLock<Result<Signals, io::ErrorKind>> = OnceLock::new();
        let signals = SIGNALS.get_or_init(|| Self::install().map_err(|error| error.kind()));
        signals.as_ref().map_err(|kind| (*kind).into())
    }

    fn install() -> io::Result<Self> {
        let (ends, stops) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        let (came, write) = UnixStream::pair()?;
        came.set_nonblocking(true)?;
        let ignored = ignored_signals();
        let is_ignored = |signal: Signal| ignored & (1 << (signal - 1)) != 0;
        for signal in ENDING.into_iter().filter(|signal| !is_ignored(*signal)) {
            flag::register_conditional_default(signal, Arc::clone(&ends))?;
        }
        // Where nobody could continue this program, the kernel drops Ctrl-Z; a handler must not do otherwise.
        let can_stop = !is_ignored(SIGTSTP) && somebody_could_continue();
        if can_stop {
            flag::register_conditional_default(SIGTSTP, Arc::clone(&stops))?;
        }
        let mut noted = Vec::new();
        let others = can_stop.then_some(SIGTSTP).into_iter().chain([SIGCONT, SIGCHLD]);
        for signal in ENDING.into_iter().filter(|signal| !is_ignored(*signal)).chain(others) {
            let flag = Arc::new(AtomicBool::new(false));
            // The flag first: whoever is woken finds it set.
            flag::register(signal, Arc::clone(&flag))?;
            pipe::register(signal, write.try_clone()?)?;
            noted.push((signal, flag));
        }
        let (holders, stop_holders) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Self { ends, stops, holders, stop_holders, came, noted })
    }

    /// From now on signals that end programs are noted.
    pub fn hold(&'static self) -> Held {
        self.holders.fetch_add(1, Ordering::SeqCst);
        self.ends.store(false, Ordering::SeqCst);
        Held { signals: self }
    }

    /// From now on Ctrl-Z is noted.
    pub fn hold_stops(&'static self) -> HeldStops {
        self.stop_holders.fetch_add(1, Ordering::SeqCst);
        self.stops.store(false, Ordering::SeqCst);
        HeldStops { signals: self }
    }

    /// Waits until there is something to read, a signal comes, or the time is up; whether it is the first.
    pub fn wait(&self, watched: Option<BorrowedFd<'_>>, until: Option<Instant>) -> io::Result<bool> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = Vec::with_capacity(2);
        fds.push(PollFd::new(&self.came, PollFlags::IN));
        fds.extend(watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => Ok(fds.get(1).is_some_and(|fd| !fd.revents().is_empty())),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The next signal that was noted; requests to end first.
    pub fn take(&self) -> Option<Noted> {
        let mut woken = [0; 64];
        // Several signals count as one.
        while matches!((&self.came).read(&mut woken), Ok(read) if read > 0) {}
        let mut came = self
            .noted
            .iter()
            .filter(|(_, flag)| flag.swap(false, Ordering::SeqCst))
            .map(|(signal, _)| *signal);
        came.find_map(|signal| match signal {
            SIGCHLD => None,
            SIGTSTP => Some(Noted::Stop),
            SIGCONT => Some(Noted::Continue),
            signal => Some(Noted::End(signal)),
        })
        .inspect(|noted| {
            if let Noted::End(signal) = noted {
                TAKEN.store(*signal, Ordering::SeqCst);
            }
        })
    }

    /// Forgets stops that are over.
    pub fn forget_stops(&self) {
        for (_, flag) in self.noted.iter().filter(|(signal, _)| matches!(*signal, SIGTSTP | SIGCONT)) {
            flag.store(false, Ordering::SeqCst);
        }
    }

    /// Stops this program as Ctrl-Z does; returns when it goes on.
    pub fn stop() {
        // Fails for signals that do not exist.
        let _ = emulate_default_handler(SIGTSTP);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.signals.holders.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        self.signals.ends.store(true, Ordering::SeqCst);
        let came = |(signal, flag): &(Signal, Arc<AtomicBool>)| {
            ENDING.contains(signal) && flag.load(Ordering::SeqCst)
        };
        if let Some((signal, _)) = self.signals.noted.iter().find(|noted| came(noted)) {
            let _ = emulate_default_handler(*signal);
        }
    }
}

impl Drop for HeldStops {
    fn drop(&mut self) {
        if self.signals.stop_holders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.signals.stops.store(true, Ordering::SeqCst);
        }
    }
}

/// Ends this program by the signal that ended what it was doing, if it was one: shells, `make` and `timeout` see what
/// happened.
pub fn end_by_signal() {
    let signal = TAKEN.load(Ordering::SeqCst);
    if signal != 0 {
        let _ = emulate_default_handler(signal);
    }
}

/// The mask of ignored signals, signal 1 in the lowest bit.
fn ignored_signals() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Whether an ancestor outside this process group, but of the session, watches over it: a shell with job control.
/// Without one the group is orphaned (POSIX 3.264), and who stops stays stopped.
fn somebody_could_continue() -> bool {
    let Some(own) = Kinship::own() else { return false };
    let mut ancestor = Kinship::of(own.parent);
    while let Some(stat) = ancestor {
        if stat.session != own.session {
            return false;
        }
        if stat.group != own.group {
            return true;
        }
        ancestor = Kinship::of(stat.parent);
    }
    false
}

/// For tests that make or take signals: one at a time, because all threads have the same ones.
#[cfg(test)]
pub fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_held_signal_is_told_once_and_by_name() {
        let _alone = alone();
        let signals = Signals::of_process().expect("handlers");
        let held = signals.hold();
        let nested = signals.hold();
        drop(nested);
        raise(SIGUSR1).expect("a signal");
        assert_eq!(signals.take(), Some(Noted::End(SIGUSR1)));
        assert_eq!(signals.take(), None);
        drop(held);
    }
}
