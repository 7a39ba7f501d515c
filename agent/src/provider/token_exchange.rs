//! Token exchange (RFC 8693): a token of elsewhere for one of this provider.

use oidc_proto::{account::subject_token::token_type, secret::SecretText};
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::Client,
    error::{ProviderError, ProviderErrorKind},
    form::Form,
    http::Repeat,
    token_response::TokenResponse,
};

/// What is exchanged, by which client, and for what.
#[derive(Clone, Copy, Debug)]
pub struct TokenExchange<'a> {
    /// Without an id where the subject token alone is enough.
    pub client: Client<'a>,
    /// The token that is exchanged.
    pub subject_token: &'a SecretText,
    /// Its type, by its whole name.
    pub subject_token_type: &'a str,
    /// What is wanted; absent: an access token, whatever it is called.
    pub requested_token_type: Option<&'a str>,
    /// Separated by blanks.
    pub scope: Option<&'a str>,
    /// Separated by blanks; each goes out as an `audience`.
    pub audience: Option<&'a str>,
    /// Separated by blanks; each goes out as a `resource` (RFC 8707 section 2).
    pub resource: Option<&'a str>,
}

impl Provider {
    /// Exchanges a token. What comes in `access_token` is of the type that was asked for (RFC 8693 section 2.2.1).
    pub async fn token_exchange(
        &self,
        grant: TokenExchange<'_>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let requested = grant.requested_token_type.map(token_type);
        let form = Form::grant("urn:ietf:params:oauth:grant-type:token-exchange")
            .with_secret("subject_token", grant.subject_token.expose())
            .with("subject_token_type", grant.subject_token_type)
            .with_some("requested_token_type", requested.as_deref())
            .with_scope(grant.scope);
        let audience = grant.audience.unwrap_or_default().split_whitespace();
        let form = audience.fold(form, |form, one| form.with("audience", one));
        let resource = grant.resource.unwrap_or_default().split_whitespace();
        let form = resource.fold(form, |form, one| form.with("resource", one));
        let response = self.grant_request(grant.client, form, Repeat::IfUnprocessed, deadline).await?;
        if is_other_type(response.issued_token_type.as_deref(), requested.as_deref()) {
            let what = "a token of the type asked for (issued_token_type)";
            return Err(self.http.error(ProviderErrorKind::BadResponse { what }));
        }
        Ok(response)
    }
}

/// Whether a token is of a type that nobody has asked for. Servers that say nothing are believed, though they have to say
/// it; an access token may be called a JWT as well.
fn is_other_type(issued: Option<&str>, requested: Option<&str>) -> bool {
    let Some(issued) = issued else { return false };
    let is = |name: &str| issued == token_type(name);
    match requested {
        Some(requested) if requested != token_type("access_token") && requested != token_type("jwt") => {
            issued != requested
        }
        _ => !is("access_token") && !is("jwt"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_another_type_is_known() {
        for (issued, requested, other) in [
            (None, None, false),
            (None, Some("id_token"), false),
            (Some("access_token"), None, false),
            (Some("jwt"), None, false),
            (Some("refresh_token"), None, true),
            (Some("access_token"), Some("jwt"), false),
            (Some("id_token"), Some("id_token"), false),
            (Some("access_token"), Some("id_token"), true),
            (Some("saml2"), Some("access_token"), true),
            (Some("urn:example:own"), Some("urn:example:own"), false),
        ] {
            let (whole_issued, whole_requested) = (issued.map(token_type), requested.map(token_type));
            let is = is_other_type(whole_issued.as_deref(), whole_requested.as_deref());
            assert_eq!(is, other, "{issued:?} for {requested:?}");
        }
    }
}
