//! What the agent asks the person: the password of an account that a request wants and that is not loaded, and
//! consent to hand out a token.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    error_code::ErrorCode,
    home::HomeError,
    message::Failure,
    secret::Password,
    shortname::Shortname,
    vault::{self, Format, Unlocked, VaultError},
};
use zeroize::Zeroizing;

use super::{
    Accounts,
    account::{Account, Flags},
    disk::off_thread,
    held::Open,
};
use crate::{
    clock::Expiry,
    prompt::{Pinentry, PromptError, Question},
};

/// How long a question stays open; the C suite's.
const DEADLINE: Duration = Duration::from_secs(300);

/// How often a password may be wrong; the C suite's.
const TRIES: u32 = 3;

/// Who asks, and whether the agent may ask the person in turn.
pub struct Asking<'a> {
    application: &'a str,
    allowed: bool,
}

impl<'a> Asking<'a> {
    /// `application_hint` and `prompt` of a request.
    pub fn new(application_hint: Option<&'a str>, allowed: bool) -> Self {
        Self { application: application_hint.unwrap_or("An application"), allowed }
    }

    fn pinentry(&self) -> Result<Pinentry, PromptError> {
        if !self.allowed {
            return Err(PromptError::Unavailable("the program that asks does not want a prompt".to_owned()));
        }
        Pinentry::find()
    }
}

impl Accounts {
    /// Loads an account from its file, asking for the password unless `gpg` holds it.
    pub(super) async fn autoload(
        &self,
        name: &Shortname,
        asking: &Asking<'_>,
    ) -> Result<Arc<Account>, Failure> {
        let deps = self.deps();
        if !deps.options.autoload {
            return Err(not_loaded(name, "The agent runs with --no-autoload."));
        }
        let _only_one = self.loading(name).await;
        if let Some(account) = self.find(name) {
            return Ok(account);
        }
        let (home, file) = (deps.home.clone(), name.clone());
        let bytes = off_thread(move || home.read(&file)).await.map_err(|error| unreadable(name, &error))?;
        let unlocked = match vault::format_of(&bytes).map_err(|error| unopened(name, &error))? {
            Format::OpenPgp => off_thread(move || vault::unlock_with_gpg(&bytes)).await,
            _ => self.unlock_by_asking(name, bytes, asking).await?,
        };
        let Unlocked { account, key, .. } = unlocked.map_err(|error| unopened(name, &error))?;

        let (accounts, name_in_home) = (self.clone(), name.clone());
        let open = off_thread(move || {
            let mut open = Open::new(account);
            open.file_key = Some(key);
            // Typing takes its time: another program may have changed the file meanwhile.
            open.catch_up(&accounts.deps().home, &name_in_home);
            accounts.take_over_unsaved(&name_in_home, &mut open);
            open
        })
        .await;
        let unload_at = deps.options.lifetime.map(|lifetime| Expiry::after(self.now(), lifetime));
        self.load(name.clone(), open, Flags::default(), unload_at, false).await
    }

    async fn unlock_by_asking(
        &self,
        name: &Shortname,
        bytes: Zeroizing<Vec<u8>>,
        asking: &Asking<'_>,
    ) -> Result<Result<Unlocked, VaultError>, Failure> {
        let pinentry = asking.pinentry().map_err(|error| {
            let why = format!("{error}. Run 'oidc add {name}' in a terminal.");
            not_loaded(name, &why)
        })?;
        let description = format!(
            "{} wants a token of the account '{name}', which is not loaded.\n\nPassword of the account's file:",
            asking.application
        );
        let bytes = Arc::new(bytes);
        let mut error = None;
        for _ in 0..TRIES {
            let title = "Load account";
            let question = Question { title, description: &description, label: "Password", error };
            let password = pinentry.password(question, DEADLINE).await;
            let password: Password = password.map_err(|error| not_loaded(name, &format!("{error}.")))?;
            let bytes = Arc::clone(&bytes);
            match off_thread(move || vault::unlock(&bytes, &password)).await {
                Err(VaultError::WrongPassword) => error = Some("wrong password"),
                unlocked => return Ok(unlocked),
            }
        }
        Ok(Err(VaultError::WrongPassword))
    }

    /// Asks whether an access token may be handed out.
    pub(super) async fn confirm_access_token(
        &self,
        account: &Account,
        asking: &Asking<'_>,
    ) -> Result<(), Failure> {
        confirm(account, asking, "an access token").await
    }

    /// Asks whether an ID token may be handed out.
    pub(super) async fn confirm_id_token(
        &self,
        account: &Account,
        asking: &Asking<'_>,
    ) -> Result<(), Failure> {
        confirm(account, asking, "an ID token, which tells who you are").await.map_err(|mut forbidden| {
            if let Some(info) = &mut forbidden.info {
                info.push_str(
                    " To allow it without a question, load the account with --always-allow-idtoken.",
                );
            }
            forbidden
        })
    }
}

async fn confirm(account: &Account, asking: &Asking<'_>, what: &str) -> Result<(), Failure> {
    let description = format!(
        "{} wants {what} of the account '{}' ({}).\n\nAllow this?",
        asking.application, account.name, account.issuer
    );
    let question =
        Question { title: "Allow the use of an account?", description: &description, label: "", error: None };
    let answer = match asking.pinentry() {
        Ok(pinentry) => pinentry.confirm(question, DEADLINE).await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| {
        // The text is what C clients know. The code tells whether anybody was asked: a client that did not want a
        // prompt may ask again and allow one.
        let code = match error {
            PromptError::Unavailable(_) => ErrorCode::PromptUnavailable,
            PromptError::Cancelled | PromptError::Timeout(_) => ErrorCode::OperationForbidden,
        };
        let info = format!("The use of the account needs consent: {error}.");
        Failure { code, ..Failure::operation_forbidden() }.with_info(info)
    })
}

fn not_loaded(name: &Shortname, why: &str) -> Failure {
    Failure::account_not_loaded().with_info(format!("The account '{name}' is not loaded. {why}"))
}

fn unreadable(name: &Shortname, error: &HomeError) -> Failure {
    match error {
        HomeError::NotFound(_) | HomeError::NoDirectory => Failure::account_not_found(),
        _ => not_loaded(name, &format!("Its file cannot be read: {error}.")),
    }
}

fn unopened(name: &Shortname, error: &VaultError) -> Failure {
    match error {
        VaultError::WrongPassword => Failure::wrong_password(),
        _ => Failure::new(
            ErrorCode::DecryptionFailed,
            format!("the file of account '{name}' does not open: {error}"),
        ),
    }
}
