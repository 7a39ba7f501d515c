//! `[[file]]` and `[[condor]]`: tables into entries.

use std::{path::PathBuf, time::Duration};

use super::{
    entry::{
        CondorSink, Entry, FileSink, Format, OnExpiry, Require, Service, Sink, Span, Timing, TokenKind,
        WantedToken, Write,
    },
    hook_table::hook,
    keys::Table,
    readers,
    surroundings::Surroundings,
    value,
    values::{Source, Value, Values},
};
use crate::destination::{self, address::Address};

/// What people want to know of an entry besides what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file in which it stands.
    pub path: PathBuf,
    /// The line in which it begins, from 1.
    pub line: usize,
    /// Every value and where it is from.
    pub values: Vec<Value>,
}

/// What `[defaults]` may say for every sink, read only to tell what is wrong with it.
pub(super) fn check_defaults(values: &mut Values<'_, '_>) {
    account(values);
    timing(values);
    rest(values);
    look(values);
    values.get("token", value::token);
}

/// One entry. `None` where something without which it makes no sense is missing; that and everything else is told.
pub(super) fn entry(
    values: &mut Values<'_, '_>,
    kind: Table,
    surroundings: &Surroundings,
) -> Option<(Entry, Origin)> {
    let name = values.required("name", |given| value::name(given, b"._-", 100));
    if !values.has("account") {
        values.tell_here("", "account is missing: the name of an account");
    }
    let account = account(values);
    let token = values.get_or("token", TokenKind::Access, value::token);
    let services = services(values);
    let audience = values.get_or("audience", None, value::audience);
    let scope = values.get_or("scope", None, value::scope);
    if token == TokenKind::Id && !services.is_empty() {
        values.tell_here("for", "is for access tokens; an ID token is for the client alone");
    }
    let timing = timing(values);
    let require = rest(values);
    let sink = match kind {
        Table::Condor => condor(values, surroundings).map(Sink::Condor),
        _ => file(values, name.as_deref(), &services, surroundings).map(Sink::File),
    };
    // HTCondor's credd keeps what it has.
    let on_expiry = match kind {
        Table::Condor => OnExpiry::Keep,
        _ => values.get_or("on_expiry", OnExpiry::Remove, value::on_expiry),
    };
    let hook = hook(values, surroundings);
    let origin =
        Origin { path: values.path().into(), line: values.line(), values: std::mem::take(&mut values.found) };
    let token = WantedToken { account: account?, scope, audience, kind: token, services };
    Some((Entry { name: name?, token, sink: sink?, timing, require, on_expiry, hook }, origin))
}

fn account(values: &mut Values<'_, '_>) -> Option<crate::shortname::Shortname> {
    values.get("account", |given| value::text(given)?.parse().map_err(|error| format!("{error}")))
}

fn timing(values: &mut Values<'_, '_>) -> Timing {
    let timing = Timing {
        min_lifetime: values.get_or("min_lifetime", Duration::from_secs(600), value::lifetime),
        renew_before: values.get_or("renew_before", Span::Percent(33), value::renew_before),
        jitter: values.get_or("jitter", 10, value::jitter),
        min_backoff: values.get_or("min_backoff", Duration::from_secs(5), value::hour),
        max_backoff: values.get_or("max_backoff", Duration::from_secs(300), value::day),
    };
    if timing.max_backoff < timing.min_backoff {
        values.tell_here("max_backoff", "must not be shorter than min_backoff");
    }
    timing
}

fn rest(values: &mut Values<'_, '_>) -> Require {
    values.get_or("require", Require::AudScope, value::require)
}

/// What a file looks like, and how it is written.
fn look(values: &mut Values<'_, '_>) -> FileSink {
    let readers = values.get_or("readers", Vec::new(), value::readers);
    let meant = readers::suggest(&readers);
    // What the readers need is better than what is built in for everybody.
    let format = values.get("format", value::format).unwrap_or_else(|| {
        values.note_built_in("format", meant.format.as_str());
        meant.format
    });
    let newline = values.get("newline", value::flag).unwrap_or_else(|| {
        values.note_built_in("newline", if meant.newline { "true" } else { "false" });
        meant.newline
    });
    FileSink {
        path: PathBuf::new(),
        format,
        newline,
        mode: values.get_or("mode", 0o600, value::mode),
        group: values.get("group", value::group),
        create_dirs: values.get_or("create_dirs", false, value::flag),
        write: values.get_or("write", Write::Rename, value::write),
        host: None,
        readers,
    }
}

fn services(values: &mut Values<'_, '_>) -> Vec<Service> {
    let urls = values.get("for", |given| value::texts(given, 16)).unwrap_or_default();
    let operations = values.get("operations", value::wishes).unwrap_or_default();
    if urls.is_empty() && !operations.is_empty() {
        values.tell_here("operations", "says what is done at a service: `for` is missing");
    }
    for (index, url) in urls.iter().enumerate() {
        // Rules of the account's issuer come later; what they change is the result, not whether there is one. No address
        // is quoted: it may hold a secret.
        if let Err(error) = destination::derive(url, &operations, &[]) {
            let which = if urls.len() > 1 { format!("number {}: ", index + 1) } else { String::new() };
            values.tell_here("for", format!("{which}{error}"));
        }
    }
    urls.into_iter().map(|url| Service { url, operations: operations.clone() }).collect()
}

fn file(
    values: &mut Values<'_, '_>,
    name: Option<&str>,
    services: &[Service],
    surroundings: &Surroundings,
) -> Option<FileSink> {
    let path = if values.has("path") {
        values.get("path", |given| surroundings.expand(given.as_str().ok_or(String::new())?))
    } else {
        let path = surroundings.discovery_path(name?);
        values.note_built_in("path", &path.display().to_string());
        Some(path)
    };
    let mut sink = look(values);
    sink.host = values.get("host", |given| value::name(given, b".-:", 253));
    if sink.format == Format::Netrc && sink.host.is_none() && !values.has("host") {
        sink.host =
            services.first().and_then(|service| service.url.parse::<Address>().ok()).map(|url| url.host);
        match &sink.host {
            Some(host) => values.note_built_in("host", host),
            None => {
                values.tell_here("format", "netrc names the host that the token is for: `host` is missing");
            }
        }
    } else if sink.format != Format::Netrc && values.has("host") {
        values.tell_here("host", "is for the format netrc alone");
    }
    let sink = FileSink { path: path?, ..sink };
    for (key, what) in readers::refusals(&sink) {
        values.tell_here(key, what);
    }
    Some(sink)
}

fn condor(values: &mut Values<'_, '_>, surroundings: &Surroundings) -> Option<CondorSink> {
    let service = values.required("service", |given| value::name(given, b"._-", 100));
    let handle = values.get("handle", |given| value::name(given, b"._-", 100));
    let program = values.get("program", |given| surroundings.expand(&value::text(given)?));
    let condor_config = values.get("condor_config", value::text);
    Some(CondorSink { service: service?, handle, program, condor_config })
}

impl Origin {
    /// A value, by its key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|value| value.key == key)
    }

    /// Whether nobody wrote it.
    pub fn is_built_in(&self, key: &str) -> bool {
        self.value(key).is_none_or(|value| value.from == Source::BuiltIn)
    }
}
