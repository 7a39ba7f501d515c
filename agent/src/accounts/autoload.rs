//! Loading an account that a request wants and that is not loaded: the person is asked for the password of its file.

use std::{borrow::Cow, sync::Arc};

use oidc_proto::{
    deadlines,
    error_code::ErrorCode,
    home::HomeError,
    message::Failure,
    secret::Password,
    shell,
    shortname::Shortname,
    vault::{self, Format, GpgError, Unlocked, VaultError},
};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::{
    account::{Account, Flags},
    consent::{Asking, MAX_NAME},
    held::Open,
    loaded::Accounts,
    loading::{Asked, PasswordQuestion},
    off_thread::off_thread,
};
use crate::{
    clock::Expiry,
    prompt::{Question, bounded},
};

/// How often a password may be wrong; the C suite's.
const TRIES: u32 = 3;

impl Accounts {
    /// Loads an account from its file, asking for the password unless `gpg` holds it.
    ///
    /// However many want the account, the person is asked once, and not any longer when it is loaded otherwise. Who does
    /// not want a prompt does not wait for one either.
    pub(super) async fn autoload(
        &self,
        name: &Shortname,
        asking: &Asking<'_>,
    ) -> Result<Arc<Account>, Failure> {
        if !self.deps().options.autoload {
            return Err(not_loaded(name, "The agent runs with --no-autoload."));
        }
        if !asking.is_owner() {
            return Err(not_loaded(name, "Only the owner of the agent can load it."));
        }
        if !asking.allowed {
            return self.autoload_quietly(name).await;
        }
        let ends = Instant::now() + deadlines::QUESTION;
        loop {
            // Whoever loads it right now may be done without a question.
            drop(self.loading(name).await?);
            if let Some(account) = self.find(name) {
                return Ok(account);
            }
            match self.0.loading.ask(name) {
                PasswordQuestion::Ours(asked) => {
                    let loaded = self.load_by_asking(name, asking, &asked, ends).await;
                    return loaded.inspect_err(|failure| {
                        // Where this one cannot ask, the next one perhaps can.
                        if failure.code != ErrorCode::PromptUnavailable {
                            asked.failed(failure);
                        }
                    });
                }
                PasswordQuestion::Theirs(mut asked) => {
                    match timeout_at(ends, asked.wait_for(Option::is_some)).await {
                        Ok(Ok(failure)) => {
                            return Err(failure.clone().unwrap_or_else(Failure::account_not_loaded));
                        }
                        // Loaded, or whoever asked went away.
                        Ok(Err(_)) => {}
                        Err(_) => {
                            return Err(not_loaded(name, "Nobody has answered the prompt for its password."));
                        }
                    }
                }
            }
        }
    }

    /// The same without any question.
    async fn autoload_quietly(&self, name: &Shortname) -> Result<Arc<Account>, Failure> {
        let _only_one = self.loading(name).await?;
        if let Some(account) = self.find(name) {
            return Ok(account);
        }
        let bytes = self.read_file(name).await?;
        if let Some(unlocked) = in_clear(name, &bytes)? {
            return self.load_unlocked(name, unlocked).await;
        }
        if vault::format_of(&bytes).map_err(|error| unopened(name, &error))? != Format::OpenPgp {
            return Err(cannot_ask(name, "The program that asks does not want a prompt for its password."));
        }
        let unlocked = off_thread(move || vault::unlock_with_gpg_quietly(&bytes)).await;
        match unlocked {
            Err(VaultError::Gpg(GpgError::Locked)) => {
                Err(cannot_ask(name, "The program that asks does not want 'gpg' to ask for a passphrase."))
            }
            unlocked => self.load_unlocked(name, unlocked.map_err(|error| unopened(name, &error))?).await,
        }
    }

    /// Loads an account whose file needs no password, for another account.
    pub(super) async fn autoload_in_clear(
        &self,
        name: &Shortname,
        unlocked: Unlocked,
    ) -> Result<Arc<Account>, Failure> {
        if !self.deps().options.autoload {
            return Err(not_loaded(name, "The agent runs with --no-autoload."));
        }
        let _only_one = self.loading(name).await?;
        match self.find(name) {
            Some(account) => Ok(account),
            None => self.load_unlocked(name, unlocked).await,
        }
    }

    async fn load_by_asking(
        &self,
        name: &Shortname,
        asking: &Asking<'_>,
        asked: &Arc<Asked>,
        ends: Instant,
    ) -> Result<Arc<Account>, Failure> {
        let bytes = self.read_file(name).await?;
        let clear = in_clear(name, &bytes)?;
        let unlocking = async {
            if let Some(unlocked) = clear {
                return Ok(Ok(unlocked));
            }
            match vault::format_of(&bytes).map_err(|error| unopened(name, &error))? {
                Format::OpenPgp => {
                    // It goes on when nobody waits any more, and until then it is the only one.
                    let asked = Arc::clone(asked);
                    Ok(off_thread(move || {
                        let unlocked = vault::unlock_with_gpg(&bytes);
                        drop(asked);
                        unlocked
                    })
                    .await)
                }
                _ => self.unlock_by_asking(name, bytes, asking, ends).await,
            }
        };
        let unlocked = tokio::select! {
            biased;
            account = self.loaded_meanwhile(name) => return Ok(account),
            unlocked = unlocking => unlocked?.map_err(|error| unopened(name, &error))?,
        };
        let _only_one = self.loading(name).await?;
        // Typing takes its time: the agent may have been locked meanwhile, or the account given up.
        self.require_unlocked()?;
        if let Some(account) = self.find(name) {
            return Ok(account);
        }
        self.read_file(name).await?;
        self.load_unlocked(name, unlocked).await
    }

    pub(super) async fn read_file(&self, name: &Shortname) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (home, file) = (self.deps().home.clone(), name.clone());
        off_thread(move || home.read(&file)).await.map_err(|error| unreadable(name, &error))
    }

    async fn load_unlocked(&self, name: &Shortname, unlocked: Unlocked) -> Result<Arc<Account>, Failure> {
        let open = self.opened(name, unlocked).await;
        let lifetime = self.deps().options.lifetime;
        let unload_at = lifetime.map(|lifetime| Expiry::after(self.now(), lifetime));
        // Where a login would be offered, the request that wants the account finds out whether one is needed: then the
        // password is not typed for nothing.
        let without_token = self.deps().options.offers_logins();
        self.load(name.clone(), open, Flags::default(), unload_at, without_token).await
    }

    /// An account as its file has it, with what was left unsaved of it.
    pub(super) async fn opened(&self, name: &Shortname, unlocked: Unlocked) -> Open {
        let Unlocked { account, key, .. } = unlocked;
        let (accounts, name_in_home) = (self.clone(), name.clone());
        off_thread(move || {
            let mut open = Open::new(account);
            open.take_key(key);
            // Another program may have changed the file meanwhile.
            open.catch_up(&accounts.deps().home, &name_in_home, accounts.now());
            accounts.take_over_unsaved(&name_in_home, &mut open);
            open
        })
        .await
    }

    async fn unlock_by_asking(
        &self,
        name: &Shortname,
        bytes: Zeroizing<Vec<u8>>,
        asking: &Asking<'_>,
        ends: Instant,
    ) -> Result<Result<Unlocked, VaultError>, Failure> {
        let found = asking.pinentry_for_password().await;
        let (pinentry, process) = found.map_err(|error| cannot_ask(name, &format!("{error}.")))?;
        let description = format!(
            "Password of the file of account '{}', of which a token is wanted and which is not loaded.\n\n{}",
            bounded(name.as_str(), MAX_NAME),
            asking.description(&process)
        );
        let bytes = Arc::new(bytes);
        let mut error = None;
        for _ in 0..TRIES {
            let question = Question {
                title: "Load account".into(),
                description: description.as_str().into(),
                label: "Password".into(),
                error: error.map(Cow::Borrowed),
            };
            let left = ends.saturating_duration_since(Instant::now());
            let password = self.deps().prompts.password(&pinentry, question, left).await;
            let password: Password = password.map_err(|error| not_loaded(name, &format!("{error}.")))?;
            let bytes = Arc::clone(&bytes);
            match off_thread(move || vault::unlock(&bytes, &password)).await {
                Err(VaultError::WrongPassword) => error = Some("wrong password"),
                unlocked => return Ok(unlocked),
            }
        }
        Ok(Err(VaultError::WrongPassword))
    }
}

/// What a file holds that needs no password.
fn in_clear(name: &Shortname, bytes: &[u8]) -> Result<Option<Unlocked>, Failure> {
    vault::unlock_clear(bytes).map_err(|error| unopened(name, &error))
}

fn not_loaded(name: &Shortname, why: &str) -> Failure {
    Failure::account_not_loaded().with_info(format!("The account '{name}' is not loaded. {why}"))
}

/// The text is the C suite's; the code tells that a prompt could have helped.
fn cannot_ask(name: &Shortname, why: &str) -> Failure {
    let add = shell::command("oidc add", name.as_str());
    let why = format!("{why} Run `{add}` in a terminal.");
    Failure { code: ErrorCode::PromptUnavailable, ..not_loaded(name, &why) }
}

fn unreadable(name: &Shortname, error: &HomeError) -> Failure {
    match error {
        HomeError::NotFound(_) | HomeError::NoDirectory => Failure::account_not_found(),
        _ => not_loaded(name, &format!("Its file cannot be read: {error}.")),
    }
}

pub(super) fn unopened(name: &Shortname, error: &VaultError) -> Failure {
    match error {
        VaultError::WrongPassword => Failure::wrong_password(),
        _ => Failure::new(
            ErrorCode::DecryptionFailed,
            format!("the file of account '{name}' does not open: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::testing::Bench, *};
    use crate::caller::Caller;

    /// A directory with an account file of the C suite.
    fn with_file() -> Bench {
        let bench = Bench::new();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/accounts/ok/basic-4.2.6");
        fs_err::copy(file, bench.accounts.deps().home.file(&name())).expect("copied");
        bench
    }

    fn name() -> Shortname {
        "acc".parse().expect("a name")
    }

    async fn autoload(bench: &Bench, prompt: bool) -> Result<Arc<Account>, Failure> {
        bench.accounts.autoload(&name(), &Asking::new(Caller::unseen(), None, prompt)).await
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_prompt_nobody_waits_for_somebody_elses() {
        let bench = with_file();
        let PasswordQuestion::Ours(_asked) = bench.accounts.0.loading.ask(&name()) else { panic!("theirs") };
        let began = Instant::now();
        let refused = autoload(&bench, false).await.err().expect("it cannot be loaded");
        assert_eq!(
            (refused.code, refused.error.as_str()),
            (ErrorCode::PromptUnavailable, "account not loaded")
        );
        assert_eq!(began.elapsed().as_secs(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_load_has_an_end() {
        let bench = with_file();
        let _loads = bench.accounts.loading(&name()).await.expect("nobody else");
        for prompt in [false, true] {
            let began = Instant::now();
            let refused = autoload(&bench, prompt).await.err().expect("it is being loaded");
            assert_eq!(refused.code, ErrorCode::TooManyRequests);
            assert_eq!(began.elapsed().as_secs(), 60, "prompt: {prompt}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_is_everybodys() {
        let bench = with_file();
        let PasswordQuestion::Ours(asked) = bench.accounts.0.loading.ask(&name()) else { panic!("theirs") };
        let accounts = bench.accounts.clone();
        let waiting = tokio::spawn(async move {
            accounts.autoload(&name(), &Asking::new(Caller::unseen(), None, true)).await.map(drop)
        });
        tokio::task::yield_now().await;
        asked.failed(&Failure::wrong_password());
        assert_eq!(waiting.await.expect("no panic").err(), Some(Failure::wrong_password()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_prompt_that_nobody_answers_has_an_end() {
        let bench = with_file();
        let PasswordQuestion::Ours(_asked) = bench.accounts.0.loading.ask(&name()) else { panic!("theirs") };
        let began = Instant::now();
        autoload(&bench, true).await.err().expect("nobody answered");
        assert_eq!(began.elapsed(), deadlines::QUESTION);
    }

    #[tokio::test]
    async fn an_account_that_is_loaded_meanwhile_is_taken() {
        let bench = with_file();
        let PasswordQuestion::Ours(asked) = bench.accounts.0.loading.ask(&name()) else { panic!("theirs") };
        let (accounts, waiting) = (bench.accounts.clone(), bench.accounts.clone());
        let load = async move {
            let account = accounts.loaded_meanwhile(&name()).await;
            drop(asked);
            account
        };
        let waiting =
            async move { waiting.autoload(&name(), &Asking::new(Caller::unseen(), None, true)).await };
        let (load, waiting) = (tokio::spawn(load), tokio::spawn(waiting));
        tokio::task::yield_now().await;
        bench.add("https://op.example", "acc").await;
        let loaded = load.await.expect("no panic");
        assert!(Arc::ptr_eq(&loaded, &waiting.await.expect("no panic").expect("loaded")));
    }
}
