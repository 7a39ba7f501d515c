//! What lies beside the account files: hidden files, and which account each is for.

use std::path::PathBuf;

use super::{Home, error::HomeError};

/// More entries than any directory of accounts has.
const MOST_ENTRIES: usize = 100_000;

/// A hidden file of this suite in the oidc-agent directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: HiddenKind,
    /// The account or configuration file that it is for; for an account of a long name a digest of that.
    pub stem: String,
}

/// What a hidden file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenKind {
    /// What is being written; nobody's where its writer was killed.
    Temporary,
    /// A refresh token that could not be put into the account's file.
    Rotated,
    /// What a file is to hold that is being rewritten in place.
    Journal,
    /// A registration whose login is not done yet.
    Pending,
    /// The certificates that the account trusts.
    Certificates,
    /// Locked while files are changed; it may stay.
    Lock,
}

impl Home {
    /// The hidden files of this suite, in byte order. Nothing is opened.
    pub fn hidden_files(&self) -> Result<Vec<HiddenFile>, HomeError> {
        let entries = fs_err::read_dir(self.path()).map_err(|error| HomeError::at(self.path(), &error))?;
        let mut files = Vec::new();
        for entry in entries.take(MOST_ENTRIES) {
            let entry = entry?;
            let name = entry.file_name();
            if let Some((stem, kind)) = name.to_str().and_then(kind_of) {
                files.push(HiddenFile { path: entry.path(), kind, stem: stem.to_owned() });
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }
}

/// What a file of that name is, and for whom.
fn kind_of(file_name: &str) -> Option<(&str, HiddenKind)> {
    let (stem, ending) =
        file_name.strip_prefix('.')?.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
    let kind = match ending {
        "rotated" => HiddenKind::Rotated,
        "journal" => HiddenKind::Journal,
        "pending" => HiddenKind::Pending,
        "certificates" => HiddenKind::Certificates,
        "lock" => HiddenKind::Lock,
        _ => {
            let stem = stem.rsplit_once('.').map_or("", |(stem, _)| stem);
            return crate::private_file::is_temporary(file_name, stem)
                .then_some((stem, HiddenKind::Temporary));
        }
    };
    Some((stem, kind))
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};
    use crate::shortname::Shortname;

    #[test]
    fn every_hidden_file_is_told_by_its_name() {
        let name: Shortname = "a.b".parse().expect("a name");
        let directory = tempfile::tempdir().expect("a directory");
        for (path, kind) in [
            (names::lock_path(directory.path(), "a.b"), HiddenKind::Lock),
            (names::rotated_path(directory.path(), &name), HiddenKind::Rotated),
            (names::journal_path(directory.path(), &name), HiddenKind::Journal),
            (names::pending_path(directory.path(), &name), HiddenKind::Pending),
            (names::certificates_path(directory.path(), &name), HiddenKind::Certificates),
            (directory.path().join(".a.b.Ab3dE6.tmp"), HiddenKind::Temporary),
        ] {
            fs_err::write(&path, "").expect("written");
            let found = Home::at(directory.path()).hidden_files().expect("a listing");
            assert_eq!(found, [HiddenFile { path: path.clone(), kind, stem: "a.b".into() }]);
            fs_err::remove_file(path).expect("removed");
        }
    }

    #[test]
    fn others_files_are_left_out() {
        for name in ["a", "a.lock", ".lock", "..lock", ".registrations", ".a.Ab3d.tmp", ".a.swp", ".tmp"] {
            assert_eq!(kind_of(name), None, "{name}");
        }
    }
}
