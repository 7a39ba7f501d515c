//! `refused` (ours): a service refused a token, as far as the program that handed it over can tell.

use super::{
    Failure, Target,
    field::{put, put_flag, required},
    token::{may_prompt, put_no_prompt},
};
use crate::{error_code::ErrorCode, json::Object, token::TokenDigest};

/// The longest name of a destination or a process, in bytes.
const MAX_NAME: usize = 1024;

/// `refused`: answered with a token as `access_token` and `id_token` are. Of a token that was refused the agent gets a new one,
/// once in a while; after that it says why the service may refuse it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRequest {
    /// `account` or `issuer`; the account wins.
    pub target: Target,
    /// Whether it is about an ID token.
    pub id_token: bool,
    /// As in [`super::TokenRequest`]: which token it is.
    pub scope: Option<String>,
    /// As in [`super::TokenRequest`].
    pub audience: Option<String>,
    /// More than this many seconds the token that is handed out must be valid: `min_valid_period`.
    pub min_valid: u64,
    /// The service: its address as far as it is known, else the name of the program that talks to it.
    pub destination: String,
    /// What tells that a token was refused.
    pub sign: Sign,
    /// As in [`super::TokenRequest`].
    pub application_hint: Option<String>,
    /// As in [`super::TokenRequest`].
    pub prompt: bool,
}

/// What tells that a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// The service said so of this token: `token_digest`.
    Token(TokenDigest),
    /// The program, as this one process, asks again while the token that it was given is still valid: `process`, its number
    /// and when it was started.
    Process(String),
}

impl RefusedRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let sign = match object.string("token_digest") {
            Some(digest) => Sign::Token(
                digest.parse().map_err(|_| Failure::wrong_field("token_digest", "the digest of a token"))?,
            ),
            None => Sign::Process(name(object, "process")?),
        };
        let min_valid = object.integer("min_valid_period").and_then(|seconds| seconds.try_into().ok());
        Ok(Self {
            target: Target::read(object)?,
            id_token: object.flag("id_token"),
            scope: object.string("scope"),
            audience: object.string("audience"),
            min_valid: min_valid.unwrap_or(0),
            destination: name(object, "destination")?,
            sign,
            application_hint: object.string("application_hint"),
            prompt: may_prompt(object),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        self.target.write(object);
        put_flag(object, "id_token", self.id_token);
        put(object, "scope", self.scope.as_deref());
        put(object, "audience", self.audience.as_deref());
        object.insert("min_valid_period", self.min_valid);
        object.insert("destination", self.destination.as_str());
        match &self.sign {
            Sign::Token(digest) => object.insert("token_digest", digest.as_str()),
            Sign::Process(process) => object.insert("process", process.as_str()),
        }
        put(object, "application_hint", self.application_hint.as_deref());
        put_no_prompt(object, self.prompt);
    }
}

fn name(object: &Object, field: &str) -> Result<String, Failure> {
    let name = required(object, field)?;
    if name.len() <= MAX_NAME {
        return Ok(name);
    }
    Err(Failure::new(
        ErrorCode::BadRequest,
        format!("Bad request. Field '{field}' is longer than {MAX_NAME} bytes."),
    ))
}

#[cfg(test)]
mod tests {
    use super::{super::Request, *};

    #[test]
    fn it_comes_back_as_it_was_sent() {
        for sign in [Sign::Token(TokenDigest::of("t")), Sign::Process("17.4711".into())] {
            for (id_token, prompt) in [(false, true), (true, false)] {
                let request = Request::Refused(RefusedRequest {
                    target: Target::Account("acc".into()),
                    id_token,
                    scope: Some("a b".into()),
                    audience: None,
                    min_valid: 60,
                    destination: "https://git.example".into(),
                    sign: sign.clone(),
                    application_hint: Some("git".into()),
                    prompt,
                });
                assert_eq!(Request::parse(request.to_json().as_bytes()), Ok(request));
            }
        }
    }

    #[test]
    fn what_does_not_tell_enough_is_refused() {
        let long = "x".repeat(MAX_NAME + 1);
        for (fields, names) in [
            (r#""account":"a","destination":"d""#.to_owned(), "process"),
            (r#""account":"a","process":"1""#.to_owned(), "destination"),
            (r#""destination":"d","process":"1""#.to_owned(), "account"),
            (r#""account":"a","destination":"d","token_digest":"x""#.to_owned(), "token_digest"),
            (format!(r#""account":"a","destination":"{long}","process":"1""#), "destination"),
        ] {
            let refused = Request::parse(format!(r#"{{"request":"refused",{fields}}}"#).as_bytes());
            assert!(refused.is_err_and(|failure| failure.error.contains(names)), "{fields}");
        }
    }
}
