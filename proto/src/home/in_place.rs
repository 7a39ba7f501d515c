//! Rewriting a file that cannot be replaced: one that is a mount point of its own (`docker run -v FILE:FILE`), or in a
//! directory that may not be written.
//!
//! Where the oidc-agent directory can be written, a journal with the old and the new content lies there first, whole and
//! synced. As long as it is there it is what counts: a file that consists of pieces of the two is read as the new one.

use std::{io, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::fs::{Mode, OFlags};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    json::Object,
    private_file::{Synced, put},
};

const FORMAT: &str = "oidc-in-place/1";
/// No disk tears a smaller piece.
const SECTOR: usize = 512;

/// What is to become of a file.
pub(super) struct InPlace<'a> {
    /// What the file holds.
    pub(super) old: &'a [u8],
    /// What it is to hold.
    pub(super) new: &'a [u8],
}

impl InPlace<'_> {
    /// The journal's text.
    pub(super) fn journal(&self) -> Zeroizing<String> {
        let text =
            json!({ "format": FORMAT, "old": STANDARD.encode(self.old), "new": STANDARD.encode(self.new) });
        Zeroizing::new(text.to_string())
    }

    /// Rewrites the file. On an error it holds what it held.
    pub(super) fn overwrite(&self, path: &Path) -> io::Result<Synced> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !opened.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        put(&opened, self.new).inspect_err(|_| drop(put(&opened, self.old)))
    }
}

/// What a file holds in truth, next to which a journal lies: `found`, or where its rewriting was cut off, the new content.
pub(super) fn recover(journal: &[u8], found: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    match parse(journal) {
        Some([old, new]) if is_made_of(&found, &old, &new) => new,
        _ => found,
    }
}

/// The old and the new content.
fn parse(text: &[u8]) -> Option<[Zeroizing<Vec<u8>>; 2]> {
    let object =
        Object::parse(text).ok().filter(|object| object.text("format").as_deref() == Some(FORMAT))?;
    let bytes = |key: &str| STANDARD.decode(object.string(key)?.as_str()).ok().map(Zeroizing::new);
    Some([bytes("old")?, bytes("new")?])
}

/// Whether each sector of `found` is as in `old` or in `new`; otherwise another program has written the file since.
fn is_made_of(found: &[u8], old: &[u8], new: &[u8]) -> bool {
    let same = |at: usize, sector: &[u8], whole: &[u8]| {
        let there = whole.get(at..whole.len().min(at + SECTOR)).unwrap_or_default();
        sector.starts_with(there) || there.starts_with(sector)
    };
    let sectors = found.chunks(SECTOR).enumerate();
    sectors.map(|(index, sector)| (index * SECTOR, sector)).all(|(at, sector)| {
        same(at, sector, old) || same(at, sector, new) || sector.iter().all(|byte| *byte == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_file_is_told_from_another_one() {
        let (old, new) = (vec![b'o'; 1200], vec![b'n'; 1300]);
        let mix = |parts: &[(&[u8], usize)]| -> Vec<u8> {
            parts.iter().flat_map(|(bytes, len)| bytes[..*len].to_vec()).collect()
        };
        for (found, expected) in [
            (old.clone(), true),
            (new.clone(), true),
            (mix(&[(&new, 512), (&old, 688)]), true),
            (mix(&[(&new, 1024), (&old, 176)]), true),
            (Vec::new(), true),
            (vec![b'x'; 1200], false),
            (mix(&[(&old, 1024), (b"another program", 15)]), false),
        ] {
            assert_eq!(is_made_of(&found, &old, &new), expected, "{}", String::from_utf8_lossy(&found));
        }
    }
}
