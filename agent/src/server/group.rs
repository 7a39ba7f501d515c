//! The group of `--with-group`, by name.

use std::process::{Command, Stdio};

use rustix::fs::Gid;

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

#[cfg(test)]
mod tests {
    use super::*;

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
