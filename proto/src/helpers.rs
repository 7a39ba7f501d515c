//! `helpers.toml` in the oidc-agent directory: which account gives the tokens for which host, for the programs that only know
//! the host (git, Bazel, ...).
//!
//! ```toml
//! [[host]]
//! host = "git.example"        # with a port: "git.example:8443"; `*` stands for any text: "*.example"
//! account = "cms"
//! scheme = "Bearer"           # or "Basic", with a username
//! username = "oauth2"
//! scope = "read_repository"
//! aud = "https://git.example"
//! id_token = false
//! ```
//!
//! The first entry that fits counts. Whoever can write the file decides who gets tokens, so nobody else may.

use std::{
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use fs_err::{File, os::unix::fs::OpenOptionsExt};
use rustix::{fs::OFlags, process::geteuid};
use serde::Deserialize;

use crate::{home::Home, shortname::Shortname, wildcard};

/// What the file is called.
pub const FILE: &str = "helpers.toml";
/// The longest file, in bytes.
const MAX_LEN: u64 = 256 * 1024;
/// Most entries.
const MAX_HOSTS: usize = 1000;

/// The hosts that accounts are named for, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperHosts {
    /// The entries.
    #[serde(default, rename = "host")]
    pub hosts: Vec<HelperHost>,
}

/// What a host gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperHost {
    /// A name or an address, in lower case, perhaps with a port; `*` stands for any text.
    pub host: String,
    /// An account's short name, or an issuer URL.
    pub account: String,
    /// How the token is sent, where a program lets one choose.
    pub scheme: Option<Scheme>,
    /// The user name for [`Scheme::Basic`].
    pub username: Option<String>,
    /// Scopes to ask for, separated by blanks.
    pub scope: Option<String>,
    /// Audiences to ask for, separated by blanks.
    pub aud: Option<String>,
    /// Whether the host wants an ID token.
    #[serde(default)]
    pub id_token: bool,
    /// The line in which its entry begins, from 1; 0 for one that stands in no file.
    #[serde(skip)]
    pub line: usize,
}

/// How a token is sent over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Scheme {
    /// RFC 6750.
    Bearer,
    /// As the password of RFC 7617.
    Basic,
}

/// Why the file is not used. It is used as a whole, or not at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelpersError {
    /// Cannot be read.
    #[error("{path} cannot be read: {error}", path = .0.display(), error = .1)]
    Read(PathBuf, io::Error),
    /// More than 256 KiB.
    #[error("{} is longer than {MAX_LEN} bytes", .0.display())]
    TooLong(PathBuf),
    /// Somebody else decides what stands in it.
    #[error("{} can be written by others, who could send your tokens anywhere: run chmod go-w on it, and own it yourself", .0.display())]
    WritableByOthers(PathBuf),
    /// Not what it should be: the line, and what is wrong there.
    #[error("line {0}: {1}")]
    Line(usize, String),
    /// The same, with the file.
    #[error("{path}, {error}", path = .0.display(), error = .1)]
    At(PathBuf, Box<HelpersError>),
}

impl HelperHosts {
    /// Reads the file of a directory; without one there are no hosts.
    pub fn load(home: &Home) -> Result<Self, HelpersError> {
        let path = home.path().join(FILE);
        // Without waiting for who writes into a pipe.
        let file = match File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path)
        {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.map_err(|error| HelpersError::Read(path.clone(), error))?,
        };
        let read = |error| HelpersError::Read(path.clone(), error);
        let found = file.metadata().map_err(read)?;
        if !found.is_file() {
            return Err(read(io::Error::other("it is no file")));
        }
        if found.mode() & 0o022 != 0 || ![0, geteuid().as_raw()].contains(&found.uid()) {
            return Err(HelpersError::WritableByOthers(path));
        }
        let mut text = String::new();
        file.take(MAX_LEN + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > MAX_LEN {
            return Err(HelpersError::TooLong(path));
        }
        Self::parse(&text).map_err(|error| HelpersError::At(path, Box::new(error)))
    }

    /// Reads a text. What is not known, or makes no sense, is an error with its line.
    pub fn parse(text: &str) -> Result<Self, HelpersError> {
        let mut parsed: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let advice = if error.message().ends_with("expected a sequence") {
                "; an entry begins with [[host]]"
            } else {
                ""
            };
            HelpersError::Line(line_of(text, at), format!("{}{advice}", error.message().replace('\n', " ")))
        })?;
        if parsed.hosts.len() > MAX_HOSTS {
            return Err(HelpersError::Line(1, format!("there are more than {MAX_HOSTS} hosts")));
        }
        for (number, host) in parsed.hosts.iter_mut().enumerate() {
            host.check()
                .map_err(|problem| HelpersError::Line(line_of_problem(text, number, &problem), problem))?;
            host.line = line_of_entry(text, number);
        }
        Ok(parsed)
    }

    /// The entry for a host. `authority` is the host as programs name it, with a port where that is not the usual one; what is
    /// more than host and port fits no entry.
    pub fn find(&self, authority: &str) -> Option<&HelperHost> {
        if !is_authority(authority) {
            return None;
        }
        let authority = authority.to_ascii_lowercase();
        let alone = without_port(&authority);
        self.hosts.iter().find(|entry| {
            wildcard::fits(&entry.host, &authority)
                || (!has_port(&entry.host) && wildcard::fits(&entry.host, alone))
        })
    }
}

impl HelperHost {
    fn check(&self) -> Result<(), String> {
        let is_pattern = |byte: u8| byte == b'*' || is_of_a_name(byte);
        if self.host.is_empty() || !self.host.bytes().all(is_pattern) {
            return Err(format!(
                "host = {:?} is no host: a name without scheme and path, as git.example or git.example:8443",
                self.host
            ));
        }
        let example = self.host.replace('*', "a");
        if !is_authority(&example) || !wildcard::fits(&self.host, &example) {
            return Err(format!("host = {:?} fits no host: a port is 1 to 65535", self.host));
        }
        if self.host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("host = {:?} has to be in lower case", self.host));
        }
        if !self.host.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("host = {:?} fits every host there is: name one", self.host));
        }
        let texts = [
            ("account", Some(&self.account)),
            ("username", self.username.as_ref()),
            ("scope", self.scope.as_ref()),
            ("aud", self.aud.as_ref()),
        ];
        for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text?))) {
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                return Err(format!("{key} = {text:?} is empty, or has control characters"));
            }
        }
        if !self.account.contains("://")
            && let Err(error) = self.account.parse::<Shortname>()
        {
            return Err(format!("account = {:?}: {error}", self.account));
        }
        if self.username.as_ref().is_some_and(|name| name.contains(':')) {
            return Err("a username has no ':' (RFC 7617)".to_owned());
        }
        if self.username.is_some() && self.scheme == Some(Scheme::Bearer) {
            return Err("username belongs to scheme = \"Basic\"".to_owned());
        }
        if self.id_token && (self.scope.is_some() || self.aud.is_some()) {
            return Err("scope and aud are of access tokens: they do not go with id_token".to_owned());
        }
        Ok(())
    }
}

/// Whether a text is a host as programs name it: a name or an address, perhaps with a port, and nothing besides.
pub fn is_authority(text: &str) -> bool {
    let alone = without_port(text);
    let port = text[alone.len()..].strip_prefix(':');
    !alone.is_empty() && text.bytes().all(is_of_a_name) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port != 0)
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte)
}

fn has_port(host: &str) -> bool {
    without_port(host).len() < host.len()
}

/// The host alone; an IPv6 address keeps its brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (!host.contains(':') || host.ends_with(']')) => host,
        _ => authority,
    }
}

/// Lines count from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Where an entry begins.
fn line_of_entry(text: &str, number: usize) -> usize {
    let begins = |line: &&str| line.trim_start().starts_with("[[") && line.contains("host");
    text.lines().enumerate().filter(|(_, line)| begins(line)).nth(number).map_or(1, |(at, _)| at + 1)
}

/// Where the key stands that the problem begins with; else where the entry begins.
fn line_of_problem(text: &str, number: usize, problem: &str) -> usize {
    let begins = line_of_entry(text, number);
    let key = problem.split_once(" = ").map_or("", |(key, _)| key);
    let is_it = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    let entry = text.lines().skip(begins).take_while(|line| !line.trim_start().starts_with("[["));
    entry.enumerate().find(|(_, line)| is_it(line)).map_or(begins, |(at, _)| begins + at + 1)
}

/// Whether a host, with or without a port, is this computer by its name alone: what goes there is on no network, so that a token
/// may go in clear.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost"
        || name == "[::1]"
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const HOSTS: &str = r#"
[[host]]
host = "git.example:8443"
account = "special"

[[host]]
host = "git.example"
account = "cms"
scheme = "Basic"
username = "oauth2"
scope = "read write"

[[host]]
host = "*.cern.example"
account = "https://op.example/"
aud = "x"

[[host]]
host = "[::1]"
account = "six"
"#;

    #[test]
    fn the_first_that_fits_counts() {
        let hosts = HelperHosts::parse(HOSTS).expect("hosts");
        for (authority, account) in [
            ("git.example", Some("cms")),
            ("GIT.example", Some("cms")),
            ("git.example:443", Some("cms")),
            ("git.example:8443", Some("special")),
            ("a.b.cern.example", Some("https://op.example/")),
            ("a.cern.example:99", Some("https://op.example/")),
            ("cern.example", None),
            ("git.example.evil", None),
            ("git.example:99999", None),
            ("git.example:", None),
            ("evil.example/.cern.example", None),
            ("evil.example#.cern.example", None),
            ("evil.example:80@a.cern.example", None),
            ("evil.example\\.cern.example", None),
            ("evil-git.example", None),
            ("[::1]:8443", Some("six")),
            ("[::1]", Some("six")),
            ("", None),
        ] {
            assert_eq!(hosts.find(authority).map(|host| host.account.as_str()), account, "{authority}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, says) in [
            ("x = 1", 1, "unknown field"),
            ("\n[[host]]\nhost = \"a\"\nacount = \"b\"", 4, "acount"),
            ("[[host]]\nhost = \"a\"", 1, "account"),
            ("[[host]]\nhost = \"a\"\naccount = 7", 3, "string"),
            ("[[host]]\nhost = \"a\"\naccount = \"b\"\nscheme = \"Token\"", 4, "Bearer"),
            ("\n[[host]]\nhost = \"https://a/\"\naccount = \"b\"", 3, "no host"),
            ("[[host]]\nhost = \"A\"\naccount = \"b\"", 2, "lower case"),
            ("[[host]]\nhost = \"*\"\naccount = \"b\"", 2, "every host"),
            ("[[host]]\nhost = \"git.example:0\"\naccount = \"b\"", 2, "fits no host"),
            ("[[host]]\nhost = \"a\"\naccount = \"../etc\"", 3, "must not contain '/'"),
            ("host = \"x\"", 1, "begins with [[host]]"),
            ("[[host]]\nhost = \"a\"\naccount = \"\"", 3, "empty"),
            ("[[host]]\nhost = \"a\"\naccount = \"b\"\nusername = \"a:b\"", 1, "RFC 7617"),
            ("[[host]]\nhost = \"a\"\naccount = \"b\"\nid_token = true\naud = \"x\"", 1, "id_token"),
            ("[[host", 1, ""),
        ] {
            match HelperHosts::parse(text) {
                Err(HelpersError::Line(at, problem)) => {
                    assert_eq!(at, line, "{text}: {problem}");
                    assert!(problem.contains(says), "{text}: {problem}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_file_that_others_write_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        assert_eq!(HelperHosts::load(&home).expect("none"), HelperHosts::default());
        let file = directory.path().join(FILE);
        fs_err::write(&file, HOSTS).expect("written");
        for (mode, is_used) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
            fs_err::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a mode");
            let loaded = HelperHosts::load(&home);
            assert_eq!(loaded.is_ok(), is_used, "{mode:o}: {loaded:?}");
        }
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        fs_err::write(&file, "\nx = 1").expect("written");
        let error = HelperHosts::load(&home).expect_err("unknown").to_string();
        assert!(error.contains("helpers.toml, line 2"), "{error}");
        fs_err::write(&file, "#".repeat(300_000)).expect("written");
        assert!(matches!(HelperHosts::load(&home), Err(HelpersError::TooLong(_))));
    }
}
