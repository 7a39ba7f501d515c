//! The answers of the API.

use serde_json::{Value, json};

use super::{Asked, Place, Shared, tokens::Tokens};

/// Status and body; null for none.
pub(super) type Answer = (u16, Value);

pub(super) fn error(status: u16, error: &str, description: &str) -> Answer {
    (status, json!({"error": error, "error_description": description}))
}

pub(super) fn to(shared: &Shared, tokens: &mut Tokens, path: &str, asked: &Asked) -> Answer {
    match asked.place {
        Place::Metadata => (200, metadata(shared)),
        Place::Mytoken => mytoken(shared, tokens, asked),
        Place::AccessToken => access_token(tokens, asked),
        Place::Revocation => {
            tokens.revoke(asked.text("token"));
            (204, Value::Null)
        }
        Place::Other => error(404, "not_found", path),
    }
}

fn metadata(shared: &Shared) -> Value {
    let at = |path: &str| format!("{}{path}", shared.origin);
    json!({
        "issuer": shared.origin,
        "access_token_endpoint": at("/api/v0/token/access"),
        "token_endpoint": at("/api/v0/token/access"),
        "mytoken_endpoint": at("/api/v0/token/my"),
        "revocation_endpoint": at("/api/v0/token/revoke"),
        "jwks_uri": at("/jwks"),
        "providers_supported": [
            {"issuer": shared.issuer, "name": "Embedded", "scopes_supported": ["openid", "profile", "storage.read:/"]},
        ],
    })
}

fn mytoken(shared: &Shared, tokens: &mut Tokens, asked: &Asked) -> Answer {
    if !matches!(asked.text("include"), "" | "agent" | "web-default") {
        let text = format!("unknown include name: '{}'", asked.text("include"));
        return error(400, "invalid_request", &text);
    }
    match asked.text("grant_type") {
        "oidc_flow" if asked.text("oidc_issuer") != shared.issuer => {
            error(400, "invalid_request", "The provided issuer is not supported")
        }
        "oidc_flow" if asked.text("oidc_flow") != "authorization_code" => {
            error(400, "invalid_grant", "Unsupported oidc_flow")
        }
        "oidc_flow" if asked.text("client_type") != "native" => {
            error(400, "invalid_request", "parameter redirect_uri must be given for client_type=web")
        }
        "oidc_flow" => {
            let code = tokens.begin(&asked.body);
            let consent = format!("{}/c/{code}", shared.origin);
            (200, json!({"consent_uri": consent, "polling_code": code, "expires_in": 300, "interval": 1}))
        }
        "polling_code" => tokens.poll(asked.text("polling_code")),
        "mytoken" => tokens.make_another(&asked.body),
        _ => error(400, "invalid_grant", "Unsupported grant_type"),
    }
}

fn access_token(tokens: &mut Tokens, asked: &Asked) -> Answer {
    let mytoken = [asked.text("mytoken"), asked.text("refresh_token")].concat();
    match asked.text("grant_type") {
        "mytoken" | "refresh_token" => {
            tokens.access_token(&mytoken, asked.text("scope"), asked.text("audience"))
        }
        _ => error(400, "invalid_grant", "Unsupported grant_type"),
    }
}
