//! The JSON document: header, nonce and ciphertext.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    account::AccountConfig,
    json::Object,
    secret::Key,
    vault::{
        VaultError,
        aead::{self, NONCE_LEN},
        canonical,
    },
};

const FORMAT: &str = "oidc-account/1";
const FORMAT_FAMILY: &str = "oidc-account/";
/// Where the name of the format stands in a file that no longer parses: near its start.
const FORMAT_WITHIN: usize = 64;

/// What a native file tells without a password; no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PublicHeader {
    /// The account's short name when the file was written.
    pub name: Option<String>,
    /// The issuer.
    pub issuer: Option<String>,
    /// RFC 6749 section 2.2.
    pub client_id: Option<String>,
    /// RFC 7592 section 3: where the client can be deleted.
    pub registration_client_uri: Option<String>,
    /// How tokens are got, where nobody logs in: see [`AccountConfig::grant`].
    pub grant_type: Option<String>,
    /// Counts the writes of the file.
    pub generation: u64,
    /// A recovery phrase opens it ([`Phrase`](crate::vault::Phrase)).
    pub has_recovery_phrase: bool,
    /// An OpenPGP key opens it, beside the password.
    pub has_recovery_key: bool,
}

/// A native file, taken apart. Members of the header that are not known are kept.
pub(super) struct Document {
    header: Object,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

/// Whether a JSON text is a file of this format.
pub(in crate::vault) fn probe(bytes: &[u8]) -> Result<(), VaultError> {
    let Ok(object) = Object::parse(bytes) else {
        let start = &bytes[..bytes.len().min(FORMAT_WITHIN)];
        let is_named = start.windows(FORMAT_FAMILY.len()).any(|window| window == FORMAT_FAMILY.as_bytes());
        return Err(if is_named {
            VaultError::Damaged("it is cut off or no longer JSON")
        } else {
            VaultError::NotAnAccountFile("its format is unknown")
        });
    };
    match object.text("format").as_deref() {
        Some(FORMAT) => Ok(()),
        Some(other) if other.starts_with(FORMAT_FAMILY) => Err(VaultError::NewerFormat),
        _ => Err(VaultError::NotAnAccountFile("it is JSON that is not encrypted")),
    }
}

impl Document {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        probe(bytes)?;
        let mut header = Object::parse(bytes).map_err(|_| VaultError::Damaged("it is no longer JSON"))?;
        let nonce = bytes_of(header.remove("nonce"))?
            .try_into()
            .map_err(|_| VaultError::Damaged("its nonce has a wrong length"))?;
        let ciphertext = bytes_of(header.remove("ciphertext"))?;
        if !header.members().get("generation").is_some_and(Value::is_u64) {
            return Err(VaultError::Damaged("its generation is no number"));
        }
        if !header.members().get("slots").is_some_and(Value::is_array) {
            return Err(VaultError::Damaged("its slots are missing"));
        }
        Ok(Self { header, nonce, ciphertext })
    }

    /// A document without an account: [`Document::describe`] and [`Document::seal`] complete it.
    pub(super) fn with_slots(slots: Vec<Value>) -> Self {
        let mut header = Object::default();
        header.insert("format", FORMAT);
        header.insert("slots", slots);
        Self { header, nonce: [0; NONCE_LEN], ciphertext: Vec::new() }
    }

    /// Writes into the header what can be told without a password.
    pub(super) fn describe(&mut self, account: &AccountConfig, generation: u64) {
        for (key, text) in [
            ("name", account.name.as_deref()),
            ("issuer", account.issuer_url.as_deref()),
            ("client_id", account.client_id.as_deref()),
            ("registration_client_uri", account.registration_client_uri.as_deref()),
            ("grant_type", account.grant()),
        ] {
            match text {
                Some(text) => self.header.insert(key, text),
                None => drop(self.header.remove(key)),
            }
        }
        self.header.insert("generation", generation);
    }

    pub(super) fn header(&self) -> PublicHeader {
        PublicHeader {
            name: self.header.string("name"),
            issuer: self.header.string("issuer"),
            client_id: self.header.string("client_id"),
            registration_client_uri: self.header.string("registration_client_uri"),
            grant_type: self.header.string("grant_type"),
            generation: self.generation(),
            has_recovery_phrase: self.has_slot("phrase"),
            has_recovery_key: self.has_slot("gpg"),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.header.members().get("generation").and_then(Value::as_u64).unwrap_or_default()
    }

    pub(super) fn slots(&self) -> &[Value] {
        self.header.members().get("slots").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn has_slot(&self, kind: &str) -> bool {
        self.slots().iter().any(|slot| slot.get("type").and_then(Value::as_str) == Some(kind))
    }

    pub(super) fn canonical_slots(&self) -> String {
        self.header.members().get("slots").map(canonical::value).unwrap_or_default()
    }

    pub(super) fn open(&self, key: &Key) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let associated = canonical::object(self.header.members());
        aead::open(key, &self.nonce, associated.as_bytes(), &self.ciphertext)
            .ok_or(VaultError::Damaged("its header or its contents were changed"))
    }

    /// Encrypts `text` under a new nonce; the whole file as bytes.
    pub(super) fn seal(&mut self, key: &Key, text: &[u8]) -> Vec<u8> {
        let associated = canonical::object(self.header.members());
        let sealed = aead::seal(key, associated.as_bytes(), text);
        (self.nonce, self.ciphertext) = (sealed.nonce, sealed.ciphertext);
        self.to_bytes()
    }

    /// Indented, so that a person can read the header; the order of members carries no meaning.
    fn to_bytes(&self) -> Vec<u8> {
        const FIRST: [&str; 7] =
            ["format", "name", "issuer", "client_id", "registration_client_uri", "grant_type", "generation"];
        let header = self.header.members();
        let mut members = Map::new();
        for key in FIRST.iter().copied().chain(header.keys().map(String::as_str)) {
            if let Some(value) = header.get(key) {
                members.entry(key).or_insert_with(|| value.clone());
            }
        }
        members.insert("nonce".into(), text_of(&self.nonce));
        members.insert("ciphertext".into(), text_of(&self.ciphertext));
        let mut bytes = serde_json::to_vec_pretty(&members).expect("a JSON object serialises");
        bytes.push(b'\n');
        bytes
    }
}

/// Binary data as text: base64url without padding.
pub(super) fn text_of(bytes: &[u8]) -> Value {
    URL_SAFE_NO_PAD.encode(bytes).into()
}

/// Reads [`text_of`].
pub(super) fn bytes_of(value: Option<Value>) -> Result<Vec<u8>, VaultError> {
    match value {
        Some(Value::String(text)) => {
            URL_SAFE_NO_PAD.decode(text).map_err(|_| VaultError::Damaged("its base64url text is broken"))
        }
        _ => Err(VaultError::Damaged("members are missing")),
    }
}
