//! This process goes on where another program has left off in it.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    sync::{Arc, mpsc},
};

use oidc_proto::{
    error_code::ErrorCode,
    fault_point,
    json::Object,
    message::{Failure, Reply, UpgradeReport},
};
use rustix::stdio::dup2_stdin;
use tracing::info;

use super::{
    carrier::Handover, memory, program_file, rehearsal::accounts_of, state::State, way_back::WayBack,
};
use crate::{
    hardening::harden,
    server::gate::{Connection, Handed},
    settings::options::Options,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What this process goes on from.
#[derive(Debug)]
pub struct Inheritance {
    /// What the process before it said.
    pub state: State,
    /// How it was told to behave.
    pub options: Options,
    /// Listens, and stays where it is.
    pub listener: UnixListener,
    /// Of the socket.
    pub lock: Option<std::fs::File>,
    /// Where something goes wrong until this process serves.
    pub way_back: Arc<WayBack>,
    /// Tells the watch that it does.
    served: mpsc::Sender<()>,
    connections: Vec<Object>,
    report: UpgradeReport,
}

/// Takes what is on standard input, and gives that back. Nothing is begun. `arguments`: of this process; `options`: what they and the
/// configuration say.
///
/// # Errors
/// Only where the version before this one cannot go on either.
pub fn receive(arguments: &[OsString], options: Options) -> io::Result<Inheritance> {
    // Before anything secret is here.
    harden::apply();
    // Until this process has an ear for them.
    harden::hold_signals();
    let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let handover = Handover::receive(&channel)?;
    dup2_stdin(&handover.stdin)?;
    let way_back = Arc::new(WayBack::new(handover, arguments.to_vec()));
    let (served, watched) = mpsc::channel();
    let received = way_back.watch(watched).map_err(|error| error.to_string());
    let received = received.and_then(|()| read(&way_back, options));
    match received {
        Ok((state, options, listener, lock)) => {
            let mut state = state;
            let connections = std::mem::take(&mut state.connections);
            let report = report(&state);
            Ok(Inheritance { state, options, listener, lock, way_back, served, connections, report })
        }
        Err(reason) => {
            way_back.go(&reason);
            Err(io::Error::other(reason))
        }
    }
}

type Read = (State, Options, UnixListener, Option<std::fs::File>);

fn read(way_back: &WayBack, options: Options) -> Result<Read, String> {
    let text = |error: io::Error| error.to_string();
    fault_point::fails("take-over-received").map_err(text)?;
    let (state, listener, lock) = way_back
        .look(|handover| {
            let lock = handover.lock.as_ref().map(AsFd::as_fd).map(|lock| lock.try_clone_to_owned());
            Ok((memory::read(&handover.memory)?, handover.listener.try_clone()?, lock.transpose()?))
        })
        .map_err(text)?;
    let state = State::parse(&state).map_err(|error| error.to_string())?;
    let options = options.handed_on(&state.options).map_err(|error| error.to_string())?;
    if lock.is_some() != state.own_directory.is_some() {
        return Err("the lock of the socket is not as the state says".to_owned());
    }
    Ok((state, options, UnixListener::from(listener), lock.map(Into::into)))
}

/// What whoever asked for this version is told.
fn report(state: &State) -> UpgradeReport {
    let locked = state.handler.members().get("accounts").and_then(|accounts| accounts.get("lock"));
    UpgradeReport {
        version: VERSION.to_owned(),
        previous_version: state.version.clone(),
        program: program_file::own_path().map(|(path, _)| path.display().to_string()).unwrap_or_default(),
        accounts: accounts_of(&state.handler),
        locked: locked.is_some_and(|lock| !lock.is_null()),
    }
}

/// For the moment at which a process serves that has taken over.
#[derive(Debug)]
pub struct Commit {
    way_back: Arc<WayBack>,
    served: mpsc::Sender<()>,
    connections: Vec<Object>,
    report: UpgradeReport,
    returned: Option<String>,
}

impl Inheritance {
    /// What is needed before this process serves, and what then.
    pub fn into_parts(self) -> (State, Options, UnixListener, Option<std::fs::File>, Commit) {
        let Self { mut state, options, listener, lock, way_back, served, connections, report } = self;
        let returned = state.returned.take();
        (state, options, listener, lock, Commit { way_back, served, connections, report, returned })
    }
}

impl Commit {
    /// The way back as long as there is one.
    pub fn way_back(&self) -> &Arc<WayBack> {
        &self.way_back
    }

    /// From now on this process serves: it goes on with the connections, and answers whoever asked for it.
    pub fn serve(self) -> io::Result<Handed> {
        let Self { way_back, served, connections, report, returned } = self;
        fault_point::fails("take-over-built")?;
        let known = way_back.look(|handover| Ok(handover.connections.len()))?;
        if known != connections.len() {
            return Err(io::Error::other("the connections are not as the state says"));
        }
        let Handover { connections: sockets, .. } = way_back.close()?;
        drop(served);
        let connections = sockets.into_iter().zip(connections).filter_map(|(socket, state)| {
            // One that makes no sense costs nobody else anything.
            Connection::handed_on(socket, state).ok()
        });
        let reply = match returned {
            None => {
                info!(before = report.previous_version, accounts = report.accounts.len(), "took over");
                Reply::success_with(report.to_info())
            }
            Some(reason) => {
                let info = format!("Nothing was lost: version {VERSION} of the agent goes on.");
                Failure::new(ErrorCode::UpgradeRefused, reason).with_info(info).into()
            }
        };
        Ok(Handed { connections: connections.collect(), reply })
    }
}
