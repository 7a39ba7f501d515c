//! `oidc list`, and `oidc-add -l` and `-a`.

use oidc_proto::{
    home::{Home, HomeError},
    shortname::Shortname,
    vault::{self, Format},
};
use serde_json::{Value, json};

use super::Context;
use crate::{cli::others::ListArgs, error::Error};

/// An account, as far as it is known without a password.
struct Entry {
    name: String,
    /// `None`: only the agent has it.
    file: Option<std::path::PathBuf>,
    format: Option<Format>,
    issuer: Option<String>,
    /// `None`: no agent tells.
    loaded: Option<bool>,
}

/// Lists the accounts with a file and those in the agent.
pub fn run(args: &ListArgs, context: &mut Context) -> Result<(), Error> {
    let loaded = match context.loaded_accounts() {
        Ok(names) => Some(names),
        Err(error) if args.loaded => return Err(error),
        Err(_) => None,
    };
    let mut entries = entries(context, loaded.as_deref())?;
    if args.loaded {
        entries.retain(|entry| entry.loaded == Some(true));
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
    }
    Ok(())
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
        Err(Error::Home(HomeError::NoDirectory)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn entries(context: &mut Context, loaded: Option<&[String]>) -> Result<Vec<Entry>, Error> {
    let names = listed(context)?;
    let is_loaded = |name: &str| loaded.map(|loaded| loaded.iter().any(|other| other == name));
    let mut entries = Vec::new();
    if !names.is_empty() {
        let home = context.home()?;
        entries.extend(names.iter().map(|name| Entry::of_file(&home, name, is_loaded(name.as_str()))));
    }
    for name in loaded.into_iter().flatten() {
        if !names.iter().any(|other| other.as_str() == name) {
            entries.push(Entry {
                name: name.clone(),
                file: None,
                format: None,
                issuer: None,
                loaded: Some(true),
            });
        }
    }
    Ok(entries)
}

impl Entry {
    fn of_file(home: &Home, name: &Shortname, loaded: Option<bool>) -> Self {
        let bytes = home.read(name).ok();
        let header = bytes.as_deref().and_then(|bytes| vault::header(bytes));
        Self {
            name: name.to_string(),
            file: Some(home.file(name)),
            format: bytes.and_then(|bytes| vault::format_of(&bytes).ok()),
            issuer: header.and_then(|header| header.issuer),
            loaded,
        }
    }

    fn to_line(&self, width: usize) -> String {
        let state = match (self.loaded, &self.file, self.format) {
            (Some(true), None, _) => "loaded, no file",
            (Some(true), ..) => "loaded",
            (_, Some(_), None) => "not an account file",
            _ => "",
        };
        format!("{:width$}  {state:<8}  {}", self.name, self.issuer.as_deref().unwrap_or_default())
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "loaded": self.loaded,
            "file": self.file,
            "format": self.format.map(format_name),
            "issuer": self.issuer,
        })
    }
}

/// A format's name in JSON results.
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Native => "native",
        Format::OidcAgent => "oidc-agent",
        Format::OidcAgentHex => "oidc-agent-hex",
        Format::OpenPgp => "openpgp",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Bench, loaded};

    #[test]
    fn shows_files_and_what_only_the_agent_has() {
        let bench =
            Bench::new().with_account("b").with_file("a", b"?").with_agent(|_| loaded(&["b", "gone"]));
        let lines = bench.run(&["oidc", "list"]).stdout;
        assert_eq!(lines, "a     not an account file\nb     loaded\ngone  loaded, no file\n");
        assert_eq!(bench.run(&["oidc", "list", "--loaded"]).stdout.lines().count(), 2);
    }

    #[test]
    fn without_an_agent_nothing_is_said_of_loading() {
        let bench = Bench::new().with_account("b");
        assert_eq!(bench.run(&["oidc", "list"]).stdout, "b\n");
        let value: Value =
            serde_json::from_str(&bench.run(&["oidc", "list", "--json"]).stdout).expect("JSON");
        let file = bench.file("b");
        let expected =
            json!([{"name": "b", "loaded": null, "file": file, "format": "oidc-agent", "issuer": null}]);
        assert_eq!(value, expected);
        assert!(bench.run(&["oidc", "list", "--loaded"]).result.is_err());
    }
}
