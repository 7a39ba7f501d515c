//! Why no other version took over. Whatever it is, the one that was asked goes on.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use oidc_proto::{error_code::ErrorCode, message::Failure};

use super::program_file::ProgramError;

/// Why no other version took over.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Its file.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It did not even begin.
    #[error("'{}' cannot be started: {source}", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended without an answer, as everything does that is no agent which knows how to take over.
    #[error("'{}' is no agent that could take over: it ended with {status} and no answer", program.display())]
    NoAnswer {
        /// Which.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// It answered something else.
    #[error("'{}' is no agent that could take over: its answer is none", .0.display())]
    Nonsense(PathBuf),
    /// It takes too long.
    #[error("'{}' did not say within {} seconds whether it could take over", program.display(), patience.as_secs())]
    Silence {
        /// Which.
        program: PathBuf,
        /// For how long it was waited for.
        patience: Duration,
    },
    /// It says itself that it cannot, and why.
    #[error("version {version} cannot take over: {reason}")]
    Declined {
        /// Its version.
        version: String,
        /// In its words.
        reason: String,
    },
    /// It would keep less than there is.
    #[error("version {version} would not keep every account: {missing} would be lost")]
    Loses {
        /// Its version.
        version: String,
        /// Of the accounts, the first one.
        missing: String,
    },
    /// Something cannot be interrupted.
    #[error("this cannot be interrupted, and has not ended within {} seconds: {what}", patience.as_secs())]
    Busy {
        /// What.
        what: String,
        /// For how long it was waited for.
        patience: Duration,
    },
    /// The agent ends.
    #[error("the agent ends")]
    Ending,
    /// The system refused something.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Refusal {
    /// For `map_err`: what was tried.
    pub fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// The reply to whoever asked. `version` is the one that goes on.
    pub fn to_failure(&self, version: &str) -> Failure {
        let (code, help) = match self {
            Self::Busy { .. } => (ErrorCode::UpgradeBusy, " Try again when that is over."),
            _ => (ErrorCode::UpgradeRefused, ""),
        };
        Failure::new(code, self.to_string())
            .with_info(format!("Nothing was changed: version {version} of the agent goes on.{help}"))
    }
}
