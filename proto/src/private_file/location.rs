//! Where a path leads, whatever links are on the way.

use std::path::{Path, PathBuf};

use rustix::fs::stat;
use serde::{Deserialize, Serialize};

use super::directory::identity;

/// Where a path leads: the last directory on the way that is there, and what comes after it. Paths with equal ones are of one
/// file, as long as nobody leads a link elsewhere. A link in the place of the file itself is not followed, as nothing is written
/// through one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Device and inode; `None`: not even the root can be looked at.
    directory: Option<(u64, u64)>,
    rest: PathBuf,
}

impl Location {
    /// Of an absolute path. Blocks.
    pub fn of(path: &Path) -> Self {
        let there = path.ancestors().skip(1).find_map(|directory| {
            let found = stat(directory).ok()?;
            Some((identity(&found), path.strip_prefix(directory).ok()?))
        });
        match there {
            Some((directory, rest)) => Self { directory: Some(directory), rest: rest.into() },
            None => Self { directory: None, rest: path.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_way_to_it() {
        let kept = tempfile::tempdir().expect("a directory");
        let root = fs_err::canonicalize(kept.path()).expect("a path");
        fs_err::create_dir_all(root.join("a/deep")).expect("made");
        symlink("a", root.join("b")).expect("linked");
        symlink("a/deep", root.join("c")).expect("linked");
        let at = |path: &str| Location::of(&root.join(path));
        for (one, other, same) in [
            ("a/token", "b/token", true),
            ("a/deep/token", "c/token", true),
            ("a/deep/token", "b/deep/token", true),
            ("a/missing/token", "b/missing/token", true),
            ("a/token", "a/other", false),
            ("a/token", "a/deep/token", false),
            ("a/missing/token", "a/token", false),
        ] {
            assert_eq!(at(one) == at(other), same, "{one} and {other}");
        }
        symlink("token", root.join("a/link")).expect("linked");
        assert_ne!(at("a/link"), at("a/token"), "nothing is written through it");
    }
}
