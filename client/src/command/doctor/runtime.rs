//! The runtime directory of the user, and whether it outlives the session.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use oidc_proto::shell;

use super::{
    check::{Check, Seen},
    surroundings::Surroundings,
};

const NAME: &str = "XDG_RUNTIME_DIR";

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Effective user.
    pub uid: u32,
    /// What the variable names, and what is there.
    pub named: Option<(PathBuf, Option<Directory>)>,
    /// Where systemd makes it, if it is there.
    pub usual: Option<PathBuf>,
    /// The session came over the network.
    pub is_remote: bool,
    /// systemd keeps the user's services, and the runtime directory, when the last session ends; `None` without systemd.
    pub lingers: Option<bool>,
}

/// A directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Directory {
    /// Its owner.
    pub uid: u32,
    /// Its mode, without its type.
    pub mode: u32,
}

impl Facts {
    /// Of these surroundings.
    pub fn gather(surroundings: &Surroundings) -> Self {
        let look = |path: &Path| {
            let metadata = path.metadata().ok().filter(std::fs::Metadata::is_dir)?;
            Some(Directory { uid: metadata.uid(), mode: metadata.mode() & 0o7777 })
        };
        let usual = PathBuf::from(format!("/run/user/{}", surroundings.uid));
        let has_systemd = Path::new("/run/systemd/system").is_dir();
        let user = surroundings.text("USER").filter(|user| !user.contains('/'));
        let lingers = |user: String| Path::new("/var/lib/systemd/linger").join(user).exists();
        Self {
            uid: surroundings.uid,
            named: surroundings.path(NAME).map(|path| (path.clone(), look(&path))),
            usual: Some(usual).filter(|path| path.is_dir()),
            is_remote: surroundings.text("SSH_CONNECTION").is_some(),
            lingers: user.filter(|_| has_systemd).map(lingers),
        }
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "runtime_directory",
        why: "socket and token files are put there; where it is set for one program and not for another, they look in \
              different places",
        judge: directory,
    },
    Check {
        code: "lingering",
        why: "without it systemd ends the agent, and deletes its socket and the token files, with your last session",
        judge: lingering,
    },
];

fn directory(facts: &Facts) -> Vec<Seen> {
    let Some((path, there)) = &facts.named else {
        return vec![match &facts.usual {
            Some(usual) => {
                let shown = usual.display();
                Seen::warning(NAME, format!("XDG_RUNTIME_DIR is not set, though {shown} is there"))
                    .mend(format!("export XDG_RUNTIME_DIR={shown}"))
            }
            None => {
                Seen::ok(NAME, "XDG_RUNTIME_DIR is not set, and there is no runtime directory: /tmp is used")
            }
        }];
    };
    let shown = path.display().to_string();
    let unset = "unset XDG_RUNTIME_DIR";
    vec![match there {
        _ if path.is_relative() => {
            Seen::problem(NAME, format!("XDG_RUNTIME_DIR names '{shown}', which is relative")).mend(unset)
        }
        None => {
            Seen::problem(NAME, format!("XDG_RUNTIME_DIR names {shown}, which is no directory")).mend(unset)
        }
        Some(directory) if directory.uid != facts.uid => {
            let text = format!("XDG_RUNTIME_DIR names {shown}, which belongs to user {}", directory.uid);
            Seen::problem(NAME, text).mend(unset)
        }
        Some(directory) if directory.mode & 0o077 != 0 => {
            let text = format!("{shown} is open to others (mode {:o})", directory.mode);
            Seen::warning(NAME, text).mend(shell::command("chmod 700", &shown))
        }
        Some(_) => Seen::ok(NAME, format!("XDG_RUNTIME_DIR names {shown}, which is yours only")),
    }]
}

fn lingering(facts: &Facts) -> Vec<Seen> {
    match facts.lingers {
        Some(false) if facts.is_remote => {
            let text = "services of yours end with your last session, and so does the agent";
            vec![Seen::warning("systemd", text).mend("loginctl enable-linger")]
        }
        Some(false) => vec![
            Seen::ok("systemd", "services of yours end with your last session")
                .mend("loginctl enable-linger"),
        ],
        Some(true) => vec![Seen::ok("systemd", "services of yours go on after your last session")],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, state_of};

    #[test]
    fn each_fault_is_told() {
        let named = |path: &str, there: Option<(u32, u32)>| Facts {
            uid: 1000,
            named: Some((path.into(), there.map(|(uid, mode)| Directory { uid, mode }))),
            ..Facts::default()
        };
        for (facts, expected) in [
            (Facts::default(), State::Ok),
            (Facts { usual: Some("/run/user/1000".into()), ..Facts::default() }, State::Warning),
            (named("/r", Some((1000, 0o700))), State::Ok),
            (named("/r", Some((1000, 0o755))), State::Warning),
            (named("/r", Some((0, 0o700))), State::Problem),
            (named("/r", None), State::Problem),
            (named("r", Some((1000, 0o700))), State::Problem),
        ] {
            assert_eq!(state_of(CHECKS, "runtime_directory", &facts), Some(expected), "{facts:?}");
        }
        for (lingers, is_remote, expected) in [
            (None, true, None),
            (Some(false), true, Some(State::Warning)),
            (Some(false), false, Some(State::Ok)),
            (Some(true), true, Some(State::Ok)),
        ] {
            let facts = Facts { is_remote, lingers, ..Facts::default() };
            assert_eq!(state_of(CHECKS, "lingering", &facts), expected, "{facts:?}");
        }
    }
}
