//! From the command line to an agent: which of its tasks the program was called for, and its exit code.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use oidc_proto::{environment, home::Home};
use rustix::process::{Pid, getppid};

use crate::{
    announce::{self, Dialect},
    cli::{self, Cli},
    config::{Config, ConfigError},
    daemonize, harden, kill, man_page,
    options::Options,
    output,
    serve::{self, Service},
    server::{
        Handler, activation,
        bind::{BindError, Bound},
        group,
        place::{Place, PlaceError},
        service,
    },
    status,
};

/// Exit code of a usage error, as of GNU argp in the C suite (`EX_USAGE`).
const USAGE: u8 = 64;
/// Exit code when an agent serves the socket already: whoever only wanted one to be there can go on.
const ALREADY_RUNNING: u8 = 3;
/// Exit code when the command cannot be run, as in the C suite.
const NO_COMMAND: u8 = 255;

/// Why there is no agent. The text goes to the person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The `config` file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The socket's place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// `--with-group`; the C suite's words.
    #[error("Group does not exist")]
    UnknownGroup,
    /// The system refused something.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon ended with this code. It has said why, on the same standard error.
    #[error("the agent ended before it was ready")]
    Daemon(u8),
    /// The command cannot be run.
    #[error("cannot run '{}': {source}", command.to_string_lossy())]
    Command {
        /// Its name.
        command: OsString,
        /// What the system said.
        source: io::Error,
    },
}

impl StartError {
    /// For `map_err`: what was tried.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Bind(BindError::AlreadyRunning(_)) => ALREADY_RUNNING,
            Self::Daemon(code) => *code,
            Self::Command { .. } => NO_COMMAND,
            _ => 1,
        }
    }
}

/// The whole program. `handler` makes what answers the requests at a socket.
pub fn main<H: Handler>(
    args: impl IntoIterator<Item = OsString>,
    handler: impl FnOnce(Options, &Path) -> H,
) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            output::message(&cli::complaint(&error));
            return ExitCode::from(USAGE);
        }
        Err(help) => {
            output::result(&help.to_string());
            return ExitCode::SUCCESS;
        }
    };
    if cli.usage {
        output::result(&format!("{}\n", Cli::command().render_usage()));
        return ExitCode::SUCCESS;
    }
    if cli.man_page {
        return man_page::print();
    }
    if cli.kill {
        return kill::run(dialect(&cli), cli.quiet);
    }
    if cli.status {
        return status::run(cli.json);
    }
    match start(&cli, &args, handler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, StartError::Daemon(_)) {
                output::message(&format!("Error: {error}"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn start<H: Handler>(
    cli: &Cli,
    args: &[OsString],
    handler: impl FnOnce(Options, &Path) -> H,
) -> Result<(), StartError> {
    if cli.inherited {
        harden::close_inherited();
    }
    // A command is given the whole environment; its agent is a process of its own.
    if cli.command.is_empty() && environment::holds_secrets() {
        let source = daemonize::restart_without_secrets(args);
        return Err(StartError::System { action: "start without passwords in the environment", source });
    }
    let config = Config::read(Home::find().ok().as_ref().map(Home::path))?;
    let service = Service::new(cli, cli.options(config.options));
    if cli.inherited {
        return daemonize::serve(service, handler);
    }
    let passed = activation::take().map_err(StartError::system("use the socket that was passed"))?;
    if let Some(listener) = passed {
        return service.run(serve::Socket::passed(listener), handler, |_| Ok(()));
    }
    let bound = bind(cli, config.socket_path, service.options.group.as_deref())?;
    if let Some((command, arguments)) = cli.command.split_first() {
        return daemonize::run_beside(&bound, &args[..args.len() - cli.command.len()], command, arguments);
    }
    let announce =
        |socket: &Path, pid| output::result(&announce::started(dialect(cli), cli.quiet, socket, pid));
    if service.options.console {
        return service.run(serve::Socket::bound(bound), handler, |socket| {
            announce(socket, std::process::id());
            Ok(())
        });
    }
    let daemon = daemonize::start(&bound, args, None)?;
    announce(&bound.claim.place.socket, daemon);
    Ok(())
}

fn bind(cli: &Cli, configured: Option<PathBuf>, group: Option<&str>) -> Result<Bound, StartError> {
    let group = group.map(|name| group::find(name).ok_or(StartError::UnknownGroup)).transpose()?;
    if cli.service {
        return Ok(service::bind(group)?);
    }
    let requested = cli.socket_path.clone().or(configured);
    let parent = getppid().map_or(0, |parent| Pid::as_raw_nonzero(parent).get().unsigned_abs());
    Ok(Bound::new(Place::prepare(requested.as_deref(), parent)?, group)?)
}

fn dialect(cli: &Cli) -> Dialect {
    match cli {
        Cli { csh: true, .. } => Dialect::Csh,
        Cli { fish: true, .. } => Dialect::Fish,
        Cli { json: true, .. } => Dialect::Json,
        _ => Dialect::Bourne,
    }
}
