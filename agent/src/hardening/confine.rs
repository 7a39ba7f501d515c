//! What the agent gives up for good once it serves, so that whoever gets hold of it gets little else by it.
//!
//! By itself only what can harm nobody: pinentry, gpg and password commands are the person's own programs, inherit a filter
//! of system calls, and have to go on working. A filter needs `no_new_privs`, which ends what one of them may gain by setuid
//! or setgid; so there is one where that is set already, as by the systemd unit, or where the person asks for it.

use std::sync::OnceLock;

use rustix::thread::no_new_privs;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use tracing::{debug, info};

use super::harden;

/// `PR_SET_MDWE` of Linux 6.6: memory that can be written is never executed. Not inherited by what the agent starts.
pub const MDWE: &str = "mdwe";
/// A filter of system calls, inherited by what the agent starts.
pub const SECCOMP: &str = "seccomp";

/// System calls that neither the agent nor a program that asks for, decrypts or looks up a password has a use for: they look
/// into other processes, or are ways into the kernel. Refused with `EPERM`, as to any process without the right to them.
const REFUSED: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_open_by_handle_at,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

static CONFINED_BY: OnceLock<Vec<&'static str>> = OnceLock::new();

/// Confines this process as far as the kernel allows. To be called before threads are started: a filter is a thread's.
/// Nothing here can fail the start. With `filtered` the filter comes in any case, and `no_new_privs` with it. `in_place`: the filter that
/// the program before this one has left in this process, by [`filter_in_place`]; the same one is not laid over it once more, since each of
/// them costs every system call something.
pub fn apply(filtered: bool, in_place: Option<&str>) {
    let mut by = Vec::new();
    match harden::refuse_executable_memory() {
        Ok(()) => by.push(MDWE),
        Err(error) => debug!(%error, "memory that can be written may be executed"),
    }
    if in_place == Some(filter_name().as_str()) {
        by.push(SECCOMP);
    } else if filtered || no_new_privs().unwrap_or(false) {
        match filter().and_then(|program| seccompiler::apply_filter(&program)) {
            Ok(()) => by.push(SECCOMP),
            Err(error) => info!(%error, "no filter of system calls"),
        }
    }
    let _ = CONFINED_BY.set(by);
}

/// By what this process is confined: [`MDWE`], [`SECCOMP`].
pub fn confined_by() -> &'static [&'static str] {
    CONFINED_BY.get().map_or(&[], Vec::as_slice)
}

/// Names the filter that this process is under, if it is; for [`apply`].
pub fn filter_in_place() -> Option<String> {
    confined_by().contains(&SECCOMP).then(filter_name)
}

/// What is refused, in short.
fn filter_name() -> String {
    REFUSED.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn filter() -> Result<BpfProgram, seccompiler::Error> {
    let rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_can_be_built_here() {
        assert!(filter().is_ok_and(|program| program.len() > REFUSED.len()));
    }
}
