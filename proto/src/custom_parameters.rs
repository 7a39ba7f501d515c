//! `custom_parameters.config` of the C suite (5.2): what a site adds to requests, by issuer or account and by the kind of
//! request.
//!
//! A JSON array of objects in the oidc-agent directory and in the system's; read again when it has changed. A value is
//! looked up at each request: `$NAME` in the agent's environment, a path's first line, else as it stands.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_json::value::RawValue;

use crate::{
    home::{HomeError, private_file},
    json::Object,
};

/// The name of the files.
pub const FILE_NAME: &str = "custom_parameters.config";
/// What a request is made of: a site's addition in its place would break it or lead it elsewhere.
const RESERVED: &[&str] = &[
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "device_code",
    "grant_type",
    "nonce",
    "password",
    "redirect_uri",
    "refresh_token",
    "response_type",
    "state",
    "token",
    "username",
];

/// The kinds of requests, by the names of the C suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// RFC 6749 section 6.
    Refresh,
    /// RFC 6749 section 4.1.1.
    AuthorizationUrl,
    /// RFC 6749 section 4.1.3.
    CodeExchange,
    /// RFC 8628 section 3.1.
    DeviceInit,
    /// RFC 8628 section 3.4.
    DevicePolling,
    /// RFC 7009.
    Revocation,
    /// RFC 6749 section 4.3.
    Password,
}

const KINDS: &[(&str, RequestKind)] = &[
    ("refresh", RequestKind::Refresh),
    ("auth_url", RequestKind::AuthorizationUrl),
    ("code-exchange", RequestKind::CodeExchange),
    ("device-init", RequestKind::DeviceInit),
    ("device-polling", RequestKind::DevicePolling),
    ("revocation", RequestKind::Revocation),
    ("password", RequestKind::Password),
];
/// Documented by the C suite, which does nothing with it; nor do we.
const REGISTRATION: &str = "registration";

impl RequestKind {
    /// Of a token request.
    pub fn of_grant(grant_type: &str) -> Option<Self> {
        Some(match grant_type {
            "refresh_token" => Self::Refresh,
            "authorization_code" => Self::CodeExchange,
            "urn:ietf:params:oauth:grant-type:device_code" => Self::DevicePolling,
            "password" => Self::Password,
            _ => return None,
        })
    }

    /// Of the name in a file; the spellings of the two words differ there.
    fn named(name: &str) -> Option<Self> {
        let name = name.replace('_', "-");
        KINDS.iter().find(|(known, _)| known.replace('_', "-") == name).map(|(_, kind)| *kind)
    }
}

/// What of a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; `None`: the whole file.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.what),
            None => write!(f, "{}: {}", self.path.display(), self.what),
        }
    }
}

/// The additions of all files, the person's first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomParameters(Vec<Vec<Entry>>);

/// One addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The parameter's name.
    pub parameter: String,
    /// As it stands in the file.
    pub value: String,
    issuers: Vec<String>,
    accounts: Vec<String>,
    kinds: Vec<RequestKind>,
}

impl CustomParameters {
    /// Reads the files of these directories, the more important ones first.
    pub fn read<'a>(directories: impl IntoIterator<Item = &'a Path>) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let read = |directory: &Path| read_file(&directory.join(FILE_NAME), &mut problems);
        let files = directories.into_iter().map(read).collect();
        (Self(files), problems)
    }

    /// What is added, without its values: a parameter in an earlier file hides those of its name in later ones.
    pub fn matching(&self, issuer: &str, account: Option<&str>, kind: RequestKind) -> Vec<&Entry> {
        let mut found: Vec<&Entry> = Vec::new();
        for file in &self.0 {
            let applies = |entry: &&Entry| {
                entry.kinds.contains(&kind)
                    && (entry
                        .issuers
                        .iter()
                        .any(|theirs| theirs.trim_end_matches('/') == issuer.trim_end_matches('/'))
                        || account.is_some_and(|account| entry.accounts.iter().any(|name| name == account)))
            };
            let is_new = |entry: &&Entry| !found.iter().any(|other| other.parameter == entry.parameter);
            let more: Vec<_> = file.iter().filter(applies).filter(is_new).collect();
            found.extend(more);
        }
        found
    }

    /// Of one text alone, and what of it cannot be used: the line and the reason.
    pub fn parse(text: &str) -> (Self, Vec<(usize, String)>) {
        let mut problems = Vec::new();
        let entries = parse(text, &mut |line, what| problems.push((line, what)));
        (Self(vec![entries]), problems)
    }
}

fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut tell =
        |line: Option<usize>, what: String| problems.push(Problem { path: path.to_owned(), line, what });
    // People keep such files elsewhere, and link to them.
    let read = fs_err::canonicalize(path).map_err(|error| HomeError::at(path, &error));
    match read.and_then(|path| private_file::read(&path)) {
        Ok(bytes) => {
            if let Ok(text) = std::str::from_utf8(&bytes) {
                return parse(text, &mut |line, what| tell(Some(line), what));
            }
            tell(None, "it is not UTF-8 text".to_owned());
            Vec::new()
        }
        Err(HomeError::NotFound(_)) => Vec::new(),
        Err(error) => {
            tell(None, error.to_string());
            Vec::new()
        }
    }
}

/// The entries that can be used; `tell` hears of the others, with their lines from 1.
fn parse(text: &str, tell: &mut dyn FnMut(usize, String)) -> Vec<Entry> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let items: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(items) => items,
        Err(error) => {
            let what =
                if error.is_data() { "it is no JSON array" } else { "it is not valid JSON from here on" };
            tell(error.line().max(1), what.to_owned());
            return Vec::new();
        }
    };
    let mut entries = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let read = Object::parse(item.get().as_bytes()).map_err(|_| "it is no JSON object".to_owned());
        match read.and_then(|item| entry(&item)) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => {}
            Err(what) => tell(line_of(text, item), format!("entry {}: {what}", at + 1)),
        }
    }
    entries
}

/// Where a value begins that was read out of this very text.
fn line_of(text: &str, item: &RawValue) -> usize {
    let start = item.get().as_ptr().addr() - text.as_ptr().addr();
    text[..start].matches('\n').count() + 1
}

/// `None`: an entry that applies to registrations only.
fn entry(item: &Object) -> Result<Option<Entry>, String> {
    let text = |key: &str| item.string(key).ok_or_else(|| format!("'{key}' is missing"));
    let parameter = text("parameter")?;
    let value = text("value")?;
    if RESERVED.contains(&parameter.as_str()) {
        return Err(format!("'{parameter}' is what the request itself is made of, and is not replaced"));
    }
    let (issuers, accounts) = (item.strings("for_issuer"), item.strings("for_account"));
    if issuers.is_empty() && accounts.is_empty() {
        return Err("neither 'for_issuer' nor 'for_account' says what it is for".to_owned());
    }
    let names = item.strings("request");
    if names.is_empty() {
        return Err("'request' is missing".to_owned());
    }
    let mut kinds = Vec::new();
    for name in names.iter().filter(|name| *name != REGISTRATION) {
        let known: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
        let unknown = || format!("'{name}' is no request; there are {}", known.join(", "));
        kinds.push(RequestKind::named(name).ok_or_else(unknown)?);
    }
    Ok((!kinds.is_empty()).then_some(Entry { parameter, value, issuers, accounts, kinds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://op.example/";

    fn found(parameters: &CustomParameters, account: &str, kind: RequestKind) -> Vec<(String, String)> {
        let found = parameters.matching(ISSUER, Some(account), kind);
        found.iter().map(|entry| (entry.parameter.clone(), entry.value.clone())).collect()
    }

    #[test]
    fn an_entry_applies_by_issuer_or_account_and_kind() {
        let (parameters, problems) = CustomParameters::parse(
            r#"[{"parameter":"a","value":"1","for_issuer":["https://op.example"],"request":["refresh","auth-url"]},
                {"parameter":"b","value":"2","for_account":["one"],"request":["refresh"]},
                {"parameter":"c","value":"3","for_issuer":["https://other.example"],"request":["refresh"]},
                {"parameter":"d","value":"4","for_account":["one"],"request":["registration"]}]"#,
        );
        assert!(problems.is_empty(), "{problems:?}");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found(&parameters, "one", RequestKind::Refresh), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(found(&parameters, "two", RequestKind::Refresh), [pair("a", "1")]);
        assert_eq!(found(&parameters, "one", RequestKind::AuthorizationUrl), [pair("a", "1")]);
        assert_eq!(found(&parameters, "one", RequestKind::Revocation), []);
    }

    #[test]
    fn the_persons_file_hides_parameters_of_the_systems() {
        let (user, system) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let file = |value: &str, more: &str| {
            format!(
                r#"[{{"parameter":"a","value":"{value}","for_account":["one"],"request":["refresh"]}}{more}]"#
            )
        };
        let more = r#",{"parameter":"b","value":"2","for_account":["one"],"request":["refresh"]}"#;
        fs_err::write(user.path().join(FILE_NAME), file("mine", "")).expect("written");
        fs_err::write(system.path().join(FILE_NAME), file("theirs", more)).expect("written");
        let (parameters, problems) = CustomParameters::read([user.path(), system.path()]);
        assert!(problems.is_empty(), "{problems:?}");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found(&parameters, "one", RequestKind::Refresh), [pair("a", "mine"), pair("b", "2")]);
    }

    #[test]
    fn an_entry_that_cannot_be_used_is_told_and_the_others_count() {
        let text = r#"[{"parameter":"a","value":"1","for_account":["one"]}, 5,
            {"parameter":"a","value":"1","request":["refresh"]},
            {"parameter":"a","value":"1","for_account":["one"],"request":["refersh"]},
            {"parameter":"client_id","value":"1","for_account":["one"],"request":["refresh"]},
            {"value":"1","for_account":["one"],"request":["refresh"]},
            {"parameter":"good","value":"1","for_account":["one"],"request":["refresh"]}]"#;
        let (parameters, told) = CustomParameters::parse(text);
        assert_eq!(parameters.matching(ISSUER, Some("one"), RequestKind::Refresh).len(), 1);
        let expected = [
            (1, "request"),
            (1, "object"),
            (2, "for_account"),
            (3, "refersh"),
            (4, "client_id"),
            (5, "parameter"),
        ];
        assert_eq!(told.len(), expected.len());
        for ((line, told), (at, expected)) in told.iter().zip(expected) {
            assert!(*line == at && told.contains(expected), "{line}: {told}");
        }
        for (text, line, what) in
            [("\n{}", 2, "no JSON array"), ("[\n{}\n,]", 3, "not valid JSON"), ("[", 1, "not valid JSON")]
        {
            let (_, told) = CustomParameters::parse(text);
            assert!(told.len() == 1 && told[0].0 == line && told[0].1.contains(what), "{text}: {told:?}");
        }
    }
}
