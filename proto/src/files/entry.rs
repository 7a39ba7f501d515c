//! One thing that is kept fresh, as agent and client understand it: every default filled in, every path expanded, nothing
//! left of the syntax in which it was written.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{destination::Wish, private_file::Target, shortname::Shortname};

/// One managed token: which one, where it goes, when it is renewed, and what happens besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What people call it; one of a kind within a configuration.
    pub name: String,
    /// Which token.
    pub token: WantedToken,
    /// Where it goes.
    pub sink: Sink,
    /// When it is renewed.
    pub timing: Timing,
    /// What a token must hold to be published.
    pub require: Require,
    /// What becomes of a file whose token has expired.
    pub on_expiry: OnExpiry,
    /// What is run or signalled when something happens to it.
    pub hook: Option<Hook>,
}

/// Which token. Entries with equal ones share one request at the provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WantedToken {
    /// The account that gives it.
    pub account: Shortname,
    /// Scopes, separated by blanks, sorted; `None` for those of the account.
    pub scope: Option<String>,
    /// Audiences, separated by blanks, sorted; `None` for the provider's default.
    pub audience: Option<String>,
    /// Which kind.
    pub kind: TokenKind,
    /// Services from which further scopes and audiences are derived, with what is to be done there. Whoever asks for the token
    /// derives them, with the rules of the account's issuer.
    pub services: Vec<Service>,
}

/// `for`: a service, and what is to be done there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Service {
    /// Its address, or that of a file there.
    pub url: String,
    /// What is to be done there.
    pub operations: Vec<Wish>,
}

/// Access or ID token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// An access token (RFC 6749 section 1.4).
    #[default]
    Access,
    /// An ID token (OpenID Connect Core section 2).
    Id,
}

/// Where a token goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sink {
    /// Into a file.
    File(FileSink),
    /// To HTCondor's credd: `condor_store_cred add-oauth -s SERVICE [-H HANDLE] -i - -P`.
    Condor(CondorSink),
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSink {
    /// An absolute path.
    pub path: PathBuf,
    /// What the file looks like.
    pub format: Format,
    /// Whether a newline ends it.
    pub newline: bool,
    /// Permission bits, at most `0o777`.
    pub mode: u32,
    /// The numeric group that the file gets, if another than the agent's own.
    pub group: Option<u32>,
    /// Whether directories that are missing are made (`0700`).
    pub create_dirs: bool,
    /// How it is written.
    pub write: Write,
    /// What else the format needs, such as the host of a netrc line.
    pub host: Option<String>,
    /// The programs that read it, by their names in `readers.json`: a token that one of them refuses is told.
    #[serde(default)]
    pub readers: Vec<String>,
}

impl FileSink {
    /// How it is written.
    pub fn target(&self) -> Target<'_> {
        Target {
            path: &self.path,
            mode: self.mode,
            group: self.group,
            create_directories: self.create_dirs,
            in_place: self.write == Write::InPlace,
            outside: None,
        }
    }
}

/// What a file with a token looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The token alone.
    #[default]
    Raw,
    /// `{"access_token":…,"token_type":"bearer","expires_in":…,"expires_at":…,"scope":…}`, HTCondor's `.use`.
    Json,
    /// `oauth2:TOKEN:ISSUER_HOST`, as EOS reads it.
    Oauth2,
    /// `Authorization: Bearer TOKEN`, for `curl -H @FILE`.
    Header,
    /// `machine HOST login oauth2 password TOKEN`.
    Netrc,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Json, Self::Oauth2, Self::Header, Self::Netrc];

    /// The name in `files.toml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Json => "json",
            Self::Oauth2 => "oauth2",
            Self::Header => "header",
            Self::Netrc => "netrc",
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Write {
    /// Temporary file and rename: a reader sees the old token or the new one.
    #[default]
    Rename,
    /// Over what is there, for files that are mount points of their own: a reader may see half of it.
    InPlace,
}

/// HTCondor's credd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondorSink {
    /// `-s`.
    pub service: String,
    /// `-H`.
    pub handle: Option<String>,
    /// The absolute path of `condor_store_cred`; `None`: it is looked for ([`crate::files::condor::find`]).
    #[serde(default)]
    pub program: Option<PathBuf>,
    /// `CONDOR_CONFIG` for that program; `None`: that of the process that runs it.
    #[serde(default)]
    pub condor_config: Option<String>,
}

/// When a token is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The promise to readers: while the provider answers, what they find is good for this long.
    pub min_lifetime: Duration,
    /// How long before its end a token is renewed.
    pub renew_before: Span,
    /// By how much of its life, in percent, renewals are spread out.
    pub jitter: u8,
    /// The first pause after a failure.
    pub min_backoff: Duration,
    /// The longest one.
    pub max_backoff: Duration,
}

/// A length of time, or a part of a token's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// So long.
    Fixed(Duration),
    /// So many percent of the token's life, 1 to 90.
    Percent(u8),
}

/// What a token must hold to be published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// The audiences and the scopes that were asked for, as far as the token or the provider's answer tells.
    #[default]
    AudScope,
    /// The audiences.
    Aud,
    /// Nothing: what is missing is only told.
    Warn,
}

/// What becomes of a file whose token has expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// It is removed: no reader takes an expired token for a good one.
    #[default]
    Remove,
    /// It stays.
    Keep,
}

/// What is run or signalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// On which events.
    pub on: Vec<Event>,
    /// How others are told.
    pub action: Action,
    /// After which a program is ended.
    pub timeout: Duration,
}

/// How others are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A program with its arguments, without a shell.
    Run(Vec<String>),
    /// A signal to the process whose number a file holds.
    Signal {
        /// That file.
        pid_file: PathBuf,
        /// The signal's number.
        signal: i32,
    },
}

/// What may happen to a managed token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It was published where nothing was.
    Created,
    /// A newer one replaced it.
    Renewed,
    /// It ended and there was no newer one.
    Expired,
    /// Only a login brings another one.
    LoginNeeded,
}
