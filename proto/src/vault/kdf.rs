//! Argon2 (RFC 9106), version 0x13.

use argon2::{Algorithm, Argon2, Params, Version};

use super::VaultError;
use crate::secret::Password;

/// Work factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// Memory in KiB.
    pub(super) m_kib: u32,
    /// Passes over the memory.
    pub(super) t: u32,
    /// Lanes.
    pub(super) p: u32,
}

/// Fills `out` from a password. The length of `out` is part of the result.
///
/// The memory is given back to the operating system, which clears it: blocks of this size are mapped on their own.
pub(super) fn derive(
    algorithm: Algorithm,
    work: Work,
    password: &Password,
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), VaultError> {
    let params = Params::new(work.m_kib, work.t, work.p, Some(out.len()))
        .map_err(|_| VaultError::Damaged("the cost of the key derivation makes no sense"))?;
    Argon2::new(algorithm, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), salt, out)
        .map_err(|error| match error {
            argon2::Error::OutOfMemory => VaultError::OutOfMemory,
            _ => VaultError::Damaged("the key derivation's parameters make no sense"),
        })
}
