//! What is mounted at a path, by `/proc/self/mountinfo` (proc(5)).

use std::path::Path;

/// What is mounted just there, in words: `/etc/token of /dev/sda1, ext4`.
pub(super) fn at(path: &Path) -> Option<String> {
    let real = path.canonicalize().ok()?;
    find(&fs_err::read_to_string("/proc/self/mountinfo").ok()?, real.to_str()?)
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELDS…] - TYPE SOURCE OPTIONS`; of several the last one is on top.
fn find(mounts: &str, point: &str) -> Option<String> {
    mounts.lines().rev().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, mounted_at) = (fields.next()?, fields.next()?);
        let (kind, rest) = after.split_once(' ')?;
        let source = rest.split(' ').next()?;
        (unescape(mounted_at) == point).then(|| format!("{} of {source}, {kind}", unescape(root)))
    })
}

/// Blanks and backslashes are written in octal.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_on_top_is_named() {
        let mounts = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      31 30 8:2 /tokens/my\\040bt /tmp/a\\040b rw,nosuid shared:3 - xfs /dev/sdb1 rw\n\
                      nonsense\n";
        for (point, expected) in [
            ("/tmp/a b", Some("/tokens/my bt of /dev/sdb1, xfs")),
            ("/", Some("/ of /dev/sda1, ext4")),
            ("/tmp", None),
        ] {
            assert_eq!(find(mounts, point).as_deref(), expected, "{point}");
        }
    }
}
