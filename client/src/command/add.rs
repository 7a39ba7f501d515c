//! `oidc add` and `oidc-add`: decrypt an account file here and give the account to the agent.

use clap::Parser;
use oidc_proto::{
    config::{ADD_PW_PROMPT, Config, SKIP_CHECK, STORE_PW},
    home::Home,
    message::{AgentStatus, Reply, Request, Target},
    shortname::Shortname,
    timespan::{seconds, seconds_or_leading_digits},
};
use serde_json::json;

use super::{
    list, lock, remove,
    token::missing::{self, Offered},
    unlock,
};
use crate::{
    account::{file::Sealed, password::sources::Sources},
    agent::Agent,
    cli::{
        options::{Common, KeyringArgs, PasswordArgs, PromptArg, WithoutEffect},
        usage::UsageError,
    },
    context::{
        Command, Context,
        error::Error,
        load::{Loading, load},
    },
    process::display::has_display,
};

/// The section of the configuration.
const SECTION: &str = "oidc-add";

/// Decrypt an account file and load the account into the agent
#[derive(Debug, Clone, Default, Parser)]
#[command(
    override_usage = "oidc add [OPTIONS] ACCOUNT|ISSUER_URL\n       oidc add [OPTIONS] -l | -a | -R | -x | -X"
)]
pub struct AddArgs {
    /// An account's short name, or an issuer URL for that issuer's default account
    #[arg(value_name = "ACCOUNT|ISSUER_URL",
          required_unless_present_any = ["list", "loaded", "remove_all", "lock", "unlock"])]
    pub account: Option<String>,

    /// Unload the account after this many seconds (also 30m, 8h)
    #[arg(short = 't', long, value_name = "TIME", value_parser = seconds)]
    pub lifetime: Option<u64>,

    /// Ask the person each time a program wants a token
    #[arg(short, long)]
    pub confirm: bool,

    /// Give out ID tokens without asking the person
    #[arg(long)]
    pub always_allow_idtoken: bool,

    /// Load the account anew if it is loaded already, with what is asked for now
    #[arg(short, long)]
    pub force: bool,

    /// Load the account without asking the provider for a token
    #[arg(long)]
    pub skip_check: bool,

    /// Let the agent keep the password, for TIME seconds or as long as the account is loaded
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "0",
          value_parser = seconds, help_heading = "Password")]
    pub pw_store: Option<u64>,

    /// Use the agent at `OIDC_REMOTE_SOCK` (`host` or `host:port`)
    #[arg(long)]
    pub remote: bool,

    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub keyring: KeyringArgs,

    /// The key that an agent of the C suite encrypts the file with, when it writes it.
    #[arg(skip)]
    pub gpg_key: Option<String>,

    #[command(flatten)]
    pub instead: InsteadArgs,

    #[command(flatten)]
    pub common: Common,
}

/// What to do instead of loading an account.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Instead of adding")]
pub struct InsteadArgs {
    /// List the account files
    #[arg(short, long)]
    pub list: bool,

    /// List the loaded accounts
    #[arg(short = 'a', long)]
    pub loaded: bool,

    /// Unload all accounts
    #[arg(short = 'R', long)]
    pub remove_all: bool,

    /// Lock the agent
    #[arg(short = 'x', long)]
    pub lock: bool,

    /// Unlock the agent
    #[arg(short = 'X', long)]
    pub unlock: bool,

    /// Decrypt the account file and print it
    #[arg(short, long)]
    pub print: bool,

    /// Unload the account
    #[arg(short, long)]
    pub remove: bool,
}

/// `oidc-add`: the same, and what the C suite's takes besides.
#[derive(Debug, Clone, Parser)]
#[command(
    about = "Load an account into the agent, or see to its accounts",
    override_usage = "oidc-add [OPTION...] ACCOUNT_SHORTNAME | -a | -l | -x | -X | -R",
    mut_arg("lifetime", |arg| arg.value_parser(seconds_or_leading_digits)),
    mut_arg("pw_store", |arg| arg.value_parser(seconds_or_leading_digits))
)]
pub struct CSuiteAddArgs {
    #[command(flatten)]
    pub add: AddArgs,

    /// Tell an agent of the C suite to encrypt the file with this OpenPGP key; ours keeps the keys that the file has
    #[arg(long, aliases = ["pw-pgp", "gpg", "pgp"], value_name = "KEY_ID", help_heading = "Password")]
    pw_gpg: Option<String>,

    #[command(flatten)]
    without_effect: WithoutEffect,
}

impl From<CSuiteAddArgs> for AddArgs {
    fn from(args: CSuiteAddArgs) -> Self {
        Self { gpg_key: args.pw_gpg, ..args.add }
    }
}

impl Command for AddArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        run(self, context)
    }
}

impl AddArgs {
    /// With what the configuration says where the command line says nothing.
    fn configured(&self, config: &Config) -> Self {
        let mut args = self.clone();
        args.skip_check |= config.switch(&SKIP_CHECK);
        let word = config.text(&ADD_PW_PROMPT).as_deref().and_then(PromptArg::named);
        args.password.pw_prompt = args.password.pw_prompt.or(word);
        args
    }

    fn sources(&self) -> Sources {
        self.keyring.with(self.password.sources())
    }

    fn loading(&self, config: &Config) -> Loading {
        Loading {
            sources: self.sources(),
            lifetime: self.lifetime,
            confirm: self.confirm,
            always_allow_id_token: self.always_allow_idtoken,
            skip_check: self.skip_check,
            password_kept_for: self.pw_store.or_else(|| config.switch(&STORE_PW).then_some(0)),
            gpg_key: self.gpg_key.clone(),
            is_anew: self.force,
            is_remote: self.remote,
        }
    }
}

/// Runs the first of the actions that is asked for, in the C suite's order.
fn run(args: &AddArgs, context: &mut Context) -> Result<(), Error> {
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
        caution(context);
        return lock::lock(&args.password, context);
    }
    if instead.unlock {
        caution(context);
        return unlock::unlock(&args.password, context);
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
    let config = context.config(SECTION);
    add(&args.configured(&config), &config, account, context)
}

/// What is sent to another machine is a login, or the password of a lock.
fn caution(context: &mut Context) {
    let Some(address) = context.agent.remote_address().filter(|address| !address.is_here()) else { return };
    let text = format!(
        "this goes to {address}: encrypted, but whoever answers there can read it. With a socket that ssh forwards, it is known \
         who that is: docs/remote.md"
    );
    context.output.caution(&text);
}

/// Prints the decrypted account. Asks no agent.
fn print(args: &AddArgs, account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    let home = context.home()?;
    let opened = Sealed::read(&home, &name)?.open(&home, &args.sources(), context.asker.as_mut())?;
    Ok(context.output.account(&opened.account)?)
}

fn add(args: &AddArgs, config: &Config, account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    let home = context.home()?;
    let sealed = Sealed::read(&home, &name)?;
    let loaded = context.loaded_accounts_or_start()?;
    let is_loaded = loaded.iter().any(|other| other == name.as_str());
    let is_anew = args.force || (is_loaded && !args.remote && has_to_be_loaded_again(&name, context));
    if is_loaded && !is_anew {
        warn_of_what_stays(args, &name, context);
    }
    if is_loaded && !is_anew && args.lifetime.is_none() {
        return report(context, &name, &format!("Account '{name}' already loaded"), true, None);
    }
    caution(context);
    if args.remote && args.pw_store.is_some() {
        context.output.warning(
            "--pw-store has no effect with --remote: an agent on another machine is not told the password",
        );
    }
    let loading = Loading { is_anew, ..args.loading(config) };
    let info = match load(&sealed, &home, &loading, context) {
        Err(Error::Failure(failure))
            if missing::is_login(&failure) && !args.remote && !context.output.json =>
        {
            let target = Target::Account(name.to_string());
            if missing::log_in(&target, &failure, context)? != Offered::Made {
                return Err(Error::Failure(failure));
            }
            load_as_wanted(args, &home, &name, loading, context)?
        }
        info => info?,
    };
    report(context, &name, "success", is_loaded, info.as_deref())
}

/// Whether the agent holds an account whose file another program has changed so that it cannot open it.
fn has_to_be_loaded_again(name: &Shortname, context: &mut Context) -> bool {
    let Ok(Reply::Success { info: Some(info) }) = context.call(&Request::StatusJson) else { return false };
    let status = AgentStatus::from_info(&info).unwrap_or_default();
    status.accounts.iter().any(|account| account.name == name.as_str() && account.reload_needed)
}

/// After a login, which has loaded the account: what the options say of it counts as well.
fn load_as_wanted(
    args: &AddArgs,
    home: &Home,
    name: &Shortname,
    loading: Loading,
    context: &mut Context,
) -> Result<Option<String>, Error> {
    let wants_more = args.lifetime.is_some() || args.confirm || args.always_allow_idtoken;
    if !wants_more && args.pw_store.is_none() {
        return Ok(None);
    }
    let loading = Loading { is_anew: true, ..loading };
    load(&Sealed::read(home, name)?, home, &loading, context)
}

/// Loads an account, unless it is loaded. Says so on standard error: standard output may be for a shell.
pub fn ensure_loaded(account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    if context.loaded_accounts()?.iter().any(|other| other == name.as_str()) {
        return Ok(());
    }
    let config = context.config(SECTION);
    let mut args = AddArgs::default().configured(&config);
    // In a window where there is no terminal but a display, as a desktop session has it.
    if !context.asker.is_there() && has_display() {
        args.password.pw_prompt = Some(PromptArg::Gui);
    }
    let home = context.home()?;
    let info = load(&Sealed::read(&home, &name)?, &home, &args.loading(&config), context)?;
    context.output.note(&format!("Account '{name}' loaded"));
    if let Some(info) = info {
        context.output.note(&info);
    }
    Ok(())
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
        message::{AddRequest, Failure, PasswordSources, Reply, Request},
        secret::SecretText,
    };

    use crate::{
        say::exit::Exit,
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
    fn an_agent_of_the_c_suite_is_told_the_key_to_encrypt_with() {
        let bench = Bench::new().with_account("acc").with_agent(agent(&[]));
        let password = format!("--pw-cmd=echo {PASSWORD}");
        for option in ["--pw-gpg=0xABCD", "--pgp=0xABCD"] {
            let ran = bench.run(&["oidc-add", &password, option, "acc"]);
            assert!(ran.result.is_ok() && ran.stderr.is_empty(), "{ran:?}");
            let entry = added(&bench).pw_entry.expect("an entry");
            assert!(entry.sources.contains(PasswordSources::GPG), "{entry:?}");
            assert_eq!(entry.gpg_key.as_deref(), Some("0xABCD"));
        }
        assert!(bench.run(&["oidc-add", &password, "acc"]).result.is_ok());
        assert_eq!(added(&bench).pw_entry.expect("an entry").gpg_key, None);
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
