//! ID tokens: signatures of every kind, clocks that differ, and the same judgement in every flow.

use oidc_tests::provider::{Algorithm, Keys, PERSON, Quirks};
use serde_json::{Value, json};

use crate::stage::{Stage, text, wait_until};

/// Seconds that an access and an ID token of these providers live.
const LIFETIME: u64 = 600;

fn quirks() -> Quirks {
    Quirks { access_token_lifetime: LIFETIME, device_approved_at_poll: Some(1), ..Quirks::default() }
}

/// Logs in by browser; the final answer to its client.
fn by_code(stage: &Stage) -> Value {
    let login = stage.begin_code("demo", json!({}));
    login.browse();
    stage.lookup(&login.state)
}

fn by_device(stage: &Stage) -> Value {
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    let mut reply = Value::Null;
    wait_until(|| {
        reply = stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
        reply["error"] != "authorization_pending"
    });
    reply
}

fn by_password(stage: &Stage) -> Value {
    let mut account = stage.registered("demo", &["http://localhost:4242".into()]);
    (account["username"], account["password"]) = (json!(PERSON.0), json!(PERSON.1));
    stage.begin(&account, "password", json!({}))
}

/// An account that is loaded without a login here.
fn loaded(stage: &Stage) {
    let account = stage.provider.seed_account("demo").to_object().into_value();
    let reply = stage.begin(&account, "refresh", json!({}));
    assert_eq!(reply["status"], "success", "{reply}");
}

#[test]
fn every_signature_is_good_enough_for_a_login() {
    for algorithm in [
        Algorithm::Es256,
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ] {
        let stage = Stage::with(Quirks { algorithm, ..quirks() });
        let reply = by_code(&stage);
        assert_eq!(reply["status"], "success", "{algorithm:?}: {reply}");
    }
    for named in ["ES512", "ES256K", "HS256"] {
        let stage = Stage::with(Quirks { id_token_algorithm: Some(named.into()), ..quirks() });
        let reply = by_code(&stage);
        assert_eq!(reply["status"], "success", "{named}: {reply}");
    }
}

#[test]
fn keys_that_cannot_be_had_cost_no_login() {
    let stage = Stage::with(Quirks { metadata_without: vec!["jwks_uri".into()], ..quirks() });
    assert_eq!(by_code(&stage)["status"], "success");
}

#[test]
fn every_flow_refuses_the_same() {
    let unsigned = || Quirks { id_token_algorithm: Some("none".into()), ..quirks() };
    for log_in in [by_code, by_device, by_password] {
        let reply = log_in(&Stage::with(unsigned()));
        assert_eq!(reply["error_code"], "provider_bad_response", "{reply}");
        assert!(text(&reply["error"]).contains("ID token refused: it is not signed"), "{reply}");
    }
    // A refresh token is not thrown away for an ID token that nobody asked for.
    let stage = Stage::with(unsigned());
    loaded(&stage);
}

#[test]
fn a_clock_that_is_off_is_told_from_a_bad_token() {
    for log_in in [by_code, by_device, by_password] {
        // A little is tolerated; more as well where the provider's answers tell its time.
        for (clock_ahead, sends_date) in [(120, false), (-120, false), (-15 * 60, true), (30 * 86_400, true)]
        {
            let stage = Stage::with(Quirks { clock_ahead, sends_date, ..quirks() });
            let reply = log_in(&stage);
            assert_eq!(reply["status"], "success", "{clock_ahead}: {reply}");
        }
        for (clock_ahead, text_of_it) in [(-15 * 60, "15 minutes ahead"), (86_400, "24 hours behind")] {
            let stage = Stage::with(Quirks { clock_ahead, sends_date: false, ..quirks() });
            let error = text(&log_in(&stage)["error"]);
            assert!(error.contains("clock of this computer"), "{clock_ahead}: {error}");
            assert!(
                error.contains(text_of_it)
                    || error.contains("14 minutes ahead")
                    || error.contains("23 hours"),
                "{error}"
            );
        }
    }
}

#[test]
fn a_handed_out_id_token_is_judged_like_that_of_a_login() {
    for (named, sends_date, clock_ahead, good) in
        [("ES512", true, -3600, true), ("ES512", false, -3600, false), ("none", true, 0, false)]
    {
        let quirks = Quirks { id_token_algorithm: Some(named.into()), clock_ahead, sends_date, ..quirks() };
        let stage = Stage::with_options(quirks, &["--always-allow-idtoken"]);
        loaded(&stage);
        let reply = stage.request(&json!({"request": "id_token", "account": "demo"}));
        assert_eq!(reply["id_token"].is_string(), good, "{named} {clock_ahead}: {reply}");
        assert!(stage.refreshes("demo"), "the account goes on");
    }
}

#[test]
fn keys_of_every_kind_cost_no_login() {
    for keys in [Keys::Own, Keys::Nameless, Keys::BehindOddOnes, Keys::None, Keys::Other] {
        let stage = Stage::with(Quirks { keys, ..quirks() });
        let reply = by_code(&stage);
        assert_eq!(reply["status"], "success", "{keys:?}: {reply}");
    }
}

#[test]
fn a_token_of_another_issuer_is_refused_by_name() {
    let stage = Stage::with(Quirks { id_token_issuer: Some("https://evil.example/".into()), ..quirks() });
    for log_in in [by_code, by_device, by_password] {
        let reply = log_in(&stage);
        assert_eq!(reply["error_code"], "provider_bad_response", "{reply}");
        let error = text(&reply["error"]);
        assert!(error.contains("another issuer made it (https://evil.example/)"), "{error}");
        assert!(
            error.contains(&stage.provider.origin()["http://".len()..]),
            "it names the provider: {error}"
        );
    }
}
