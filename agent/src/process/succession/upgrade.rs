//! Another program takes over from this process: everything up to the moment at which it is executed.

use std::{
    convert::Infallible,
    ffi::OsString,
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    carrier::Handover,
    memory::Memory,
    program_file::{self, ProgramFile},
    refusal::Refusal,
    rehearsal::{self, accounts_of},
    state::State,
    way_back::execute,
};
use crate::{
    hardening::{confine, harden},
    server::{
        bind::Claim,
        gate::{Closed, Gate, Stopped, Wish, Wishes},
        handler::{AtRest, Handler},
    },
    settings::options::Options,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// For how long connections are stopped at most: nobody waits longer for a token than that because of a change of version.
const PAUSE: Duration = Duration::from_millis(500);
/// What is worked on for longer may take any time, and is not waited for with the others stopped.
const QUICK: Duration = Duration::from_millis(100);
/// How often to look whether what cannot be interrupted has ended; there is no event for all of it.
const LOOK: Duration = Duration::from_millis(100);
/// After a pause in which something did not end, everybody goes on for so long at least.
const BETWEEN_PAUSES: Duration = Duration::from_secs(1);
/// The same while connections are stopped.
const LOOK_CLOSELY: Duration = Duration::from_millis(5);
/// For how long what cannot be interrupted is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// What was signalled before signals were held has come to this process's notice by then.
const NOTICED: Duration = Duration::from_millis(2);

/// What this process knows of itself, and hands on.
#[derive(Debug)]
pub struct Estate<'a> {
    /// Its command line.
    pub arguments: Vec<OsString>,
    /// How it was told to behave.
    pub options: Options,
    /// See [`State`].
    pub pid_file: Option<PathBuf>,
    /// See [`State`].
    pub links: Vec<PathBuf>,
    /// What it holds of the place of its socket.
    pub claim: Option<&'a Claim>,
    /// Where its socket is.
    pub socket: PathBuf,
    /// It ends after this process.
    pub parent: Option<i32>,
}

/// Everything is as it is as long as this lives.
struct Rest<'a> {
    _closed: Closed<'a>,
    _at_rest: Box<dyn AtRest + 'a>,
}

/// Does as is wished, one wish after the other. Never returns.
pub async fn grant<H: Handler>(
    mut wishes: Wishes,
    estate: &Estate<'_>,
    gate: &Gate,
    handler: &Arc<H>,
    stop: &CancellationToken,
) {
    loop {
        let wish = wishes.next().await;
        let refusal = estate.hand_over(&wish, gate, handler.as_ref(), stop).await;
        warn!(%refusal, "no other version took over");
        wish.refuse(refusal.to_failure(VERSION));
    }
}

impl Estate<'_> {
    /// Returns only if another program has not taken over.
    async fn hand_over<H: Handler>(
        &self,
        wish: &Wish,
        gate: &Gate,
        handler: &H,
        stop: &CancellationToken,
    ) -> Refusal {
        match self.try_all(wish, gate, handler, stop).await {
            Err(refusal) => refusal,
            Ok(never) => match never {},
        }
    }

    async fn try_all<H: Handler>(
        &self,
        wish: &Wish,
        gate: &Gate,
        handler: &H,
        stop: &CancellationToken,
    ) -> Result<Infallible, Refusal> {
        let program = ProgramFile::choose(wish.program.as_deref())?;
        let state = self.state(handler, &[]);
        let accounts = accounts_of(&state.handler);
        let state = state.into_object();
        let able = rehearsal::rehearse(&program.path, &self.arguments, &state, &accounts).await?;
        drop(state);
        info!(version = able.version, program = %program.path.display(), "another version could take over");
        let rest = at_rest(gate, handler, stop).await?;
        // From here on nothing is waited for.
        let refusal = match program.check() {
            Ok(()) => {
                let source = self.execute(&program, gate, handler);
                Refusal::Start { program: program.path, source }
            }
            Err(error) => error.into(),
        };
        harden::release_signals();
        drop(rest);
        Err(refusal)
    }

    /// Returns only if it fails, and then all is as it was.
    fn execute<H: Handler>(&self, program: &ProgramFile, gate: &Gate, handler: &H) -> io::Error {
        let attempt = || -> io::Result<_> {
            let (listener, stopped) = gate.stopped();
            let listener = listener.ok_or_else(|| io::Error::other("the socket is closed"))?;
            let memory = Memory::sealed(&self.state(handler, &stopped).into_object())?;
            let clone = |descriptor: &OwnedFd| descriptor.try_clone();
            let handover = Handover {
                memory: memory.as_fd().try_clone_to_owned()?,
                program: program_file::own()?,
                stdin: io::stdin().as_fd().try_clone_to_owned()?,
                listener: clone(&listener)?,
                lock: self.claim.map(|claim| claim.lock.as_fd().try_clone_to_owned()).transpose()?,
                connections: stopped
                    .iter()
                    .map(|stopped| clone(stopped.socket()))
                    .collect::<Result<_, _>>()?,
            };
            Ok((memory, handover))
        };
        match attempt() {
            Ok((_memory, handover)) => execute(&program.path, &self.arguments, &handover),
            Err(error) => error,
        }
    }

    fn state<H: Handler>(&self, handler: &H, stopped: &[Stopped]) -> State {
        State {
            version: VERSION.to_owned(),
            program: program_file::own_path().map(|(path, _)| path).unwrap_or_default(),
            options: self.options.hand_on(),
            pid_file: self.pid_file.clone(),
            links: self.links.clone(),
            own_directory: self.claim.map(|claim| claim.place.own_directory),
            socket: self.socket.clone(),
            parent: self.parent,
            filter: confine::filter_in_place(),
            handler: handler.hand_on(),
            connections: stopped.iter().map(Stopped::hand_on).collect(),
            returned: None,
        }
    }
}

/// Waits until nothing is under way, and stops everything, signals included.
async fn at_rest<'a, H: Handler>(
    gate: &'a Gate,
    handler: &'a H,
    stop: &CancellationToken,
) -> Result<Rest<'a>, Refusal> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut what = busy(gate, handler);
        if what.is_none() {
            if let Some(rest) = stopped(gate, handler, stop).await {
                return Ok(rest);
            }
            what = busy(gate, handler).or_else(|| gate.busy().map(request));
            sleep(BETWEEN_PAUSES).await;
        }
        let what = what.unwrap_or_else(|| "clients that ask without a pause".to_owned());
        if stop.is_cancelled() {
            return Err(Refusal::Ending);
        }
        if Instant::now() >= deadline {
            return Err(Refusal::Busy { what, patience: PATIENCE });
        }
        sleep(LOOK).await;
    }
}

/// What will not have ended in a moment.
fn busy<H: Handler>(gate: &Gate, handler: &H) -> Option<String> {
    handler.at_rest().err().or_else(|| gate.slow(QUICK).map(request))
}

fn request(name: &'static str) -> String {
    format!("the request '{name}' is being dealt with")
}

/// Stops all connections, for a moment if something goes on nevertheless.
async fn stopped<'a, H: Handler>(
    gate: &'a Gate,
    handler: &'a H,
    stop: &CancellationToken,
) -> Option<Rest<'a>> {
    let closed = gate.close();
    let deadline = Instant::now() + PAUSE;
    loop {
        timeout_at(deadline, gate.still()).await.ok()?;
        harden::hold_signals();
        sleep(NOTICED).await;
        if !stop.is_cancelled()
            && gate.is_still()
            && let Ok(at_rest) = handler.at_rest()
        {
            return Some(Rest { _closed: closed, _at_rest: at_rest });
        }
        harden::release_signals();
        if stop.is_cancelled() || Instant::now() >= deadline {
            return None;
        }
        sleep(LOOK_CLOSELY).await;
    }
}
