//! The oidc-agent directory itself: which one it is, whose, who may change it, whether anything can be written there.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use oidc_proto::{
    home::{Home, HomeError},
    shell,
};
use rustix::{
    fs::{Access, AtFlags, CWD, accessat, statvfs},
    process::getegid,
};

use super::{
    check::{Check, Seen},
    surroundings::Surroundings,
};

/// Less than that in bytes, and a new refresh token may find no room: an account file, and the old one beside it.
const LITTLE: u64 = 256 * 1024;

/// Where the directory is, below the home directory.
const BELOW_HOME: [&str; 2] = [".config/oidc-agent", ".oidc-agent"];

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The directory in use.
    pub used: Option<Used>,
    /// Why there is none, where that is something else than that none was made yet.
    pub error: Option<String>,
    /// Other directories whose accounts are not seen.
    pub others: Vec<PathBuf>,
    /// Effective user and group.
    pub own: (u32, u32),
}

/// The directory in use.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// Where it is.
    pub path: PathBuf,
    /// Its mode, without its type.
    pub mode: u32,
    /// Its user and group.
    pub owner: (u32, u32),
    /// Files can be made there.
    pub is_writable: bool,
    /// What is left to this user on its file system, in bytes.
    pub bytes_left: Option<u64>,
    /// The same in files; `None` also where the file system does not count them.
    pub files_left: Option<u64>,
}

impl Facts {
    /// Of these surroundings.
    pub fn gather(surroundings: &Surroundings) -> Self {
        let own = (surroundings.uid, getegid().as_raw());
        let home = match Home::find() {
            Ok(home) => home,
            Err(HomeError::NoDirectory) => {
                return Self { own, error: hidden_from_us(surroundings), ..Self::default() };
            }
            Err(error) => return Self { own, error: Some(error.to_string()), ..Self::default() },
        };
        let candidates =
            surroundings.path("HOME").into_iter().flat_map(|home| BELOW_HOME.map(|path| home.join(path)));
        let is_other = |path: &PathBuf| {
            path.canonicalize().ok() != home.path().canonicalize().ok() && has_accounts(path)
        };
        Self {
            used: Some(Used::of(home.path())),
            error: None,
            others: candidates.filter(is_other).collect(),
            own,
        }
    }
}

impl Used {
    fn of(path: &Path) -> Self {
        let metadata = path.metadata().ok();
        let space = statvfs(path).ok();
        Self {
            path: path.to_owned(),
            mode: metadata.as_ref().map_or(0, |metadata| metadata.mode() & 0o7777),
            owner: metadata.map_or((0, 0), |metadata| (metadata.uid(), metadata.gid())),
            is_writable: accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok(),
            bytes_left: space.as_ref().map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
            files_left: space.filter(|space| space.f_files > 0).map(|space| space.f_favail),
        }
    }
}

/// A directory that is there and may not be entered is none to the search for it.
fn hidden_from_us(surroundings: &Surroundings) -> Option<String> {
    let below_home =
        surroundings.path("HOME").into_iter().flat_map(|home| BELOW_HOME.map(|path| home.join(path)));
    let is_closed = |path: &PathBuf| {
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        path.symlink_metadata()
            .map_or_else(|error| refused(&error), |_| path.read_dir().as_ref().err().is_some_and(refused))
    };
    let mut places = surroundings.path("OIDC_CONFIG_DIR").into_iter().chain(below_home);
    places.find(is_closed).map(|path| format!("{} may not be read by you", path.display()))
}

fn has_accounts(path: &Path) -> bool {
    Home::at(path).list().is_ok_and(|names| !names.is_empty())
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "directory",
        why: "account files are there: without it there are no accounts",
        judge: directory,
    },
    Check {
        code: "directory_owner",
        why: "who owns the directory can put other account files in the place of yours",
        judge: owner,
    },
    Check {
        code: "directory_mode",
        why: "others who can write there can replace account files; others who can read there can try passwords on them",
        judge: mode,
    },
    Check {
        code: "directory_writable",
        why: "a provider that replaces the refresh token leaves a login behind that works once, unless the next one can be written",
        judge: writable,
    },
    Check {
        code: "disk_space",
        why: "where the next refresh token finds no room on the disk, the provider is not asked for tokens any more",
        judge: disk_space,
    },
    Check { code: "second_directory", why: "accounts in it are not seen by any command", judge: second },
];

fn directory(facts: &Facts) -> Vec<Seen> {
    vec![match (&facts.used, &facts.error) {
        (Some(used), _) => {
            let shown = used.path.display().to_string();
            Seen::ok(&shown, format!("accounts are in {shown}"))
        }
        (None, Some(error)) => {
            Seen::problem("directory", format!("the oidc-agent directory cannot be used: {error}"))
                .mend("give it back to yourself with chown and chmod 700, or unset OIDC_CONFIG_DIR")
        }
        (None, None) => {
            Seen::ok("directory", "there is no oidc-agent directory yet; the first account makes it")
                .mend("oidc gen")
        }
    }]
}

/// The directory, and its path as it is shown.
fn used(facts: &Facts) -> Option<(&Used, String)> {
    facts.used.as_ref().map(|used| (used, used.path.display().to_string()))
}

fn owner(facts: &Facts) -> Vec<Seen> {
    let Some((used, shown)) = used(facts) else { return Vec::new() };
    if used.owner.0 == facts.own.0 {
        return Vec::new();
    }
    let text = format!("{shown} belongs to user {}", used.owner.0);
    let mend = shell::command("chown \"$USER\"", &shown);
    vec![if used.owner.0 == 0 {
        Seen::warning(&shown, text).mend(mend)
    } else {
        Seen::problem(&shown, text).mend(mend)
    }]
}

fn mode(facts: &Facts) -> Vec<Seen> {
    let Some((used, shown)) = used(facts) else { return Vec::new() };
    let mend = shell::command("chmod 700", &shown);
    let others_write = used.mode & 0o002 != 0 || (used.mode & 0o020 != 0 && used.owner.1 != facts.own.1);
    vec![if others_write && used.mode & 0o1000 == 0 {
        Seen::problem(&shown, format!("{shown} can be changed by others (mode {:o})", used.mode)).mend(mend)
    } else if used.mode & 0o077 != 0 {
        Seen::warning(&shown, format!("{shown} can be looked into by others (mode {:o})", used.mode))
            .mend(mend)
    } else {
        Seen::ok(&shown, format!("{shown} is its owner's only (mode {:o})", used.mode))
    }]
}

fn writable(facts: &Facts) -> Vec<Seen> {
    let Some((used, shown)) = used(facts) else { return Vec::new() };
    if used.is_writable {
        return Vec::new();
    }
    let mend = shell::command("chmod 700", &shown);
    vec![
        Seen::warning(&shown, format!("nothing can be written in {shown}"))
            .mend(format!("{mend}, or put the accounts on a file system that can be written")),
    ]
}

fn disk_space(facts: &Facts) -> Vec<Seen> {
    let Some((used, shown)) = used(facts) else { return Vec::new() };
    let text = match (used.bytes_left, used.files_left) {
        (Some(left), _) if left < LITTLE => format!("{left} bytes are left on the file system of {shown}"),
        (_, Some(0)) => format!("the file system of {shown} takes no more files"),
        _ => return Vec::new(),
    };
    vec![Seen::problem(&shown, text).mend("make room there: quota or df tell what takes it")]
}

fn second(facts: &Facts) -> Vec<Seen> {
    let Some((_, in_use)) = used(facts) else { return Vec::new() };
    let seen = |path: &PathBuf| {
        let shown = path.display().to_string();
        // Hidden files belong to accounts, and a newer refresh token may be in one: a pattern of the shell leaves them behind.
        let mend = format!("oidc agent stop; cp -an {}/. {}/", shell::quoted(&shown), shell::quoted(&in_use));
        Seen::warning(&shown, format!("there are accounts in {shown} too, and {in_use} is used")).mend(mend)
    };
    facts.others.iter().map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, state_of};

    fn facts(change: impl FnOnce(&mut Used)) -> Facts {
        let mut used = Used {
            path: "/accounts".into(),
            mode: 0o700,
            owner: (1000, 1000),
            is_writable: true,
            bytes_left: Some(1 << 30),
            files_left: Some(1000),
        };
        change(&mut used);
        Facts { used: Some(used), own: (1000, 1000), ..Facts::default() }
    }

    #[test]
    fn each_fault_is_told() {
        for (facts, code, expected) in [
            (facts(|_| ()), "directory", Some(State::Ok)),
            (Facts::default(), "directory", Some(State::Ok)),
            (Facts { error: Some("denied".into()), ..Facts::default() }, "directory", Some(State::Problem)),
            (facts(|_| ()), "directory_owner", None),
            (facts(|used| used.owner.0 = 1001), "directory_owner", Some(State::Problem)),
            (facts(|used| used.owner.0 = 0), "directory_owner", Some(State::Warning)),
            (facts(|_| ()), "directory_mode", Some(State::Ok)),
            (facts(|used| used.mode = 0o755), "directory_mode", Some(State::Warning)),
            (facts(|used| used.mode = 0o775), "directory_mode", Some(State::Warning)),
            (facts(|used| used.mode = 0o777), "directory_mode", Some(State::Problem)),
            (facts(|used| (used.mode, used.owner.1) = (0o770, 50)), "directory_mode", Some(State::Problem)),
            (facts(|_| ()), "directory_writable", None),
            (facts(|used| used.is_writable = false), "directory_writable", Some(State::Warning)),
            (facts(|_| ()), "disk_space", None),
            (facts(|used| used.bytes_left = Some(4096)), "disk_space", Some(State::Problem)),
            (facts(|used| used.files_left = Some(0)), "disk_space", Some(State::Problem)),
            (facts(|used| (used.bytes_left, used.files_left) = (None, None)), "disk_space", None),
            (facts(|_| ()), "second_directory", None),
            (
                Facts { others: vec!["/other".into()], ..facts(|_| ()) },
                "second_directory",
                Some(State::Warning),
            ),
        ] {
            assert_eq!(state_of(CHECKS, code, &facts), expected, "{code}: {facts:?}");
        }
    }

    #[test]
    fn a_real_directory_is_looked_at() {
        let directory = tempfile::tempdir().expect("a directory");
        let used = Used::of(directory.path());
        assert!(used.is_writable && used.mode & 0o700 == 0o700 && used.bytes_left.is_some(), "{used:?}");
    }
}
