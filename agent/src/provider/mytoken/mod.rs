//! A mytoken server: it keeps the refresh token of a login for a person and gives mytokens for it, which are asked for access
//! tokens in a refresh token's place. What one may be used for (capabilities, restrictions) and whether it is replaced when it
//! is used (rotation) the person decides when it is made.
//!
//! Such a server is a [`Provider`] of its own kind, whose issuer is the account's `mytoken_url`: what holds for every
//! provider (addresses, deadlines, what may be repeated, bounded answers) holds for it. Its endpoints are those of the
//! server's own API, version 0; the C suite 5.x asks the same way.

mod access_token;
mod login;
mod minted;
mod probe;
mod revocation;
mod subtoken;

use std::sync::Arc;

use oidc_proto::{
    account::{AccountConfig, same_issuer},
    json::Object,
};
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

pub use self::{
    access_token::MytokenUse,
    login::MytokenLogin,
    minted::{Minted, Mytoken},
    subtoken::Subtoken,
};
use super::{
    Provider, Providers,
    error::{ProviderError, ProviderErrorKind},
    http::{Content, Repeat, Request},
    metadata::ProviderMetadata,
    providers::is_of_mytoken_server,
    text::presentable,
};

/// Where a mytoken server's metadata are.
const WELL_KNOWN: &str = "/.well-known/mytoken-configuration";
/// How the server begins to say that it has no profile of a name.
const UNKNOWN_PROFILE: &str = "unknown include name";

impl Providers {
    /// Whoever takes an account's secret for access tokens: its mytoken server, or else its OpenID provider.
    pub fn keeper(&self, account: &AccountConfig) -> Result<Arc<Provider>, ProviderError> {
        let Some(url) = &account.mytoken_url else { return self.provider(account) };
        let own_endpoint =
            account.config_endpoint.clone().filter(|address| is_of_mytoken_server(account, address));
        let server = AccountConfig {
            issuer_url: Some(url.clone()),
            config_endpoint: own_endpoint
                .or_else(|| Some(format!("{}{WELL_KNOWN}", url.trim_end_matches('/')))),
            cert_path: account.cert_path.clone(),
            ..AccountConfig::default()
        };
        self.provider(&server)
    }
}

impl Provider {
    /// The OpenID providers whose tokens a mytoken server gives; as it names them.
    pub async fn mytoken_providers(&self, deadline: Instant) -> Result<Vec<Value>, ProviderError> {
        Ok(self.mytoken_metadata(deadline).await?.providers_supported.to_vec())
    }

    /// Its metadata. Fails for what has none, and is no such server.
    async fn mytoken_metadata(&self, deadline: Instant) -> Result<Arc<ProviderMetadata>, ProviderError> {
        self.metadata(deadline).await.map_err(|error| match error.kind() {
            ProviderErrorKind::Status { status: status @ (404 | 410), .. } => {
                let address = self.config_endpoint.as_deref().unwrap_or_default();
                let looked = vec![(presentable(address, &[]), status.to_string())];
                self.http.error(ProviderErrorKind::NoMetadata { looked })
            }
            _ => error,
        })
    }

    /// How a mytoken server spells an issuer, give or take a slash at the end. `None`: it gives no tokens of that one.
    pub async fn mytoken_issuer(
        &self,
        issuer: &str,
        deadline: Instant,
    ) -> Result<Option<String>, ProviderError> {
        let metadata = self.mytoken_metadata(deadline).await?;
        let mut issuers = metadata.providers_supported.iter().filter_map(|one| one.get("issuer")?.as_str());
        Ok(issuers.find(|supported| same_issuer(supported, issuer)).map(str::to_owned))
    }

    /// Sends an object to an endpoint of a mytoken server and reads the one that comes back.
    async fn ask_mytoken_server(
        &self,
        url: &str,
        body: &Object,
        secrets: &[&str],
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Object, ProviderError> {
        let answer = self.http.send(json_request(url, body, repeat), deadline).await?;
        answer.into_object(&self.http, secrets).map_err(|error| {
            self.forget_metadata_after(&error);
            self.told_of_profile(error)
        })
    }

    /// A profile of that name is not on the server: no fault of anybody, and no bug.
    fn told_of_profile(&self, error: ProviderError) -> ProviderError {
        let ProviderErrorKind::Refused(refusal) = error.kind() else { return error };
        let said = refusal.description.as_deref().unwrap_or_default();
        if refusal.error != "invalid_request" || !said.starts_with(UNKNOWN_PROFILE) {
            return error;
        }
        let reason = format!(
            "the server has no such profile ({said}); `--mytoken` takes the name of another one, or a JSON object"
        );
        self.http.error(ProviderErrorKind::Configuration { reason })
    }
}

fn json_request<'a>(url: &'a str, body: &Object, repeat: Repeat) -> Request<'a> {
    let body = std::mem::take(&mut *body.to_json()).into_bytes();
    let content = Some(Content::Json(Zeroizing::new(body)));
    Request { method: Method::POST, url, authorization: None, content, repeat }
}

/// What a mytoken may be used for: the members of a profile object, or those that include the server's profile of a name.
fn profile_members(profile: Option<&Value>) -> Object {
    let members = match profile {
        Some(Value::Object(members)) => Value::Object(members.clone()),
        Some(include @ (Value::String(_) | Value::Array(_))) => serde_json::json!({ "include": include }),
        _ => Value::Object(serde_json::Map::new()),
    };
    let mut members = Object::from_value(members).unwrap_or_default();
    // Not what, but how: a profile decides nothing there.
    for own in ["mytoken", "redirect_uri", "max_token_len", "polling_code"] {
        members.remove(own);
    }
    members
}

/// A refusal that only another mytoken mends.
fn marked_dead(provider: &Provider, error: ProviderError) -> ProviderError {
    let ProviderErrorKind::Refused(refusal) = error.kind() else { return error };
    let said = refusal.description.as_deref().unwrap_or_default();
    let is_dead = match refusal.error.as_str() {
        "invalid_token" => true,
        // So does a server that does not know the grant answer, which is no fault of the token.
        "invalid_grant" => !said.starts_with("Unsupported"),
        // The OpenID provider's own words: the login there has ended.
        "oidc_error" => ["invalid_grant", "invalid_token"].iter().any(|code| said.starts_with(code)),
        _ => false,
    };
    if !is_dead || refusal.status >= 500 {
        return error;
    }
    provider.http.error(ProviderErrorKind::LoginNeeded(refusal.clone()))
}

#[cfg(test)]
mod tests;
