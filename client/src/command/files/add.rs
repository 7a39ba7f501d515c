//! `oidc files add`: an entry without an editor.

mod options;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use oidc_proto::{
    files::{FILES_TOML, Surroundings, TokenFiles, entry::Sink, readers, text_of},
    home::{Home, Presence},
    message::Condition,
    private_file::{self, Target},
    shortname::Shortname,
};
use serde_json::json;

use super::{
    configuration::refused,
    edit::{self, NewEntry},
    reload, status, wait,
};
use crate::{
    cli::{options::Common, usage::UsageError},
    command::token::{
        destination::{
            self,
            arguments::{DestinationArgs, OPERATIONS},
            explain, rules,
        },
        purpose::PurposeArgs,
    },
    context::{Command, Context, account_name, error::Error},
    say::exit::Exit,
};

/// Keep a token of an account fresh in a file
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Writes an entry to files.toml, of which everything else stays as it is, tells the agent, and waits until the file is there. \
Without PATH the file is $XDG_RUNTIME_DIR/bt_uUID-NAME, or in /tmp where there is no such directory.

  oidc files add cms --for root://eos.example//store/user/x --read --reader xrootd")]
pub struct AddArgs {
    /// The account that gives the token
    #[arg(value_name = "ACCOUNT")]
    pub account: String,

    /// The file
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// What the entry is called [default: the file's name, else the account's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub purpose: PurposeArgs,

    /// Keep an ID token there instead of an access token
    #[arg(long)]
    pub id_token: bool,

    /// A program that reads the file: what it needs is chosen, and what it refuses is told
    #[arg(long, value_name = "PROGRAM")]
    pub reader: Vec<String>,

    /// What the file looks like: raw, json, oauth2, header or netrc
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,

    /// The host that a netrc entry is for [default: that of --for]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,

    /// End the file without a newline
    #[arg(long)]
    pub no_newline: bool,

    /// The file's mode, in octal digits
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,

    /// For how long what readers find is good at least
    #[arg(long, value_name = "TIME")]
    pub min_lifetime: Option<String>,

    /// Make directories that are missing
    #[arg(long)]
    pub create_dirs: bool,

    /// Do not wait until the file is there
    #[arg(long)]
    pub no_wait: bool,

    #[command(flatten)]
    pub destinations: DestinationArgs,

    #[command(flatten)]
    pub common: Common,
}

/// How long a first token is waited for, in seconds.
const PATIENCE: u64 = 45;
/// How long another program may take that changes the configuration.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(10);

impl Command for AddArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let home = context.home()?;
        let account = account_name(&self.account)?;
        let name = self.name(&account);
        let path = home.path().join(FILES_TOML);
        let surroundings = Surroundings::of_process();
        let wrong = |what: &str| Error::Other(Exit::File, format!("{}: {what}", path.display()));
        let new_entry = self.entry(&account, &name)?;
        self.check(&new_entry, &home, &surroundings)?;
        require_account(&account, &home, context)?;
        self.explain(&account, context)?;
        // From the reading to the writing nobody else changes it.
        let lock = home.lock_configuration(LOCK_PATIENCE)?;
        let before = text_of(&path, &surroundings).map_err(|problem| wrong(&problem.what))?;
        let after = edit::with_entry(before.as_deref().unwrap_or_default(), &new_entry);
        let after = after.map_err(|what| wrong(&what))?;
        TokenFiles::read(&home, &surroundings).map_err(|problems| refused(&problems))?;
        let files = TokenFiles::read_instead(&home, &surroundings, Some((&path, &after)))
            .map_err(|problems| options::wrong(&problems))?;
        let Some(entry) = files.entries.iter().find(|entry| entry.name == name) else {
            return Err(Error::UnexpectedReply("add"));
        };
        let Sink::File(sink) = &entry.sink else { return Err(Error::UnexpectedReply("add")) };
        let obstacle = private_file::examine(&sink.target().outside(home.path()));
        let warnings = obstacle.map_err(|error| Error::Other(Exit::File, error.to_string()))?;
        write(&path, before.as_deref(), &after)?;
        drop(lock);
        for warning in warnings {
            context.output.remark(&format!("{}: {warning}", sink.path.display()));
        }
        for variable in readers::variables(sink) {
            context.output.note(&format!("Programs find it with {variable}"));
        }
        self.tell_agent(&name, &sink.path, context)
    }
}

impl AddArgs {
    /// What is wrong with it by itself, whatever the configuration says.
    fn check(&self, entry: &NewEntry, home: &Home, surroundings: &Surroundings) -> Result<(), Error> {
        if self.destinations.explain && self.destinations.wanted.is_empty() {
            return Err(UsageError::new("`--explain` belongs to `--for URL`").into());
        }
        let alone = edit::with_entry("", entry).map_err(UsageError::new)?;
        let read = TokenFiles::parse(&home.path().join(FILES_TOML), &alone, home.path(), surroundings);
        read.map(drop).map_err(|problems| options::wrong(&problems).into())
    }

    /// `--explain`: what the token will have to hold, as `oidc token` tells it.
    fn explain(&self, account: &Shortname, context: &mut Context) -> Result<(), Error> {
        if !self.destinations.explain || self.destinations.wanted.is_empty() {
            return Ok(());
        }
        let issuer = rules::issuer_of(&oidc_proto::message::Target::Account(account.to_string()), context);
        let known = issuer.map(|issuer| rules::of(&issuer, context)).unwrap_or_default();
        let derived = destination::derive(&self.destinations, &known)?;
        context.output.note(&explain::text(&derived));
        Ok(())
    }

    fn name(&self, account: &Shortname) -> String {
        let of_path = || self.path.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        if let Some(name) = &self.name {
            return name.clone();
        }
        let name = of_path().unwrap_or(account.as_str());
        name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
    }

    fn entry(&self, account: &Shortname, name: &str) -> Result<NewEntry, Error> {
        if self.destinations.lacks_place {
            return Err(
                UsageError::new("what is to be done is said of a service: name it with --for URL").into()
            );
        }
        let texts = vec![("name", name.to_owned()), ("account", account.to_string())];
        let mut entry = NewEntry { texts, ..NewEntry::default() };
        if let Some(path) = &self.path {
            entry.texts.push(("path", absolute(path)?));
        }
        let urls: Vec<_> = self.destinations.wanted.iter().map(|place| place.url.clone()).collect();
        if let Some(first) = self.destinations.wanted.first() {
            if self.destinations.wanted.iter().any(|place| place.wishes != first.wishes) {
                let text = "in one entry the same is done at all services: name the operations once, before the first --for";
                return Err(UsageError::new(text).into());
            }
            let wish = |wish: &oidc_proto::destination::Wish| {
                let name = OPERATIONS.iter().find(|(_, operation)| *operation == wish.operation);
                let name = name.map_or("", |(name, _)| *name);
                wish.path.as_ref().map_or(name.to_owned(), |path| format!("{name}:{path}"))
            };
            entry.lists.push(("for", urls));
            if !first.wishes.is_empty() {
                entry.lists.push(("operations", first.wishes.iter().map(wish).collect()));
            }
        }
        let scopes = self.purpose.scope().unwrap_or_default();
        if !scopes.is_empty() {
            entry.lists.push(("scope", scopes.split_whitespace().map(str::to_owned).collect()));
        }
        let audiences = self.purpose.audience().unwrap_or_default();
        if !audiences.is_empty() {
            entry.lists.push(("audience", audiences.split_whitespace().map(str::to_owned).collect()));
        }
        if !self.reader.is_empty() {
            entry.lists.push(("readers", self.reader.clone()));
        }
        let given = [
            ("format", &self.format),
            ("host", &self.host),
            ("mode", &self.mode),
            ("min_lifetime", &self.min_lifetime),
        ];
        entry.texts.extend(given.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))));
        if self.id_token {
            entry.texts.push(("token", "id".into()));
        }
        if self.no_newline {
            entry.flags.push(("newline", false));
        }
        if self.create_dirs {
            entry.flags.push(("create_dirs", true));
        }
        Ok(entry)
    }

    fn tell_agent(&self, name: &str, path: &Path, context: &mut Context) -> Result<(), Error> {
        let told = reload::after_change(context);
        if told.is_none() || self.no_wait {
            return written(name, path, told.is_some(), context);
        }
        let waited = wait::until_fresh(name, PATIENCE, context)?;
        match waited.entries.first() {
            Some(entry) if entry.state == Condition::Fresh && !context.output.json => {
                let until =
                    entry.expires_at.map(|end| crate::context::expiry::clock(end, jiff::Timestamp::now()));
                let until =
                    until.map(|until| format!(", until {until} and renewed before")).unwrap_or_default();
                Ok(context.output.line(&format!("{} is fresh{until}.", path.display()))?)
            }
            _ => status::print(&waited, context),
        }
    }
}

fn written(name: &str, path: &Path, is_told: bool, context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        let whole = json!({"status": "success", "name": name, "path": path.display().to_string(), "reloaded": is_told});
        return Ok(context.output.json(&whole)?);
    }
    Ok(context.output.line(&format!("The entry {name} for {} is in the configuration.", path.display()))?)
}

/// An account without a file may be one that the agent holds.
fn require_account(account: &Shortname, home: &Home, context: &mut Context) -> Result<(), Error> {
    if !matches!(home.presence(account), Presence::Gone) {
        return Ok(());
    }
    match context.loaded_accounts() {
        Ok(loaded) if loaded.iter().any(|name| name == account.as_str()) => Ok(()),
        _ => Err(crate::account::error::AccountError::NoSuchAccount(account.clone()).into()),
    }
}

/// Where the command was called counts, not where the agent runs. What begins with a variable or `~/` is for the configuration.
fn absolute(path: &Path) -> Result<String, Error> {
    let text = path.to_str().ok_or_else(|| UsageError::new("the path is not UTF-8 text"))?;
    if text.starts_with(['/', '~', '$']) {
        return Ok(text.to_owned());
    }
    let path = std::path::absolute(path).map_err(|error| Error::Other(Exit::File, error.to_string()))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Replaces a file of the configuration, unless somebody has changed it meanwhile.
pub fn write(path: &Path, before: Option<&str>, after: &str) -> Result<(), Error> {
    // People keep such files elsewhere, and link to them.
    let real = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs_err::metadata(&real)
        .map_or(0o600, |file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777);
    if fs_err::read_to_string(&real).ok().as_deref() != before {
        return Err(Error::Other(
            Exit::File,
            format!("{} was changed meanwhile; nothing was written", path.display()),
        ));
    }
    private_file::write(&Target { mode, ..Target::private(&real) }, after.as_bytes())
        .map_err(|error| Error::Other(Exit::File, error.to_string()))?;
    Ok(())
}

#[cfg(test)]
mod tests;
