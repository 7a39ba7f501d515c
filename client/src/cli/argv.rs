//! Secrets on the command line, which everybody on the machine can read (`ps`, `/proc/PID/cmdline`): overwritten as soon
//! as they are known, as far as the kernel lets a program do that. Until then they were to be seen.

use std::{io, os::unix::fs::FileExt};

use fs_err::{File, OpenOptions};
use oidc_proto::proc_stat::ProcStat;
use zeroize::Zeroizing;

/// The longest command line that is looked through, in bytes: the kernel's usual limit.
const LONGEST: u64 = 2 * 1024 * 1024;

/// Overwrites arguments that are one of `secrets`, or end with `=` and one.
pub fn overwrite(secrets: &[&str]) -> io::Result<()> {
    if secrets.is_empty() {
        return Ok(());
    }
    let (start, end) = place()?;
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem")?;
    overwrite_in(&memory, start, end, secrets)
}

fn overwrite_in(memory: &File, start: u64, end: u64, secrets: &[&str]) -> io::Result<()> {
    let length = usize::try_from(end.saturating_sub(start).min(LONGEST)).unwrap_or(0);
    let mut line = Zeroizing::new(vec![0; length]);
    memory.file().read_exact_at(&mut line, start)?;
    let mut at = start;
    for argument in line.split(|byte| *byte == 0) {
        let behind = at + argument.len() as u64;
        for secret in secrets.iter().filter(|secret| is_or_ends_with(argument, secret.as_bytes())) {
            memory.file().write_all_at(&b"x".repeat(secret.len()), behind - secret.len() as u64)?;
        }
        at = behind + 1;
    }
    Ok(())
}

fn is_or_ends_with(argument: &[u8], secret: &[u8]) -> bool {
    let before = argument.strip_suffix(secret).filter(|_| !secret.is_empty());
    before.is_some_and(|before| before.is_empty() || before.ends_with(b"="))
}

/// Where the kernel reads the command line: `arg_start` and `arg_end` of proc(5).
fn place() -> io::Result<(u64, u64)> {
    let stat = ProcStat::read("self")?;
    stat.number(48).zip(stat.number(49)).ok_or_else(|| io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secrets_are_overwritten() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let line = b"....oidc\0gen\0--rt=s3cret\0--at\0s3cret\0s3cret2\0--x=as3cret\0s3cret\0.";
        fs_err::write(file.path(), line).expect("written");
        let memory = OpenOptions::new().read(true).write(true).open(file.path()).expect("opened");
        overwrite_in(&memory, 4, line.len() as u64 - 1, &["s3cret", ""]).expect("overwritten");
        let expected = b"....oidc\0gen\0--rt=xxxxxx\0--at\0xxxxxx\0s3cret2\0--x=as3cret\0xxxxxx\0.";
        assert_eq!(
            String::from_utf8_lossy(&fs_err::read(file.path()).expect("read")),
            String::from_utf8_lossy(expected)
        );
    }

    #[test]
    fn the_place_is_that_of_this_program() {
        let (start, end) = place().expect("its place");
        let memory = File::open("/proc/self/mem").expect("our own memory");
        let mut line = vec![0; usize::try_from(end - start).expect("a length")];
        memory.file().read_exact_at(&mut line, start).expect("readable");
        assert_eq!(line, fs_err::read("/proc/self/cmdline").expect("a command line"));
    }
}
