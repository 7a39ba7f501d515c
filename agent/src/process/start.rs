//! From the command line to an agent: which of its tasks the program was called for, and its exit code.

use std::{
    ffi::OsString,
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use oidc_proto::{config::Config, environment, home::Home, json::Object};
use rustix::process::{Pid, getppid};

use super::{
    announce::{self, Dialect},
    daemonize, kill,
    serve::{self, Service},
    start_error::StartError,
    status,
    succession::{rehearsal, take_over},
};
use crate::{
    handed_on::Unreadable,
    hardening::harden,
    output,
    server::{activation, bind::Bound, default_place, group, handler::Handler, place::Place},
    settings::{
        cli::{self, Cli, Inherited},
        config, man_page,
        options::Options,
    },
};

/// Exit code of a usage error, as of GNU argp in the C suite (`EX_USAGE`).
const USAGE: u8 = 64;

/// The whole program. `handler` makes what answers the requests at a socket.
pub fn main<H: Handler>(
    args: impl IntoIterator<Item = OsString>,
    handler: impl FnOnce(Options, &Path, Option<Object>) -> Result<H, Unreadable> + Send,
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
    if cli.inherited == Some(Inherited::Rehearsal) {
        return rehearse(&cli, handler);
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
    handler: impl FnOnce(Options, &Path, Option<Object>) -> Result<H, Unreadable> + Send,
) -> Result<(), StartError> {
    if cli.inherited == Some(Inherited::Socket) {
        harden::close_inherited();
    }
    if cli.inherited == Some(Inherited::Everything) {
        let inheritance = take_over::receive(args, configured(cli).0);
        let inheritance =
            inheritance.map_err(StartError::system("go on where another version has left off"))?;
        let (service, socket) = Service::going_on(args, inheritance);
        return service.run(socket, handler, |_| Ok(()));
    }
    // A command is given the whole environment; its agent is a process of its own.
    if cli.command.is_empty() && environment::holds_secrets() {
        let source = daemonize::restart_without_secrets(args);
        return Err(StartError::System { action: "start without passwords in the environment", source });
    }
    let config = Config::load(Home::find().ok().as_ref().map(Home::path));
    let (options, remarks) = options(cli, &config);
    let service = Service::new(cli, args, options, remarks);
    if cli.inherited.is_some() {
        return daemonize::serve(service, handler);
    }
    let passed = activation::take().map_err(StartError::system("use the socket that was passed"))?;
    if let Some(listener) = passed {
        return service.run(serve::Socket::passed(listener), handler, |_| Ok(()));
    }
    let bound = bind(cli, config::socket_path(&config), service.options.group.as_deref())?;
    if let Some((command, arguments)) = cli.command.split_first() {
        return daemonize::run_beside(&bound, &args[..args.len() - cli.command.len()], command, arguments);
    }
    let told = |socket: &Path, pid| announce::started(dialect(cli), cli.quiet, socket, pid);
    if service.options.console {
        return service.run(serve::Socket::bound(bound), handler, |socket| {
            output::result(&told(socket, std::process::id()));
            Ok(())
        });
    }
    let is_known = cli.service || cli.socket_path.is_some() || config::socket_path(&config).is_some();
    let daemon = daemonize::start(&bound, args)?;
    match output::needed_result(&told(&bound.claim.place.socket, daemon)) {
        // At a random place nobody would ever find it.
        Err(source) if !is_known => {
            daemonize::end(daemon);
            Err(StartError::System { action: "tell where the agent listens, so that it was ended", source })
        }
        _ => Ok(()),
    }
}

/// This process says whether it could take over from another version.
fn rehearse<H: Handler>(
    cli: &Cli,
    handler: impl FnOnce(Options, &Path, Option<Object>) -> Result<H, Unreadable>,
) -> ExitCode {
    match io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) {
        Ok(channel) => rehearsal::perform(&channel, configured(cli).0, handler),
        Err(error) => {
            output::message(&format!("Error: cannot use standard input: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// As [`options`], of the configuration as it is now.
fn configured(cli: &Cli) -> (Options, Vec<String>) {
    options(cli, &Config::load(Home::find().ok().as_ref().map(Home::path)))
}

/// The options, and what of the configuration is not as whoever wrote it meant it. That stops no agent.
fn options(cli: &Cli, config: &Config) -> (Options, Vec<String>) {
    let mut remarks: Vec<_> = config.problems_of(config::SECTION).map(ToString::to_string).collect();
    let mut defaults = config::options(config);
    let is_unknown = |name: &String| cli.with_group.is_none() && group::find(name).is_none();
    if let Some(name) = defaults.group.take_if(|name| is_unknown(name)) {
        remarks
            .push(format!("the group '{name}' of the configuration does not exist; nobody else is let in"));
    }
    (cli.options(defaults), remarks)
}

fn bind(cli: &Cli, configured: Option<PathBuf>, group: Option<&str>) -> Result<Bound, StartError> {
    let group = group.map(|name| group::find(name).ok_or(StartError::UnknownGroup)).transpose()?;
    if cli.service {
        return Ok(default_place::bind(group)?);
    }
    let requested = cli.socket_path.clone().or(configured);
    let parent = getppid().map_or(0, |parent| Pid::as_raw_nonzero(parent).get().unsigned_abs());
    Ok(Bound::at(|| Place::prepare(requested.as_deref(), parent), group)?)
}

fn dialect(cli: &Cli) -> Dialect {
    match cli {
        Cli { csh: true, .. } => Dialect::Csh,
        Cli { fish: true, .. } => Dialect::Fish,
        Cli { json: true, .. } => Dialect::Json,
        _ => Dialect::Bourne,
    }
}
