//! Where connections stop when another process is to go on with them: none is accepted meanwhile, those that have sent no whole
//! request wait where they are, and requests in work are worked on to their end.
//!
//! What waits there can be handed on: the socket, and how far its exchange is. When nothing comes of that, the gate opens and
//! everybody goes on, having lost some time.

use std::{
    collections::BTreeMap,
    fmt,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use oidc_proto::{
    channel::AgentChannel,
    error_code::ErrorCode,
    json::Object,
    message::{Failure, Reply, UpgradeRequest},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};

use crate::handed_on::{self, Unreadable};

/// The gate of one listener. A cheap handle.
#[derive(Clone)]
pub struct Gate(Arc<Shared>);

struct Shared {
    sessions: Mutex<Sessions>,
    /// Something of them has changed.
    changed: Notify,
    closed: watch::Sender<bool>,
    wishes: mpsc::Sender<Wish>,
}

#[derive(Default)]
struct Sessions {
    next: u64,
    doing: BTreeMap<u64, Doing>,
    /// The socket that they come from.
    listener: Weak<OwnedFd>,
    /// Somebody has asked for another version, and was not answered yet.
    asked: bool,
}

enum Doing {
    /// It may have a request in a moment.
    Reads,
    Waits(Stopped),
    Works(&'static str, Instant),
    /// For the version that takes over, which answers it.
    Asks(Stopped),
}

/// A connection that can be handed on.
#[derive(Clone)]
pub struct Stopped {
    socket: Arc<OwnedFd>,
    channel: Object,
    /// When it is to be closed, unless it has sent a request by then; none for whoever waits for a reply.
    deadline: Option<Instant>,
}

/// A connection that another process has handed on.
#[derive(Debug)]
pub struct Connection {
    /// Its socket.
    pub socket: OwnedFd,
    /// How far the exchange is.
    pub channel: AgentChannel,
    /// How long it may stay without a whole request; `None`: its request is the one for this process, which answers it.
    pub patience: Option<Duration>,
}

/// What a process goes on with.
#[derive(Debug)]
pub struct Handed {
    /// All of them.
    pub connections: Vec<Connection>,
    /// For whoever asked for it.
    pub reply: Reply,
}

/// Somebody wants another version to take over.
#[derive(Debug)]
pub struct Wish {
    /// The program; `None` is the file that this process was started from.
    pub program: Option<PathBuf>,
    answer: oneshot::Sender<Failure>,
}

/// Those of one gate, one at a time.
#[derive(Debug)]
pub struct Wishes(mpsc::Receiver<Wish>);

/// A session of the listener; leaves when dropped.
pub(super) struct Session {
    gate: Gate,
    number: u64,
}

/// The gate is closed as long as this lives.
pub struct Closed<'a>(&'a Gate);

impl Gate {
    /// An open gate, and what is wished for there.
    pub fn new() -> (Self, Wishes) {
        let (sender, wishes) = mpsc::channel(1);
        let shared = Shared {
            sessions: Mutex::default(),
            changed: Notify::new(),
            closed: watch::Sender::new(false),
            wishes: sender,
        };
        (Self(Arc::new(shared)), Wishes(wishes))
    }

    /// Closes it.
    pub fn close(&self) -> Closed<'_> {
        self.0.closed.send_replace(true);
        Closed(self)
    }

    /// What has been worked on for longer than `quick`: it may take any time.
    pub fn slow(&self, quick: Duration) -> Option<&'static str> {
        let now = Instant::now();
        self.sessions().doing.values().find_map(|doing| match doing {
            Doing::Works(name, since) if now.duration_since(*since) > quick => Some(*name),
            _ => None,
        })
    }

    /// What is worked on.
    pub fn busy(&self) -> Option<&'static str> {
        self.slow(Duration::ZERO)
    }

    /// Waits until every session waits. With the gate open that may be never.
    pub async fn still(&self) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            // From here on nothing is missed.
            changed.as_mut().enable();
            if self.is_still() {
                return;
            }
            changed.await;
        }
    }

    /// Whether every session waits.
    pub fn is_still(&self) -> bool {
        self.sessions().doing.values().all(|doing| matches!(doing, Doing::Waits(_) | Doing::Asks(_)))
    }

    /// All that waits, and the socket that it came from; `None` when that is closed.
    pub fn stopped(&self) -> (Option<Arc<OwnedFd>>, Vec<Stopped>) {
        let sessions = self.sessions();
        let stopped = sessions.doing.values().filter_map(|doing| match doing {
            Doing::Waits(stopped) | Doing::Asks(stopped) => Some(stopped.clone()),
            Doing::Reads | Doing::Works(..) => None,
        });
        (sessions.listener.upgrade(), stopped.collect())
    }

    pub(super) fn listens(&self, listener: Weak<OwnedFd>) {
        self.sessions().listener = listener;
    }

    pub(super) fn enter(&self) -> Session {
        let mut sessions = self.sessions();
        let number = sessions.next;
        sessions.next += 1;
        sessions.doing.insert(number, Doing::Reads);
        Session { gate: self.clone(), number }
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.0.closed.borrow()
    }

    /// Resolves as soon as it is closed.
    pub(super) async fn closed(&self) {
        self.until(true).await;
    }

    /// Resolves as soon as it is open.
    pub(super) async fn opened(&self) {
        self.until(false).await;
    }

    /// Has another version take over. Returns only if that fails.
    pub(super) async fn ask(&self, request: UpgradeRequest) -> Failure {
        if std::mem::replace(&mut self.sessions().asked, true) {
            let error = "another upgrade of this agent is under way: nothing was begun";
            return Failure::new(ErrorCode::UpgradeBusy, error);
        }
        let (answer, answered) = oneshot::channel();
        let wish = Wish { program: request.program.map(PathBuf::from), answer };
        let failure = match self.0.wishes.try_send(wish) {
            Ok(()) => answered.await.unwrap_or_else(|_| nobody()),
            Err(_) => nobody(),
        };
        self.sessions().asked = false;
        failure
    }

    async fn until(&self, closed: bool) {
        // The sender is there as long as `self` is.
        let _ = self.0.closed.subscribe().wait_for(|now| *now == closed).await;
    }

    fn set(&self, number: u64, doing: Doing) {
        self.sessions().doing.insert(number, doing);
        self.0.changed.notify_waiters();
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Nothing panics while it is held.
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.0.closed.send_replace(false);
    }
}

impl Session {
    /// Waits as long as the gate is closed.
    pub(super) async fn pass(&self, stopped: impl FnOnce() -> Option<Stopped>) {
        if !self.gate.is_closed() {
            return;
        }
        // What cannot be handed on is about to end.
        let Some(stopped) = stopped() else { return };
        self.gate.set(self.number, Doing::Waits(stopped));
        self.gate.opened().await;
        self.gate.set(self.number, Doing::Reads);
    }

    /// Resolves as soon as [`Session::pass`] would wait.
    pub(super) async fn is_stopped(&self) {
        self.gate.closed().await;
    }

    /// Has a request.
    pub(super) fn works(&self, name: &'static str) {
        self.gate.set(self.number, Doing::Works(name, Instant::now()));
    }

    /// Its request is for the version that takes over. Returns only if that fails.
    pub(super) async fn ask(&self, request: UpgradeRequest, stopped: Option<Stopped>) -> Failure {
        if let Some(stopped) = stopped {
            self.gate.set(self.number, Doing::Asks(stopped));
        }
        let failure = self.gate.ask(request).await;
        self.works("upgrade");
        failure
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.gate.sessions().doing.remove(&self.number);
        self.gate.0.changed.notify_waiters();
    }
}

impl Stopped {
    /// `None` where the exchange is over.
    pub(super) fn new(
        socket: Arc<OwnedFd>,
        channel: &AgentChannel,
        deadline: Option<Instant>,
    ) -> Option<Self> {
        Some(Self { socket, channel: channel.hand_on()?, deadline })
    }

    /// Its socket.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The rest of it, with the key of its exchange and what its client has sent.
    pub fn hand_on(&self) -> Object {
        let mut object = Object::default();
        object.insert("channel", self.channel.clone().into_value());
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        object.insert("patience", left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)));
        object
    }
}

impl Connection {
    /// What [`Stopped::hand_on`] gave, with its socket.
    pub fn handed_on(socket: OwnedFd, mut object: Object) -> Result<Self, Unreadable> {
        let channel = handed_on::object(&mut object, "channel")?;
        let channel = AgentChannel::handed_on(&channel).ok_or_else(|| Unreadable::new("channel"))?;
        let patience =
            handed_on::boot(&object, "patience")?.map(|left| Duration::from_millis(left.as_millis()));
        Ok(Self { socket, channel, patience })
    }
}

impl Wishes {
    /// The next one. Never returns when nobody can wish for anything any more.
    pub async fn next(&mut self) -> Wish {
        match self.0.recv().await {
            Some(wish) => wish,
            None => std::future::pending().await,
        }
    }
}

impl Wish {
    /// Nothing came of it.
    pub fn refuse(self, failure: Failure) {
        // Whoever asked may be gone.
        let _ = self.answer.send(failure);
    }
}

fn nobody() -> Failure {
    Failure::new(ErrorCode::UpgradeRefused, "nobody here can start another version: the agent ends")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped() -> Option<Stopped> {
        let (socket, _) = std::os::unix::net::UnixStream::pair().expect("a pair");
        Stopped::new(Arc::new(socket.into()), &AgentChannel::new(), Some(Instant::now()))
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_still_when_everybody_waits_and_all_go_on_when_it_opens() {
        let (gate, _wishes) = Gate::new();
        let (reads, works) = (gate.enter(), gate.enter());
        reads.pass(stopped).await;
        works.works("add");
        assert!(!gate.is_still());
        assert_eq!(gate.slow(Duration::from_secs(1)), None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(gate.slow(Duration::from_secs(1)), Some("add"));
        let closed = gate.close();
        let passing = tokio::spawn(async move {
            reads.pass(stopped).await;
            reads
        });
        tokio::task::yield_now().await;
        assert!(!gate.is_still(), "a request is in work");
        drop(works);
        gate.still().await;
        assert_eq!(gate.stopped().1.len(), 1);
        drop(closed);
        let reads = passing.await.expect("no panic");
        assert!(!gate.is_still() && gate.stopped().1.is_empty());
        drop(reads);
        assert!(gate.is_still());
    }

    #[tokio::test]
    async fn a_second_wish_is_refused_and_the_first_waits_to_be_answered() {
        let (gate, mut wishes) = Gate::new();
        let (first, second) = (gate.enter(), gate.enter());
        let asking = tokio::spawn(async move { first.ask(UpgradeRequest::default(), stopped()).await });
        tokio::task::yield_now().await;
        assert!(!gate.is_still() && gate.stopped().1.len() == 1, "whoever asks can be handed on");
        let refused = second.ask(UpgradeRequest::default(), None).await;
        assert_eq!(refused.code, ErrorCode::UpgradeBusy);
        wishes.next().await.refuse(Failure::new(ErrorCode::UpgradeRefused, "no"));
        assert_eq!(asking.await.expect("no panic").error, "no");
    }

    #[test]
    fn a_connection_comes_back() {
        let state = stopped().expect("handed on").hand_on();
        let (socket, _) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let connection = Connection::handed_on(socket.into(), state).expect("its own words");
        assert_eq!(connection.patience, Some(Duration::ZERO));
    }
}
