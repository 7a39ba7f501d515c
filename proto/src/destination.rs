//! What a token for a service has to hold: its audience (WLCG Common JWT Profile section 2.1.1) and its scopes (section
//! 2.2.1), derived from the address of the service or of a file there, each with where that is from.

pub mod address;
mod judge;
pub mod reader;
pub mod rule;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::judge::{Place, judge};
use self::{
    address::{Address, AddressError},
    rule::{Kind, Rule},
};
use crate::{scope::path::ScopePath, token};

/// Taken by every service that follows the WLCG profile (section 2.1.1).
pub const ANY_AUDIENCE: &str = token::ANY_AUDIENCE[0];
const RELATIVE: &str = "WLCG profile 2.2.1: relative to what the issuer grants at the storage";
/// What a computing element wants of whoever submits jobs, looks after them and removes them (section 2.2.1).
const COMPUTE: [&str; 4] = ["compute.create", "compute.read", "compute.cancel", "compute.modify"];

/// What is to be done at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// `storage.read`.
    Read,
    /// `storage.create`: new files, and no others are changed.
    Create,
    /// `storage.modify`: files are written, replaced and deleted.
    Modify,
    /// `storage.stage`: from tape.
    Stage,
    /// `storage.poll`: whether files are on disk.
    Poll,
    /// Jobs: all of `compute.*`.
    Exec,
}

/// An operation that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wish {
    /// What is to be done.
    pub operation: Operation,
    /// Where; `None`: at the path of the address. Jobs have no path.
    pub path: Option<ScopePath>,
}

impl From<Operation> for Wish {
    fn from(operation: Operation) -> Self {
        Self { operation, path: None }
    }
}

/// What a token has to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The address in its normal form.
    pub address: Address,
    /// The audience.
    pub audience: String,
    /// Others that services of this kind take, as far as their administrators want that.
    pub also_taken: Vec<String>,
    /// The scopes; empty where no operation was named.
    pub scopes: Vec<String>,
    /// How it came about, in order.
    pub steps: Vec<Step>,
    /// What the person should know of the destination.
    pub remarks: Vec<String>,
}

/// One thing that was derived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub topic: Topic,
    /// What comes of it.
    pub result: String,
    /// How, for the person; may be empty.
    pub how: String,
    /// Which rule says so.
    pub source: String,
}

/// What a [`Step`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The address.
    Address,
    /// The audience.
    Audience,
    /// The path in scopes.
    Path,
    /// A scope.
    Scope,
}

/// Why nothing can be derived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The text is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No tokens are taken there.
    #[error("{0}")]
    NoTokens(String),
    /// Files at a computing element, or jobs at a storage: the service, and what it is asked for.
    #[error("{0} does nothing with {1}")]
    NotThere(String, &'static str),
}

impl Derived {
    /// The audiences of which a token has to have one.
    pub fn audiences(&self) -> Vec<String> {
        std::iter::once(&self.audience).chain(&self.also_taken).cloned().collect()
    }
}

impl Topic {
    /// A stable name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Audience => "audience",
            Self::Path => "path",
            Self::Scope => "scope",
        }
    }
}

impl Operation {
    fn kind(self) -> Kind {
        if self == Self::Exec { Kind::Compute } else { Kind::Storage }
    }

    /// The scopes for a path.
    fn scopes(self, path: &ScopePath) -> Vec<String> {
        let name = match self {
            Self::Read => "storage.read",
            Self::Create => "storage.create",
            Self::Modify => "storage.modify",
            Self::Stage => "storage.stage",
            Self::Poll => "storage.poll",
            Self::Exec => return COMPUTE.map(str::to_owned).to_vec(),
        };
        vec![format!("{name}:{path}")]
    }
}

/// Derives what a token for `url` has to hold. `rules` are those of the issuer; they come after the ones that are known for
/// everybody, and win.
pub fn derive(url: &str, wishes: &[Wish], rules: &[Rule]) -> Result<Derived, DestinationError> {
    let address = Address::from_str(url)?;
    let mut rules = [Rule::known().as_slice(), rules].concat();
    rules.retain(|rule| rule.fits_place(&address));
    let fitting: Vec<_> = rules.iter().filter(|rule| rule.fits_path(&address.path)).collect();
    if let Some(reason) = fitting.iter().rev().find_map(|rule| rule.refuses.clone()) {
        return Err(DestinationError::NoTokens(reason));
    }
    require_kinds(wishes, &fitting)?;
    let mut steps = Vec::new();
    if address.is_cut {
        steps.push(Step {
            topic: Topic::Address,
            result: address.to_string(),
            how: "user name, query and fragment say nothing of the place and are left out".to_owned(),
            source: "RFC 3986 3.2.1, 3.4".to_owned(),
        });
    }
    let audience = audience(&address, &fitting, &mut steps);
    let others = fitting.iter().rev().find(|rule| !rule.also_taken.is_empty());
    let others = others.map(|rule| rule.also_taken.as_slice()).unwrap_or_default();
    let also_taken = others.iter().map(|template| filled_in(template, &address, &fitting)).collect();
    let mut scopes: Vec<String> = Vec::new();
    for wish in wishes {
        let path = match wish.operation.kind() {
            Kind::Storage => path(wish.path.as_ref().unwrap_or(&address.path), &rules, &mut steps),
            Kind::Compute => ScopePath::default(),
        };
        for scope in wish.operation.scopes(&path) {
            if !scopes.contains(&scope) {
                steps.push(step_of_scope(&scope, wish.operation, &path));
                scopes.push(scope);
            }
        }
    }
    let remarks = fitting.into_iter().filter_map(|rule| rule.remark.clone()).collect();
    Ok(Derived { address, audience, also_taken, scopes, steps, remarks })
}

fn audience(address: &Address, fitting: &[&Rule], steps: &mut Vec<Step>) -> String {
    let rule = fitting.iter().rev().find(|rule| rule.audience.is_some());
    let template = rule.and_then(|rule| rule.audience.as_deref()).unwrap_or_default();
    let audience = filled_in(template, address, fitting);
    steps.push(Step {
        topic: Topic::Audience,
        result: audience.clone(),
        how: rule.map(|rule| rule.name.clone()).unwrap_or_default(),
        source: rule.map(|rule| rule.source.clone()).unwrap_or_default(),
    });
    audience
}

/// A template of an audience with the parts of an address.
fn filled_in(template: &str, address: &Address, fitting: &[&Rule]) -> String {
    let default_port = fitting.iter().rev().find_map(|rule| rule.default_port);
    let port = address.port.or(default_port);
    let named = port.filter(|port| Some(*port) != default_port);
    let text = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
    let with_colon = |port: Option<u16>| port.map(|port| format!(":{port}")).unwrap_or_default();
    template
        .replace("{scheme}", &address.scheme)
        .replace("{host}", &address.host)
        .replace("{:port}", &with_colon(named))
        .replace(":{port}", &with_colon(port))
        .replace("{port}", &text(port))
}

fn require_kinds(wishes: &[Wish], fitting: &[&Rule]) -> Result<(), DestinationError> {
    let Some(rule) = fitting.iter().rev().find(|rule| !rule.takes.is_empty()) else { return Ok(()) };
    match wishes.iter().map(|wish| wish.operation).find(|operation| !rule.takes.contains(&operation.kind())) {
        Some(Operation::Exec) => Err(DestinationError::NotThere(rule.name.clone(), "jobs (--exec)")),
        Some(_) => Err(DestinationError::NotThere(rule.name.clone(), "files: `--exec` is for jobs")),
        None => Ok(()),
    }
}

/// A path as scopes have it: relative to what the issuer grants there.
fn path(path: &ScopePath, rules: &[Rule], steps: &mut Vec<Step>) -> ScopePath {
    let shortened =
        rules.iter().rev().find_map(|rule| rule.shortened(path).map(|shortened| (shortened, rule)));
    let (scoped, how, source) = match shortened {
        Some(((taken, rest), rule)) if !taken.is_root() => {
            (rest, format!("{path} without {taken} ({})", rule.name), rule.source.clone())
        }
        _ => (path.clone(), "no rule of the issuer shortens it".to_owned(), RELATIVE.to_owned()),
    };
    let step = Step { topic: Topic::Path, result: scoped.to_string(), how, source };
    if !steps.contains(&step) {
        steps.push(step);
    }
    scoped
}

fn step_of_scope(scope: &str, operation: Operation, path: &ScopePath) -> Step {
    let (how, source) = match operation {
        Operation::Exec => {
            ("jobs: submit, look, remove, change", "WLCG profile 2.2.1; HTCondor-CE asks for these")
        }
        _ if path.is_root() => ("everything: the address names no path", "WLCG profile 2.2.1"),
        Operation::Create => ("new files only", "WLCG profile 2.2.1"),
        Operation::Modify => ("has storage.create in it", "WLCG profile 2.2.1"),
        Operation::Stage => ("reading needs storage.read besides", "WLCG profile 2.2.1, since 1.3"),
        Operation::Poll => ("", "WLCG profile 2.2.1, since 1.3"),
        Operation::Read => ("", "WLCG profile 2.2.1"),
    };
    Step { topic: Topic::Scope, result: scope.to_owned(), how: how.to_owned(), source: source.to_owned() }
}

#[cfg(test)]
mod tests;
