//! Which directories may lead to a socket, or to a file that says what is run or who gets tokens: those in which nobody but the
//! user and root can put another one in its place.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use rustix::{
    io::Errno,
    process::{getegid, geteuid},
};

/// Links on the way; as many as the kernel follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Why a way is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Somebody else could replace the socket. The C suite's words, and why.
    #[error("socket path location is not trustworthy: '{}' {reason}", path.display())]
    Untrusted {
        /// The directory or link in question.
        path: PathBuf,
        /// What is wrong with it.
        reason: Reason,
    },
    /// Something on the way is missing or cannot be looked at.
    #[error("cannot use '{}': {source}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a directory or link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Its owner, who has this number, is neither this user nor root.
    #[error("belongs to another user (uid {0})")]
    Owner(u32),
    /// Everybody may write there.
    #[error("can be written by others")]
    Others,
    /// A group that is not this user's may write there.
    #[error("can be written by another group")]
    Group,
}

/// Who judges, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Judge {
    uid: u32,
    gid: u32,
    /// Root's directories look like those of nobody where this user namespace does not know root.
    trusts_unmapped: bool,
}

impl Judge {
    /// This process.
    pub fn this_process() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw(), trusts_unmapped: true }
    }

    /// Another user, with the group of this process.
    pub fn user(uid: u32) -> Self {
        Self { uid, ..Self::this_process() }
    }

    /// Walks to a socket as the kernel does and judges everything on the way: each directory belongs to the user or
    /// root and cannot be written by others unless it is sticky, each link belongs to the user or root.
    ///
    /// `path` is absolute. Returns it without links. Whose the socket is, its peer's credentials tell; hence one in a
    /// sticky directory like `/tmp` is fine.
    pub fn socket(self, path: &Path) -> Result<PathBuf, TrustError> {
        let (holder, name) = self.walk(path)?;
        Ok(match name {
            Some(name) => holder.join(name),
            None => holder,
        })
    }

    /// The same for an existing directory that leads to another one.
    pub fn directory(self, path: &Path) -> Result<PathBuf, TrustError> {
        match self.walk(path)? {
            (real, None) => Ok(real),
            (holder, Some(name)) => Err(unusable(&holder.join(name), Errno::NOTDIR.into())),
        }
    }

    /// The same for a file whose content counts, which nobody else may change either.
    pub fn file(self, path: &Path) -> Result<PathBuf, TrustError> {
        let (holder, name) = self.walk(path)?;
        let Some(name) = name else { return Err(unusable(&holder, Errno::ISDIR.into())) };
        let real = holder.join(name);
        let metadata = metadata_of(&real)?;
        self.owner(&real, metadata.uid())?;
        self.writers(&real, metadata.gid(), metadata.mode() & !STICKY)?;
        Ok(real)
    }

    /// The same for a directory in which a socket is to be bound. A sticky one that others may write is refused, for
    /// they could take the name first.
    pub fn holder(self, path: &Path) -> Result<PathBuf, TrustError> {
        let real = self.directory(path)?;
        let strict = Self { trusts_unmapped: false, ..self };
        let metadata = real.metadata().map_err(|source| unusable(&real, source))?;
        strict.owner(&real, metadata.uid())?;
        strict.writers(&real, metadata.gid(), metadata.mode() & !STICKY)?;
        Ok(real)
    }

    /// The directory without links and, if it is no directory, the name of what the path ends at.
    fn walk(self, path: &Path) -> Result<(PathBuf, Option<OsString>), TrustError> {
        let mut left: VecDeque<OsString> = steps(path).collect();
        let mut real = PathBuf::from("/");
        let mut links = 0;
        self.judge_directory(&real, &metadata_of(&real)?)?;
        while let Some(step) = left.pop_front() {
            if step == ".." {
                real.pop();
                continue;
            }
            let path = real.join(&step);
            let metadata = metadata_of(&path)?;
            if !metadata.is_symlink() {
                if left.is_empty() && !metadata.is_dir() {
                    return Ok((real, Some(step)));
                }
                self.judge_directory(&path, &metadata)?;
                real = path;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(unusable(&path, Errno::LOOP.into()));
            }
            self.owner(&path, metadata.uid())?;
            let target = path.read_link().map_err(|source| unusable(&path, source))?;
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            let rest = std::mem::take(&mut left);
            left = steps(&target).chain(rest).collect();
        }
        Ok((real, None))
    }

    fn judge_directory(self, path: &Path, metadata: &Metadata) -> Result<(), TrustError> {
        if !metadata.is_dir() {
            return Err(unusable(path, Errno::NOTDIR.into()));
        }
        self.owner(path, metadata.uid())?;
        self.writers(path, metadata.gid(), metadata.mode())
    }

    fn owner(self, path: &Path, owner: u32) -> Result<(), TrustError> {
        let is_trusted = owner == 0 || owner == self.uid || (self.trusts_unmapped && is_unmapped(owner));
        if is_trusted { Ok(()) } else { Err(untrusted(path, Reason::Owner(owner))) }
    }

    fn writers(self, path: &Path, gid: u32, mode: u32) -> Result<(), TrustError> {
        const GROUP_WRITE: u32 = 0o020;
        const OTHERS_WRITE: u32 = 0o002;

        if mode & STICKY != 0 {
            return Ok(());
        }
        if mode & OTHERS_WRITE != 0 {
            return Err(untrusted(path, Reason::Others));
        }
        if mode & GROUP_WRITE != 0 && gid != 0 && gid != self.gid {
            return Err(untrusted(path, Reason::Group));
        }
        Ok(())
    }
}

/// Nobody but its owner and the directory's removes or renames an entry.
const STICKY: u32 = 0o1000;

/// The names in a path, and `..`, which must wait for its turn: before it there may be a link.
fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn unusable(path: &Path, source: io::Error) -> TrustError {
    TrustError::Unusable { path: path.to_owned(), source }
}

fn untrusted(path: &Path, reason: Reason) -> TrustError {
    TrustError::Untrusted { path: path.to_owned(), reason }
}

fn metadata_of(path: &Path) -> Result<Metadata, TrustError> {
    path.symlink_metadata().map_err(|source| unusable(path, source))
}

/// Whether the number stands for users without one in this user namespace (`user_namespaces(7)`), and is no user's.
pub(crate) fn is_unmapped(uid: u32) -> bool {
    let overflow = fs_err::read_to_string("/proc/sys/kernel/overflowuid");
    let is_overflow = overflow.is_ok_and(|overflow| overflow.trim().parse() == Ok(uid));
    is_overflow && fs_err::read_to_string("/proc/self/uid_map").is_ok_and(|map| !is_mapped(&map, uid))
}

/// Whether `uid` is in a map: lines of first inside, first outside, count.
fn is_mapped(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        matches!(numbers[..], [first, _, count] if (first..first + count).contains(&u64::from(uid)))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;

    #[test]
    fn a_file_counts_that_nobody_else_can_change_or_replace() {
        let (_kept, root) = root();
        make(&root.join("own"), 0o700);
        make(&root.join("open"), 0o777);
        let file = |path: &str, mode: u32| {
            let path = root.join(path);
            fs_err::write(&path, "").expect("written");
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode set");
            path
        };
        let judge = Judge::this_process();
        let good = file("own/good", 0o644);
        assert_eq!(judge.file(&good).expect("trusted"), good);
        symlink(&good, root.join("own/link")).expect("linked");
        assert_eq!(judge.file(&root.join("own/link")).expect("trusted"), good);
        let bad = file("own/bad", 0o646);
        assert_eq!(culprit(judge.file(&bad)), bad);
        assert_eq!(culprit(judge.file(&file("open/x", 0o600))), root.join("open"));
        assert!(matches!(judge.file(&root.join("own")), Err(TrustError::Unusable { .. })), "a directory");
        if geteuid().is_root() {
            lchown(&good, Some(65_534), None).expect("given away");
            assert_eq!(culprit(judge.file(&good)), good);
        }
    }

    fn make(path: &Path, mode: u32) {
        fs_err::create_dir(path).expect("made");
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode set");
    }

    fn root() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("a directory");
        let path = fs_err::canonicalize(root.path()).expect("a path");
        (root, path)
    }

    fn culprit(result: Result<PathBuf, TrustError>) -> PathBuf {
        match result {
            Err(TrustError::Untrusted { path, .. }) => path,
            other => panic!("trusted: {other:?}"),
        }
    }

    #[test]
    fn owners_and_writers_count() {
        let judge = Judge { uid: 1000, gid: 1000, trusts_unmapped: false };
        let path = Path::new("/d");
        for (gid, mode, trusted) in [
            (0, 0o755, true),
            (0, 0o775, true),
            (1000, 0o775, true),
            (50, 0o770, false),
            (50, 0o757, false),
            (0, 0o1777, true),
        ] {
            assert_eq!(judge.writers(path, gid, mode).is_ok(), trusted, "{gid} {mode:o}");
        }
        for (owner, trusted) in [(0, true), (1000, true), (1001, false), (65534, false)] {
            assert_eq!(judge.owner(path, owner).is_ok(), trusted, "{owner}");
        }
    }

    #[test]
    fn everything_on_the_way_is_judged() {
        let (_kept, root) = root();
        let judge = Judge::this_process();
        let (open, sticky) = (root.join("open"), root.join("sticky"));
        make(&open, 0o777);
        make(&sticky, 0o1777);
        make(&open.join("own"), 0o700);
        make(&sticky.join("own"), 0o700);
        fs_err::write(sticky.join("socket"), "").expect("written");
        assert_eq!(culprit(judge.directory(&open.join("own"))), open);
        assert_eq!(judge.holder(&sticky.join("own")).ok(), Some(sticky.join("own")));
        assert_eq!(judge.directory(&sticky).ok(), Some(sticky.clone()));
        assert_eq!(culprit(judge.holder(&sticky)), sticky);
        assert_eq!(culprit(judge.holder(&sticky.join("own/.."))), sticky);
        assert_eq!(judge.socket(&sticky.join("socket")).ok(), Some(sticky.join("socket")));
        // A link out of an untrusted directory is as bad as a directory in it; so is a way through it and back.
        symlink(sticky.join("own"), open.join("link")).expect("linked");
        assert_eq!(culprit(judge.directory(&open.join("link"))), open);
        assert_eq!(culprit(judge.socket(&open.join("own/../../sticky/socket"))), open);
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let (_kept, root) = root();
        let judge = Judge::this_process();
        make(&root.join("a"), 0o700);
        make(&root.join("a/b"), 0o700);
        fs_err::write(root.join("a/socket"), "").expect("written");
        symlink("a/b", root.join("relative")).expect("linked");
        symlink(root.join("relative/.."), root.join("absolute")).expect("linked");
        symlink("absolute/socket", root.join("to-socket")).expect("linked");
        assert_eq!(judge.directory(&root.join("relative")).ok(), Some(root.join("a/b")));
        assert_eq!(judge.directory(&root.join("absolute")).ok(), Some(root.join("a")));
        assert_eq!(judge.socket(&root.join("to-socket")).ok(), Some(root.join("a/socket")));
        symlink("loop", root.join("loop")).expect("linked");
        symlink("/no/such", root.join("dangling")).expect("linked");
        for name in ["loop", "dangling", "a/socket", "a/socket/x", "missing"] {
            let error = judge.directory(&root.join(name)).expect_err(name);
            assert!(matches!(error, TrustError::Unusable { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn a_foreign_link_is_not_followed() {
        if !geteuid().is_root() {
            return;
        }
        let (_kept, root) = root();
        let judge = Judge::this_process();
        make(&root.join("own"), 0o700);
        let link = root.join("link");
        symlink("own", &link).expect("linked");
        assert!(judge.holder(&link).is_ok());
        lchown(&link, Some(1234), Some(1234)).expect("given away");
        assert_eq!(culprit(judge.directory(&link)), link);
    }

    #[test]
    fn a_map_of_one_user_leaves_the_others_without_a_number() {
        assert!(is_mapped("         0          0 4294967295\n", 65534));
        assert!(!is_mapped("      1000       1000          1\n", 65534));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 65534));
    }
}
