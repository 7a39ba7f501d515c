//! The token that an account of a robot exchanges for its own (RFC 8693 section 2.1 `subject_token`, RFC 7523 section 2.1
//! `assertion`): where it is to be had each time that one is needed. It is never stored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the names of token types begin with (RFC 8693 section 3).
const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:";
/// What has a short name: RFC 8693 section 3 and RFC 9068's plain JWT.
const SHORT_NAMES: [&str; 6] = ["access_token", "refresh_token", "id_token", "saml1", "saml2", "jwt"];

/// `subject_token` of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectToken {
    /// Where it comes from.
    #[serde(flatten)]
    pub source: SubjectSource,
    /// `subject_token_type` (RFC 8693 section 2.1); absent: what is usual for the source.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub token_type: Option<String>,
}

/// Where a subject token comes from: one of these members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectSource {
    /// Another account of the same agent: its access token.
    Account(String),
    /// A file, by its absolute path: it holds the token, or JSON with the token in it.
    File(String),
    /// A variable of the agent's environment.
    Variable(String),
    /// A program by its absolute path, and its arguments. No shell is in between.
    Command(Vec<String>),
    /// An address that answers with the token, or JSON with the token in it.
    Url(SubjectUrl),
}

/// An address that gives subject tokens to whoever brings a bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectUrl {
    /// The address: `https`, or `http` on this machine.
    pub address: Place,
    /// What authorizes the request (RFC 6750 section 2.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bearer: Option<Place>,
    /// For whom the token is to be: added to the address as `audience`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audience: Option<String>,
}

/// A text, or where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The text itself. Never a secret.
    Text(String),
    /// A variable of the agent's environment.
    Variable(String),
    /// A file, by its absolute path.
    File(String),
}

impl SubjectToken {
    /// `subject_token_type`, as it is sent.
    pub fn token_type(&self) -> String {
        let usual = match self.source {
            SubjectSource::Account(_) => "access_token",
            _ => "jwt",
        };
        token_type(self.token_type.as_deref().unwrap_or(usual))
    }

    /// The account that it comes from, if it comes from one.
    pub fn account(&self) -> Option<&str> {
        match &self.source {
            SubjectSource::Account(name) => Some(name),
            _ => None,
        }
    }
}

/// The whole name of a token type, which may be given by its last word.
pub fn token_type(name: &str) -> String {
    if SHORT_NAMES.contains(&name) { [TOKEN_TYPE, name].concat() } else { name.to_owned() }
}

/// How error texts call it.
impl fmt::Display for SubjectSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) => write!(f, "account '{name}'"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Command(words) => {
                write!(f, "command {}", words.first().map(String::as_str).unwrap_or_default())
            }
            Self::Url(url) => match &url.address {
                // What follows may be anything.
                Place::Text(address) => {
                    write!(f, "address {}", address.split(['?', '#']).next().unwrap_or_default())
                }
                Place::Variable(name) => write!(f, "address in the variable {name}"),
                Place::File(path) => write!(f, "address in the file {path}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_comes_back_from_its_json() {
        for (json, shown, token_type) in [
            (r#"{"account":"other"}"#, "account 'other'", "access_token"),
            (r#"{"file":"/run/token","type":"id_token"}"#, "file /run/token", "id_token"),
            (r#"{"variable":"CI_TOKEN"}"#, "variable CI_TOKEN", "jwt"),
            (r#"{"command":["/bin/x","-a"]}"#, "command /bin/x", "jwt"),
            (
                r#"{"url":{"address":{"text":"https://a/b?c=d"},"bearer":{"file":"/t"},"audience":"x"}}"#,
                "address https://a/b",
                "jwt",
            ),
            (r#"{"url":{"address":{"variable":"URL"}}}"#, "address in the variable URL", "jwt"),
        ] {
            let subject: SubjectToken = serde_json::from_str(json).expect("a subject token");
            assert_eq!(serde_json::to_string(&subject).expect("JSON"), json);
            assert_eq!(subject.source.to_string(), shown);
            assert_eq!(subject.token_type(), format!("{TOKEN_TYPE}{token_type}"));
        }
        for json in [r"{}", r#"{"shell":"x"}"#, r#"{"command":"x"}"#] {
            assert!(serde_json::from_str::<SubjectToken>(json).is_err(), "{json}");
        }
    }
}
