//! The connection to the agent: the first socket whose listener belongs to this user or to root, as the kernel says, and
//! which nobody else could have put there. Nothing is sent before that is known.

use std::{
    env, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

use crate::{
    peer::Peer,
    socket::{Places, SocketError, own_uid},
    trust::{Judge, TrustError},
};

/// The user whose agent may answer at `OIDC_SOCK`, as a number: for an agent that another user shares. The way to the
/// socket is not judged then, the peer is.
pub const OIDC_SOCK_UID: &str = "OIDC_SOCK_UID";

/// An agent's socket, connected.
#[derive(Debug)]
pub struct Connection {
    /// Nothing was sent yet.
    pub stream: UnixStream,
    /// Where it listens.
    pub path: PathBuf,
    /// Who listens is this user or root by the kernel's word, and nobody else, as [`OIDC_SOCK_UID`] allows it. Whoever
    /// that is may be a bridge to somewhere else, such as `sshd` or `socat`.
    pub is_own: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The path is none.
    #[error(transparent)]
    Path(#[from] SocketError),
    /// `OIDC_SOCK_UID` is no number.
    #[error("{OIDC_SOCK_UID} is set, but not to the number of a user: '{0}'")]
    NoUid(String),
    /// Nobody listens at the default places. The text is the C suite's.
    #[error("Could not connect to oidc-agent")]
    NotRunning {
        /// The first place looked at.
        path: PathBuf,
        /// Why not there.
        reason: io::Error,
        /// Another place, where somebody listens or could have listened who is not trusted.
        refused: Option<Box<Self>>,
    },
    /// Nobody listens at the one place where the agent has to be. The text begins with the C suite's.
    #[error("Could not connect to oidc-agent: nothing answers at '{}' ({reason})", path.display())]
    Dead {
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// Somebody listens, and takes no more connections.
    #[error("the agent at '{}' does not answer: reached timeout", .0.display())]
    Busy(PathBuf),
    /// Who listens is not this user.
    #[error("what listens at '{}' belongs to another user (uid {uid}); nothing was sent to it", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Others could have put the socket there.
    #[error("{0}; nothing was sent there")]
    Untrusted(TrustError),
}

impl ConnectError {
    /// Whether simply nobody listens.
    pub fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning { .. } | Self::Dead { .. })
    }
}

/// Connects to the agent of this process's environment. While its queue is full, waits for `patience` at most; so long
/// each write may take afterwards.
pub fn connect_to(places: &Places, patience: Duration) -> Result<Connection, ConnectError> {
    let judge = Judge::this_process();
    match places {
        Places::Named(path) => {
            let friend = friend()?;
            try_at(path, friend.is_none().then_some(judge), friend, patience).map_err(|error| match error {
                ConnectError::NotRunning { path, reason, .. } => ConnectError::Dead { path, reason },
                error => error,
            })
        }
        Places::Default(paths) => {
            let mut empty = None;
            let mut refused = None;
            for path in paths {
                match try_at(path, Some(judge), None, patience) {
                    Err(ConnectError::NotRunning { path, reason, .. }) => {
                        empty.get_or_insert((path, reason));
                    }
                    // Somebody is there.
                    Err(ConnectError::Busy(path)) => return Err(ConnectError::Busy(path)),
                    // What others put at one place must not keep this user from the next.
                    Err(error) => {
                        refused.get_or_insert(Box::new(error));
                    }
                    connected => return connected,
                }
            }
            let (path, reason) = match (empty, paths.first()) {
                (Some(empty), _) => empty,
                (None, first) => {
                    (first.cloned().unwrap_or_default(), io::Error::from(io::ErrorKind::PermissionDenied))
                }
            };
            Err(ConnectError::NotRunning { path, reason, refused })
        }
    }
}

/// Whom else `OIDC_SOCK_UID` allows.
fn friend() -> Result<Option<u32>, ConnectError> {
    let Some(value) = env::var_os(OIDC_SOCK_UID).filter(|value| !value.is_empty()) else { return Ok(None) };
    let uid = value.to_str().and_then(|value| value.parse().ok());
    uid.map(Some).ok_or_else(|| ConnectError::NoUid(value.to_string_lossy().into_owned()))
}

fn try_at(
    path: &Path,
    judge: Option<Judge>,
    friend: Option<u32>,
    patience: Duration,
) -> Result<Connection, ConnectError> {
    let not_running = |reason| ConnectError::NotRunning { path: path.to_owned(), reason, refused: None };
    if let Some(judge) = judge {
        let absolute = std::path::absolute(path).map_err(not_running)?;
        judge.socket(&absolute).map_err(|error| match error {
            TrustError::Unusable { source, .. } => not_running(source),
            error => ConnectError::Untrusted(error),
        })?;
    }
    let stream = open(path, patience).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => ConnectError::Busy(path.to_owned()),
        _ => not_running(error),
    })?;
    let peer = Peer::of(&stream).map_err(not_running)?;
    let is_own = peer.is_user_or_root(own_uid());
    if is_own || friend == Some(peer.uid) {
        return Ok(Connection { stream, path: path.to_owned(), is_own });
    }
    Err(ConnectError::Foreign { path: path.to_owned(), uid: peer.uid })
}

fn open(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    connect(&socket, &address)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn the_first_that_listens_is_taken() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        drop(UnixListener::bind(at("stale")).expect("bound"));
        let _listener = UnixListener::bind(at("live")).expect("bound");
        fs_err::write(at("file"), "").expect("written");
        let places = Places::Default(["missing/x", "stale", "file", "live"].map(at).to_vec());
        let connection = connect_to(&places, PATIENCE).expect("connected");
        assert_eq!(connection.path, at("live"));
        assert!(connection.is_own, "this process listens");
        let places = Places::Default(vec![at("missing/x"), at("stale")]);
        let error = connect_to(&places, PATIENCE).expect_err("nobody there");
        assert!(error.is_not_running(), "{error}");
        assert_eq!(error.to_string(), "Could not connect to oidc-agent");
    }

    #[test]
    fn a_dead_socket_that_is_named_says_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("stale");
        drop(UnixListener::bind(&path).expect("bound"));
        let error = connect_to(&Places::Named(path.clone()), PATIENCE).expect_err("nobody there").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.starts_with("Could not connect to oidc-agent"), "{error}");
    }

    #[test]
    fn a_place_that_others_may_write_is_refused_and_told() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let open = directory.path().join("open");
        fs_err::create_dir(&open).expect("made");
        fs_err::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).expect("mode set");
        let _listener = UnixListener::bind(open.join("socket")).expect("bound");
        let error = connect_to(&Places::Named(open.join("socket")), PATIENCE).expect_err("refused");
        assert!(matches!(error, ConnectError::Untrusted(_)), "{error}");
        let own = directory.path().join("own");
        let places = Places::Default(vec![open.join("socket"), own.clone()]);
        let error = connect_to(&places, PATIENCE).expect_err("nobody else there");
        let ConnectError::NotRunning { path, refused: Some(refused), .. } = error else { panic!("{error}") };
        assert!(path == own && matches!(*refused, ConnectError::Untrusted(_)), "{refused}");
        let _listener = UnixListener::bind(&own).expect("bound");
        assert_eq!(connect_to(&places, PATIENCE).expect("the next place").path, own);
    }
}
