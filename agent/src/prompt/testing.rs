//! For the tests of this room: a pinentry made of a shell script.

use std::{borrow::Cow, os::unix::fs::PermissionsExt, path::PathBuf};

use super::pinentry::Question;

pub(super) const QUESTION: Question<'static> = Question {
    title: Cow::Borrowed("oidc-agent"),
    description: Cow::Borrowed("Password of\n'a%b'"),
    label: Cow::Borrowed("Password"),
    error: None,
};

/// What it was told is in `heard`.
pub(super) struct Fake {
    directory: tempfile::TempDir,
}

impl Fake {
    /// `answer` is what it says to the command that opens the window.
    pub(super) fn new(answer: &str) -> Self {
        let fake = Self { directory: tempfile::tempdir().expect("temporary directory") };
        let script = format!(
            "#!/bin/sh\necho 'OK Pleased to meet you'\nwhile read -r line; do\nprintf '%s\\n' \"$line\" >> {heard}\n\
             case \"$line\" in GETPIN|CONFIRM) {answer};; BYE) echo OK; exit;; *) echo OK;; esac\ndone\n",
            heard = fake.heard().display()
        );
        fs_err::write(fake.program(), script).expect("written");
        fs_err::set_permissions(fake.program(), std::fs::Permissions::from_mode(0o700)).expect("executable");
        fake
    }

    pub(super) fn program(&self) -> PathBuf {
        self.directory.path().join("pinentry")
    }

    pub(super) fn heard(&self) -> PathBuf {
        self.directory.path().join("heard")
    }
}
