//! `oidc files status`: how it stands with the managed files, for people and for monitoring.

use clap::Parser;
use oidc_proto::{
    files::{
        TokenFiles,
        entry::{Entry, Sink},
        formats,
    },
    message::{Condition, FileState, FilesQuery, FilesStatus, Request},
};
use serde_json::json;

use super::{configuration, show};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Longest file that is looked at where no agent tells, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Show how it stands with the managed files
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
The exit status is for monitoring: 0 where every file is fresh; 21 where one is stale, waits for its first token or is kept \
fresh by nobody, or where a hook fails; 22 where one has expired, needs a login or is refused. Without an agent the files \
themselves are looked at.")]
pub struct StatusArgs {
    /// Only this entry
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub common: Common,
}

impl Command for StatusArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let status = match all(self.name.as_deref(), context) {
            Err(error) if error.is_no_agent() => {
                context
                    .output
                    .note("No agent runs, so nobody keeps these files fresh; `oidc add ACCOUNT` starts one.");
                without_agent(self.name.as_deref(), context)?
            }
            status => status?,
        };
        print_with(exit(show::exit_with_hooks(&status.entries), &status), &status, context)
    }
}

/// Prints entries and ends by the worst token of them; a hook that fails is told.
pub fn print(status: &FilesStatus, context: &mut Context) -> Result<(), Error> {
    print_with(exit(show::exit_of(&status.entries), status), status, context)
}

fn exit(of_entries: Exit, status: &FilesStatus) -> Exit {
    match of_entries {
        Exit::Success if status.refused.is_some() => Exit::FilesAttention,
        exit => exit,
    }
}

/// Prints entries and ends so.
pub fn print_with(exit: Exit, status: &FilesStatus, context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        let mut info = status.to_info();
        info["ok"] = json!(exit == Exit::Success);
        context.output.json(&info)?;
    } else {
        let now = jiff::Timestamp::now();
        for line in show::of_configuration(status, now) {
            context.output.warning(&line);
        }
        if status.entries.is_empty() {
            context.output.line("No managed files; `oidc files add ACCOUNT PATH` makes the first.")?;
        }
        for entry in &status.entries {
            context.output.marked_line(show::mark(entry), show::word(entry), &show::summary(entry, now))?;
            for line in show::details(entry, now) {
                context.output.line(&format!("    {}", line.replace('\n', "\n    ")))?;
            }
        }
    }
    if exit == Exit::Success { Ok(()) } else { Err(Error::Told(exit)) }
}

/// What the agent says of one entry or of all, however many replies that takes.
pub fn all(name: Option<&str>, context: &mut Context) -> Result<FilesStatus, Error> {
    let mut query = FilesQuery { name: name.map(str::to_owned), after: None };
    let mut whole: Option<FilesStatus> = None;
    loop {
        let mut status = configuration::ask(&Request::FilesStatus(query.clone()), context)?;
        let more = std::mem::take(&mut status.more);
        let last = status.entries.last().map(|entry| entry.name.clone());
        match &mut whole {
            Some(whole) => whole.entries.append(&mut status.entries),
            None => whole = Some(status),
        }
        // One that says twice where it ended would go on for ever.
        if !more || last.is_none() || last == query.after {
            return Ok(whole.unwrap_or_default());
        }
        query.after = last;
    }
}

/// What the files themselves say.
fn without_agent(name: Option<&str>, context: &mut Context) -> Result<FilesStatus, Error> {
    let files = configuration::read(context)?;
    let entries: Vec<_> = selected(&files, name)?.into_iter().map(state).collect();
    let mut status = FilesStatus { entries, ..FilesStatus::default() };
    for entry in &status.entries {
        *status.counts.entry(entry.state).or_default() += 1;
    }
    Ok(status)
}

fn selected<'a>(files: &'a TokenFiles, name: Option<&str>) -> Result<Vec<&'a Entry>, Error> {
    match name {
        Some(name) => Ok(vec![configuration::find(files, name)?.0]),
        None => Ok(files.entries.iter().collect()),
    }
}

fn state(entry: &Entry) -> FileState {
    let mut state = FileState {
        name: entry.name.clone(),
        account: entry.token.account.to_string(),
        state: Condition::Unmanaged,
        min_lifetime: entry.timing.min_lifetime.as_secs(),
        token: entry.token.kind,
        ..FileState::default()
    };
    match &entry.sink {
        Sink::File(sink) => {
            let is_small =
                fs_err::metadata(&sink.path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE);
            let bytes =
                is_small.then(|| fs_err::read(&sink.path).ok()).flatten().map(zeroize::Zeroizing::new);
            state.expires_at =
                bytes.and_then(|bytes| formats::read(sink, &bytes)).and_then(|held| held.expires_at);
            state.path = Some(sink.path.clone());
        }
        Sink::Condor(sink) => state.condor = Some(sink.service.clone()),
    }
    state
}
