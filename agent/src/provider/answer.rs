//! Reading what a provider answered: the object asked for, or the error it stands for.

use oidc_proto::json::Object;

use super::{
    body,
    error::{OAuthError, ProviderError, ProviderErrorKind},
    http::{Answer, Http},
    text::presentable,
};

/// Where providers put an error that is no OAuth one, when it is an object: Google's own interfaces, and frameworks.
const CODES: [&str; 4] = ["status", "type", "code", "error"];
const DESCRIPTIONS: [&str; 5] = ["message", "error_description", "description", "detail", "title"];

impl Answer {
    /// The JSON object of a successful answer.
    ///
    /// `secrets` are what the request held; they are blotted out of error texts.
    pub(crate) fn into_object(self, http: &Http, secrets: &[&str]) -> Result<Object, ProviderError> {
        let answer = self.checked(http, secrets)?;
        Object::parse(&answer.body).map_err(|_| {
            http.error(ProviderErrorKind::NotJson { found: body::describe(&answer.body, secrets) })
        })
    }

    /// The answer, if it is a success, with or without a body.
    pub(crate) fn checked(self, http: &Http, secrets: &[&str]) -> Result<Self, ProviderError> {
        if !self.status.is_success() {
            return Err(http.error(self.refusal(secrets).unwrap_or_else(|| self.status_error(secrets))));
        }
        match self.refusal(secrets) {
            // An error sent with a success status; a member `error` beside real content is none.
            Some(refusal) if !self.holds("access_token") && !self.holds("client_id") => {
                Err(http.error(refusal))
            }
            _ => Ok(self),
        }
    }

    /// The OAuth error in the body (RFC 6749 section 5.2), if there is one.
    fn refusal(&self, secrets: &[&str]) -> Option<ProviderErrorKind> {
        let body = Object::parse(&self.body).ok()?;
        let (error, description) = match body.string("error") {
            Some(error) => (error, body.string("error_description")),
            None => odd_error(&body)?,
        };
        let mut refusal = OAuthError::new(self.status.as_u16(), &error, description.as_deref(), secrets);
        refusal.retry_after = self.retry_after;
        Some(ProviderErrorKind::Refused(refusal))
    }

    fn holds(&self, key: &str) -> bool {
        Object::parse(&self.body).is_ok_and(|body| body.contains(key))
    }

    /// What the status alone says.
    pub(crate) fn status_error(&self, secrets: &[&str]) -> ProviderErrorKind {
        if self.status.is_redirection() {
            let target = self.location.as_deref().and_then(|to| url::Url::parse(to).ok());
            let to = target.and_then(|to| to.host_str().map(|host| presentable(host, &[])));
            return ProviderErrorKind::Redirect { to };
        }
        ProviderErrorKind::Status {
            status: self.status.as_u16(),
            retry_after: self.retry_after,
            said: body::first_words(&self.body, secrets),
        }
    }
}

/// `error` as an object, or the first item of `errors`: its code and its description.
fn odd_error(body: &Object) -> Option<(String, Option<String>)> {
    let first = || Object::from_value(body.members().get("errors")?.as_array()?.first()?.clone());
    let error = body.object("error").or_else(first)?;
    let text = |keys: &[&str]| keys.iter().find_map(|key| error.string(key));
    let (code, description) = (text(&CODES), text(&DESCRIPTIONS));
    match (code, description) {
        (Some(code), description) => Some((code, description)),
        (None, Some(description)) => Some((description, None)),
        (None, None) => None,
    }
}
