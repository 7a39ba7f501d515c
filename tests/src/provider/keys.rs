//! The provider's signing key, and compact JWS serialisation (RFC 7515 section 3.1) with it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use serde_json::{Value, json};

use super::quirks::Algorithm;

/// A 2048-bit RSA key, for tests only: `ring` cannot make one.
const RSA_KEY: &[u8] = include_bytes!("test-key.pk8");

/// The key all tokens are signed with.
#[derive(Debug)]
pub(super) enum SigningKey {
    /// With the name of the algorithm, that of the curve, and the length of a coordinate in bytes.
    Ec(EcdsaKeyPair, &'static str, &'static str, usize),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, Algorithm),
}

impl SigningKey {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::Ec(ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING), "ES256", "P-256", 32),
            Algorithm::Es384 => Self::Ec(ec_key(&ECDSA_P384_SHA384_FIXED_SIGNING), "ES384", "P-384", 48),
            Algorithm::EdDsa => {
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                    .expect("the operating system gives random bytes");
                Self::Ed25519(
                    Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key that was just made"),
                )
            }
            rsa => Self::Rsa(
                RsaKeyPair::from_pkcs8(RSA_KEY).expect("the key in the tree is a PKCS #8 document"),
                rsa,
            ),
        }
    }

    /// `alg` of RFC 7518 section 3.1.
    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_, name, ..) => name,
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_, algorithm) => rsa(*algorithm).0,
        }
    }

    fn key_id(&self) -> &'static str {
        match self {
            Self::Ec(..) => "test-ec",
            Self::Ed25519(_) => "test-ed",
            Self::Rsa(..) => "test-rsa",
        }
    }

    /// The JWK set (RFC 7517 section 5).
    pub(super) fn jwks(&self) -> Value {
        let mut key = match self {
            Self::Ec(pair, _, curve, length) => {
                // An uncompressed point: 4, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(*length);
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Self::Rsa(pair, _) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
        };
        key["kid"] = self.key_id().into();
        key["alg"] = self.algorithm().into();
        key["use"] = "sig".into();
        json!({ "keys": [key] })
    }

    /// Signs `claims`; `kind` is the header's `typ`, `named` what it names as `alg` instead of the truth.
    pub(super) fn sign(&self, kind: &str, named: Option<&str>, claims: &Value) -> String {
        let algorithm = named.unwrap_or(self.algorithm());
        let header = json!({"alg": algorithm, "kid": self.key_id(), "typ": kind});
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Self::Ec(pair, ..) => {
                pair.sign(&random, signed.as_bytes()).expect("the system has random bytes").as_ref().to_vec()
            }
            Self::Rsa(pair, algorithm) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(rsa(*algorithm).1, &random, signed.as_bytes(), &mut signature)
                    .expect("the buffer is as long as the modulus");
                signature
            }
        };
        format!("{signed}.{}", encode(signature))
    }
}

fn ec_key(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document =
        EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("the operating system gives random bytes");
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key that was just made")
}

/// The name of an RSA algorithm, and how it is done.
fn rsa(algorithm: Algorithm) -> (&'static str, &'static dyn RsaEncoding) {
    match algorithm {
        Algorithm::Rs384 => ("RS384", &RSA_PKCS1_SHA384),
        Algorithm::Rs512 => ("RS512", &RSA_PKCS1_SHA512),
        Algorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
        Algorithm::Ps384 => ("PS384", &RSA_PSS_SHA384),
        Algorithm::Ps512 => ("PS512", &RSA_PSS_SHA512),
        Algorithm::Rs256 | Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => {
            ("RS256", &RSA_PKCS1_SHA256)
        }
    }
}

/// An unsigned JWT (RFC 7519 section 6): what INDIGO IAM uses as a refresh token.
pub(super) fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", encode(json!({"alg": "none"}).to_string()), encode(claims.to_string()))
}

/// Random text of `bytes` random bytes.
pub(super) fn random_text(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    oidc_proto::secret::random(&mut buffer);
    encode(buffer)
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
