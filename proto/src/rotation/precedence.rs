//! Which refresh token of an account is newer: the one table of it.
//!
//! A provider that rotates refresh tokens takes a second use of one for theft, so the newest must be known whatever was
//! killed, restored from a backup or written by a program that knows nothing of our locks. What is known:
//!
//! - **memory**: the token an agent holds, and which tokens it has gone on from (the *spent list*);
//! - **file**: the token in the account's file, with the file's generation, which counts its writes;
//! - **beside**: what lies beside the file, or in the runtime directory, sealed under the token it succeeds. Chained from
//!   the file's token, the last one is meant, so it is newer than the file's in any case.
//!
//! *Disk* is the token beside, or else the one in the file. The first row that applies decides:
//!
//! | # | memory | disk | newer |
//! |---|---|---|---|
//! | 1 | holds no token | any | disk |
//! | 2 | a login of the same client at the same issuer | holds no token | memory |
//! | 3 | any | the same token | neither |
//! | 4 | a login of the same client at the same issuer | on the spent list | memory |
//! | 5 | a login of the same client at the same issuer | the file's generation is lower than one seen before | memory |
//! | 6 | any | anything else: another program stored it, or another login | disk |
//!
//! The content of a file that has not changed since it was last read says nothing new; what lies beside it may.

/// What is known about the two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Memory holds a token.
    pub held: bool,
    /// The disk holds a token.
    pub on_disk: bool,
    /// They are the same; only where both hold one.
    pub same: bool,
    /// Both are logins of the same client at the same issuer.
    pub same_login: bool,
    /// Memory has gone on from the token on the disk.
    pub disk_is_spent: bool,
    /// The file counts fewer writes than it did before.
    pub rolled_back: bool,
}

/// The newer of two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// The one in memory.
    Memory,
    /// The one on the disk.
    Disk,
    /// They are the same.
    Neither,
}

impl Evidence {
    /// The table above.
    pub fn newer(self) -> Newer {
        let Self { held, on_disk, same, same_login, disk_is_spent, rolled_back } = self;
        if !held {
            Newer::Disk
        } else if same_login && !on_disk {
            Newer::Memory
        } else if on_disk && same {
            Newer::Neither
        } else if same_login && (disk_is_spent || rolled_back) {
            Newer::Memory
        } else {
            Newer::Disk
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination, against the rows as they are written down.
    #[test]
    fn the_table() {
        for bits in 0_u8..64 {
            let bit = |number: u8| bits >> number & 1 == 1;
            let evidence = Evidence {
                held: bit(0),
                on_disk: bit(1),
                same: bit(2),
                same_login: bit(3),
                disk_is_spent: bit(4),
                rolled_back: bit(5),
            };
            let rows = [
                (!evidence.held, Newer::Disk),
                (evidence.same_login && !evidence.on_disk, Newer::Memory),
                (evidence.on_disk && evidence.same, Newer::Neither),
                (evidence.same_login && evidence.disk_is_spent, Newer::Memory),
                (evidence.same_login && evidence.rolled_back, Newer::Memory),
                (true, Newer::Disk),
            ];
            let expected = rows.iter().find(|(applies, _)| *applies).map(|(_, newer)| *newer);
            assert_eq!(Some(evidence.newer()), expected, "{evidence:?}");
        }
    }
}
