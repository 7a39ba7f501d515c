//! The loaded accounts, as the page shows them.

use oidc_proto::{message::Failure, shell};
use rustix::system::uname;
use serde_json::{Value, json};

use super::token::known;
use crate::{
    accounts::{Accounts, Shown},
    clock::{Expiry, Moment},
};

/// Everything that is to be seen without asking for it: accounts, and what is known of the tokens held for them, but
/// never a token. Times are seconds since the epoch, by the agent's clock, which is told, too.
pub fn state(accounts: &Accounts, ends: Expiry) -> Result<Value, Failure> {
    let now = accounts.deps().clock.now();
    let shown = accounts.shown()?;
    Ok(json!({
        "now": now.wall,
        "host": host(),
        "ends_at": ends.at(now),
        "accounts": shown.iter().map(|account| to_json(account, now)).collect::<Vec<_>>(),
    }))
}

/// The name of the computer that the agent runs on.
pub fn host() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

fn to_json(account: &Shown, now: Moment) -> Value {
    let status = &account.status;
    let log_in = || shell::command("oidc gen --reauthenticate", &status.name);
    let token = account.token.as_ref().map(|token| known(token, now));
    json!({
        "name": status.name,
        "issuer": status.issuer,
        "confirm": status.confirm,
        "scopes": account.scopes,
        "unloaded_at": status.unloaded_at,
        "login_needed": status.login_needed,
        "log_in": status.login_needed.as_ref().map(|_| log_in()),
        "client_refused": status.client_refused,
        "token": token,
    })
}
