//! The whole command tree, for help, man pages and completions; never built to run a command.

use clap::Command;

use super::table::{Group, Table};

/// `oidc` with every command below it.
pub fn oidc<C>(table: &Table<C>) -> Command {
    let subcommands = table.commands.iter().map(|entry| entry.command().hide(!entry.is_visible));
    Command::new("oidc")
        .about("OpenID Connect on the command line: accounts in an agent, access tokens out of it")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(subcommands)
        .subcommands(table.groups.iter().map(Group::command))
        .after_help(
            "`oidc help COMMAND` tells more, `oidc help exit-codes` what an exit status means, `oidc help environment` \
             which variables are read.\n\n\
             First steps: `oidc list`, `oidc add ACCOUNT`, `oidc token ACCOUNT`. \
             Forgotten password: `oidc reset ACCOUNT`. Something does not work: `oidc doctor`.",
        )
}

/// The C suite's tools as commands of their own.
pub fn c_suite<C>(table: &Table<C>) -> impl Iterator<Item = Command> {
    table.c_suite.iter().map(|entry| entry.command().bin_name(entry.name).hide(!entry.is_visible))
}

/// `oidc`, and the C suite's names, as people type them.
pub fn programs<C>(table: &Table<C>) -> Vec<Command> {
    std::iter::once(oidc(table)).chain(c_suite(table)).collect()
}

/// The help of `oidc` itself.
pub fn help<C>(table: &Table<C>) -> String {
    help_of(&mut oidc(table))
}

/// A command's help, without the blank line that would follow it.
pub fn help_of(command: &mut Command) -> String {
    command.render_help().to_string().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::environment, command::TABLE, say::exit};

    /// Where it is wrapped does not depend on the terminal of whoever runs the tests.
    fn shown(command: Command) -> String {
        help_of(&mut command.term_width(100))
    }

    #[test]
    fn every_help_is_as_it_was_read_last() {
        insta::assert_snapshot!("oidc", shown(oidc(&TABLE)));
        for entry in TABLE.commands.iter().filter(|entry| entry.is_visible) {
            insta::assert_snapshot!(format!("oidc_{}", entry.name), shown(entry.command()));
        }
        for group in TABLE.groups {
            insta::assert_snapshot!(format!("oidc_{}", group.name), shown(group.command()));
            for entry in group.commands.iter().filter(|entry| entry.is_visible) {
                let command = entry.command().bin_name(format!("oidc {} {}", group.name, entry.name));
                insta::assert_snapshot!(format!("oidc_{}_{}", group.name, entry.name), shown(command));
            }
        }
        for command in c_suite(&TABLE) {
            insta::assert_snapshot!(command.get_name().to_owned(), shown(command));
        }
        insta::assert_snapshot!("exit-codes", exit::table());
        insta::assert_snapshot!("environment", environment::table());
    }
}
