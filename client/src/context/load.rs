//! Loading an account: its file is decrypted here, and the account given to the agent.

use oidc_proto::{
    home::Home,
    message::{AddRequest, PasswordEntry, PasswordSources, Request},
    secret::Password,
    shortname::Shortname,
};

use super::{Context, error::Error};
use crate::{
    account::{
        file::{Opened, Sealed},
        password::sources::Sources,
    },
    process::clock,
};

/// How an agent begins its answer where nothing of a loaded account has changed but its lifetime.
const ALREADY_LOADED: &str = "account already loaded";

/// How an account is loaded.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "named after the protocol's members")]
pub struct Loading {
    /// Where the password of its file comes from.
    pub sources: Sources,
    /// After how many seconds the agent unloads it.
    pub lifetime: Option<u64>,
    /// The agent asks the person each time a program wants a token.
    pub confirm: bool,
    /// The agent does not ask the person before it gives out an ID token.
    pub always_allow_id_token: bool,
    /// The agent does not ask the provider whether the account works.
    pub skip_check: bool,
    /// For how many seconds the agent keeps the password; 0 for as long as the account is loaded.
    pub password_kept_for: Option<u64>,
    /// The key that an agent of the C suite encrypts the file with.
    pub gpg_key: Option<String>,
    /// Load it in place of what is loaded under its name.
    pub is_anew: bool,
    /// The agent is on another machine.
    pub is_remote: bool,
}

/// Opens the account and gives it to the agent; what the agent tells about it.
pub fn load(
    sealed: &Sealed,
    home: &Home,
    loading: &Loading,
    context: &mut Context,
) -> Result<Option<String>, Error> {
    let opened = sealed.open(home, &loading.sources, context.asker.as_mut())?;
    if let Some(warning) = &opened.warning {
        context.output.warning(warning);
    }
    let mut request = request(&sealed.name, opened, loading);
    // Whoever is asked here is not asked by the agent too.
    request.asks_itself = context.asker.is_there();
    let info = context.expect_success(&Request::Add(Box::new(request.clone())))?;
    if !loading.is_anew || !info.as_deref().is_some_and(|info| info.starts_with(ALREADY_LOADED)) {
        return Ok(info);
    }
    // An agent of the C suite leaves a loaded account as it is. It works, so there is nothing to try out.
    request.plain_add = true;
    context.expect_success(&Request::Remove { account: sealed.name.to_string() })?;
    context.expect_success(&Request::Add(Box::new(request)))
}

fn request(name: &Shortname, opened: Opened, loading: &Loading) -> AddRequest {
    let Opened { mut account, key, password, .. } = opened;
    // The file's name is the account's; the copy inside it may be that of a file it was copied from.
    account.name = Some(name.to_string());
    // Another machine has other files: neither a password nor a key of this one is of any use there.
    let is_local = !loading.is_remote;
    AddRequest {
        config: account,
        pw_entry: is_local.then(|| {
            let entry = password_entry(name, password, &loading.sources, loading.password_kept_for);
            match &loading.gpg_key {
                Some(key) => entry.with_gpg_key(key),
                None => entry,
            }
        }),
        lifetime: loading.lifetime,
        confirm: loading.confirm,
        always_allow_id_token: loading.always_allow_id_token,
        plain_add: loading.skip_check,
        file_key: is_local.then(|| key.to_text()),
        replace: loading.is_anew,
        asks_itself: false,
    }
}

/// How an agent of the C suite may get the password when it has to rewrite the file; ours has the file key instead.
pub fn password_entry(
    name: &Shortname,
    password: Option<Password>,
    sources: &Sources,
    store: Option<u64>,
) -> PasswordEntry {
    let mut kinds = PasswordSources::PROMPT;
    let keep = store.is_some() || sources.variable.is_some();
    let password = password.filter(|_| keep);
    if password.is_some() {
        kinds = kinds.with(PasswordSources::MEMORY);
    }
    if sources.command.is_some() {
        kinds = kinds.with(PasswordSources::COMMAND);
    }
    // A pipe cannot be read again.
    let file = sources.file.as_ref().filter(|path| path.is_file());
    if file.is_some() {
        kinds = kinds.with(PasswordSources::FILE);
    }
    let span = store.filter(|seconds| *seconds > 0);
    PasswordEntry {
        account: name.to_string(),
        sources: kinds,
        password,
        expires_at: span.map(|seconds| clock::now().saturating_add(seconds)),
        expires_after: span,
        command: sources.command.clone(),
        pw_file: file.and_then(|path| path.to_str().map(str::to_owned)),
        gpg_key: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::password::terminal::Terminal,
        testing::{Bench, PASSWORD},
    };

    #[test]
    fn a_remote_agent_learns_neither_password_nor_key_of_the_file() {
        // A program that gives a password takes signals.
        let _alone = crate::process::signals::alone();
        let bench = Bench::new().with_account("acc");
        let command = Some(format!("echo {PASSWORD}").as_str().into());
        let sources = Sources { command, file: Some("/dev/null".into()), ..Sources::default() };
        for is_remote in [false, true] {
            let loading = Loading {
                sources: sources.clone(),
                password_kept_for: Some(0),
                is_remote,
                ..Loading::default()
            };
            let name: Shortname = "acc".parse().expect("a name");
            let opened = Sealed::read(&bench.home(), &name)
                .and_then(|sealed| sealed.open(&bench.home(), &sources, &mut Terminal::new(false)));
            let request = request(&name, opened.expect("opened"), &loading);
            assert_eq!((request.pw_entry.is_none(), request.file_key.is_none()), (is_remote, is_remote));
            assert!(request.config.refresh_token.is_some());
        }
    }
}
