//! Account files and the oidc-agent directory that others may change: worth a remark.

use std::{os::unix::fs::MetadataExt, path::Path};

use rustix::process::getegid;

use super::{link::is_trusted, remark::remark};
use crate::shell;

/// Looks at the owner and the mode of a file or directory.
pub(super) fn look_at(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    let shown = path.display();
    let run = |words: &str| shell::command(words, &path.to_string_lossy());
    if !is_trusted(metadata.uid()) {
        remark(format!(
            "{shown} belongs to user {}, who can change it: run `{}`",
            metadata.uid(),
            run("chown \"$USER\"")
        ));
    } else if others_write(metadata.mode(), metadata.gid(), getegid().as_raw()) {
        let mode = if metadata.is_dir() { "700" } else { "600" };
        remark(format!(
            "{shown} can be changed by other users (mode {:o}): run `{}`",
            metadata.mode() & 0o7777,
            run(&format!("chmod {mode}"))
        ));
    }
}

/// Whether a mode lets anybody write but the owner and a group of the user's own: where every user has one, files are
/// made for it.
fn others_write(mode: u32, gid: u32, own_gid: u32) -> bool {
    mode & 0o002 != 0 || (mode & 0o020 != 0 && gid != own_gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_ones_own_is_nobody_else() {
        for (mode, gid, expected) in [
            (0o600, 50, false),
            (0o644, 50, false),
            (0o664, 1000, false),
            (0o664, 50, true),
            (0o666, 1000, true),
            (0o775, 1000, false),
            (0o757, 1000, true),
        ] {
            assert_eq!(others_write(mode, gid, 1000), expected, "{mode:o} {gid}");
        }
    }
}
