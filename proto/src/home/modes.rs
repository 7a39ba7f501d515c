//! Account files and the oidc-agent directory that others may change: worth a remark.

use std::{os::unix::fs::MetadataExt, path::Path};

use super::{link::is_trusted, remark::remark};

/// Looks at the owner and the mode of a file or directory.
pub(super) fn look_at(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    let shown = path.display();
    if !is_trusted(metadata.uid()) {
        remark(format!(
            "{shown} belongs to user {}, who can change it: run 'chown \"$USER\" {shown}'",
            metadata.uid()
        ));
    } else if metadata.mode() & 0o022 != 0 {
        let mode = if metadata.is_dir() { "700" } else { "600" };
        remark(format!(
            "{shown} can be changed by other users (mode {:o}): run 'chmod {mode} {shown}'",
            metadata.mode() & 0o7777
        ));
    }
}
