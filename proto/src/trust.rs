//! Which directories may lead to a socket: those in which nobody but the user and root can put another one in its place.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use rustix::process::{getegid, geteuid};

/// Links on the way; as many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Why a directory is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Somebody else could replace the socket. The C suite's words, and why.
    #[error("socket path location is not trustworthy: '{}' {reason}", path.display())]
    Untrusted {
        /// The directory or link in question.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A directory could not be looked at.
    #[error("cannot use the socket's directory: '{}': {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whether a socket that stands in a sticky directory that all may write, such as `/tmp`, is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sticky {
    /// Yes: nobody else can replace one that is the user's, and the peer's credentials tell whose it is.
    Holds,
    /// No, only directories of the user's in it: others could take the name first.
    LeadsOnly,
}

/// Walks to a directory as the kernel does and judges everything on the way: each directory belongs to the user or
/// root and cannot be written by others unless it is sticky, each link belongs to the user or root.
///
/// `directory` is absolute and exists. Returns it without links.
pub fn walk(directory: &Path, sticky: Sticky) -> Result<PathBuf, TrustError> {
    walk_as(directory, sticky, Judge { uid: geteuid().as_raw(), gid: getegid().as_raw() })
}

fn walk_as(directory: &Path, sticky: Sticky, judge: Judge) -> Result<PathBuf, TrustError> {
    let mut left: VecDeque<OsString> = steps(directory).collect();
    let mut real = PathBuf::from("/");
    let mut links = 0;
    judge.directory(&real, Sticky::Holds)?;
    while let Some(step) = left.pop_front() {
        if step == ".." {
            real.pop();
            continue;
        }
        let path = real.join(step);
        let metadata = path.symlink_metadata().map_err(|source| unusable(&path, source))?;
        if !metadata.is_symlink() {
            judge.directory(&path, Sticky::Holds)?;
            real = path;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(unusable(&path, rustix::io::Errno::LOOP.into()));
        }
        judge.owner(&path, metadata.uid())?;
        let target = path.read_link().map_err(|source| unusable(&path, source))?;
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        let rest = std::mem::take(&mut left);
        left = steps(&target).chain(rest).collect();
    }
    judge.directory(&real, sticky)?;
    Ok(real)
}

/// The names in a path, and `..`, which must wait for its turn: before it there may be a link.
fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn unusable(path: &Path, source: io::Error) -> TrustError {
    TrustError::Directory { path: path.to_owned(), source }
}

/// Who judges.
#[derive(Debug, Clone, Copy)]
struct Judge {
    uid: u32,
    gid: u32,
}

impl Judge {
    fn directory(self, path: &Path, sticky: Sticky) -> Result<(), TrustError> {
        let metadata = path.metadata().map_err(|source| unusable(path, source))?;
        if !metadata.is_dir() {
            return Err(unusable(path, rustix::io::Errno::NOTDIR.into()));
        }
        self.owner(path, metadata.uid())?;
        match self.distrusts_writers(metadata.gid(), metadata.mode(), sticky) {
            Some(reason) => Err(TrustError::Untrusted { path: path.to_owned(), reason }),
            None => Ok(()),
        }
    }

    fn owner(self, path: &Path, owner: u32) -> Result<(), TrustError> {
        if owner == 0 || owner == self.uid {
            return Ok(());
        }
        Err(TrustError::Untrusted { path: path.to_owned(), reason: "belongs to another user" })
    }

    fn distrusts_writers(self, gid: u32, mode: u32, sticky: Sticky) -> Option<&'static str> {
        const STICKY: u32 = 0o1000;
        const GROUP_WRITE: u32 = 0o020;
        const OTHERS_WRITE: u32 = 0o002;

        if mode & STICKY != 0 && sticky == Sticky::Holds {
            return None;
        }
        if mode & OTHERS_WRITE != 0 {
            return Some("can be written by others");
        }
        let foreign = gid != 0 && gid != self.gid;
        (mode & GROUP_WRITE != 0 && foreign).then_some("can be written by another group")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;

    fn make(path: &Path, mode: u32) {
        fs_err::create_dir(path).expect("made");
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode set");
    }

    fn reason(result: Result<PathBuf, TrustError>) -> (PathBuf, &'static str) {
        match result {
            Err(TrustError::Untrusted { path, reason }) => (path, reason),
            other => panic!("trusted: {other:?}"),
        }
    }

    #[test]
    fn writers_and_owners_count() {
        use Sticky::{Holds, LeadsOnly};
        let judge = Judge { uid: 1000, gid: 1000 };
        for (gid, mode, sticky, trusted) in [
            (0, 0o755, Holds, true),
            (0, 0o775, LeadsOnly, true),
            (1000, 0o775, LeadsOnly, true),
            (50, 0o770, Holds, false),
            (50, 0o757, Holds, false),
            (0, 0o1777, Holds, true),
            (0, 0o1777, LeadsOnly, false),
            (50, 0o1770, LeadsOnly, false),
        ] {
            assert_eq!(judge.distrusts_writers(gid, mode, sticky).is_none(), trusted, "{gid} {mode:o}");
        }
        let path = Path::new("/d");
        assert!(judge.owner(path, 0).is_ok() && judge.owner(path, 1000).is_ok());
        assert!(judge.owner(path, 1001).is_err() && judge.owner(path, 65534).is_err());
    }

    #[test]
    fn everything_on_the_way_is_judged() {
        let root = tempfile::tempdir().expect("a directory");
        let root = fs_err::canonicalize(root.path()).expect("a path");
        let (open, sticky) = (root.join("open"), root.join("sticky"));
        make(&open, 0o777);
        make(&sticky, 0o1777);
        make(&open.join("own"), 0o700);
        make(&sticky.join("own"), 0o700);
        assert_eq!(reason(walk(&open.join("own"), Sticky::Holds)).0, open);
        assert_eq!(walk(&sticky.join("own"), Sticky::LeadsOnly).ok(), Some(sticky.join("own")));
        assert_eq!(walk(&sticky, Sticky::Holds).ok(), Some(sticky.clone()));
        assert_eq!(reason(walk(&sticky, Sticky::LeadsOnly)).0, sticky);
        assert_eq!(reason(walk(&sticky.join("own/.."), Sticky::LeadsOnly)).0, sticky);
        // A link out of an untrusted directory is as bad as a directory in it; so is a way through it and back.
        symlink(sticky.join("own"), open.join("link")).expect("linked");
        assert_eq!(reason(walk(&open.join("link"), Sticky::Holds)).0, open);
        assert_eq!(reason(walk(&open.join("own/../../sticky/own"), Sticky::Holds)).0, open);
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let root = tempfile::tempdir().expect("a directory");
        let root = fs_err::canonicalize(root.path()).expect("a path");
        make(&root.join("a"), 0o700);
        make(&root.join("a/b"), 0o700);
        symlink("a/b", root.join("relative")).expect("linked");
        symlink(root.join("relative/.."), root.join("absolute")).expect("linked");
        assert_eq!(walk(&root.join("relative"), Sticky::Holds).ok(), Some(root.join("a/b")));
        assert_eq!(walk(&root.join("absolute"), Sticky::Holds).ok(), Some(root.join("a")));
        symlink("loop", root.join("loop")).expect("linked");
        symlink("/no/such", root.join("dangling")).expect("linked");
        fs_err::write(root.join("file"), "").expect("written");
        for name in ["loop", "dangling", "file", "missing"] {
            let error = walk(&root.join(name), Sticky::Holds).expect_err(name);
            assert!(matches!(error, TrustError::Directory { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn a_foreign_link_is_not_followed() {
        if !geteuid().is_root() {
            return;
        }
        let root = tempfile::tempdir().expect("a directory");
        make(&root.path().join("own"), 0o700);
        let link = root.path().join("link");
        symlink("own", &link).expect("linked");
        assert!(walk(&link, Sticky::LeadsOnly).is_ok());
        lchown(&link, Some(65534), Some(65534)).expect("given away");
        assert_eq!(reason(walk(&link, Sticky::LeadsOnly)), (link, "belongs to another user"));
    }
}
