//! Clients that prove who they are with a signature (`private_key_jwt`): keys that `oidc gen` makes or is given, at every
//! endpoint, with what providers want of an assertion.

use std::{collections::HashSet, path::PathBuf, sync::Barrier, thread};

use oidc_tests::{
    programs::{Finished, workspace},
    provider::{AssertionAudience, Endpoint, Quirks, Recorded, Seed},
    scene::{Scene, find_in_files},
};
use serde_json::{Value, json};

/// A provider, an agent, and nothing else yet.
struct Stage {
    scene: Scene,
}

impl Stage {
    fn new(quirks: Quirks) -> Self {
        Self { scene: Scene::empty(quirks) }
    }

    fn oidc(&self, arguments: &[&str]) -> Finished {
        self.scene.oidc(arguments)
    }

    fn generate(&self, name: &str, options: &[&str]) -> Finished {
        let issuer = self.scene.provider.issuer();
        let line = ["gen", name, "--issuer", &issuer, "--prompt=none", "--pw-env"];
        self.oidc(&[&line, options].concat())
    }

    /// The id of a client that nothing is registered for yet.
    fn client(&self) -> String {
        let seed = Seed { public: true, managed: false, ..Seed::named("seeded") };
        self.scene.provider.seed(&seed).client_id.expect("a client")
    }

    fn restart(&mut self) {
        self.scene.restart();
    }

    /// The requests with an assertion, in order.
    fn signed(&self) -> Vec<Recorded> {
        let all = self.scene.provider.log().requests().into_iter();
        all.filter(|request| request.form.first("client_assertion").is_some()).collect()
    }
}

fn key_file(name: &str) -> PathBuf {
    workspace().join("tests/fixtures/decoders/client_key").join(name)
}

fn jwks(printed: &str) -> Value {
    serde_json::from_str(printed).expect("a JWK set")
}

#[test]
fn a_key_is_made_kept_shown_and_used_once_it_is_registered() {
    let mut stage = Stage::new(Quirks::default());
    let client = stage.client();
    let options = [
        "--flow=client_credentials",
        "--client-id",
        &client,
        "--auth-method=private_key_jwt",
        "--scope=wlcg",
    ];
    let first = stage.generate("robot", &options);
    // Nobody has registered it yet.
    assert!(first.stderr.contains(r#"{"keys":[{"#) && first.stderr.contains("oidc gen robot"), "{first:?}");
    assert!(first.failure().contains("invalid_client"));
    assert!(!stage.scene.environment.account_file("robot").exists());

    let printed = stage.oidc(&["gen", "--print-jwks", "robot", "--pw-env"]).success();
    let set = jwks(&printed);
    assert_eq!((&set["keys"][0]["alg"], &set["keys"][0]["kty"]), (&json!("ES256"), &json!("EC")));
    assert_eq!(set["keys"][0].get("d"), None);
    stage.scene.provider.register_keys(&client, set.clone());

    stage.oidc(&["gen", "robot", "--prompt=none", "--pw-env"]).success();
    assert!(stage.scene.environment.account_file("robot").exists());
    assert_eq!(jwks(&stage.oidc(&["gen", "--print-jwks", "robot", "--pw-env"]).success()), set);
    assert_eq!(jwks(&stage.oidc(&["gen", "--print-jwks", "robot", "--pw-env", "--json"]).success()), set);
    assert_eq!(find_in_files(&stage.scene.environment.accounts(), "PRIVATE KEY"), None);

    stage.restart();
    stage.oidc(&["add", "--pw-env", "robot"]).success();
    let before = stage.scene.provider.log().count(Endpoint::Token);
    let herd = Barrier::new(20);
    let tokens: HashSet<String> = thread::scope(|scope| {
        let ask = || {
            herd.wait();
            stage.oidc(&["token", "--scope=storage.read:/", "robot"]).success()
        };
        let all: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    assert_eq!(tokens.len(), 1);
    assert_eq!(stage.scene.provider.log().count(Endpoint::Token) - before, 1);
    // Each assertion is good for once.
    stage.oidc(&["token", "-f", "robot"]).success();
    let assertions: Vec<_> = stage.signed();
    let different: HashSet<_> =
        assertions.iter().filter_map(|request| request.form.first("client_assertion")).collect();
    assert_eq!(different.len(), assertions.len());
}

#[test]
fn keys_of_every_kind_are_given() {
    let stage = Stage::new(Quirks::default());
    for name in [
        "p256.pem",
        "p256-sec1.pem",
        "p384.pem",
        "ed25519.pem",
        "rsa.pem",
        "rsa-pkcs1.pem",
        "rfc7515-a2.json",
        "rfc8037-a1.json",
    ] {
        let (client, file) = (stage.client(), key_file(name));
        let text = fs_err::read_to_string(&file).expect("a key");
        let key = oidc_proto::client_key::ClientKey::parse(&text.as_str().into()).expect("a key");
        stage.scene.provider.register_keys(&client, key.public_jwks());
        let account = name.replace('.', "-");
        let file = format!("--client-key-file={}", file.display());
        stage.generate(&account, &["--flow=client_credentials", "--client-id", &client, &file]).success();
        stage.oidc(&["token", &account]).success();
    }
}

#[test]
fn what_is_no_key_is_refused_before_anything_is_sent() {
    let stage = Stage::new(Quirks::default());
    for (name, says) in [
        ("p256-encrypted.pem", "encrypted"),
        ("rsa-pkcs1-encrypted.pem", "encrypted"),
        ("p256-public.pem", "public"),
        ("p521.pem", "P-256 or P-384"),
        ("rsa1024.pem", "2048 bits"),
        ("none.pem", "none.pem"),
    ] {
        let file = format!("--client-key-file={}", key_file(name).display());
        let refused = stage.generate("robot", &["--flow=client_credentials", "--client-id=c", &file]);
        let said = refused.failure();
        assert!(said.contains(says) && !said.contains("BEGIN"), "{name}: {said}");
    }
    assert_eq!(stage.scene.provider.log().requests().len(), 0);
    assert!(!stage.scene.environment.account_file("robot").exists());
}

#[test]
fn a_login_signs_at_every_endpoint_and_its_registration_has_the_public_key() {
    let stage = Stage::new(Quirks { device_approved_at_poll: Some(1), ..Quirks::default() });
    let options = ["--flow=device", "--auth-method=private_key_jwt", "--scope=openid offline_access"];
    stage.generate("person", &options).success();
    let registration = &stage.scene.provider.log().at(Endpoint::Registration)[0];
    let sent = registration.json.as_ref().expect("JSON");
    assert_eq!(sent["token_endpoint_auth_method"], "private_key_jwt");
    let printed = jwks(&stage.oidc(&["gen", "--print-jwks", "person", "--pw-env"]).success());
    assert_eq!(sent["jwks"], printed);
    stage.oidc(&["token", "-f", "person"]).success();
    stage.oidc(&["gen", "--delete", "person", "--confirm-yes", "--pw-env"]).success();
    assert_eq!(stage.scene.provider.client_count(), 0);
    let signed: HashSet<_> = stage.signed().into_iter().map(|request| request.endpoint).collect();
    for endpoint in [Endpoint::DeviceAuthorization, Endpoint::Token, Endpoint::Revocation] {
        assert!(signed.contains(&endpoint), "{endpoint:?}: {signed:?}");
    }
    // Nothing was asked in another way.
    let log = stage.scene.provider.log();
    let refused = log.count_where(|request| request.status == Some(401));
    assert_eq!(refused, 0);
}

#[test]
fn what_providers_want_of_an_assertion_is_found_out_once() {
    for (quirks, tries) in [
        (Quirks { assertion_audience: AssertionAudience::Issuer, ..Quirks::default() }, 1),
        (Quirks { assertion_audience: AssertionAudience::TokenEndpoint, ..Quirks::default() }, 2),
        (Quirks { knows_keys_by_certificate: true, ..Quirks::default() }, 3),
        (Quirks { clock_ahead: 600, ..Quirks::default() }, 2),
        (Quirks { clock_ahead: -600, ..Quirks::default() }, 2),
    ] {
        let stage = Stage::new(quirks.clone());
        let (client, file) = (stage.client(), key_file("p256.pem"));
        let key = fs_err::read_to_string(&file).expect("a key");
        let key = oidc_proto::client_key::ClientKey::parse(&key.as_str().into()).expect("a key");
        stage.scene.provider.register_keys(&client, key.public_jwks());
        let file = format!("--client-key-file={}", file.display());
        stage.generate("robot", &["--flow=client_credentials", "--client-id", &client, &file]).success();
        assert_eq!(stage.signed().len(), tries, "{quirks:?}");
        stage.oidc(&["token", "-f", "robot"]).success();
        assert_eq!(stage.signed().len(), tries + 1, "{quirks:?}");
    }
}
