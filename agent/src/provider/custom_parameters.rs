//! `custom_parameters.config` of the C suite (5.2): what a site adds to requests, by issuer or account and by the kind of
//! request.
//!
//! A JSON array of objects in the oidc-agent directory and in the system's; read again when it has changed. A value is
//! looked up at each request: `$NAME` in the agent's environment, a path's first line, else as it stands.

use std::{io::Read, path::Path};

use oidc_proto::json::Object;

use super::provider_data::Problem;
use crate::regular_file;

/// The name of the files.
pub(crate) const FILE_NAME: &str = "custom_parameters.config";
/// The longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;
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
pub(crate) enum RequestKind {
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
    pub(crate) fn of_grant(grant_type: &str) -> Option<Self> {
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

/// The additions of all files, the person's first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomParameters(Vec<Vec<Entry>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) parameter: String,
    pub(crate) value: String,
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
    pub(crate) fn matching(&self, issuer: &str, account: Option<&str>, kind: RequestKind) -> Vec<&Entry> {
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

    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Self {
        Self(vec![parse(text.as_bytes(), &mut |what| panic!("{what}"))])
    }
}

fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut tell = |what: String| problems.push(Problem { path: path.to_owned(), what });
    let mut bytes = Vec::new();
    let read = match fs_err::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        _ => regular_file::open(path, LONGEST).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) => parse(&bytes, &mut tell),
        Err(error) => {
            tell(error.to_string());
            Vec::new()
        }
    }
}

/// The entries that can be used; `tell` hears of the others.
fn parse(bytes: &[u8], tell: &mut dyn FnMut(String)) -> Vec<Entry> {
    if bytes.trim_ascii().is_empty() {
        return Vec::new();
    }
    let Ok(serde_json::Value::Array(items)) = serde_json::from_slice(bytes) else {
        tell("it is no JSON array".to_owned());
        return Vec::new();
    };
    let mut entries = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        match Object::from_value(item)
            .ok_or_else(|| "it is no JSON object".to_owned())
            .and_then(|item| entry(&item))
        {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => {}
            Err(what) => tell(format!("entry {}: {what}", at + 1)),
        }
    }
    entries
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
        let parameters = CustomParameters::parse(
            r#"[{"parameter":"a","value":"1","for_issuer":["https://op.example"],"request":["refresh","auth-url"]},
                {"parameter":"b","value":"2","for_account":["one"],"request":["refresh"]},
                {"parameter":"c","value":"3","for_issuer":["https://other.example"],"request":["refresh"]},
                {"parameter":"d","value":"4","for_account":["one"],"request":["registration"]}]"#,
        );
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
        let mut told = Vec::new();
        let text = r#"[{"parameter":"a","value":"1","for_account":["one"]}, 5,
            {"parameter":"a","value":"1","request":["refresh"]},
            {"parameter":"a","value":"1","for_account":["one"],"request":["refersh"]},
            {"parameter":"client_id","value":"1","for_account":["one"],"request":["refresh"]},
            {"value":"1","for_account":["one"],"request":["refresh"]},
            {"parameter":"good","value":"1","for_account":["one"],"request":["refresh"]}]"#;
        let entries = parse(text.as_bytes(), &mut |what| told.push(what));
        assert_eq!(entries.len(), 1);
        for (told, expected) in
            told.iter().zip(["request", "object", "for_account", "refersh", "client_id", "parameter"])
        {
            assert!(told.contains(expected), "{told}");
        }
        assert_eq!(told.len(), 6);
        parse(b"{}", &mut |what| told.push(what));
        assert!(told[6].contains("array"));
    }
}
