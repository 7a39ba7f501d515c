//! The slot that an OpenPGP key opens: the data key in a message for it, which `gpg` makes and opens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{
    secret::Key,
    vault::{
        RecoveryKind, VaultError,
        gpg::{self, Pinentry},
        openpgp,
    },
};

/// The slot's `type`.
pub(super) const TYPE: &str = "gpg";
/// A message that holds 32 bytes is shorter, in bytes, whatever keys it is for.
const MAX_MESSAGE: usize = 64 * 1024;
/// More recipients than one key of a person makes.
const MAX_RECIPIENTS: usize = 8;

/// A slot that an OpenPGP key opens.
pub(super) struct GpgSlot {
    message: String,
    recipients: Vec<String>,
}

/// A slot for whom a person names, as `gpg -r` takes it.
pub(super) fn wrap(key: &Key, recipient: &str) -> Result<Value, VaultError> {
    gpg::seal_for(text(key).as_bytes(), recipient)
        .and_then(|(message, _)| value(&message))
        .map_err(|error| of_recipient(error, recipient.to_owned()))
}

/// A slot for the same recipients again.
pub(super) fn wrap_again(key: &Key, recipients: &[String]) -> Result<Value, VaultError> {
    gpg::seal_again(text(key).as_bytes(), recipients)
        .and_then(|message| value(&message))
        .map_err(|error| of_recipient(error, recipients.join(" ")))
}

fn of_recipient(error: VaultError, recipient: String) -> VaultError {
    match error {
        VaultError::Gpg(error) => VaultError::RecoveryKey { recipient, error },
        other => other,
    }
}

fn value(message: &[u8]) -> Result<Value, VaultError> {
    let armour = openpgp::message(message)?;
    let armour =
        std::str::from_utf8(armour).map_err(|_| VaultError::Damaged("the OpenPGP armour is broken"))?;
    Ok(json!({"type": TYPE, "wrapped_key": armour}))
}

/// As text: `gpg` is asked for text elsewhere, and a newline at its end would be taken away.
fn text(key: &Key) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(key.expose()))
}

impl GpgSlot {
    /// The one of a file.
    pub(super) fn find(slots: &[Value]) -> Result<Self, VaultError> {
        let is_gpg = |slot: &&Map<String, Value>| slot.get("type").and_then(Value::as_str) == Some(TYPE);
        let known = slots.iter().filter_map(Value::as_object).find(is_gpg);
        known.map_or(Err(VaultError::NoRecovery(RecoveryKind::Gpg)), Self::parse)
    }

    fn parse(slot: &Map<String, Value>) -> Result<Self, VaultError> {
        let message = slot.get("wrapped_key").and_then(Value::as_str);
        let message = message.ok_or(VaultError::Damaged("members are missing"))?;
        if message.len() > MAX_MESSAGE || !openpgp::is_armoured(message.as_bytes()) {
            return Err(VaultError::Damaged("what its recovery key opens is no OpenPGP message"));
        }
        let recipients = openpgp::recipients(message.as_bytes())?;
        if recipients.len() > MAX_RECIPIENTS {
            return Err(VaultError::Damaged("what its recovery key opens is for too many keys"));
        }
        Ok(Self { message: message.to_owned(), recipients })
    }

    pub(super) fn recipients(self) -> Vec<String> {
        self.recipients
    }

    /// The data key, if the secret key is here.
    pub(super) fn unwrap(&self) -> Result<Key, VaultError> {
        let text = gpg::decrypt(self.message.as_bytes(), Pinentry::MayAsk)?;
        let key = URL_SAFE_NO_PAD.decode(text.trim_ascii()).map(Zeroizing::new).ok();
        let damaged = VaultError::Damaged("what its recovery key opens was changed");
        key.and_then(|key| Key::from_slice(&key)).ok_or(damaged)
    }
}
