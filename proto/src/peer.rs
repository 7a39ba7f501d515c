//! Who is on the other side of a UNIX socket, by the kernel's word (unix(7), `SO_PEERCRED`).
//!
//! Of a listening socket's connections the client learns who called listen(2), the agent who called connect(2): the
//! state at that moment, whatever became of the process since.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use nix::sys::socket::{getsockopt, sockopt};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Credentials of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Effective user.
    pub uid: u32,
    /// Effective primary group.
    pub gid: u32,
    /// Process; `None` where this process cannot see it, in another PID namespace.
    pub pid: Option<i32>,
}

impl Peer {
    /// The peer of a connected UNIX socket.
    pub fn of(socket: impl AsFd) -> io::Result<Self> {
        let credentials = getsockopt(&socket, sockopt::PeerCredentials)?;
        Ok(Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid: Some(credentials.pid()).filter(|pid| *pid > 0),
        })
    }

    /// Whether the peer belongs to the user `uid` or to root, who could read that user's memory anyway.
    pub fn is_user_or_root(&self, uid: u32) -> bool {
        self.uid == uid || self.uid == 0
    }
}

/// A pidfd of the peer's process. It names this one process for ever, however often the number is used again: what is
/// read below `/proc/PID` is the peer's if the pidfd says afterwards that the process still runs.
///
/// Before Linux 6.5, which has no `SO_PEERPIDFD`, it is opened by number: the process may then have ended before, and
/// its number have been given to another one.
///
/// Errors: `ESRCH` when the process has ended or cannot be seen from here; `ENOSYS` before Linux 5.3.
pub fn pidfd(socket: impl AsFd) -> io::Result<OwnedFd> {
    match getsockopt(&socket, sockopt::PeerPidfd) {
        Ok(pidfd) => return Ok(pidfd),
        Err(nix::Error::ENOPROTOOPT) => {}
        // Of a process that has been waited for: ESRCH since Linux 6.16, EINVAL before.
        Err(nix::Error::EINVAL) => return Err(nix::Error::ESRCH.into()),
        Err(error) => return Err(error.into()),
    }
    let pid = Peer::of(socket)?.pid.and_then(Pid::from_raw).ok_or(nix::Error::ESRCH)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        process::{getegid, geteuid},
    };

    use super::*;

    #[test]
    fn both_sides_of_a_connection_are_this_process() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let client = UnixStream::connect(&path).expect("connected");
        let (agent, _) = listener.accept().expect("accepted");
        let this = Peer {
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            pid: i32::try_from(std::process::id()).ok(),
        };
        assert_eq!(Peer::of(&client).expect("credentials"), this);
        assert_eq!(Peer::of(&agent).expect("credentials"), this);
    }

    #[test]
    fn own_and_root_are_trusted() {
        let peer = |uid| Peer { uid, gid: 0, pid: None };
        for (uid, expected) in [(1000, true), (0, true), (1001, false), (65534, false)] {
            assert_eq!(peer(uid).is_user_or_root(1000), expected, "{uid}");
        }
        assert!(!peer(1000).is_user_or_root(0), "root does not trust everybody");
    }

    #[test]
    fn the_process_is_held() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let pidfd = pidfd(&ours).expect("a pidfd");
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&now)).expect("polled");
        assert_eq!(ended, 0, "this process runs");
    }
}
