//! Accounts: what their files tell without a password, and what the agent knows of them.

use std::path::PathBuf;

use oidc_proto::{
    account::{grant_type::MYTOKEN, same_issuer},
    home::Home,
    issuers::{Issuer, Issuers},
    message::{AccountReport, AccountStatus, ClientStanding},
    scope::not_granted,
    shell,
    shortname::Shortname,
    vault,
};

use super::{
    agent::Silence,
    check::{Check, Seen},
    files,
};

const DAY: u64 = 24 * 3600;
/// A login that ends sooner than that is pointed out, in seconds.
const SOON: u64 = 7 * DAY;

/// What was found out of one account.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Short name.
    pub name: String,
    /// Seconds since the epoch.
    pub now: u64,
    /// It was asked for by name.
    pub is_named: bool,
    /// Its file, and when that was written last, in seconds since the epoch.
    pub file: Option<(PathBuf, u64)>,
    /// What its file tells without a password.
    pub issuer_in_file: Option<String>,
    /// Its file tells that it holds a mytoken; of which server, only the agent knows.
    pub is_mytoken_in_file: bool,
    /// What the issuer data say of it, where its file does not tell.
    pub issuer_in_data: Option<String>,
    /// What the agent tells of it, where it holds it.
    pub status: Option<AccountStatus>,
    /// Why the agent tells nothing.
    pub silence: Option<Silence>,
    /// What the agent found out of it, or why it did not; `None`: it was not asked to.
    pub report: Option<Result<AccountReport, String>>,
}

impl Facts {
    /// What the directory tells.
    pub fn gather(name: &Shortname, home: Option<&Home>, issuers: &Issuers, now: u64) -> Self {
        let path = home.map(|home| home.file(name));
        let written = path.and_then(|path| {
            let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let written = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some((path, written.as_secs()))
        });
        // Not by `Home::read`, which says on the way what is told here in its own place.
        let bytes = written.as_ref().and_then(|(path, _)| files::read(path).ok());
        let header = bytes.and_then(|bytes| vault::header(&bytes)).unwrap_or_default();
        let is_of =
            |issuer: &Issuer| issuer.default_account.iter().chain(&issuer.accounts).any(|own| own == name);
        Self {
            name: name.to_string(),
            now,
            issuer_in_data: issuers.iter().find(is_of).map(|issuer| issuer.issuer),
            is_mytoken_in_file: header.grant_type.as_deref() == Some(MYTOKEN),
            issuer_in_file: header.issuer,
            file: written,
            ..Self::default()
        }
    }

    /// Its issuer, as far as it is known.
    pub fn issuer(&self) -> Option<&str> {
        let loaded =
            self.status.as_ref().map(|status| status.issuer.as_str()).filter(|issuer| !issuer.is_empty());
        loaded.or(self.issuer_in_file.as_deref()).or(self.issuer_in_data.as_deref())
    }

    /// Whom the agent asks for its tokens, as far as it is known: the mytoken server of an account that holds a mytoken, or
    /// else its OpenID provider.
    pub fn provider(&self) -> Option<&str> {
        match &self.status {
            Some(AccountStatus { mytoken_url: Some(server), .. }) => Some(server),
            None if self.is_mytoken_in_file => None,
            _ => self.issuer(),
        }
    }

    fn known(&self) -> Option<&AccountReport> {
        self.report.as_ref().and_then(|report| report.as_ref().ok())
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "account",
        why: "an account gives tokens while the agent holds it; otherwise its password is asked for first",
        judge: account,
    },
    Check {
        code: "account_issuer",
        why: "the agent goes on with the provider that the account had when it was loaded",
        judge: issuer,
    },
    Check {
        code: "login",
        why: "without a refresh token that the provider takes there are no new tokens: somebody has to log in again",
        judge: login,
    },
    Check {
        code: "login_end",
        why: "when the refresh token ends, so do tokens, until somebody logs in again: better before than in the night",
        judge: login_end,
    },
    Check {
        code: "client_accepted",
        why: "a provider gives no tokens to a client that it does not know",
        judge: client_accepted,
    },
    Check {
        code: "client_registration",
        why: "providers delete clients that are not used; then nobody can log in with this one any more",
        judge: client_registration,
    },
    Check {
        code: "unsaved_token",
        why: "a refresh token that is in memory only is gone when the agent ends, and the login with it",
        judge: unsaved,
    },
    Check {
        code: "scopes",
        why: "a service refuses a token that lacks its scope, and seldom says so",
        judge: scopes,
    },
    Check {
        code: "account_certificates",
        why: "an account that trusts certificates of its own reaches its provider with no others",
        judge: certificates,
    },
    Check {
        code: "account_report",
        why: "what only the agent knows of an account was not looked at",
        judge: report,
    },
];

fn account(facts: &Facts) -> Vec<Seen> {
    let name = &facts.name;
    let add = || shell::command("oidc add", name);
    vec![match (&facts.status, &facts.file, facts.silence) {
        (Some(_), Some(_), _) => Seen::ok(name, format!("account '{name}' is loaded")),
        (Some(_), None, _) => {
            Seen::warning(name, format!("account '{name}' is loaded, and there is no file of it here"))
                .mend(format!("if it is to outlive the agent: {}", shell::command("oidc passwd", name)))
        }
        (None, Some(_), Some(silence)) => {
            Seen::unchecked(name, format!("whether account '{name}' is loaded is not known: {silence}"))
                .mend(silence.mend())
        }
        (None, Some(_), None) => Seen::ok(name, format!("account '{name}' is not loaded")).mend(add()),
        (None, None, _) => {
            Seen::problem(name, format!("there is no account '{name}', neither a file nor in the agent"))
                .mend(format!(
                    "`oidc list` shows the accounts, `{}` makes this one",
                    shell::command("oidc gen", name)
                ))
        }
    }]
}

fn issuer(facts: &Facts) -> Vec<Seen> {
    let loaded = facts.status.as_ref().map(|status| status.issuer.as_str());
    match (loaded, facts.issuer_in_file.as_deref()) {
        (Some(loaded), Some(in_file)) if !same_issuer(loaded, in_file) => {
            let text = format!(
                "account '{}' was loaded with the issuer {loaded}, and its file has {in_file} by now",
                facts.name
            );
            vec![Seen::warning(&facts.name, text).mend(shell::command("oidc add --force", &facts.name))]
        }
        _ => Vec::new(),
    }
}

fn login(facts: &Facts) -> Vec<Seen> {
    let Some(status) = &facts.status else { return Vec::new() };
    let name = &facts.name;
    let again = shell::command("oidc gen --reauthenticate", name);
    if let Some(reason) = &status.login_needed {
        return vec![
            Seen::problem(name, format!("the provider takes the login of '{name}' no more: {reason}"))
                .mend(again),
        ];
    }
    if status.reload_needed {
        let text = format!(
            "another program has changed the file of '{name}' since it was loaded, and the agent cannot open it"
        );
        return vec![Seen::problem(name, text).mend(shell::command("oidc add", name))];
    }
    if status.grant_type.is_none() && facts.known().is_some_and(|report| !report.has_refresh_token) {
        return vec![Seen::problem(name, format!("account '{name}' has no refresh token")).mend(again)];
    }
    vec![match status.token_expires_at.filter(|end| *end > facts.now) {
        Some(end) => {
            Seen::ok(name, format!("'{name}' has a token that is good for {} minutes", (end - facts.now) / 60))
        }
        None if facts.is_named => Seen::unchecked(
            name,
            format!("nothing speaks against the login of '{name}'; it is not tried, because that may use up the refresh token"),
        )
        .mend(shell::command("oidc token", name)),
        None => return Vec::new(),
    }]
}

fn login_end(facts: &Facts) -> Vec<Seen> {
    let name = &facts.name;
    let told = facts.status.as_ref().and_then(|status| status.refresh_token_expires_at);
    let again = shell::command("oidc gen --reauthenticate", name);
    if let Some(end) = told.or_else(|| facts.known()?.refresh_token_expires_at) {
        let text = format!("the refresh token of '{name}' {}", until(end, facts.now));
        return vec![match end.saturating_sub(facts.now) {
            0 => Seen::problem(name, text).mend(again),
            left if left < SOON => Seen::warning(name, text).mend(again),
            _ => Seen::ok(name, text),
        }];
    }
    let Some(report) = facts.known().filter(|report| report.has_refresh_token) else { return Vec::new() };
    let written = facts.file.as_ref().map(|(_, written)| *written);
    vec![match (report.refresh_token_lifetime, written) {
        // The file is written at the login, and perhaps later: it ends by then, or earlier.
        (Some(lifetime), Some(written)) => {
            let end = written.saturating_add(lifetime);
            let text = format!(
                "the refresh token of '{name}' does not tell when it ends; at this provider they are good for {} days, and the \
                 file was written {} days ago",
                lifetime / DAY,
                facts.now.saturating_sub(written) / DAY
            );
            if end < facts.now.saturating_add(SOON) {
                Seen::warning(name, text).mend(again)
            } else {
                Seen::ok(name, text)
            }
        }
        _ => Seen::unchecked(name, format!("the refresh token of '{name}' does not tell when it ends")),
    }]
}

fn until(end: u64, now: u64) -> String {
    match end.checked_sub(now).filter(|left| *left > 0) {
        None => format!("ended {} hours ago", (now - end) / 3600),
        Some(left) if left < 2 * DAY => format!("ends in {} hours", left / 3600),
        Some(left) => format!("ends in {} days", left / DAY),
    }
}

fn client_accepted(facts: &Facts) -> Vec<Seen> {
    let Some(reason) = facts.status.as_ref().and_then(|status| status.client_refused.as_ref()) else {
        return Vec::new();
    };
    let text = format!("the provider refuses the client of '{}': {reason}", facts.name);
    vec![Seen::problem(&facts.name, text).mend(new_client(facts))]
}

/// How to get another client.
fn new_client(facts: &Facts) -> String {
    let issuer =
        facts.issuer().map(|issuer| format!(" --issuer {}", shell::quoted(issuer))).unwrap_or_default();
    format!("{}{issuer}", shell::command("oidc gen", &facts.name))
}

fn client_registration(facts: &Facts) -> Vec<Seen> {
    let Some(report) = facts.known() else { return Vec::new() };
    let (name, client) = (&facts.name, report.client_id.as_deref().unwrap_or("without a name"));
    vec![match &report.client {
        ClientStanding::Registered => {
            Seen::ok(name, format!("the provider knows the client of '{name}', {client}"))
        }
        ClientStanding::Gone => Seen::problem(
            name,
            format!(
                "the provider does not know the registration of the client of '{name}', {client}, any more"
            ),
        )
        .mend(new_client(facts)),
        ClientStanding::NotManaged => return Vec::new(),
        ClientStanding::NotAsked { reason } => Seen::unchecked(
            name,
            format!("whether the client of '{name}', {client}, is still registered is not asked: {reason}"),
        ),
        ClientStanding::Unknown { reason } => Seen::warning(
            name,
            format!("whether the client of '{name}', {client}, is still registered is not known: {reason}"),
        ),
    }]
}

fn unsaved(facts: &Facts) -> Vec<Seen> {
    let is_unsaved = facts.status.as_ref().is_some_and(|status| status.unsaved);
    let text =
        format!("the new refresh token of '{}' could not be saved yet: do not stop the agent", facts.name);
    let mend = "make the directory writable again, or room on its disk; the agent goes on trying";
    if is_unsaved { vec![Seen::problem(&facts.name, text).mend(mend)] } else { Vec::new() }
}

fn scopes(facts: &Facts) -> Vec<Seen> {
    let Some(report) = facts.known() else { return Vec::new() };
    let name = &facts.name;
    let (Some(asked), Some(granted)) = (&report.requested_scope, &report.granted_scope) else {
        return Vec::new();
    };
    // That one is for the refresh token, and no provider lists it among a token's.
    let missing: Vec<_> = not_granted(asked, granted)
        .into_iter()
        .filter(|scope| *scope != oidc_proto::scope::OFFLINE_ACCESS)
        .collect();
    vec![if missing.is_empty() {
        Seen::ok(name, format!("'{name}' has the scopes that were asked for: {granted}"))
    } else {
        let text = format!("'{name}' was not granted {}; it has {granted}", missing.join(" "));
        let mend = format!(
            "ask the provider's administrators for them, then {}",
            shell::command("oidc gen --reauthenticate", name)
        );
        Seen::warning(name, text).mend(mend)
    }]
}

fn certificates(facts: &Facts) -> Vec<Seen> {
    let Some(path) = facts.known().and_then(|report| report.cert_path.as_deref()) else { return Vec::new() };
    let (name, there) = (&facts.name, std::path::Path::new(path).is_file());
    vec![if there {
        Seen::ok(name, format!("'{name}' trusts the certificates in {path}"))
    } else {
        let mend = format!("{} --cp FILE", shell::command("oidc gen --update", name));
        Seen::problem(name, format!("'{name}' trusts the certificates in {path}, which is no file"))
            .mend(mend)
    }]
}

fn report(facts: &Facts) -> Vec<Seen> {
    let name = &facts.name;
    match (&facts.report, &facts.status) {
        (Some(Err(reason)), Some(_)) => {
            vec![Seen::unchecked(name, format!("the agent does not tell more of '{name}': {reason}"))]
        }
        (None, None) if facts.is_named && facts.file.is_some() && facts.silence.is_none() => {
            vec![
                Seen::unchecked(
                    name,
                    format!("'{name}' is not loaded: login, client and scopes are not looked at"),
                )
                .mend(shell::command("oidc add", name)),
            ]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
