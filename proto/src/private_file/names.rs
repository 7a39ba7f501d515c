//! What temporary files are called: hidden, after the file whose place they take.

use std::ffi::OsStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

use crate::secret::random;

/// The longest name that still fits into the names of the files beside it, in bytes.
const LONGEST_STEM: usize = 200;
/// How many random characters a temporary file's name has.
const RANDOM_LEN: usize = 6;
/// How a temporary file's name ends.
const SUFFIX: &str = ".tmp";

/// What the names of a file's temporary files are made of: its name, or a digest of it where it is too long to be part of a
/// longer one, or is no text.
pub fn stem(name: &OsStr) -> String {
    match name.to_str() {
        Some(text) if text.len() <= LONGEST_STEM => text.to_owned(),
        _ => URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_encoded_bytes())),
    }
}

/// A new name, `.STEM.XXXXXX.tmp`.
pub(super) fn temporary(stem: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0; RANDOM_LEN];
    random(&mut bytes);
    let letters: String =
        bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect();
    format!(".{stem}.{letters}{SUFFIX}")
}

/// Whether a file name is `.STEM.XXXXXX.tmp`, so that file `a` leaves those of file `a.b` alone.
pub fn is_temporary(file_name: &str, stem: &str) -> bool {
    of_temporary(file_name) == Some(stem)
}

/// The stem, if it is the name of a temporary file.
pub(super) fn of_temporary(file_name: &str) -> Option<&str> {
    let (stem, random) =
        file_name.strip_prefix('.').and_then(|rest| rest.strip_suffix(SUFFIX))?.rsplit_once('.')?;
    (random.len() == RANDOM_LEN && random.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_is_of_one_file_only() {
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
        assert!(is_temporary(&temporary("a.b"), "a.b"));
    }
}
