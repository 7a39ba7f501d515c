//! Argon2 (RFC 9106), version 0x13: the crate's computation, in memory and on threads of our own.

mod memory;
mod threads;

pub use argon2::Algorithm;
use argon2::{Argon2, Params, Version};

use self::{memory::Memory, threads::on_threads};
use super::VaultError;
use crate::secret::Password;

/// Work factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes over the memory.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl Work {
    /// RFC 9106 section 4, second recommended option. With Argon2id.
    pub const RECOMMENDED: Self = Self { m_kib: 64 * 1024, t: 3, p: 4 };
}

/// Fills `out` from a password. The length of `out` is part of the result. Takes as many threads as there are lanes and
/// processors, and returns when they have ended.
///
/// Errors: [`VaultError::OutOfMemory`] where the system has not the memory, [`VaultError::Damaged`] for work factors,
/// salts and lengths that RFC 9106 does not allow.
pub fn derive(
    algorithm: Algorithm,
    work: Work,
    password: &Password,
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), VaultError> {
    let params = Params::new(work.m_kib, work.t, work.p, Some(out.len()))
        .map_err(|_| VaultError::Damaged("the cost of the key derivation makes no sense"))?;
    let mut memory = Memory::new(params.block_count()).ok_or(VaultError::OutOfMemory)?;
    let argon2 = Argon2::new(algorithm, Version::V0x13, params);
    let password = password.expose().as_bytes();
    on_threads(work.p, || argon2.hash_password_into_with_memory(password, salt, out, memory.blocks()))
        .map_err(|_| VaultError::Damaged("the key derivation's parameters make no sense"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the reference implementation says, and with one lane libsodium's `crypto_pwhash`.
    #[test]
    fn agrees_with_others_whatever_the_lanes() {
        for (p, expected) in [
            (1, [18, 230, 0, 239, 64, 225, 25, 69, 109, 144, 106, 71, 79, 110, 41, 159]),
            (2, [91, 161, 145, 240, 163, 220, 13, 116, 133, 51, 17, 248, 154, 157, 247, 251]),
            (4, [81, 42, 31, 67, 250, 255, 19, 184, 27, 182, 63, 169, 200, 42, 98, 212]),
        ] {
            let work = Work { m_kib: 1024, t: 2, p };
            let mut out = [0; 16];
            derive(Algorithm::Argon2id, work, &Password::from("password"), b"somesaltsomesalt", &mut out)
                .expect("derived");
            assert_eq!(out, expected, "{work:?}");
        }
    }

    #[test]
    fn what_argon2_does_not_allow_is_refused() {
        let derive = |work, salt: &[u8]| {
            derive(Algorithm::Argon2id, work, &Password::from("password"), salt, &mut [0; 32])
        };
        for work in
            [Work { m_kib: 1, t: 1, p: 1 }, Work { m_kib: 64, t: 0, p: 1 }, Work { m_kib: 64, t: 1, p: 0 }]
        {
            assert!(matches!(derive(work, b"somesaltsomesalt"), Err(VaultError::Damaged(_))), "{work:?}");
        }
        let short = derive(Work { m_kib: 64, t: 1, p: 1 }, b"salt");
        assert!(matches!(short, Err(VaultError::Damaged(_))));
    }
}
