//! The process that serves: hardened before anything secret arrives, tidied up at the end.

use std::{
    ffi::OsString,
    io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use oidc_proto::json::Object;
use rustix::{
    fs::Mode,
    process::{getppid, umask},
    thread::set_name,
};
use tracing::{info, warn};

use super::{
    logging,
    parent::Parent,
    run::{Surroundings, run},
    start_error::StartError,
    succession::{
        state::State,
        take_over::{Commit, Inheritance},
        upgrade::Estate,
    },
};
use crate::{
    handed_on::Unreadable,
    hardening::{confine, harden},
    server::{
        bind::{Bound, Claim},
        default_place,
        entrance::{Entrance, Policy},
        group,
        handler::Handler,
        place::Place,
    },
    settings::{cli::Cli, options::Options},
};

/// What this process was told about serving.
#[derive(Debug)]
pub struct Service {
    /// How the agent behaves.
    pub options: Options,
    arguments: Vec<OsString>,
    pid_file: Option<PathBuf>,
    /// To be found by clients without `OIDC_SOCK`, whatever their other variables.
    linked: bool,
    without_effect: Vec<&'static str>,
    remarks: Vec<String>,
    before: Option<Before>,
}

/// What the program before this one has left in this process.
#[derive(Debug)]
struct Before {
    filter: Option<String>,
    links: Vec<PathBuf>,
    handler: Object,
    commit: Commit,
}

/// A socket and what hangs on it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    /// What to remove at the end. A socket passed by a service manager is not ours to remove.
    claim: Option<Claim>,
    /// The agent ends after this process.
    parent: Option<Parent>,
}

impl Socket {
    /// One that this program bound.
    pub fn bound(bound: Bound) -> Self {
        Self { listener: bound.listener, claim: Some(bound.claim), parent: None }
    }

    /// One that a service manager bound.
    pub fn passed(listener: UnixListener) -> Self {
        Self { listener, claim: None, parent: None }
    }

    /// The same for an agent that ends after its parent.
    #[must_use]
    pub fn ending_with(self, parent: Option<Parent>) -> Self {
        Self { parent, ..self }
    }
}

impl Service {
    /// Takes from the command line, which is `arguments`, what concerns serving. `remarks` are for the person, by the log.
    pub fn new(cli: &Cli, arguments: &[OsString], options: Options, remarks: Vec<String>) -> Self {
        let pid_file = cli.pid_file.as_ref().map(|path| std::path::absolute(path).unwrap_or(path.clone()));
        let arguments = arguments[..arguments.len() - cli.command.len()].to_vec();
        Self {
            options,
            arguments,
            pid_file,
            linked: cli.service,
            without_effect: cli.without_effect().collect(),
            remarks,
            before: None,
        }
    }

    /// The same for a process that goes on where another program has left off in it.
    pub fn going_on(arguments: &[OsString], inheritance: Inheritance) -> (Self, Socket) {
        let (state, options, listener, lock, commit) = inheritance.into_parts();
        let State { pid_file, links, own_directory, socket, parent, filter, handler, .. } = state;
        let claim = lock.map(|lock| {
            let place = Place { socket, own_directory: own_directory.unwrap_or_default() };
            Claim { lock, place }
        });
        let service = Self {
            options,
            arguments: arguments.to_vec(),
            pid_file,
            linked: false,
            without_effect: Vec::new(),
            remarks: Vec::new(),
            before: Some(Before { filter, links, handler, commit }),
        };
        (service, Socket { listener, claim, parent: parent.map(Parent::known_as) })
    }

    /// Serves until the end. `ready` is called with the socket's path as soon as requests are answered, unless another program was
    /// ready before in this process.
    pub fn run<H: Handler>(
        self,
        socket: Socket,
        handler: impl FnOnce(Options, &Path, Option<Object>) -> Result<H, Unreadable> + Send,
        ready: impl FnOnce(&Path) -> io::Result<()> + Send,
    ) -> Result<(), StartError> {
        let Self { options, arguments, pid_file, linked, without_effect, remarks, before } = self;
        let Socket { listener, claim, parent } = socket;
        logging::start(&options);
        // Whoever ends the agent looks at its name; started as `/proc/self/exe` it would have another one.
        let _ = set_name(c"oidc-agent");
        harden::apply();
        confine::apply(options.seccomp, before.as_ref().and_then(|before| before.filter.as_deref()));
        umask(Mode::RWXG | Mode::RWXO);
        for reason in without_effect {
            info!("{reason}");
        }
        for remark in remarks {
            warn!("{remark}");
        }
        let ends_with_terminal = options.console && has_terminal();
        let address = listener.local_addr().map_err(StartError::system("use the socket"));
        let way_back = before.as_ref().map(|before| Arc::clone(before.commit.way_back()));
        // Before anything is tidied up: the program before this one goes on with it.
        let back = |error: StartError| {
            if let Some(way_back) = &way_back {
                way_back.go(&error.to_string());
            }
            error
        };
        let address = address.map_err(back)?;
        let path = address.as_pathname().unwrap_or(Path::new(""));
        let entrance = match entrance(listener, claim.is_some(), options.group.as_deref()).map_err(back) {
            Ok(entrance) => entrance,
            Err(error) => {
                if let Some(claim) = claim {
                    claim.give_up();
                }
                return Err(error);
            }
        };
        let went_on = before.is_some();
        let (links, held, commit) = match before {
            Some(Before { links, handler, commit, .. }) => {
                (default_place::taken_over(links, path), Some(handler), Some(commit))
            }
            None => (if linked { default_place::link(path) } else { Vec::new() }, None, None),
        };
        let estate = Estate {
            arguments,
            options: options.clone(),
            pid_file: pid_file.clone(),
            links: links.iter().map(|link| link.path().to_owned()).collect(),
            claim: claim.as_ref(),
            socket: path.to_owned(),
            parent: parent.as_ref().and_then(|_| getppid()).map(|parent| parent.as_raw_nonzero().get()),
        };
        let written = |path| if went_on { Ok(PidFile(path)) } else { PidFile::write(path) };
        let pid_file = pid_file.map(written).transpose().map_err(StartError::system("write the pid file"));
        let served = pid_file.and_then(|pid_file| {
            let surroundings =
                Surroundings { entrance, estate, parent, ends_with_terminal, way_back: way_back.clone() };
            let handler = || handler(options, path, held).map_err(io::Error::other);
            let ready = || match commit {
                Some(commit) => commit.serve().map(Some),
                None => ready(path).map(|()| None),
            };
            let served = run(surroundings, handler, ready).map_err(StartError::system("serve")).map_err(back);
            drop(pid_file);
            served
        });
        drop(links);
        if let Some(claim) = claim {
            claim.give_up();
        }
        info!("ended");
        served
    }
}

/// Whether this process sees the end of a terminal. As systemd or a container starts it there is none, and a hang-up signal is
/// somebody's request.
fn has_terminal() -> bool {
    fs_err::File::open("/dev/tty").is_ok()
}

/// The main way in: for the agent's user, and for the group's members where there is one.
fn entrance(socket: UnixListener, own: bool, group: Option<&str>) -> Result<Entrance, StartError> {
    let group = group.map(|name| group::find(name).ok_or(StartError::UnknownGroup)).transpose()?;
    let policy = Policy::own_user().and_group(group);
    Ok(if own { Entrance::own(socket, policy) } else { Entrance::passed(socket, policy)? })
}

/// Holds the process id, and is removed at the end.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf) -> io::Result<Self> {
        fs_err::write(&path, format!("{}\n", std::process::id()))?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs_err::remove_file(&self.0);
    }
}
