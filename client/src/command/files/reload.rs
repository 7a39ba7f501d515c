//! `oidc files reload`: the agent takes the configuration that is on disk now, all or nothing.

use std::collections::BTreeMap;

use clap::Parser;
use oidc_proto::{
    message::{Condition, FileState, FilesStatus, Request},
    shell,
};
use serde_json::json;

use super::{configuration, status};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::{exit::Exit, output::Mark},
};

/// So many entries of one account are named.
const NAMED: usize = 10;

/// Let the agent read the configuration of managed files anew
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
The exit status is 0 where the agent keeps every file fresh from now on; 20 where something is wrong with the configuration, of \
which nothing counts then; 21 where it is taken, but the account of an entry, or one of [accounts], is not loaded, needs a login \
or is refused: each is told with the reason.")]
pub struct ReloadArgs {
    #[command(flatten)]
    pub common: Common,
}

impl Command for ReloadArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let mut status = now(context)?;
        if status.more {
            status.entries = status::all(None, context)?.entries;
            status.more = false;
        }
        let unkept = Unkept::of(&status);
        let exit = if unkept.is_empty() { Exit::Success } else { Exit::FilesAttention };
        if context.output.json {
            let mut info = status.to_info();
            info["ok"] = json!(exit == Exit::Success);
            context.output.json(&info)?;
        } else {
            tell(&status, &unkept, context)?;
        }
        if exit == Exit::Success { Ok(()) } else { Err(Error::Told(exit)) }
    }
}

fn tell(status: &FilesStatus, unkept: &Unkept<'_>, context: &mut Context) -> Result<(), Error> {
    let told = |text: &str| unkept.groups.keys().any(|(_, why)| *why == text);
    for warning in status.warnings.iter().filter(|warning| !told(&warning.text)) {
        context.output.warning(&warning.text);
    }
    let all = status.counts.values().sum::<usize>().max(status.entries.len());
    let lost: usize = unkept.groups.values().map(Vec::len).sum();
    let of_all = if lost == 0 { format!("{all}") } else { format!("{} of {all}", all.saturating_sub(lost)) };
    context.output.line(&format!("The agent keeps {of_all} managed files fresh."))?;
    for ((account, why), names) in &unkept.groups {
        let why = match *why {
            "" => format!("load the account: `{}`", shell::command("oidc add", account)),
            why => why.to_owned(),
        };
        let text = format!("  {} (account {account}): {why}", listed(names));
        context.output.marked_line(Mark::Bad, "not kept", &text)?;
    }
    Ok(())
}

/// What the agent has taken and does not keep fresh.
struct Unkept<'a> {
    /// By account and by what is wrong, as far as that is known.
    groups: BTreeMap<(&'a str, &'a str), Vec<&'a str>>,
    /// An account of the configuration is not loaded, whoever wants its tokens.
    lacks_account: bool,
}

impl<'a> Unkept<'a> {
    fn of(status: &'a FilesStatus) -> Self {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for entry in status.entries.iter().filter(|entry| is_lost(entry)) {
            let why = entry.problem.as_ref().map_or("", |problem| problem.text.as_str());
            groups.entry((entry.account.as_str(), why)).or_default().push(entry.name.as_str());
        }
        // What else is told of the configuration has this one code.
        let lacks_account = status.warnings.iter().any(|warning| warning.code != "configuration");
        Self { groups, lacks_account }
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty() && !self.lacks_account
    }
}

/// Whether nothing comes of it without the person. What waits for its first token, or for a provider, is on its way.
fn is_lost(entry: &FileState) -> bool {
    matches!(entry.state, Condition::Unmanaged | Condition::LoginNeeded | Condition::Refused) && !entry.busy
}

fn listed(names: &[&str]) -> String {
    let named = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Tells the agent; an error where it does not take the configuration.
pub fn now(context: &mut Context) -> Result<FilesStatus, Error> {
    let status = configuration::ask(&Request::FilesReload, context)?;
    match &status.refused {
        None => Ok(status),
        Some(refused) => {
            let text = format!(
                "the agent does not take the configuration, and the one before goes on\n{}",
                refused.text
            );
            Err(Error::Other(Exit::Problems, text))
        }
    }
}

/// Tells the agent after a change that is on disk already. What it says, if it could be told; else the person is.
pub fn after_change(context: &mut Context) -> Option<FilesStatus> {
    match now(context) {
        Ok(status) => Some(status),
        Err(error) if error.is_no_agent() => {
            context.output.note("No agent runs; the next one that starts reads the configuration.");
            None
        }
        Err(error) => {
            context.output.warning(&format!("the agent was not told: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::{FileProblem, Reply};

    use super::*;
    use crate::testing::Bench;

    fn entry(name: &str, account: &str, state: Condition, why: Option<&str>) -> FileState {
        FileState {
            name: name.into(),
            account: account.into(),
            state,
            problem: why.map(|why| FileProblem::new("wrong_password", why, 1)),
            ..FileState::default()
        }
    }

    fn reload(status: FilesStatus, options: &[&str]) -> (Result<(), Error>, String, String) {
        let bench = Bench::new().with_agent(move |_| Reply::Success { info: Some(status.to_info()) });
        let ran = bench.run(&[&["oidc", "files", "reload"], options].concat());
        (ran.result, ran.stdout, ran.stderr)
    }

    #[test]
    fn what_is_not_kept_is_told_by_account_with_the_reason() {
        let why = "files.toml:6: accounts.cms: wrong password";
        let entries = vec![
            entry("a", "cms", Condition::Unmanaged, Some(why)),
            entry("b", "cms", Condition::Unmanaged, Some(why)),
            entry("c", "atlas", Condition::Fresh, None),
            entry("d", "alice", Condition::Unmanaged, None),
            entry("e", "atlas", Condition::Waiting, None),
        ];
        let warnings = vec![FileProblem::new("wrong_password", why, 1)];
        let status = FilesStatus { entries, warnings, ..FilesStatus::default() };
        let (result, said, warned) = reload(status.clone(), &[]);
        assert_eq!(result.expect_err("not all").exit(), Exit::FilesAttention);
        for part in [
            "keeps 2 of 5 managed files fresh",
            "not kept  a, b (account cms): files.toml:6: accounts.cms: wrong password\n",
            "not kept  d (account alice): load the account: `oidc add alice`\n",
        ] {
            assert!(said.contains(part), "{part}\n{said}");
        }
        assert!(!warned.contains("wrong password"), "told once: {warned}");
        let (result, said, _) = reload(status, &["--json"]);
        assert!(result.is_err() && said.contains("\"ok\":false"), "{said}");
    }

    #[test]
    fn an_account_that_nobody_uses_yet_is_told_too() {
        let warnings =
            vec![FileProblem::new("no_password", "files.toml:1: accounts.x: there is no password", 1)];
        let (result, said, warned) = reload(FilesStatus { warnings, ..FilesStatus::default() }, &[]);
        assert_eq!(result.expect_err("not all").exit(), Exit::FilesAttention);
        assert!(
            said.contains("keeps 0 managed files") && warned.contains("there is no password"),
            "{warned}"
        );
    }

    #[test]
    fn where_all_are_kept_that_is_a_success() {
        let entries =
            vec![entry("a", "cms", Condition::Fresh, None), entry("b", "cms", Condition::Stale, None)];
        let warnings = vec![FileProblem::new("configuration", "everybody can read it", 1)];
        let (result, said, warned) = reload(FilesStatus { entries, warnings, ..FilesStatus::default() }, &[]);
        assert!(result.is_ok() && said.contains("keeps 2 managed files fresh."), "{said}");
        assert!(warned.contains("everybody can read it"), "{warned}");
    }

    #[test]
    fn many_names_are_cut_short() {
        let names: Vec<_> = (0..25).map(|number| number.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert!(listed(&names).ends_with("8, 9 and 15 more"), "{}", listed(&names));
    }
}
