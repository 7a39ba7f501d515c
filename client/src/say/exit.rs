//! Exit codes: documented, stable, decided in one table.

use std::{fmt::Write, process::ExitCode};

use oidc_proto::error_code::ErrorCode;

macro_rules! exits {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $meaning:literal;)*) => {
        /// How a command of `oidc` ends. Under the C suite's names every failure but [`Exit::Usage`] is 1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Exit {
            $($(#[$doc])* $variant = $code,)*
        }

        const MEANINGS: &[(Exit, &str)] = &[$((Exit::$variant, $meaning),)*];
    };
}

exits! {
    /// Done.
    Success = 0, "success";
    /// Anything without a code of its own.
    Failure = 1, "any other failure";
    /// No agent answers, and none was started.
    NoAgent = 2, "no agent answers";
    /// Neither loaded nor on disk, or the name is none.
    UnknownAccount = 3, "no such account";
    /// Nothing loaded the account.
    NotLoaded = 4, "the account is not loaded and could not be loaded";
    /// The agent is locked.
    Locked = 5, "the agent is locked";
    /// Wrong password, or the named source of it cannot be read.
    Password = 6, "wrong password, or none to be had from where an option says";
    /// Only a new login helps.
    LoginNeeded = 7, "the login has expired: a new one is needed";
    /// Trying again later may help.
    ProviderUnavailable = 8, "the provider does not answer (try again later)";
    /// The provider said no.
    ProviderRefused = 9, "the provider refused";
    /// The person said no, went away, or could not be asked.
    Refused = 10, "the person refused, cancelled, or could not be asked";
    /// `--strict`: the token is not what was asked for.
    NotGranted = 11, "--strict: the token lacks what was asked for";
    /// An account file is damaged, unreadable or cannot be written.
    File = 12, "a file is damaged, unreadable or cannot be written";
    /// `inspect`: its time is over.
    TokenExpired = 14, "inspect: the token has expired";
    /// `inspect`: nobody who may has signed it.
    BadSignature = 15, "inspect: the token's signature is wrong, or none that proves anything";
    /// `inspect`: its time has not come.
    TokenNotYetValid = 16, "inspect: the token is not valid yet";
    /// `inspect`: there is none.
    NoToken = 17, "inspect: there is no token";
    /// `inspect`: for another reason, such as its audience. `helper`: a service refuses it.
    TokenRefused = 18, "inspect: the token has to be refused for another reason; helper: a service refuses it";
    /// `oidc doctor`: nothing stands in the way, and something may soon.
    Warnings = 19, "doctor: there are warnings, and no problems";
    /// `oidc doctor`: something has to be mended.
    Problems = 20, "doctor: there are problems";
    /// `oidc files`: readers may soon be without a good token.
    FilesAttention = 21, "files: an entry is stale, waits for its first token, or nobody keeps it fresh";
    /// `oidc files`: readers are without one, or will be.
    FilesFailed = 22, "files: an entry has expired, needs a login, or is refused";
    /// The command line cannot be understood (`EX_USAGE`).
    Usage = 64, "wrong options or arguments";
    /// `oidc exec`: the command is there and cannot be run, as a shell says it.
    CannotRun = 126, "exec: the command cannot be run";
    /// `oidc exec`: there is no such command, as a shell says it.
    NoCommand = 127, "exec: there is no such command";
    /// Ctrl-C at a prompt.
    Interrupted = 130, "interrupted at a prompt";
}

impl From<ErrorCode> for Exit {
    fn from(code: ErrorCode) -> Self {
        use ErrorCode as Code;
        match code {
            Code::AccountNotFound => Self::UnknownAccount,
            Code::AccountNotLoaded => Self::NotLoaded,
            Code::AgentLocked => Self::Locked,
            Code::WrongPassword => Self::Password,
            Code::LoginNeeded | Code::NoRefreshToken => Self::LoginNeeded,
            Code::ProviderUnreachable
            | Code::ProviderTimeout
            | Code::StsUnavailable
            | Code::TooManyRequests => Self::ProviderUnavailable,
            Code::InvalidClient
            | Code::InvalidScope
            | Code::ProviderRefused
            | Code::ProviderTls
            | Code::ProviderBadResponse
            | Code::ProviderMismatch
            | Code::NotSupportedByProvider
            | Code::StsRefused
            | Code::RegistrationClosed
            | Code::RegistrationTokenNeeded => Self::ProviderRefused,
            Code::OperationForbidden | Code::PromptCancelled | Code::PromptUnavailable => Self::Refused,
            Code::WriteFailed => Self::File,
            Code::FilesConfiguration => Self::Problems,
            Code::FileNotReady => Self::FilesAttention,
            Code::TokenRefused => Self::TokenRefused,
            _ => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// How the codes differ under the C suite's names.
pub const C_SUITE_REMARK: &str =
    "Under the C suite's names (oidc-add, oidc-token, ...): 0, 64, and 1 for every other failure.";

/// Each code with what it means.
pub fn meanings() -> impl Iterator<Item = (u8, &'static str)> {
    MEANINGS.iter().map(|(exit, meaning)| (*exit as u8, *meaning))
}

#[cfg(test)]
impl Exit {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        MEANINGS.iter().map(|(exit, _)| *exit)
    }
}

/// The codes as a text for people.
pub fn table() -> String {
    let mut text = String::from("Exit status of every `oidc` command:\n");
    for (code, meaning) in meanings() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{code:>5}  {meaning}");
    }
    text.push_str("\n\n");
    text.push_str(C_SUITE_REMARK);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_do_not_change() {
        let codes: Vec<u8> = MEANINGS.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(
            codes,
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 64, 126, 127, 130]
        );
    }

    #[test]
    fn a_retry_can_be_told_from_a_new_login() {
        assert_eq!(Exit::from(ErrorCode::ProviderTimeout), Exit::ProviderUnavailable);
        assert_eq!(Exit::from(ErrorCode::LoginNeeded), Exit::LoginNeeded);
        assert_eq!(Exit::from(ErrorCode::Other), Exit::Failure);
    }

    #[test]
    fn the_table_lists_every_code() {
        assert_eq!(table().lines().filter(|line| line.starts_with("  ")).count(), MEANINGS.len());
    }
}
