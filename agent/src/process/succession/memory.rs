//! Memory in which one process hands everything on to the next: sealed (`memfd_create(2)`, `fcntl(2)`), so that what was looked at is
//! what is read, and kept out of swap where this process may lock memory.

use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use oidc_proto::json::Object;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create},
    io::Errno,
};
use zeroize::Zeroizing;

use crate::hardening::harden::{Pinned, pin};

/// No state is larger: the agent's accounts are thousands of bytes each, its connections share a budget of memory.
const LARGEST: u64 = 256 << 20;

/// Everything that keeps it as it is.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// Sealed memory.
#[derive(Debug)]
pub struct Memory {
    /// What has been locked of it is unlocked first.
    _pinned: Option<Pinned>,
    file: File,
}

impl Memory {
    /// With this in it.
    pub fn sealed(state: &Object) -> io::Result<Self> {
        let text = state.to_json();
        let mut file = File::from(create()?);
        // While it is still empty: what is written then never gets to swap.
        file.set_len(u64::try_from(text.len()).map_err(io::Error::other)?)?;
        let pinned = pin(file.as_fd(), text.len());
        file.write_all(text.as_bytes())?;
        fcntl_add_seals(&file, SEALS)?;
        Ok(Self { _pinned: pinned, file })
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Reads what is in sealed memory.
pub fn read(memory: &OwnedFd) -> io::Result<Zeroizing<Vec<u8>>> {
    if !fcntl_get_seals(memory)?.contains(SEALS) {
        return Err(io::Error::other("the memory is not sealed"));
    }
    let length = u64::try_from(fstat(memory)?.st_size).unwrap_or(0);
    if length > LARGEST {
        return Err(io::Error::other("more than an agent holds"));
    }
    let mut text = Zeroizing::new(vec![0; usize::try_from(length).map_err(io::Error::other)?]);
    File::from(memory.try_clone()?).read_exact_at(&mut text, 0)?;
    Ok(text)
}

fn create() -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("oidc-agent", flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => memfd_create("oidc-agent", flags),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_stays_as_it_is() {
        let mut state = Object::default();
        state.insert("x", "y".repeat(10_000));
        let memory = Memory::sealed(&state).expect("memory");
        let file = memory.as_fd().try_clone_to_owned().expect("a descriptor");
        assert_eq!(read(&file).expect("read").as_slice(), state.to_json().as_bytes());
        let mut file = File::from(file);
        assert!(file.write_all(b"z").is_err() && file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
    }

    #[test]
    fn memory_that_could_still_change_is_refused() {
        let memory = create().expect("memory");
        assert!(read(&memory).is_err());
        let (pipe, _) = rustix::pipe::pipe().expect("a pipe");
        assert!(read(&pipe).is_err());
    }
}
