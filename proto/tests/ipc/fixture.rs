//! The recorded exchanges in `tests/fixtures/ipc/`, whose README describes the fields.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use oidc_proto::{channel::Nonce, secret::Key};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Fixture {
    pub name: String,
    pub messages: Vec<Message>,
    pub encrypted: Option<bool>,
    reply_encrypted: Option<bool>,
    client_secret_key_hex: Option<String>,
    agent_secret_key_hex: Option<String>,
    pub request: Option<Sealed>,
    pub reply: Option<Sealed>,
}

#[derive(Deserialize)]
pub struct Message {
    pub from: String,
    bytes_base64: String,
}

#[derive(Deserialize)]
pub struct Sealed {
    pub plaintext: String,
    nonce_hex: Option<String>,
}

impl Fixture {
    /// Every recorded exchange.
    pub fn all() -> Vec<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/ipc");
        let files = json_files(&directory).chain(json_files(&directory.join("v5.3.3")));
        files.map(|path| serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()).collect()
    }

    pub fn client_secret(&self) -> Option<Key> {
        self.client_secret_key_hex.as_deref().map(key)
    }

    pub fn agent_secret(&self) -> Option<Key> {
        self.agent_secret_key_hex.as_deref().map(key)
    }

    /// What one side wrote, message by message.
    pub fn written_by(&self, side: &str) -> Vec<Vec<u8>> {
        let messages = self.messages.iter().filter(|message| message.from == side);
        messages.map(|message| STANDARD.decode(&message.bytes_base64).unwrap()).collect()
    }

    /// The request as the agent's handler sees it; of hand-cut captures the first message.
    pub fn request_text(&self) -> Vec<u8> {
        let opened = self.request.as_ref().map(|sealed| sealed.plaintext.clone().into_bytes());
        opened.unwrap_or_else(|| self.written_by("client").swap_remove(0))
    }

    /// The reply in clear. Hand-cut captures may have none.
    pub fn reply_text(&self) -> Option<Vec<u8>> {
        let opened = self.reply.as_ref().map(|sealed| sealed.plaintext.clone().into_bytes());
        opened.or_else(|| self.written_by("agent").pop()).filter(|text| text.starts_with(b"{"))
    }

    pub fn reply_is_sealed(&self) -> bool {
        self.reply_encrypted.unwrap_or(true)
    }
}

impl Sealed {
    pub fn nonce(&self) -> Option<Nonce> {
        self.nonce_hex.as_deref().map(|hex| bytes(hex).try_into().unwrap())
    }
}

fn json_files(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let paths = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"))
}

fn key(hex: &str) -> Key {
    Key::from_slice(&bytes(hex)).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
