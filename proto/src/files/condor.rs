//! HTCondor's credential store as far as tokens are handed to it: `condor_store_cred … -P`, which takes the bytes as the file
//! `SERVICE[_HANDLE].use` that jobs find in `_CONDOR_CREDS`.
//!
//! Nobody renews what was stored like that: whoever stored it stores it again.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::Duration,
};

use super::entry::CondorSink;
use crate::program;

/// HTCondor's program.
pub const PROGRAM: &str = "condor_store_cred";

/// Where it is where the path does not lead to it: that of a service or of cron often lacks the second.
const FALLBACKS: [&str; 2] = ["/usr/bin", "/usr/sbin"];

/// Longest name of a service or a handle.
const MAX_NAME: usize = 100;

/// How long it may take: it may wait for a credd that is being started.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// So much of what it says is kept, in bytes.
pub const MAX_OUTPUT: u64 = 8 << 10;
/// So much of its last line is told, in characters.
pub const MAX_TOLD: usize = 300;

/// The last line of what it said, without the token. As long as it is, and as it is.
pub fn last_line(said: &[u8], token: &str) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    if token.is_empty() { line.to_owned() } else { line.replace(token, "[redacted]") }
}

/// Finds HTCondor's program along the value of `PATH`, then where packages put it.
pub fn find(path: Option<&OsStr>) -> Option<PathBuf> {
    let on_path =
        path.into_iter().flat_map(std::env::split_paths).filter(|directory| directory.is_absolute());
    program::find(on_path.chain(FALLBACKS.map(PathBuf::from)), PROGRAM)
}

/// The variables that HTCondor's program is given: what leads it to its configuration and its credd.
pub fn is_for_condor(variable: &OsStr) -> bool {
    const KNOWN: [&str; 10] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "CONDOR_CONFIG",
        "CONDOR_INHERIT",
        "KRB5CCNAME",
    ];
    let name = variable.to_string_lossy();
    KNOWN.contains(&&*name) || name.starts_with("_CONDOR_")
}

impl CondorSink {
    /// Whether a text can name a service or a handle: it becomes part of a file's name at the credd.
    pub fn is_name(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=MAX_NAME).contains(&text.len())
            && text.bytes().all(allowed)
            && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
    }

    /// What the credd calls it: `SERVICE` or `SERVICE_HANDLE`.
    pub fn credential(&self) -> String {
        match &self.handle {
            Some(handle) => format!("{}_{handle}", self.service),
            None => self.service.clone(),
        }
    }

    /// Arguments that store the token on standard input.
    pub fn add(&self) -> Vec<OsString> {
        let mut arguments = self.arguments("add-oauth");
        arguments.extend(["-i", "-", "-P"].map(OsString::from));
        arguments
    }

    /// Arguments that ask whether something is stored: the exit status is 0 then. Of a token that was stored with `-P` the
    /// credd does not know what it is for.
    pub fn query(&self) -> Vec<OsString> {
        self.arguments("query-oauth")
    }

    /// Arguments that delete what is stored.
    pub fn delete(&self) -> Vec<OsString> {
        self.arguments("delete-oauth")
    }

    fn arguments(&self, action: &str) -> Vec<OsString> {
        let mut arguments = vec![action.into(), "-s".into(), self.service.as_str().into()];
        if let Some(handle) = &self.handle {
            arguments.extend(["-H".into(), handle.as_str().into()]);
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::Path};

    use super::*;

    fn sink(handle: Option<&str>) -> CondorSink {
        CondorSink {
            service: "cms_crab".to_owned(),
            handle: handle.map(str::to_owned),
            ..CondorSink::default()
        }
    }

    #[test]
    fn arguments_are_htcondors() {
        assert_eq!(sink(None).add(), ["add-oauth", "-s", "cms_crab", "-i", "-", "-P"]);
        let with_handle = sink(Some("read"));
        assert_eq!(with_handle.query(), ["query-oauth", "-s", "cms_crab", "-H", "read"]);
        assert_eq!(
            (sink(None).credential(), with_handle.credential()),
            ("cms_crab".into(), "cms_crab_read".into())
        );
    }

    #[test]
    fn names_cannot_lead_anywhere_else() {
        for name in ["cms", "cms_crab", "a.b-c", "9"] {
            assert!(CondorSink::is_name(name), "{name}");
        }
        for name in ["", "-P", ".top", "../x", "a/b", "a b", "ü", &"a".repeat(101)] {
            assert!(!CondorSink::is_name(name), "{name}");
        }
    }

    #[test]
    fn the_program_is_found_on_the_path_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join(PROGRAM);
        assert_ne!(find(Some(directory.path().as_os_str())), Some(program.clone()));
        fs_err::write(&program, "").expect("written");
        assert_ne!(find(Some(directory.path().as_os_str())), Some(program.clone()), "cannot be run");
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("set");
        let path = std::env::join_paths([Path::new("relative"), directory.path()]).expect("a path");
        assert_eq!(find(Some(&path)), Some(program));
    }

    #[test]
    fn secrets_of_the_environment_are_not_handed_on() {
        for (name, handed_on) in
            [("_CONDOR_SCHEDD_HOST", true), ("CONDOR_CONFIG", true), ("BEARER_TOKEN", false)]
        {
            assert_eq!(is_for_condor(OsStr::new(name)), handed_on, "{name}");
        }
    }
}
