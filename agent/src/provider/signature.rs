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

#[cfg(test)]
mod tests {
    use jsonwebtoken::{crypto::verify, jwk::Jwk};

    use super::*;

    // Keys and signatures made by OpenSSL 3 for these vectors alone.
    const MESSAGE: &[u8] = b"eyJhbGciOiJUIn0.eyJzdWIiOiJ4In0";
    const RSA: &str = r#"{"kty":"RSA","n":"ueoSGA-MerSDlxVKRb_Hq-zj7Ft2TdBMZYfr9JOj_tnkmJi-i3nLtS0UHXcTCd7hCuM6jU_X6_fkhSm_MX_bVLT3vc5wAeedSgiVgdtZeH-rVD6evtIM1XlMpJ0_qTU1Nv8c4GjtLsZQrw8JzQqjsfBAgH-HdqbvfsyaGicApHB4seWz3hxv9b3OV0qX2yVr1jCZJH_eUnJG-HWUmdBTSJCaHtCaXG2JgkIrjK3IdeJxulQ1sfJ5B7FjcqI77Mk9WKpeDKJ4JSzNX0Q_3iX2-9gRqc-QD3G3yERnLavpyOn5bgHhziB1E18MOPREgHHWK8UJExFnpxz_U6oIDa0aDQ","e":"AQAB"}"#;
    const P256: &str = r#"{"kty":"EC","x":"azOwhnMxXFF8Cu9t8kxW-zt22wewNEJWhxVcRXssGQI","y":"V1WlXsxRm-e5ZNWl7fjQbYSYKTtymAt4AOIzEsnXO2A","crv":"P-256"}"#;
    const P384: &str = r#"{"kty":"EC","x":"BGZg1m-jNWWjjitcppfGXhgq4nYQ_lEvK5JzK7z9m-Qg31x2m4x4ECnkvk-QvHBl","y":"4eAY-p2eXciPIJZUq86U5SfBOOmdoUUaV5qyfifCoY2LrNdvCMcx-YKNJTZ8Kcxp","crv":"P-384"}"#;
    const ED25519: &str =
        r#"{"crv":"Ed25519","x":"Kdw29RdvDSF0xwsbpHhP4ai6tva5xqHf-2gotx_qBM4","kty":"OKP"}"#;
    const VECTORS: [(Algorithm, &str, &str); 5] = [
        (
            Algorithm::RS256,
            RSA,
            "J-jT9BQVb1THZMUna5B0JqWr3FtPukvLUwpIHxn1IIdBrfJ5JBUVL8Zewe5CFKutQ2_KAFOTAZnnaM1xv_jtF9AvWxQqk5i0K-vzX5GYgojf_MmIv6Ii_htHJR9dZx1DO0h6e6o41aMyAY-Ou9RfaBrTKCCAwsiSHDCYvo7m9hbexvHblVrItc311myA_dxiSeOD-vsdP1Y6MSMCkRXqqEJF7xb_Pmnt7XU8DHNEnWqHA4SvRv6M_EHSLe35ro07usQWdmLdPs_KtbXhhKJ96_FHeq2YLgf5UbKmRL9FFY-PDsef4oDousCk8a1hccN4-f9ekGfX1-7bKDvU2i-QhQ",
        ),
        (
            Algorithm::PS256,
            RSA,
            "CuULUlVEHpguKs3s8DyypElFkOfuGmowvdpJOIy0_vKvR9kqHQC0jN5pzHC5rtaYU0fGIqrohiG6Z_iqLEAFs-8tzSEYl6n5806c8VVg3YB1PXGrGmLb6-fIEUGT3BhJ-aFHAaYDaGKvdRUDN3MCHeDBZB7ICa_6oCs4b5x_hSrqENAUvY03IKnoZNj-1hrGyA7yz67Kk93iaUvfo1Dn-ru_mpquPrjI9saGS5hBIYalqVCTunLDGq52aHPOD5LLHGlloG1JvsqqkX1jPACqkYZ2PS55a8aCdL7zfptvjnRE6GPB79MagBy3PRjp5zNQ3z2bEalNyyDA35UM0T-AIQ",
        ),
        (
            Algorithm::ES256,
            P256,
            "HOn2Se5lJ1dIs9yQ1deWzrRGCFxCDejyiqzVHoFD3HYIH0hkMBOZDUK4iofQxjCBAZvCewdBjfb6XuqD9Z2Pmg",
        ),
        (
            Algorithm::ES384,
            P384,
            "RnUn3_nhit05mtDVVY6PUpQiM29XI1HZOCCAYcM-XM7Z6xIXH8CWs87Ff8cZfVAO7fjreX9qPvGGXc2SgVkrPDJfBFAWNZRgns4h8MDkVtaEZDEMzsJJYae8bHXCiIKj",
        ),
        (
            Algorithm::EdDSA,
            ED25519,
            "VphiKhgRdlTjN91N2NdNj4Q8Nt3vFNiaJ2qspRtXdcxUxXbePue0MGhDAO4vpCesYoJcxLJXPQbjFJGmbHaEDQ",
        ),
    ];

    fn key(jwk: &str) -> DecodingKey {
        let jwk: Jwk = serde_json::from_str(jwk).expect("a key");
        DecodingKey::from_jwk(&jwk).expect("a key")
    }

    #[test]
    fn accepts_openssls_signatures_and_nothing_near_them() {
        install();
        for (algorithm, jwk, signature) in VECTORS {
            let key = key(jwk);
            assert_eq!(verify(signature, MESSAGE, &key, algorithm).ok(), Some(true), "{algorithm:?}");
            assert_eq!(
                verify(signature, b"eyJhbGciOiJUIn0.e30", &key, algorithm).ok(),
                Some(false),
                "{algorithm:?}"
            );
            assert_eq!(verify("", MESSAGE, &key, algorithm).ok(), Some(false), "{algorithm:?}");
        }
    }

    #[test]
    fn a_key_serves_its_own_algorithms_only() {
        install();
        for (algorithm, jwk, signature) in VECTORS {
            for (other, _, _) in VECTORS.iter().filter(|(other, _, _)| *other != algorithm) {
                assert_ne!(
                    verify(signature, MESSAGE, &key(jwk), *other).ok(),
                    Some(true),
                    "{algorithm:?} {other:?}"
                );
            }
            assert!(verify(signature, MESSAGE, &key(jwk), Algorithm::HS256).is_err());
            assert!(verify(signature, MESSAGE, &DecodingKey::from_secret(b"x"), algorithm).is_err());
        }
    }
}
