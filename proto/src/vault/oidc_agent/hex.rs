//! Releases before 2.1.0: `<length>:<salt>:<nonce>:<ciphertext>` in hex on one line. Read, never written.
//!
//! The derived 32 bytes are the cipher's key; there is no verification key, so damage looks like a wrong password.

use zeroize::Zeroizing;

use super::{
    derived_key::DerivedKey,
    layout::{SALT_LEN, decimal, lines},
    secretbox::{self, NONCE_LEN, TAG_LEN},
};
use crate::{
    secret::{Key, Password, random},
    vault::{
        VaultError,
        kdf::{self, Algorithm, Work},
    },
};

/// What the two generations of libsodium made of a password; the file does not say which one it was.
const DERIVATIONS: [(Algorithm, Work); 2] = [
    (Algorithm::Argon2i, Work { m_kib: 32 * 1024, t: 4, p: 1 }),
    (Algorithm::Argon2id, Work { m_kib: 64 * 1024, t: 2, p: 1 }),
];

/// The key of a file in this format.
#[derive(Clone)]
pub(in crate::vault) struct HexKey {
    pub(in crate::vault) key: Key,
    /// The key of the file in the current format that is written in its place.
    pub(in crate::vault) successor: DerivedKey,
}

impl HexKey {
    /// Decrypts the file this key was taken from.
    pub(in crate::vault) fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        Line::parse(bytes)?.open(&self.key).ok_or(VaultError::OtherKey)
    }
}

struct Line {
    salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

impl Line {
    fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        let line = lines(bytes).next().unwrap_or_default();
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let [length, salt, nonce, ciphertext] = fields.as_slice() else {
            return Err(VaultError::Damaged("fields are missing or too many"));
        };
        let ciphertext = decode(ciphertext)?;
        if decimal(length) != Some(ciphertext.len()) || ciphertext.len() < TAG_LEN {
            return Err(VaultError::Damaged("the length does not fit the encrypted text"));
        }
        let wrong_length = |_| VaultError::Damaged("its nonce or salt has a wrong length");
        let (salt, nonce) = (decode(salt)?, decode(nonce)?);
        Ok(Self {
            salt: salt.try_into().map_err(wrong_length)?,
            nonce: nonce.try_into().map_err(wrong_length)?,
            ciphertext,
        })
    }

    fn open(&self, key: &Key) -> Option<Zeroizing<Vec<u8>>> {
        secretbox::open(key, &self.nonce, &self.ciphertext)
    }
}

/// Whether a line could be a file of this format, or once was one.
pub(super) fn looks_like(line: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut fields = line.split(|byte| *byte == b':');
    line.contains(&b':')
        && line.iter().all(is_part)
        && fields.next().is_some_and(|length| decimal(length).is_some())
}

pub(in crate::vault) fn inspect(bytes: &[u8]) -> Result<(), VaultError> {
    Line::parse(bytes).map(drop)
}

pub(in crate::vault) fn unlock(
    bytes: &[u8],
    password: &Password,
) -> Result<(Zeroizing<Vec<u8>>, HexKey), VaultError> {
    let line = Line::parse(bytes)?;
    for (algorithm, work) in DERIVATIONS {
        let mut derived = Zeroizing::new([0; 32]);
        kdf::derive(algorithm, work, password, &line.salt, derived.as_mut())?;
        let key = Key::new(derived);
        if let Some(text) = line.open(&key) {
            let mut salt = [0; SALT_LEN];
            random(&mut salt);
            let successor = DerivedKey::derive(password, salt)?;
            return Ok((text, HexKey { key, successor }));
        }
    }
    Err(VaultError::WrongPassword)
}

fn decode(text: &[u8]) -> Result<Vec<u8>, VaultError> {
    let broken = VaultError::Damaged("its hex text is broken");
    let (pairs, []) = text.as_chunks::<2>() else { return Err(broken) };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    pairs.iter().map(byte).collect::<Option<_>>().ok_or(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_whole_or_refused() {
        assert_eq!(decode(b"00fFa1"), Ok(vec![0, 0xff, 0xa1]));
        assert_eq!(decode(b""), Ok(vec![]));
        for text in ["0", "0g", "+1", " 1"] {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}
