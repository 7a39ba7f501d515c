//! Why a command failed: one line for the person, a code for programs, an exit code, and what to do about it.

use std::io;

use oidc_proto::{
    error_code::ErrorCode,
    home::HomeError,
    message::Failure,
    rotation::RotationError,
    shell,
    shortname::{Shortname, ShortnameError},
    vault::{RecoveryKind, VaultError},
};

use crate::{
    account::{
        error::AccountError,
        issuer_url::is_issuer,
        password::{asker::AskError, error::PasswordError, pinentry::PinentryError},
    },
    agent::AgentError,
    cli::usage::UsageError,
    say::{exit::Exit, output::Report},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line makes no sense.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The agent said no.
    #[error("{}", failure_text(.0))]
    Failure(Box<Failure>),
    /// The agent said no because the account is not loaded, and this program could not load it either.
    #[error("{}", failure_text(.failure))]
    NotLoaded {
        /// What the agent said.
        failure: Box<Failure>,
        /// The account or issuer.
        account: String,
    },
    /// The agent could not be asked.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// What went wrong here, and the agent at `OIDC_REMOTE_SOCK` was no help.
    #[error("{error}")]
    NotThereEither {
        /// What went wrong here.
        error: Box<Error>,
        /// Why the other one gave nothing.
        reason: String,
    },
    /// What the agent answered is no answer to what was asked.
    #[error("the agent gave an unexpected answer to '{0}'")]
    UnexpectedReply(&'static str),
    /// Not a name an account can have.
    #[error(transparent)]
    Name(#[from] ShortnameError),
    /// A name that the protocol takes for none.
    #[error("'{0}' cannot be the name of an account: agents take it for no name; choose another one")]
    NotAName(Shortname),
    /// An account's file could not be opened, read or written.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The issuer has no default account here.
    #[error("Could not determine default account shortname for passed issuer url: '{0}'")]
    NoDefaultAccount(String),
    /// Meant as an issuer, but none: the text, and why not.
    #[error("'{0}' is no issuer: {1}")]
    NoIssuer(String, String),
    /// A question other than for a password was not answered.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Two inputs of a new password differ.
    #[error("Passwords do not match.")]
    PasswordsDiffer,
    /// An empty new password.
    #[error("the new password is empty")]
    EmptyPassword,
    /// Nobody can be asked what only an option could tell instead.
    #[error("{0}")]
    CannotAsk(String),
    /// `oidc passwd` has neither the password nor the agent's copy.
    #[error("{error}")]
    NoCopy {
        /// The account.
        name: Shortname,
        /// Why the file cannot be opened.
        error: Box<Error>,
        /// Why the copy cannot be used.
        copy: Held,
    },
    /// A question that only an option can answer without a terminal.
    #[error("{0} needs a confirmation, and there is no terminal to ask on")]
    NeedsForce(&'static str),
    /// The person said no.
    #[error("nothing was changed")]
    Declined,
    /// `--strict`.
    #[error("{0}")]
    NotGranted(String),
    /// Standard output is gone.
    #[error("cannot write the result: {0}")]
    Output(io::Error),
    /// What there is to say was the result; only the exit code is left.
    #[error("see above")]
    Told(Exit),
    /// Anything else, with its exit code.
    #[error("{1}")]
    Other(Exit, String),
}

/// What is known of the copy of an account that an agent may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The agent is locked and does not tell.
    Locked,
    /// There is one, and nobody could be asked whether to use it.
    Unasked,
    /// No agent holds the account.
    Not,
}

macro_rules! from_account {
    ($($error:ty),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Account(error.into())
            }
        }
    )*};
}

from_account!(HomeError, PasswordError, RotationError);

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

impl Error {
    /// What the agent said, if it was the agent.
    pub fn failure_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Failure(failure) | Self::NotLoaded { failure, .. } => Some(failure.code),
            Self::NotThereEither { error, .. } => error.failure_code(),
            _ => None,
        }
    }

    /// Whether the agent does not know the request: an agent of the C suite, or an older one.
    pub fn is_unknown_request(&self) -> bool {
        matches!(self.failure_code(), Some(ErrorCode::UnknownRequest | ErrorCode::NotSupportedYet))
    }

    /// Whether the person wants no more: Ctrl-C, Ctrl-D, or a no.
    pub fn is_by_the_person(&self) -> bool {
        matches!(self, Self::Declined)
            || self.exit() == Exit::Interrupted
            || self.asking_code() == Some(ErrorCode::PromptCancelled)
    }

    /// Whether nothing is left to say of it.
    pub fn is_told(&self) -> bool {
        matches!(self, Self::Told(_))
    }

    /// Whether no agent answers at all.
    pub fn is_no_agent(&self) -> bool {
        match self {
            Self::Agent(error) => error.is_not_running(),
            Self::NotThereEither { error, .. } => error.is_no_agent(),
            _ => false,
        }
    }

    /// The exit code in our own manner.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failure(failure) => failure.code.into(),
            Self::NotLoaded { .. } => Exit::NotLoaded,
            Self::Agent(error) if !matches!(error, AgentError::End { .. }) => Exit::NoAgent,
            Self::Name(_) | Self::NotAName(_) | Self::NoDefaultAccount(_) | Self::NoIssuer(..) => {
                Exit::UnknownAccount
            }
            Self::Account(error) => account_exit(error),
            Self::Ask(AskError::Interrupted) => Exit::Interrupted,
            Self::PasswordsDiffer | Self::EmptyPassword => Exit::Password,
            Self::Ask(_) | Self::CannotAsk(_) | Self::NeedsForce(_) | Self::Declined => Exit::Refused,
            Self::NoCopy { error, .. } | Self::NotThereEither { error, .. } => error.exit(),
            Self::NotGranted(_) => Exit::NotGranted,
            Self::Other(exit, _) | Self::Told(exit) => *exit,
            Self::Agent(_) | Self::UnexpectedReply(_) | Self::Output(_) => Exit::Failure,
        }
    }

    /// A stable name for programs: the agent's code, or one for what happened here.
    pub fn code(&self) -> &'static str {
        if let Some(code) = self.failure_code().or_else(|| self.asking_code()) {
            return code.as_str();
        }
        match self {
            Self::Account(AccountError::Password(PasswordError::Source { .. })) | Self::EmptyPassword => {
                return "no_password";
            }
            Self::PasswordsDiffer => return "passwords_differ",
            Self::NoCopy { error, .. } | Self::NotThereEither { error, .. } => return error.code(),
            Self::Account(AccountError::Reencrypted { .. }) => return "file_changed",
            Self::Account(
                AccountError::Phrase(_) | AccountError::Vault { error: VaultError::WrongPhrase, .. },
            ) => return "wrong_phrase",
            Self::Account(
                AccountError::NoPlaceForRecovery { .. }
                | AccountError::Vault { error: VaultError::NoRecovery(_), .. },
            ) => return "no_recovery",
            _ => {}
        }
        match self.exit() {
            Exit::Success => "success",
            Exit::NoAgent => "no_agent",
            Exit::UnknownAccount => "account_not_found",
            Exit::NotLoaded => "account_not_loaded",
            Exit::Locked => "agent_locked",
            Exit::Password => "wrong_password",
            Exit::LoginNeeded => "login_needed",
            Exit::ProviderUnavailable => "provider_unreachable",
            Exit::ProviderRefused => "provider_refused",
            Exit::Refused => "refused",
            Exit::NotGranted => "not_granted",
            Exit::File => "file",
            Exit::TokenExpired => "token_expired",
            Exit::BadSignature => "bad_signature",
            Exit::TokenNotYetValid => "token_not_yet_valid",
            Exit::NoToken => "no_token",
            Exit::TokenRefused => "token_refused",
            Exit::Warnings => "warnings",
            Exit::Problems => "problems",
            Exit::CannotRun => "cannot_run",
            Exit::NoCommand => "no_command",
            Exit::Usage => "usage",
            Exit::Interrupted => "interrupted",
            Exit::FilesAttention => "files_attention",
            Exit::FilesFailed => "files_failed",
            Exit::Failure => "other",
        }
    }

    /// The agent's codes for questions without an answer, which hold for those of this program too.
    fn asking_code(&self) -> Option<ErrorCode> {
        let ask = match self {
            Self::CannotAsk(_) | Self::NeedsForce(_) => return Some(ErrorCode::PromptUnavailable),
            Self::NotThereEither { error, .. } => return error.asking_code(),
            Self::Ask(error) | Self::Account(AccountError::PhraseNotShown(error)) => error,
            Self::Account(AccountError::Password(error)) => match error {
                PasswordError::Ask(error) => error,
                PasswordError::Window(PinentryError::Cancelled) => return Some(ErrorCode::PromptCancelled),
                PasswordError::Window(PinentryError::NotUtf8) | PasswordError::Source { .. } => return None,
                PasswordError::Nothing(..) | PasswordError::Window(_) => {
                    return Some(ErrorCode::PromptUnavailable);
                }
            },
            _ => return None,
        };
        match ask {
            AskError::NoTerminal(_) | AskError::NotWanted | AskError::Io(_) => {
                Some(ErrorCode::PromptUnavailable)
            }
            AskError::Cancelled(_) => Some(ErrorCode::PromptCancelled),
            AskError::Interrupted | AskError::TooLong | AskError::NotUtf8 => None,
        }
    }

    /// What is said of it.
    pub fn report(&self) -> Report {
        Report {
            code: self.code(),
            text: self.to_string(),
            hint: self.hint(),
            is_usage: matches!(self, Self::Usage(_)),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.hint.clone(),
            Self::Failure(failure) => match failure.code {
                ErrorCode::AgentLocked => Some("Run `oidc unlock` first.".to_owned()),
                ErrorCode::AccountNotFound if failure.info.is_none() => {
                    Some("`oidc list` shows the accounts, `oidc gen` makes a new one.".to_owned())
                }
                _ => failure.info.as_deref().map(unescaped_info),
            },
            Self::NotLoaded { account, .. } if is_issuer(account) => Some(format!(
                "No account of this issuer is loaded. `oidc list` shows the accounts, `oidc add NAME` loads one, `{}` makes \
                 one.",
                shell::command("oidc gen --issuer", account)
            )),
            Self::NotLoaded { account, .. } => Some(format!(
                "Run `{}` in a terminal, or with --pw-env, --pw-cmd or --pw-file for its password.",
                shell::command("oidc add", account)
            )),
            Self::Agent(error) => error.hint(),
            Self::NotThereEither { error, reason } => {
                let own = error.hint().map(|hint| format!("{hint}\n")).unwrap_or_default();
                Some(format!("{own}Another agent was asked second: {reason}."))
            }
            Self::Account(error) => account_hint(error),
            Self::NoDefaultAccount(issuer) => Some(format!(
                "Name an account; `oidc list` shows them, `{}` makes one.",
                shell::command("oidc gen --issuer", issuer)
            )),
            // What was written down is nearer than the agent's copy.
            Self::NoCopy { error, .. }
                if matches!(
                    **error,
                    Self::Account(AccountError::WrongPassword { is_recoverable: true, .. })
                ) =>
            {
                error.hint()
            }
            Self::NoCopy { name, copy, .. } => Some(match copy {
                Held::Locked => format!(
                    "The agent is locked: run `oidc unlock` first, then `{}` can use the copy that it may hold.",
                    shell::command("oidc passwd", name.as_str())
                ),
                Held::Unasked => format!(
                    "`{}` uses the copy that the agent holds.",
                    shell::command("oidc passwd --from-agent --force", name.as_str())
                ),
                Held::Not => {
                    format!("No agent holds the account, so there is no copy to use: {}", giving_up(name))
                }
            }),
            Self::NeedsForce(_) => Some("Give --force to go on without asking.".to_owned()),
            _ => None,
        }
    }
}

fn account_exit(error: &AccountError) -> Exit {
    match error {
        AccountError::NoSuchAccount(_) | AccountError::Home(HomeError::Reserved(_)) => Exit::UnknownAccount,
        AccountError::Phrase(_)
        | AccountError::Vault { error: VaultError::WrongPhrase | VaultError::NoRecovery(_), .. }
        | AccountError::NoPlaceForRecovery { .. }
        | AccountError::WrongPassword { .. }
        | AccountError::Password(PasswordError::Source { .. }) => Exit::Password,
        AccountError::Home(_)
        | AccountError::Vault { .. }
        | AccountError::Reencrypted { .. }
        | AccountError::Rotation(_) => Exit::File,
        AccountError::Password(PasswordError::Ask(AskError::Interrupted)) => Exit::Interrupted,
        AccountError::PhraseNotWritten | AccountError::PhraseNotShown(_) | AccountError::Password(_) => {
            Exit::Refused
        }
    }
}

fn account_hint(error: &AccountError) -> Option<String> {
    match error {
        AccountError::NoSuchAccount(name) => {
            let generate = shell::command("oidc gen", name.as_str());
            Some(format!("`oidc list` shows the accounts, `{generate}` makes a new one."))
        }
        AccountError::Home(HomeError::NoDirectory) => Some("`oidc gen` makes the first account.".to_owned()),
        AccountError::WrongPassword { name, is_recoverable: true, .. } => Some(format!(
            "Forgotten? `{}` sets a new one with what you wrote down.",
            shell::command("oidc passwd --recover", name.as_str())
        )),
        AccountError::Vault { name, error: VaultError::NoRecovery(kind), .. } => {
            let option = match kind {
                RecoveryKind::Phrase => "--add-recovery",
                RecoveryKind::Gpg => "--recovery-gpg KEY_ID",
            };
            Some(format!(
                "`{}` gives it one, with its password; a file of the C suite becomes one of ours first, by `{}`, with the password \
                 or the agent's copy.",
                shell::command(&format!("oidc passwd {option}"), name.as_str()),
                shell::command("oidc passwd", name.as_str())
            ))
        }
        AccountError::NoPlaceForRecovery { name, .. } => Some(format!(
            "`{}` makes it one of ours, with the password or the agent's copy; then run this command again.",
            shell::command("oidc passwd", name.as_str())
        )),
        AccountError::PhraseNotShown(_) => {
            Some("Run it in a terminal; or let an OpenPGP key open the file, which needs none: --recovery-gpg KEY_ID.".to_owned())
        }
        AccountError::Vault { name, error: VaultError::RecoveryKey { .. }, .. } => Some(format!(
            "Nothing was changed. `gpg --list-keys` shows the keys that can be used; a key that the file has already and that is \
             lost goes with all recovery by `{}`.",
            shell::command("oidc passwd --remove-recovery", name.as_str())
        )),
        AccountError::WrongPassword { name, .. } => Some(format!(
            "Forgotten? `{}` sets a new one while the agent still holds the account; {}",
            shell::command("oidc passwd", name.as_str()),
            giving_up(name)
        )),
        AccountError::Vault {
            name, error: VaultError::Damaged(_) | VaultError::NotAnAccountFile(_), ..
        } => Some(format!(
            "No password opens it. Put a backup in its place; or `{}` writes it anew while the agent still holds \
                     the account; or {}",
            shell::command("oidc passwd", name.as_str()),
            giving_up(name)
        )),
        AccountError::Reencrypted { .. } => {
            Some("Run the command again, with the password that the file has now.".to_owned())
        }
        AccountError::Password(PasswordError::Ask(AskError::NoTerminal(_))) => {
            Some("Without a terminal, give the password by --pw-env, --pw-cmd or --pw-file.".to_owned())
        }
        _ => None,
    }
}

fn giving_up(name: &Shortname) -> String {
    format!(
        "`{}` gives the account up, so that `{}` can make it anew.",
        shell::command("oidc reset", name.as_str()),
        shell::command("oidc gen", name.as_str())
    )
}

/// The C suite's agent separates code and description in `error`, a mytoken server's answer keeps them apart.
fn failure_text(failure: &Failure) -> String {
    match &failure.description {
        Some(description) => format!("{}: {description}", failure.error),
        None => failure.error.clone(),
    }
}

/// The C suite's help texts come with `\n` and `\t` written out, and with a line feed at their end.
fn unescaped_info(info: &str) -> String {
    info.replace("\\n", "\n").replace("\\t", "\t").trim_end().to_owned()
}
