//! `page` (ours): the agent's own web page, on this computer only, while it is asked for.

use super::field::{put_flag, seconds};
use crate::{json::Object, secret::SecretText};

/// `page`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// End it. Otherwise it begins, or stays for another while.
    pub stop: bool,
}

/// Where the page is. Whoever opens the address first is in, so it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageReply {
    /// To be opened once, within [`PageReply::opens_until`]: `http://127.0.0.1:PORT/#SECRET`.
    pub address: SecretText,
    /// Until when it can be opened by that address, in seconds since the epoch.
    pub opens_until: u64,
    /// When the page ends, in seconds since the epoch.
    pub ends_at: u64,
    /// The name of the computer that the agent runs on, and on which the address leads to it.
    pub host: String,
}

impl PageRequest {
    pub(super) fn read(object: &Object) -> Self {
        Self { stop: object.flag("stop") }
    }

    pub(super) fn write(self, object: &mut Object) {
        put_flag(object, "stop", self.stop);
    }
}

impl PageReply {
    pub(super) fn from_object(object: &Object) -> Option<Self> {
        Some(Self {
            address: SecretText::new(object.string("address")?),
            opens_until: seconds(object, "opens_until")?,
            ends_at: seconds(object, "ends_at")?,
            host: object.string("host").unwrap_or_default(),
        })
    }

    pub(super) fn to_object(&self) -> Object {
        let mut object = Object::default();
        object.insert("address", self.address.expose());
        object.insert("opens_until", self.opens_until);
        object.insert("ends_at", self.ends_at);
        object.insert("host", self.host.as_str());
        object
    }
}
