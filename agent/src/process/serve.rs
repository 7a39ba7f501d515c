//! The process that serves: hardened before anything secret arrives, tidied up at the end.

use std::{
    io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
};

use rustix::{fs::Mode, process::umask, thread::set_name};
use tracing::{info, warn};

use super::{
    logging,
    parent::Parent,
    run::{Surroundings, run},
    start_error::StartError,
};
use crate::{
    hardening::{confine, harden},
    server::{
        bind::{Bound, Claim},
        default_place,
        entrance::{Entrance, Policy},
        group,
        handler::Handler,
    },
    settings::{cli::Cli, options::Options},
};

/// What this process was told about serving.
#[derive(Debug)]
pub struct Service {
    /// How the agent behaves.
    pub options: Options,
    pid_file: Option<PathBuf>,
    /// To be found by clients without `OIDC_SOCK`, whatever their other variables.
    linked: bool,
    without_effect: Vec<&'static str>,
    remarks: Vec<String>,
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
    /// Takes from the command line what concerns serving. `remarks` are for the person, by the log.
    pub fn new(cli: &Cli, options: Options, remarks: Vec<String>) -> Self {
        let pid_file = cli.pid_file.as_ref().map(|path| std::path::absolute(path).unwrap_or(path.clone()));
        Self {
            options,
            pid_file,
            linked: cli.service,
            without_effect: cli.without_effect().collect(),
            remarks,
        }
    }

    /// Serves until the end. `ready` is called with the socket's path as soon as requests are answered.
    pub fn run<H: Handler>(
        self,
        socket: Socket,
        handler: impl FnOnce(Options, &Path) -> H + Send,
        ready: impl FnOnce(&Path) -> io::Result<()> + Send,
    ) -> Result<(), StartError> {
        let Self { options, pid_file, linked, without_effect, remarks } = self;
        let Socket { listener, claim, parent } = socket;
        logging::start(&options);
        // Whoever ends the agent looks at its name; started as `/proc/self/exe` it would have another one.
        let _ = set_name(c"oidc-agent");
        harden::apply();
        confine::apply(options.seccomp);
        umask(Mode::RWXG | Mode::RWXO);
        for reason in without_effect {
            info!("{reason}");
        }
        for remark in remarks {
            warn!("{remark}");
        }
        let ends_with_terminal = options.console && has_terminal();
        let address = listener.local_addr().map_err(StartError::system("use the socket"))?;
        let path = address.as_pathname().unwrap_or(Path::new(""));
        let entrance = match entrance(listener, claim.is_some(), options.group.as_deref()) {
            Ok(entrance) => entrance,
            Err(error) => {
                if let Some(claim) = claim {
                    claim.give_up();
                }
                return Err(error);
            }
        };
        let links = if linked { default_place::link(path) } else { Vec::new() };
        let pid_file =
            pid_file.map(PidFile::write).transpose().map_err(StartError::system("write the pid file"));
        let served = pid_file.and_then(|pid_file| {
            let surroundings = Surroundings { entrance, claim: claim.as_ref(), parent, ends_with_terminal };
            let served = run(surroundings, || handler(options, path), || ready(path));
            drop(pid_file);
            served.map_err(StartError::system("serve"))
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
