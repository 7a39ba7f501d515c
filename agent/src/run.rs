//! The life of an agent, from its first connection to its last: what ends it, and what is tidied up then.

use std::{io, os::fd::OwnedFd, sync::Arc, thread, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    harden,
    server::{
        Handler, activation,
        entrance::Entrance,
        listener::{Limits, Listener},
    },
};

/// Descriptors that connections leave for everything else: files, providers, the runtime.
const RESERVED_DESCRIPTORS: u64 = 128;
/// How long the handler may take for what outlives requests: a refresh that was sent is answered or over by then
/// ([`crate::provider::REQUEST_TIMEOUT`]), and a rotated refresh token is on disk.
const FINISH: Duration = Duration::from_secs(12);
/// Threads for what blocks: name resolution, key derivations, files. They end when they are idle.
const BLOCKING_THREADS: usize = 32;

/// Everything an agent needs from its surroundings.
#[derive(Debug)]
pub struct Surroundings {
    /// Where clients come in.
    pub entrance: Entrance,
    /// The agent ends when this becomes readable: a pidfd.
    pub lives_for: Option<OwnedFd>,
    /// A hang-up signal ends the agent: it belongs to a terminal.
    pub ends_with_terminal: bool,
}

/// Serves until a signal or the end of what the agent lives for. `handler` is made within the runtime; `ready` is
/// called as soon as requests are answered.
pub fn run<H: Handler>(
    surroundings: Surroundings,
    handler: impl FnOnce() -> H,
    ready: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(Duration::from_secs(1))
        .build()?;
    let result = runtime.block_on(live(surroundings, handler, ready));
    // Whatever still blocks, a name that does not resolve for instance, is not waited for.
    runtime.shutdown_background();
    result
}

async fn live<H: Handler>(
    surroundings: Surroundings,
    handler: impl FnOnce() -> H,
    ready: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let Surroundings { entrance, lives_for, ends_with_terminal } = surroundings;
    let stop = CancellationToken::new();
    let end = wait_for_end(lives_for, ends_with_terminal)?;
    let handler = Arc::new(handler());
    let listener = Listener::new(entrance, limits())?;
    ready()?;
    activation::ready();
    info!("serving");
    let serving = listener.serve(Arc::clone(&handler), stop.clone());
    let ending = async {
        let reason = end.await;
        info!(reason, "ending");
        activation::stopping();
        stop.cancel();
    };
    let (served, ()) = tokio::join!(stop_after(serving, &stop), ending_or(ending, &stop));
    let _ = timeout(FINISH, handler.finish()).await;
    served
}

/// A listener that fails ends the agent as well.
async fn stop_after(
    serving: impl Future<Output = io::Result<()>>,
    stop: &CancellationToken,
) -> io::Result<()> {
    let result = serving.await;
    stop.cancel();
    result
}

async fn ending_or(ending: impl Future<Output = ()>, stop: &CancellationToken) {
    stop.run_until_cancelled(ending).await;
}

fn limits() -> Limits {
    let descriptors = harden::raise_descriptor_limit().saturating_sub(RESERVED_DESCRIPTORS);
    let mut limits = Limits::default();
    limits.connections = limits.connections.min(usize::try_from(descriptors).unwrap_or(usize::MAX)).max(1);
    limits
}

/// Registers for everything that ends the agent; the future says which of them it was.
fn wait_for_end(
    lives_for: Option<OwnedFd>,
    ends_with_terminal: bool,
) -> io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Registered in any case: a daemon must not die of it.
    let mut hang_up = signal(SignalKind::hangup())?;
    // A write beyond the file size limit is to fail like one on a full disk; a registered signal does nothing else.
    drop(signal(SignalKind::from_raw(libc::SIGXFSZ))?);
    let lives_for = lives_for.map(watch).transpose()?;
    Ok(async move {
        let terminal_closed = async {
            while hang_up.recv().await.is_some() && !ends_with_terminal {
                info!("a hang-up signal is ignored");
            }
        };
        let process_ended = async {
            match lives_for {
                Some(ended) => drop(ended.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => "terminated",
            _ = interrupt.recv() => "interrupted",
            () = terminal_closed => "the terminal was closed",
            () = process_ended => "the command ended",
        }
    })
}

/// Resolves when a pidfd's process has ended. A thread waits for it: it sleeps in the kernel and costs no wake-ups.
fn watch(process: OwnedFd) -> io::Result<oneshot::Receiver<()>> {
    const STACK_BYTES: usize = 64 * 1024;
    let (ended, receiver) = oneshot::channel();
    let wait = move || {
        while let Err(Errno::INTR) = poll(&mut [PollFd::new(&process, PollFlags::IN)], None) {}
        drop(ended);
    };
    thread::Builder::new().name("lives-for".to_owned()).stack_size(STACK_BYTES).spawn(wait)?;
    Ok(receiver)
}
