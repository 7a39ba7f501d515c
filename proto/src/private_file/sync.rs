//! Making what was written last.

use std::{fs::File, io};

/// Whether a crash of the machine may undo a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    /// It is on the disk.
    Yes,
    /// The file system cannot say when it is.
    Unsupported,
}

impl Synced {
    /// Of two things, that both are on the disk.
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::Yes { other } else { self }
    }
}

/// `fsync`. Some file systems cannot do it (`EINVAL`, `ENOSYS`, `EOPNOTSUPP`); what was written stands all the same.
pub(crate) fn sync(file: &File) -> io::Result<Synced> {
    match file.sync_all() {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(Synced::Unsupported)
        }
        synced => synced.map(|()| Synced::Yes),
    }
}
