//! Providers: whether this computer finds them, and what the agent finds there.

use std::net::ToSocketAddrs;

use oidc_proto::{
    account::same_issuer,
    error_code::ErrorCode,
    message::{Failure, Finding, ProviderReport},
    shell,
};
use url::{Host, Url};

use super::{
    agent::Silence,
    check::{Check, Seen},
};

/// How far clocks may be apart before it is worth a word, and before logins fail, in seconds.
const CLOCKS_APART: u64 = 60;
const CLOCKS_TOO_FAR: u64 = 5 * 60;
/// What the agent finds that is told as it stands.
const TOPICS: [&str; 5] = ["metadata", "tls", "endpoints", "flows", "keys"];

/// What was found out of one provider.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its issuer, as the account spells it.
    pub issuer: String,
    /// What came of looking for its host; `None`: there is no name to look for, or a proxy does it.
    pub host: Option<(String, Lookup)>,
    /// What the agent found there.
    pub report: Report,
}

/// What came of looking for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It has that many addresses.
    Found(usize),
    /// It has none, for this reason.
    Failed(String),
    /// It takes too long.
    TimedOut,
}

/// What the agent found.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Report {
    /// It could not be asked, for this reason.
    #[default]
    NoAnswer,
    /// Nobody could be asked, for this reason.
    NotAsked(Silence),
    /// It is an agent that does not know the request.
    NotKnown,
    /// The provider cannot be used, in these words.
    Failed(Box<Failure>),
    /// This.
    Found(Box<ProviderReport>),
}

impl Facts {
    /// The host whose address is looked up for an issuer.
    pub fn host_of(issuer: &str) -> Option<(String, u16)> {
        let url = Url::parse(issuer).ok()?;
        match url.host()? {
            Host::Domain(name) => Some((name.to_owned(), url.port_or_known_default()?)),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// Looks a host up. May take long.
    pub fn look_up(host: &str, port: u16) -> Lookup {
        match (host, port).to_socket_addrs() {
            Ok(addresses) => match addresses.count() {
                0 => Lookup::Failed("it has no address".to_owned()),
                count => Lookup::Found(count),
            },
            Err(error) => Lookup::Failed(error.to_string()),
        }
    }

    fn found(&self) -> Option<&ProviderReport> {
        match &self.report {
            Report::Found(report) => Some(report),
            _ => None,
        }
    }

    fn failed(&self) -> Option<&Failure> {
        match &self.report {
            Report::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "provider",
        why: "new tokens come from the provider; the agent has to reach it",
        judge: reached,
    },
    Check { code: "dns", why: "a provider whose name has no address cannot be reached", judge: dns },
    Check {
        code: "provider_tls",
        why: "nothing is sent to a provider whose certificate does not prove who it is",
        judge: tls,
    },
    Check {
        code: "provider_issuer",
        why: "a token's issuer is compared letter by letter; an account of another issuer is another provider's",
        judge: issuer,
    },
    Check {
        code: "provider_metadata",
        why: "what a login and a refresh need is read from there",
        judge: metadata,
    },
    Check {
        code: "clock",
        why: "tokens are good from one time to another: with a wrong clock they are refused, or believed too long",
        judge: clock,
    },
    Check {
        code: "provider_data",
        why: "a file of provider data that does not fit is left out as a whole",
        judge: data,
    },
];

fn reached(facts: &Facts) -> Vec<Seen> {
    let issuer = &facts.issuer;
    vec![match &facts.report {
        Report::NoAnswer => {
            Seen::problem(issuer, format!("the agent says nothing of {issuer} in the time that there is"))
                .mend(shell::command("oidc provider probe", issuer))
        }
        Report::NotAsked(reason) => {
            Seen::unchecked(issuer, format!("{issuer} was not asked: {reason}")).mend(reason.mend())
        }
        Report::NotKnown => {
            Seen::unchecked(issuer, format!("{issuer} was not asked: this agent does not know how"))
        }
        Report::Failed(failure) => match failure.code {
            ErrorCode::ProviderUnreachable => Seen::problem(issuer, failure.to_string())
                .mend("look at the name, at the network, and at https_proxy of the agent"),
            ErrorCode::ProviderTimeout => Seen::problem(issuer, failure.to_string())
                .mend("try again; look at the network and at proxies"),
            // Told by checks of their own.
            ErrorCode::ProviderTls | ErrorCode::ProviderMismatch | ErrorCode::ProviderBadResponse => {
                Seen::ok(issuer, format!("something answers at {issuer}"))
            }
            ErrorCode::AgentLocked => {
                Seen::unchecked(issuer, format!("{issuer} was not asked: the agent is locked"))
                    .mend("oidc unlock")
            }
            _ => {
                Seen::problem(issuer, failure.to_string()).mend(shell::command("oidc provider probe", issuer))
            }
        },
        Report::Found(_) => Seen::ok(issuer, format!("{issuer} answers")),
    }]
}

fn dns(facts: &Facts) -> Vec<Seen> {
    let Some((host, lookup)) = &facts.host else { return Vec::new() };
    let mend = shell::command("getent hosts", host);
    // An agent with a proxy, or on another machine, reaches what this one does not find.
    let is_reached = facts.found().is_some();
    let fault = |text: String| if is_reached { Seen::warning(host, text) } else { Seen::problem(host, text) };
    vec![match lookup {
        Lookup::Found(count) => Seen::ok(
            host,
            format!(
                "{host} has {}",
                if *count == 1 { "an address".to_owned() } else { format!("{count} addresses") }
            ),
        ),
        Lookup::Failed(reason) => fault(format!("{host} has no address: {reason}")).mend(mend),
        Lookup::TimedOut => fault(format!("looking up {host} takes too long")).mend(mend),
    }]
}

fn tls(facts: &Facts) -> Vec<Seen> {
    let failure = facts.failed().filter(|failure| failure.code == ErrorCode::ProviderTls);
    let mend = "if its authority is the right one: oidc gen --update NAME --cp FILE";
    match failure {
        Some(failure) => vec![Seen::problem(&facts.issuer, failure.to_string()).mend(mend)],
        None => of_topic(facts, "tls"),
    }
}

fn issuer(facts: &Facts) -> Vec<Seen> {
    let issuer = &facts.issuer;
    if let Some(failure) = facts.failed().filter(|failure| failure.code == ErrorCode::ProviderMismatch) {
        return vec![
            Seen::problem(issuer, failure.to_string())
                .mend("oidc gen NAME --issuer with the provider's own spelling"),
        ];
    }
    let Some(report) = facts.found() else { return Vec::new() };
    let named = &report.issuer;
    vec![if named == issuer {
        Seen::ok(issuer, format!("the provider calls itself {named}, as the account does"))
    } else if same_issuer(named, issuer) {
        Seen::ok(
            issuer,
            format!(
                "the provider calls itself {named}; the account has another slash at the end, which does not count here"
            ),
        )
    } else {
        Seen::warning(issuer, format!("the provider calls itself {named}, the account {issuer}"))
            .mend(format!("programs that compare issuers need {}", shell::quoted(named)))
    }]
}

fn metadata(facts: &Facts) -> Vec<Seen> {
    if let Some(failure) = facts.failed().filter(|failure| failure.code == ErrorCode::ProviderBadResponse) {
        let mend = shell::command("oidc provider probe", &facts.issuer);
        return vec![Seen::problem(&facts.issuer, failure.to_string()).mend(mend)];
    }
    TOPICS.into_iter().filter(|topic| *topic != "tls").flat_map(|topic| of_topic(facts, topic)).collect()
}

/// What the agent found of a topic: what stands in the way, or of `tls` all.
fn of_topic(facts: &Facts, topic: &str) -> Vec<Seen> {
    let findings = facts.found().map(|report| report.findings.as_slice()).unwrap_or_default();
    let seen = |finding: &Finding| {
        let text = format!("{}: {}", finding.topic, finding.text);
        if finding.is_problem {
            Seen::problem(&facts.issuer, text).mend(shell::command("oidc provider probe", &facts.issuer))
        } else {
            Seen::ok(&facts.issuer, text)
        }
    };
    findings
        .iter()
        .filter(|finding| finding.topic == topic && (finding.is_problem || topic == "tls"))
        .map(seen)
        .collect()
}

fn clock(facts: &Facts) -> Vec<Seen> {
    let Some(report) = facts.found() else { return Vec::new() };
    let Some(ahead) = report.prediction.as_ref().and_then(|prediction| prediction.clock_ahead) else {
        return vec![Seen::unchecked(&facts.issuer, "the provider does not tell the time")];
    };
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let text =
        format!("this computer's clock is {} seconds {direction} the provider's", ahead.unsigned_abs());
    let mend = "set the clock, best by a time service: timedatectl set-ntp true";
    vec![match ahead.unsigned_abs() {
        0..CLOCKS_APART => Seen::ok(&facts.issuer, "this computer and the provider agree on the time"),
        CLOCKS_APART..CLOCKS_TOO_FAR => Seen::warning(&facts.issuer, text).mend(mend),
        _ => Seen::problem(&facts.issuer, text).mend(mend),
    }]
}

fn data(facts: &Facts) -> Vec<Seen> {
    let problems = facts.found().map(|report| report.problems.as_slice()).unwrap_or_default();
    let seen = |problem: &String| Seen::warning("provider data", problem.clone()).mend("correct that file");
    problems.iter().map(seen).collect()
}

#[cfg(test)]
mod tests;
