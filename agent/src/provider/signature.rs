//! JWS signature checks on ring, for the JWT library: it is used without a cryptography crate of its own.

use std::sync::Once;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error as SignatureError, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};

/// What is accepted: asymmetric signatures only. `none` would let anybody sign, HMAC whoever knows the client.
pub(crate) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes the library check with ring. Must come before any check; more than once does no harm.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Fails only if a provider is there already, which then is this one: nobody else installs any.
        PROVIDER.install_default().ok();
    });
}

struct RingVerifier {
    algorithm: Algorithm,
    key: PublicKey,
}

enum PublicKey {
    Rsa { parameters: &'static RsaParameters, n: Vec<u8>, e: Vec<u8> },
    Other { algorithm: &'static dyn VerificationAlgorithm, key: Vec<u8> },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's signature")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() != key.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let key = match algorithm {
        Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256, key)?,
        Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256, key)?,
        Algorithm::ES256 => other(&ECDSA_P256_SHA256_FIXED, key)?,
        Algorithm::ES384 => other(&ECDSA_P384_SHA384_FIXED, key)?,
        Algorithm::EdDSA => other(&ED25519, key)?,
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key }))
}

fn rsa(parameters: &'static RsaParameters, key: &DecodingKey) -> Result<PublicKey> {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            Ok(PublicKey::Rsa { parameters, n: n.clone(), e: e.clone() })
        }
        DecodingKeyKind::SecretOrDer(_) => Err(ErrorKind::InvalidKeyFormat.into()),
    }
}

fn other(algorithm: &'static dyn VerificationAlgorithm, key: &DecodingKey) -> Result<PublicKey> {
    Ok(PublicKey::Other { algorithm, key: key.try_get_as_bytes()?.to_vec() })
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), SignatureError> {
        let checked = match &self.key {
            PublicKey::Rsa { parameters, n, e } => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            PublicKey::Other { algorithm, key } => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
        };
        checked.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
