//! `oidc helper curl-header FILE`: a file with the header line, for `curl -H @FILE` and what else reads one, so that the token
//! stands in no command line, which everybody on the machine can read.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::Parser;
use oidc_proto::{
    files::gate::MAX_TOKEN_LEN,
    private_file::{self, Target},
    token::is_b64token,
};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    arguments::HelperArgs,
    hand_over::{For, hand_over},
    pasted,
};
use crate::{
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// A file that is longer holds something else, in bytes.
const MAX_LEN: usize = MAX_TOKEN_LEN + 64;

/// Write the header line with a token into a file of yours alone
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example:
  oidc helper curl-header --account ACCOUNT ~/.cache/header && curl -H @$HOME/.cache/header https://service.example/

The file has mode 0600 and is replaced as a whole; nobody renews it: `oidc files` manages files that stay fresh. Without a file:
  curl -H @<(oidc token --auth-header ACCOUNT) https://service.example/")]
pub struct CurlHeaderArgs {
    /// The file; its directory has to be there
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for CurlHeaderArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let missing = || UsageError::new("a file is missing: oidc helper curl-header --account ACCOUNT FILE");
        let file = self.file.as_deref().ok_or_else(missing)?;
        if file.file_name().is_none() {
            let text = format!("'{}' names no file", file.display());
            return Err(UsageError::new(text).into());
        }
        if self.helper.print_config {
            pasted::require_account(&self.helper)?;
            let mut words = pasted::words("curl-header", &self.helper)?;
            let file = file.display().to_string();
            words.push(file.clone());
            let line = pasted::shell_line(&words);
            let header = pasted::shell_line(&[format!("@{file}")]);
            return Ok(context.output.result(&format!("{line} && curl -H {header} URL\n"))?);
        }
        let chosen = self.helper.require(None, context)?;
        let place = self.helper.destinations.wanted.first().map_or("curl", |place| place.url.as_str());
        let wanted = For { program: "curl", destination: place, sign: None, may_ask: true };
        let handed = hand_over(&self.helper, &chosen, wanted, context)?;
        let line = Zeroizing::new(format!("Authorization: Bearer {}\n", *handed.token));
        write(file, line.as_bytes(), context)?;
        if context.output.json {
            context
                .output
                .json(&json!({"status": "success", "file": file, "expires_at": handed.expires_at}))?;
        }
        Ok(())
    }
}

fn write(file: &Path, bytes: &[u8], context: &mut Context) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Other(Exit::File, error.to_string());
    let file = std::path::absolute(file).map_err(|error| failed(&error))?;
    if !may_be_replaced(&file) {
        let text = format!(
            "{} is there and holds no header with a token, so it is not replaced: name another file, or remove it",
            file.display()
        );
        return Err(Error::Other(Exit::File, text));
    }
    let (home, target) = (context.home().ok(), Target::private(&file));
    let target = home.as_ref().map_or(target, |home| target.outside(home.path()));
    let written = private_file::write(&target, bytes).map_err(|error| failed(&error))?;
    for warning in &written.warnings {
        context.output.warning(&format!("{}: {warning}", file.display()));
    }
    Ok(())
}

/// Whether nothing is lost with what is there: nothing at all, or a header line of the kind that is written.
fn may_be_replaced(file: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(file, flags, Mode::empty()) {
        Err(Errno::NOENT) => return true,
        // What it is is told where it is written.
        Err(_) => return !file.is_file(),
        Ok(opened) => std::fs::File::from(opened),
    };
    if !opened.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return true;
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_LEN));
    let is_text = opened.take(MAX_LEN as u64).read_to_string(&mut text).is_ok() && text.len() < MAX_LEN;
    let token = text.trim().strip_prefix("Authorization: Bearer ");
    is_text && (text.trim().is_empty() || token.is_some_and(is_b64token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_header_is_replaced() {
        let kept = tempfile::tempdir().expect("a directory");
        let path = kept.path().join("header");
        assert!(may_be_replaced(&path), "nothing there");
        for (text, expected) in [
            (&b""[..], true),
            (b"\n", true),
            (b"Authorization: Bearer abc.def-_~+/==\n", true),
            (b"Authorization: Bearer abc\nX: y\n", false),
            (b"Authorization: Basic abc\n", false),
            (b"keep\n", false),
            (b"{\"format\":\"oidc-account/1\"}", false),
            (&[0xff; 64], false),
        ] {
            fs_err::write(&path, text).expect("written");
            assert_eq!(may_be_replaced(&path), expected, "{:?}", String::from_utf8_lossy(text));
        }
        fs_err::write(&path, format!("Authorization: Bearer {}", "a".repeat(MAX_LEN))).expect("written");
        assert!(!may_be_replaced(&path), "too long for a token");
    }
}
