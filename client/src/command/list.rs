//! `oidc list`, and `oidc-add -l` and `-a`.

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::{
    account::grant_type,
    error_code::ErrorCode,
    home::{Home, HomeError},
    issuers::Issuers,
    message::{AccountStatus, AgentStatus},
    shortname::Shortname,
    vault::{self, Format, PublicHeader},
};
use serde_json::{Value, json};

use crate::{
    account::{error::AccountError, file::format_name},
    cli::options::Common,
    context::{
        Command, Context,
        agent_state::{self, AgentState},
        error::Error,
        expiry,
    },
};

/// List the accounts and whether the agent holds them
#[derive(Debug, Clone, Parser)]
pub struct ListArgs {
    /// Only those the agent holds
    #[arg(short = 'a', long)]
    pub loaded: bool,

    /// Say also what ends when: token, login and client, as far as the agent knows
    #[arg(short, long)]
    pub verbose: bool,

    #[command(flatten)]
    pub common: Common,
}

/// An account, as far as it is known without a password.
struct Entry {
    name: String,
    /// `None`: only the agent has it.
    file: Option<std::path::PathBuf>,
    format: Option<Format>,
    /// What opens the file beside its password, where the format has a place for that.
    recovery: Option<Recovery>,
    /// The file is no account's, nor does the agent hold an account of its name.
    is_foreign: bool,
    issuer: Option<String>,
    /// How it gets its tokens, as far as agent or file tell.
    kind: Option<String>,
    agent: AgentState,
    /// Why the provider takes the refresh token no more, as the agent tells it.
    login_needed: Option<String>,
    reload_needed: bool,
    /// Why the provider takes the client no more.
    client_refused: Option<String>,
    /// What the agent tells of it.
    held: Option<AccountStatus>,
}

/// The ways into a native file beside its password.
#[derive(Debug, Clone, Copy)]
struct Recovery {
    phrase: bool,
    key: bool,
}

impl Recovery {
    fn of(header: &PublicHeader) -> Self {
        Self { phrase: header.has_recovery_phrase, key: header.has_recovery_key }
    }

    fn to_line(self) -> &'static str {
        match (self.phrase, self.key) {
            (false, false) => "no recovery phrase or key opens its file",
            (true, false) => "a recovery phrase opens its file",
            (false, true) => "an OpenPGP key opens its file",
            (true, true) => "a recovery phrase or an OpenPGP key opens its file",
        }
    }
}

impl Command for ListArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    /// Lists the accounts with a file and those in the agent.
    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let mut entries = match ask(context) {
            Err(error) if self.loaded => return Err(error),
            Err(error) => entries(context, &Err(state(&error)))?,
            Ok(status) => entries(context, &Ok(status))?,
        };
        if self.loaded {
            entries.retain(|entry| entry.agent == AgentState::Loaded);
        }
        let foreign: Vec<_> =
            entries.extract_if(.., |entry| entry.is_foreign).map(|entry| entry.name).collect();
        if context.output.to_terminal && !foreign.is_empty() {
            context.output.note(&format!("Not listed, because no account file: {}", foreign.join(", ")));
        }
        if context.output.json {
            let list: Vec<_> = entries.iter().map(Entry::to_json).collect();
            return Ok(context.output.json(&Value::Array(list))?);
        }
        if entries.is_empty() && context.output.to_terminal {
            context.output.hint("No account configurations created yet. `oidc gen` makes one.");
        }
        let width = entries.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
        for entry in &entries {
            context.output.line(entry.to_line(width).trim_end())?;
            let held = entry.held.iter().filter(|_| self.verbose);
            if let Some(recovery) = entry.recovery.filter(|_| self.verbose) {
                context.output.line(&format!("{:width$}    {}", "", recovery.to_line()))?;
            }
            for line in held.flat_map(|held| expiry::chain(held, Timestamp::now())) {
                context.output.line(&format!("{:width$}    {line}", ""))?;
            }
        }
        Ok(())
    }
}

/// `oidc-add -l`: the names, a line each.
pub fn names(context: &mut Context) -> Result<(), Error> {
    let names = listed(context)?;
    print_names(
        context,
        names.iter().map(Shortname::as_str),
        "usable",
        "No account configurations created yet.",
    )
}

/// `oidc-add -a`: the names of the loaded accounts in load order, a line each.
pub fn loaded_names(context: &mut Context) -> Result<(), Error> {
    let names = context.loaded_accounts()?;
    let none = "No account configurations are currently loaded.";
    print_names(context, names.iter().map(String::as_str), "currently loaded", none)
}

/// 5.x writes the sentences around the names only to a terminal; scripts want the names alone.
fn print_names<'a>(
    context: &mut Context,
    names: impl Iterator<Item = &'a str>,
    kind: &str,
    none: &str,
) -> Result<(), Error> {
    let names: Vec<_> = names.collect();
    let output = &mut context.output;
    if output.json {
        return Ok(output.json(&json!(names))?);
    }
    if output.to_terminal && names.is_empty() {
        return Ok(output.line(none)?);
    }
    if output.to_terminal {
        output.line(&format!("The following account configurations are {kind}: "))?;
    }
    for name in names {
        output.line(name)?;
    }
    Ok(())
}

/// The listed accounts; none when there is no directory yet.
fn listed(context: &mut Context) -> Result<Vec<Shortname>, Error> {
    match context.home() {
        Ok(home) => Ok(home.list()?),
        Err(Error::Account(AccountError::Home(HomeError::NoDirectory))) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What the agent tells; one that is not asked for its state by this request tells at least the names.
fn ask(context: &mut Context) -> Result<AgentStatus, Error> {
    match agent_state::ask(context) {
        Ok(status) => Ok(status),
        Err(_) => Ok(AgentStatus { loaded_accounts: context.loaded_accounts()?, ..AgentStatus::default() }),
    }
}

fn state(error: &Error) -> AgentState {
    if error.is_no_agent() {
        AgentState::None
    } else if error.failure_code() == Some(ErrorCode::AgentLocked) {
        AgentState::Locked
    } else {
        AgentState::Unknown(error.to_string())
    }
}

fn entries(context: &mut Context, status: &Result<AgentStatus, AgentState>) -> Result<Vec<Entry>, Error> {
    let names = listed(context)?;
    let issuers = Issuers::load(context.home().ok().as_ref());
    let known = status.as_ref().map(|status| status.accounts.as_slice()).unwrap_or_default();
    let issuer = |name: &str| {
        let told = known.iter().find(|account| account.name == name).map(|account| account.issuer.clone());
        let listed = || {
            let lists = |accounts: &[Shortname]| accounts.iter().any(|other| other.as_str() == name);
            issuers.iter().find(|issuer| lists(&issuer.accounts)).map(|issuer| issuer.issuer.clone())
        };
        told.filter(|issuer| !issuer.is_empty()).or_else(listed)
    };
    let mut entries = Vec::new();
    if !names.is_empty() {
        let home = context.home()?;
        entries.extend(names.iter().map(|name| {
            let mut entry = Entry::of_file(&home, name, agent_state::of(status, name.as_str()));
            entry.issuer = entry.issuer.or_else(|| issuer(name.as_str()));
            entry
        }));
    }
    for name in status.iter().flat_map(|status| &status.loaded_accounts) {
        if !names.iter().any(|other| other.as_str() == name) {
            entries.push(Entry {
                name: name.clone(),
                file: None,
                format: None,
                recovery: None,
                is_foreign: false,
                issuer: issuer(name),
                kind: None,
                agent: AgentState::Loaded,
                login_needed: None,
                reload_needed: false,
                client_refused: None,
                held: None,
            });
        }
    }
    for entry in &mut entries {
        if let Some(account) = known.iter().find(|account| account.name == entry.name) {
            entry.login_needed.clone_from(&account.login_needed);
            entry.reload_needed = account.reload_needed;
            entry.client_refused.clone_from(&account.client_refused);
            entry.held = Some(account.clone());
            entry.kind = Some(grant_type::kind(account.grant_type.as_deref()).to_owned());
        }
    }
    Ok(entries)
}

impl Entry {
    fn of_file(home: &Home, name: &Shortname, agent: AgentState) -> Self {
        let bytes = home.read(name).ok();
        let header = bytes.as_deref().and_then(|bytes| vault::header(bytes));
        let format = bytes.as_deref().map(|bytes| vault::format_of(bytes));
        let kind = |header: &PublicHeader| grant_type::kind(header.grant_type.as_deref()).to_owned();
        Self {
            name: name.to_string(),
            file: Some(home.file(name)),
            is_foreign: agent != AgentState::Loaded && matches!(format, Some(Err(_))),
            format: format.and_then(Result::ok),
            recovery: header.as_ref().map(Recovery::of),
            kind: header.as_ref().map(kind),
            issuer: header.and_then(|header| header.issuer),
            agent,
            login_needed: None,
            reload_needed: false,
            client_refused: None,
            held: None,
        }
    }

    fn to_line(&self, width: usize) -> String {
        let state = match (&self.agent, &self.file, self.format) {
            _ if self.login_needed.is_some() => "login needed",
            _ if self.reload_needed => "file changed",
            _ if self.client_refused.is_some() => "client refused",
            (AgentState::Loaded, None, _) => "loaded, no file",
            (AgentState::Loaded, ..) => "loaded",
            (_, Some(_), None) => "not readable",
            (AgentState::NotLoaded, ..) => "not loaded",
            (AgentState::None, ..) => "no agent",
            (AgentState::Locked, ..) => "agent locked",
            (AgentState::Unknown(_), ..) => "agent does not tell",
        };
        let issuer = self.issuer.as_deref().unwrap_or_default();
        let robot = self.kind.as_deref().filter(|kind| *kind != "login").unwrap_or_default();
        format!("{:width$}  {state:<12}  {issuer}  {robot}", self.name)
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "loaded": match self.agent {
                AgentState::Loaded => Some(true),
                AgentState::NotLoaded => Some(false),
                _ => None,
            },
            "agent": self.agent.code(),
            "file": self.file,
            "format": self.format.map(format_name),
            "recovery": self.recovery.map(|recovery| json!({"phrase": recovery.phrase, "gpg": recovery.key})),
            "issuer": self.issuer,
            "kind": self.kind,
            "login_needed": self.login_needed,
            "reload_needed": self.reload_needed,
            "client_refused": self.client_refused,
            "token_expires_at": self.held.as_ref().and_then(|held| held.token_expires_at),
            "refresh_token_expires_at": self.held.as_ref().and_then(|held| held.refresh_token_expires_at),
            "refresh_token_expires_as": self.held.as_ref().and_then(|held| held.refresh_token_expires_as),
            "client_expires_at": self.held.as_ref().and_then(|held| held.client_expires_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::{AccountStatus, Failure, Reply, Request};
    use serde_json::json;

    use super::*;
    use crate::testing::{Bench, loaded};

    #[test]
    fn shows_files_and_what_only_the_agent_has() {
        let bench =
            Bench::new().with_account("b").with_file("notes", b"?").with_agent(|request| match request {
                Request::LoadedAccounts => loaded(&["b", "gone"]),
                _ => Failure::unknown_request().into(),
            });
        let lines = bench.run(&["oidc", "list"]).stdout;
        assert_eq!(lines, "b     loaded\ngone  loaded, no file\n");
        assert_eq!(bench.run(&["oidc", "list", "--loaded"]).stdout.lines().count(), 2);
    }

    #[test]
    fn what_the_agent_holds_where_it_tells_and_why_not_where_not() {
        let status = AgentStatus {
            loaded_accounts: vec!["b".into()],
            accounts: vec![AccountStatus {
                name: "b".into(),
                issuer: "https://op".into(),
                ..AccountStatus::default()
            }],
            ..AgentStatus::default()
        };
        let bench = Bench::new()
            .with_account("a")
            .with_account("b")
            .with_agent(move |_| Reply::success_with(status.to_info()));
        let listed = bench.run(&["oidc", "list"]).stdout;
        assert_eq!(listed, "a  not loaded\nb  loaded        https://op\n");
        let value: Value =
            serde_json::from_str(&bench.run(&["oidc", "list", "--json"]).stdout).expect("JSON");
        assert_eq!((&value[0]["agent"], &value[1]["issuer"]), (&"not_loaded".into(), &"https://op".into()));

        let bench = Bench::new().with_account("a").with_agent(|_| Failure::agent_locked().into());
        assert_eq!(bench.run(&["oidc", "list"]).stdout, "a  agent locked\n");
        let value: Value =
            serde_json::from_str(&bench.run(&["oidc", "list", "--json"]).stdout).expect("JSON");
        assert_eq!((&value[0]["agent"], &value[0]["loaded"]), (&"locked".into(), &Value::Null));
        assert!(bench.run(&["oidc", "list", "--loaded"]).result.is_err());
    }

    #[test]
    fn what_ends_when_is_told_on_request() {
        let account = AccountStatus {
            name: "b".into(),
            issuer: "https://op".into(),
            refresh_token_expires_at: Some(4_000_000_000),
            refresh_token_expires_as: Some(oidc_proto::message::KnownBy::Claim),
            ..AccountStatus::default()
        };
        let status = AgentStatus {
            loaded_accounts: vec!["b".into()],
            accounts: vec![account],
            ..AgentStatus::default()
        };
        let bench = Bench::new().with_account("a").with_agent(move |_| Reply::success_with(status.to_info()));
        let listed = bench.run(&["oidc", "list", "-v"]).stdout;
        let lines: Vec<_> = listed.lines().collect();
        assert_eq!(lines.len(), 3, "{listed}");
        assert!(
            lines[2].starts_with("     login until 20") && lines[2].ends_with("as the refresh token says"),
            "{listed}"
        );
        assert_eq!(bench.run(&["oidc", "list"]).stdout.lines().count(), 2);
        let value: Value =
            serde_json::from_str(&bench.run(&["oidc", "list", "--json"]).stdout).expect("JSON");
        assert_eq!(value[1]["refresh_token_expires_as"], "claim");
    }

    /// An account that is loaded and gives no tokens is told from one that does, as `oidc status` does.
    #[test]
    fn says_which_accounts_need_the_person() {
        let account = |name: &str, login_needed: Option<&str>, client_refused: Option<&str>| AccountStatus {
            name: name.into(),
            issuer: "https://op".into(),
            login_needed: login_needed.map(Into::into),
            client_refused: client_refused.map(Into::into),
            ..AccountStatus::default()
        };
        let status = AgentStatus {
            loaded_accounts: vec!["a".into(), "b".into(), "c".into()],
            accounts: vec![
                account("a", None, None),
                account("b", Some("invalid_grant"), None),
                account("c", None, Some("invalid_client")),
            ],
            ..AgentStatus::default()
        };
        let bench = Bench::new()
            .with_account("a")
            .with_account("b")
            .with_account("c")
            .with_agent(move |_| Reply::success_with(status.to_info()));
        let listed = bench.run(&["oidc", "list"]).stdout;
        let expected =
            "a  loaded        https://op\nb  login needed  https://op\nc  client refused  https://op\n";
        assert_eq!(listed, expected);
        let value: Value =
            serde_json::from_str(&bench.run(&["oidc", "list", "--json"]).stdout).expect("JSON");
        assert_eq!((&value[1]["login_needed"], &value[1]["loaded"]), (&"invalid_grant".into(), &true.into()));
        assert_eq!(value[2]["client_refused"], "invalid_client");
        assert!(value[0]["login_needed"].is_null() && value[0]["client_refused"].is_null());
    }

    #[test]
    fn tells_robots_from_people() {
        let account = |name: &str, grant_type: Option<&str>| AccountStatus {
            name: name.into(),
            issuer: "https://op".into(),
            grant_type: grant_type.map(Into::into),
            ..AccountStatus::default()
        };
        let status = AgentStatus {
            loaded_accounts: vec!["a".into(), "b".into(), "c".into()],
            accounts: vec![
                account("a", None),
                account("b", Some(grant_type::CLIENT_CREDENTIALS)),
                account("c", Some(grant_type::TOKEN_EXCHANGE)),
            ],
            ..AgentStatus::default()
        };
        let bench = Bench::new().with_agent(move |_| Reply::success_with(status.to_info()));
        let expected = "a  loaded, no file  https://op\nb  loaded, no file  https://op  client_credentials\n\
                        c  loaded, no file  https://op  token_exchange\n";
        assert_eq!(bench.run(&["oidc", "list"]).stdout, expected);
        let value: Value =
            serde_json::from_str(&bench.run(&["oidc", "list", "--json"]).stdout).expect("JSON");
        let kinds: Vec<_> = (0..3).map(|at| value[at]["kind"].clone()).collect();
        assert_eq!(kinds, ["login", "client_credentials", "token_exchange"]);
    }

    #[test]
    fn says_what_opens_a_file_beside_its_password() {
        let bench = Bench::new().with_account("c-suite");
        let phrase = vault::Phrase::random();
        let (password, none) = ("pw".into(), vault::Recovery::default());
        let recoverable = none.clone().with_phrase(&phrase);
        for (name, recovery) in [("bare", &none), ("safe", &recoverable)] {
            let protection = vault::Protection::Recoverable(&password, recovery);
            let (bytes, _) = vault::seal_new(&crate::testing::account(name), &protection).expect("sealed");
            fs_err::write(bench.file(name), bytes).expect("written");
        }
        let listed = bench.run(&["oidc", "list", "--json"]).stdout;
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        let recovery: Vec<_> =
            listed.as_array().expect("accounts").iter().map(|one| one["recovery"].clone()).collect();
        let expected =
            [json!({"phrase": false, "gpg": false}), json!(null), json!({"phrase": true, "gpg": false})];
        assert_eq!(recovery, expected, "{listed}");
        let lines = bench.run(&["oidc", "list", "-v"]).stdout;
        assert!(
            lines.contains("no recovery phrase or key") && lines.contains("    a recovery phrase"),
            "{lines}"
        );
    }

    #[test]
    fn without_an_agent_nothing_is_known_of_loading() {
        let bench = Bench::new().with_account("b");
        assert_eq!(bench.run(&["oidc", "list"]).stdout, "b  no agent\n");
        let value: Value =
            serde_json::from_str(&bench.run(&["oidc", "list", "--json"]).stdout).expect("JSON");
        let file = bench.file("b");
        let expected = json!([{"name": "b", "loaded": null, "agent": "none", "file": file, "format": "oidc-agent", "recovery": null, "issuer": null, "kind": null,
            "login_needed": null, "reload_needed": false, "client_refused": null, "token_expires_at": null, "refresh_token_expires_at": null,
            "refresh_token_expires_as": null, "client_expires_at": null}]);
        assert_eq!(value, expected);
        assert!(bench.run(&["oidc", "list", "--loaded"]).result.is_err());
    }
}
