//! What an agent keeps instead of a password, so that it can rewrite a file without asking.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

use super::{
    error::VaultError,
    format::{Format, MAX_FILE_LEN},
    gpg,
    native::{self, DataKey, Recovery},
    oidc_agent::{DerivedKey, HexKey},
    probe::format_of,
    text::{account_object, rewritten},
};
use crate::{
    account::AccountConfig,
    json::Object,
    secret::{Key, SecretText},
};

/// Opens and rewrites one account file without its password and without a key derivation.
///
/// Worth as much as the password for this file, but for no other file that shares it. Copies of a key share what they
/// have learned of the file's generation.
#[derive(Clone)]
pub struct FileKey(Kind);

#[derive(Clone)]
enum Kind {
    Native(DataKey),
    OidcAgent(DerivedKey),
    OidcAgentHex(HexKey),
    /// The key ids of the recipients.
    OpenPgp(Vec<String>),
}

impl FileKey {
    pub(super) fn native(key: DataKey) -> Self {
        Self(Kind::Native(key))
    }

    pub(super) fn oidc_agent(key: DerivedKey) -> Self {
        Self(Kind::OidcAgent(key))
    }

    pub(super) fn hex(key: HexKey) -> Self {
        Self(Kind::OidcAgentHex(key))
    }

    pub(super) fn gpg(recipients: Vec<String>) -> Self {
        Self(Kind::OpenPgp(recipients))
    }

    /// Whether it opens the file also after another program has written it under the same password. The C suite takes a new
    /// salt, and with it another key, at every write.
    pub fn outlives_rewriting(&self) -> bool {
        match self.0 {
            Kind::Native(_) | Kind::OpenPgp(_) => true,
            Kind::OidcAgent(_) | Kind::OidcAgentHex(_) => false,
        }
    }

    /// Opens the file as it is now. [`VaultError::OtherKey`] when it has been encrypted anew since: a changed password,
    /// or the C suite, which takes a new salt at every write.
    ///
    /// An OpenPGP file is opened by `gpg`, which then must not ask anybody: [`GpgError::Locked`](super::GpgError).
    pub fn open(&self, bytes: &[u8]) -> Result<AccountConfig, VaultError> {
        Ok(AccountConfig::from_object(account_object(&self.open_text(bytes)?)?))
    }

    /// The decrypted text as it is stored, byte for byte; otherwise as [`FileKey::open`].
    pub fn open_text(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match (&self.0, format_of(bytes)?) {
            (Kind::Native(key), Format::Native) => key.open(bytes),
            (Kind::OidcAgent(key), Format::OidcAgent) => key.open(bytes),
            (Kind::OidcAgentHex(key), Format::OidcAgentHex) => key.open(bytes),
            (Kind::OidcAgentHex(key), Format::OidcAgent) => key.successor.open(bytes),
            (Kind::OpenPgp(_), Format::OpenPgp) => gpg::decrypt(bytes, gpg::Pinentry::MustNotAsk),
            _ => Err(VaultError::OtherKey),
        }
    }

    /// The file that replaces `previous`: same salt or data key and same slots, new nonce, next generation. Only what
    /// differs in `account` is changed; members unknown to us stay, in the text and in the header.
    pub fn seal(&self, account: &AccountConfig, previous: &[u8]) -> Result<Vec<u8>, VaultError> {
        let text = rewritten(account_object(&self.open_text(previous)?)?, account);
        let bytes = match &self.0 {
            Kind::Native(key) => key.seal(account, &text, previous)?,
            Kind::OidcAgent(key) => key.seal(text.as_bytes()),
            Kind::OidcAgentHex(key) => key.successor.seal(text.as_bytes()),
            Kind::OpenPgp(recipients) => gpg::seal_again(text.as_bytes(), recipients)?,
        };
        if bytes.len() > MAX_FILE_LEN { Err(VaultError::TooLarge) } else { Ok(bytes) }
    }

    /// The other ways to the data key that the file has beside its password, for a file that takes its place. None where
    /// the format has none. The file is opened first: ways that somebody else put there are damage, and not taken over.
    pub fn recovery(&self, bytes: &[u8]) -> Result<Recovery, VaultError> {
        match (&self.0, format_of(bytes)?) {
            (Kind::Native(key), Format::Native) => key.recovery(bytes),
            _ => self.open_text(bytes).map(|_| Recovery::default()),
        }
    }

    /// Whether the file counts fewer writes than this key has seen before: somebody put an older file back. Always
    /// `false` for formats that do not count. Ask after [`FileKey::open`], which proves the count.
    pub fn is_rollback(&self, bytes: &[u8]) -> bool {
        match &self.0 {
            Kind::Native(key) => {
                native::header(bytes).is_ok_and(|header| header.generation < key.newest_generation())
            }
            _ => false,
        }
    }

    /// Takes notice of a file that was just written with this key, so that an older one is known for what it is.
    pub(crate) fn note_generation(&self, bytes: &[u8]) {
        if let (Kind::Native(key), Ok(header)) = (&self.0, native::header(bytes)) {
            key.note_generation(header.generation);
        }
    }

    /// The key as text, for the sealed channel between agent and client.
    pub fn to_text(&self) -> SecretText {
        let mut object = Object::default();
        let mut put = |name: &str, bytes: &[u8]| object.insert(name, URL_SAFE_NO_PAD.encode(bytes));
        let kind = match &self.0 {
            Kind::Native(key) => {
                put("key", key.key().expose());
                put("slots", key.slots());
                object.insert("generation", key.newest_generation());
                "native"
            }
            Kind::OidcAgent(key) => {
                put_derived(put, key);
                "oidc-agent"
            }
            Kind::OidcAgentHex(key) => {
                put("hex_key", key.key.expose());
                put_derived(put, &key.successor);
                "oidc-agent-hex"
            }
            Kind::OpenPgp(recipients) => {
                object.insert("recipients", recipients.clone());
                "gpg"
            }
        };
        object.insert("kind", kind);
        SecretText::new(std::mem::take(&mut object.to_json()))
    }

    /// Reads [`FileKey::to_text`].
    pub fn from_text(text: &SecretText) -> Result<Self, VaultError> {
        let object = Object::parse(text.expose().as_bytes()).map_err(|_| NOT_A_KEY)?;
        Self::from_object(&object).ok_or(NOT_A_KEY)
    }

    fn from_object(object: &Object) -> Option<Self> {
        let bytes = |name: &str| {
            object.text(name).and_then(|text| URL_SAFE_NO_PAD.decode(&*text).ok()).map(Zeroizing::new)
        };
        let derived = || DerivedKey::try_from_parts(&bytes("salt")?, &bytes("key")?);
        Some(Self(match &*object.text("kind")? {
            "native" => {
                let generation = object.members().get("generation")?.as_u64()?;
                Kind::Native(DataKey::try_from_parts(&bytes("key")?, &bytes("slots")?, generation)?)
            }
            "oidc-agent" => Kind::OidcAgent(derived()?),
            "oidc-agent-hex" => Kind::OidcAgentHex(HexKey {
                key: Key::from_slice(&bytes("hex_key")?)?,
                successor: derived()?,
            }),
            "gpg" => Kind::OpenPgp(gpg::checked_recipients(object.strings("recipients"))?),
            _ => return None,
        }))
    }
}

const NOT_A_KEY: VaultError = VaultError::Damaged("not a file key");

fn put_derived(mut put: impl FnMut(&str, &[u8]), key: &DerivedKey) {
    let (salt, mut derived) = key.to_parts();
    put("salt", &salt);
    put("key", derived.as_ref());
    derived.zeroize();
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Native(_) => "FileKey(native, [redacted])",
            Kind::OidcAgent(_) => "FileKey(oidc-agent, [redacted])",
            Kind::OidcAgentHex(_) => "FileKey(oidc-agent hex, [redacted])",
            Kind::OpenPgp(_) => "FileKey(gpg)",
        })
    }
}
