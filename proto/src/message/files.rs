//! `files_status`, `files_renew`, `files_wait` and `files_reload` (ours): the managed token files of an agent. Nothing in their
//! replies is secret.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Failure,
    field::{put, required, seconds},
};
use crate::{
    error_code::ErrorCode,
    files::entry::{Event, TokenKind},
    json::Object,
};

/// `files_status`: of all entries, or of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesQuery {
    /// The entry's name; `None` for all.
    pub name: Option<String>,
    /// Those after this one, where an earlier reply had no room for all: [`FilesStatus::more`].
    pub after: Option<String>,
}

/// `files_wait`: until the entry's file is fresh, or something is wrong that waiting does not mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesWaitRequest {
    /// The entry's name.
    pub name: String,
    /// For how many seconds; at most [`FilesWaitRequest::LONGEST`], whoever wants to wait for longer asks again.
    pub timeout: u64,
}

impl FilesWaitRequest {
    /// The longest time that one request waits, in seconds.
    pub const LONGEST: u64 = 120;

    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let timeout = seconds(object, "timeout").unwrap_or(Self::LONGEST).min(Self::LONGEST);
        Ok(Self { name: required(object, "name")?, timeout })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("name", self.name.as_str());
        object.insert("timeout", self.timeout);
    }
}

impl FilesQuery {
    /// Of one entry.
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), after: None }
    }

    pub(super) fn read(object: &Object) -> Self {
        Self { name: object.string("name"), after: object.string("after") }
    }

    pub(super) fn write(&self, object: &mut Object) {
        put(object, "name", self.name.as_deref());
        put(object, "after", self.after.as_deref());
    }
}

/// `info` of `files_status`; of `files_reload` and `files_renew`, where it tells what holds from now on; of `files_wait` with
/// the one entry. Members of later versions are ignored when read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FilesStatus {
    /// The files that the configuration was read from.
    pub sources: Vec<PathBuf>,
    /// When it was read, in seconds since the epoch; `None`: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<u64>,
    /// Why the configuration that is on disk now was not taken: the one before goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<FileProblem>,
    /// What else is to be told of the configuration or of the accounts that it loads.
    pub warnings: Vec<FileProblem>,
    /// How many entries are in which state.
    pub counts: BTreeMap<Condition, usize>,
    /// The entries in the configuration's order.
    pub entries: Vec<FileState>,
    /// There was no room for all: ask again for those after the last one.
    pub more: bool,
}

/// How it stands with an entry, in one word. Where several fit it is the first of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The agent is locked, the account is not loaded, or the person would have to be asked: what is there stays as it is.
    Unmanaged,
    /// The provider does not take the account's refresh token any more: only a login helps.
    LoginNeeded,
    /// The provider refuses this token for good, or gives one that must not be published; nothing is asked before a login or
    /// a reload.
    Refused,
    /// Its token has ended.
    Expired,
    /// Nothing was published yet.
    #[default]
    Waiting,
    /// It is good for less than `min_lifetime`, or what is there is not what was to be written.
    Stale,
    /// It is as promised.
    Fresh,
}

impl Condition {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmanaged => "unmanaged",
            Self::LoginNeeded => "login-needed",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Waiting => "waiting",
            Self::Stale => "stale",
            Self::Fresh => "fresh",
        }
    }
}

/// How it stands with one entry. Times are in seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileState {
    /// The entry's name.
    pub name: String,
    /// The account that gives the token.
    pub account: String,
    /// The scopes that are asked for, those of services included; `None`: those of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The audiences that are asked for, those of services included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Which kind of token.
    pub token: TokenKind,
    /// Where it goes, where that is a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Where it goes, where that is HTCondor: `SERVICE` or `SERVICE_HANDLE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condor: Option<String>,
    /// In one word.
    pub state: Condition,
    /// Since when it is in that state; `None` where nobody has seen it come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When the token that is there was published by this agent, or taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<u64>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The promise, in seconds: [`crate::files::entry::Timing::min_lifetime`], or what this token's life allows.
    pub min_lifetime: u64,
    /// When the token is asked for or written next; `None`: not before something happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<u64>,
    /// It is being asked for or written right now.
    pub busy: bool,
    /// How many tokens were published since the agent took the entry over.
    pub renewals: u64,
    /// How many times in a row no token could be had.
    pub failures: u32,
    /// Why no newer token was had last; `None` once one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<FileProblem>,
    /// Why the token could not be put where it goes; it is kept, and that alone is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_problem: Option<FileProblem>,
    /// What readers should know, for instance that the file is not replaced at once (`not-atomic`).
    pub warnings: Vec<FileProblem>,
    /// What the hook did last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookReport>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileProblem {
    /// For programs: the name of an [`ErrorCode`], of a problem of the configuration or of the gate.
    pub code: String,
    /// What happened and what to do, for the person. May hold a provider's words.
    pub text: String,
    /// When, in seconds since the epoch.
    pub at: u64,
}

/// What a hook did last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookReport {
    /// For which event.
    pub event: Event,
    /// When it began or ended, in seconds since the epoch.
    pub at: u64,
    /// How it went.
    pub outcome: HookOutcome,
    /// What is known beyond that, for instance `exit status 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it is tried again, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<u64>,
    /// How many times in a row it has failed, also while it runs once more; 0 once it succeeded.
    #[serde(default)]
    pub failures: u32,
}

/// How a hook went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookOutcome {
    /// It waits for its turn.
    Waiting,
    /// It runs.
    Running,
    /// It succeeded, or the signal was sent.
    Done,
    /// It failed, could not be started, or there was nobody to signal.
    Failed,
    /// It took too long and was ended.
    TimedOut,
}

impl FilesStatus {
    /// Most entries of one reply.
    pub const MOST: usize = 200;

    /// Reads the `info` of a reply; `None` when it is something else.
    pub fn from_info(info: &Value) -> Option<Self> {
        info.is_object().then(|| Self::deserialize(info).ok()).flatten()
    }

    /// The `info` of a reply.
    pub fn to_info(&self) -> Value {
        serde_json::to_value(self).expect("texts, numbers and keys that are texts serialise")
    }
}

impl FileProblem {
    /// Longest text, in bytes; more is cut off.
    const LONGEST: usize = 500;

    /// Of a failure.
    pub fn of(failure: &Failure, at: u64) -> Self {
        Self::new(failure.code.as_str(), failure.to_string(), at)
    }

    /// With a code of its own.
    pub fn new(code: impl Into<String>, text: impl Into<String>, at: u64) -> Self {
        let mut text = text.into();
        if text.len() > Self::LONGEST {
            let end = (0..=Self::LONGEST).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or_default());
            text.push('…');
        }
        Self { code: code.into(), text, at }
    }

    /// What kind of failure it is; [`ErrorCode::Other`] where the code names none.
    pub fn error_code(&self) -> ErrorCode {
        ErrorCode::parse(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::Request;

    #[test]
    fn requests_come_back_as_they_were() {
        for (text, request) in [
            (r#"{"request":"files_status"}"#, Request::FilesStatus(FilesQuery::default())),
            (
                r#"{"request":"files_status","after":"a"}"#,
                Request::FilesStatus(FilesQuery { name: None, after: Some("a".into()) }),
            ),
            (r#"{"request":"files_renew","name":"a"}"#, Request::FilesRenew { name: Some("a".into()) }),
            (r#"{"request":"files_renew"}"#, Request::FilesRenew { name: None }),
            (r#"{"request":"files_reload"}"#, Request::FilesReload),
            (
                r#"{"request":"files_wait","name":"a","timeout":5}"#,
                Request::FilesWait(FilesWaitRequest { name: "a".into(), timeout: 5 }),
            ),
        ] {
            let read = Request::parse(text.as_bytes()).expect(text);
            assert_eq!(read, request);
            assert_eq!(Request::parse(read.to_json().as_bytes()).expect(text), request);
        }
    }

    #[test]
    fn nobody_waits_for_ever_and_nobody_for_nothing() {
        for (text, timeout) in [
            (r#"{"request":"files_wait","name":"a","timeout":1000000}"#, Some(FilesWaitRequest::LONGEST)),
            (r#"{"request":"files_wait","name":"a","timeout":-1}"#, Some(0)),
            (r#"{"request":"files_wait","name":"a"}"#, Some(FilesWaitRequest::LONGEST)),
            (r#"{"request":"files_wait","timeout":1}"#, None),
        ] {
            let read = match Request::parse(text.as_bytes()) {
                Ok(Request::FilesWait(request)) => Some(request.timeout),
                _ => None,
            };
            assert_eq!(read, timeout, "{text}");
        }
    }

    #[test]
    fn a_status_comes_back_as_it_was() {
        let status = FilesStatus {
            sources: vec!["/home/me/.config/oidc-agent/files.toml".into()],
            loaded_at: Some(1),
            refused: Some(FileProblem::new("bad-value", "no such key", 2)),
            counts: BTreeMap::from([(Condition::Fresh, 3), (Condition::LoginNeeded, 1)]),
            entries: vec![FileState {
                name: "eos".into(),
                account: "cms".into(),
                state: Condition::LoginNeeded,
                expires_at: Some(7),
                hook: Some(HookReport {
                    event: Event::LoginNeeded,
                    at: 3,
                    outcome: HookOutcome::TimedOut,
                    detail: None,
                    retry_at: Some(9),
                    failures: 2,
                }),
                ..FileState::default()
            }],
            ..FilesStatus::default()
        };
        let info = status.to_info();
        assert_eq!(info["counts"], json!({"fresh": 3, "login-needed": 1}));
        assert_eq!(info["entries"][0]["state"], "login-needed");
        assert_eq!(FilesStatus::from_info(&info), Some(status));
        assert_eq!(FilesStatus::from_info(&json!({})), Some(FilesStatus::default()));
        assert_eq!(FilesStatus::from_info(&json!("nothing")), None);
        for state in [
            Condition::Unmanaged,
            Condition::LoginNeeded,
            Condition::Refused,
            Condition::Expired,
            Condition::Waiting,
            Condition::Stale,
            Condition::Fresh,
        ] {
            assert_eq!(serde_json::to_value(state).expect("a text"), state.as_str());
        }
    }

    #[test]
    fn texts_of_others_are_bounded() {
        let text = FileProblem::new("other", "ä".repeat(10_000), 0).text;
        assert!(text.len() <= FileProblem::LONGEST + 4 && text.ends_with('…'), "{}", text.len());
        assert_eq!(FileProblem::of(&Failure::agent_locked(), 5).error_code(), ErrorCode::AgentLocked);
    }
}
