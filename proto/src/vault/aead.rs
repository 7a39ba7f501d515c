//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), each time under a fresh random nonce.

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{AeadInOut, KeyInit},
};
use zeroize::Zeroizing;

use crate::secret::{Key, random};

/// Length of a nonce, in bytes.
pub(crate) const NONCE_LEN: usize = 24;
/// Length of the tag at the end of a ciphertext, in bytes.
pub(crate) const TAG_LEN: usize = 16;

/// A nonce and the ciphertext made with it.
pub(crate) struct Sealed {
    pub(crate) nonce: [u8; NONCE_LEN],
    pub(crate) ciphertext: Vec<u8>,
}

/// A fresh nonce. Random ones do not repeat: there are 2^192.
pub(crate) fn fresh_nonce() -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    random(&mut nonce);
    nonce
}

/// Encrypts `plaintext` under a fresh nonce and binds `associated` to it.
pub(crate) fn seal(key: &Key, associated: &[u8], plaintext: &[u8]) -> Sealed {
    let nonce = fresh_nonce();
    Sealed { ciphertext: seal_with(key, &nonce, associated, plaintext), nonce }
}

/// Encrypts under a nonce of [`fresh_nonce`] that has not been used before.
pub(crate) fn seal_with(key: &Key, nonce: &[u8; NONCE_LEN], associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG_LEN));
    buffer.extend_from_slice(plaintext);
    XChaCha20Poly1305::new(key.expose().into())
        .encrypt_in_place(nonce.into(), associated, &mut *buffer)
        .expect("the text is far below the cipher's limit of 256 GiB");
    std::mem::take(&mut buffer)
}

/// Decrypts, or says no to anything that was not sealed just so.
pub(crate) fn open(
    key: &Key,
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let opened =
        XChaCha20Poly1305::new(key.expose().into()).decrypt_in_place(nonce.into(), associated, &mut *buffer);
    opened.is_ok().then_some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn agrees_with_the_draft() {
        let key: [u8; 32] = std::array::from_fn(|i| 0x80 + u8::try_from(i).expect("small"));
        let key = Key::from_slice(&key).expect("32 bytes");
        let nonce: [u8; NONCE_LEN] = std::array::from_fn(|i| 0x40 + u8::try_from(i).expect("small"));
        let associated = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let sealed = seal_with(&key, &nonce, &associated, text);
        assert_eq!(sealed[..4], [0xbd, 0x6d, 0x17, 0x9d]);
        let tag =
            [0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf, 0x49];
        assert_eq!(sealed[text.len()..], tag);
        assert_eq!(open(&key, &nonce, &associated, &sealed).expect("opens").as_slice(), text);
        assert!(open(&key, &nonce, b"", &sealed).is_none());
    }
}
