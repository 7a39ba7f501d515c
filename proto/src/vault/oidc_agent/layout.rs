//! The seven lines.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::secretbox::{NONCE_LEN, TAG_LEN};
use crate::vault::VaultError;

pub(super) const SALT_LEN: usize = 16;
const KEY_LEN: usize = 32;

/// Nonce, salt, tag and key length, base64 variant, ops and memory limit, algorithm.
const PARAMETERS: &str = "24:16:16:32:1:2:67108864:2";
/// Both C releases in use read any version from 2.1.0 on.
const VERSION_LINE: &str = "Generated using version: 5.3.3";
/// The first release that wrote this format.
const FIRST_VERSION: [u32; 3] = [2, 1, 0];

/// What is in a file of the current format.
pub(super) struct Layout {
    pub(super) nonce: [u8; NONCE_LEN],
    pub(super) salt: [u8; SALT_LEN],
    pub(super) ciphertext: Vec<u8>,
    pub(super) verification: [u8; KEY_LEN],
}

impl Layout {
    /// Reads lines 1 to 6 by number; [`probe`](super::probe) has seen to the version line. Lines between are ignored.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        let lines: Vec<&[u8]> = lines(bytes).collect();
        let [length, nonce, salt, parameters, ciphertext, verification, .., _version] = lines.as_slice()
        else {
            return Err(VaultError::Damaged("lines are missing"));
        };
        check_parameters(parameters)?;
        let ciphertext =
            STANDARD.decode(ciphertext).map_err(|_| VaultError::Damaged("its base64 text is broken"))?;
        if decimal(length) != Some(ciphertext.len()) || ciphertext.len() < TAG_LEN {
            return Err(VaultError::Damaged("the length does not fit the encrypted text"));
        }
        Ok(Self {
            nonce: decode(nonce)?,
            salt: decode(salt)?,
            ciphertext,
            verification: decode(verification)?,
        })
    }

    /// The file: no newline at its end.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let length = self.ciphertext.len().to_string();
        let (nonce, salt) = (STANDARD.encode(self.nonce), STANDARD.encode(self.salt));
        let (ciphertext, verification) =
            (STANDARD.encode(&self.ciphertext), STANDARD.encode(self.verification));
        [&length, &nonce, &salt, PARAMETERS, &ciphertext, &verification, VERSION_LINE].join("\n").into_bytes()
    }
}

/// The lines that are not empty; a CR is part of its line.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// A decimal number, digits only.
pub(super) fn decimal(text: &[u8]) -> Option<usize> {
    let digits = text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// The C suite's rule: leading characters out of `Generated using version: ` are skipped, then follows the version up
/// to the next of these characters, at least 5 long, of the form `major.minor[.patch]`.
pub(super) fn is_version_line(line: &[u8]) -> bool {
    let is_filler = |byte: &u8| b"Generated using version: ".contains(byte);
    let version: Vec<u8> =
        line.iter().copied().skip_while(is_filler).take_while(|byte| !is_filler(byte)).collect();
    let Some(version) = std::str::from_utf8(&version).ok().filter(|version| version.len() >= 5) else {
        return false;
    };
    let mut parts = version.splitn(3, '.').map(leading_number);
    let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
        return false;
    };
    [major, minor, parts.next().flatten().unwrap_or(0)] >= FIRST_VERSION
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The sizes must be those that every release writes. What follows them (the C suite ignores it) may be anything, and
/// so may the tag length, which only sizes a buffer there.
fn check_parameters(line: &[u8]) -> Result<(), VaultError> {
    let mut numbers = line.split(|byte| *byte == b':').map(decimal);
    let mut next = || numbers.next().flatten();
    let (nonce, salt, tag, key) = (next(), next(), next(), next());
    if (nonce, salt, key) == (Some(NONCE_LEN), Some(SALT_LEN), Some(KEY_LEN)) && tag.is_some() {
        Ok(())
    } else {
        Err(VaultError::Damaged("its parameter line is broken"))
    }
}

fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], VaultError> {
    let decoded = STANDARD.decode(text).map_err(|_| VaultError::Damaged("its base64 text is broken"))?;
    decoded
        .try_into()
        .map_err(|_| VaultError::Damaged("its nonce, salt or verification key has a wrong length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lines_as_the_c_suite_reads_them() {
        for line in ["Generated using version: 4.2.6", "5.3.3", "v2.1.0", "10.10", "5.0.0-rc1", "9.9.9\r"] {
            assert!(is_version_line(line.as_bytes()), "{line}");
        }
        for line in [
            "Generated using version: 5.1",
            "2.0.9",
            "Generated using version: ",
            "",
            "garbage!",
            "abcde.f",
            "\u{e9}1.2.3",
        ] {
            assert!(!is_version_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_number_is_digits_only() {
        assert_eq!(decimal(b"0016"), Some(16));
        for text in ["", "+1", "-1", " 1", "1a", "99999999999999999999999"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
    }
}
