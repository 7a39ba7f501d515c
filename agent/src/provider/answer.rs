//! Reading what a provider answered: the object asked for, or the error it stands for.

use oidc_proto::json::Object;

use super::{
    error::{OAuthError, ProviderError, ProviderErrorKind},
    http::{Answer, Http},
    text::presentable,
};

impl Answer {
    /// The JSON object of a successful answer.
    ///
    /// `secrets` are what the request held; they are blotted out of error texts.
    pub(crate) fn into_object(self, http: &Http, secrets: &[&str]) -> Result<Object, ProviderError> {
        let answer = self.checked(http, secrets)?;
        Object::parse(&answer.body).map_err(|_| http.error(ProviderErrorKind::BadResponse { what: "JSON" }))
    }

    /// The answer, if it is a success, with or without a body.
    pub(crate) fn checked(self, http: &Http, secrets: &[&str]) -> Result<Self, ProviderError> {
        if !self.status.is_success() {
            return Err(http.error(self.refusal(secrets).unwrap_or_else(|| self.status_error())));
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
        let error = body.text("error")?;
        let description = body.text("error_description");
        let mut refusal = OAuthError::new(self.status.as_u16(), &error, description.as_deref(), secrets);
        refusal.retry_after = self.retry_after;
        Some(ProviderErrorKind::Refused(refusal))
    }

    fn holds(&self, key: &str) -> bool {
        Object::parse(&self.body).is_ok_and(|body| body.contains(key))
    }

    /// What the status alone says.
    pub(crate) fn status_error(&self) -> ProviderErrorKind {
        if self.status.is_redirection() {
            let target = self.location.as_deref().and_then(|to| url::Url::parse(to).ok());
            let to = target.and_then(|to| to.host_str().map(|host| presentable(host, &[])));
            return ProviderErrorKind::Redirect { to };
        }
        ProviderErrorKind::Status { status: self.status.as_u16(), retry_after: self.retry_after }
    }
}
