//! Whether a file is on a network file system, by the numbers of statfs(2).

use std::{fmt, os::fd::BorrowedFd, path::Path};

use rustix::fs::{StatFs, fstatfs, statfs};

/// A network file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkFileSystem {
    /// NFS.
    Nfs,
    /// AFS, by whichever client.
    Afs,
    /// SMB.
    Smb,
    /// Ceph's.
    Ceph,
    /// Lustre.
    Lustre,
    /// GPFS.
    Gpfs,
    /// Some file system in user space, such as sshfs or EOS; it need not be on the network.
    Fuse,
}

impl NetworkFileSystem {
    /// What may be behind a refusal, as the end of a sentence.
    pub(super) fn denial(self) -> &'static str {
        match self {
            Self::Afs => "; it is on AFS: the agent's AFS token may have ended (see `tokens`)",
            Self::Nfs => {
                "; it is on NFS: with Kerberos the agent's ticket may have ended (see `klist`), and root is nobody there"
            }
            _ => "",
        }
    }

    /// `f_type` of statfs(2).
    fn of_number(number: u32) -> Option<Self> {
        Some(match number {
            0x6969 => Self::Nfs,
            0x5346_414f | 0x6b41_4653 => Self::Afs,
            0x517b | 0xff53_4d42 | 0xfe53_4d42 => Self::Smb,
            0x00c3_6400 => Self::Ceph,
            0x0bd0_0bd0 => Self::Lustre,
            0x4750_4653 => Self::Gpfs,
            0x6573_5546 => Self::Fuse,
            _ => return None,
        })
    }
}

impl fmt::Display for NetworkFileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nfs => "NFS",
            Self::Afs => "AFS",
            Self::Smb => "SMB",
            Self::Ceph => "CephFS",
            Self::Lustre => "Lustre",
            Self::Gpfs => "GPFS",
            Self::Fuse => "FUSE",
        })
    }
}

/// The network file system that an open directory is on.
pub(super) fn network(directory: BorrowedFd<'_>) -> Option<NetworkFileSystem> {
    of(&fstatfs(directory).ok()?)
}

/// The one that a path is on.
pub(super) fn network_of(path: &Path) -> Option<NetworkFileSystem> {
    of(&statfs(path).ok()?)
}

fn of(found: &StatFs) -> Option<NetworkFileSystem> {
    // 32 bits, whose sign some architectures extend.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    NetworkFileSystem::of_number(found.f_type as u32)
}
