//! Checking ID tokens.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oidc_proto::secret::IdToken;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

use super::super::{
    Expected, Provider, ProviderError, ReceivedIdToken,
    testing::{Reply, Scripted, soon},
};

/// A key of the provider.
struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self { id, pair: pair.expect("a key") }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "key_ops": 7,
            "x": coordinate(&point[1..33]), "y": coordinate(&point[33..])})
    }

    fn sign(&self, header: &Value, claims: &Value) -> IdToken {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        IdToken::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn token(&self, claims: &Value) -> IdToken {
        self.sign(&json!({"alg": "ES256", "kid": self.id}), claims)
    }
}

/// A provider that publishes what is in the list.
async fn publishing(keys: Arc<Mutex<Vec<Value>>>) -> Scripted {
    Scripted::provider(move |_| Reply::json(json!({"keys": *keys.lock().expect("no panic")}).to_string()))
        .await
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "sub": "me", "aud": "c", "exp": now() + 60, "iat": now(), "nonce": "n"})
}

fn changed(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    for (key, value) in change.as_object().expect("an object") {
        claims[key] = value.clone();
    }
    claims
}

async fn judge(provider: &Provider, token: &IdToken, nonce: Option<&str>) -> Result<(), ProviderError> {
    let received = ReceivedIdToken::new(token.clone(), None);
    provider.judge_id_token(&received, Expected { client_id: "c", nonce }, soon()).await
}

#[tokio::test]
async fn checks_each_claim() {
    let signer = Signer::new("k1");
    let encryption = json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"});
    let op = publishing(Arc::new(Mutex::new(vec![json!({"kty": "odd"}), encryption, signer.jwk()]))).await;
    let (provider, issuer) = (op.open(), op.issuer());
    let good = claims(&issuer);
    for (change, nonce, accepted) in [
        (json!({}), Some("n"), true),
        (json!({}), None, true),
        (json!({"iss": format!("{issuer}/")}), Some("n"), true),
        (json!({"aud": ["x", "c"], "azp": "c"}), Some("n"), true),
        (json!({"exp": now() - 240}), Some("n"), true),
        (json!({"exp": now() - 330}), Some("n"), false),
        (json!({"exp": null}), Some("n"), false),
        (json!({"nbf": now() + 240}), Some("n"), true),
        (json!({"nbf": now() + 330}), Some("n"), false),
        (json!({"iss": "https://evil.example"}), Some("n"), false),
        (json!({"aud": "x"}), Some("n"), false),
        (json!({"aud": []}), Some("n"), false),
        (json!({"aud": ["c", "x"], "azp": "x"}), Some("n"), false),
        (json!({"nonce": "other"}), Some("n"), false),
        (json!({"nonce": null}), Some("n"), false),
        (json!({"sub": null}), Some("n"), false),
    ] {
        let token = signer.token(&changed(&good, &change));
        let judged = judge(&provider, &token, nonce).await;
        assert_eq!(judged.is_ok(), accepted, "{change}: {judged:?}");
    }
    assert_eq!(op.asked("/jwks").len(), 1);
}

#[tokio::test]
async fn refuses_what_is_wrongly_signed_or_not_at_all() {
    let (signer, stranger) = (Signer::new("k1"), Signer::new("k1"));
    let op = publishing(Arc::new(Mutex::new(vec![signer.jwk()]))).await;
    let (provider, good) = (op.open(), claims(&op.issuer()));
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |header: &Value| IdToken::new(format!("{}.{}.", part(header), part(&good)));
    for token in [
        stranger.token(&good),
        stranger.sign(&json!({"alg": "ES256"}), &good),
        unsigned(&json!({"alg": "none"})),
        unsigned(&json!({"alg": "NONE"})),
        unsigned(&json!({"alg": ""})),
        unsigned(&json!({})),
        unsigned(&json!({"alg": "ES256"})),
        IdToken::from("opaque"),
        IdToken::from("a.b"),
        IdToken::from(""),
    ] {
        let error = judge(&provider, &token, Some("n")).await.expect_err("unsigned");
        assert!(error.to_string().contains("ID token refused"), "{error}");
    }
}

#[tokio::test]
async fn the_connection_stands_in_where_a_signature_cannot_be_checked() {
    let signer = Signer::new("k1");
    let op = publishing(Arc::new(Mutex::new(vec![signer.jwk()]))).await;
    let (provider, good) = (op.open(), claims(&op.issuer()));
    for algorithm in ["ES512", "ES256K", "HS256", "RS256", "new"] {
        let token = signer.sign(&json!({"alg": algorithm, "kid": "k1"}), &good);
        assert!(judge(&provider, &token, Some("n")).await.is_ok(), "{algorithm}");
        let foreign =
            signer.sign(&json!({"alg": algorithm, "kid": "k1"}), &changed(&good, &json!({"aud": "x"})));
        assert!(judge(&provider, &foreign, Some("n")).await.is_err(), "the claims count: {algorithm}");
    }
    let unknown_key = Signer::new("k2").token(&good);
    assert!(judge(&provider, &unknown_key, Some("n")).await.is_ok());

    let silent = Scripted::provider(|_| Reply::status(404, "")).await;
    let token = signer.token(&claims(&silent.issuer()));
    assert!(judge(&silent.open(), &token, Some("n")).await.is_ok(), "keys that cannot be had");
}

#[tokio::test]
async fn new_keys_are_fetched_for_an_unknown_one() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let keys = Arc::new(Mutex::new(vec![old.jwk()]));
    let op = publishing(keys.clone()).await;
    let (provider, good) = (op.open(), claims(&op.issuer()));
    judge(&provider, &old.token(&good), None).await.expect("valid");
    keys.lock().expect("no panic").push(new.jwk());
    provider.let_keys_age();
    judge(&provider, &new.token(&good), None).await.expect("valid");
    assert_eq!(op.asked("/jwks").len(), 2);
    let without_kid = new.sign(&json!({"alg": "ES256"}), &good);
    judge(&provider, &without_kid, None).await.expect("valid");
    let stranger = Signer::new("stranger");
    judge(&provider, &stranger.sign(&json!({"alg": "ES256"}), &good), None).await.expect_err("unknown");
    assert_eq!(op.asked("/jwks").len(), 2, "young keys are not fetched again");
}

#[tokio::test]
async fn keys_of_other_kinds_and_without_a_purpose_do_not_get_in_the_way() {
    let signer = Signer::new("k1");
    let without = |members: &[&str], more: &Value| {
        let mut key = changed(&signer.jwk(), more);
        key.as_object_mut().expect("an object").retain(|name, _| !members.contains(&name.as_str()));
        key
    };
    let strange = json!({"kty": "OKP", "crv": "Ed448", "kid": "k1", "x": "AA"});
    let encryption = json!({"kty": "RSA", "use": "enc", "kid": "k1", "n": "AQAB", "e": "AQAB"});
    let operations = json!({"key_ops": ["verify"]});
    for keys in [
        vec![strange, signer.jwk()],
        vec![encryption, signer.jwk()],
        vec![json!({}), json!("key"), json!({"kty": 7, "kid": "k1"}), signer.jwk()],
        vec![without(&["alg", "use", "key_ops"], &json!({}))],
        vec![without(&["alg", "use"], &operations)],
    ] {
        let op = publishing(Arc::new(Mutex::new(keys.clone()))).await;
        let (provider, good) = (op.open(), claims(&op.issuer()));
        judge(&provider, &signer.token(&good), Some("n"))
            .await
            .unwrap_or_else(|error| panic!("{error}: {keys:?}"));
        // The right key was found, for what is signed by another one is refused.
        let forged = Signer::new("k1").token(&good);
        judge(&provider, &forged, Some("n")).await.expect_err(&format!("{keys:?}"));
    }
}

/// A token that names its key, and keys that have no name.
#[tokio::test]
async fn a_key_without_a_name_may_be_the_one_that_is_meant() {
    let (signer, other) = (Signer::new("k1"), Signer::new("other"));
    let nameless = |signer: &Signer| {
        let mut key = signer.jwk();
        key.as_object_mut().expect("an object").remove("kid");
        key
    };
    let keys = vec![nameless(&other), nameless(&signer)];
    let op = publishing(Arc::new(Mutex::new(keys))).await;
    let (provider, good) = (op.open(), claims(&op.issuer()));
    judge(&provider, &signer.token(&good), Some("n")).await.expect("valid");
    assert_eq!(op.asked("/jwks").len(), 1, "it was found at once, and not believed for want of a key");
    // Nobody says that one of them is this one's.
    judge(&provider, &Signer::new("k2").token(&good), Some("n")).await.expect("by its connection");
}
