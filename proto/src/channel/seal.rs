//! Keys and sealing: libsodium's `crypto_box`, taken apart so that a shared point of zero can be refused.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{
    Kdf, KeyInit, Tag, XSalsa20Poly1305,
    aead::{AeadInPlace, generic_array::GenericArray},
};
use curve25519_dalek::MontgomeryPoint;
use salsa20::Salsa20;
use zeroize::{Zeroize, Zeroizing};

use super::Payload;
use crate::{
    framing::{NONCE_LEN, PUBLIC_KEY_LEN, TAG_LEN, sealed_len},
    secret::{Key, random},
};

/// A nonce as bytes; new for each message.
pub type Nonce = [u8; 24];

/// Readers that take chunks of this size wait for more after a full one, and fail on the end of the stream
/// (the Go and Python libraries).
const CLIENT_CHUNK: usize = 4096;

/// The other side's key makes the shared key known to everybody.
#[derive(Debug)]
pub(super) struct SuspiciousPublicKey;

/// A sealed message does not open: wrong length, wrong key, tampered with.
#[derive(Debug)]
pub(super) struct DecryptionFailed;

/// An X25519 key pair for one connection.
pub(super) struct KeyPair {
    secret: Key,
}

/// What both sides of a connection know.
pub(super) struct SharedKey(Key);

impl KeyPair {
    pub fn generate() -> Self {
        Self { secret: Key::random() }
    }

    #[cfg(feature = "test-vectors")]
    pub fn from_secret(secret: Key) -> Self {
        Self { secret }
    }

    /// The public key as it goes over the wire.
    pub fn public_key(&self) -> Vec<u8> {
        STANDARD.encode(MontgomeryPoint::mul_base_clamped(*self.secret.expose()).as_bytes()).into_bytes()
    }

    /// The key shared with the owner of `public_key`, given as on the wire: [`PUBLIC_KEY_LEN`] bytes.
    pub fn shared_key(&self, public_key: &[u8]) -> Result<SharedKey, SuspiciousPublicKey> {
        debug_assert_eq!(public_key.len(), PUBLIC_KEY_LEN);
        let mut point = [0; 32];
        // Bits beyond the 32nd byte that are not zero are no way to write a key.
        STANDARD.decode_slice(public_key, &mut point).map_err(|_| SuspiciousPublicKey)?;
        let mut shared = MontgomeryPoint(point).mul_clamped(*self.secret.expose());
        // RFC 7748 section 6.1: all-zero means a point of small order.
        if shared.as_bytes().iter().fold(0, |bits, byte| bits | byte) == 0 {
            return Err(SuspiciousPublicKey);
        }
        let mut key = Salsa20::kdf(GenericArray::from_slice(shared.as_bytes()), &GenericArray::default());
        let shared_key = Key::new(Zeroizing::new(key.into()));
        key.as_mut_slice().zeroize();
        shared.zeroize();
        Ok(SharedKey(shared_key))
    }
}

impl SharedKey {
    /// One that another process of the agent has derived.
    pub fn handed_on(key: Key) -> Self {
        Self(key)
    }

    /// For [`SharedKey::handed_on`].
    pub fn key(&self) -> &Key {
        &self.0
    }

    fn cipher(&self) -> XSalsa20Poly1305 {
        XSalsa20Poly1305::new(self.0.expose().into())
    }

    /// `len:nonce:cipher` of `plaintext` and the blanks behind it. No nonce may be used twice.
    pub fn seal(&self, plaintext: &[u8], blanks: &[u8], nonce: &Nonce) -> Vec<u8> {
        let len = plaintext.len() + blanks.len();
        let mut sealed = Vec::with_capacity(TAG_LEN + len);
        sealed.resize(TAG_LEN, 0);
        sealed.extend_from_slice(plaintext);
        sealed.extend_from_slice(blanks);
        let tag = self
            .cipher()
            .encrypt_in_place_detached(nonce.into(), b"", &mut sealed[TAG_LEN..])
            .expect("there is no associated data, the one thing that is refused");
        sealed[..TAG_LEN].copy_from_slice(&tag);
        let mut message = String::with_capacity(sealed_len(len));
        message.push_str(&len.to_string());
        message.push(':');
        STANDARD.encode_string(nonce, &mut message);
        message.push(':');
        STANDARD.encode_string(&sealed, &mut message);
        message.into_bytes()
    }

    /// Opens `cipher` under `nonce`, both as on the wire; the plaintext must have `len` bytes.
    pub fn open(&self, len: usize, nonce: &[u8], cipher: &[u8]) -> Result<Payload, DecryptionFailed> {
        debug_assert_eq!(nonce.len(), NONCE_LEN);
        let mut nonce_bytes: Nonce = [0; 24];
        STANDARD.decode_slice(nonce, &mut nonce_bytes).map_err(|_| DecryptionFailed)?;
        let mut sealed = Zeroizing::new(STANDARD.decode(cipher).map_err(|_| DecryptionFailed)?);
        if sealed.len() != len + TAG_LEN {
            return Err(DecryptionFailed);
        }
        let tag = Tag::clone_from_slice(&sealed[..TAG_LEN]);
        self.cipher()
            .decrypt_in_place_detached(&nonce_bytes.into(), b"", &mut sealed[TAG_LEN..], &tag)
            .map_err(|_| DecryptionFailed)?;
        sealed.drain(..TAG_LEN);
        Ok(sealed.into())
    }
}

/// A nonce for one message.
pub(super) fn random_nonce() -> Nonce {
    let mut nonce = [0; 24];
    random(&mut nonce);
    nonce
}

/// The blanks to put behind a plaintext of `len` bytes so that its wire length is no multiple of [`CLIENT_CHUNK`].
pub(super) fn padding(len: usize) -> &'static [u8] {
    let fits = |blanks: &usize| !sealed_len(len + blanks).is_multiple_of(CLIENT_CHUNK);
    // Three more bytes of plaintext always are four more on the wire.
    &b"   "[..(0..3).find(fits).unwrap_or(3)]
}
