//! The text files of 4.x.

use serde_json::json;

use crate::json::Object;

/// Whose file it is: the second word of a line means something else in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `<issuer> [<short name>]`
    User,
    /// `<issuer> <registration page> [<contact>]`
    System,
}

/// Whether a text is such a file at all: each line begins with a URL or is a comment.
pub(super) fn is_issuer_list(text: &str) -> bool {
    lines(text).all(|line| {
        line.split(' ').next().is_some_and(|url| url.contains("://") && !url.contains(['"', '{']))
    })
}

/// The entries of `issuer.config`. Two blanks mean that the word between is not there.
pub(super) fn issuers(text: &str, place: Place) -> Vec<Object> {
    let entry = |line: &str| {
        let (issuer, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let entry = match place {
            Place::User => {
                let name = rest.trim();
                let accounts: Vec<&str> = Some(name).filter(|name| !name.is_empty()).into_iter().collect();
                json!({ "issuer": issuer, "default_account": name, "accounts": accounts })
            }
            Place::System => {
                let (register, contact) = rest.split_once(' ').unwrap_or((rest, ""));
                json!({ "issuer": issuer, "register": register, "contact": contact.trim() })
            }
        };
        Object::from_value(entry)
    };
    let mut entries: Vec<Object> = Vec::new();
    for entry in lines(text).filter_map(entry) {
        match entries.iter_mut().find(|known| known.text("issuer") == entry.text("issuer")) {
            Some(known) => add_accounts(known, &entry),
            None => entries.push(entry),
        }
    }
    entries
}

/// Several lines for one issuer: the first account is the default, all of them count.
fn add_accounts(known: &mut Object, more: &Object) {
    let mut accounts = known.strings("accounts");
    accounts.extend(more.strings("accounts"));
    if let Some(first) = accounts.first().cloned() {
        known.insert("default_account", first);
        known.insert("accounts", accounts);
    }
}

/// The entries of `pubclients.config`: `<client_id>[:<client_secret>]@<issuer>[@<scopes>]` on each line.
pub(super) fn pubclients(text: &str) -> Vec<Object> {
    let entry = |line: &str| {
        let mut parts = line.trim().splitn(3, '@');
        let (client, issuer) = (parts.next()?, parts.next()?);
        let (client_id, client_secret) = client.split_once(':').unwrap_or((client, ""));
        let scope = parts.next().unwrap_or_default();
        let pubclient = json!({ "client_id": client_id, "client_secret": client_secret, "scope": scope });
        Object::from_value(json!({ "issuer": issuer, "pubclient": pubclient }))
    };
    lines(text).filter_map(entry).collect()
}

/// The lines of `pubclients.config` that name no client, from 1.
pub(super) fn not_pubclients(text: &str) -> Vec<usize> {
    let is_client = |line: &str| {
        let mut parts = line.splitn(3, '@');
        let (client, issuer) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        !client.is_empty() && !client.starts_with(':') && issuer.contains("://")
    };
    let numbered = text.lines().map(str::trim).zip(1..);
    numbered
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#') && !is_client(line))
        .map(|(_, number)| number)
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'))
}
