//! What `grant_type` of an account may say, where that is not `refresh_token`: the names that RFC 7591 section 2 and the
//! grants' own specifications have for them. Nobody logs in for these.

/// The client's own credentials (RFC 6749 section 4.4).
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// A token that is exchanged (RFC 8693 section 2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// A JWT of another issuer (RFC 7523 section 2.1).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A mytoken, which a mytoken server takes in a refresh token's place: what its own specification calls the grant. No
/// account holds it; one whose `mytoken_url` is set is of that kind.
pub const MYTOKEN: &str = "mytoken";

/// What kind of account it makes, in a word: `login`, or what `oidc gen --flow` calls it; the name itself where a later
/// version has written it.
pub fn kind(grant_type: Option<&str>) -> &str {
    match grant_type {
        None | Some("refresh_token") => "login",
        Some(TOKEN_EXCHANGE) => "token_exchange",
        Some(JWT_BEARER) => "jwt_bearer",
        Some(other) => other,
    }
}
