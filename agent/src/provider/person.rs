//! What a provider says of the person that an access token is about: its userinfo endpoint (OpenID Connect Core section 5.3),
//! and the person's own SCIM resource (RFC 7644 section 3.11) where the metadata name a `scim_endpoint`, as INDIGO IAM's do.

use oidc_proto::{
    account::same_issuer,
    json::Object,
    jwt::{Claims, Jwt},
    secret::AccessToken,
};
use reqwest::Method;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::bearer,
    error::{ProviderError, ProviderErrorKind, Unsupported},
    http::{Answer, Repeat, Request},
    text::presentable,
};

/// The largest answer that is taken, in bytes: real ones have a few thousand, and both have to fit into one reply.
const MAX_ANSWER: usize = 256 << 10;

impl Provider {
    /// The claims about the person of an account of ours. They are `sub` at least; where they come as a JWT, it is judged as ID tokens are.
    pub async fn userinfo(
        &self,
        token: &AccessToken,
        client_id: &str,
        deadline: Instant,
    ) -> Result<Map<String, Value>, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.userinfo_endpoint.as_deref(), Unsupported::UserInfo)?;
        let answer = self.ask_with(endpoint, token, deadline).await?;
        let refused = |reason: String| self.http.error(ProviderErrorKind::Userinfo { reason });
        let jwt = std::str::from_utf8(&answer.body).ok().and_then(|text| Jwt::parse(text.trim()));
        let claims = match jwt {
            Some(jwt) => {
                check_claims(&jwt.claims, &metadata.issuer, client_id).map_err(refused)?;
                self.check_signature(&jwt, deadline).await.map_err(refused)?;
                jwt.claims.members().clone()
            }
            None => self.object(answer, token)?,
        };
        if claims.get("sub").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(refused("it does not say whom it is about".to_owned()));
        }
        Ok(claims)
    }

    /// The person's SCIM resource; `None` where the metadata name no SCIM endpoint.
    pub async fn scim_me(
        &self,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Option<Map<String, Value>>, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let Some(endpoint) = metadata.scim_endpoint.as_deref() else { return Ok(None) };
        let url = format!("{}/Me", endpoint.trim_end_matches('/'));
        let answer = self.ask_with(&url, token, deadline).await?;
        self.object(answer, token).map(Some)
    }

    /// Asks with an access token (RFC 6750 section 2.1).
    pub(crate) async fn ask_with(
        &self,
        url: &str,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Answer, ProviderError> {
        let request = Request {
            method: Method::GET,
            url,
            authorization: Some(bearer(token.expose())),
            content: None,
            repeat: Repeat::Freely,
        };
        let answer = self.http.send(request, deadline).await?.checked(&self.http, &[token.expose()])?;
        if answer.body.len() > MAX_ANSWER {
            let what = "an answer of at most 256 KiB";
            return Err(self.http.error(ProviderErrorKind::BadResponse { what }));
        }
        Ok(answer)
    }

    /// The JSON object of such an answer.
    pub(crate) fn object(
        &self,
        answer: Answer,
        token: &AccessToken,
    ) -> Result<Map<String, Value>, ProviderError> {
        let object: Object = answer.into_object(&self.http, &[token.expose()])?;
        Ok(object.members().clone())
    }
}

/// OpenID Connect Core section 5.3.2: who made it, and for whom, as far as it says so.
fn check_claims(claims: &Claims, issuer: &str, client_id: &str) -> Result<(), String> {
    if let Some(found) = claims.text("iss").filter(|found| !same_issuer(found, issuer)) {
        return Err(format!("another issuer made it ({})", presentable(found, &[])));
    }
    let audiences = claims.audiences();
    if !audiences.is_empty() && !audiences.contains(&client_id) {
        return Err("it is meant for another client".to_owned());
    }
    Ok(())
}
