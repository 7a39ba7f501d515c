//! The names of hidden files: what lies beside an account's file.

use std::path::{Path, PathBuf};

use crate::{private_file, shortname::Shortname};

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

/// The account's name, or a digest of it where the name is too long to be part of a longer one.
pub(super) fn stem(name: &Shortname) -> String {
    private_file::stem(name.as_str().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest name that is part of others as it stands, in bytes.
    const LONGEST_STEM: usize = 200;

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
}
