//! `crypto_secretbox_easy` of libsodium: XSalsa20-Poly1305.

use crypto_secretbox::{AeadInPlace, KeyInit, XSalsa20Poly1305};
use zeroize::Zeroizing;

use crate::secret::Key;

/// Length of a nonce, in bytes.
pub(super) const NONCE_LEN: usize = 24;
/// Length of the tag before a ciphertext, in bytes.
pub(super) const TAG_LEN: usize = 16;

/// The tag first, then the encrypted text.
pub(super) fn seal(key: &Key, nonce: &[u8; NONCE_LEN], text: &[u8]) -> Vec<u8> {
    let mut sealed = Zeroizing::new(vec![0; TAG_LEN + text.len()]);
    sealed[TAG_LEN..].copy_from_slice(text);
    let tag = XSalsa20Poly1305::new(key.expose().into())
        .encrypt_in_place_detached(nonce.into(), b"", &mut sealed[TAG_LEN..])
        .expect("the text is far below the cipher's limit");
    sealed[..TAG_LEN].copy_from_slice(&tag);
    std::mem::take(&mut sealed)
}

/// The text, or nothing where the bytes were not sealed just so.
pub(super) fn open(key: &Key, nonce: &[u8; NONCE_LEN], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, encrypted) = sealed.split_at_checked(TAG_LEN)?;
    let mut text = Zeroizing::new(encrypted.to_vec());
    XSalsa20Poly1305::new(key.expose().into())
        .decrypt_in_place_detached(nonce.into(), b"", &mut text, tag.into())
        .ok()
        .map(|()| text)
}
