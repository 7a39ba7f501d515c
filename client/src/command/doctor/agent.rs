//! The agent that answers, and others that run beside it.

use std::{fmt, path::PathBuf};

use oidc_proto::{
    error_code::ErrorCode,
    message::{AgentStatus, Reply, Request},
};

use serde_json::Value;

use super::{
    check::{Check, Seen},
    processes::Running,
};
use crate::agent::{Agent, AgentError};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Goes on with the file that lies there now, and unlocks nothing again.
const UPGRADE: &str = "oidc agent upgrade";

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What the agent answers when it is asked how it is.
    pub answer: Answer,
    /// Its process, where that can be seen.
    pub pid: Option<i32>,
    /// All agents of this user.
    pub running: Vec<Running>,
    /// The agent that this program would start.
    pub program: Option<PathBuf>,
}

/// What an agent answers when it is asked how it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Answer {
    /// There is no agent.
    #[default]
    NoAgent,
    /// It answers nothing in the time that there is.
    Silence,
    /// That it is locked.
    Locked,
    /// How it is.
    Status(Box<AgentStatus>),
    /// Something else, in these words.
    Other(String),
}

impl Answer {
    /// Asks.
    pub fn of(agent: &Agent) -> Self {
        match agent.call(&Request::StatusJson) {
            Ok(Reply::Success { info: Some(info) }) => AgentStatus::from_info(&info)
                .map_or_else(|| Self::Other("no status".to_owned()), |status| Self::Status(Box::new(status))),
            Ok(Reply::Failure(failure)) if failure.code == ErrorCode::AgentLocked => Self::Locked,
            // 4.x of the C suite tells its accounts, and nothing of itself.
            Ok(Reply::Failure(failure)) if failure.code == ErrorCode::UnknownRequest => Self::of_old(agent),
            Ok(Reply::Failure(failure)) => Self::Other(failure.to_string()),
            Ok(_) => Self::Other("another reply".to_owned()),
            Err(error) if error.is_not_running() => Self::NoAgent,
            Err(AgentError::Timeout) => Self::Silence,
            Err(error) => Self::Other(error.to_string()),
        }
    }

    fn of_old(agent: &Agent) -> Self {
        let loaded_accounts = match agent.call(&Request::LoadedAccounts) {
            Ok(Reply::Success { info: Some(Value::Array(names)) }) => {
                names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
            }
            Ok(Reply::Success { info: None }) => Vec::new(),
            Ok(Reply::Failure(failure)) if failure.code == ErrorCode::AgentLocked => return Self::Locked,
            Ok(_) => return Self::Other("another reply".to_owned()),
            Err(error) => return Self::Other(error.to_string()),
        };
        let version = "4".to_owned();
        Self::Status(Box::new(AgentStatus { version, loaded_accounts, ..AgentStatus::default() }))
    }

    /// How it is, where it tells.
    pub fn status(&self) -> Option<&AgentStatus> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Why it cannot be asked for anything else.
    pub fn why_silent(&self) -> Option<Silence> {
        match self {
            Self::Status(_) => None,
            Self::NoAgent => Some(Silence::NoAgent),
            Self::Silence => Some(Silence::NoAnswer),
            Self::Locked => Some(Silence::Locked),
            Self::Other(_) => Some(Silence::Other),
        }
    }
}

/// Why the agent cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// There is none.
    NoAgent,
    /// It accepts and does not answer.
    NoAnswer,
    /// It is locked.
    Locked,
    /// It answers something else.
    Other,
}

impl Silence {
    /// The command that mends it.
    pub const fn mend(self) -> &'static str {
        match self {
            Self::NoAgent => "oidc agent start",
            Self::Locked => "oidc unlock",
            Self::NoAnswer | Self::Other => "oidc agent stop, then oidc agent start",
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAgent => "no agent runs",
            Self::NoAnswer => "the agent does not answer",
            Self::Locked => "the agent is locked",
            Self::Other => "the agent does not say how it is",
        })
    }
}

/// Whether an agent is ours: the C suite's do not tell what they have given up.
pub fn is_ours(status: &AgentStatus) -> bool {
    status.confined_by.is_some()
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "agent",
        why: "tokens come from the agent: one that does not answer gives none",
        judge: answers,
    },
    Check {
        code: "agent_locked",
        why: "a locked agent gives no tokens and tells nothing of its accounts",
        judge: locked,
    },
    Check {
        code: "agent_version",
        why: "an agent of another version than the commands may not know what they ask for",
        judge: version,
    },
    Check {
        code: "agent_program",
        why: "an agent goes on as the program that it was started from, without what has been mended since",
        judge: program,
    },
    Check {
        code: "several_agents",
        why: "each agent has accounts of its own: a program that asks another one than you do finds yours not loaded",
        judge: several,
    },
];

fn answers(facts: &Facts) -> Vec<Seen> {
    let pid = facts.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    let end = facts.pid.map_or("oidc agent stop".to_owned(), |pid| {
        format!("oidc agent stop, or kill {pid} if that does not help")
    });
    match &facts.answer {
        Answer::NoAgent => Vec::new(),
        Answer::Silence => {
            vec![
                Seen::problem("agent", format!("the agent{pid} takes connections, but answers nothing"))
                    .mend(end),
            ]
        }
        Answer::Other(reason) => {
            vec![
                Seen::problem(
                    "agent",
                    format!("what listens{pid} does not answer as an agent does: {reason}"),
                )
                .mend(end),
            ]
        }
        Answer::Locked => vec![Seen::ok("agent", format!("the agent{pid} answers"))],
        Answer::Status(status) => {
            let count = match status.loaded_accounts.len() {
                0 => "no account".to_owned(),
                1 => "one account".to_owned(),
                count => format!("{count} accounts"),
            };
            vec![Seen::ok("agent", format!("the agent{pid} answers, and holds {count}"))]
        }
    }
}

fn locked(facts: &Facts) -> Vec<Seen> {
    match facts.answer {
        Answer::Locked => vec![Seen::warning("agent", "the agent is locked").mend("oidc unlock")],
        _ => Vec::new(),
    }
}

fn version(facts: &Facts) -> Vec<Seen> {
    let Some(status) = facts.answer.status() else { return Vec::new() };
    let version = &status.version;
    vec![if !is_ours(status) {
        let text = format!(
            "the agent is the C suite's, version {version}: what only ours knows cannot be asked of it"
        );
        Seen::warning("agent", text).mend("end it where it was started, then `oidc agent start`")
    } else if version == VERSION {
        Seen::ok("agent", format!("agent and commands are of version {VERSION}"))
    } else {
        let text = format!("the agent is of version {version}, the commands of {VERSION}");
        let mend = if status.program_replaced { UPGRADE } else { "oidc agent stop; oidc agent start" };
        Seen::warning("agent", text).mend(mend)
    }]
}

fn program(facts: &Facts) -> Vec<Seen> {
    let Some(status) = facts.answer.status() else { return Vec::new() };
    let Some(program) = &status.program else { return Vec::new() };
    let other = facts.program.as_ref().filter(|own| own.to_str() != Some(program.as_str()));
    vec![match (status.program_replaced, other) {
        (true, _) => {
            Seen::warning("agent", format!("{program} was replaced since the agent was started from it"))
                .mend(UPGRADE)
        }
        (false, Some(own)) => Seen::ok(
            "agent",
            format!("the agent was started from {program}; this program would start {}", own.display()),
        ),
        (false, None) => Seen::ok("agent", format!("the agent runs {program} as it is on the disk")),
    }]
}

fn several(facts: &Facts) -> Vec<Seen> {
    let others: Vec<_> = facts.running.iter().filter(|agent| Some(agent.pid) != facts.pid).collect();
    let pids: Vec<_> = others.iter().map(|agent| agent.pid.to_string()).collect();
    let pids = pids.join(" ");
    match (others.len(), facts.pid) {
        (0, _) => Vec::new(),
        (count, answering) => {
            let many = if count == 1 { "one agent".to_owned() } else { format!("{count} agents") };
            let (text, mend) = if answering.is_some() {
                let mend = format!("`ps -f {pids}` tells of them, `kill {pids}` ends them");
                (format!("{many} of yours beside the one that answers: process {pids}"), mend)
            } else {
                let text = format!("{many} of yours, but not where an agent is looked for: process {pids}");
                (text, format!("export OIDC_SOCK as that agent has said, or `kill {pids}`"))
            };
            vec![Seen::warning("agents", text).mend(mend)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, state_of};

    fn status(change: impl FnOnce(&mut AgentStatus)) -> Answer {
        let mut status = AgentStatus {
            version: VERSION.into(),
            confined_by: Some(Vec::new()),
            program: Some("/usr/bin/oidc-agent".into()),
            ..AgentStatus::default()
        };
        change(&mut status);
        Answer::Status(Box::new(status))
    }

    #[test]
    fn each_answer_is_told() {
        for (answer, code, expected) in [
            (Answer::NoAgent, "agent", None),
            (Answer::Silence, "agent", Some(State::Problem)),
            (Answer::Other("pong".into()), "agent", Some(State::Problem)),
            (Answer::Locked, "agent", Some(State::Ok)),
            (Answer::Locked, "agent_locked", Some(State::Warning)),
            (Answer::Locked, "agent_version", None),
            (status(|_| ()), "agent", Some(State::Ok)),
            (status(|_| ()), "agent_locked", None),
            (status(|_| ()), "agent_version", Some(State::Ok)),
            (status(|status| status.version = "0.0.1".into()), "agent_version", Some(State::Warning)),
            (status(|status| status.confined_by = None), "agent_version", Some(State::Warning)),
            (status(|_| ()), "agent_program", Some(State::Ok)),
            (status(|status| status.program_replaced = true), "agent_program", Some(State::Warning)),
            (status(|status| status.program = None), "agent_program", None),
        ] {
            let facts = Facts { answer: answer.clone(), ..Facts::default() };
            assert_eq!(state_of(CHECKS, code, &facts), expected, "{code}: {answer:?}");
        }
    }

    #[test]
    fn agents_beside_the_one_that_answers_are_told() {
        let agent = |pid| Running { pid, name: "oidc-agent".into(), uid: 1000 };
        for (pid, running, expected) in [
            (Some(7), vec![agent(7)], None),
            (Some(7), vec![agent(7), agent(8)], Some(State::Warning)),
            (None, vec![], None),
            (None, vec![agent(8)], Some(State::Warning)),
        ] {
            let facts = Facts { pid, running: running.clone(), ..Facts::default() };
            assert_eq!(state_of(CHECKS, "several_agents", &facts), expected, "{pid:?} {running:?}");
        }
    }
}
