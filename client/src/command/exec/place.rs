//! Whether the file may be where `--outfile` or the program's name puts it: there it could destroy what somebody needs.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use oidc_proto::{
    files::{
        Surroundings, TokenFiles,
        entry::{FileSink, OnExpiry, Sink},
        gate::MAX_TOKEN_LEN,
    },
    jwt::Claims,
    private_file,
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
#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// There is no file.
    Missing,
    /// Nothing, or a token: it is replaced.
    Replaceable,
    /// Something else.
    Other,
}

/// Refuses a place in the oidc-agent directory, one that a running process or the agent keeps fresh, and a file that holds
/// something else than a token. A file that was there before stays at the end.
pub fn claim(item: &mut Item, directory: &Path, context: &mut Context) -> Result<(), Error> {
    let Sink::File(file) = &item.entry.sink else { return Ok(()) };
    let wrong = |text: String| Err(Error::Other(Exit::File, text));
    let home = context.home().ok();
    let target = home.as_ref().map_or_else(|| file.target(), |home| file.target().outside(home.path()));
    private_file::examine(&target).map_err(|error| Error::Other(Exit::File, error.to_string()))?;
    let path = file.path.display();
    if let Some(holder) = holder(&file.path, directory) {
        return wrong(format!(
            "{path} belongs to a command that still runs (process {}) and is removed with it: name another file by --outfile",
            holder.pid
        ));
    }
    // With a mistake in it nothing of the configuration counts.
    let managed = home.and_then(|home| TokenFiles::read(&home, &Surroundings::of_process()).ok());
    let of_agent = managed
        .iter()
        .flat_map(|files| &files.entries)
        .find(|entry| matches!(&entry.sink, Sink::File(managed) if real(&managed.path) == real(&file.path)));
    if let Some(entry) = of_agent {
        return wrong(format!(
            "{path} is the managed file '{}', which the agent keeps fresh: name another file by --outfile",
            entry.name
        ));
    }
    match content(file) {
        Content::Missing => {}
        Content::Replaceable => item.entry.on_expiry = OnExpiry::Keep,
        Content::Other => {
            return wrong(format!(
                "{path} is there and holds no token that is known as one, so it is not replaced: name another file by --outfile, or remove it"
            ));
        }
    }
    Ok(())
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

/// The process for which a file is kept fresh.
fn holder(path: &Path, directory: &Path) -> Option<Leaseholder> {
    let wanted = real(path);
    let is_held = |lease: &lease::Lease| {
        lease.files().any(|file| real(file) == wanted) && lease.process.life() != Life::Ended
    };
    lease::noted(directory).into_iter().find(is_held).map(|lease| lease.process)
}

/// The path without links on the way.
fn real(path: &Path) -> PathBuf {
    let directory = path.parent().and_then(|parent| fs_err::canonicalize(parent).ok());
    directory.zip(path.file_name()).map_or_else(|| path.to_owned(), |(directory, name)| directory.join(name))
}

/// Any word could be a token that only its provider can read; so only a JWT counts as one.
fn content(file: &FileSink) -> Content {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(&file.path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Content::Missing,
        Err(_) => return Content::Other,
        Ok(opened) => std::fs::File::from(opened),
    };
    let mut text = Zeroizing::new(String::with_capacity(MAX_TOKEN_LEN + 2));
    match opened.take(MAX_TOKEN_LEN as u64 + 2).read_to_string(&mut text) {
        Ok(_) if text.trim().is_empty() || Claims::of(text.trim()).is_some() => Content::Replaceable,
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
        assert_eq!(content(&target), Content::Missing);
        for (text, expected) in [
            ("", Content::Replaceable),
            ("\n", Content::Replaceable),
            ("e30.e30.c2ln\n", Content::Replaceable),
            ("precious\n", Content::Other),
            ("{\"account\": \"demo\"}", Content::Other),
        ] {
            fs_err::write(&path, text).expect("written");
            assert_eq!(content(&target), expected, "{text:?}");
        }
        fs_err::write(&path, [0xff; 100]).expect("written");
        assert_eq!(content(&target), Content::Other);
    }

    #[test]
    fn a_place_is_the_same_by_every_way_to_it() {
        let kept = tempfile::tempdir().expect("a directory");
        let root = fs_err::canonicalize(kept.path()).expect("a path");
        fs_err::create_dir(root.join("a")).expect("made");
        std::os::unix::fs::symlink("a", root.join("b")).expect("linked");
        assert_eq!(real(&root.join("b/token")), root.join("a/token"));
        assert_eq!(real(&root.join("missing/token")), root.join("missing/token"));
    }
}
