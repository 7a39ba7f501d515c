//! Temporary files of writers that were killed before their rename.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, openat, unlinkat},
    io::Errno,
    process::geteuid,
};

use super::{
    directory::Directory,
    names::{of_temporary, stem},
    temporary::Temporary,
};

/// How old, in seconds, one must be whose lock nobody holds: its writer may have made it just now.
const MIN_AGE: i64 = 60;
/// How old where the file system has no locks.
const MIN_AGE_WITHOUT_LOCKS: i64 = 3600;
/// The most entries that are looked at in one directory: others may fill `/tmp`.
const MAX_ENTRIES: usize = 1_000_000;

/// Removes what dead writers left of these files, each directory being read once. Those of writers that live stay. How many
/// were removed; what cannot be looked at is left alone.
pub fn remove_leftovers<'a>(files: impl IntoIterator<Item = &'a Path>) -> usize {
    let mut directories: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for path in files {
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            directories.entry(parent.into()).or_default().insert(stem(name));
        }
    }
    let in_one = |(path, stems): (&PathBuf, &BTreeSet<String>)| {
        tidy(path, stems.first()?, |stem| stems.contains(stem))
    };
    directories.iter().filter_map(in_one).sum()
}

/// The same in one directory for all files whose names begin so.
pub fn remove_leftovers_beginning(directory: &Path, prefix: &OsStr) -> usize {
    let prefix = stem(prefix);
    tidy(directory, &prefix, |stem| stem.starts_with(&prefix)).unwrap_or(0)
}

fn tidy(path: &Path, probe: &str, is_meant: impl Fn(&str) -> bool) -> Option<usize> {
    let directory = Directory::open_trusted(path, false).ok()?;
    let entries = Dir::read_from(directory.readable().ok()?).ok()?;
    let names: Vec<_> = entries
        .take(MAX_ENTRIES)
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_owned())
        .filter(|name| name.to_str().ok().and_then(of_temporary).is_some_and(&is_meant))
        .collect();
    if names.is_empty() {
        return Some(0);
    }
    // The file system's own time, which may be another machine's.
    let probe = Temporary::create(&directory, probe, 0o600).ok()?;
    let now = probe.modified()?;
    let is_dead = |name: &OsStr| is_dead(&directory, name, now).unwrap_or(false);
    let remove = |name: &OsStr| unlinkat(&directory, name, AtFlags::empty()).is_ok();
    Some(
        names
            .iter()
            .filter_map(|name| name.to_str().ok().map(OsStr::new))
            .filter(|name| is_dead(name) && remove(name))
            .count(),
    )
}

fn is_dead(directory: &Directory, name: &OsStr, now: i64) -> Option<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat(directory, name, flags, Mode::empty()).ok()?;
    let found = fstat(&opened).ok()?;
    if found.st_uid != geteuid().as_raw() {
        return None;
    }
    let age = now.saturating_sub(found.st_mtime);
    Some(match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => age >= MIN_AGE,
        Err(Errno::WOULDBLOCK) => false,
        Err(_) => age >= MIN_AGE_WITHOUT_LOCKS,
    })
}
