//! Access tokens: cached by what they are for, refreshed once for everybody who waits, told apart from what was asked.

use std::{sync::Barrier, thread, time::Duration};

use oidc_tests::{
    provider::{
        AccessTokenFormat, AudienceParameter, Endpoint, ExpiresIn, Fault, Provider, Quirks, Recorded,
        Rotation,
    },
    scene::{ACCOUNT, Scene, access_token, claims},
};
use serde_json::{Value, json};

/// How many programs want a token at once.
const HERD: usize = 100;
/// Until when a request that is on its way has arrived.
const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn an_account_whose_file_got_another_password_elsewhere_is_loaded_again_by_add() {
    let scene = Scene::loaded();
    let nobody = scene.environment.path("no-agent.sock");
    let elsewhere = [("OIDC_SOCK", nobody.to_str().expect("a path")), ("NEW", "another one")];
    scene.oidc_with(&["passwd", "--pw-env", "--new-pw-env=NEW", ACCOUNT], &elsewhere).success();

    let refused = scene.ask(json!({"min_valid_period": 100_000}));
    assert_eq!(refused["error_code"], "account_not_loaded", "{refused}");
    let listed = scene.oidc(&["list"]);
    assert!(listed.stdout.contains("file changed") && !listed.stdout.contains("login needed"), "{listed:?}");
    let status = scene.oidc(&["status"]);
    assert!(
        status.stdout.contains("has changed its file") && status.stdout.contains("oidc add"),
        "{status:?}"
    );

    scene.oidc_with(&["add", "--pw-env=NEW", ACCOUNT], &elsewhere[1..]).success();
    assert!(!scene.oidc(&["list"]).stdout.contains("file changed"));
    assert_eq!(scene.ask(json!({"min_valid_period": 100_000}))["status"], "success");
}

#[test]
fn an_account_that_is_loaded_anew_is_held_as_asked() {
    let scene = Scene::loaded();
    let status = || {
        let reply = scene.agent.request(&json!({"request": "status_json"})).expect("a reply");
        reply["info"]["accounts"][0].clone()
    };
    let lasting = scene.ask(json!({}));
    assert_eq!(lasting["status"], "success");

    let said = scene.oidc(&["add", "--pw-env", "--confirm", ACCOUNT]);
    assert!(said.stderr.contains("--force"), "{said:?}");
    assert_eq!((&status()["confirm"], &status()["unloaded_at"]), (&json!(false), &json!(null)));

    scene
        .oidc(&["add", "-f", "--pw-env", "--confirm", "--always-allow-idtoken", "-t", "1h", ACCOUNT])
        .success();
    assert_eq!((&status()["confirm"], &status()["always_allow_id_token"]), (&json!(true), &json!(true)));
    assert!(status()["unloaded_at"].is_u64(), "{}", status());
    assert_eq!(scene.ask(json!({"prompt": "none"}))["error_code"], "prompt_unavailable");

    scene.oidc(&["add", "-f", "--pw-env", "--skip-check", ACCOUNT]).success();
    assert_eq!((&status()["confirm"], &status()["unloaded_at"]), (&json!(false), &json!(null)));
    assert_eq!(scene.ask(json!({"prompt": "none"}))["status"], "success");
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn an_account_that_cannot_be_loaded_anew_stays() {
    let scene = Scene::loaded();
    scene.ask(json!({}));
    scene.provider.revoke_logins();
    scene.oidc(&["add", "-f", "--pw-env", "--confirm", ACCOUNT]).failure();
    // The token that was there already.
    assert_eq!(scene.ask(json!({"prompt": "none"}))["status"], "success");
}

#[test]
fn a_valid_token_is_served_from_the_cache() {
    let scene = Scene::loaded();
    let first = scene.ask(json!({}));
    let refreshes = scene.provider.log().refreshes();
    for _ in 0..5 {
        assert_eq!(scene.ask(json!({"min_valid_period": 600})), first);
    }
    assert_eq!(scene.provider.log().refreshes(), refreshes);
    assert_eq!(claims(access_token(&first))["exp"], first["expires_at"]);
}

/// Each would cost a refresh otherwise. Who says nothing of that gets a new one, as from the C suite's agent.
#[test]
fn an_id_token_is_kept_for_those_who_say_how_long_it_is_to_be_valid() {
    let scene = Scene::new();
    scene.oidc(&["add", "--pw-env", "--always-allow-idtoken", ACCOUNT]).success();
    let cost = |options: &[&str]| {
        let before = scene.provider.log().refreshes();
        let token = scene.oidc(&[&["token", "--id-token", ACCOUNT], options].concat()).success();
        assert!(claims(token.trim())["aud"].is_string() || claims(token.trim())["aud"].is_array(), "{token}");
        scene.provider.log().refreshes() - before
    };
    for (options, expected) in [
        (&["--time", "60"][..], 1),
        (&["--time", "60"], 0),
        (&["--time", "10m"], 0),
        (&[], 1),
        (&["--time", "60"], 0),
        (&["--time", "60", "--force-new"], 1),
        (&["--time", "60"], 0),
    ] {
        assert_eq!(cost(options), expected, "{options:?}");
    }
    // This process asks again and again, as one does whose token is refused: one new token, then a word on the reason.
    let told: Vec<_> = (0..4)
        .map(|_| {
            let before = scene.provider.log().refreshes();
            let said = scene.oidc(&["helper", "kubectl", "--account", ACCOUNT, "--id-token"]);
            assert_eq!(said.code, Some(0), "{said:?}");
            (
                scene.provider.log().refreshes() - before,
                said.stderr.contains("may have refused this token: An ID token is for"),
            )
        })
        .collect();
    assert_eq!(told, [(0, false), (1, false), (0, true), (0, true)]);
}

#[test]
fn minus_one_forces_a_new_token() {
    let scene = Scene::loaded();
    let first = scene.ask(json!({}));
    let second = scene.ask(json!({"min_valid_period": -1}));
    assert_ne!(access_token(&first), access_token(&second));
    assert_eq!(scene.ask(json!({})), second);
}

#[test]
fn tokens_are_cached_by_scopes_and_audiences() {
    let scene = Scene::loaded();
    let plain = scene.ask(json!({}));
    let narrow = scene.ask(json!({"scope": "openid storage.read:/cms", "audience": "https://a https://b"}));
    let refreshes = scene.provider.log().refreshes();
    let same = scene.ask(json!({"scope": "storage.read:/cms openid", "audience": "https://b https://a"}));
    assert_eq!(access_token(&narrow), access_token(&same));
    assert_eq!(access_token(&plain), access_token(&scene.ask(json!({}))));
    assert_eq!(scene.provider.log().refreshes(), refreshes);

    let content = claims(access_token(&narrow));
    assert_eq!(content["scope"], "openid storage.read:/cms");
    assert_eq!(content["aud"], json!(["https://a", "https://b"]));
    // The expiry is the returned token's, not that of the account's default one.
    assert_eq!(narrow["expires_at"], content["exp"]);
}

/// Starts `HERD` requests at the same moment and returns the replies.
fn herd(scene: &Scene, fields: &Value) -> Vec<Value> {
    let start = Barrier::new(HERD);
    thread::scope(|scope| {
        let ask = || {
            start.wait();
            scene.ask(fields.clone())
        };
        let asking: Vec<_> = (0..HERD).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().expect("a reply")).collect()
    })
}

#[test]
fn a_herd_shares_one_refresh() {
    for rotation in [Rotation::Always, Rotation::Never] {
        let scene = Scene::loaded_with(Quirks { rotation, ..Quirks::default() });
        scene.ask(json!({}));
        let before = scene.provider.log().refreshes();
        scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 500 });
        let replies = herd(&scene, &json!({"scope": "openid storage.read:/cms"}));
        assert_eq!(scene.provider.log().refreshes() - before, 1, "{rotation:?}");
        assert!(replies.iter().all(|reply| access_token(reply) == access_token(&replies[0])));
        assert_eq!(scene.provider.reuses(), 0);
    }
}

#[test]
fn a_forced_token_is_newer_than_the_question() {
    let scene = Scene::loaded();
    scene.ask(json!({}));
    let before = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 2000 });
    let forced = || scene.ask(json!({"min_valid_period": -1}));
    thread::scope(|scope| {
        let first = scope.spawn(forced);
        assert!(scene.provider.log().wait_for(before + 1, DEADLINE, Recorded::is_refresh));
        // Sent before these ask: what it brings was made for somebody else. One that was not sent serves them all.
        let others: Vec<_> = (0..10).map(|_| scope.spawn(forced)).collect();
        let first = first.join().expect("a reply");
        let others: Vec<Value> = others.into_iter().map(|other| other.join().expect("a reply")).collect();
        assert!(others.iter().all(|other| access_token(other) != access_token(&first)), "an older one");
        assert!(others.iter().all(|other| access_token(other) == access_token(&others[0])));
    });
    assert_eq!(scene.provider.log().refreshes(), before + 2);
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn a_herd_that_wants_more_life_than_there_is_does_not_wear_the_login_down() {
    let scene = Scene::loaded();
    let before = scene.provider.log().refreshes();
    let replies = herd(&scene, &json!({"min_valid_period": 7200}));
    assert!(scene.provider.log().refreshes() - before <= 1);
    assert!(replies.iter().all(|reply| reply["status"] == "success"), "{}", replies[0]);
}

#[test]
fn a_herd_shares_a_failure_too() {
    let scene = Scene::loaded();
    let before = scene.provider.log().refreshes();
    scene.provider.revoke_logins();
    scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 300 });
    let replies = herd(&scene, &json!({"min_valid_period": -1}));
    assert_eq!(scene.provider.log().refreshes() - before, 1);
    assert!(replies.iter().all(|reply| reply["error_code"] == "login_needed"), "{}", replies[0]);
}

#[test]
fn a_dead_login_is_a_state_and_not_asked_for_again() {
    let scene = Scene::loaded();
    scene.provider.revoke_logins();
    let first = scene.ask(json!({"min_valid_period": -1}));
    let refreshes = scene.provider.log().refreshes();
    assert_eq!(first["error_code"], "login_needed");
    assert!(first["info"].as_str().is_some_and(|info| info.contains(ACCOUNT)), "{first}");
    for _ in 0..5 {
        assert_eq!(scene.ask(json!({"min_valid_period": -1}))["error_code"], "login_needed");
    }
    assert_eq!(scene.provider.log().refreshes(), refreshes);
}

#[test]
fn what_was_not_granted_is_told() {
    let scene = Scene::loaded();
    scene.provider.change(|quirks| quirks.drops_scopes = vec!["storage.modify:/".into()]);
    let reply = scene.ask(json!({"scope": "openid storage.modify:/"}));
    assert_eq!(reply["scope"], "openid");
    assert!(reply["warnings"].to_string().contains("storage.modify:/"), "{reply}");
}

#[test]
fn more_than_was_granted_at_login_is_refused_by_the_provider() {
    let scene = Scene::loaded();
    let reply = scene.ask(json!({"scope": "compute.create"}));
    assert_eq!(reply["error_code"], "invalid_scope", "{reply}");
    // The account is as good as before.
    assert_eq!(scene.ask(json!({"min_valid_period": -1}))["status"], "success");
}

#[test]
fn an_issuer_names_the_account_with_and_without_its_slash() {
    let scene = Scene::loaded();
    let issuer = scene.provider.issuer();
    for issuer in [issuer.as_str(), issuer.trim_end_matches('/')] {
        let request = json!({"request": "access_token", "issuer": issuer, "min_valid_period": 0});
        let reply = scene.agent.request(&request).expect("a reply");
        assert_eq!(reply["status"], "success", "{reply}");
    }
}

#[test]
fn tokens_without_an_expiry_and_with_a_textual_one() {
    let scene = Scene::loaded_with(Quirks {
        expires_in: ExpiresIn::Text,
        access_token: AccessTokenFormat::Opaque,
        ..Quirks::default()
    });
    let dated = scene.ask(json!({"min_valid_period": 600}));
    assert!(dated["expires_at"].as_u64().is_some_and(|expires_at| expires_at > 0));
    scene.provider.change(|quirks| quirks.expires_in = ExpiresIn::Absent);
    assert_eq!(scene.ask(json!({"min_valid_period": -1}))["status"], "success");
}

#[test]
fn issuers_of_every_shape() {
    for issuer_path in ["", "/", "/realms/egi", "/oauth2/"] {
        let scene = Scene::loaded_with(Quirks { issuer_path: issuer_path.into(), ..Quirks::default() });
        let token = scene.ask(json!({"min_valid_period": -1}));
        assert_eq!(claims(access_token(&token))["iss"], scene.provider.issuer(), "{issuer_path:?}");
    }
}

#[test]
fn a_big_token_passes_whole() {
    let scene = Scene::loaded();
    for size in [20_000, 64 * 1024, 300_000] {
        scene.provider.change(|quirks| quirks.access_token_padding = size);
        assert!(access_token(&scene.ask(json!({"min_valid_period": -1}))).len() > size);
        assert!(scene.oidc(&["token", ACCOUNT]).success().len() > size);
    }
}

#[test]
fn a_provider_on_this_machine_may_be_at_either_address() {
    let scene = Scene::new();
    for (address, host) in
        [("::1", "[::1]"), ("::1", "localhost"), ("127.0.0.1", "localhost"), ("127.0.0.1", "op.localhost")]
    {
        let Ok(provider) = Provider::at(address.parse().expect(address), host, Quirks::default()) else {
            oidc_tests::require::not_run::<()>("IPv6 on this machine");
            continue;
        };
        let account = provider.seed_account("other");
        let order = json!({"request": "add", "config": account.to_object().members(), "plain_add": 1});
        assert_eq!(scene.agent.request(&order).expect("a reply")["status"], "success");
        let token = scene.agent.token("other", json!({}));
        assert!(token["access_token"].is_string(), "{host} at {address}: {token}");
    }
}

#[test]
fn the_client_prints_a_token_and_a_newline_and_nothing_else() {
    let scene = Scene::loaded();
    let printed = scene.oidc(&["token", ACCOUNT]);
    let token = access_token(&scene.ask(json!({}))).to_owned();
    assert_eq!((printed.stdout.as_str(), printed.stderr.as_str()), (format!("{token}\n").as_str(), ""));
    let all = scene.oidc(&["token", "--all", ACCOUNT]).success();
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines[..2], [token.as_str(), scene.provider.issuer().as_str()]);
}

#[test]
fn the_client_reports_what_was_not_granted() {
    let scene = Scene::loaded();
    scene.provider.change(|quirks| {
        quirks.drops_scopes = vec!["storage.modify:/".into()];
        quirks.audience = AudienceParameter::Ignored;
    });
    let arguments = ["token", "--scope", "openid", "--scope", "storage.modify:/", ACCOUNT];
    let told = scene.oidc(&arguments);
    assert!(told.stderr.contains("storage.modify:/"), "{told:?}");
    assert_eq!(told.code, Some(0));
    let strict = scene.oidc(&[&["token", "--strict"][..], &arguments[1..]].concat());
    assert_eq!((strict.code, strict.stdout.as_str()), (Some(11), ""));
}
