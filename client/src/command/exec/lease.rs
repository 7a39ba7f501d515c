//! Token files for the life of a process, as `oidc exec` makes them, and what is noted beside them: so that what is left
//! where whoever renewed them was killed too can be removed.
//!
//! The note, `.bt_uUID.sh-PID.lease`, lies in the directory of [`directory`], has no secret in it, and tells which process is
//! meant: its number, when it was started, in which PID namespace of which machine since which boot.

use std::{
    ffi::OsString,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use oidc_proto::{
    files::entry::{Entry, OnExpiry, Sink},
    private_file::{self, Location, Target, WriteError},
    proc_stat::ProcStat,
    token::discovery,
};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

/// The longest note that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// The most notes that are looked at.
const MOST: usize = 10_000;
/// How a note's name ends.
const SUFFIX: &str = ".lease";
/// What others than the owner may do.
const OTHERS: u32 = 0o077;

/// Token files for the life of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// For which process.
    pub process: Leaseholder,
    /// The files, and which tokens are in them.
    pub entries: Vec<Entry>,
    /// Where their paths led when they were written, in the same order: what they lead to after that, by a link that somebody
    /// has changed, is none of them. Notes of older releases have none.
    #[serde(default)]
    pub locations: Vec<Option<Location>>,
}

/// One process, told from every other one that has its number at another time or place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaseholder {
    /// Its number.
    pub pid: i32,
    /// When it was started, in ticks since the boot.
    pub started: Option<String>,
    /// Its PID namespace, as `/proc/self/ns/pid` names it.
    pub namespace: Option<String>,
    /// Of the machine's boot: `/proc/sys/kernel/random/boot_id`.
    pub boot: Option<String>,
    /// The machine's name.
    pub host: String,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// It cannot be seen from here.
    Unseen,
}

impl Leaseholder {
    /// This process. It stays the same through execve(2).
    pub fn this_process() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let text = |path: &str| fs_err::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Self {
            pid,
            started: started(pid),
            namespace: namespace(),
            boot: text("/proc/sys/kernel/random/boot_id"),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }

    /// Whether it runs. One that has ended and is not waited for does not.
    pub fn life(&self) -> Life {
        let here = Self::this_process();
        if self.host != here.host {
            return Life::Unseen;
        }
        if self.boot != here.boot {
            return Life::Ended;
        }
        if self.namespace != here.namespace || here.started.is_none() {
            return Life::Unseen;
        }
        if self.started.is_some() && started(self.pid) == self.started { Life::Running } else { Life::Ended }
    }
}

impl Lease {
    /// For this process.
    pub fn of(entries: Vec<Entry>) -> Self {
        let locations = entries.iter().map(location).collect();
        Self { process: Leaseholder::this_process(), entries, locations }
    }

    /// Writes the note into a directory.
    pub fn note(&self, directory: &Path) -> Result<PathBuf, WriteError> {
        let path = path(directory, self.process.pid);
        let text = serde_json::to_vec(self).unwrap_or_default();
        private_file::write(&Target::private(&path), &text)?;
        Ok(path)
    }

    /// The paths of its files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.entries.iter().filter_map(|entry| match &entry.sink {
            Sink::File(file) => Some(&*file.path),
            Sink::Condor(_) => None,
        })
    }

    /// Removes its note and its files, without those that were there before it. What cannot be removed stays.
    pub fn clear(&self, directory: &Path) {
        for (index, entry) in self.entries.iter().enumerate() {
            let written = self.locations.get(index);
            let is_it = written.is_none_or(|written| *written == location(entry));
            if let Sink::File(file) = &entry.sink
                && entry.on_expiry == OnExpiry::Remove
                && is_it
            {
                drop(private_file::remove(&file.path));
            }
        }
        drop(private_file::remove(&path(directory, self.process.pid)));
    }
}

/// Where the file of an entry is.
pub fn location(entry: &Entry) -> Option<Location> {
    match &entry.sink {
        Sink::File(file) => Some(Location::of(&file.path)),
        Sink::Condor(_) => None,
    }
}

/// The notes in a directory. What is no note of this user is left out.
pub fn noted(directory: &Path) -> Vec<Lease> {
    let Ok(entries) = fs_err::read_dir(directory) else { return Vec::new() };
    let prefix = format!(".{}", prefix());
    let is_note = |name: &str| name.starts_with(&prefix) && name.ends_with(SUFFIX);
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_note))
        .take(MOST)
        .filter_map(|entry| read(&entry.path()))
        .filter(|lease| lease.files().all(Path::is_absolute))
        .collect()
}

/// Removes the files of processes that have ended, and what those left that were killed while they wrote.
pub fn tidy(directory: &Path) {
    let prefix = prefix();
    for prefix in [format!(".{prefix}"), prefix] {
        private_file::remove_leftovers_beginning(directory, prefix.as_ref());
    }
    for lease in noted(directory) {
        if lease.process.life() == Life::Ended {
            lease.clear(directory);
        }
    }
}

/// The directory for files that go with a process: the user's runtime directory, or else a directory of its own below
/// `/tmp`, which need not be there.
pub fn directory(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let uid = geteuid().as_raw();
    let named = variable("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    let runtime =
        [named, Some(usual)].into_iter().flatten().find(|path| path.is_absolute() && is_private(path));
    runtime.unwrap_or_else(|| PathBuf::from(format!("/tmp/oidc-exec-{uid}")))
}

/// The directory of [`directory`] for this process, made if it is missing. `None` where another user has taken its place.
pub fn made_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory = directory(variable);
    // Whether there is one, and whose, the look behind it tells.
    let _ = rustix::fs::mkdir(&directory, rustix::fs::Mode::from_raw_mode(0o700));
    is_private(&directory).then_some(directory)
}

/// How the names of token files of processes begin.
pub fn prefix() -> String {
    format!("{}.sh-", discovery::file_name(geteuid().as_raw()))
}

fn path(directory: &Path, pid: i32) -> PathBuf {
    directory.join(format!(".{}{pid}{SUFFIX}", prefix()))
}

fn read(path: &Path) -> Option<Lease> {
    let metadata = path.symlink_metadata().ok()?;
    let is_ours = metadata.is_file() && metadata.uid() == geteuid().as_raw();
    if !is_ours || metadata.len() > LONGEST {
        return None;
    }
    serde_json::from_slice(&fs_err::read(path).ok()?).ok()
}

/// Whether a path is a directory of ours that nobody else may use.
fn is_private(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == geteuid().as_raw() && (metadata.mode() & OTHERS) == 0
    })
}

fn namespace() -> Option<String> {
    fs_err::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned())
}

fn started(pid: i32) -> Option<String> {
    let stat = ProcStat::read(&pid.to_string()).ok()?;
    let has_ended = matches!(stat.field(3)?, "Z" | "X");
    stat.field(22).filter(|_| !has_ended).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use oidc_proto::files::entry::{
        FileSink, Format, OnExpiry, Require, Span, Timing, TokenKind, WantedToken, Write,
    };

    use super::*;

    fn lease(process: Leaseholder, path: &Path) -> Lease {
        let entry = Entry {
            name: "x".into(),
            token: WantedToken {
                account: "demo".parse().expect("a name"),
                scope: None,
                audience: None,
                kind: TokenKind::Access,
                services: Vec::new(),
            },
            sink: Sink::File(FileSink {
                path: path.into(),
                format: Format::Raw,
                newline: true,
                mode: 0o600,
                group: None,
                create_dirs: false,
                write: Write::Rename,
                host: None,
                readers: Vec::new(),
            }),
            timing: Timing {
                min_lifetime: Duration::from_secs(60),
                renew_before: Span::Percent(33),
                jitter: 0,
                min_backoff: Duration::from_secs(5),
                max_backoff: Duration::from_secs(300),
            },
            require: Require::Warn,
            on_expiry: OnExpiry::Remove,
            hook: None,
        };
        let locations = vec![location(&entry)];
        Lease { process, entries: vec![entry], locations }
    }

    #[test]
    fn what_ended_processes_left_is_removed_and_nothing_else() {
        let kept = tempfile::tempdir().expect("a directory");
        let directory = kept.path();
        let this = Leaseholder::this_process();
        let ended = Leaseholder { pid: 1_000_001, started: Some("1".into()), ..this.clone() };
        // The number is somebody else's now.
        let reused = Leaseholder { pid: 1, started: Some("surely not".into()), ..this.clone() };
        let elsewhere = Leaseholder { pid: 1_000_002, host: "elsewhere".into(), ..this.clone() };
        let boxed = Leaseholder { pid: 1_000_003, namespace: Some("pid:[1]".into()), ..this.clone() };
        let before = Leaseholder { pid: 1_000_004, boot: Some("before".into()), ..this.clone() };
        let mut files = Vec::new();
        for (number, process) in [&this, &ended, &reused, &elsewhere, &boxed, &before].into_iter().enumerate()
        {
            let file = directory.join(number.to_string());
            fs_err::write(&file, "token").expect("written");
            lease(process.clone(), &file).note(directory).expect("noted");
            files.push(file);
        }
        fs_err::write(directory.join(format!(".{}7.lease", prefix())), "{}").expect("written");
        tidy(directory);
        let there: Vec<bool> = files.iter().map(|file| file.exists()).collect();
        assert_eq!(there, [true, false, false, true, true, false]);
        assert_eq!(noted(directory).len(), 3);
    }

    /// Whatever is of the same name in another directory by then is somebody else's.
    #[test]
    fn what_a_changed_link_leads_to_stays() {
        let kept = tempfile::tempdir().expect("a directory");
        let at = |path: &str| kept.path().join(path);
        for directory in ["one", "other"] {
            fs_err::create_dir(at(directory)).expect("made");
            fs_err::write(at(directory).join("token"), directory).expect("written");
        }
        std::os::unix::fs::symlink("one", at("link")).expect("linked");
        let lease = lease(Leaseholder::this_process(), &at("link/token"));
        fs_err::remove_file(at("link")).expect("removed");
        std::os::unix::fs::symlink("other", at("link")).expect("linked");
        lease.clear(kept.path());
        assert!(at("other/token").exists() && at("one/token").exists());
        fs_err::remove_file(at("link")).expect("removed");
        std::os::unix::fs::symlink("one", at("link")).expect("linked");
        lease.clear(kept.path());
        assert!(at("other/token").exists() && !at("one/token").exists());
    }

    #[test]
    fn a_runtime_directory_is_used_if_nobody_else_may_use_it() {
        let kept = tempfile::tempdir().expect("a directory");
        let variable = |_: &str| Some(kept.path().into());
        fs_err::set_permissions(kept.path(), std::fs::Permissions::from_mode(0o700)).expect("set");
        assert_eq!(directory(variable), kept.path());
        fs_err::set_permissions(kept.path(), std::fs::Permissions::from_mode(0o755)).expect("set");
        assert_ne!(directory(variable), kept.path());
    }
}
