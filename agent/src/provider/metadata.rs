//! What a provider says about itself (OpenID Connect Discovery section 3, RFC 8414 section 2).

use oidc_proto::json::{JsonError, Object};
use serde_json::Value;

/// Provider metadata, as far as the agent uses it.
///
/// Reading is lenient: a member that is missing or of the wrong type counts as absent. What is absent matters only
/// to whoever needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the registered names; those specifications define them")]
pub struct ProviderMetadata {
    /// As the provider spells it; empty when it names none.
    pub issuer: Box<str>,
    pub authorization_endpoint: Option<Box<str>>,
    pub token_endpoint: Option<Box<str>>,
    pub registration_endpoint: Option<Box<str>>,
    pub revocation_endpoint: Option<Box<str>>,
    /// RFC 8628 section 4.
    pub device_authorization_endpoint: Option<Box<str>>,
    pub userinfo_endpoint: Option<Box<str>>,
    /// RFC 7662 by way of RFC 8414.
    pub introspection_endpoint: Option<Box<str>>,
    pub jwks_uri: Option<Box<str>>,
    /// INDIGO IAM's own.
    pub scim_endpoint: Option<Box<str>>,
    /// Not the scopes that may be asked for: providers list only the unrestricted ones.
    pub scopes_supported: Box<[Box<str>]>,
    pub grant_types_supported: Box<[Box<str>]>,
    pub response_types_supported: Box<[Box<str>]>,
    pub token_endpoint_auth_methods_supported: Box<[Box<str>]>,
    pub token_endpoint_auth_signing_alg_values_supported: Box<[Box<str>]>,
    pub id_token_signing_alg_values_supported: Box<[Box<str>]>,
    /// RFC 7636 section 6.2.1 by way of RFC 8414.
    pub code_challenge_methods_supported: Box<[Box<str>]>,
    /// A mytoken server's: where mytokens are got.
    pub mytoken_endpoint: Option<Box<str>>,
    /// A mytoken server's: the OpenID providers whose tokens it gives, as objects with `issuer`, `scopes_supported` and more.
    pub providers_supported: Box<[Value]>,
    /// RFC 9207 section 3.
    pub authorization_response_iss_parameter_supported: bool,
}

impl ProviderMetadata {
    /// Reads a metadata document.
    pub fn parse(document: &[u8]) -> Result<Self, JsonError> {
        let document = Object::parse(document)?;
        let text =
            |key: &str| document.members().get(key)?.as_str().filter(|text| !text.is_empty()).map(Box::from);
        let list = |key: &str| document.strings(key).into_iter().map(Box::from).collect();
        Ok(Self {
            issuer: text("issuer").unwrap_or_default(),
            authorization_endpoint: text("authorization_endpoint"),
            // Earlier mytoken servers have only their own name for it.
            token_endpoint: text("token_endpoint").or_else(|| text("access_token_endpoint")),
            registration_endpoint: text("registration_endpoint"),
            revocation_endpoint: text("revocation_endpoint"),
            device_authorization_endpoint: text("device_authorization_endpoint"),
            userinfo_endpoint: text("userinfo_endpoint"),
            introspection_endpoint: text("introspection_endpoint"),
            jwks_uri: text("jwks_uri"),
            scim_endpoint: text("scim_endpoint"),
            scopes_supported: list("scopes_supported"),
            grant_types_supported: list("grant_types_supported"),
            response_types_supported: list("response_types_supported"),
            token_endpoint_auth_methods_supported: list("token_endpoint_auth_methods_supported"),
            token_endpoint_auth_signing_alg_values_supported: list(
                "token_endpoint_auth_signing_alg_values_supported",
            ),
            id_token_signing_alg_values_supported: list("id_token_signing_alg_values_supported"),
            code_challenge_methods_supported: list("code_challenge_methods_supported"),
            mytoken_endpoint: text("mytoken_endpoint"),
            providers_supported: document
                .members()
                .get("providers_supported")
                .and_then(Value::as_array)
                .map_or_else(Box::default, |providers| providers.as_slice().into()),
            authorization_response_iss_parameter_supported: document
                .flag("authorization_response_iss_parameter_supported"),
        })
    }
}

/// Whether a list of the metadata has that entry.
pub(crate) fn lists(list: &[Box<str>], entry: &str) -> bool {
    list.iter().any(|listed| **listed == *entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_and_missing_members_are_absent() {
        let metadata = ProviderMetadata::parse(
            br#"{"issuer":"https://op","token_endpoint":7,"jwks_uri":null,"registration_endpoint":"",
                "scopes_supported":"openid","grant_types_supported":["a",1,null,"b"],"extra":{"deep":[1]},
                "issuer":"https://other"}"#,
        )
        .expect("metadata");
        assert_eq!(&*metadata.issuer, "https://op");
        assert_eq!(
            (metadata.token_endpoint, metadata.jwks_uri, metadata.registration_endpoint),
            (None, None, None)
        );
        assert_eq!(&*metadata.scopes_supported, ["openid".into()]);
        assert_eq!(&*metadata.grant_types_supported, ["a".into(), "b".into()]);
        assert!(!metadata.authorization_response_iss_parameter_supported);
    }

    #[test]
    fn only_an_object_is_metadata() {
        assert_eq!(ProviderMetadata::parse(b"<html>"), Err(JsonError::Syntax));
        assert_eq!(ProviderMetadata::parse(b"[]"), Err(JsonError::NotAnObject));
        assert_eq!(ProviderMetadata::parse(b"{}"), Ok(ProviderMetadata::default()));
    }
}
