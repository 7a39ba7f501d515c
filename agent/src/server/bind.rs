//! Takes a place and puts the socket there: one agent for each socket, stale ones replaced, nobody else let in.

use std::{
    fs::{File, Permissions},
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fs_err::{OpenOptions, os::unix::fs::OpenOptionsExt};
use rustix::{
    fs::{FlockOperation, Gid, Mode, OFlags, fchmod, flock},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with},
};

use super::place::{Place, PlaceError};
use crate::output;

/// Connections that wait to be accepted; more than a herd of batch jobs, and cut by the system to `somaxconn`.
const BACKLOG: i32 = 1024;
/// How long an agent that is ending is waited for. With nothing in hand it ends within milliseconds.
const ENDING: Duration = Duration::from_secs(3);
/// How often to look whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Why no socket could be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No place for it.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// None of the default places can be used; why each of them.
    #[error("no place for the socket: {0}")]
    NoPlace(String),
    /// Another process serves there, or is about to.
    #[error("an agent is already running at '{}'", .0.display())]
    AlreadyRunning(PathBuf),
    /// The agent that served there was told to end, and has not done so yet.
    #[error(
        "an agent that is ending (process {pid}) still holds '{}'. It finishes what it has begun, and may be waiting for a \
         provider's answer with the next refresh token, which can take minutes. Try again when it has ended; \
         `kill {pid}` ends it at once, and an account may need a new login then", path.display()
    )]
    Ending {
        /// Where.
        path: PathBuf,
        /// Its process.
        pid: u32,
    },
    /// Something that is no socket stands there and is left alone.
    #[error("'{}' exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused; it says which file.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The system refused the address.
    #[error("cannot bind '{}': {source}", path.display())]
    Bind {
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A listening socket that this process put into the file system, with the lock that keeps other agents away.
#[derive(Debug)]
pub struct Bound {
    /// Listens already; a client that connects now is answered as soon as the agent serves.
    pub listener: UnixListener,
    /// What stands in the file system.
    pub claim: Claim,
}

/// An agent's claim to a place: nobody else binds there.
#[derive(Debug)]
pub struct Claim {
    /// Holds the exclusive lock as long as it is open in any process.
    pub lock: File,
    /// Where the socket is.
    pub place: Place,
}

impl Bound {
    /// Prepares a place and binds there.
    pub fn at(
        prepare: impl Fn() -> Result<Place, PlaceError>,
        group: Option<Gid>,
    ) -> Result<Self, BindError> {
        match Self::new(prepare()?, group) {
            // Another agent has ended meanwhile, and taken the directory with it.
            Err(BindError::File(error)) if error.kind() == io::ErrorKind::NotFound => {
                Self::new(prepare()?, group)
            }
            bound => bound,
        }
    }

    /// Binds the socket, mode 0600; with a group its members may connect as well (0660).
    pub fn new(place: Place, group: Option<Gid>) -> Result<Self, BindError> {
        let lock = lock(&place.socket, ENDING)?;
        let bound = remove_stale(&place.socket).and_then(|()| listen_at(&place.socket));
        let listener = match bound {
            Ok(listener) => listener,
            Err(error) => {
                let _ = fs_err::remove_file(lock_path(&place.socket));
                place.remove_directory();
                return Err(error);
            }
        };
        let claim = Claim { lock, place };
        match group.map_or(Ok(()), |group| claim.open_to(group)) {
            Ok(()) => Ok(Self { listener, claim }),
            Err(error) => {
                claim.give_up();
                Err(error)
            }
        }
    }
}

impl Claim {
    /// Lets a group in. The directory is opened for passing through only, and only if it was made for the socket.
    fn open_to(&self, group: Gid) -> Result<(), BindError> {
        if self.place.own_directory {
            give(self.place.directory(), group, 0o710)?;
        }
        give(&self.place.socket, group, 0o660)
    }

    /// Tells whoever wants the place that its agent is about to leave it.
    pub fn say_ending(&self) -> io::Result<()> {
        (&self.lock).write_all(format!("{}\n", std::process::id()).as_bytes())
    }

    /// Takes the socket, its lock and its own directory out of the file system.
    pub fn give_up(&self) {
        let _ = fs_err::remove_file(&self.place.socket);
        let _ = fs_err::remove_file(lock_path(&self.place.socket));
        self.place.remove_directory();
    }
}

/// The lock file of a socket.
fn lock_path(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// The process that holds a lock and is ending: see [`Claim::say_ending`].
fn ending(lock: &File) -> Option<u32> {
    /// More than a number has.
    const LONGEST: u64 = 32;
    let mut text = String::new();
    lock.take(LONGEST).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

/// Takes the lock, or says that somebody has it. Ends with a lock on the file that is at the path *now*: the previous
/// holder removes the file when it ends. An agent that is ending is waited for with `patience`.
fn lock(socket: &Path, patience: Duration) -> Result<File, BindError> {
    let path = lock_path(socket);
    let deadline = Instant::now() + patience;
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(&path)?.into_file();
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Its last holder may have been killed while it was ending.
            Ok(()) => file.set_len(0)?,
            Err(Errno::WOULDBLOCK) => match ending(&file) {
                // Another agent may get here before this one does, which the next round finds out.
                Some(_) if Instant::now() < deadline => {
                    thread::sleep(LOOK);
                    continue;
                }
                Some(pid) => return Err(BindError::Ending { path: socket.to_owned(), pid }),
                None => return Err(BindError::AlreadyRunning(socket.to_owned())),
            },
            // The file system has no locks. Two agents that start at the same moment may then both think that they
            // serve; that is better than none.
            Err(
                error @ (Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::NOLCK
                | Errno::INVAL
                | Errno::IO
                | Errno::BADF
                | Errno::PERM),
            ) => {
                output::message(&format!("Warning: cannot lock '{}': {error}", path.display()));
            }
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let held = file.metadata()?;
        if fs_err::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())) {
            return Ok(file);
        }
    }
}

/// Removes a socket that nobody serves. The lock is held, so only an agent that knows no lock could serve it.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        // A link is a place where an older agent's service wrapper pointed to; what it points to is not touched.
        Ok(metadata) if metadata.file_type().is_symlink() || metadata.file_type().is_socket() => {}
        Ok(_) => return Err(BindError::NotASocket(path.to_owned())),
    }
    if is_served(path) {
        return Err(BindError::AlreadyRunning(path.to_owned()));
    }
    Ok(fs_err::remove_file(path)?)
}

/// Whether a process listens at the path. Never blocks: a full queue of a busy agent counts as served.
pub fn is_served(path: &Path) -> bool {
    let attempt = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)
    };
    matches!(attempt(), Ok(()) | Err(Errno::AGAIN))
}

/// Listens at a socket that another process, which may have ended, bound: clients learn by the kernel who called
/// listen(2) last, and this process is the one that serves.
pub fn listen_again(listener: &UnixListener) -> io::Result<()> {
    Ok(listen(listener, BACKLOG)?)
}

fn listen_at(path: &Path) -> Result<UnixListener, BindError> {
    let create = || -> rustix::io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let address = SocketAddrUnix::new(path)?;
        // Linux gives the file the mode of the descriptor: private from its first moment on, without touching the
        // umask, which belongs to the whole process.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    let failed = |error: Errno| BindError::Bind { path: path.to_owned(), source: error.into() };
    create().map(UnixListener::from).map_err(failed)
}

fn give(path: &Path, group: Gid, mode: u32) -> Result<(), BindError> {
    fs_err::os::unix::fs::chown(path, None, Some(group.as_raw()))?;
    Ok(fs_err::set_permissions(path, Permissions::from_mode(mode))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn place(root: &Path) -> Place {
        Place::prepare(Some(&root.join("own/agent.sock")), 1).expect("a place")
    }

    #[test]
    fn the_socket_is_private_and_goes_with_its_directory() {
        let root = tempfile::tempdir().expect("temporary directory");
        let bound = Bound::new(place(root.path()), None).expect("bound");
        let socket = bound.claim.place.socket.clone();
        assert_eq!(socket.metadata().expect("exists").mode() & 0o7777, 0o600);
        UnixStream::connect(&socket).expect("it listens");
        bound.claim.give_up();
        assert!(!root.path().join("own").exists());
    }

    #[test]
    fn a_group_may_pass_through_and_connect() {
        let root = tempfile::tempdir().expect("temporary directory");
        let bound = Bound::new(place(root.path()), Some(rustix::process::getegid())).expect("bound");
        let mode = |path: &Path| path.metadata().expect("exists").mode() & 0o7777;
        assert_eq!(mode(&bound.claim.place.socket), 0o660);
        assert_eq!(mode(bound.claim.place.directory()), 0o710);
    }

    #[test]
    fn there_is_one_agent_for_each_socket() {
        let root = tempfile::tempdir().expect("temporary directory");
        let first = Bound::new(place(root.path()), None).expect("bound");
        let error = Bound::new(place(root.path()), None).expect_err("taken");
        assert!(matches!(error, BindError::AlreadyRunning(_)), "{error}");
        UnixStream::connect(&first.claim.place.socket).expect("the first one still listens");
    }

    #[test]
    fn an_agent_that_is_ending_is_waited_for_and_named() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = place(root.path());
        let first = Bound::new(place.clone(), None).expect("bound");
        first.claim.say_ending().expect("said");
        let error = lock(&place.socket, Duration::ZERO).expect_err("not yet");
        let this = std::process::id();
        assert!(matches!(&error, BindError::Ending { pid, .. } if *pid == this), "{error}");
        let next = thread::scope(|scope| {
            let next = scope.spawn(|| Bound::at(|| Place::prepare(Some(&place.socket), 1), None));
            first.claim.give_up();
            drop(first);
            next.join().expect("no panic")
        });
        UnixStream::connect(next.expect("bound").claim.place.socket).expect("it listens");
    }

    #[test]
    fn an_agent_that_was_killed_while_it_ended_is_forgotten() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = place(root.path());
        Bound::new(place.clone(), None).expect("bound").claim.say_ending().expect("said");
        let _second = Bound::new(place.clone(), None).expect("bound over it");
        let error = Bound::new(place, None).expect_err("taken");
        assert!(matches!(error, BindError::AlreadyRunning(_)), "{error}");
    }

    #[test]
    fn an_agent_without_a_lock_is_not_pushed_aside() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = place(root.path());
        let _other = UnixListener::bind(&place.socket).expect("bound");
        let error = Bound::new(place, None).expect_err("taken");
        assert!(matches!(error, BindError::AlreadyRunning(_)), "{error}");
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = place(root.path());
        drop(UnixListener::bind(&place.socket).expect("bound"));
        let bound = Bound::new(place, None).expect("replaced");
        UnixStream::connect(&bound.claim.place.socket).expect("it listens");
    }

    #[test]
    fn of_many_that_start_over_a_stale_socket_one_wins() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = place(root.path());
        drop(UnixListener::bind(&place.socket).expect("bound"));
        let results: Vec<_> = thread::scope(|scope| {
            let start = || scope.spawn(|| Bound::new(place.clone(), None));
            let threads: Vec<_> = (0..8).map(|_| start()).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        UnixStream::connect(&place.socket).expect("the winner listens");
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = place(root.path());
        fs_err::write(&place.socket, "precious").expect("written");
        let error = Bound::new(place.clone(), None).expect_err("in the way");
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert_eq!(fs_err::read(&place.socket).expect("still there"), b"precious");
    }
}
