//! The group of `--with-group`: by name, and whether somebody is in it.

use std::{
    io,
    os::fd::AsFd,
    process::{Command, Stdio},
};

use oidc_proto::peer::Peer;
use rustix::fs::Gid;

use crate::hardening::harden;

/// The id of a group: from `/etc/group`, else from whatever the system's name service knows (LDAP, SSSD), asked
/// through `getent` because the name service itself is C.
pub fn find(name: &str) -> Option<Gid> {
    let local = fs_err::read_to_string("/etc/group").unwrap_or_default();
    find_in(&local, name).or_else(|| find_in(&name_service(name)?, name)).map(Gid::from_raw)
}

fn name_service(name: &str) -> Option<String> {
    let mut getent = Command::new("getent");
    getent.args(["group", "--", name]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = getent.output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// Lines `name:password:gid:members`, group(5).
fn find_in(lines: &str, name: &str) -> Option<u32> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        found.then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// The supplementary groups of a socket's peer at the moment of its connect (`SO_PEERGROUPS`). Before Linux 4.13 those
/// that its process has now.
pub fn of_peer(socket: impl AsFd) -> io::Result<Vec<u32>> {
    match harden::peer_groups(socket.as_fd()) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {}
        groups => return groups,
    }
    let pid = Peer::of(socket)?.pid.ok_or(io::ErrorKind::NotFound)?;
    Ok(groups_in(&fs_err::read_to_string(format!("/proc/{pid}/status"))?))
}

/// The line `Groups:` of `/proc/PID/status`.
fn groups_in(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    line.split_ascii_whitespace().filter_map(|group| group.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_kernel_tells_a_peers_groups() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let mut groups = of_peer(&ours).expect("groups");
        let mut own = groups_in(&fs_err::read_to_string("/proc/self/status").expect("readable"));
        groups.sort_unstable();
        own.sort_unstable();
        assert_eq!(groups, own);
    }

    #[test]
    fn groups_are_read_from_their_line() {
        assert_eq!(groups_in("Name:\tx\nGid:\t1\t1\nGroups:\t4 24 1000 \nThreads: 1\n"), [4, 24, 1000]);
        assert!(groups_in("Name: x").is_empty());
    }

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let lines = "root:x:0:\nstaff:x:50:a,b\nbroken\n";
        assert_eq!(find_in(lines, "staff"), Some(50));
        assert_eq!(find_in(lines, "sta"), None);
        assert_eq!(find_in(lines, "broken"), None);
        assert_eq!(find_in(lines, "50"), None);
    }

    #[test]
    fn an_unknown_group_is_not_found() {
        assert_eq!(find("no-such-group-here"), None);
    }
}
