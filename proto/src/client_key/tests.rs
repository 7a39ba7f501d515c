//! With the examples of RFC 7515, 7638 and 8037, and with what `openssl` writes.

use proptest::prelude::*;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/decoders/client_key/", $name))
    };
}

const RFC7515_A2: &str = fixture!("rfc7515-a2.json");
const RFC7515_A3: &str = fixture!("rfc7515-a3.json");
const RFC8037_A1: &str = fixture!("rfc8037-a1.json");

/// By what it is in, and what it signs with.
const KEYS: [(&str, &str, &str); 10] = [
    ("PKCS#8", fixture!("p256.pem"), "ES256"),
    ("SEC1", fixture!("p256-sec1.pem"), "ES256"),
    ("SEC1 after its parameters", fixture!("p384-sec1-parameters.pem"), "ES384"),
    ("PKCS#8", fixture!("p384.pem"), "ES384"),
    ("PKCS#8", fixture!("ed25519.pem"), "EdDSA"),
    ("PKCS#8", fixture!("rsa.pem"), "RS256"),
    ("PKCS#1", fixture!("rsa-pkcs1.pem"), "RS256"),
    ("JWK", RFC7515_A2, "RS256"),
    ("JWK", RFC7515_A3, "ES256"),
    ("JWK", RFC8037_A1, "EdDSA"),
];

fn key(text: &str) -> ClientKey {
    ClientKey::parse(&text.into()).expect("a key")
}

fn refused(text: &str) -> ClientKeyError {
    ClientKey::parse(&text.into()).expect_err("no key")
}

fn verifies(key: &ClientKey, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
    let with: &'static dyn VerificationAlgorithm = match algorithm {
        "ES256" => &ECDSA_P256_SHA256_FIXED,
        "ES384" => &ECDSA_P384_SHA384_FIXED,
        "EdDSA" => &ED25519,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "PS384" => &RSA_PSS_2048_8192_SHA384,
        _ => &RSA_PSS_2048_8192_SHA512,
    };
    let public = match &key.pair {
        Pair::Ec(pair, _) => pair.public_key().as_ref(),
        Pair::Ed25519(pair) => pair.public_key().as_ref(),
        Pair::Rsa(pair) => pair.public_key().as_ref(),
    };
    UnparsedPublicKey::new(with, public).verify(message, signature).is_ok()
}

#[test]
fn keys_of_every_form_sign_what_their_public_part_verifies() {
    for (form, text, first) in KEYS {
        let key = key(text);
        assert_eq!(key.algorithms()[0], first, "{form}");
        for algorithm in key.algorithms() {
            let signature = key.sign(algorithm, b"e30.e30").expect("signed");
            assert!(verifies(&key, algorithm, b"e30.e30", &signature), "{form} {algorithm}");
            assert!(!verifies(&key, algorithm, b"e30.e31", &signature), "{form} {algorithm}");
        }
        let public = key.public_jwks()["keys"][0].to_string();
        assert!(!["\"d\"", "\"p\"", "\"qi\""].iter().any(|member| public.contains(member)), "{public}");
        assert_eq!(refused(&public), ClientKeyError::Public);
    }
    assert_eq!(key(fixture!("rsa.pem")).sign("ES256", b""), Err(ClientKeyError::Unsigned));
}

#[test]
fn one_key_is_the_same_in_every_form() {
    assert_eq!(key(fixture!("p256.pem")).public_jwk(), key(fixture!("p256-sec1.pem")).public_jwk());
    assert_eq!(key(fixture!("rsa.pem")).public_jwk(), key(fixture!("rsa-pkcs1.pem")).public_jwk());
    let set = format!(r#"{{"keys":[{RFC8037_A1}]}}"#);
    assert_eq!(key(&set).public_jwk(), key(RFC8037_A1).public_jwk());
    assert_eq!(refused(&format!(r#"{{"keys":[{RFC8037_A1},{RFC7515_A3}]}}"#)), ClientKeyError::Several);
}

#[test]
fn signs_as_the_specifications_show() {
    // RFC 7515 appendix A.2.1.
    let rs256 = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let expected = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let signature = key(RFC7515_A2).sign("RS256", rs256.as_bytes()).expect("signed");
    assert_eq!(encode(signature), expected);
    // RFC 8037 appendix A.4.
    let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = key(RFC8037_A1).sign("EdDSA", eddsa.as_bytes()).expect("signed");
    assert_eq!(encode(signature), expected);
    // RFC 7515 appendix A.3.1: another signature each time.
    let es256 = rs256.replace("eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJFUzI1NiJ9");
    let theirs = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let theirs = decode(theirs).expect("base64url");
    assert!(verifies(&key(RFC7515_A3), "ES256", es256.as_bytes(), &theirs));
}

#[test]
fn a_thumbprint_is_that_of_the_specifications() {
    // RFC 7638 section 3.1 and RFC 8037 appendix A.3.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = json!({"e": "AQAB", "kty": "RSA", "n": n});
    assert_eq!(thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(key(RFC8037_A1).id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn what_a_jwk_says_of_itself_counts() {
    let named = RFC7515_A2.replacen('{', r#"{"kid":"mine","alg":"PS384","#, 1);
    let named = key(&named);
    assert_eq!((named.id().as_str(), named.algorithm(None, |_| true)), ("mine", "PS384"));
    assert_eq!(named.public_jwk()["alg"], "PS384");
    assert_eq!(named.algorithm(Some("RS512"), |_| true), "RS512");
    let plain = key(RFC7515_A2);
    assert_eq!(plain.public_jwk().get("alg"), None);
    assert_eq!(plain.algorithm(None, |_| false), "RS256");
    assert_eq!(plain.algorithm(Some("ES256"), |name| name == "PS256"), "PS256");
    assert_eq!(key(RFC7515_A3).public_jwk()["alg"], "ES256");
}

#[test]
fn what_is_no_usable_key_is_said() {
    use ClientKeyError::{Damaged, Encrypted, NoKey, Public, Unsupported};
    for (text, error) in [
        ("", NoKey),
        ("{}", NoKey),
        ("-----BEGIN PRIVATE KEY-----\n", NoKey),
        (r#"{"keys":[]}"#, NoKey),
        (fixture!("p256-encrypted.pem"), Encrypted),
        (fixture!("rsa-pkcs1-encrypted.pem"), Encrypted),
        (fixture!("p256-public.pem"), Public),
        (r#"{"kty":"EC","crv":"P-256","x":"a","y":"b"}"#, Public),
        (fixture!("p521.pem"), Unsupported),
        (fixture!("rsa1024.pem"), Unsupported),
        (r#"{"kty":"oct","k":"c2VjcmV0"}"#, Unsupported),
        (r#"{"kty":"OKP","crv":"X25519","d":"a","x":"b"}"#, Unsupported),
        (r#"{"kty":"EC","crv":"P-256","d":"AA","x":"AA","y":"AA"}"#, Damaged),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#, Damaged),
    ] {
        let said = refused(text);
        assert_eq!(said, error, "{text}");
        assert!(text.len() < 8 || !said.to_string().contains(text));
    }
    // Of two keys one half each.
    let other = RFC8037_A1.replace(
        "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    );
    assert_eq!(refused(&other), Damaged);
    assert_eq!(refused(&"x".repeat(MAX_LENGTH + 1)), NoKey);
}

#[test]
fn a_key_that_was_made_is_a_pem_of_its_own() {
    let (one, other) = (ClientKey::generate(), ClientKey::generate());
    assert!(one != other && one.expose().lines().all(|line| line.len() <= 64));
    let key = ClientKey::parse(&one).expect("a key");
    assert_eq!(key.algorithms(), ["ES256"]);
    assert_eq!(key.id(), key.public_jwk()["kid"]);
    assert_eq!(format!("{key:?}"), "ClientKey([redacted])");
}

proptest! {
    #[test]
    fn bytes_are_a_key_or_refused(at in 0usize..2000, byte: u8, which in 0usize..10) {
        let (_, text, _) = KEYS[which];
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(key) = ClientKey::parse(&SecretText::new(text))
        {
            prop_assert!(key.sign(key.algorithms()[0], b"x").is_ok());
        }
    }
}
