//! As much of OpenPGP (RFC 9580) as is needed to tell who a message is encrypted for: `gpg` does the rest.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{GpgError, VaultError};

const HEADER: &[u8] = b"-----BEGIN PGP MESSAGE-----";
const FOOTER: &[u8] = b"-----END PGP MESSAGE-----";
const CUT_OFF: VaultError = VaultError::Damaged("the OpenPGP armour is cut off");
const BROKEN: VaultError = VaultError::Damaged("the OpenPGP armour is broken");

/// RFC 9580 section 5.1: public-key encrypted session key.
const SESSION_KEY_PACKET: u8 = 1;
/// RFC 9580 section 5.13: symmetrically encrypted and integrity protected data; 9 and 20 are its relatives.
const DATA_PACKETS: [u8; 3] = [18, 9, 20];

/// Whether the bytes begin as an ASCII-armoured message does.
pub(super) fn is_armoured(bytes: &[u8]) -> bool {
    bytes.starts_with(HEADER)
}

/// The armoured message itself, without the version line after it.
pub(super) fn message(bytes: &[u8]) -> Result<&[u8], VaultError> {
    let footer = bytes.windows(FOOTER.len()).position(|window| window == FOOTER).ok_or(CUT_OFF)?;
    Ok(&bytes[..footer + FOOTER.len()])
}

pub(super) fn inspect(bytes: &[u8]) -> Result<(), VaultError> {
    dearmour(message(bytes)?).map(drop)
}

/// The key ids of all recipients, as 16 upper-case hex digits each. Recipients that hide theirs are left out.
pub(super) fn recipients(bytes: &[u8]) -> Result<Vec<String>, VaultError> {
    let binary = dearmour(message(bytes)?)?;
    let mut rest = binary.as_slice();
    let mut recipients = Vec::new();
    while let Some((tag, body, next)) = packet(rest) {
        match (tag, body) {
            (SESSION_KEY_PACKET, [3, rest @ ..]) => {
                let id = rest.first_chunk().map_or(0, |id| u64::from_be_bytes(*id));
                if id != 0 {
                    recipients.push(format!("{id:016X}"));
                }
            }
            (tag, _) if DATA_PACKETS.contains(&tag) => break,
            _ => {}
        }
        rest = next;
    }
    if recipients.is_empty() { Err(GpgError::NoRecipients.into()) } else { Ok(recipients) }
}

/// RFC 9580 section 6.2: headers, an empty line, base64, a checksum of its own line (optional, not checked here).
fn dearmour(message: &[u8]) -> Result<Vec<u8>, VaultError> {
    let text = std::str::from_utf8(message).map_err(|_| BROKEN)?;
    let body = text.lines().skip(1).skip_while(|line| !line.trim().is_empty()).skip(1);
    let base64: String = body.take_while(|line| !line.starts_with(['=', '-'])).map(str::trim).collect();
    STANDARD.decode(base64).map_err(|_| BROKEN)
}

/// The first packet's tag and body, and what follows it (RFC 9580 section 4.2). `None` where no whole header is left. A
/// body of indeterminate or partial length, or one that is cut off, is the rest.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (tag, len, rest) = if first & 0x40 == 0 {
        let tag = first >> 2 & 0x0f;
        let (len, rest) = match first & 0x03 {
            3 => (None, rest),
            bits => big_endian(rest, 1 << bits)?,
        };
        (tag, len, rest)
    } else {
        let (len, rest) = match rest.split_first()? {
            (&one @ 0..192, rest) => (Some(usize::from(one)), rest),
            (&one @ 192..224, rest) => {
                let (&two, rest) = rest.split_first()?;
                (Some((usize::from(one) - 192) * 256 + usize::from(two) + 192), rest)
            }
            (255, rest) => big_endian(rest, 4)?,
            (_, rest) => (None, rest),
        };
        (first & 0x3f, len, rest)
    };
    let (body, next) = rest.split_at(len.unwrap_or(rest.len()).min(rest.len()));
    Some((tag, body, next))
}

fn big_endian(bytes: &[u8], len: usize) -> Option<(Option<usize>, &[u8])> {
    let (number, rest) = bytes.split_at_checked(len)?;
    let number = number.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    Some((Some(number), rest))
}
