//! Variables: what they say, and whether that can be.

use std::path::{Path, PathBuf};

use oidc_proto::{
    connect::OIDC_SOCK_UID,
    home::Home,
    socket::{MAX_PATH_LEN, OIDC_SOCK},
};

use super::{
    check::{Check, Seen},
    processes::Running,
    surroundings::Surroundings,
};
use crate::agent::{NoAddress, OIDC_REMOTE_SOCK, RemoteAddress};

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The variables.
    pub surroundings: Surroundings,
    /// The oidc-agent directory in use.
    pub directory: Option<PathBuf>,
    /// `HOME` is a directory.
    pub has_home: bool,
    /// The process that `OIDCD_PID` names.
    pub named: Option<Running>,
    /// The agent that answers.
    pub answering: Option<i32>,
}

impl Facts {
    /// Of these surroundings. `answering`: the process of the agent that answers.
    pub fn gather(surroundings: Surroundings, answering: Option<i32>) -> Self {
        let named = surroundings.text("OIDCD_PID").and_then(|pid| Running::of(pid.parse().ok()?));
        Self {
            directory: Home::find().ok().map(|home| home.path().to_owned()),
            has_home: surroundings.path("HOME").is_some_and(|home| home.is_dir()),
            named,
            answering,
            surroundings,
        }
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "socket_variable",
        why: "every command and every program of others asks the agent that this variable names, and no other one",
        judge: socket_variable,
    },
    Check {
        code: "socket_user_variable",
        why: "it says whose agent may answer besides one's own; wrongly set, no agent is asked at all",
        judge: socket_user_variable,
    },
    Check {
        code: "pid_variable",
        why: "`oidc-agent --kill` ends the process that this variable names",
        judge: pid_variable,
    },
    Check {
        code: "directory_variable",
        why: "accounts are looked for in the directory that it names; one that is not there is passed over without a word",
        judge: directory_variable,
    },
    Check {
        code: "home_variable",
        why: "the oidc-agent directory is below it unless another variable names one",
        judge: home_variable,
    },
    Check {
        code: "remote_variable",
        why: "the token command asks the agent that it names where the one of this machine has no answer",
        judge: remote_variable,
    },
    Check {
        code: "secret_variable",
        why: "a password in a variable is given to every program that this shell starts; those of this suite keep it from theirs",
        judge: secret_variable,
    },
];

fn socket_variable(facts: &Facts) -> Vec<Seen> {
    let Some(value) = facts.surroundings.get(OIDC_SOCK) else {
        return vec![Seen::ok(
            OIDC_SOCK,
            "OIDC_SOCK is not set: the agent is looked for at its default places",
        )];
    };
    let path = Path::new(value);
    let seen = if value.is_empty() {
        Seen::problem(OIDC_SOCK, "OIDC_SOCK is set, but empty").mend("unset OIDC_SOCK")
    } else if value.len() > MAX_PATH_LEN {
        let text = format!("OIDC_SOCK has {} bytes, and a socket's path at most {MAX_PATH_LEN}", value.len());
        Seen::problem(OIDC_SOCK, text).mend("unset OIDC_SOCK")
    } else if path.is_relative() {
        let text =
            format!("OIDC_SOCK names '{}', which is another socket in every directory", path.display());
        Seen::warning(OIDC_SOCK, text).mend("unset OIDC_SOCK")
    } else {
        Seen::ok(OIDC_SOCK, format!("OIDC_SOCK names {}", path.display()))
    };
    vec![seen]
}

fn socket_user_variable(facts: &Facts) -> Vec<Seen> {
    let Some(value) = facts.surroundings.text(OIDC_SOCK_UID) else { return Vec::new() };
    let unset = format!("unset {OIDC_SOCK_UID}");
    let seen = if value.parse::<u32>().is_err() {
        Seen::problem(OIDC_SOCK_UID, format!("{OIDC_SOCK_UID} is set, but not to the number of a user"))
            .mend(unset)
    } else if facts.surroundings.get(OIDC_SOCK).is_none() {
        let text = format!("{OIDC_SOCK_UID} is set without {OIDC_SOCK}, and so has no effect");
        Seen::warning(OIDC_SOCK_UID, text).mend(unset)
    } else {
        Seen::ok(OIDC_SOCK_UID, format!("an agent of user {value} may answer at {OIDC_SOCK}"))
    };
    vec![seen]
}

fn pid_variable(facts: &Facts) -> Vec<Seen> {
    const NAME: &str = "OIDCD_PID";
    let Some(value) = facts.surroundings.text(NAME) else { return Vec::new() };
    let Ok(pid) = value.parse::<i32>() else {
        return vec![
            Seen::warning(NAME, "OIDCD_PID is set, but not to the number of a process")
                .mend("unset OIDCD_PID"),
        ];
    };
    let warning = |text: String| Seen::warning(NAME, text).mend("unset OIDCD_PID");
    let seen = match (&facts.named, facts.answering) {
        (None, _) => warning(format!("OIDCD_PID is {pid}, and there is no such process")),
        (Some(process), _) if !process.is_agent_of(facts.surroundings.uid) => warning(format!(
            "OIDCD_PID is {pid}, which is no agent of yours but '{}' of user {}",
            process.name, process.uid
        )),
        (Some(_), Some(answering)) if answering != pid => {
            warning(format!("OIDCD_PID is {pid}, but process {answering} is the agent that answers"))
        }
        (Some(_), _) => Seen::ok(NAME, format!("OIDCD_PID is {pid}, an agent")),
    };
    vec![seen]
}

fn directory_variable(facts: &Facts) -> Vec<Seen> {
    const NAME: &str = "OIDC_CONFIG_DIR";
    let Some(named) = facts.surroundings.path(NAME) else { return Vec::new() };
    let named = std::path::absolute(&named).unwrap_or(named);
    let shown = named.display();
    let seen = match &facts.directory {
        Some(used) if *used == named => Seen::ok(NAME, format!("OIDC_CONFIG_DIR names {shown}")),
        Some(used) => Seen::warning(
            NAME,
            format!(
                "OIDC_CONFIG_DIR names {shown}, which is no directory that can be read: {} is used",
                used.display()
            ),
        )
        .mend("unset OIDC_CONFIG_DIR"),
        None => Seen::problem(
            NAME,
            format!("OIDC_CONFIG_DIR names {shown}, which is no directory that can be read"),
        )
        .mend("unset OIDC_CONFIG_DIR, or make the directory with `oidc gen`"),
    };
    vec![seen]
}

fn home_variable(facts: &Facts) -> Vec<Seen> {
    const NAME: &str = "HOME";
    match facts.surroundings.path(NAME) {
        None => vec![
            Seen::warning(NAME, "HOME is not set; the user database is asked instead").mend("export HOME=~"),
        ],
        Some(home) if !facts.has_home => {
            let text = format!("HOME names {}, which is no directory", home.display());
            vec![Seen::warning(NAME, text).mend("export HOME=DIRECTORY")]
        }
        Some(_) => Vec::new(),
    }
}

fn remote_variable(facts: &Facts) -> Vec<Seen> {
    let Some(value) = facts.surroundings.text(OIDC_REMOTE_SOCK) else { return Vec::new() };
    let unset = format!("unset {OIDC_REMOTE_SOCK}");
    vec![match RemoteAddress::parse(&value) {
        None => Seen::problem(OIDC_REMOTE_SOCK, NoAddress.to_string()).mend(unset),
        Some(address) if address.is_here() => {
            Seen::ok(OIDC_REMOTE_SOCK, format!("the agent at {address} is asked second"))
        }
        Some(address) => {
            let text = format!(
                "the agent at {address} is asked second, on another machine: nobody vouches for who answers there"
            );
            let mend = format!("forward that agent's socket with ssh instead, and {unset} (docs/remote.md)");
            Seen::warning(OIDC_REMOTE_SOCK, text).mend(mend)
        }
    }]
}

fn secret_variable(facts: &Facts) -> Vec<Seen> {
    let seen = |(name, is_filled): &(&'static str, bool)| {
        if *is_filled {
            Seen::ok(*name, format!("{name} is set; it is read where an option says so, and shown nowhere"))
        } else {
            Seen::warning(*name, format!("{name} is set, but empty")).mend(format!("unset {name}"))
        }
    };
    facts.surroundings.secrets.iter().map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, judge, state_of};

    fn facts(variables: &[(&'static str, &str)]) -> Facts {
        Facts { surroundings: Surroundings::with(variables), has_home: true, ..Facts::default() }
    }

    #[test]
    fn each_variable_that_cannot_be_is_told() {
        let long = "x".repeat(120);
        for (name, value, code, expected) in [
            ("OIDC_SOCK", "", "socket_variable", State::Problem),
            ("OIDC_SOCK", &long, "socket_variable", State::Problem),
            ("OIDC_SOCK", "agent.sock", "socket_variable", State::Warning),
            ("OIDC_SOCK", "/run/agent.sock", "socket_variable", State::Ok),
            ("OIDC_SOCK_UID", "me", "socket_user_variable", State::Problem),
            ("OIDC_SOCK_UID", "1001", "socket_user_variable", State::Warning),
            ("OIDCD_PID", "many", "pid_variable", State::Warning),
            ("OIDCD_PID", "4194305", "pid_variable", State::Warning),
            ("OIDC_CONFIG_DIR", "/no/such", "directory_variable", State::Problem),
            ("OIDC_REMOTE_SOCK", "host:99999", "remote_variable", State::Problem),
            ("OIDC_REMOTE_SOCK", "https://host", "remote_variable", State::Problem),
            ("OIDC_REMOTE_SOCK", "host:42424", "remote_variable", State::Warning),
            ("OIDC_REMOTE_SOCK", "localhost", "remote_variable", State::Ok),
            ("OIDC_REMOTE_SOCK", "[::1]", "remote_variable", State::Ok),
            ("OIDC_ENCRYPTION_PW", "", "secret_variable", State::Warning),
            ("OIDC_ENCRYPTION_PW", "x", "secret_variable", State::Ok),
        ] {
            assert_eq!(state_of(CHECKS, code, &facts(&[(name, value)])), Some(expected), "{name}={value}");
        }
        assert_eq!(state_of(CHECKS, "socket_variable", &facts(&[])), Some(State::Ok));
        assert_eq!(state_of(CHECKS, "home_variable", &facts(&[])), Some(State::Warning));
        assert_eq!(state_of(CHECKS, "home_variable", &facts(&[("HOME", "/x")])), None);
        let missing = Facts { has_home: false, ..facts(&[("HOME", "/x")]) };
        assert_eq!(state_of(CHECKS, "home_variable", &missing), Some(State::Warning));
    }

    #[test]
    fn another_directory_than_the_one_that_is_named_is_told() {
        let used =
            |path: &str| Facts { directory: Some(path.into()), ..facts(&[("OIDC_CONFIG_DIR", "/accounts")]) };
        assert_eq!(state_of(CHECKS, "directory_variable", &used("/accounts")), Some(State::Ok));
        assert_eq!(state_of(CHECKS, "directory_variable", &used("/other")), Some(State::Warning));
    }

    #[test]
    fn the_process_that_is_named_has_to_be_the_agent() {
        let process = |name: &str, uid| Some(Running { pid: 7, name: name.into(), uid });
        for (named, answering, expected) in [
            (None, None, State::Warning),
            (process("bash", 1000), None, State::Warning),
            (process("oidc-agent", 1), None, State::Warning),
            (process("oidc-agent", 1000), Some(8), State::Warning),
            (process("oidc-agent", 1000), Some(7), State::Ok),
            (process("oidc-agent", 1000), None, State::Ok),
        ] {
            let facts = Facts { named: named.clone(), answering, ..facts(&[("OIDCD_PID", "7")]) };
            assert_eq!(state_of(CHECKS, "pid_variable", &facts), Some(expected), "{named:?} {answering:?}");
        }
    }

    #[test]
    fn what_a_wrong_value_was_is_not_shown() {
        let wrong =
            [("OIDC_SOCK_UID", "canary"), ("OIDCD_PID", "canary"), ("OIDC_REMOTE_SOCK", "u:canary@h")];
        let all = format!(
            "{:?}",
            judge(CHECKS, &facts(&[&wrong[..], &[("OIDC_REFRESH_TOKEN", "canary")]].concat()))
        );
        assert!(!all.contains("canary"), "{all}");
    }
}
