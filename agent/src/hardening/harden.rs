//! Keeps what the agent holds out of core dumps, debuggers and swap, and asks the kernel what no safe crate asks. The
//! one module, beside `server/stream.rs`, that may use `unsafe`.
//!
//! Nothing here can fail the start: what the system refuses is logged, and the agent works without it.

use std::{
    ffi::OsString,
    io,
    mem::MaybeUninit,
    ops::Range,
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::{
    mm::{MapFlags, MlockAllFlags, MlockFlags, ProtFlags, mlock, mlock_with, mlockall, mmap, munmap},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
    thread::{CapabilitySet, capabilities},
};
use tracing::{debug, info, warn};

/// Descriptors the agent asks for: every permitted connection, its connections to providers and its files.
const WANTED_DESCRIPTORS: u64 = 4096;

/// Protects this process. To be called before the first secret arrives and before threads are started.
pub fn apply() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn!(%error, "other processes of this user may look into the agent's memory");
    }
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        warn!(%error, "a crash may write a core file");
    }
    share_one_heap();
    lock_memory();
}

/// Has the kernel refuse this process to execute memory that can or could be written: `PR_SET_MDWE`, of Linux 6.6 in the
/// form that what it starts does not inherit. There is no way back.
#[allow(unsafe_code)]
pub fn refuse_executable_memory() -> io::Result<()> {
    let flags = libc::PR_MDWE_REFUSE_EXEC_GAIN | libc::PR_MDWE_NO_INHERIT;
    // SAFETY: prctl(2) with this option takes integers and reads or writes no memory of this process.
    let answer = unsafe { libc::prctl(libc::PR_SET_MDWE, flags, 0, 0, 0) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises the limit of open descriptors as far as allowed; returns what it is then.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let reachable = WANTED_DESCRIPTORS.min(limit.maximum.unwrap_or(u64::MAX));
    if current >= reachable {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum: limit.maximum }) {
        Ok(()) => reachable,
        Err(_) => current,
    }
}

/// Closes all descriptors above standard error that the starter of this process left open: a daemon would hold a
/// script's pipes and locks for ever. To be called first, while this process has opened none itself.
#[allow(unsafe_code)]
pub fn close_inherited() {
    let (first, last, flags): (libc::c_uint, libc::c_uint, libc::c_uint) = (3, libc::c_uint::MAX, 0);
    // SAFETY: nothing in this process owns a descriptor above 2 yet, by the contract of this function, and no other
    // thread runs that could have opened one since. close_range(2) reads and writes no memory of this process.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if answer != 0 {
        close_listed();
    }
}

/// The same before Linux 5.9, and where a filter of system calls does not know it.
#[allow(unsafe_code)]
fn close_listed() {
    let Ok(entries) = fs_err::read_dir("/proc/self/fd") else { return };
    let number = |name: OsString| name.to_str()?.parse::<i32>().ok();
    let open: Vec<i32> = entries.filter_map(|entry| number(entry.ok()?.file_name())).collect();
    // The list has its own descriptor in it, which is closed by now.
    let is_open = |descriptor: &i32| fs_err::read_link(format!("/proc/self/fd/{descriptor}")).is_ok();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2 && is_open(descriptor)) {
        // SAFETY: as of [`close_inherited`].
        unsafe { rustix::io::close(descriptor) };
    }
}

/// The supplementary groups that the process at the other end of a socket had when it connected: `SO_PEERGROUPS` of
/// Linux 4.13. Fails with `ENOPROTOOPT` before.
#[allow(unsafe_code)]
pub fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    /// As in the kernel's `asm-generic/socket.h`, which `libc` has only for some systems.
    const SO_PEERGROUPS: libc::c_int = 59;
    /// `NGROUPS_MAX`: more groups than anybody can have.
    const MAX_GROUPS: usize = 65_536;

    let mut groups: Vec<u32> = Vec::new();
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(&groups[..])).map_err(io::Error::other)?;
        let wanted = bytes;
        // SAFETY: the descriptor is open as long as it is borrowed; the kernel writes at most `bytes` bytes behind the
        // pointer, which are there and initialised, and says in `bytes` how many there are or would be.
        let answer = unsafe {
            let (level, into) = (libc::SOL_SOCKET, groups.as_mut_ptr().cast());
            libc::getsockopt(socket.as_raw_fd(), level, SO_PEERGROUPS, into, &raw mut bytes)
        };
        let count = bytes as usize / size_of::<u32>();
        if answer == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || bytes <= wanted || count > MAX_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// Has all threads allocate from one heap: a short-lived thread would otherwise leave what it allocated for an account
/// behind in an arena of its own. To be called before threads are started.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn share_one_heap() {
    // SAFETY: mallopt(3) takes two integers and changes settings of the allocator only; no other thread runs yet.
    let accepted = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    debug!(accepted = accepted == 1, "one heap for all threads");
}

/// Other allocators have no arenas to leave anything behind in.
#[cfg(not(target_env = "gnu"))]
fn share_one_heap() {}

/// Keeps memory out of swap.
///
/// With the right to lock everything, everything that is ever touched is locked (`MCL_ONFAULT`, so nothing is paged in
/// for it). Under a limit that would make later allocations fail; then only the heap is locked, where secrets live.
fn lock_memory() {
    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let capable = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if unlimited || capable {
        match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
            Ok(()) => return debug!("memory is locked"),
            Err(error) => debug!(%error, "not all memory can be locked"),
        }
    }
    lock_heap();
}

/// Locks the heap as far as it reaches now. To be called again after secrets were stored: what the heap grew by since
/// is not locked yet.
pub fn lock_heap() {
    match heap().map(|heap| lock(&heap)) {
        Some(Ok(())) => debug!("the heap is locked"),
        Some(Err(error)) => info!(%error, "secrets may be written to swap"),
        None => {}
    }
}

/// The addresses of the heap, proc(5): `START-END rw-p … [heap]`.
fn heap() -> Option<Range<usize>> {
    let maps = fs_err::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[heap]"))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

#[allow(unsafe_code)]
fn lock(range: &Range<usize>) -> rustix::io::Result<()> {
    let start = std::ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: mlock2(2) neither reads nor writes the memory it is given; it only tells the kernel not to page it out.
    // Should the range have changed meanwhile, the kernel locks what is there or refuses.
    unsafe { mlock_with(start, range.len(), MlockFlags::ONFAULT) }
}

/// Memory of a file that is kept out of swap as long as this lives.
#[derive(Debug)]
pub struct Pinned {
    start: usize,
    length: usize,
}

/// Keeps the memory of a file, which is in no file system, out of swap: by a mapping that is locked. `None` where this process may not
/// lock so much.
#[allow(unsafe_code)]
pub fn pin(file: BorrowedFd<'_>, length: usize) -> Option<Pinned> {
    // SAFETY: a mapping at an address of the kernel's choice, which nothing refers to and nobody reads or writes by: it is there
    // to be locked, and goes when it is dropped.
    let start =
        unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }.ok()?;
    let pinned = Pinned { start: start.expose_provenance(), length };
    // SAFETY: mlock(2) neither reads nor writes the memory it is given, which is the mapping made just now.
    match unsafe { mlock(start, length) } {
        Ok(()) => Some(pinned),
        Err(error) => {
            info!(%error, "what is handed on may be written to swap");
            None
        }
    }
}

impl Drop for Pinned {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let start = std::ptr::with_exposed_provenance_mut(self.start);
        // SAFETY: the mapping was made by `pin`, is unmapped once only, and nothing refers to it.
        let _ = unsafe { munmap(start, self.length) };
    }
}

/// Has signals that end the agent wait, in this thread and those that it starts from now on, until [`release_signals`]: one that comes
/// while another program takes over this process is that one's.
pub fn hold_signals() {
    mask_signals(libc::SIG_BLOCK);
}

/// They are taken again, also those that came meanwhile.
pub fn release_signals() {
    mask_signals(libc::SIG_UNBLOCK);
}

#[allow(unsafe_code)]
fn mask_signals(how: libc::c_int) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) initialises the set that it is given; sigaddset(3) and pthread_sigmask(3) are given that one, and
    // change nothing but the mask of this thread.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut());
    }
}

/// Has a write to a pipe that nobody reads fail, as in every program of Rust, instead of ending the process: again after an attempt to
/// execute another program, which has to find that as it is everywhere.
#[allow(unsafe_code)]
pub fn ignore_broken_pipes() {
    // SAFETY: signal(2) is given a signal that exists and a disposition that runs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Overwrites the stack below the caller, where calls that have returned left what they worked with. To be called by
/// threads that come to rest, from as near to their beginning as can be.
#[inline(never)]
#[allow(clippy::large_stack_arrays, reason = "it is the stack that is to be written to")]
pub fn wipe_stack() {
    /// Deeper than TLS, HTTP and JSON go.
    const BYTES: usize = if cfg!(debug_assertions) { 512 * 1024 } else { 64 * 1024 };
    std::hint::black_box(&mut [0_u8; BYTES]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardened_process_says_so() {
        apply();
        assert_eq!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }

    #[test]
    #[allow(unsafe_code)]
    fn memory_that_can_be_written_is_not_executed() {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        // Not before Linux 6.6.
        if refuse_executable_memory().is_err() {
            return;
        }
        let everything = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
        // SAFETY: new memory, at an address of the kernel's choice, that nothing refers to.
        let mapped = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, everything, MapFlags::PRIVATE) };
        assert!(mapped.is_err());
    }

    #[test]
    fn the_heap_is_found() {
        let heap = heap().expect("a heap");
        assert!(heap.start < heap.end);
        assert!(lock(&heap).is_ok());
    }

    #[test]
    fn descriptors_are_enough_for_some_connections() {
        assert!(raise_descriptor_limit() >= 64);
    }
}
