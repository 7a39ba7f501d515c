//! Checking ID tokens (OpenID Connect Core section 3.1.3.7).

use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header, errors::ErrorKind};
use oidc_proto::{account::same_issuer, secret::IdToken};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::{
    Provider,
    error::{ProviderError, ProviderErrorKind},
    jwks::KeySet,
    signature,
};

/// How far the provider's clock may be off.
const LEEWAY_SECONDS: u64 = 60;

/// The claims that were checked, and who it is about.
#[derive(Clone, Debug, Deserialize)]
pub struct IdTokenClaims {
    /// As the provider writes it in tokens, which may differ from its metadata by a slash.
    pub iss: String,
    /// The person; unique at this provider.
    pub sub: String,
    /// Seconds since the epoch.
    pub exp: f64,
    aud: Audiences,
    azp: Option<String>,
    nonce: Option<String>,
}

/// RFC 7519 section 4.1.3.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Provider {
    /// Checks signature and claims of an ID token from the token endpoint. `nonce` is that of the authorization
    /// request; a token that comes with a refresh need not have one (OpenID Connect Core section 12.2).
    ///
    /// A token signed with an unknown key makes the provider's keys be fetched once more.
    pub async fn validate_id_token(
        &self,
        token: &IdToken,
        client_id: &str,
        nonce: Option<&str>,
        deadline: Instant,
    ) -> Result<IdTokenClaims, ProviderError> {
        let refused =
            |reason: &str| self.http.error(ProviderErrorKind::IdToken { reason: reason.to_owned() });
        signature::install();
        let header = decode_header(token.expose()).map_err(|_| refused("it is no signed JWT"))?;
        if !signature::ALGORITHMS.contains(&header.alg) {
            return Err(refused("its signature algorithm is not accepted"));
        }
        let metadata = self.metadata(deadline).await?;
        let kid = header.kid.as_deref();
        let mut claims = verify(token, &*self.keys(deadline).await?, kid, header.alg);
        if claims.is_none() {
            claims = verify(token, &*self.new_keys(deadline).await?, kid, header.alg);
        }
        let claims =
            claims.ok_or_else(|| refused("none of the provider's keys is known to have signed it"))?;
        let claims = claims.map_err(refused)?;
        claims.check(&metadata.issuer, client_id, nonce).map_err(refused)?;
        Ok(claims)
    }
}

/// Checks signature and times. `None`: no key fits, so newer ones may help.
fn verify(
    token: &IdToken,
    keys: &KeySet,
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Option<Result<IdTokenClaims, &'static str>> {
    let mut outcome = None;
    for key in keys.candidates(kid, algorithm) {
        match verify_with(token, key, algorithm) {
            Ok(data) => return Some(Ok(data.claims)),
            Err(error) => match error.kind() {
                ErrorKind::InvalidSignature => outcome = Some(Err("its signature is wrong")),
                ErrorKind::ExpiredSignature => return Some(Err("it has expired")),
                ErrorKind::ImmatureSignature => return Some(Err("it is not valid yet")),
                _ => outcome = Some(Err("its claims are incomplete")),
            },
        }
    }
    // Without a `kid` the right key may just not be there yet.
    if kid.is_none()
        && outcome.as_ref().is_some_and(|tried| tried.as_ref().is_err_and(|why| why.contains("wrong")))
    {
        return None;
    }
    outcome
}

fn verify_with(
    token: &IdToken,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> jsonwebtoken::errors::Result<TokenData<IdTokenClaims>> {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY_SECONDS;
    validation.validate_nbf = true;
    // Issuer and audience are compared below: up to a slash, and together with `azp`.
    validation.validate_aud = false;
    decode(token.expose(), key, &validation)
}

impl IdTokenClaims {
    fn check(&self, issuer: &str, client_id: &str, nonce: Option<&str>) -> Result<(), &'static str> {
        if !same_issuer(&self.iss, issuer) {
            return Err("another issuer made it");
        }
        let audiences = match &self.aud {
            Audiences::One(one) => std::slice::from_ref(one),
            Audiences::Many(many) => many.as_slice(),
        };
        if !audiences.iter().any(|audience| audience == client_id) {
            return Err("it is meant for another client");
        }
        if self.azp.as_deref().is_some_and(|party| party != client_id) {
            return Err("it was issued to another client");
        }
        let nonce_fits = match (nonce, &self.nonce) {
            (Some(expected), Some(found)) => bool::from(expected.as_bytes().ct_eq(found.as_bytes())),
            (Some(_), None) => false,
            (None, _) => true,
        };
        if nonce_fits { Ok(()) } else { Err("its nonce is not the one of this login") }
    }
}
