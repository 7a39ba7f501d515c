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

/// How an agent begins its answer where nothing of a loaded account has changed but its lifetime.
const ALREADY_LOADED: &str = "account already loaded";

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
        return Err(UsageError::new("no account given").into());
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
    Ok(context.output.account(&opened.account)?)
}

fn add(args: &AddArgs, account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    let home = context.home()?;
    let sealed = Sealed::read(&home, &name)?;
    let loaded = super::loaded_names(context.call_or_start(&Request::LoadedAccounts)?)?;
    let is_loaded = loaded.iter().any(|other| other == name.as_str());
    if is_loaded && !args.force {
        warn_of_what_stays(args, &name, context);
    }
    if is_loaded && !args.force && args.lifetime.is_none() {
        return report(context, &name, &format!("Account '{name}' already loaded"), true, None);
    }
    let info = load(&sealed, &home, args, context)?;
    report(context, &name, "success", is_loaded, info.as_deref())
}

/// A loaded account stays as it is, but for its lifetime, unless it is loaded anew.
fn warn_of_what_stays(args: &AddArgs, name: &Shortname, context: &mut Context) {
    let options = [
        (args.confirm, "--confirm"),
        (args.always_allow_idtoken, "--always-allow-idtoken"),
        (args.pw_store.is_some(), "--pw-store"),
    ];
    let given: Vec<_> = options.iter().filter(|(is_given, _)| *is_given).map(|(_, option)| *option).collect();
    if !given.is_empty() {
        context.output.warning(&format!(
            "'{name}' is loaded already and stays as it is, without {}; add --force to load it anew",
            given.join(" and ")
        ));
    }
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
    let mut request = request(&sealed.name, opened, &sources, args);
    let info = remove::expect_success(context.call(&Request::Add(Box::new(request.clone())))?, "add")?;
    if !args.force || !info.as_deref().is_some_and(|info| info.starts_with(ALREADY_LOADED)) {
        return Ok(info);
    }
    // An agent of the C suite leaves a loaded account as it is. It works, so there is nothing to try out.
    request.plain_add = true;
    remove::expect_success(context.call(&Request::Remove { account: sealed.name.to_string() })?, "remove")?;
    remove::expect_success(context.call(&Request::Add(Box::new(request)))?, "add")
}

fn request(name: &Shortname, opened: Opened, sources: &Sources, args: &AddArgs) -> AddRequest {
    let Opened { mut account, key, password, .. } = opened;
    // The file's name is the account's; the copy inside it may be that of a file it was copied from.
    account.name = Some(name.to_string());
    // Another machine has other files: neither a password nor a key of this one is of any use there.
    let is_local = !args.remote;
    AddRequest {
        config: account,
        pw_entry: is_local.then(|| password_entry(name, password, sources, args.pw_store)),
        lifetime: args.lifetime,
        confirm: args.confirm,
        always_allow_id_token: args.always_allow_idtoken,
        plain_add: args.skip_check,
        file_key: is_local.then(|| key.to_text()),
        replace: args.force,
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
        expires_at: span.map(|seconds| now().saturating_add(seconds)),
        expires_after: span,
        command: sources.command.clone(),
        pw_file: file.and_then(|path| path.to_str().map(str::to_owned)),
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
    text: &str,
    already_loaded: bool,
    info: Option<&str>,
) -> Result<(), Error> {
    let output = &mut context.output;
    if output.json {
        let object =
            json!({"status": "success", "account": name, "already_loaded": already_loaded, "info": info});
        return Ok(output.json(&object)?);
    }
    output.line(text)?;
    if let Some(info) = info {
        output.note(info);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use oidc_proto::{
        message::{Failure, Reply},
        secret::SecretText,
    };

    use super::*;
    use crate::{
        cli::{self, Command, Invocation},
        exit::Exit,
        password::Terminal,
        testing::{Bench, PASSWORD, loaded},
    };

    fn agent(names: &'static [&'static str]) -> impl FnMut(&Request) -> Reply {
        move |request| match request {
            Request::LoadedAccounts => loaded(names),
            Request::Add(request) => match request.lifetime {
                Some(seconds) => Reply::success_with(format!("Lifetime set to {seconds} seconds")),
                None => Reply::success(),
            },
            Request::Remove { .. } => Failure::account_not_loaded().into(),
            _ => Reply::success(),
        }
    }

    fn added(bench: &Bench) -> AddRequest {
        match bench.requests().pop() {
            Some(Request::Add(request)) => *request,
            other => panic!("no add: {other:?}"),
        }
    }

    #[test]
    fn decrypts_here_and_gives_the_account_and_its_file_key() {
        let bench = Bench::new().with_account("acc").with_agent(agent(&[])).with_person(&[PASSWORD]);
        let ran = bench.run(&["oidc-add", "-t", "100", "-c", "--skip-check", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("success\n", "Lifetime set to 100 seconds\n")
        );
        assert_eq!(ran.asked, ["Enter decryption password for account config 'acc'"]);
        let request = added(&bench);
        assert_eq!(request.config.name.as_deref(), Some("acc"));
        assert!(request.confirm && request.plain_add && request.file_key.is_some());
        let entry = request.pw_entry.expect("an entry");
        assert_eq!((entry.sources, entry.password), (PasswordSources::PROMPT, None));
    }

    #[test]
    fn the_agent_learns_the_password_only_where_the_c_suite_tells_it() {
        let bench = Bench::new().with_account("acc").with_agent(agent(&[]));
        let command = format!("echo {PASSWORD}");
        assert!(bench.run(&["oidc-add", "--pw-cmd", &command, "acc"]).result.is_ok());
        let entry = added(&bench).pw_entry.expect("an entry");
        assert_eq!(entry.sources, PasswordSources::PROMPT.with(PasswordSources::COMMAND));
        let (command_kept, password) = (entry.command.as_ref().map(SecretText::expose), entry.password);
        assert_eq!((command_kept, password), (Some(command.as_str()), None));
        assert!(bench.run(&["oidc-add", "--pw-cmd", &command, "--pw-store=50", "acc"]).result.is_ok());
        let entry = added(&bench).pw_entry.expect("an entry");
        assert!(entry.password.is_some() && entry.expires_at.is_some() && entry.expires_after == Some(50));
    }

    #[test]
    fn a_remote_agent_learns_neither_password_nor_key_of_the_file() {
        let bench = Bench::new().with_account("acc");
        let home = bench.home();
        let line =
            ["oidc", "add", "--remote", "--pw-env=PW", "--pw-store", "--pw-cmd=x", "--pw-file=/x", "acc"];
        let Ok(Invocation::Run(Command::Add(args), _)) = cli::parse(line.map(Into::into)) else {
            panic!("a command line");
        };
        let name: Shortname = "acc".parse().expect("a name");
        let sources =
            Sources { command: Some(format!("echo {PASSWORD}").as_str().into()), ..args.password.sources() };
        let opened = Sealed::read(&home, &name).and_then(|sealed| {
            let mut nobody = Terminal::new(false);
            sealed.open(&home, &Sources { variable: None, ..sources.clone() }, &mut nobody)
        });
        let request = request(&name, opened.expect("opened"), &sources, &args);
        assert!(request.pw_entry.is_none() && request.file_key.is_none());
        assert!(request.config.refresh_token.is_some());
    }

    #[test]
    fn three_wrong_passwords_end_with_one_message_and_both_ways_out() {
        let bench =
            Bench::new().with_account("acc").with_agent(agent(&[])).with_person(&["a", "b", "c", "d"]);
        let ran = bench.run(&["oidc", "add", "acc"]);
        let error = ran.result.expect_err("wrong");
        assert!(error.to_string().contains(&bench.file("acc").display().to_string()), "{error}");
        let hint = error.hint().expect("a hint");
        assert!(hint.contains("oidc passwd acc") && hint.contains("oidc reset acc"), "{hint}");
        assert_eq!(ran.asked.iter().filter(|text| text.starts_with("Enter")).count(), 3);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    }

    #[test]
    fn a_wrong_password_from_a_source_is_not_tried_again() {
        let bench = Bench::new().with_account("acc").with_agent(agent(&[]));
        let error = bench.run(&["oidc", "add", "--pw-cmd=echo no", "acc"]).result.expect_err("wrong");
        assert_eq!(error.exit(), Exit::Password);
    }

    #[test]
    fn a_damaged_file_says_so_and_asks_nothing() {
        let bench = Bench::new().with_file("acc", b"garbage").with_agent(agent(&[])).with_person(&["pw"]);
        let ran = bench.run(&["oidc", "add", "acc"]);
        assert_eq!(ran.result.expect_err("damaged").exit(), Exit::File);
        assert!(ran.asked.is_empty());
    }

    #[test]
    fn a_loaded_account_is_left_alone() {
        let bench = Bench::new().with_account("acc").with_agent(agent(&["acc"]));
        let ran = bench.run(&["oidc-add", "acc"]);
        assert_eq!(ran.stdout, "Account 'acc' already loaded\n");
        assert!(ran.result.is_ok());
        let ran = bench.run(&["oidc-add", "--force", "--pw-cmd", &format!("echo {PASSWORD}"), "acc"]);
        assert_eq!(ran.stdout, "success\n");
        assert!(added(&bench).replace);
    }

    #[test]
    fn what_takes_no_effect_on_a_loaded_account_is_said() {
        let bench = Bench::new().with_account("acc").with_agent(agent(&["acc"]));
        let ran = bench.run(&["oidc", "add", "--confirm", "--pw-store", "acc"]);
        assert!(ran.result.is_ok());
        assert!(ran.stderr.contains("--confirm and --pw-store") && ran.stderr.contains("--force"), "{ran:?}");
        let quiet = bench.run(&["oidc", "add", "acc"]);
        assert_eq!(quiet.stderr, "");
    }

    #[test]
    fn an_agent_of_the_c_suite_has_to_unload_first_what_is_loaded_anew() {
        let mut is_loaded = true;
        let bench = Bench::new().with_account("acc").with_agent(move |request| match request {
            Request::LoadedAccounts => loaded(&["acc"]),
            Request::Remove { .. } => {
                is_loaded = false;
                Reply::success()
            }
            Request::Add(_) if is_loaded => Reply::success_with("account already loaded."),
            _ => Reply::success(),
        });
        let password = format!("echo {PASSWORD}");
        let ran = bench.run(&["oidc", "add", "-f", "--confirm", "--pw-cmd", &password, "acc"]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("success\n", ""));
        let names: Vec<_> = bench.requests().iter().map(Request::name).collect();
        assert_eq!(names, ["loaded_accounts", "add", "remove", "add"]);
        assert!(added(&bench).confirm && added(&bench).plain_add);
    }

    #[test]
    fn no_such_account_needs_no_agent_to_be_told() {
        let error = Bench::new().run(&["oidc-add", "acc"]).result.expect_err("no file");
        assert_eq!(error.to_string(), "No account configured with that short name");
        let error = Bench::new().run(&["oidc-add", "issuer.config"]).result.expect_err("no account");
        assert_eq!(error.exit(), Exit::UnknownAccount);
    }

    #[test]
    fn prints_the_account_without_an_agent() {
        let bench = Bench::new().with_account("acc").with_person(&[PASSWORD]);
        let ran = bench.run(&["oidc-add", "-p", "acc"]);
        assert!(
            ran.result.is_ok()
                && ran.stdout.starts_with("{\n\t\"name\":\t\"acc\",\n")
                && ran.stdout.ends_with("\n}\n"),
            "{ran:?}"
        );
    }

    #[test]
    fn the_other_actions_print_what_the_c_suite_prints() {
        let bench = Bench::new()
            .with_account("b")
            .with_account("a")
            .with_file("a.config", b"")
            .with_agent(agent(&["b"]));
        for (option, expected) in [("-l", "a\nb\n"), ("-a", "b\n"), ("-R", "success\n")] {
            assert_eq!(bench.run(&["oidc-add", option]).stdout, expected, "{option}");
        }
        let error = bench.run(&["oidc-add", "-r", "a"]).result.expect_err("not loaded");
        assert_eq!(error.to_string(), "account not loaded");
    }
}
