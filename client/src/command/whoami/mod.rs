//! `oidc whoami`: who an account's person is to the provider, with groups, roles and certificates.

mod ask;
mod person;
mod show;

use clap::{Parser, ValueEnum};
use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, PersonProblem, PersonReport},
};
use person::Person;
use serde_json::{Value, json};

use crate::{
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Show who you are to a provider: name, groups, roles, certificates
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
The provider's userinfo endpoint is asked, and at INDIGO IAM the person's SCIM resource, which has certificates, linked accounts \
and the end of the membership; that takes the scope scim:read.")]
pub struct WhoamiArgs {
    /// The account, or its issuer URL; the only one that is loaded if none is named
    #[arg(value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// All loaded accounts, a line each
    #[arg(long, conflicts_with_all = ["account", "dn", "sub", "groups", "roles"])]
    pub all: bool,

    /// Only the subjects of certificates, one a line: as grid tools write them, or as LDAP does
    #[arg(
        long,
        value_enum,
        value_name = "NOTATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "slash",
        conflicts_with_all = ["sub", "groups", "roles"]
    )]
    pub dn: Option<Notation>,

    /// Only the subject identifier
    #[arg(long, conflicts_with_all = ["groups", "roles"])]
    pub sub: bool,

    /// Only the groups, one a line
    #[arg(long, conflicts_with = "roles")]
    pub groups: bool,

    /// Only the roles, one a line
    #[arg(long)]
    pub roles: bool,

    #[command(flatten)]
    pub common: Common,
}

/// How a distinguished name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Notation {
    /// `/DC=ch/DC=cern/CN=…`
    Slash,
    /// `CN=…,DC=cern,DC=ch`, as the provider sends it
    Rfc2253,
}

impl Command for WhoamiArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.all {
            return all(context);
        }
        let account = self.account(context)?;
        let report = ask::ask(&context.agent, &account).map_err(with_hint)?;
        let person = Person::of(&report);
        if let Some(values) = self.wanted(&person) {
            return self.print(context, &account, &report, &values);
        }
        if report.userinfo.is_none() && report.scim.is_none() {
            return Err(nothing_known(&account, &report, None));
        }
        for problem in problems(&account, &report) {
            context.output.warning(&problem);
        }
        if context.output.json {
            return Ok(context.output.json(&to_json(&account, &person, &report))?);
        }
        Ok(context.output.line(&show::whole(&account, &person))?)
    }
}

impl WhoamiArgs {
    /// The account that is meant.
    fn account(&self, context: &mut Context) -> Result<String, Error> {
        if let Some(named) = &self.account {
            return Ok(context.account(named)?.to_string());
        }
        let loaded = context.loaded_accounts()?;
        match loaded.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(UsageError::new("no account is loaded: name one").into()),
            several => {
                let text = format!("name one of the accounts ({}), or ask for `--all`", several.join(", "));
                Err(UsageError::new(text).into())
            }
        }
    }

    /// What is asked for alone, with the source that has it.
    fn wanted(&self, person: &Person) -> Option<Vec<String>> {
        let certificates = || person.certificates.iter();
        match self.dn {
            Some(Notation::Slash) => {
                return Some(certificates().filter_map(|one| one.subject_with_slashes.clone()).collect());
            }
            Some(Notation::Rfc2253) => return Some(certificates().map(|one| one.subject.clone()).collect()),
            None => {}
        }
        if self.sub {
            return Some(person.subject.clone().into_iter().collect());
        }
        if self.groups {
            return Some(person.groups.clone());
        }
        self.roles.then(|| person.roles.clone())
    }

    /// One value a line; where there is none because a source did not answer, why.
    fn print(
        &self,
        context: &mut Context,
        account: &str,
        report: &PersonReport,
        values: &[String],
    ) -> Result<(), Error> {
        let (source, answer) = match self.dn {
            Some(_) => ("scim", &report.scim),
            None => ("userinfo", &report.userinfo),
        };
        if values.is_empty() && answer.is_none() {
            return Err(nothing_known(account, report, Some(source)));
        }
        if context.output.json {
            return Ok(context.output.json(&json!(values))?);
        }
        for value in values {
            context.output.line(&show::one_line(value))?;
        }
        Ok(())
    }
}

/// A table of all loaded accounts. One that cannot be asked has the reason in its row.
fn all(context: &mut Context) -> Result<(), Error> {
    let accounts = context.loaded_accounts()?;
    let answers = ask::ask_all(&context.agent, &accounts);
    let known = accounts.iter().zip(answers).map(|(account, answer)| {
        let answer = answer.and_then(|report| {
            if report.userinfo.is_none() && report.scim.is_none() {
                return Err(nothing_known(account, &report, None));
            }
            Ok(report)
        });
        (account.as_str(), answer)
    });
    let known: Vec<_> = known.collect();
    if context.output.json {
        let rows = known.iter().map(|(account, answer)| match answer {
            Ok(report) => to_json(account, &Person::of(report), report),
            Err(error) => json!({
                "status": "failure",
                "account": account,
                "error_code": error.failure_code().map(ErrorCode::as_str),
                "error": error.to_string(),
            }),
        });
        return Ok(context.output.json(&rows.collect())?);
    }
    if known.is_empty() && context.output.to_terminal {
        context.output.hint("No account is loaded.");
    }
    let rows: Vec<_> = known
        .into_iter()
        .map(|(account, answer)| {
            (account, answer.map(|report| Person::of(&report)).map_err(|error| error.to_string()))
        })
        .collect();
    if rows.is_empty() { Ok(()) } else { Ok(context.output.line(&show::table(&rows))?) }
}

fn to_json(account: &str, person: &Person, report: &PersonReport) -> Value {
    let problem = |one: &PersonProblem| {
        json!({
            "source": one.source,
            "error_code": one.error_code,
            "error": one.error,
            "needed_scope": one.needed_scope,
        })
    };
    let problems: Vec<_> = report.problems.iter().map(problem).collect();
    let mut object = json!({"status": "success", "account": account, "problems": problems});
    if let (Some(object), Value::Object(members)) = (object.as_object_mut(), person.to_json()) {
        object.extend(members);
    }
    object
}

/// What could not be had, with what mends it.
fn problems(account: &str, report: &PersonReport) -> Vec<String> {
    let told = report.problems.iter().map(|problem| match &problem.needed_scope {
        Some(scope) => ask::how_to_get(scope, account, report),
        None => problem.error.clone(),
    });
    told.collect()
}

/// No source told anything, or not the one (`source`) that would have what was asked for.
fn nothing_known(account: &str, report: &PersonReport, source: Option<&str>) -> Error {
    let is_meant = |problem: &&PersonProblem| source.is_none_or(|source| problem.source == source);
    let Some(problem) = report.problems.iter().find(is_meant) else {
        let text = format!("the provider of '{account}' tells nothing of this: it has no SCIM endpoint");
        return Error::Other(Exit::ProviderRefused, text);
    };
    let mut failure = Failure::new(problem.code(), problem.error.clone());
    if let Some(scope) = &problem.needed_scope {
        failure = failure.with_info(ask::how_to_get(scope, account, report));
    }
    failure.into()
}

/// An agent that does not know the request is one of the C suite.
fn with_hint(error: Error) -> Error {
    if error.is_unknown_request() {
        return Error::Other(
            Exit::Failure,
            "the agent does not know this request: it is not ours, or older".to_owned(),
        );
    }
    error
}
