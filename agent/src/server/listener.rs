//! Accepts connections: how many, whose, and what to do when there are too many.

use std::{io, os::fd::AsFd, sync::Arc, time::Duration};

use oidc_proto::{channel::AgentChannel, message::Reply, peer::Peer};
use rustix::io::Errno;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{
    budget::Budget,
    entrance::{Entrance, Policy},
    gate::{Connection, Gate, Handed},
    group,
    handler::Handler,
    idle::Idle,
    limits::Limits,
    session,
    stream::{Incoming, Stream},
};
use crate::caller::{Caller, Role};

/// A socket that is ready to be served.
#[derive(Debug)]
pub struct Listener {
    socket: Incoming,
    policy: Policy,
    limits: Limits,
    gate: Gate,
    handed: Option<Handed>,
}

/// For the replies to requests whose work was completed while the agent ended.
const LAST_REPLIES: Duration = Duration::from_secs(1);

impl Listener {
    /// Takes an entrance into the current runtime.
    pub fn new(entrance: Entrance, limits: Limits) -> io::Result<Self> {
        let Entrance { socket, policy } = entrance;
        let (gate, _) = Gate::new();
        Ok(Self { socket: Incoming::new(socket)?, policy, limits, gate, handed: None })
    }

    /// Connections may be stopped at this gate.
    #[must_use]
    pub fn behind(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    /// Goes on with connections that another process has accepted.
    #[must_use]
    pub fn going_on_with(self, handed: Option<Handed>) -> Self {
        Self { handed, ..self }
    }

    /// Serves until `stop`, then closes silent connections, lets requests in hand finish, and returns. An error is one
    /// after which no connection can ever be accepted.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, stop: CancellationToken) -> io::Result<()> {
        let Self { socket, policy, limits, gate, handed } = self;
        gate.listens(socket.socket());
        let accepting = Accepting {
            socket,
            policy,
            idle: Idle::default(),
            gate,
            permits: Arc::new(Semaphore::new(limits.connections)),
            members: Arc::new(Semaphore::new(limits.members)),
            sessions: TaskTracker::new(),
            context: Arc::new(session::Context {
                handler,
                budget: Budget::new(limits.memory),
                members_budget: Budget::new(limits.memory / 4),
                limits,
            }),
        };
        accepting.run(handed, stop).await
    }
}

struct Accepting<H> {
    socket: Incoming,
    policy: Policy,
    idle: Idle,
    gate: Gate,
    permits: Arc<Semaphore>,
    members: Arc<Semaphore>,
    sessions: TaskTracker,
    context: Arc<session::Context<H>>,
}

impl<H: Handler> Accepting<H> {
    async fn run(self, handed: Option<Handed>, stop: CancellationToken) -> io::Result<()> {
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            result = self.accept_all(handed) => result,
            () = self.idle.sweep(self.context.limits.tick()) => Ok(()),
        };
        let Self { socket, sessions, context, idle, .. } = self;
        // New clients shall not connect to an agent that answers no more.
        drop(socket);
        idle.close_all();
        sessions.close();
        if timeout(context.limits.grace, sessions.wait()).await.is_err() {
            // Who waits for what must be completed gets the answer.
            context.handler.finish().await;
            if timeout(LAST_REPLIES, sessions.wait()).await.is_err() {
                warn!(unfinished = sessions.len(), "requests are given up");
            }
        }
        result
    }

    async fn accept_all(&self, handed: Option<Handed>) -> io::Result<()> {
        if let Some(Handed { connections, reply }) = handed {
            for connection in connections {
                let permit = self.permit().await;
                self.go_on(connection, &reply, permit);
            }
        }
        loop {
            let permit = self.permit().await;
            self.gate.opened().await;
            tokio::select! {
                biased;
                () = self.gate.closed() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok(stream) => self.start(stream, AgentChannel::new(), self.context.limits.first_message, permit),
                    Err(error) => recover(error).await?,
                },
            }
        }
    }

    /// Goes on with a connection that another process has accepted.
    fn go_on(&self, connection: Connection, reply: &Reply, permit: OwnedSemaphorePermit) {
        let Connection { socket, channel, patience } = connection;
        let stream = Stream::new(socket);
        if let Some(patience) = patience {
            let limit = self.context.limits.first_message.max(self.context.limits.request);
            return self.start(stream, channel, patience.min(limit), permit);
        }
        let (reply, deadline) = (reply.clone(), self.context.limits.reply);
        self.sessions.spawn(async move {
            session::reply(&stream, channel, reply, deadline).await;
            drop(permit);
        });
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

    /// Begins a session, if the peer may have one, that has to have a whole request in time. This process has read nothing from it
    /// yet.
    fn start(&self, stream: Stream, channel: AgentChannel, patience: Duration, permit: OwnedSemaphorePermit) {
        let groups = || group::of_peer(&stream);
        let (peer, role) = match Peer::of(&stream).map(|peer| (peer, self.policy.role(peer, groups))) {
            Ok((peer, Some(role))) => (peer, role),
            Ok((peer, None)) => {
                return warn!(uid = peer.uid, pid = peer.pid, "another user's connection is refused");
            }
            Err(error) => return debug!(%error, "a connection without credentials is refused"),
        };
        let member = match role {
            Role::Owner => None,
            Role::Member => match Arc::clone(&self.members).try_acquire_owned() {
                Ok(member) => Some(member),
                Err(_) => return warn!(uid = peer.uid, pid = peer.pid, "one member's connection too many"),
            },
        };
        let context = Arc::clone(&self.context);
        let idle = self.idle.enter(Instant::now() + patience);
        let session = self.gate.enter();
        self.sessions.spawn(async move {
            let caller = Caller::new(peer, role, stream.as_fd());
            session::serve(caller, &stream, channel, session, idle, &context).await;
            drop((permit, member));
        });
    }
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
