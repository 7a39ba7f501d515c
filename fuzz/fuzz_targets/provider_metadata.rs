//! A provider's metadata document: any bytes parse or are refused, and what was understood reads back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oidc_agent::provider::{ProviderMetadata, Quirks};
use serde_json::json;

fuzz_target!(|document: &[u8]| {
    let Ok(metadata) = ProviderMetadata::parse(document) else { return };
    let understood = json!({
        "issuer": metadata.issuer,
        "authorization_endpoint": metadata.authorization_endpoint,
        "token_endpoint": metadata.token_endpoint,
        "registration_endpoint": metadata.registration_endpoint,
        "revocation_endpoint": metadata.revocation_endpoint,
        "device_authorization_endpoint": metadata.device_authorization_endpoint,
        "userinfo_endpoint": metadata.userinfo_endpoint,
        "jwks_uri": metadata.jwks_uri,
        "scim_endpoint": metadata.scim_endpoint,
        "scopes_supported": metadata.scopes_supported,
        "grant_types_supported": metadata.grant_types_supported,
        "response_types_supported": metadata.response_types_supported,
        "token_endpoint_auth_methods_supported": metadata.token_endpoint_auth_methods_supported,
        "code_challenge_methods_supported": metadata.code_challenge_methods_supported,
        "authorization_response_iss_parameter_supported": metadata.authorization_response_iss_parameter_supported,
    });
    let again = ProviderMetadata::parse(understood.to_string().as_bytes()).expect("our own text parses");
    assert_eq!(again, metadata);
    assert_eq!(Quirks::of(&metadata.issuer, &metadata), Quirks::of(&again.issuer, &again));
});
