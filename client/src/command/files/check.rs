//! `oidc files check`: the configuration and the places where it puts tokens, without an agent.

use std::{env, path::Path};

use clap::Parser;
use oidc_proto::{
    files::{
        AccountPassword, Surroundings, TokenFiles,
        entry::{Action, Entry, Sink},
    },
    home::{Home, Presence},
    private_file, program,
};
use serde_json::{Value, json};

use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::{exit::Exit, output::Mark},
};

/// Check the configuration of managed files, and the places where they go
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Needs no agent and changes nothing. The exit status is 0 where nothing is wrong, 19 with warnings alone, and 20 with problems.")]
pub struct CheckArgs {
    #[command(flatten)]
    pub common: Common,
}

/// Something that was found.
#[derive(Debug)]
struct Finding {
    is_problem: bool,
    /// While it lasts no agent takes the configuration.
    is_of_all: bool,
    /// The entry or the account, where it is about one.
    about: String,
    code: &'static str,
    text: String,
    /// Where in the configuration.
    place: Option<(String, Option<usize>)>,
}

impl Command for CheckArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let home = context.home()?;
        let (entries, findings) = match TokenFiles::read(&home, &Surroundings::of_process()) {
            Ok(files) => (files.entries.len(), look(&files, &home)),
            Err(problems) => {
                let of = |problem: oidc_proto::files::Problem| Finding {
                    is_problem: true,
                    is_of_all: true,
                    about: problem.key,
                    code: "configuration",
                    text: problem.what,
                    place: Some((problem.path.display().to_string(), problem.line)),
                };
                (0, problems.0.into_iter().map(of).collect())
            }
        };
        show(entries, &findings, context)
    }
}

fn look(files: &TokenFiles, home: &Home) -> Vec<Finding> {
    let mut findings = Vec::new();
    for remark in &files.remarks {
        findings.push(Finding {
            is_problem: false,
            is_of_all: false,
            about: remark.key.clone(),
            code: "configuration",
            text: remark.what.clone(),
            place: Some((remark.path.display().to_string(), remark.line)),
        });
    }
    for (entry, origin) in files.entries.iter().zip(&files.origins) {
        let place = (origin.path.display().to_string(), Some(origin.line));
        let found = account(entry, home).into_iter().chain(place_of(entry, home)).chain(hook(entry));
        findings.extend(found.map(|finding| Finding { place: Some(place.clone()), ..finding }));
    }
    for account in &files.accounts {
        let Some((code, problem)) = account.problem() else { continue };
        findings.push(Finding {
            is_problem: true,
            is_of_all: code == AccountPassword::OPEN_TO_OTHERS,
            about: problem.key,
            code,
            text: problem.what,
            place: Some((problem.path.display().to_string(), problem.line)),
        });
    }
    findings
}

/// Whether there is such an account.
fn account(entry: &Entry, home: &Home) -> Option<Finding> {
    let account = &entry.token.account;
    matches!(home.presence(account), Presence::Gone).then(|| Finding {
        is_problem: true,
        is_of_all: false,
        about: entry.name.clone(),
        code: "no_account",
        text: format!(
            "there is no account {account}: `{}` makes it",
            oidc_proto::shell::command("oidc gen", account.as_str())
        ),
        place: None,
    })
}

/// Whether the program of its hook is there. No obstacle: the agent may have another `PATH`, and files do without hooks.
fn hook(entry: &Entry) -> Option<Finding> {
    let Action::Run(argv) = &entry.hook.as_ref()?.action else { return None };
    let name = argv.first()?;
    let directories = env::var_os("PATH").unwrap_or_default();
    let (is_there, what) = if name.contains('/') {
        (program::is_program(Path::new(name)), "is no program that can be run")
    } else {
        (
            program::find(env::split_paths(&directories), name).is_some(),
            "is not found on the PATH of this shell",
        )
    };
    (!is_there).then(|| Finding {
        is_problem: false,
        is_of_all: false,
        about: entry.name.clone(),
        code: "hook",
        text: format!("its hook would fail: {name:?} {what}"),
        place: None,
    })
}

/// What stands in the way of a file, or is to be told of its place.
fn place_of(entry: &Entry, home: &Home) -> Vec<Finding> {
    let Sink::File(sink) = &entry.sink else { return Vec::new() };
    let finding = |is_problem, code, text| Finding {
        is_problem,
        is_of_all: false,
        about: entry.name.clone(),
        code,
        text,
        place: None,
    };
    match private_file::examine(&sink.target().outside(home.path())) {
        Err(error) => vec![finding(true, error.code(), error.to_string())],
        Ok(warnings) => {
            warnings.into_iter().map(|warning| finding(false, "place", warning.to_string())).collect()
        }
    }
}

fn show(entries: usize, findings: &[Finding], context: &mut Context) -> Result<(), Error> {
    let problems = findings.iter().filter(|finding| finding.is_problem).count();
    let exit = match (problems, findings.len()) {
        (0, 0) => Exit::Success,
        (0, _) => Exit::Warnings,
        _ => Exit::Problems,
    };
    if context.output.json {
        let of = |is_problem| {
            findings.iter().filter(move |one| one.is_problem == is_problem).map(object).collect::<Vec<_>>()
        };
        let whole =
            json!({"ok": problems == 0, "entries": entries, "problems": of(true), "findings": of(false)});
        context.output.json(&whole)?;
    } else {
        for finding in findings {
            let place = finding.place.as_ref().map(|(path, line)| match line {
                Some(line) => format!("{path}:{line}: "),
                None => format!("{path}: "),
            });
            let about = if finding.about.is_empty() { String::new() } else { format!("{}: ", finding.about) };
            let (mark, word) =
                if finding.is_problem { (Mark::Bad, "problem") } else { (Mark::Doubtful, "warning") };
            let text = format!("  {}{about}{}", place.unwrap_or_default(), finding.text);
            context.output.marked_line(mark, word, &text)?;
        }
        if problems == 0 {
            context.output.line(&format!("The configuration is good: {entries} entries."))?;
        } else {
            let of_all = findings.iter().any(|finding| finding.is_problem && finding.is_of_all);
            context.output.line(if of_all {
                "Nothing of it counts before that is mended; an agent that runs goes on as before."
            } else {
                "What these entries want does not come before that is mended; the agent keeps the others fresh."
            })?;
        }
    }
    if exit == Exit::Success { Ok(()) } else { Err(Error::Told(exit)) }
}

fn object(finding: &Finding) -> Value {
    let (path, line) = finding.place.clone().map_or((None, None), |(path, line)| (Some(path), line));
    json!({"about": finding.about, "code": finding.code, "text": finding.text, "path": path, "line": line})
}
