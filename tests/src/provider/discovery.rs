//! Provider metadata (`OpenID` Connect Discovery 1.0 section 3, RFC 8414 section 2) and keys.

use serde_json::{Value, json};

use super::{
    client_assertion::ALGORITHMS,
    endpoint::Endpoint,
    exchange::{JWT_BEARER, TOKEN_EXCHANGE},
    incoming::Incoming,
    quirks::{
        AuthorizationResponseIss, ClientAuthentication, Keys, MetadataPlace, OfflineAccess, Registration,
    },
    reply::Reply,
    state::State,
    token::DEVICE_CODE,
};

/// The scopes that are announced; others are granted too, as with IAM's restricted ones.
const SCOPES: [&str; 7] =
    ["openid", "profile", "email", "offline_access", "wlcg", "storage.read:/", "storage.modify:/"];

pub(super) fn answer(state: &mut State, incoming: &Incoming) -> Reply {
    if incoming.authorization != super::log::Authorization::None {
        state.violated("credentials sent to the discovery endpoint");
    }
    if incoming.method != "GET" {
        return Reply::empty(405);
    }
    if is_here(state, &incoming.path) {
        Reply::json(200, &metadata(state))
    } else {
        Reply::html(404, "<h1>Not here</h1>")
    }
}

pub(super) fn jwks(state: &State) -> Reply {
    let mut document = state.key.jwks();
    if let Some(keys) = document["keys"].as_array_mut() {
        match state.quirks.keys {
            Keys::Own => {}
            Keys::Nameless => keys.iter_mut().for_each(|key| {
                key.as_object_mut().map(|key| key.remove("kid"));
            }),
            Keys::BehindOddOnes => {
                let odd = [
                    json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "new", "pub": "AA"}),
                    json!({"kty": "OKP", "crv": "X25519", "use": "enc", "x": "AA"}),
                    json!({"kty": 7}),
                    json!("key"),
                ];
                keys.splice(0..0, odd);
            }
            Keys::None => keys.clear(),
            Keys::Other => keys.iter_mut().for_each(|key| key["kid"] = "another".into()),
        }
    }
    Reply::json(200, &document)
}

fn is_here(state: &State, path: &str) -> bool {
    let appended = path.starts_with(&state.base) && path[state.base.len()..].starts_with(".well-known/");
    let oauth = path.contains("/oauth-authorization-server");
    match state.quirks.metadata {
        MetadataPlace::Appended => appended && !oauth,
        MetadataPlace::AppendedOauth => appended && oauth,
        MetadataPlace::Inserted => path.starts_with("/.well-known/") && !oauth,
        MetadataPlace::InsertedOauth => path.starts_with("/.well-known/") && oauth,
        MetadataPlace::Everywhere => true,
        MetadataPlace::Nowhere => false,
    }
}

fn metadata(state: &State) -> Value {
    let quirks = &state.quirks;
    let methods = match quirks.client_authentication {
        ClientAuthentication::Any => {
            json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"])
        }
        ClientAuthentication::BasicOnly => json!(["client_secret_basic", "none"]),
        ClientAuthentication::PostOnly => json!(["client_secret_post", "none"]),
    };
    let mut document = json!({
        "issuer": state.issuer(),
        "authorization_endpoint": state.url(Endpoint::Authorization.path()),
        "token_endpoint": state.url(Endpoint::Token.path()),
        "device_authorization_endpoint": state.url(Endpoint::DeviceAuthorization.path()),
        "jwks_uri": state.url(Endpoint::Jwks.path()),
        "revocation_endpoint": state.url(Endpoint::Revocation.path()),
        "introspection_endpoint": state.url(Endpoint::Introspection.path()),
        "userinfo_endpoint": state.url(Endpoint::Userinfo.path()),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "password", "client_credentials", DEVICE_CODE,
            TOKEN_EXCHANGE, JWT_BEARER,
        ],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [state.key.algorithm()],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
    });
    if quirks.iam {
        document["scim_endpoint"] = state.url("scim").into();
    }
    if quirks.offline_access == OfflineAccess::Unknown {
        document["scopes_supported"] =
            SCOPES.into_iter().filter(|scope| *scope != "offline_access").collect();
    }
    if quirks.registration != Registration::Absent {
        document["registration_endpoint"] = state.url(Endpoint::Registration.path()).into();
    }
    if quirks.authorization_response_iss != AuthorizationResponseIss::Absent {
        document["authorization_response_iss_parameter_supported"] = true.into();
    }
    if let Some(members) = document.as_object_mut() {
        members.retain(|name, _| !quirks.metadata_without.contains(name));
        members.extend(quirks.metadata_with.clone());
    }
    document
}
