//! The command line of `oidc-agent`: the options of the C suite's releases 4.2.6 and 5.3.3 and a few of ours.
//!
//! GNU conventions as far as users rely on them: long options may be abbreviated, `-?` is help, a usage error ends
//! with 64. Options after COMMAND belong to the command.

#![allow(clippy::doc_markdown, reason = "the comments are the help text")]

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    ArgAction, Parser, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};
use oidc_proto::timespan::seconds_or_leading_digits;

use super::options::Options;

/// Keeps OpenID Connect accounts unlocked in memory and hands out access tokens on a UNIX socket.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "oidc-agent",
    version,
    infer_long_args = true,
    disable_help_flag = true,
    override_usage = "oidc-agent [OPTION...] [COMMAND [ARG...]]",
    after_help = "Without COMMAND the agent becomes a daemon; use it as: eval \"$(oidc-agent)\"\n\
                  With COMMAND the agent lives as long as the command."
)]
pub struct Cli {
    /// End the agent whose process id is in OIDCD_PID, and nothing that is no agent of this user.
    #[arg(short = 'k', long)]
    pub kill: bool,
    /// Ask the running agent how it was started and what it holds.
    #[arg(long, conflicts_with = "kill")]
    pub status: bool,

    /// Unload accounts after TIME seconds (also 30m, 8h), unless told otherwise when one is loaded; 0 is for ever.
    #[arg(short = 't', long, value_name = "TIME", allow_negative_numbers = true, value_parser = seconds_or_leading_digits)]
    pub lifetime: Option<u64>,
    /// Ask before every use of an account.
    #[arg(short = 'c', long)]
    pub confirm: bool,
    /// A token request never loads an account.
    #[arg(long)]
    pub no_autoload: bool,
    /// Never offer a new login where a refresh token is refused, whatever the configuration says.
    #[arg(long, alias = "no-auto-reauthenticate")]
    pub no_autoreauthenticate: bool,
    /// Never start a loopback web server for a login.
    #[arg(long)]
    pub no_webserver: bool,
    /// Never use a redirect with the custom scheme.
    #[arg(long)]
    pub no_scheme: bool,
    /// Hand out ID tokens without asking.
    #[arg(long)]
    pub always_allow_idtoken: bool,

    /// Where to put the socket. A trailing slash means a directory; XXXXXX at the end of a directory's name is
    /// replaced by random characters.
    #[arg(short = 'a', long, value_name = "PATH", aliases = ["bind-address", "bind_address"], conflicts_with = "service")]
    pub socket_path: Option<PathBuf>,
    /// Serve at the first usable place where clients look when OIDC_SOCK is not set.
    #[arg(long)]
    pub service: bool,
    /// Let members of GROUP use the agent.
    #[arg(long, value_name = "GROUP", num_args = 0..=1, require_equals = true, default_missing_value = "oidc-agent")]
    pub with_group: Option<String>,
    /// Write the agent's process id to PATH.
    #[arg(long, value_name = "PATH")]
    pub pid_file: Option<PathBuf>,

    /// Print the environment for csh.
    #[arg(long, group = "shell")]
    pub csh: bool,
    /// Print the environment for fish.
    #[arg(long, group = "shell")]
    pub fish: bool,
    /// Print JSON.
    #[arg(long, group = "shell")]
    pub json: bool,
    /// Print the variables only.
    #[arg(long)]
    pub quiet: bool,

    /// Stay in the foreground.
    #[arg(short = 'd', long)]
    pub console: bool,
    /// Log more.
    #[arg(short = 'g', long)]
    pub debug: bool,
    /// Let the daemon log to standard error.
    #[arg(long)]
    pub log_stderr: bool,
    /// Refuse system calls such as ptrace to the agent and to the programs that it starts (pinentry, gpg, password
    /// commands), which then cannot gain privileges by setuid or setgid either.
    #[arg(long)]
    pub seccomp: bool,

    /// Accepted for compatibility; passwords are never kept, write-back does not need them.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "0", hide = true)]
    pub pw_store: Option<String>,
    /// Accepted for compatibility; `oidc agent upgrade` has a new version go on with what is loaded.
    #[arg(long, hide = true)]
    pub restart_on_update: bool,

    /// Print a short usage message.
    #[arg(long)]
    pub usage: bool,
    /// Print this help.
    #[arg(short = '?', short_alias = 'h', long, action = ArgAction::HelpShort)]
    help: Option<bool>,

    /// Print the manual page, for packagers.
    #[arg(long, hide = true)]
    pub man_page: bool,

    /// This process was started by another one of ours, which hands over what this one needs on standard input.
    #[arg(long, hide = true, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "socket")]
    pub inherited: Option<Inherited>,

    /// Run COMMAND with OIDC_SOCK and OIDCD_PID set; the agent ends after it.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// What is handed over on standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Inherited {
    /// A socket: this is the daemon.
    Socket,
    /// A copy of all that an agent holds: this process says whether it could go on with it.
    Rehearsal,
    /// All that an agent holds: this process was that agent, and goes on.
    Everything,
}

/// What is wrong with a command line, in one line and a hint, as the C suite's tools put it.
pub fn complaint(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let what = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(option))) => {
            format!("unrecognized option '{option}'")
        }
        _ => first.to_owned(),
    };
    format!("oidc-agent: {what}\nTry `oidc-agent --help' or `oidc-agent --usage' for more information.")
}

impl Cli {
    /// Lays the command line over the defaults, which come from the `config` file.
    pub fn options(&self, defaults: Options) -> Options {
        Options {
            lifetime: match self.lifetime {
                Some(seconds) => (seconds > 0).then(|| Duration::from_secs(seconds)),
                None => defaults.lifetime,
            },
            confirm: self.confirm || defaults.confirm,
            autoload: !self.no_autoload && defaults.autoload,
            auto_reauthenticate: if self.no_autoreauthenticate {
                Some(false)
            } else {
                defaults.auto_reauthenticate
            },
            webserver: !self.no_webserver && defaults.webserver,
            custom_scheme: !self.no_scheme && defaults.custom_scheme,
            always_allow_id_token: self.always_allow_idtoken || defaults.always_allow_id_token,
            warn_before: defaults.warn_before,
            group: self.with_group.clone().or(defaults.group),
            cert_path: defaults.cert_path,
            debug: self.debug || defaults.debug,
            console: self.console || defaults.console,
            log_stderr: self.log_stderr || defaults.log_stderr,
            seccomp: self.seccomp,
        }
    }

    /// The options that are taken but do nothing, with the reason: for the log.
    pub fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.pw_store.is_some(), "--pw-store has no effect: passwords are never kept nor needed"),
            (self.restart_on_update, "--restart-on-update has no effect: `oidc agent upgrade` has a new version go on with what is loaded"),
        ]
        .into_iter()
        .filter_map(|(given, reason)| given.then_some(reason))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(args: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once(&"oidc-agent").chain(args)).expect("valid options")
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_spelling_of_both_releases_is_taken() {
        for line in [
            "-k",
            "--kill",
            "-t 60",
            "-t60",
            "--lifetime=60",
            "--no-autoload",
            "--no-autoreauthenticate",
            "--no-auto-reauthenticate",
            "-c",
            "--confirm",
            "--no-webserver",
            "--no-scheme",
            "--with-group",
            "--with-group=staff",
            "--socket-path=/x/",
            "--bind-address=/x/",
            "--bind_address=/x/",
            "-a /x/",
            "--always-allow-idtoken",
            "--json",
            "--quiet",
            "--pw-store",
            "--pw-store=60",
            "--seccomp",
            "--restart-on-update",
            "--pid-file /x",
            "-g",
            "--debug",
            "-d",
            "--console",
            "--log-stderr",
            "--status --json",
            "--no-autol",
        ] {
            parse(&line.split(' ').collect::<Vec<_>>());
        }
    }

    #[test]
    fn options_after_the_command_are_the_commands() {
        let cli = parse(&["--quiet", "sh", "-c", "exit 3"]);
        assert!(!cli.confirm);
        assert_eq!(cli.command, ["sh", "-c", "exit 3"]);
        assert_eq!(parse(&["-d", "--", "-x", "y"]).command, ["-x", "y"]);
    }

    #[test]
    fn an_option_argument_is_not_a_command() {
        let cli = parse(&["--with-group", "ls"]);
        assert_eq!(cli.with_group.as_deref(), Some("oidc-agent"));
        assert_eq!(cli.command, ["ls"]);
    }

    #[test]
    fn the_command_line_wins_over_defaults() {
        let defaults =
            Options { lifetime: Some(Duration::from_secs(5)), autoload: false, ..Options::default() };
        let options = parse(&["-t", "0", "--no-webserver"]).options(defaults.clone());
        assert_eq!(options.lifetime, None);
        assert!(!options.autoload);
        assert!(!options.webserver);
        assert_eq!(parse(&[]).options(defaults.clone()), defaults);
    }

    #[test]
    fn logins_are_offered_only_where_a_file_says_so_and_no_option_forbids_it() {
        let in_file = Options { auto_reauthenticate: Some(true), ..Options::default() };
        let forbidden = ["--no-autoreauthenticate"];
        for (args, defaults, offers, repeated) in [
            (&[][..], Options::default(), false, ""),
            (&[], in_file.clone(), true, ""),
            (&forbidden, in_file, false, "--no-autoreauthenticate"),
            (&forbidden, Options::default(), false, "--no-autoreauthenticate"),
        ] {
            let options = parse(args).options(defaults);
            assert_eq!((options.offers_logins(), options.command_line().as_str()), (offers, repeated));
        }
    }

    #[test]
    fn a_number_is_read_as_the_c_suite_reads_it() {
        for (text, seconds) in [("10x", 10), ("1.5", 1), ("30m", 1800)] {
            let options = parse(&["-t", text]).options(Options::default());
            assert_eq!(options.lifetime, Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for args in [&["--nonsense"][..], &["-t", "x"], &["-t", "-1"], &["--csh", "--fish"]] {
            assert!(Cli::try_parse_from(std::iter::once(&"oidc-agent").chain(args)).is_err(), "{args:?}");
        }
    }

    #[test]
    fn complains_in_one_line_and_a_hint() {
        for (args, expected) in [
            (&["--nope"][..], "oidc-agent: unrecognized option '--nope'"),
            (&["-Z"], "oidc-agent: unrecognized option '-Z'"),
            (
                &["-t", "x"],
                "oidc-agent: invalid value 'x' for '--lifetime <TIME>': not a number of seconds, nor one with a unit \
                 such as 30m, 8h or 2d",
            ),
        ] {
            let error =
                Cli::try_parse_from(std::iter::once(&"oidc-agent").chain(args)).expect_err("nonsense");
            let complaint = complaint(&error);
            let lines: Vec<_> = complaint.lines().collect();
            assert_eq!((lines.len(), lines[0]), (2, expected));
        }
    }
}
