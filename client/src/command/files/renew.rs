//! `oidc files renew`: new tokens now.

use clap::Parser;
use oidc_proto::message::{FileState, Request};

use super::{configuration, show, status};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Get a new token for a managed file now, or for all
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Waits until the new tokens are there, for a minute at most. Where one does not come the exit status says why: 8 where the \
provider does not answer, 9 where it refuses; else it is that of `oidc files wait`. The token before stays.")]
pub struct RenewArgs {
    /// Only this entry
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub common: Common,
}

impl Command for RenewArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let reply = configuration::ask(&Request::FilesRenew { name: self.name.clone() }, context)?;
        match reply.entries.iter().find_map(failure) {
            Some(exit) => status::print_with(exit, &reply, context),
            None => status::print(&reply, context),
        }
    }
}

/// How the command ends where no new token came for an entry, or not to its place: also where the one before is fresh still.
fn failure(entry: &FileState) -> Option<Exit> {
    if let Some(problem) = &entry.problem {
        let exit = Exit::from(problem.error_code());
        // Only of this program's files; the state tells more.
        let by_state = match show::exit_of([entry]) {
            Exit::Success => Exit::FilesAttention,
            exit => exit,
        };
        return Some(if exit == Exit::Failure { by_state } else { exit });
    }
    if entry.write_problem.is_some() {
        return Some(Exit::File);
    }
    entry.busy.then_some(Exit::FilesAttention)
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::{Condition, FileProblem};

    use super::*;

    #[test]
    fn a_renewal_that_failed_is_no_success() {
        let problem = |code: &str| Some(FileProblem::new(code, "played", 0));
        let fresh = || FileState { state: Condition::Fresh, ..FileState::default() };
        for (entry, expected) in [
            (fresh(), None),
            (
                FileState { problem: problem("provider_unreachable"), ..fresh() },
                Some(Exit::ProviderUnavailable),
            ),
            (FileState { problem: problem("invalid_scope"), ..fresh() }, Some(Exit::ProviderRefused)),
            (FileState { problem: problem("not_a_code"), ..fresh() }, Some(Exit::FilesAttention)),
            (FileState { write_problem: problem("no_space"), ..fresh() }, Some(Exit::File)),
            (FileState { busy: true, ..fresh() }, Some(Exit::FilesAttention)),
        ] {
            assert_eq!(failure(&entry), expected, "{entry:?}");
        }
    }
}
