//! A token in the file where its readers look, and what is there already.

use std::{io::Read, os::unix::fs::MetadataExt, path::Path, time::Duration};

use oidc_proto::{
    files::{
        entry::{FileSink, Require, WantedToken},
        formats::{self, Held},
        gate::{self, MAX_TOKEN_LEN, Refusal},
    },
    private_file::{self, WriteError, Written},
};
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::{condor::StoreError, issued::Issued, life::Life};
use crate::clock::Moment;

/// The largest file that is looked at, in bytes: a token with what may be around it.
const LARGEST: u64 = MAX_TOKEN_LEN as u64 + 4096;

/// What became of a token.
#[derive(Debug)]
pub enum Published {
    /// It is there. What it lacks and need not have comes with it.
    Written(Written, Vec<String>),
    /// What is there lives as long.
    AsGood(Option<Life>),
}

/// Why it is not there.
#[derive(Debug, thiserror::Error)]
pub enum Unpublished {
    /// It must not be published.
    #[error("{0}; what is there stays")]
    Gate(#[from] Refusal),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// HTCondor did not take it.
    #[error(transparent)]
    Condor(#[from] StoreError),
}

/// Publishes a token in a file, which must not be in the oidc-agent directory `home`. Blocks.
pub fn publish(
    require: Require,
    sink: &FileSink,
    home: &Path,
    issued: &Issued,
    now: Moment,
) -> Result<Published, Unpublished> {
    let old = held(sink).filter(|held| !issued.replaces && fits(&issued.wanted, require, held, now));
    let format = issued.as_format(now);
    let lacks = match gate::judge(&issued.wanted, require, &format, old.as_ref(), now.wall) {
        Err(Refusal::NotLonger) => return Ok(Published::AsGood(old.and_then(|old| life(&old, now)))),
        judged => judged?,
    };
    let written = private_file::write(&sink.target().outside(home), &formats::render(sink, &format))?;
    Ok(Published::Written(written, lacks))
}

/// The life of the token that is in a file, if it may stay there. Blocks.
pub fn found(wanted: &WantedToken, require: Require, sink: &FileSink, now: Moment) -> Option<Life> {
    let held = held(sink).filter(|held| fits(wanted, require, held, now))?;
    life(&held, now)
}

/// What was at a place, so that the same need not be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// SHA-256 of the token that was written there, or found.
    digest: [u8; 32],
    /// Device, inode, length, and when it was changed last; nothing before the first look.
    file: Option<[i64; 6]>,
}

impl Seen {
    /// A token that was just written, in whatever file.
    pub fn written(token: &str) -> Self {
        Self { digest: digest(token), file: None }
    }
}

/// What is at a place where a token was published; `None`: that is gone, or something else that must not be there. Blocks.
pub fn look(
    wanted: &WantedToken,
    require: Require,
    sink: &FileSink,
    seen: Option<Seen>,
    now: Moment,
) -> Option<Seen> {
    let metadata = fs_err::symlink_metadata(&sink.path).ok().filter(std::fs::Metadata::is_file)?;
    let file = Some([
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.size().cast_signed(),
        metadata.mode().into(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]);
    if let Some(seen) = seen.filter(|seen| seen.file == file) {
        return Some(seen);
    }
    if metadata.mode() & 0o400 == 0 {
        // Its owner cannot read it, which was asked for.
        return Some(Seen { digest: [0; 32], file });
    }
    let held = held(sink)?;
    let digest = digest(held.token.expose());
    let is_own = seen.is_some_and(|seen| seen.digest == digest);
    let is_as_good = || fits(wanted, require, &held, now) && life(&held, now).is_some();
    (is_own || is_as_good()).then_some(Seen { digest, file })
}

fn digest(token: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()).as_ref());
    digest
}

/// Whether a file still holds a token that has ended, or none that can be read. Blocks.
pub fn is_over(sink: &FileSink, now: Moment) -> bool {
    held(sink).and_then(|held| held.expires_at).is_none_or(|ends| ends <= now.wall)
}

/// Whether a token would be published as well.
fn fits(wanted: &WantedToken, require: Require, held: &Held, now: Moment) -> bool {
    let (token, kind, expires_at) = (held.token.expose(), wanted.kind, held.expires_at);
    let issued = formats::Issued { token, kind, issuer: "", expires_at, scope: None, now: now.wall };
    gate::judge(wanted, require, &issued, None, now.wall).is_ok()
}

/// What is left of its life counts from now on; nobody knows when it was got here.
fn life(held: &Held, now: Moment) -> Option<Life> {
    let ends = held.expires_at?;
    let left = Duration::from_secs(ends.checked_sub(now.wall).filter(|left| *left > 0)?);
    let length = held.issued_at.and_then(|begins| ends.checked_sub(begins)).map_or(left, Duration::from_secs);
    Some(Life { end: Life::beginning(now, left).end, length: length.max(left) })
}

fn held(sink: &FileSink) -> Option<Held> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(&sink.path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= LARGEST)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).ok()? + 1));
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    formats::read(sink, &bytes)
}
