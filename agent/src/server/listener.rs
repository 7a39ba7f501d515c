//! Accepts connections: how many, whose, and what to do when there are too many.

use std::{io, os::unix::net::UnixListener as StdListener, sync::Arc, time::Duration};

use rustix::{io::Errno, process::geteuid};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{Handler, Peer, idle::Idle, session};

/// Bounds that keep one client from using up what all need.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections served at the same time; further ones wait to be accepted.
    pub connections: usize,
    /// How long a client may take for its first message. Scripts type slowly.
    pub first_message: Duration,
    /// How long a client may take for its request after the keys were exchanged.
    pub request: Duration,
    /// How long a client may take to accept its reply.
    pub reply: Duration,
    /// How long a silent connection is safe from being closed when no further one can be accepted.
    pub patience: Duration,
    /// How long requests in hand may go on after the end was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            first_message: Duration::from_secs(30),
            request: Duration::from_secs(10),
            reply: Duration::from_secs(10),
            patience: Duration::from_millis(500),
            grace: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// How often deadlines of silent connections are looked at: they may be overrun by as much.
    fn tick(&self) -> Duration {
        const COARSE: Duration = Duration::from_secs(1);
        COARSE.min(self.first_message).min(self.request)
    }
}

/// Whose connections are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// This user's and root's, who could read our memory anyway.
    User(u32),
    /// Of everybody whom the socket's mode lets connect: its owner and the group it was given to.
    SocketMode,
}

impl Admission {
    /// The user that this process runs as.
    pub fn own_user() -> Self {
        Self::User(geteuid().as_raw())
    }

    fn admits(self, uid: u32) -> bool {
        match self {
            Self::User(own) => uid == own || uid == 0,
            Self::SocketMode => true,
        }
    }
}

/// A socket that is ready to be served.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    admission: Admission,
    limits: Limits,
}

impl Listener {
    /// Takes a listening socket into the current runtime.
    pub fn new(socket: StdListener, admission: Admission, limits: Limits) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixListener::from_std(socket)?, admission, limits })
    }

    /// Serves until `stop`, then closes silent connections, lets requests in hand finish, and returns. An error is one
    /// after which no connection can ever be accepted.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, stop: CancellationToken) -> io::Result<()> {
        let Self { socket, admission, limits } = self;
        let accepting = Accepting {
            socket,
            admission,
            idle: Idle::default(),
            permits: Arc::new(Semaphore::new(limits.connections)),
            sessions: TaskTracker::new(),
            context: Arc::new(session::Context { handler, limits }),
        };
        accepting.run(stop).await
    }
}

struct Accepting<H> {
    socket: UnixListener,
    admission: Admission,
    idle: Idle,
    permits: Arc<Semaphore>,
    sessions: TaskTracker,
    context: Arc<session::Context<H>>,
}

impl<H: Handler> Accepting<H> {
    async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            result = self.accept_all() => result,
            () = self.idle.sweep(self.context.limits.tick()) => Ok(()),
        };
        let Self { socket, sessions, context, idle, .. } = self;
        // New clients shall not connect to an agent that answers no more.
        drop(socket);
        idle.close_all();
        sessions.close();
        if timeout(context.limits.grace, sessions.wait()).await.is_err() {
            warn!(unfinished = sessions.len(), "requests are given up");
        }
        result
    }

    async fn accept_all(&self) -> io::Result<()> {
        loop {
            let permit = self.permit().await;
            match self.socket.accept().await {
                Ok((stream, _)) => self.start(stream, permit),
                Err(error) => recover(error).await?,
            }
        }
    }

    /// Waits for room, and makes some at the expense of the oldest silent connection.
    async fn permit(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                return permit;
            }
            tokio::select! {
                permit = Arc::clone(&self.permits).acquire_owned() => {
                    return permit.expect("the semaphore is never closed");
                }
                () = self.make_room() => {}
            }
        }
    }

    async fn make_room(&self) {
        let due = self.idle.evict(self.context.limits.patience);
        match due {
            Some(due) => sleep_until(due).await,
            None => sleep(self.context.limits.patience).await,
        }
    }

    /// Begins a session, if the peer may have one. Nothing was read from it yet.
    fn start(&self, stream: UnixStream, permit: OwnedSemaphorePermit) {
        let peer = match peer_of(&stream) {
            Ok(peer) if self.admission.admits(peer.uid) => peer,
            Ok(peer) => return warn!(uid = peer.uid, pid = peer.pid, "another user's connection is refused"),
            Err(error) => return debug!(%error, "a connection without credentials is refused"),
        };
        let context = Arc::clone(&self.context);
        let deadline = Instant::now() + context.limits.first_message;
        self.idle.enter(deadline, |ticket| {
            let session = async move {
                session::serve(&stream, peer, ticket, &context).await;
                drop(permit);
            };
            self.sessions.spawn(session).abort_handle()
        });
    }
}

fn peer_of(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    Ok(Peer { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid().filter(|pid| *pid > 0) })
}

/// Sorts accept(2)'s errors: some concern one connection, some pass when others end, the rest are final.
async fn recover(error: io::Error) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(100);
    match Errno::from_io_error(&error) {
        Some(Errno::CONNABORTED | Errno::INTR | Errno::AGAIN | Errno::PERM | Errno::PROTO) => Ok(()),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
            warn!(%error, "no further connection can be accepted for a moment");
            sleep(PAUSE).await;
            Ok(())
        }
        _ => Err(error),
    }
}
