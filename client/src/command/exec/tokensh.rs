//! `oidc-tokensh`: the C suite's name, options and file for what `oidc exec` does.

use std::{env, ffi::OsString, path::PathBuf};

use clap::Parser;
use oidc_proto::{timespan::seconds, token::discovery};

use super::arguments::{ExecArgs, Manner};
use crate::cli::options::Common;

/// Run a command, or your shell, with a token file that stays fresh
#[derive(Debug, Clone, Default, Parser)]
#[command(
    override_usage = "oidc-tokensh [OPTIONS] [-- COMMAND [ARGUMENT]...]",
    after_help = "\
The file is FILE, or what BEARER_TOKEN_FILE names, or bt_uUID in XDG_RUNTIME_DIR or /tmp; BEARER_TOKEN_FILE names it to the \
command, and it is removed at the end. `oidc exec` does the same with a file of its own for each command.

Exit status: the command's; 126 it cannot be run, 127 there is no such command; others in `oidc help exit-codes`."
)]
pub struct TokenshArgs {
    /// The account's short name, or an issuer URL; needed if there are several accounts
    #[arg(long, value_name = "NAME|URL")]
    pub oidc: Option<String>,

    /// For how many seconds the token in the file is to be valid at any time
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub minsecs: u64,

    /// Where the file is to be
    #[arg(short, long, value_name = "FILE")]
    pub outfile: Option<PathBuf>,

    /// Say what happens, in FILE.log as long as the command runs
    #[arg(short, long)]
    pub verbose: bool,

    /// The command with its arguments
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub common: Common,
}

impl From<TokenshArgs> for ExecArgs {
    fn from(args: TokenshArgs) -> Self {
        Self {
            account: args.oidc,
            command: args.command,
            min_lifetime: args.minsecs,
            outfile: Some(args.outfile.unwrap_or_else(|| usual_file(|name| env::var_os(name)))),
            verbose: args.verbose,
            manner: Manner::Tokensh,
            common: args.common,
            ..Self::default()
        }
    }
}

/// Where the file is if no option says it.
fn usual_file(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let name = discovery::file_name(rustix::process::geteuid().as_raw());
    set("BEARER_TOKEN_FILE")
        .unwrap_or_else(|| set("XDG_RUNTIME_DIR").unwrap_or_else(|| PathBuf::from("/tmp")).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_where_readers_look() {
        let name = format!("bt_u{}", rustix::process::geteuid().as_raw());
        for (set, expected) in [
            (&[("BEARER_TOKEN_FILE", "/x/y"), ("XDG_RUNTIME_DIR", "/r")][..], "/x/y".to_owned()),
            (&[("BEARER_TOKEN_FILE", ""), ("XDG_RUNTIME_DIR", "/r")], format!("/r/{name}")),
            (&[], format!("/tmp/{name}")),
        ] {
            let variable = |wanted: &str| {
                set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(usual_file(variable), PathBuf::from(expected));
        }
    }
}
