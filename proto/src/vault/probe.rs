//! Which format a file has, told by its bytes alone.

use super::{
    error::VaultError,
    format::{Format, MAX_FILE_LEN},
    native, oidc_agent, openpgp,
};

/// The file's format, told by its bytes alone. A recognised format does not promise that the rest of the file is whole.
pub fn format_of(bytes: &[u8]) -> Result<Format, VaultError> {
    if bytes.len() > MAX_FILE_LEN {
        return Err(VaultError::TooLarge);
    }
    if openpgp::is_armoured(bytes) {
        return Ok(Format::OpenPgp);
    }
    if bytes.trim_ascii_start().starts_with(b"{") {
        return native::probe(bytes).map(|()| Format::Native);
    }
    oidc_agent::probe(bytes)
}

/// The file's format, after looking at everything that can be checked without opening it.
pub fn inspect(bytes: &[u8]) -> Result<Format, VaultError> {
    let format = format_of(bytes)?;
    match format {
        Format::Native => native::inspect(bytes)?,
        Format::OidcAgent => oidc_agent::inspect(bytes)?,
        Format::OidcAgentHex => oidc_agent::inspect_hex(bytes)?,
        Format::OpenPgp => openpgp::inspect(bytes)?,
    }
    Ok(format)
}
