//! The whole command tree, for help, man pages and completions; never built to run a command.

use clap::{Arg, ArgAction, Command};

use super::{C_SUITE, ENTRIES};

/// Adds what each command takes in the C suite's spelling: `-?`, `-h`, `--help`, `--usage`, `-V`, `--version`.
pub fn with_standard_options(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).action(ArgAction::SetTrue).help_heading("Help")
    };
    command
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .args([
            flag("help", "Show this help").short('?').short_alias('h'),
            flag("usage", "Show the usage line"),
            flag("version", "Show the version").short('V'),
        ])
}

/// `oidc` with every command below it.
pub fn oidc() -> Command {
    let subcommands = ENTRIES.iter().map(|entry| entry.command().hide(!entry.visible));
    Command::new("oidc")
        .about("OpenID Connect on the command line: accounts in an agent, access tokens out of it")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(subcommands)
        .after_help(
            "`oidc help COMMAND` tells more, `oidc help exit-codes` what an exit status means, `oidc help environment` \
             which variables are read.\n\n\
             First steps: `oidc list`, `oidc add ACCOUNT`, `oidc token ACCOUNT`. \
             Forgotten password: `oidc reset ACCOUNT`.",
        )
}

/// The C suite's tools as commands of their own.
pub fn c_suite() -> impl Iterator<Item = Command> {
    C_SUITE.iter().map(|entry| entry.command().bin_name(entry.name))
}

/// The help of `oidc` itself.
pub fn help() -> String {
    help_of(&mut oidc())
}

/// A command's help, without the blank line that would follow it.
pub fn help_of(command: &mut Command) -> String {
    command.render_help().to_string().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it is wrapped does not depend on the terminal of whoever runs the tests.
    fn shown(command: Command) -> String {
        help_of(&mut command.term_width(100))
    }

    #[test]
    fn every_help_is_as_it_was_read_last() {
        insta::assert_snapshot!("oidc", shown(oidc()));
        for entry in ENTRIES.iter().filter(|entry| entry.visible) {
            insta::assert_snapshot!(format!("oidc_{}", entry.name), shown(entry.command()));
        }
        for command in c_suite() {
            insta::assert_snapshot!(command.get_name().to_owned(), shown(command));
        }
        insta::assert_snapshot!("exit-codes", crate::exit::table());
        insta::assert_snapshot!("environment", crate::cli::environment::table());
    }
}
