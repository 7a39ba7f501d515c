//! The life of an agent, from its first connection to its last: what ends it, and what is tidied up then.

use std::{io, sync::Arc, thread, time::Duration};

use oidc_proto::process::PATIENCE;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    parent::Parent,
    succession::{
        upgrade::{Estate, grant},
        way_back::WayBack,
    },
};
use crate::{
    hardening::{harden, rest::Rest},
    provider::SPENDING_TIMEOUT,
    server::{
        activation,
        bind::Claim,
        entrance::Entrance,
        gate::{Gate, Handed},
        handler::Handler,
        limits::Limits,
        listener::Listener,
    },
};

/// Descriptors that connections leave for everything else: files, providers, the runtime.
const RESERVED_DESCRIPTORS: u64 = 128;
/// How long ending may take after requests in hand: a refresh that had begun is sent, and is answered or over by then, and
/// a rotated refresh token is on disk. A second signal ends at once.
const FINISH: Duration = SPENDING_TIMEOUT.saturating_add(Duration::from_secs(60));
// Who ends an agent waits for longer than it takes.
const _: () = assert!(FINISH.as_secs() < PATIENCE.as_secs());
/// Of the thread that serves, in bytes. The first thread has what the user's limit leaves it, which may be less than
/// [`harden::wipe_stack`] takes.
const STACK: usize = 2 * 1024 * 1024;
/// Threads for what blocks: name resolution, key derivations, files. They end when they are idle.
const BLOCKING_THREADS: usize = 32;

/// Everything an agent needs from its surroundings.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Where clients come in.
    pub entrance: Entrance,
    /// What this process knows of itself, for the one that takes over.
    pub estate: Estate<'a>,
    /// The agent ends after this process.
    pub parent: Option<Parent>,
    /// A hang-up signal ends the agent: it belongs to a terminal.
    pub ends_with_terminal: bool,
    /// To the program before this one, in this process; until it serves.
    pub way_back: Option<Arc<WayBack>>,
}

/// Serves until a signal or the end of the process that the agent ends with. `handler` is made within the runtime; `ready` is
/// called as soon as requests are answered, and says what this process goes on with.
pub fn run<H: Handler>(
    surroundings: Surroundings<'_>,
    handler: impl FnOnce() -> io::Result<H> + Send,
    ready: impl FnOnce() -> io::Result<Option<Handed>> + Send,
) -> io::Result<()> {
    // The thread that serves takes them, as soon as it has an ear for them: one that came to this one while another program takes
    // over would be lost.
    harden::hold_signals();
    let way_back = surroundings.way_back.clone();
    thread::scope(|scope| {
        let serving = thread::Builder::new().stack_size(STACK);
        let serving = serving.spawn_scoped(scope, || serve(surroundings, handler, ready))?;
        serving.join().unwrap_or_else(|panic| {
            if let Some(way_back) = way_back {
                way_back.go("a defect");
            }
            std::panic::resume_unwind(panic)
        })
    })
}

fn serve<H: Handler>(
    surroundings: Surroundings<'_>,
    handler: impl FnOnce() -> io::Result<H>,
    ready: impl FnOnce() -> io::Result<Option<Handed>>,
) -> io::Result<()> {
    let rest = Arc::new(Rest::default());
    let resting = Arc::clone(&rest);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(Duration::from_secs(1))
        // The heap is overwritten when it is freed; this is the same for stacks, which libraries put secrets on, too.
        .on_thread_park(move || resting.begins())
        .on_thread_stop(harden::wipe_stack)
        .build()?;
    runtime.spawn(async move { rest.interrupt().await });
    let result = runtime.block_on(live(surroundings, handler, ready));
    // Whatever still blocks, a name that does not resolve for instance, is not waited for.
    runtime.shutdown_background();
    result
}

async fn live<H: Handler>(
    surroundings: Surroundings<'_>,
    handler: impl FnOnce() -> io::Result<H>,
    ready: impl FnOnce() -> io::Result<Option<Handed>>,
) -> io::Result<()> {
    let Surroundings { entrance, estate, parent, ends_with_terminal, way_back: _ } = surroundings;
    let (stop, (gate, wishes)) = (CancellationToken::new(), Gate::new());
    let mut end = End::register(parent, ends_with_terminal)?;
    harden::release_signals();
    // Nothing is awaited from here on until everything is ready: what a handler begins, begins after that.
    let handler = Arc::new(handler()?);
    let listener = Listener::new(entrance, limits())?.behind(gate.clone());
    let listener = listener.going_on_with(ready()?);
    activation::ready();
    info!("serving");
    let serving = listener.serve(Arc::clone(&handler), stop.clone());
    // A listener that fails ends the agent as well.
    let served = async {
        let served = serving.await;
        handler.finish().await;
        served
    };
    let ending = async {
        let reason = end.next(&handler).await;
        info!(reason, "ending");
        activation::stopping();
        // While somebody still listens: who finds nobody there any more shall find out why.
        if let Some(Err(error)) = estate.claim.map(Claim::say_ending) {
            debug!(%error, "an agent that starts here meanwhile cannot be told");
        }
        stop.cancel();
        let reason = timeout(FINISH, end.next(&handler)).await.unwrap_or("it took too long");
        warn!(reason, "ending at once");
        Ok(())
    };
    tokio::select! {
        // The end goes before another version.
        biased;
        given_up = ending => given_up,
        served = served => served,
        () = grant(wishes, &estate, &gate, &handler, &stop) => Ok(()),
    }
}

fn limits() -> Limits {
    let descriptors = harden::raise_descriptor_limit().saturating_sub(RESERVED_DESCRIPTORS);
    let mut limits = Limits::default();
    limits.connections = limits.connections.min(usize::try_from(descriptors).unwrap_or(usize::MAX)).max(1);
    limits.members = limits.members.min(limits.connections / 2);
    limits
}

/// Everything that ends the agent.
struct End {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    ends_with_terminal: bool,
    parent_ended: Option<oneshot::Receiver<()>>,
}

impl End {
    /// Registers for all of it.
    fn register(parent: Option<Parent>, ends_with_terminal: bool) -> io::Result<Self> {
        // A write beyond the file size limit is to fail like one on a full disk; a registered signal does nothing else.
        drop(signal(SignalKind::from_raw(libc::SIGXFSZ))?);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // Registered in any case: a daemon must not die of it.
            hang_up: signal(SignalKind::hangup())?,
            ends_with_terminal,
            parent_ended: parent.map(Parent::end).transpose()?,
        })
    }

    /// The next of them. A hang-up signal that does not end the agent has its configuration read again.
    async fn next<H: Handler>(&mut self, handler: &Arc<H>) -> &'static str {
        let Self { terminate, interrupt, hang_up, ends_with_terminal, parent_ended } = self;
        let terminal_closed = async {
            while hang_up.recv().await.is_some() && !*ends_with_terminal {
                info!("a hang-up signal: what is configured is read again");
                let handler = Arc::clone(handler);
                tokio::spawn(async move { handler.hang_up().await });
            }
        };
        let command_ended = async {
            match parent_ended {
                Some(ended) => drop(ended.await),
                None => std::future::pending().await,
            }
        };
        let reason = tokio::select! {
            _ = terminate.recv() => "terminated",
            _ = interrupt.recv() => "interrupted",
            () = terminal_closed => "the terminal was closed",
            () = command_ended => "the command ended",
        };
        if reason == "the command ended" {
            // It ends once only.
            self.parent_ended = None;
        }
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_waits_for_longer_than_the_agent_takes() {
        let unit = include_str!("../../../contrib/systemd/user/oidc-agent.service");
        let seconds = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
        let seconds: u64 = seconds.expect("a setting").parse().expect("seconds");
        assert!(Duration::from_secs(seconds) > FINISH);
    }
}
