//! JWS signature checks on ring, for the JWT library: it is used without a cryptography crate of its own.

use std::sync::Once;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{self, CryptoProvider, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error as SignatureError, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// What the check of a signature found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// One of the keys made it.
    Good,
    /// None of the keys made it.
    Wrong,
    /// There was no key to check with.
    NoKey,
    /// Nothing here can check it: P-521 and secp256k1, and what will come. HMAC counts as such: it tells the provider
    /// from nobody who knows the client.
    UnknownAlgorithm,
}

/// An algorithm that can be checked, by its name (RFC 7518 section 3.1).
pub(super) fn known(name: &str) -> Option<Algorithm> {
    let asymmetric =
        |algorithm: &Algorithm| !matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    name.parse().ok().filter(asymmetric)
}

/// Whether signatures by an algorithm of that name can be checked.
pub fn is_known(name: &str) -> bool {
    known(name).is_some()
}

/// Whether a key is one to check that algorithm with: of its kind and curve, and for RSA of 2048 to 8192 bits (RFC 7518
/// section 3.3 forbids shorter ones).
pub(super) fn can_check(algorithm: Algorithm, key: &DecodingKey) -> bool {
    if key.family() != algorithm.family() {
        return false;
    }
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => {
            let n = without_leading_zeros(n);
            let unused = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
            (2048..=8192).contains(&(n.len() * 8 - unused))
        }
        // A point of the curve: RFC 7518 section 6.2.1, with the byte that says that it is not compressed.
        DecodingKeyKind::SecretOrDer(point) => match algorithm {
            Algorithm::ES256 => point.len() == 1 + 2 * 32,
            Algorithm::ES384 => point.len() == 1 + 2 * 48,
            _ => true,
        },
    }
}

/// Checks a signature, which is in base64url, with keys that may have made it.
pub(super) fn check(signed: &str, signature: &str, algorithm: Algorithm, keys: &[&DecodingKey]) -> Checked {
    install();
    let made_it =
        |key: &&DecodingKey| crypto::verify(signature, signed.as_bytes(), key, algorithm).unwrap_or(false);
    match keys {
        [] => Checked::NoKey,
        keys if keys.iter().any(made_it) => Checked::Good,
        _ => Checked::Wrong,
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes the library check with ring. Must come before any check; more than once does no harm.
fn install() {
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
        Algorithm::RS384 => rsa(&RSA_PKCS1_2048_8192_SHA384, key)?,
        Algorithm::RS512 => rsa(&RSA_PKCS1_2048_8192_SHA512, key)?,
        Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256, key)?,
        Algorithm::PS384 => rsa(&RSA_PSS_2048_8192_SHA384, key)?,
        Algorithm::PS512 => rsa(&RSA_PSS_2048_8192_SHA512, key)?,
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
            Ok(PublicKey::Rsa { parameters, n: without_leading_zeros(n), e: without_leading_zeros(e) })
        }
        DecodingKeyKind::SecretOrDer(_) => Err(ErrorKind::InvalidKeyFormat.into()),
    }
}

/// RFC 7518 section 2 leaves them out; some libraries do not, and ring takes no such number.
fn without_leading_zeros(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
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
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{crypto::verify, jwk::Jwk};

    use super::*;

    // Keys and signatures made by OpenSSL 3 for these vectors alone.
    const MESSAGE: &[u8] = b"eyJhbGciOiJUIn0.eyJzdWIiOiJ4In0";
    const RSA: &str = r#"{"kty":"RSA","n":"ueoSGA-MerSDlxVKRb_Hq-zj7Ft2TdBMZYfr9JOj_tnkmJi-i3nLtS0UHXcTCd7hCuM6jU_X6_fkhSm_MX_bVLT3vc5wAeedSgiVgdtZeH-rVD6evtIM1XlMpJ0_qTU1Nv8c4GjtLsZQrw8JzQqjsfBAgH-HdqbvfsyaGicApHB4seWz3hxv9b3OV0qX2yVr1jCZJH_eUnJG-HWUmdBTSJCaHtCaXG2JgkIrjK3IdeJxulQ1sfJ5B7FjcqI77Mk9WKpeDKJ4JSzNX0Q_3iX2-9gRqc-QD3G3yERnLavpyOn5bgHhziB1E18MOPREgHHWK8UJExFnpxz_U6oIDa0aDQ","e":"AQAB"}"#;
    const RSA_2: &str = r#"{"kty":"RSA","n":"xNuYEKQ0UYYpQCI4waj7nv5HVpjD_H7RpCVIGwCVLpNrJ23MA_W3K6oqdLNWFNywwLFc8vpgyzQrT6fm9k7M6FQOsI-z3HahJq3DYBoWLBgU3ui7w0_eh_OwuBPgRABoKDHwe7M9xXTGqTJFrgFKU8XaIauSb9saJXvZU-64-u5ZgLOUDsRoBmqmz78Syca4XRn7gQI8V69vgonUWHDM3YBYl9abIdpBw8Xqx7bhwW6mGITQVULOWjTNdw7nK0hpTuvKrwHu4yr3yerAi3MonDo2Tom4BnVgGZpAJPgmPWng8OUc9qfIYqUmSzyF6WFyTUYpfd5onh_N0B-W3J2RDQ","e":"AQAB"}"#;
    const P256: &str = r#"{"kty":"EC","x":"azOwhnMxXFF8Cu9t8kxW-zt22wewNEJWhxVcRXssGQI","y":"V1WlXsxRm-e5ZNWl7fjQbYSYKTtymAt4AOIzEsnXO2A","crv":"P-256"}"#;
    const P384: &str = r#"{"kty":"EC","x":"BGZg1m-jNWWjjitcppfGXhgq4nYQ_lEvK5JzK7z9m-Qg31x2m4x4ECnkvk-QvHBl","y":"4eAY-p2eXciPIJZUq86U5SfBOOmdoUUaV5qyfifCoY2LrNdvCMcx-YKNJTZ8Kcxp","crv":"P-384"}"#;
    const ED25519: &str =
        r#"{"crv":"Ed25519","x":"Kdw29RdvDSF0xwsbpHhP4ai6tva5xqHf-2gotx_qBM4","kty":"OKP"}"#;
    const VECTORS: [(Algorithm, &str, &str); 9] = [
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
            Algorithm::RS384,
            RSA_2,
            "HmdergudRJiqkoxD2gOBR6I2yEPP33UttXVbzKyxI2MRpXS4Kq8vJIjGfQ9K4Stbdq0F7MkDIm5H3WyWGdT9KeHB5k1NW0kSoW8YzNq3eTU4hkbDt-a0ITvBRaYRh0FbJUxSfmoDHMYeJXEWPtwwWQsla9dClh_Jd4v5XYws534_GWzKehmBs4draxpr3AeiSvyC9Cum7CVAB9rYk23_UkoqKT340f9lfe__yf7EoC5WjYgwK1aXwamr0yZV2ysFv8IalzevUzwhANSoW1qeoaWxmtok2eD3Q0vqyTlI7Gk0V_jreI8rYFOEE9Cs7mKEBf4qSruidPtd4Yj3KxrDMg",
        ),
        (
            Algorithm::RS512,
            RSA_2,
            "U0LC1B9W9_6bra-GvcgrZatLfbLZQbFy7gfqrXppTV827bBeqXQMwbFMljO-CAZGB-I74AnsZ8EKhR88R0BNsI3wdv8wKEjSPD-fYLHN7OIjkrjy46HJ1LXisJJpHkTRZ0r_ldkZ9a1-i7RtJOscz22KDYFhQEsU2ymfTg89V3RssmcMPrfebntsoaFrY724Cs1VloX4lIHfTJbSDhfAsV4MxrWsiSWNDEb38mJKyFncF4werQYyhRZMe3t4h_qMNJuEelDxD7noHMCGrmwvrJNpZV7kVkjJAnxChNur_Wj0NzDCr7TgD6h-OoYNCtKm3mlXNq5skGmNW1H0DnIPjg",
        ),
        (
            Algorithm::PS384,
            RSA_2,
            "wykA7zw8jQ3SiBMfrSP686Ts1MB3U-n1_N9PmcinW3Ylen_ho6O5dPcasEFegVWLwg2xy4sJtn95vP8BXfb4rwp3jKilUREmXNgUq7O9oLpsgvF1OTvjfYgGFtINbB3GQi1g4T_oWaVZl2WFeHBpcnydrinMMatxNi3S6THotwhyi7zt62VqpSVMQrXZaLr-2mL6VaALn_V2UqVsazfBedvIHxSU7zpwfDCHbyy-v6IKZFki_dLWD9zIayQgEIbFJtmbyOzloV4-pf8ktrrv_Hlz8rvAgPw1C1sbu1UAE3dO0bn9YlNAsjr8TZFuPXvGE7Zh5Z6GKd7YlrE-sgv7Og",
        ),
        (
            Algorithm::PS512,
            RSA_2,
            "FnYeeGr6Sj5sZRjlOrXt_6XwrvfcLrzPrOiUVffbUiGea9ngeK0esfYPGGe_Cg3q6GVw9ZiNR7e4GteoLQku8-xk0pu9Dy6r0NZuWz8bKvjJErKJAPVgBxi-Xr8Qg0kpUoJonZK6uRgR4G8NHJp68uQfyfjqA49MeZPdWJ9Zgksk8BmITQ0cxSNWbZGEqIacC9Y0v4-fA_dcZDIAXdNdGAmosNN4rKAnv7ok_W57Ba8y2-YzB58QiRY2lJ-GHMbvd_aZJJ4vGPmdxgY02EhZzHnIimbZViXEiA6DHrWLv7qlW0KftfQD7BSS0BFxmhvhxpsDNcuHbMHvB6v915p40A",
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
    fn tells_a_wrong_signature_from_one_that_cannot_be_checked() {
        let message = std::str::from_utf8(MESSAGE).expect("text");
        for (algorithm, jwk, signature) in VECTORS {
            let name = format!("{algorithm:?}");
            assert_eq!(known(&name), Some(algorithm));
            let right = key(jwk);
            assert_eq!(check(message, signature, algorithm, &[&right]), Checked::Good, "{name}");
            assert_eq!(check("e30.e30", signature, algorithm, &[&right]), Checked::Wrong, "{name}");
            assert_eq!(check(message, "?", algorithm, &[&right]), Checked::Wrong, "{name}");
            assert_eq!(check(message, signature, algorithm, &[]), Checked::NoKey, "{name}");
        }
        for name in ["none", "HS256", "HS384", "HS512", "ES512", "ES256K", "rs256", ""] {
            assert_eq!(known(name), None, "{name}");
        }
    }

    #[test]
    fn a_key_that_nothing_can_be_checked_with_is_told_from_a_wrong_one() {
        let rsa = |bits: usize| {
            let n = URL_SAFE_NO_PAD.encode([&[0x80], &vec![1; bits / 8 - 1][..]].concat());
            key(&format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#))
        };
        for (bits, can) in [(1024, false), (2048, true), (4096, true), (8192, true), (16_384, false)] {
            assert_eq!(can_check(Algorithm::RS256, &rsa(bits)), can, "{bits}");
            assert!(!can_check(Algorithm::ES256, &rsa(bits)));
        }
        for (algorithm, jwk, _) in VECTORS {
            assert!(can_check(algorithm, &key(jwk)), "{algorithm:?}");
        }
        assert!(!can_check(Algorithm::ES256, &key(P384)) && !can_check(Algorithm::ES384, &key(P256)));
    }

    #[test]
    fn leading_zeros_of_a_number_are_passed_over() {
        let (algorithm, jwk, signature) = VECTORS[0];
        let jwk: serde_json::Value = serde_json::from_str(jwk).expect("JSON");
        let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().expect("a number")).expect("base64url");
        let n = URL_SAFE_NO_PAD.encode([&[0], &n[..]].concat());
        let padded = key(&format!(r#"{{"kty":"RSA","n":"{n}","e":"AAEAAQ"}}"#));
        let message = std::str::from_utf8(MESSAGE).expect("text");
        assert!(can_check(algorithm, &padded));
        assert_eq!(check(message, signature, algorithm, &[&padded]), Checked::Good);
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
