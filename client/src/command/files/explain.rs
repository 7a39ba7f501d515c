//! `oidc files explain`: everything that holds for an entry, and where it is from.

use std::{fmt::Write, time::Duration};

use clap::Parser;
use oidc_proto::{
    destination::{self, Derived},
    files::{
        Origin, Source, due,
        entry::{Entry, Sink, Span},
        readers,
    },
    message::Target,
};
use serde_json::{Value, json};

use super::{configuration, show};
use crate::{
    cli::options::Common,
    command::token::destination::{explain, rules},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Say what holds for an entry of the managed files, and where each value is from
#[derive(Debug, Clone, Parser)]
pub struct ExplainArgs {
    /// The entry
    #[arg(value_name = "NAME")]
    pub name: String,

    #[command(flatten)]
    pub common: Common,
}

impl Command for ExplainArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let files = configuration::read(context)?;
        let (entry, origin) = configuration::find(&files, &self.name)?;
        let derived = derive(entry, context)?;
        if context.output.json {
            return Ok(context.output.json(&object(entry, origin, &derived))?);
        }
        Ok(context.output.line(&text(entry, origin, &derived))?)
    }
}

/// What the services ask for, with what is known of the account's issuer.
fn derive(entry: &Entry, context: &mut Context) -> Result<Vec<Derived>, Error> {
    let services = &entry.token.services;
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let target = Target::Account(entry.token.account.to_string());
    let issuer = rules::issuer_of(&target, context);
    let known = issuer.map(|issuer| rules::of(&issuer, context)).unwrap_or_default();
    let one = |service: &oidc_proto::files::entry::Service| {
        destination::derive(&service.url, &service.operations, &known)
            .map_err(|error| Error::Other(Exit::Failure, format!("{}: for: {error}", entry.name)))
    };
    services.iter().map(one).collect()
}

fn text(entry: &Entry, origin: &Origin, derived: &[Derived]) -> String {
    let mut text = format!("{}  ({}:{})", entry.name, origin.path.display(), origin.line);
    let width = origin.values.iter().map(|value| value.key.len()).max().unwrap_or_default();
    for value in &origin.values {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:<width$}  {}  ({})", value.key, value.value, from(&value.from, origin));
    }
    if !derived.is_empty() {
        let _ = write!(text, "\n\nWhat the services ask for:\n{}", explain::text(derived));
    }
    let _ = write!(text, "\n\nWhen it is renewed:");
    for line in timing(entry) {
        let _ = write!(text, "\n  {line}");
    }
    if let Sink::File(sink) = &entry.sink {
        let readers = readers::of(&sink.readers);
        if !readers.is_empty() {
            text.push_str("\n\nWho reads it:");
        }
        for reader in readers {
            let _ = write!(text, "\n  {}: {}", reader.name, reader.source);
        }
        for variable in readers::variables(sink) {
            let _ = write!(text, "\n  {variable}");
        }
    }
    text
}

fn from(source: &Source, origin: &Origin) -> String {
    let place = |path: &std::path::Path, line: usize| {
        if path == origin.path { format!("line {line}") } else { format!("{}:{line}", path.display()) }
    };
    match source {
        Source::Entry(path, line) => place(path, *line),
        Source::Defaults(path, line) => format!("defaults, {}", place(path, *line)),
        Source::BuiltIn => "built in".to_owned(),
    }
}

/// The arithmetic in words, with a token of an hour for an example.
fn timing(entry: &Entry) -> Vec<String> {
    const EXAMPLE: Duration = Duration::from_secs(3600);
    let timing = &entry.timing;
    let before = match timing.renew_before {
        Span::Fixed(time) => show::duration(time),
        Span::Percent(percent) => format!("{percent}% of its life"),
    };
    let lead = |phase| show::duration(timing.lead(EXAMPLE, phase));
    let mut lines = vec![format!(
        "once what is left is {} (min_lifetime) and a minute for asking and writing, or {before} (renew_before), if that is \
         earlier",
        show::duration(timing.min_lifetime)
    )];
    lines.push(format!(
        "up to {}% of its life earlier than that, always by the same amount on this host (jitter); not in the first third of \
         its life",
        timing.jitter
    ));
    lines.push(if timing.is_short(EXAMPLE) {
        "a token of an hour is too short for that: it is renewed after half of its life".to_owned()
    } else {
        format!("a token of an hour: between {} and {} before its end", lead(due::WHOLE), lead(0))
    });
    lines.push(format!(
        "after a failure it is tried again in {} to {}, sooner where the end is near",
        show::duration(timing.min_backoff),
        show::duration(timing.max_backoff)
    ));
    lines
}

fn object(entry: &Entry, origin: &Origin, derived: &[Derived]) -> Value {
    let value = |value: &oidc_proto::files::Value| json!({"key": value.key, "value": value.value, "from": from(&value.from, origin)});
    let variables = match &entry.sink {
        Sink::File(sink) => readers::variables(sink),
        Sink::Condor(_) => Vec::new(),
    };
    json!({
        "name": entry.name,
        "path": origin.path.display().to_string(),
        "line": origin.line,
        "values": origin.values.iter().map(value).collect::<Vec<_>>(),
        "derived": derived.iter().map(explain::object).collect::<Vec<_>>(),
        "timing": timing(entry).join(" "),
        "variables": variables,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use oidc_proto::files::{Surroundings, TokenFiles};

    use super::*;

    #[test]
    fn each_value_has_its_place() {
        let surroundings = Surroundings {
            uid: 1000,
            user: None,
            home: None,
            runtime_dir: Some("/run/user/1000".into()),
            system: "/nonexistent".into(),
        };
        let toml = "[defaults]\nmin_lifetime = \"5m\"\n[[file]]\nname = \"eos\"\naccount = \"cms\"\nreaders = [\"xrootd\"]\n\
                    for = \"root://eos.example:1094//store/x\"\noperations = [\"read\"]\n";
        let files = TokenFiles::parse(Path::new("/h/files.toml"), toml, Path::new("/h"), &surroundings)
            .expect("read");
        let (entry, origin) = (&files.entries[0], &files.origins[0]);
        let service = &entry.token.services[0];
        let derived = [destination::derive(&service.url, &service.operations, &[]).expect("derived")];
        let text = text(entry, origin, &derived);
        for part in [
            "eos  (/h/files.toml:4)",
            "\"5m\"  (defaults, line 2)",
            "/run/user/1000/bt_u1000-eos  (built in)",
            "storage.read:/store/x",
            "once what is left is 5m 0s (min_lifetime) and a minute for asking and writing, or 33% of its life (renew_before)",
            "a token of an hour: between 25m 48s and 19m 48s before its end",
            "XRootD (ztn): ",
            "BEARER_TOKEN_FILE=/run/user/1000/bt_u1000-eos",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(object(entry, origin, &derived)["line"], 4);
    }
}
