//! What is known of providers: `providers.toml`, shipped with the agent and overridden by files of the same form.
//!
//! A file that does not fit is left out as a whole, and said to be: an agent serves with what is left.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    metadata::ProviderMetadata,
    pattern::Pattern,
    quirks::{Changes, Quirks},
};

/// The form of the file that is understood.
const VERSION: u32 = 1;
/// The name of an overriding file.
const FILE_NAME: &str = "providers.toml";
/// What the agent brings along.
const SHIPPED: &str = include_str!("providers.toml");
/// How the shipped data are called where a source is named.
const SHIPPED_NAME: &str = "built in";
/// How the issuer data are called there.
const ISSUER_DATA: &str = "issuer.config";
/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// The rows of all sources, later ones win.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderData {
    sources: Vec<Source>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    name: String,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default)]
    provider: Vec<Row>,
}

/// Where it applies, and what it changes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    issuers: Vec<Pattern>,
    #[serde(default)]
    metadata: BTreeMap<Member, Pattern>,
    #[serde(default)]
    quirks: Changes,
}

/// Members of the metadata that tell one implementation from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Member {
    #[serde(rename = "registration_endpoint")]
    Registration,
    #[serde(rename = "scim_endpoint")]
    Scim,
    #[serde(rename = "token_endpoint")]
    Token,
    #[serde(rename = "device_authorization_endpoint")]
    DeviceAuthorization,
    #[serde(rename = "jwks_uri")]
    Keys,
}

/// A file that is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and where.
    pub what: String,
}

/// What a source says of one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// A key of `quirks` in the file.
    pub key: String,
    /// Its value; of a list, what this source adds.
    pub value: Value,
    /// The file and the row.
    pub source: String,
}

impl Default for ProviderData {
    /// What the agent brings along.
    fn default() -> Self {
        let rows = parse(SHIPPED);
        debug_assert!(rows.is_ok(), "the shipped data fit: {rows:?}");
        Self { sources: vec![Source { name: SHIPPED_NAME.to_owned(), rows: rows.unwrap_or_default() }] }
    }
}

impl ProviderData {
    /// What the agent brings along, and the file of each directory that has one. Blocks.
    pub fn read<'a>(directories: impl IntoIterator<Item = &'a Path>) -> (Self, Vec<Problem>) {
        let (mut data, mut problems) = (Self::default(), Vec::new());
        for directory in directories {
            let path = directory.join(FILE_NAME);
            match read_file(&path).and_then(|text| text.map(|text| parse(&text)).transpose()) {
                Ok(Some(rows)) => data.sources.push(Source { name: path.display().to_string(), rows }),
                Ok(None) => {}
                Err(what) => problems.push(Problem { path, what }),
            }
        }
        (data, problems)
    }

    /// How a provider differs.
    pub fn quirks(&self, issuer: &str, metadata: &ProviderMetadata) -> Quirks {
        let mut quirks = Quirks::default();
        for (_, row) in self.rows(issuer, metadata) {
            quirks.apply(&row.quirks);
        }
        quirks
    }

    /// What is said of a provider, and by which row, in the order in which it applies. `more` is what the issuer data
    /// change after that.
    pub fn facts(&self, issuer: &str, metadata: &ProviderMetadata, more: &[Changes]) -> Vec<Fact> {
        let rows = self
            .rows(issuer, metadata)
            .map(|(source, row)| (format!("{}: {}", source.name, row.name), &row.quirks));
        let all = rows.chain(more.iter().map(|changes| (ISSUER_DATA.to_owned(), changes)));
        all.flat_map(|(source, changes)| {
            changes.members().into_iter().map(move |(key, value)| Fact { key, value, source: source.clone() })
        })
        .collect()
    }

    fn rows<'a>(
        &'a self,
        issuer: &'a str,
        metadata: &'a ProviderMetadata,
    ) -> impl Iterator<Item = (&'a Source, &'a Row)> {
        let all = self.sources.iter().flat_map(|source| source.rows.iter().map(move |row| (source, row)));
        all.filter(move |(_, row)| row.applies(issuer, metadata))
    }
}

impl Row {
    fn applies(&self, issuer: &str, metadata: &ProviderMetadata) -> bool {
        let issuer = without_slash(issuer);
        let member = |member: Member| match member {
            Member::Registration => metadata.registration_endpoint.as_deref(),
            Member::Scim => metadata.scim_endpoint.as_deref(),
            Member::Token => metadata.token_endpoint.as_deref(),
            Member::DeviceAuthorization => metadata.device_authorization_endpoint.as_deref(),
            Member::Keys => metadata.jwks_uri.as_deref(),
        };
        self.issuers.iter().any(|pattern| pattern.fits(issuer) || pattern.fits(&format!("{issuer}/")))
            || self
                .metadata
                .iter()
                .any(|(name, pattern)| member(*name).is_some_and(|value| pattern.fits(value)))
    }
}

fn without_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// `None`: there is no such file.
fn read_file(path: &Path) -> Result<Option<String>, String> {
    let file = match crate::regular_file::open(path, MAX_FILE) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    io::read_to_string(io::Read::take(file, MAX_FILE)).map(Some).map_err(|error| error.to_string())
}

/// The rows of a file; the error says where, and what is wrong there.
fn parse(text: &str) -> Result<Vec<Row>, String> {
    // The version first: what else is there may have another form.
    #[derive(Deserialize)]
    struct Version {
        version: Option<u32>,
    }
    match toml::from_str::<Version>(text).map_err(|error| place(text, &error))?.version {
        Some(VERSION) => {}
        Some(other) => {
            return Err(format!("it is of version {other}; this agent reads version {VERSION}"));
        }
        None => return Err(format!("`version = {VERSION}` is missing")),
    }
    let document: Document = toml::from_str(text).map_err(|error| place(text, &error))?;
    if let Some(row) = document.provider.iter().find(|row| row.issuers.is_empty() && row.metadata.is_empty())
    {
        return Err(format!(
            "the row '{}' applies to nothing: it names neither `issuers` nor `metadata`",
            row.name
        ));
    }
    Ok(document.provider)
}

/// Line and key of an error.
fn place(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', "; ");
    let Some(span) = error.span() else { return message };
    let start = span.start.min(text.len());
    let number = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    match line.split_once('=') {
        Some((key, _)) => format!("line {number}, key `{}`: {message}", key.trim()),
        None => format!("line {number}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::quirks::{AudienceStyle, RefreshScope, Registering},
        *,
    };

    fn metadata(json: &str) -> ProviderMetadata {
        ProviderMetadata::parse(json.as_bytes()).expect("metadata")
    }

    fn quirks(issuer: &str, metadata: &ProviderMetadata) -> Quirks {
        ProviderData::default().quirks(issuer, metadata)
    }

    #[test]
    fn what_is_shipped_fits_and_every_row_applies_to_something() {
        let rows = parse(SHIPPED).expect("the shipped file");
        assert!(rows.len() > 10);
        for row in &rows {
            for pattern in &row.issuers {
                let issuer = pattern.to_string().replace('*', "x");
                assert!(row.applies(&issuer, &ProviderMetadata::default()), "{}: {issuer}", row.name);
            }
        }
    }

    #[test]
    fn rows_apply_by_issuer_and_by_metadata() {
        for issuer in ["https://accounts.google.com", "https://accounts.google.com/"] {
            let google = quirks(issuer, &ProviderMetadata::default());
            assert!(google.access_type_offline && !google.offline_access_scope && !google.device_pkce);
            assert_eq!(google.registration, Registering::Closed);
        }
        let iam = metadata(r#"{"registration_endpoint":"https://iam.example/iam/api/client-registration"}"#);
        assert_eq!(quirks("https://iam.example/", &iam).audience, AudienceStyle::Audience);
        let keycloak = metadata(r#"{"token_endpoint":"https://kc/realms/r/protocol/openid-connect/token"}"#);
        assert_eq!(quirks("https://kc/realms/r", &keycloak).refresh_scope, RefreshScope::Omit);
        let django = metadata(r#"{"token_endpoint":"https://lab.example/o/token/"}"#);
        let django = quirks("https://lab.example/o", &django);
        assert!(django.narrows_on_refresh && !django.offline_access_scope);
        let narrows = |json: &str| quirks("https://op.example", &metadata(json)).narrows_on_refresh;
        assert!(narrows(r#"{"jwks_uri":"https://op.example/oauth/jwks.json"}"#));
        assert!(!narrows(
            r#"{"token_endpoint":"https://op.example/token","jwks_uri":"https://op.example/jwks"}"#
        ));
        let plain = quirks("https://op.example", &ProviderMetadata::default());
        assert_eq!(plain.audience, Quirks::default().audience);
        assert!(plain.dead_token_errors.contains(&"invalid_grant".to_owned()));
    }

    #[test]
    fn dead_tokens_are_told_from_refusals_that_pass() {
        let quirks = quirks("https://op.example", &ProviderMetadata::default());
        for (error, description) in [
            ("invalid_grant", "Token is not active"),
            ("invalid_grant", "Offline user session not found"),
            ("invalid_token", "Refresh token for value [redacted] was not found"),
            ("invalid_grant", ""),
            ("bad_refresh_token", "The refresh token passed is incorrect or expired."),
            ("invalid_request", "Refresh token is invalid or has already been claimed by another client."),
            ("invalid_request", "Refresh token expired."),
            ("invalid_request", "Invalid \"refresh_token\" in request."),
            ("server_error", "The refresh token has been revoked"),
            ("token_inactive", "Token is inactive because it is malformed, expired or otherwise invalid."),
        ] {
            assert!(quirks.is_dead_token(error, Some(description)), "{error} {description}");
        }
        for (error, description) in [
            ("invalid_grant", "User has not signed the Acceptable Usage Policy"),
            ("invalid_grant", "Client is suspended"),
            ("invalid_client", "unknown"),
            ("invalid_scope", "no"),
            ("invalid_request", "Missing 'refresh_token' in request."),
            ("invalid_request", "No refresh token is found in request."),
            ("unauthorized_client", "The client may not use refresh tokens"),
        ] {
            assert!(!quirks.is_dead_token(error, Some(description)), "{error} {description}");
        }
    }

    #[test]
    fn a_file_of_ones_own_wins_and_says_where_it_stands() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = "version = 1\n[[provider]]\nname = \"ours\"\nissuers = [\"https://op.example\"]\n\
                    [provider.quirks]\naudience = \"resource\"\nremarks = [\"hello\"]\n";
        fs_err::write(directory.path().join(FILE_NAME), text).expect("written");
        let (data, problems) = ProviderData::read([directory.path()]);
        assert_eq!(problems, []);
        let nothing = ProviderMetadata::default();
        assert_eq!(data.quirks("https://op.example/", &nothing).audience, AudienceStyle::Resource);
        assert_eq!(data.quirks("https://other.example/", &nothing).audience, AudienceStyle::Both);
        let facts = data.facts("https://op.example", &nothing, &[]);
        let audience = facts.iter().rfind(|fact| fact.key == "audience").expect("said");
        assert_eq!(audience.value, "resource");
        assert!(audience.source.ends_with("providers.toml: ours"), "{}", audience.source);
        let (data, _) = ProviderData::read([Path::new("/nonexistent"), Path::new("/dev/null")]);
        assert_eq!(data, ProviderData::default());
    }

    #[test]
    fn a_file_that_does_not_fit_is_left_out_and_says_where() {
        let row = |rest: &str| format!("version = 1\n[[provider]]\nname = \"x\"\nissuers = [\"*\"]\n{rest}");
        for (text, says) in [
            (String::new(), vec!["`version = 1` is missing"]),
            ("version = 2\nnew = {}\n".to_owned(), vec!["version 2", "reads version 1"]),
            ("version = 1\n[[provider]\n".to_owned(), vec!["line 2"]),
            (row("colour = 1\n"), vec!["line 5, key `colour`", "unknown field"]),
            (
                row("[provider.quirks]\naudience = \"loud\"\n"),
                vec!["line 6, key `audience`", "unknown variant `loud`"],
            ),
            (
                row("[provider.quirks]\ndevice_pkce = 3\n"),
                vec!["line 6, key `device_pkce`", "expected a boolean"],
            ),
            (
                row("[provider.quirks]\ndevice_pckeeee = true\n"),
                vec!["line 6, key `device_pckeeee`", "unknown field"],
            ),
            ("version = 1\n[[provider]]\nname = \"idle\"\n".to_owned(), vec!["'idle' applies to nothing"]),
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            fs_err::write(directory.path().join(FILE_NAME), &text).expect("written");
            let (data, problems) = ProviderData::read([directory.path()]);
            assert_eq!(data, ProviderData::default(), "{text}");
            let told = problems.first().expect("a problem").to_string();
            assert!(told.contains(&directory.path().display().to_string()), "{told}");
            assert!(says.iter().all(|said| told.contains(said)), "{text}: {told}");
        }
    }
}
