//! What the agent tells about itself: `status`, `status_json` and `account_info`.

use std::fmt::Write;

use oidc_proto::{
    account::same_issuer,
    issuers::Issuer,
    message::{AccountStatus, AgentStatus, IssuerInfo, IssuerInfos},
    shortname::Shortname,
};

use crate::{accounts::Accounts, hardening::confine};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `info` of `status_json`.
pub fn status(accounts: &Accounts) -> AgentStatus {
    let (program, program_replaced) = program().unzip();
    AgentStatus {
        version: VERSION.to_owned(),
        command_line_options: accounts.deps().options.command_line(),
        loaded_accounts: accounts.names().into_iter().map(String::from).collect(),
        accounts: accounts.status(),
        offers_logins: accounts.deps().options.offers_logins(),
        confined_by: Some(confine::confined_by().iter().map(ToString::to_string).collect()),
        program,
        program_replaced: program_replaced.unwrap_or_default(),
    }
}

/// The file that this process was started from, and whether it is gone or another one by now: the kernel then adds a word
/// to its name (proc(5), `/proc/PID/exe`).
fn program() -> Option<(String, bool)> {
    const REPLACED: &str = " (deleted)";
    let program = fs_err::read_link("/proc/self/exe").ok()?.to_str()?.to_owned();
    Some(match program.strip_suffix(REPLACED) {
        Some(before) => (before.to_owned(), true),
        None => (program, false),
    })
}

/// What `status` of the C suite shows: a title, the version, the options, the loaded accounts.
pub fn status_text(accounts: &Accounts) -> String {
    let names = accounts.names();
    let rows = accounts.deps().options.rows();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let mut text = String::from("####################\n## oidc-agent status ##\n####################\n\n");
    // Writing to a string does not fail.
    let _ = writeln!(text, "This agent is running version {VERSION}.\n");
    for (name, value) in rows {
        let _ = writeln!(text, "{:width$}{value}", format!("{name}:"));
    }
    let confined = match confine::confined_by() {
        [] => "false".to_owned(),
        by => by.join(", "),
    };
    let _ = writeln!(text, "{:width$}{confined}", "Confined:");
    let loaded: Vec<&str> = names.iter().map(Shortname::as_str).collect();
    let _ = writeln!(text, "\nNumber of loaded accounts: {}", loaded.len());
    let _ = writeln!(text, "Loaded accounts: {}", loaded.join(", "));
    text
}

/// Issuers of the configuration files and of the loaded accounts; while the agent is locked no account counts as
/// loaded.
pub async fn account_info(accounts: &Accounts) -> IssuerInfos {
    let issuers = accounts.issuers().await;
    let loaded = if accounts.is_locked() { Vec::new() } else { accounts.status() };
    let mut infos: Vec<(String, IssuerInfo)> =
        issuers.iter().map(|issuer| (issuer.issuer.clone(), info(&issuer, &loaded))).collect();
    for account in accounts.status() {
        let position = infos.iter().position(|(issuer, _)| same_issuer(issuer, &account.issuer));
        let position = position.unwrap_or_else(|| {
            infos.push((account.issuer.clone(), IssuerInfo::default()));
            infos.len() - 1
        });
        let known = &mut infos[position].1.accounts;
        if !known.iter().any(|(name, _)| *name == account.name) {
            known.push((account.name.clone(), is_among(&account.name, &loaded)));
        }
    }
    IssuerInfos(infos)
}

fn info(issuer: &Issuer, loaded: &[AccountStatus]) -> IssuerInfo {
    let mut accounts: Vec<(String, bool)> = Vec::new();
    for name in issuer.default_account.iter().chain(&issuer.accounts).map(Shortname::as_str) {
        if !accounts.iter().any(|(known, _)| known == name) {
            accounts.push((name.to_owned(), is_among(name, loaded)));
        }
    }
    IssuerInfo { pubclient: issuer.pubclient.is_some(), accounts }
}

fn is_among(name: &str, loaded: &[AccountStatus]) -> bool {
    loaded.iter().any(|account| account.name == name)
}
