//! Sockets passed by a service manager (`sd_listen_fds(3)`) and what it is told in return (`sd_notify(3)`).

use std::{io, os::unix::net::UnixListener};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::debug;

use super::bind::listen_again;

/// The socket that the service manager passed to this process, if it did. Its variables are removed, so that no child
/// process takes them for its own. A passed socket is never removed from the file system: it is not ours.
pub fn take() -> io::Result<Option<UnixListener>> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        return Err(io::Error::other(format!("{} sockets were passed, one is expected", passed.len())));
    }
    let listener = passed.take_unix_listener(0)?;
    if let Some(listener) = &listener {
        rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::CLOEXEC)?;
        listen_again(listener)?;
    }
    Ok(listener)
}

/// The agent serves.
pub fn ready() {
    tell(&NotifyState::Ready);
}

/// The agent ends.
pub fn stopping() {
    tell(&NotifyState::Stopping);
}

fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        debug!(%error, "the service manager was not told");
    }
}
