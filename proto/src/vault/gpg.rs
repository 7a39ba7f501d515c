//! OpenPGP files: `gpg` does the work, with the text on its standard input and output, never through a shell and
//! never in an argument.

mod run;

use std::time::Duration;

use zeroize::Zeroizing;

use self::run::run;
use super::{
    error::{GpgError, VaultError},
    openpgp,
    text::new_text,
};
use crate::account::AccountConfig;

/// The line after the armour; the C suite looks for it, `gpg` ignores it.
const VERSION_LINE: &str = "Generated using version: 5.3.3";

/// Long enough to find and type a passphrase; pinentry gives up about then, too.
const FOR_A_PERSON: Duration = Duration::from_secs(120);
/// Long enough for a slow card or a busy machine.
const FOR_A_MACHINE: Duration = Duration::from_secs(20);

/// Whether the gpg agent may ask the person for a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pinentry {
    MayAsk,
    MustNotAsk,
}

/// The decrypted text.
pub(super) fn decrypt(bytes: &[u8], pinentry: Pinentry) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let message = openpgp::message(bytes)?;
    let (mode, deadline) = match pinentry {
        Pinentry::MayAsk => ("--pinentry-mode=default", FOR_A_PERSON),
        Pinentry::MustNotAsk => ("--pinentry-mode=error", FOR_A_MACHINE),
    };
    let mut text = run(&[mode, "--decrypt"], message, deadline)?;
    if text.ends_with(b"\n") {
        text.pop();
    }
    Ok(text)
}

/// A file for whom a person names, and the key ids of its recipients.
pub(super) fn seal_new(
    account: &AccountConfig,
    recipient: &str,
) -> Result<(Vec<u8>, Vec<String>), VaultError> {
    seal_for(new_text(account).as_bytes(), recipient)
}

/// A message for whom a person names, and the key ids of its recipients. `gpg` decides whether that key can be trusted,
/// unless it is a full fingerprint.
pub(super) fn seal_for(text: &[u8], recipient: &str) -> Result<(Vec<u8>, Vec<String>), VaultError> {
    if recipient.is_empty() {
        return Err(GpgError::NoPublicKey.into());
    }
    let fingerprint = recipient.strip_prefix("0x").unwrap_or(recipient);
    let is_fingerprint =
        matches!(fingerprint.len(), 40 | 64) && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
    let trust: &[&str] = if is_fingerprint { &["--trust-model=always"] } else { &[] };
    let bytes = encrypt(trust, &[recipient], text)?;
    let recipients = openpgp::recipients(&bytes)?;
    Ok((bytes, recipients))
}

/// A file for the same recipients again.
pub(super) fn seal_again(text: &[u8], recipients: &[String]) -> Result<Vec<u8>, VaultError> {
    // With `!` gpg takes just this key of those that belong together.
    let exact: Vec<String> = recipients.iter().map(|id| format!("{id}!")).collect();
    let exact: Vec<&str> = exact.iter().map(String::as_str).collect();
    encrypt(&["--trust-model=always"], &exact, text)
}

/// Key ids that are just that; anything else could be an option to `gpg`.
pub(super) fn checked_recipients(ids: Vec<String>) -> Option<Vec<String>> {
    let is_id = |id: &String| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    (!ids.is_empty() && ids.iter().all(is_id)).then_some(ids)
}

fn encrypt(options: &[&str], recipients: &[&str], text: &[u8]) -> Result<Vec<u8>, VaultError> {
    let recipients: Vec<String> =
        recipients.iter().map(|recipient| format!("--recipient={recipient}")).collect();
    let mut arguments = options.to_vec();
    arguments.extend(recipients.iter().map(String::as_str));
    arguments.extend(["--no-auto-key-locate", "--armor", "--encrypt"]);
    let mut bytes = run(&arguments, text, FOR_A_MACHINE)?;
    if !openpgp::is_armoured(&bytes) || !bytes.ends_with(b"\n") {
        return Err(GpgError::Failed.into());
    }
    bytes.extend_from_slice(VERSION_LINE.as_bytes());
    Ok(std::mem::take(&mut bytes))
}
