//! `oidc files wait`: until a file is fresh.

use std::time::{Duration, Instant};

use clap::Parser;
use oidc_proto::{
    error_code::ErrorCode,
    message::{Condition, FileState, FilesStatus, FilesWaitRequest, Request},
    timespan::seconds,
};

use super::{configuration, status};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
};

/// Wait until a managed file is fresh
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Ends at once where waiting does not help: when a login is needed, or the provider refuses. The exit status is that of \
`oidc files status`, but for a hook: one that fails is told, and what counts is the file.")]
pub struct WaitArgs {
    /// The entry
    #[arg(value_name = "NAME")]
    pub name: String,

    /// For how long, in seconds (also 30m, 8h)
    #[arg(short, long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub timeout: u64,

    #[command(flatten)]
    pub common: Common,
}

impl Command for WaitArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let status = until_fresh(&self.name, self.timeout, context)?;
        status::print(&status, context)
    }
}

/// The state of an entry once it is fresh, once waiting does not help any more, or after so many seconds.
pub fn until_fresh(name: &str, timeout: u64, context: &mut Context) -> Result<FilesStatus, Error> {
    let begun = Instant::now();
    let timeout = Duration::from_secs(timeout);
    loop {
        let left = timeout.saturating_sub(begun.elapsed()).as_secs();
        let seconds = left.min(FilesWaitRequest::LONGEST);
        let request = FilesWaitRequest { name: name.to_owned(), timeout: seconds };
        let error = match configuration::ask(&Request::FilesWait(request), context) {
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        match error.failure_code() {
            None | Some(ErrorCode::FileNotManaged | ErrorCode::AgentLocked) => return Err(error),
            Some(ErrorCode::FileNotReady) => {}
            Some(_) => return status::all(Some(name), context),
        }
        // What the agent says of the entry tells more than that it is not ready.
        let status = status::all(Some(name), context)?;
        let may_change = |entry: &FileState| {
            matches!(entry.state, Condition::Waiting | Condition::Stale | Condition::Expired)
        };
        if left <= seconds || !status.entries.iter().any(may_change) {
            return Ok(status);
        }
    }
}
