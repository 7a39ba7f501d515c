//! Where an agent is looked for, which place was chosen, and what lies around at the others.

use std::{
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use oidc_proto::{
    connect::{ConnectError, connect_to},
    peer::Peer,
    shell,
    socket::{OIDC_SOCK, Places},
};

use super::{
    check::{Check, Seen},
    surroundings::Surroundings,
};

/// How long one place may take.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How many entries of a shared directory are looked through.
const MOST_ENTRIES: usize = 50_000;
/// How many sockets there are looked at.
const MOST_SOCKETS: usize = 50;

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `OIDC_SOCK` names the one place.
    pub is_named: bool,
    /// An agent may be started on demand.
    pub may_start: bool,
    /// The places, in the order in which they are looked at.
    pub places: Vec<Place>,
    /// Sockets that agents of the C suite have left behind.
    pub abandoned: Vec<PathBuf>,
}

/// A place where an agent may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The socket's path.
    pub path: PathBuf,
    /// What is there.
    pub there: There,
}

/// What is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// An agent that may be asked; its process, where that can be seen.
    Agent(Option<i32>),
    /// A socket, or a link to where one was, at which nobody listens.
    Stale,
    /// Something else than a socket.
    NoSocket,
    /// An agent of this user.
    Foreign(u32),
    /// Others could have put it there, in these words.
    Untrusted(String),
    /// An agent that takes no more connections.
    Busy,
    /// It cannot be looked at, for this reason.
    Unknown(String),
}

impl Facts {
    /// Of this process. Each agent that listens sees a connection that brings nothing.
    pub fn gather(surroundings: &Surroundings, may_start: bool) -> Self {
        let places = Places::find();
        let is_named = matches!(places, Ok(Places::Named(_)));
        let paths = places.as_ref().map(Places::paths).unwrap_or_default();
        let look = |path: &PathBuf| {
            let one = vec![path.clone()];
            let place = if is_named { Places::Named(path.clone()) } else { Places::Default(one) };
            Place { path: path.clone(), there: look_at(&place, path) }
        };
        let temporary = surroundings.path("TMPDIR").unwrap_or_else(|| "/tmp".into());
        Self {
            is_named,
            may_start,
            places: paths.iter().map(look).collect(),
            abandoned: abandoned(&temporary, surroundings.uid),
        }
    }

    /// The place whose agent is asked.
    pub fn chosen(&self) -> Option<&Place> {
        self.places.iter().find(|place| matches!(place.there, There::Agent(_) | There::Busy))
    }

    /// The process of the agent that is asked.
    pub fn answering(&self) -> Option<i32> {
        match self.chosen()?.there {
            There::Agent(pid) => pid,
            _ => None,
        }
    }
}

fn look_at(place: &Places, path: &Path) -> There {
    match connect_to(place, PATIENCE) {
        Ok(connection) => There::Agent(Peer::of(&connection.stream).ok().and_then(|peer| peer.pid)),
        Err(error) => of_error(&error, path),
    }
}

fn of_error(error: &ConnectError, path: &Path) -> There {
    match error {
        ConnectError::Busy(_) => There::Busy,
        ConnectError::Foreign { uid, .. } => There::Foreign(*uid),
        ConnectError::NotRunning { refused: Some(refused), .. } => of_error(refused, path),
        ConnectError::Untrusted(error) => There::Untrusted(error.to_string()),
        ConnectError::NotRunning { reason, .. } | ConnectError::Dead { reason, .. } => nobody(reason, path),
        error => There::Unknown(error.to_string()),
    }
}

/// What is at a path where nobody listens.
fn nobody(reason: &io::Error, path: &Path) -> There {
    let Ok(metadata) = path.symlink_metadata() else {
        return match reason.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => There::Nothing,
            _ => There::Unknown(reason.to_string()),
        };
    };
    let is_socket = path.metadata().map(|metadata| metadata.file_type().is_socket());
    match (is_socket, reason.kind()) {
        (Ok(true), io::ErrorKind::ConnectionRefused) => There::Stale,
        (Ok(true), _) => There::Unknown(reason.to_string()),
        (Ok(false), _) => There::NoSocket,
        (Err(_), _) if metadata.is_symlink() => There::Stale,
        (Err(error), _) => There::Unknown(error.to_string()),
    }
}

/// Sockets of this user at which nobody listens, where agents of the C suite put theirs: `oidc-XXXXXX/oidc-agent.PID`.
fn abandoned(temporary: &Path, uid: u32) -> Vec<PathBuf> {
    let is_own = |path: &Path| {
        path.symlink_metadata().is_ok_and(|metadata| metadata.uid() == uid && metadata.is_dir())
    };
    let entries = |path: &Path| fs_err::read_dir(path).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let has_name = |path: &Path, prefix: &str| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
    };
    let holders =
        entries(temporary).map(|entry| entry.path()).filter(|path| has_name(path, "oidc-") && is_own(path));
    let sockets = holders
        .take(MOST_SOCKETS)
        .flat_map(|holder| entries(&holder).map(|entry| entry.path()).take(4).collect::<Vec<_>>());
    let stale = |path: &PathBuf| {
        has_name(path, "oidc-agent.") && look_at(&Places::Default(vec![path.clone()]), path) == There::Stale
    };
    let mut abandoned: Vec<_> = sockets.filter(stale).collect();
    abandoned.sort();
    abandoned
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "socket",
        why: "every command asks the agent at this socket, and only the accounts that it holds give tokens without a password",
        judge: socket,
    },
    Check {
        code: "stale_socket",
        why: "nobody listens there: programs that are told of this socket wait for nothing",
        judge: stale,
    },
    Check {
        code: "foreign_socket",
        why: "who listens there would get whatever is sent: nothing is, and a login that expects its agent there has none",
        judge: foreign,
    },
    Check {
        code: "abandoned_sockets",
        why: "agents of the C suite that were killed leave them behind; a shell that still names one has no agent",
        judge: abandoned_sockets,
    },
];

fn socket(facts: &Facts) -> Vec<Seen> {
    let reason =
        if facts.is_named { "which OIDC_SOCK names" } else { "the first of the places where one listens" };
    if let Some(Place { path, there }) = facts.chosen() {
        let shown = path.display().to_string();
        return vec![match there {
            There::Busy => Seen::problem(&shown, format!("the agent at {shown} takes no connection"))
                .mend("oidc agent stop, and end its process if that does not help"),
            _ => Seen::ok(&shown, format!("an agent listens at {shown}, {reason}")),
        }];
    }
    let Some(first) = facts.places.first() else {
        return vec![Seen::problem(OIDC_SOCK, "there is no place for a socket").mend("unset OIDC_SOCK")];
    };
    let shown = first.path.display().to_string();
    if facts.is_named {
        return vec![
            Seen::problem(
                OIDC_SOCK,
                format!("no agent that can be asked listens at {shown}, which OIDC_SOCK names"),
            )
            .mend("unset OIDC_SOCK, or connect again if the socket was forwarded"),
        ];
    }
    vec![if facts.may_start {
        Seen::ok(&shown, "no agent runs; the first command that needs one starts it").mend("oidc agent start")
    } else {
        Seen::warning(&shown, "no agent runs, and none may be started by itself").mend("oidc agent start")
    }]
}

fn stale(facts: &Facts) -> Vec<Seen> {
    let seen = |place: &Place| {
        let shown = place.path.display().to_string();
        match place.there {
            There::Stale => {
                let text = format!("{shown} is a socket at which nobody listens");
                Some(Seen::warning(&shown, text).mend(shell::command("rm", &shown)))
            }
            // It may be anything, an account file too, where a variable names it.
            There::NoSocket => {
                let mend = if facts.is_named {
                    "unset OIDC_SOCK".to_owned()
                } else {
                    shell::command("ls -l", &shown)
                };
                Some(Seen::warning(&shown, format!("{shown} is no socket")).mend(mend))
            }
            _ => None,
        }
    };
    facts.places.iter().filter_map(seen).collect()
}

fn foreign(facts: &Facts) -> Vec<Seen> {
    let seen = |place: &Place| {
        let shown = place.path.display().to_string();
        match &place.there {
            There::Foreign(uid) => {
                let text = format!("user {uid} listens at {shown}");
                let mend = format!(
                    "oidc agent start; or, if that user shares the agent with you, export OIDC_SOCK={shown} OIDC_SOCK_UID={uid}"
                );
                Some(Seen::problem(&shown, text).mend(mend))
            }
            There::Untrusted(reason) => {
                let mend = "take the right to write from others with chmod, or unset OIDC_SOCK";
                Some(Seen::problem(&shown, reason.clone()).mend(mend))
            }
            There::Unknown(reason) => {
                Some(Seen::warning(&shown, format!("{shown} cannot be looked at: {reason}")))
            }
            _ => None,
        }
    };
    facts.places.iter().filter_map(seen).collect()
}

fn abandoned_sockets(facts: &Facts) -> Vec<Seen> {
    let Some(first) = facts.abandoned.first() else { return Vec::new() };
    let quoted = |path: &Path| path.to_str().map(|path| shell::quoted(path).to_string());
    let sockets: Vec<_> = facts.abandoned.iter().filter_map(|path| quoted(path)).collect();
    let holders: Vec<_> = facts.abandoned.iter().filter_map(|path| quoted(path.parent()?)).collect();
    let text = match facts.abandoned.len() {
        1 => format!("an agent that has ended left its socket, {}", first.display()),
        count => format!("{count} agents that have ended left their sockets, such as {}", first.display()),
    };
    // Whatever else lies in a directory stays, and the directory with it.
    let mend = format!("rm {}; rmdir {}", sockets.join(" "), holders.join(" "));
    vec![Seen::warning(first.display().to_string(), text).mend(mend)]
}

#[cfg(test)]
mod tests;
