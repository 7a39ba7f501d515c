//! Whether a client's assertion proves who it is (RFC 7523 section 3, OpenID Connect Core section 9).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use serde_json::Value;

use super::{
    quirks::AssertionAudience,
    state::{State, now},
};

/// RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds that an assertion may be good for.
const LONGEST: u64 = 300;
/// Seconds by which the client's clock may be ahead.
const TOLERANCE: u64 = 5;
/// The algorithms that are taken.
pub(super) const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// The client that an assertion is of, or why it proves nothing.
pub(super) fn check(state: &mut State, kind: Option<&str>, assertion: &str) -> Result<String, &'static str> {
    if kind != Some(JWT_BEARER) {
        return Err("client_assertion_type is missing or another one");
    }
    let mut parts = assertion.rsplitn(2, '.');
    let (Some(signature), Some(signed)) = (parts.next(), parts.next()) else { return Err("it is no JWT") };
    let (header, claims) = signed.split_once('.').ok_or("it is no JWT")?;
    let signature = decode(signature)?;
    let (header, claims) = (object(header)?, object(claims)?);
    let client_id = claims["sub"].as_str().ok_or("it has no sub")?.to_owned();
    if claims["iss"].as_str() != Some(&client_id) {
        return Err("iss is not sub");
    }
    let client = state.clients.get(&client_id).ok_or("there is no such client")?;
    let by_certificate = state.quirks.knows_keys_by_certificate;
    let keys = client.metadata.get("jwks").and_then(|jwks| jwks["keys"].as_array());
    let fits = |key: &&Value| match header["kid"].as_str() {
        Some(id) => !by_certificate && key["kid"].as_str() == Some(id),
        None => true,
    };
    let key = keys.into_iter().flatten().find(fits).ok_or("the client has no such key")?;
    if !is_signed(key, header["alg"].as_str().unwrap_or_default(), signed.as_bytes(), &signature) {
        return Err("the signature is wrong");
    }
    let token_endpoint = state.url(super::Endpoint::Token.path());
    let audience = claims["aud"].as_str().ok_or("aud is no text")?;
    let is_for_us = match state.quirks.assertion_audience {
        AssertionAudience::Either => audience == state.issuer() || audience == token_endpoint,
        AssertionAudience::Issuer => audience == state.issuer(),
        AssertionAudience::TokenEndpoint => audience == token_endpoint,
    };
    if !is_for_us {
        return Err("it is for another audience");
    }
    let now = now().saturating_add_signed(state.quirks.clock_ahead);
    let time = |name: &str| claims[name].as_u64();
    let expires_at = time("exp").ok_or("it has no exp")?;
    if expires_at <= now || expires_at > now + LONGEST + TOLERANCE {
        return Err("it has expired, or lasts for too long");
    }
    if time("iat").is_none_or(|issued_at| issued_at > now + TOLERANCE) {
        return Err("it was issued in the future");
    }
    let id = claims["jti"].as_str().ok_or("it has no jti")?;
    if !state.assertions.insert(format!("{client_id} {id}")) {
        state.violated("a client assertion was used twice (RFC 7523 section 3)");
        return Err("it was used before");
    }
    Ok(client_id)
}

fn is_signed(key: &Value, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
    let number = |name: &str| decode(key[name].as_str().unwrap_or_default()).unwrap_or_default();
    let point = || [vec![4], number("x"), number("y")].concat();
    let by = |with: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
        UnparsedPublicKey::new(with, key).verify(message, signature).is_ok()
    };
    let by_rsa = |with| {
        PublicKeyComponents { n: number("n"), e: number("e") }.verify(with, message, signature).is_ok()
    };
    match (key["kty"].as_str(), key["crv"].as_str(), algorithm) {
        (Some("EC"), Some("P-256"), "ES256") => by(&ECDSA_P256_SHA256_FIXED, point()),
        (Some("EC"), Some("P-384"), "ES384") => by(&ECDSA_P384_SHA384_FIXED, point()),
        (Some("OKP"), Some("Ed25519"), "EdDSA") => by(&ED25519, number("x")),
        (Some("RSA"), _, "RS256") => by_rsa(&RSA_PKCS1_2048_8192_SHA256),
        (Some("RSA"), _, "PS256") => by_rsa(&RSA_PSS_2048_8192_SHA256),
        _ => false,
    }
}

fn object(part: &str) -> Result<Value, &'static str> {
    serde_json::from_slice(&decode(part)?).map_err(|_| "a part of it is no JSON")
}

fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of it is no base64url")
}
