//! `oidc add` and `oidc-add`: decrypt an account file here and give the account to the agent.

use std::time::{SystemTime, UNIX_EPOCH};

use oidc_proto::{
    home::Home,
    message::{AddRequest, PasswordEntry, PasswordSources, Request},
    secret::Password,
    shortname::Shortname,
};
use serde_json::json;

use super::{Context, list, lock, remove};
use crate::{
    account_file::{Opened, Sealed},
    agent::Agent,
    cli::{UsageError, add::AddArgs},
    error::Error,
    password::Sources,
};

/// Runs the first of the actions that is asked for, in the C suite's order.
pub fn run(args: &AddArgs, context: &mut Context) -> Result<(), Error> {
    if args.remote {
        context.agent = Agent::remote()?;
    }
    let instead = &args.instead;
    if instead.list {
        return list::names(context);
    }
    if instead.loaded {
        return list::loaded_names(context);
    }
    if instead.remove_all {
        return remove::remove_all(context);
    }
    if instead.lock {
        return lock::lock(&args.password, context);
    }
    if instead.unlock {
        return lock::unlock(&args.password, context);
    }
    let Some(account) = &args.account else {
        return Err(UsageError::Text("no account given".to_owned()).into());
    };
    if instead.print {
        return print(args, account, context);
    }
    if instead.remove {
        return remove::remove(account, context);
    }
    add(args, account, context)
}

/// Prints the decrypted account. Asks no agent.
fn print(args: &AddArgs, account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    let home = context.home()?;
    let opened = Sealed::read(&home, &name)?.open(&home, &args.password.sources(), context.asker.as_mut())?;
    let text = opened.account.to_json();
    context.output.result(&text)?;
    Ok(context.output.result("\n")?)
}

fn add(args: &AddArgs, account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    let home = context.home()?;
    let sealed = Sealed::read(&home, &name)?;
    let loaded = super::loaded_names(context.call_or_start(&Request::LoadedAccounts)?)?;
    let is_loaded = loaded.iter().any(|other| other == name.as_str());
    if is_loaded && !args.force && args.lifetime.is_none() {
        return report(context, &name, true, None);
    }
    let info = load(&sealed, &home, args, context)?;
    report(context, &name, is_loaded, info.as_deref())
}

/// Opens the account and gives it to the agent; what the agent tells about it.
pub fn load(
    sealed: &Sealed,
    home: &Home,
    args: &AddArgs,
    context: &mut Context,
) -> Result<Option<String>, Error> {
    let sources = args.password.sources();
    let opened = sealed.open(home, &sources, context.asker.as_mut())?;
    if let Some(warning) = &opened.warning {
        context.output.warning(warning);
    }
    let request = request(&sealed.name, opened, &sources, args);
    remove::expect_success(context.call(&request)?, "add")
}

fn request(name: &Shortname, opened: Opened, sources: &Sources, args: &AddArgs) -> Request {
    let Opened { mut account, key, password, .. } = opened;
    // The file's name is the account's; the copy inside it may be that of a file it was copied from.
    account.name = Some(name.to_string());
    Request::Add(Box::new(AddRequest {
        config: account,
        pw_entry: Some(password_entry(name, password, sources, args.pw_store)),
        lifetime: args.lifetime,
        confirm: args.confirm,
        always_allow_id_token: args.always_allow_idtoken,
        plain_add: args.skip_check,
        // Another machine has other files.
        file_key: (!args.remote).then(|| key.to_text()),
    }))
}

/// How an agent of the C suite may get the password when it has to rewrite the file; ours has the file key instead.
fn password_entry(
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
    if sources.file.is_some() {
        kinds = kinds.with(PasswordSources::FILE);
    }
    let span = store.filter(|seconds| *seconds > 0);
    PasswordEntry {
        account: name.to_string(),
        sources: kinds,
        password,
        expires_at: span.map(|seconds| now().saturating_add(seconds)),
        expires_after: span,
        command: sources.command.clone(),
        pw_file: sources.file.as_ref().and_then(|path| path.to_str().map(str::to_owned)),
        gpg_key: None,
    }
}

/// Seconds since the epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn report(
    context: &mut Context,
    name: &Shortname,
    was_loaded: bool,
    info: Option<&str>,
) -> Result<(), Error> {
    let output = &mut context.output;
    if output.json {
        let already_loaded = was_loaded;
        let object =
            json!({"status": "success", "account": name, "already_loaded": already_loaded, "info": info});
        return Ok(output.json(&object)?);
    }
    match info {
        None if was_loaded => output.line(&format!("Account '{name}' already loaded"))?,
        _ => output.line("success")?,
    }
    if let Some(info) = info {
        output.note(info);
    }
    Ok(())
}
