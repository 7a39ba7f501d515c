//! What the agent knows of the provider that an account is made at. Of one that is away nothing
//! more is asked.

use oidc_proto::{
    account::same_issuer,
    error_code::ErrorCode,
    message::{ProviderQuery, ProviderReport, ProviderRequest, Reply, Request},
};
use serde_json::{Map, Value};

use crate::context::{Context, error::Error};

/// What Enter answers where the agent does not know providers: who somebody is, and a refresh token.
const USUAL: &str = "openid profile offline_access";
/// Gives refresh tokens by a parameter of its own and refuses the scope; said here for agents of the C suite only.
const GOOGLE: &str = "https://accounts.google.com";

/// What is known of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The scopes that it lists, separated by blanks. `None`: it does not say.
    pub supported: Option<String>,
    /// Why it could not be asked for those, where something else than the provider is in the way.
    pub not_listed: Option<String>,
    /// What is asked for where the person does not say, separated by blanks.
    pub default_scopes: String,
    /// It knows the scope `offline_access`.
    pub offline_access_scope: bool,
}

impl Provider {
    /// Asks the agent. A provider that does not list its scopes is no error; one that is not there is.
    pub fn ask(context: &mut Context, query: ProviderQuery) -> Result<Self, Error> {
        // First what says how a provider cannot be reached: the agent has the metadata from there on.
        let (supported, not_listed) = supported(context, query.clone())?;
        let issuer = query.issuer.clone().unwrap_or_default();
        let effective = report(context, query)?.map(|report| report.effective).unwrap_or_default();
        Ok(Self { supported, not_listed, ..Self::from_data(&issuer, &effective) })
    }

    /// From the provider data of the agent; an agent of the C suite has none.
    fn from_data(issuer: &str, effective: &Map<String, Value>) -> Self {
        let default_scopes = effective.get("default_scopes").and_then(Value::as_str).unwrap_or(USUAL);
        let offline_access_scope = effective.get("offline_access_scope").and_then(Value::as_bool);
        Self {
            supported: None,
            not_listed: None,
            default_scopes: default_scopes.to_owned(),
            offline_access_scope: offline_access_scope.unwrap_or_else(|| !same_issuer(issuer, GOOGLE)),
        }
    }
}

/// The scopes that the provider lists, and why they cannot be had.
fn supported(context: &mut Context, query: ProviderQuery) -> Result<(Option<String>, Option<String>), Error> {
    match context.call(&Request::Scopes(query)) {
        Ok(Reply::Success { info: Some(info) }) => {
            let scopes = info.as_str().map(|scopes| scopes.trim().to_owned());
            Ok((scopes.filter(|scopes| !scopes.is_empty()), None))
        }
        Ok(_) => Ok((None, None)),
        Err(error) if error.failure_code().is_some_and(|code| !is_of_the_provider(code)) => {
            Ok((None, Some(error.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// Whether nothing else can be had from this provider either.
fn is_of_the_provider(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ProviderUnreachable
            | ErrorCode::ProviderTimeout
            | ErrorCode::ProviderTls
            | ErrorCode::ProviderBadResponse
            | ErrorCode::ProviderMismatch
    )
}

/// The provider data. `None`: the agent does not know the request.
fn report(context: &mut Context, query: ProviderQuery) -> Result<Option<ProviderReport>, Error> {
    let request = Request::Provider(ProviderRequest { query, ..ProviderRequest::default() });
    match context.call(&request) {
        Ok(Reply::Success { info: Some(info) }) => Ok(ProviderReport::from_info(&info)),
        Ok(_) => Ok(None),
        Err(error) if error.failure_code().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_agents_data_go_before_what_is_known_here() {
        let provider = |issuer, effective: Value| {
            let effective = effective.as_object().expect("an object").clone();
            let provider = Provider::from_data(issuer, &effective);
            (provider.default_scopes, provider.offline_access_scope)
        };
        let google = "https://accounts.google.com/";
        let known = json!({"default_scopes": "openid eduperson", "offline_access_scope": false});
        assert_eq!(provider("https://op", known), ("openid eduperson".to_owned(), false));
        assert_eq!(provider("https://op", json!({})), (USUAL.to_owned(), true));
        assert!(!provider(google, json!({})).1);
        assert!(provider(google, json!({"offline_access_scope": true})).1);
    }
}
