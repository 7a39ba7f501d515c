//! The process that an agent was started beside, and ends after: its parent, which has become the command.

use std::{io, os::fd::OwnedFd, thread, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, PidfdFlags, getppid, pidfd_open},
};
use tokio::sync::oneshot;
use tracing::debug;

/// How often to look where the kernel has no event to wait for.
const LOOK: Duration = Duration::from_secs(1);
/// Of the thread that waits, in bytes.
const STACK: usize = 64 * 1024;

/// The parent of this process. To be made while it is known to live.
#[derive(Debug)]
pub enum Parent {
    Pidfd(OwnedFd),
    /// Before Linux 5.3, and where a filter of system calls knows no pidfd. A process whose parent ends is given
    /// another one: that cannot be missed, needs neither `/proc` nor a signal that the command may not be allowed to
    /// send, and nothing is left open in the command.
    Number(Option<Pid>),
}

impl Parent {
    /// Whoever is the parent now.
    pub fn now() -> Self {
        let parent = getppid();
        match parent.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            Some(Ok(pidfd)) => Self::Pidfd(pidfd),
            Some(Err(error)) => {
                debug!(%error, "the command is looked at now and then");
                Self::Number(parent)
            }
            None => Self::Number(None),
        }
    }

    /// The process of this number, which was the parent before this process executed another program. One that is the parent no
    /// more has ended.
    pub fn known_as(pid: i32) -> Self {
        let known = Pid::from_raw(pid);
        if getppid() == known { Self::now() } else { Self::Number(known) }
    }

    /// Resolves when it has ended. A thread waits for that: it sleeps in the kernel.
    pub fn end(self) -> io::Result<oneshot::Receiver<()>> {
        let (ended, receiver) = oneshot::channel();
        let wait = move || {
            self.wait();
            drop(ended);
        };
        thread::Builder::new().name("parent".to_owned()).stack_size(STACK).spawn(wait)?;
        Ok(receiver)
    }

    fn wait(self) {
        match self {
            Self::Pidfd(pidfd) => {
                while let Err(Errno::INTR) = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None) {}
            }
            Self::Number(parent) => {
                while getppid() == parent {
                    thread::sleep(LOOK);
                }
            }
        }
    }
}
