//! Whether the file may be where `--outfile` or the program's name puts it: there it could destroy what somebody needs.

use std::{io::Read, path::Path};

use oidc_proto::{
    files::{
        Surroundings, TokenFiles,
        entry::{Entry, FileSink, OnExpiry, Sink},
        gate::MAX_TOKEN_LEN,
    },
    home::Home,
    jwt::Claims,
    private_file::{self, Location},
    token::TokenDigest,
};
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::{
    lease::{self, Leaseholder, Life},
    wanted::Item,
};
use crate::{
    context::{Context, error::Error},
    say::exit::Exit,
};

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There is no file.
    Missing,
    /// Nothing.
    Empty,
    /// The token that this program put there, or another one.
    Token,
    /// Something else.
    Other,
}

/// Refuses a place in the oidc-agent directory, one that a running process or the agent keeps fresh, and a file that holds
/// something else than a token. A file that was there before stays at the end.
pub fn claim(item: &mut Item, directory: &Path, context: &mut Context) -> Result<(), Error> {
    let Sink::File(file) = &item.entry.sink else { return Ok(()) };
    let home = context.home().ok();
    let content = look(file, None, None, directory, home.as_ref())
        .map_err(|what| wrong(&format!("{what}: name another file by --outfile")))?;
    if content != Content::Missing {
        item.entry.on_expiry = OnExpiry::Keep;
    }
    Ok(())
}

/// The same for a file that a process has had already, before it is written again: links on the way may lead elsewhere by now.
/// `known` is the token that was written last. What is there.
pub fn claim_again(
    entry: &Entry,
    own: &Leaseholder,
    known: Option<&TokenDigest>,
    directory: &Path,
    home: Option<&Home>,
) -> Result<Content, Error> {
    let Sink::File(file) = &entry.sink else { return Ok(Content::Other) };
    // A name of this program in a directory of this user's: whatever its command did to the file.
    if file.path.parent() == Some(directory) && entry.name.starts_with(&lease::prefix()) {
        return Ok(Content::Token);
    }
    look(file, Some(own), known, directory, home).map_err(|what| wrong(&what))
}

/// Whether readers find no token any more, because somebody removed or emptied the file, or because links lead elsewhere.
pub fn is_lost(entry: &Entry) -> bool {
    let Sink::File(file) = &entry.sink else { return false };
    matches!(content(file, None), Content::Missing | Content::Empty)
}

fn wrong(text: &str) -> Error {
    Error::Other(Exit::File, text.to_owned())
}

/// What is there, or why no token may be.
fn look(
    file: &FileSink,
    own: Option<&Leaseholder>,
    known: Option<&TokenDigest>,
    directory: &Path,
    home: Option<&Home>,
) -> Result<Content, String> {
    let target = home.map_or_else(|| file.target(), |home| file.target().outside(home.path()));
    private_file::examine(&target).map_err(|error| error.to_string())?;
    let (path, wanted) = (file.path.display(), Location::of(&file.path));
    if let Some(holder) = holder(&wanted, own, directory) {
        return Err(format!(
            "{path} belongs to a command that still runs (process {}) and is removed with it",
            holder.pid
        ));
    }
    // With a mistake in it nothing of the configuration counts.
    let managed = home.and_then(|home| TokenFiles::read(home, &Surroundings::of_process()).ok());
    let is_it = |entry: &&Entry| lease::location(entry).is_some_and(|managed| managed == wanted);
    if let Some(entry) = managed.iter().flat_map(|files| &files.entries).find(is_it) {
        return Err(format!("{path} is the managed file '{}', which the agent keeps fresh", entry.name));
    }
    match content(file, known) {
        Content::Other => {
            Err(format!("{path} is there and holds no token that is known as one, so it is not replaced"))
        }
        content => Ok(content),
    }
}

/// Refuses a log in the place of a file that is there, for it would be removed at the end.
pub fn claim_log(log: &Path) -> Result<(), Error> {
    if log.symlink_metadata().is_err() {
        return Ok(());
    }
    let text = format!(
        "{} is there, and the log would replace it: remove it, or name another file by --outfile",
        log.display()
    );
    Err(Error::Other(Exit::File, text))
}

/// The process for which a file is kept fresh, if that is another one.
fn holder(wanted: &Location, own: Option<&Leaseholder>, directory: &Path) -> Option<Leaseholder> {
    let is_held = |lease: &lease::Lease| {
        own != Some(&lease.process)
            && lease.files().any(|file| Location::of(file) == *wanted)
            && lease.process.life() != Life::Ended
    };
    lease::noted(directory).into_iter().find(is_held).map(|lease| lease.process)
}

/// Any word could be a token that only its provider can read; so only a JWT counts as one, and the one that is known.
fn content(file: &FileSink, known: Option<&TokenDigest>) -> Content {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(&file.path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Content::Missing,
        Err(_) => return Content::Other,
        Ok(opened) => std::fs::File::from(opened),
    };
    let mut text = Zeroizing::new(String::with_capacity(MAX_TOKEN_LEN + 2));
    match opened.take(MAX_TOKEN_LEN as u64 + 2).read_to_string(&mut text) {
        Ok(_) if text.trim().is_empty() => Content::Empty,
        Ok(_) if known == Some(&TokenDigest::of(text.trim())) || Claims::of(text.trim()).is_some() => {
            Content::Token
        }
        _ => Content::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_and_a_token_are_replaced() {
        let kept = tempfile::tempdir().expect("a directory");
        let path = kept.path().join("file");
        let target = FileSink {
            path: path.clone(),
            format: oidc_proto::files::entry::Format::Raw,
            newline: true,
            mode: 0o600,
            group: None,
            create_dirs: false,
            write: oidc_proto::files::entry::Write::Rename,
            host: None,
            readers: Vec::new(),
        };
        assert_eq!(content(&target, None), Content::Missing);
        for (text, expected) in [
            ("", Content::Empty),
            ("\n", Content::Empty),
            ("e30.e30.c2ln\n", Content::Token),
            ("precious\n", Content::Other),
            ("{\"account\": \"demo\"}", Content::Other),
        ] {
            fs_err::write(&path, text).expect("written");
            assert_eq!(content(&target, None), expected, "{text:?}");
        }
        fs_err::write(&path, "opaque\n").expect("written");
        assert_eq!(content(&target, Some(&TokenDigest::of("opaque"))), Content::Token);
        assert_eq!(content(&target, Some(&TokenDigest::of("another"))), Content::Other);
        fs_err::write(&path, [0xff; 100]).expect("written");
        assert_eq!(content(&target, None), Content::Other);
    }
}
