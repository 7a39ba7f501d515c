//! The private key by which a client proves who it is (`private_key_jwt`, OpenID Connect Core section 9): read, made, shown
//! in public, and signed with.
//!
//! What is kept is the text as it was given, PEM or JWK. Signatures are ring's, PEM is read by `rustls-pki-types`.

use base64::{Engine, engine::general_purpose::STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::SystemRandom,
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// Longest text of a key, in bytes: an RSA key of 8192 bits takes 7 KiB as a JWK.
pub const MAX_LENGTH: usize = 32 * 1024;

/// A private key that was read.
pub struct ClientKey {
    pair: Pair,
    /// `kid` and `alg` that a JWK brings along.
    own_id: Option<String>,
    own_algorithm: Option<String>,
}

enum Pair {
    Ec(EcdsaKeyPair, &'static Curve),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A curve that ring signs on.
struct Curve {
    /// RFC 7518 section 6.2.1.1.
    name: &'static str,
    /// RFC 7518 section 3.4.
    algorithm: &'static str,
    signing: &'static ring::signature::EcdsaSigningAlgorithm,
    /// Bytes of a coordinate.
    length: usize,
    /// Its object identifier (RFC 5480 section 2.1.1.1) in DER.
    identifier: &'static [u8],
}

static P256: Curve = Curve {
    name: "P-256",
    algorithm: "ES256",
    signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
    length: 32,
    identifier: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
};
static P384: Curve = Curve {
    name: "P-384",
    algorithm: "ES384",
    signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
    length: 48,
    identifier: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
};

/// What RSA keys sign with (RFC 7518 sections 3.3 and 3.5), the likeliest to be taken first.
static RSA: [(&str, &dyn RsaEncoding); 6] = [
    ("RS256", &RSA_PKCS1_SHA256),
    ("PS256", &RSA_PSS_SHA256),
    ("RS384", &RSA_PKCS1_SHA384),
    ("PS384", &RSA_PSS_SHA384),
    ("RS512", &RSA_PKCS1_SHA512),
    ("PS512", &RSA_PSS_SHA512),
];

/// Why a text is no key that can be used. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientKeyError {
    /// Neither of the two forms.
    #[error("it is no private key in PEM (PKCS#8, PKCS#1, SEC1) or JWK form")]
    NoKey,
    /// PKCS#8 with a password.
    #[error("the key is encrypted; `openssl pkey -in FILE` prints it without its password")]
    Encrypted,
    /// A public key or a certificate.
    #[error("it is the public part of a key only")]
    Public,
    /// Another algorithm, curve or size.
    #[error(
        "keys of that kind cannot be used: EC on P-256 or P-384, Ed25519, or RSA of 2048 bits or more is needed"
    )]
    Unsupported,
    /// Damaged, or its parts do not belong together.
    #[error("the key is damaged")]
    Damaged,
    /// More than one key.
    #[error("there is more than one key in it")]
    Several,
    /// The operating system did not sign.
    #[error("nothing can be signed with the key")]
    Unsigned,
}

/// A private JWK (RFC 7517, RFC 7518 section 6, RFC 8037 section 2). Its members are secrets from the beginning.
#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<SecretText>,
    p: Option<SecretText>,
    q: Option<SecretText>,
    dp: Option<SecretText>,
    dq: Option<SecretText>,
    qi: Option<SecretText>,
}

/// A set of them (RFC 7517 section 5), as some tools write for a single one.
#[derive(Deserialize)]
struct PrivateJwks {
    keys: Vec<PrivateJwk>,
}

impl ClientKey {
    /// Makes a key on P-256, in PEM (PKCS#8), as `openssl` reads it.
    ///
    /// # Panics
    /// When the operating system has no random source: nothing that follows could be secure.
    pub fn generate() -> SecretText {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("the operating system gives random bytes");
        let encoded = Zeroizing::new(STANDARD.encode(document.as_ref()));
        let mut pem = String::with_capacity(2 * encoded.len() + 64);
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        SecretText::new(pem)
    }

    /// Reads a key in either form.
    pub fn parse(text: &SecretText) -> Result<Self, ClientKeyError> {
        let text = text.expose().trim();
        if text.len() > MAX_LENGTH {
            return Err(ClientKeyError::NoKey);
        }
        let key = if text.starts_with('{') { Self::from_jwk(text)? } else { Self::from_pem(text)? };
        // Not every damage of an RSA key shows before it signs.
        key.sign(key.algorithms()[0], b"").map_err(|_| ClientKeyError::Damaged)?;
        Ok(key)
    }

    fn from_pem(text: &str) -> Result<Self, ClientKeyError> {
        let says = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
        // RFC 1421 section 4.6.1.1, which openssl still writes.
        if text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(ClientKeyError::Encrypted);
        }
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
            if says("ENCRYPTED PRIVATE KEY") {
                ClientKeyError::Encrypted
            } else if ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"].into_iter().any(says) {
                ClientKeyError::Public
            } else {
                ClientKeyError::NoKey
            }
        })?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => Self::of_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(Pair::Rsa),
            PrivateKeyDer::Sec1(der) => [&P256, &P384].into_iter().find_map(|curve| {
                let pkcs8 = pkcs8_of_sec1(curve, der.secret_sec1_der());
                of_curve(curve, &pkcs8)
            }),
            _ => None,
        };
        let pair = pair.ok_or(ClientKeyError::Unsupported)?;
        Ok(Self { pair, own_id: None, own_algorithm: None })
    }

    fn of_pkcs8(der: &[u8]) -> Option<Pair> {
        of_curve(&P256, der)
            .or_else(|| of_curve(&P384, der))
            .or_else(|| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Pair::Ed25519))
            .or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa))
    }

    fn from_jwk(text: &str) -> Result<Self, ClientKeyError> {
        let jwk = match serde_json::from_str::<PrivateJwks>(text) {
            Ok(PrivateJwks { mut keys }) => {
                let first = keys.pop().ok_or(ClientKeyError::NoKey)?;
                if !keys.is_empty() {
                    return Err(ClientKeyError::Several);
                }
                first
            }
            Err(_) => serde_json::from_str(text).map_err(|_| ClientKeyError::NoKey)?,
        };
        if jwk.d.is_none() && jwk.kty != "oct" {
            return Err(ClientKeyError::Public);
        }
        let pair = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => jwk.ec(&P256),
            ("EC", Some("P-384")) => jwk.ec(&P384),
            ("OKP", Some("Ed25519")) => jwk.ed25519(),
            ("RSA", _) => return jwk.rsa().map(|pair| jwk.with(pair)),
            _ => return Err(ClientKeyError::Unsupported),
        };
        pair.map(|pair| jwk.with(pair)).ok_or(ClientKeyError::Damaged)
    }

    /// The algorithms that the key can sign with (RFC 7518 section 3.1, RFC 8037 section 3.1), the likeliest first.
    pub fn algorithms(&self) -> Vec<&'static str> {
        match &self.pair {
            Pair::Ec(_, curve) => vec![curve.algorithm],
            Pair::Ed25519(_) => vec!["EdDSA"],
            Pair::Rsa(_) => RSA.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// Which algorithm to sign with: `wanted`, else the one that the key names itself, else the first of those that
    /// `supported` lists, else the likeliest one.
    pub fn algorithm(&self, wanted: Option<&str>, supported: impl Fn(&str) -> bool) -> &'static str {
        let own = self.algorithms();
        let named = |name: &str| own.iter().copied().find(|own| *own == name);
        wanted
            .and_then(named)
            .or_else(|| self.own_algorithm.as_deref().and_then(named))
            .or_else(|| own.iter().copied().find(|own| supported(own)))
            .unwrap_or(own[0])
    }

    /// `kid`: the one that came with the key, else its thumbprint (RFC 7638).
    pub fn id(&self) -> String {
        self.own_id.clone().unwrap_or_else(|| thumbprint(&self.public_members()))
    }

    /// The public key as a JWK (RFC 7517 section 4), to be registered with a provider.
    pub fn public_jwk(&self) -> Value {
        let mut jwk = self.public_members();
        jwk["kid"] = self.id().into();
        jwk["use"] = "sig".into();
        // An RSA key serves several algorithms, and the provider says which of them is used.
        let own = self.algorithms();
        let named = self.own_algorithm.as_deref().and_then(|name| own.iter().find(|own| **own == name));
        if let Some(algorithm) = named.or(own.first().filter(|_| own.len() == 1)) {
            jwk["alg"] = (*algorithm).into();
        }
        jwk
    }

    /// [`ClientKey::public_jwk`] as the only one of a set (RFC 7517 section 5): `jwks` of RFC 7591 section 2.
    pub fn public_jwks(&self) -> Value {
        json!({ "keys": [self.public_jwk()] })
    }

    /// The members that make the key, in the order of RFC 7638 section 3.2.
    fn public_members(&self) -> Value {
        match &self.pair {
            Pair::Ec(pair, curve) => {
                // An uncompressed point (SEC1 section 2.3.3): 4, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(curve.length);
                json!({"crv": curve.name, "kty": "EC", "x": encode(x), "y": encode(y)})
            }
            Pair::Ed25519(pair) => {
                json!({"crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref())})
            }
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"e": encode(&public.e), "kty": "RSA", "n": encode(&public.n)})
            }
        }
    }

    /// Signs with one of [`ClientKey::algorithms`] (RFC 7515 section 5.1).
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, ClientKeyError> {
        let random = SystemRandom::new();
        let failed = |_| ClientKeyError::Unsigned;
        match &self.pair {
            Pair::Ec(pair, _) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()).map_err(failed)
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let encoding = RSA.iter().find(|(name, _)| *name == algorithm);
                let (_, encoding) = encoding.ok_or(ClientKeyError::Unsigned)?;
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientKey([redacted])")
    }
}

impl PrivateJwk {
    fn with(self, pair: Pair) -> ClientKey {
        let own_id = self.kid.filter(|id| !id.is_empty());
        ClientKey { pair, own_id, own_algorithm: self.alg }
    }

    fn ec(&self, curve: &'static Curve) -> Option<Pair> {
        let (x, y) = (decode(self.x.as_deref()?)?, decode(self.y.as_deref()?)?);
        let point = [&[4], x.as_slice(), &y].concat();
        let d = secret(self.d.as_ref())?;
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(curve.signing, &d, &point, &SystemRandom::new());
        pair.ok().map(|pair| Pair::Ec(pair, curve))
    }

    fn ed25519(&self) -> Option<Pair> {
        let (seed, x) = (secret(self.d.as_ref())?, decode(self.x.as_deref()?)?);
        Ed25519KeyPair::from_seed_and_public_key(&seed, &x).ok().map(Pair::Ed25519)
    }

    fn rsa(&self) -> Result<Pair, ClientKeyError> {
        let components = || {
            Some(KeyPairComponents {
                public_key: PublicKeyComponents {
                    n: Zeroizing::new(decode(self.n.as_deref()?)?),
                    e: Zeroizing::new(decode(self.e.as_deref()?)?),
                },
                d: secret(self.d.as_ref())?,
                p: secret(self.p.as_ref())?,
                q: secret(self.q.as_ref())?,
                dP: secret(self.dp.as_ref())?,
                dQ: secret(self.dq.as_ref())?,
                qInv: secret(self.qi.as_ref())?,
            })
        };
        let components = components().ok_or(ClientKeyError::Damaged)?;
        if components.public_key.n.len() < 256 {
            return Err(ClientKeyError::Unsupported);
        }
        RsaKeyPair::from_components(&components).map(Pair::Rsa).map_err(|_| ClientKeyError::Damaged)
    }
}

fn of_curve(curve: &'static Curve, pkcs8: &[u8]) -> Option<Pair> {
    let pair = EcdsaKeyPair::from_pkcs8(curve.signing, pkcs8, &SystemRandom::new());
    pair.ok().map(|pair| Pair::Ec(pair, curve))
}

/// The PKCS#8 document (RFC 5208 section 5) around a SEC1 key (RFC 5915 section 3): ring reads no other.
fn pkcs8_of_sec1(curve: &Curve, sec1: &[u8]) -> Zeroizing<Vec<u8>> {
    /// `id-ecPublicKey` (RFC 5480 section 2.1.1).
    const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const VERSION: &[u8] = &[0x02, 0x01, 0x00];
    let algorithm = der(0x30, &[EC_PUBLIC_KEY, curve.identifier]);
    let key = der(0x04, &[sec1]);
    der(0x30, &[VERSION, &algorithm, &key])
}

/// One value in DER (X.690 sections 8.1 and 10.1), shorter than 64 KiB.
fn der(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [.., high, low] = length.to_be_bytes();
    let mut value = Zeroizing::new(Vec::with_capacity(length + 4));
    value.push(tag);
    match length {
        0..0x80 => value.push(low),
        0x80..0x100 => value.extend_from_slice(&[0x81, low]),
        _ => value.extend_from_slice(&[0x82, high, low]),
    }
    for part in parts {
        value.extend_from_slice(part);
    }
    value
}

/// RFC 7638 section 3, over the members that make a key, in order.
fn thumbprint(members: &Value) -> String {
    encode(digest::digest(&digest::SHA256, members.to_string().as_bytes()))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

fn secret(text: Option<&SecretText>) -> Option<Zeroizing<Vec<u8>>> {
    decode(text?.expose()).map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
