//! The names of hidden files: what lies beside an account's file, and temporary files.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

use crate::shortname::Shortname;

/// The longest name that still fits into the names of the files beside it, in bytes.
const LONGEST_STEM: usize = 200;
/// How many random characters a temporary file's name has.
pub(super) const RANDOM_LEN: usize = 6;
/// How a temporary file's name ends.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Where the lock of an account or of a configuration file lies.
pub(crate) fn lock_path(directory: &Path, stem: &str) -> PathBuf {
    directory.join(format!(".{stem}.lock"))
}

/// Where a rotation is kept that could not be written into the account's file.
pub(super) fn rotated_path(directory: &Path, name: &Shortname) -> PathBuf {
    directory.join(format!(".{}.rotated", stem(name)))
}

/// Where the journal lies while an account's file is rewritten in place.
pub(super) fn journal_path(directory: &Path, name: &Shortname) -> PathBuf {
    directory.join(format!(".{}.journal", stem(name)))
}

/// Where a registration is kept until its login is done.
pub(super) fn pending_path(directory: &Path, name: &Shortname) -> PathBuf {
    directory.join(format!(".{}.pending", stem(name)))
}

/// Where the certificates are kept that an account trusts.
pub(super) fn certificates_path(directory: &Path, name: &Shortname) -> PathBuf {
    directory.join(format!(".{}.certificates", stem(name)))
}

/// How a temporary file's name begins.
pub(super) fn temporary_prefix(stem: &str) -> String {
    format!(".{stem}.")
}

/// The account's name, or a digest of it where the name is too long to be part of a longer one.
pub(super) fn stem(name: &Shortname) -> String {
    if name.as_str().len() <= LONGEST_STEM {
        return name.to_string();
    }
    URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_str().as_bytes()))
}

/// Whether a file name is `.<stem>.<6 characters>.tmp`, so that account `a` leaves those of account `a.b` alone.
pub(super) fn is_temporary(file_name: &str, stem: &str) -> bool {
    let random = file_name
        .strip_prefix('.')
        .and_then(|rest| rest.strip_prefix(stem))
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX));
    random
        .is_some_and(|random| random.len() == RANDOM_LEN && random.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_to_be_part_of_another_is_replaced_by_its_digest() {
        let directory = Path::new("/home");
        let name = |len: usize| "n".repeat(len).parse::<Shortname>().expect("a name");
        let short = name(LONGEST_STEM);
        assert_eq!(pending_path(directory, &short), directory.join(format!(".{short}.pending")));
        let digest = "KRxBlDgsa9XBK4cmYLD7bSMWUI1GMsmyie1ZKMJYixs";
        let long = name(LONGEST_STEM + 1);
        for (path, end) in [
            (lock_path(directory, &stem(&long)), "lock"),
            (rotated_path(directory, &long), "rotated"),
            (journal_path(directory, &long), "journal"),
            (pending_path(directory, &long), "pending"),
            (certificates_path(directory, &long), "certificates"),
        ] {
            assert_eq!(path, directory.join(format!(".{digest}.{end}")));
        }
    }

    #[test]
    fn a_temporary_file_is_of_one_account_only() {
        for (name, expected) in [
            (".a.Ab3dE6.tmp", true),
            (".a.b.Ab3dE6.tmp", false),
            (".a.Ab3dE.tmp", false),
            (".a.Ab3d-6.tmp", false),
            ("a.Ab3dE6.tmp", false),
            (".a.lock", false),
        ] {
            assert_eq!(is_temporary(name, "a"), expected, "{name}");
        }
    }
}
