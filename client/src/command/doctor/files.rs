//! What is in the oidc-agent directory: account files, and what lies beside them.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use oidc_proto::{
    home::{HiddenFile, HiddenKind, Home},
    shell,
    shortname::Shortname,
    vault::{self, Format, VaultError},
};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{
    check::{Check, Seen},
    surroundings::Surroundings,
};

/// More entries than any directory of accounts has.
const MOST_ENTRIES: usize = 10_000;
/// More than an account file may have, in bytes.
const MOST_BYTES: u64 = 1024 * 1024 + 1;
/// A temporary file of this age in seconds has no writer any more.
const OLD: u64 = 60;

/// What was found out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Effective user.
    pub uid: u32,
    /// The account files, in byte order, and what is named like one.
    pub files: Vec<File>,
    /// What lies beside them, with its age in seconds.
    pub hidden: Vec<(HiddenFile, u64)>,
}

/// A file that is named as an account's.
#[derive(Debug, Clone)]
pub struct File {
    /// The account.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its mode, without its type.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An account that a password opens.
    Sealed(Format),
    /// An account that holds nothing to hide.
    Open,
    /// An account that this program is too old for, in these words.
    TooNew(String),
    /// Once an account: it is damaged, in this way.
    Damaged(String),
    /// No account.
    Foreign,
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// A link that is not followed.
    Link,
}

impl Facts {
    /// Of this directory; only the named account of it, if one is named.
    pub fn gather(home: &Home, surroundings: &Surroundings, only: Option<&Shortname>) -> Self {
        let entries = fs_err::read_dir(home.path()).into_iter().flatten().flatten().take(MOST_ENTRIES);
        let names = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<Shortname>().ok());
        let names: BTreeSet<_> =
            names.filter(|name| only.map_or(name.is_listed(), |only| only == name)).collect();
        let files = names.iter().filter_map(|name| File::look(home, name)).collect();
        let is_meant = |file: &HiddenFile| only.is_none_or(|only| file.stem == only.as_str());
        let age = |file: &HiddenFile| {
            let changed =
                file.path.symlink_metadata().ok().and_then(|metadata| u64::try_from(metadata.mtime()).ok());
            surroundings.now.saturating_sub(changed.unwrap_or(surroundings.now))
        };
        let hidden = home.hidden_files().unwrap_or_default().into_iter().filter(is_meant);
        let hidden = hidden.map(|file| (age(&file), file)).map(|(age, file)| (file, age)).collect();
        Self { uid: surroundings.uid, files, hidden }
    }
}

impl File {
    /// `None`: what has that name is no file at all, such as a directory.
    fn look(home: &Home, name: &Shortname) -> Option<Self> {
        let path = home.file(name);
        let own = path.symlink_metadata().ok()?;
        let metadata = path.metadata();
        let (metadata, content) = match metadata {
            Err(_) => (own, Content::Link),
            Ok(metadata) if own.is_symlink() && !(is_trusted(&own) && is_trusted(&metadata)) => {
                (own, Content::Link)
            }
            Ok(metadata) if !metadata.is_file() => return None,
            Ok(metadata) => (metadata, content(&path)),
        };
        let name = name.to_string();
        Some(Self { name, path, mode: metadata.mode() & 0o7777, uid: metadata.uid(), content })
    }
}

fn is_trusted(metadata: &Metadata) -> bool {
    metadata.uid() == 0 || metadata.uid() == oidc_proto::socket::own_uid()
}

fn content(path: &Path) -> Content {
    match read(path) {
        Ok(bytes) => content_of(&bytes),
        Err(error) => Content::Unreadable(error.kind().to_string()),
    }
}

/// At most [`MOST_BYTES`], without waiting for anybody who may write there.
pub fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn content_of(bytes: &[u8]) -> Content {
    match vault::inspect(bytes) {
        Ok(Format::Native) if matches!(vault::unlock_clear(bytes), Ok(Some(_))) => Content::Open,
        Ok(format) => Content::Sealed(format),
        Err(VaultError::NotAnAccountFile(_) | VaultError::TooLarge) => Content::Foreign,
        Err(error @ (VaultError::NewerFormat | VaultError::TooExpensive)) => {
            Content::TooNew(error.to_string())
        }
        Err(error) => Content::Damaged(error.to_string()),
    }
}

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[
    Check {
        code: "file_readable",
        why: "an account whose file cannot be read cannot be loaded",
        judge: readable,
    },
    Check {
        code: "file_damaged",
        why: "no password opens a damaged file, and its login is gone with it unless the agent still holds the account",
        judge: damaged,
    },
    Check {
        code: "file_foreign",
        why: "what is no account file is passed over, also where it was meant to be one",
        judge: foreign,
    },
    Check {
        code: "file_link",
        why: "a link is followed only to a file that is there, and only if both are yours or root's",
        judge: link,
    },
    Check { code: "file_owner", why: "who owns an account file can change it", judge: owner },
    Check {
        code: "file_mode",
        why: "who can write an account file can replace it; who can read it can try passwords on it",
        judge: mode,
    },
    Check {
        code: "killed_writer",
        why: "a program was killed while it wrote there; what it left takes room, and the file itself is the one before",
        judge: killed_writer,
    },
    Check {
        code: "unsaved_rotation",
        why: "the newest refresh token lies beside the file, and a copy of the file alone is a login that has ended",
        judge: rotated,
    },
    Check {
        code: "pending_registration",
        why: "a client was registered for a login that was not finished: it stays at the provider",
        judge: pending,
    },
];

fn each(facts: &Facts, seen: impl Fn(&File, &str) -> Option<Seen>) -> Vec<Seen> {
    facts.files.iter().filter_map(|file| seen(file, &file.path.display().to_string())).collect()
}

fn readable(facts: &Facts) -> Vec<Seen> {
    let mut seen = each(facts, |file, shown| match &file.content {
        Content::Unreadable(reason) => {
            let mend = shell::command("chmod 600", shown);
            Some(Seen::problem(shown, format!("{shown} cannot be read: {reason}")).mend(mend))
        }
        Content::TooNew(reason) => Some(
            Seen::problem(shown, format!("{shown} cannot be used: {reason}"))
                .mend("use the version that wrote it"),
        ),
        _ => None,
    });
    let whole =
        facts.files.iter().filter(|file| matches!(file.content, Content::Sealed(_) | Content::Open)).count();
    if whole > 0 {
        let text = if whole == 1 {
            "one account file is whole".to_owned()
        } else {
            format!("{whole} account files are whole")
        };
        seen.push(Seen::ok("files", text));
    }
    seen
}

fn damaged(facts: &Facts) -> Vec<Seen> {
    each(facts, |file, shown| match &file.content {
        Content::Damaged(reason) => {
            let mend = format!(
                "put a backup in its place; or {} while the agent holds the account; or {}",
                shell::command("oidc passwd", &file.name),
                shell::command("oidc reset", &file.name)
            );
            Some(Seen::problem(&file.name, format!("{shown} is damaged: {reason}")).mend(mend))
        }
        _ => None,
    })
}

fn foreign(facts: &Facts) -> Vec<Seen> {
    each(facts, |file, shown| {
        let mend = format!(
            "{} to somewhere else, if it was not meant to be an account",
            shell::command("mv", shown)
        );
        (file.content == Content::Foreign)
            .then(|| Seen::warning(shown, format!("{shown} is no account file")).mend(mend))
    })
}

fn link(facts: &Facts) -> Vec<Seen> {
    each(facts, |file, shown| {
        let text = format!("{shown} is a link to nothing, or to a file of another user");
        (file.content == Content::Link)
            .then(|| Seen::problem(shown, text).mend(shell::command("ls -l", shown)))
    })
}

fn owner(facts: &Facts) -> Vec<Seen> {
    each(facts, |file, shown| {
        // Owning a link means nothing, and chown would follow it.
        let is_own = file.uid == facts.uid || file.uid == 0 || matches!(file.content, Content::Link);
        let mend = shell::command("chown \"$USER\"", shown);
        (!is_own).then(|| Seen::problem(shown, format!("{shown} belongs to user {}", file.uid)).mend(mend))
    })
}

fn mode(facts: &Facts) -> Vec<Seen> {
    each(facts, |file, shown| {
        let mend = shell::command("chmod 600", shown);
        let text = |what: &str| format!("{shown} can be {what} (mode {:o})", file.mode);
        let seen = match (file.mode & 0o077, &file.content) {
            (0, _) | (_, Content::Link) => return None,
            (bits, _) if bits & 0o002 != 0 => Seen::problem(shown, text("changed by everybody")),
            (bits, _) if bits & 0o020 != 0 => Seen::warning(shown, text("changed by its group")),
            (_, Content::Open) => return None,
            _ => Seen::warning(shown, text("read by others")),
        };
        Some(seen.mend(mend))
    })
}

/// What hidden files of a kind there are.
fn of_kind(facts: &Facts, kind: HiddenKind) -> impl Iterator<Item = (&HiddenFile, u64, String)> {
    let of_kind = facts.hidden.iter().filter(move |(file, _)| file.kind == kind);
    of_kind.map(|(file, age)| (file, *age, file.path.display().to_string()))
}

fn killed_writer(facts: &Facts) -> Vec<Seen> {
    let temporary =
        of_kind(facts, HiddenKind::Temporary).filter(|(_, age, _)| *age > OLD).map(|(_, _, shown)| {
            Seen::warning(&shown, format!("{shown} was left by a program that was killed"))
                .mend(shell::command("rm", &shown))
        });
    let journals =
        of_kind(facts, HiddenKind::Journal).filter(|(_, age, _)| *age > OLD).map(|(file, _, shown)| {
            let text = format!("{shown} is the journal of a write that was broken off; the next one ends it");
            Seen::warning(&shown, text).mend(shell::command("oidc add", &file.stem))
        });
    temporary.chain(journals).collect()
}

fn rotated(facts: &Facts) -> Vec<Seen> {
    let seen = |(file, _, shown): (&HiddenFile, u64, String)| {
        let text = format!("{shown} holds a refresh token that is not in the account's file yet");
        Seen::warning(&file.stem, text).mend(shell::command("oidc add", &file.stem))
    };
    of_kind(facts, HiddenKind::Rotated).map(seen).collect()
}

fn pending(facts: &Facts) -> Vec<Seen> {
    let seen = |(file, age, shown): (&HiddenFile, u64, String)| {
        let text =
            format!("{shown} is a registration whose login was not finished, {} minutes old", age / 60);
        let mend =
            format!("{} goes on with it, `oidc orphans` deletes it", shell::command("oidc gen", &file.stem));
        Seen::warning(&file.stem, text).mend(mend)
    };
    of_kind(facts, HiddenKind::Pending).map(seen).collect()
}

#[cfg(test)]
mod tests;
