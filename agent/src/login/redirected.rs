//! What the browser brings back (RFC 6749 section 4.1.2), decoded once: a second decoding would turn an encoded plus
//! into a blank.

use std::borrow::Cow;

use oidc_proto::{
    error_code::ErrorCode,
    message::Failure,
    secret::{AuthorizationCode, SecretText},
};
use url::form_urlencoded;

/// An authorization response.
#[derive(Debug)]
pub struct Redirected {
    /// Says which login it belongs to; whoever knows it can end that login.
    pub state: SecretText,
    /// Who answered (RFC 9207).
    pub iss: Option<String>,
    /// What was answered.
    pub answer: Answer,
}

/// What the provider answered.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// The person agreed.
    Code(AuthorizationCode),
    /// RFC 6749 section 4.1.2.1.
    Error {
        /// `error`.
        error: String,
        /// `error_description`.
        description: Option<String>,
    },
}

/// Why a URL is no authorization response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRedirected {
    /// No `state`.
    #[error("redirected uri did not contain state parameter")]
    NoState,
    /// Neither `code` nor `error`.
    #[error("redirected uri did not contain code parameter")]
    NoCode,
    /// A parameter twice (RFC 6749 section 3.1): one of them was put there by somebody else.
    #[error("redirected uri contains a parameter twice")]
    Repeated,
}

impl Redirected {
    /// Reads the URL that a browser was sent to, as a person or the desktop hands it over.
    ///
    /// `oidc-gen --codeExchange` of the C suite decodes the whole URL before it passes it on, so one without any
    /// percent sign is taken as it stands: a plus in it is a plus.
    pub fn parse_url(url: &SecretText) -> Result<Self, NotRedirected> {
        let url = url.expose().trim();
        let without_fragment = url.split_once('#').map_or(url, |(url, _)| url);
        let query = without_fragment.split_once('?').map_or("", |(_, query)| query);
        if query.contains('%') {
            return Self::parse_query(query);
        }
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self::from_pairs(pairs.map(|(name, value)| (name.into(), value.into())))
    }

    /// Reads the query of such a URL.
    pub fn parse_query(query: &str) -> Result<Self, NotRedirected> {
        Self::from_pairs(form_urlencoded::parse(query.as_bytes()))
    }

    fn from_pairs<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<Self, NotRedirected> {
        let mut parameters = Parameters::default();
        for (name, value) in pairs {
            parameters.take(&name, value.into_owned())?;
        }
        let Parameters { state, iss, code, error, description } = parameters;
        let state = state.filter(|state| !state.is_empty()).ok_or(NotRedirected::NoState)?;
        let answer = match (error, code.filter(|code| !code.is_empty())) {
            (Some(error), _) => Answer::Error { error, description },
            (None, Some(code)) => Answer::Code(AuthorizationCode::new(code)),
            (None, None) => return Err(NotRedirected::NoCode),
        };
        Ok(Self { state: SecretText::new(state), iss, answer })
    }
}

#[derive(Default)]
struct Parameters {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    description: Option<String>,
}

impl Parameters {
    fn take(&mut self, name: &str, value: String) -> Result<(), NotRedirected> {
        let place = match name {
            "state" => &mut self.state,
            "iss" => &mut self.iss,
            "code" => &mut self.code,
            "error" => &mut self.error,
            "error_description" => &mut self.description,
            _ => return Ok(()),
        };
        if place.replace(value).is_some() { Err(NotRedirected::Repeated) } else { Ok(()) }
    }
}

impl From<NotRedirected> for Failure {
    fn from(error: NotRedirected) -> Self {
        Self::new(ErrorCode::BadRequest, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Redirected, NotRedirected> {
        Redirected::parse_url(&SecretText::from(url))
    }

    #[test]
    fn is_decoded_exactly_once() {
        let redirected = parse(
            "http://localhost:4242?code=4%2F0Ab%2Bc%2520d&state=0%3A0x%3A1%3AL3Q&iss=https%3A%2F%2Fop#frag\n",
        )
        .expect("an answer");
        assert_eq!(redirected.answer, Answer::Code("4/0Ab+c%20d".into()));
        assert_eq!(
            (redirected.state.expose(), redirected.iss.as_deref()),
            ("0:0x:1:L3Q", Some("https://op"))
        );
    }

    #[test]
    fn what_is_decoded_already_stays_as_it_is() {
        let redirected = parse("http://localhost:4242?code=4/0Ab+c d=&state=0:0x:1:L3Q").expect("an answer");
        assert_eq!(redirected.answer, Answer::Code("4/0Ab+c d=".into()));
        assert_eq!(redirected.state.expose(), "0:0x:1:L3Q");
    }

    #[test]
    fn an_error_goes_before_a_code() {
        let redirected = parse(
            "edu.kit.data.oidc-agent:/redirect?error=access_denied&error_description=a+b%21&state=s&code=c",
        );
        let error = Answer::Error { error: "access_denied".into(), description: Some("a b!".into()) };
        assert_eq!(redirected.map(|redirected| redirected.answer).ok(), Some(error));
    }

    #[test]
    fn says_what_is_missing() {
        for (url, error) in [
            ("http://localhost:4242", NotRedirected::NoState),
            ("http://localhost:4242?code=c", NotRedirected::NoState),
            ("http://localhost:4242?code=c&state=", NotRedirected::NoState),
            ("http://localhost:4242?state=s", NotRedirected::NoCode),
            ("http://localhost:4242?state=s&code=", NotRedirected::NoCode),
            ("http://localhost:4242?state=s&code=c&state=t", NotRedirected::Repeated),
        ] {
            assert_eq!(parse(url).err(), Some(error), "{url}");
        }
    }

    #[test]
    fn debug_shows_no_code() {
        let redirected = parse("http://localhost:1?code=C0DE&state=s").expect("an answer");
        assert!(!format!("{redirected:?}").contains("C0DE"));
    }
}
