//! `oidc provider show` and `probe`: what is told of a provider before anybody logs in, and whether it is true.

use oidc_tests::{
    provider::{Endpoint, Fault, Provider, Quirks, Registration},
    scene::Scene,
};
use serde_json::{Value, json};

fn probe(scene: &Scene, issuer: &str) -> Value {
    let said = scene.oidc(&["provider", "probe", issuer, "--json"]).success();
    serde_json::from_str(&said).expect("one object")
}

/// The first finding about that, and whether it stands in the way.
fn finding<'a>(report: &'a Value, topic: &str) -> (&'a str, bool) {
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["topic"] == topic);
    let found = found.unwrap_or_else(|| panic!("nothing about {topic}: {report}"));
    (found["text"].as_str().expect("a text"), found["is_problem"] == true)
}

fn with(change: impl FnOnce(&mut Quirks)) -> Quirks {
    let mut quirks = Quirks::default();
    change(&mut quirks);
    quirks
}

#[test]
fn a_probe_says_in_a_glance_what_gen_will_do() {
    let scene = Scene::new();
    let issuer = scene.provider.issuer();
    let said = scene.oidc(&["provider", "probe", &issuer]).success();
    let last = said.trim_end().lines().next_back().expect("a line");
    assert_eq!(
        last,
        format!(
            "`oidc gen NAME --issuer {issuer}` registers a client; then you log in in a browser or with a code on another \
             device"
        )
    );
    for line in
        ["  tls           plain http", "  flows         possible: code, device", "  pkce          S256"]
    {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    assert!(!said.contains('!'), "{said}");
    assert!(said.lines().count() < 15, "{said}");
}

#[test]
fn a_probe_foresees_where_the_client_comes_from() {
    for (registration, client, says) in [
        (Registration::Open, "registration", "registers clients for everybody"),
        (Registration::Bearer("x".into()), "registration_with_token", "has an initial access token"),
        (Registration::TrustedHosts("x".into()), "registration_with_token", "has an initial access token"),
        (Registration::Closed, "given", "no clients for everybody"),
        (Registration::Absent, "given", "no clients by itself"),
    ] {
        let scene = Scene::new();
        let shown = format!("{registration:?}");
        let provider = Provider::with(Quirks { registration, ..Quirks::default() });
        let report = probe(&scene, &provider.issuer());
        assert_eq!(report["prediction"]["client"], client, "{shown}: {report}");
        let (text, is_problem) = finding(&report, "registration");
        assert!(text.contains(says) && !is_problem, "{shown}: {report}");
        let (text, _) = finding(&report, "gen");
        let option = match client {
            "registration" => "registers a client",
            "given" => "--client-id",
            _ => "--at-env",
        };
        assert!(text.contains(option), "{shown}: {text}");
        assert_eq!(provider.client_count(), 0, "{shown}: nothing is made");
    }
}

#[test]
fn a_probe_foresees_what_a_login_can_do() {
    let without = |member: &str| with(|quirks| quirks.metadata_without = vec![member.to_owned()]);
    for (quirks, member, value) in [
        (without("device_authorization_endpoint"), "flows", json!(["code"])),
        (without("authorization_endpoint"), "flows", json!(["device"])),
        (without("token_endpoint"), "flows", json!([])),
        (without("revocation_endpoint"), "revocation", json!(false)),
        (Quirks::default(), "revocation", json!(true)),
        (without("code_challenge_methods_supported"), "pkce", json!("S256")),
        (
            with(|quirks| {
                quirks.metadata_with.insert("code_challenge_methods_supported".into(), json!(["plain"]));
            }),
            "pkce",
            json!("plain"),
        ),
        (Quirks::default(), "id_token_algorithms", json!(["ES256"])),
        (Quirks::default(), "scope", json!("openid profile offline_access")),
    ] {
        let scene = Scene::new();
        let provider = Provider::with(quirks);
        let report = probe(&scene, &provider.issuer());
        assert_eq!(report["prediction"][member], value, "{report}");
    }
}

#[test]
fn a_probe_marks_what_stands_in_the_way() {
    for (quirks, topic, says) in [
        (
            with(|quirks| quirks.metadata_without = vec!["token_endpoint".into()]),
            "gen",
            "no login is possible",
        ),
        (with(|quirks| quirks.clock_ahead = 400), "clock", "behind the provider"),
        (with(|quirks| quirks.clock_ahead = -400), "clock", "ahead of the provider"),
        (
            with(|quirks| {
                quirks.metadata_with.insert("token_endpoint".into(), json!("http://op.example/token"));
            }),
            "endpoints",
            "neither https nor on this machine",
        ),
    ] {
        let scene = Scene::new();
        let provider = Provider::with(quirks);
        let report = probe(&scene, &provider.issuer());
        let (text, is_problem) = finding(&report, topic);
        assert!(text.contains(says) && is_problem, "{topic}: {report}");
        let said = scene.oidc(&["provider", "probe", &provider.issuer()]).success();
        assert!(said.lines().any(|line| line.starts_with('!')), "{said}");
    }
    let scene = Scene::new();
    scene.provider.tolerate_violations();
    scene.provider.faults().set(Endpoint::Jwks, Fault::Garbage);
    let report = probe(&scene, &scene.provider.issuer());
    assert!(finding(&report, "keys").1, "{report}");
}

/// It is asked anew each time, and told as `gen` tells it.
#[test]
fn a_probe_of_who_is_not_there_fails_as_gen_does() {
    let mut scene = Scene::new();
    let issuer = scene.provider.issuer();
    assert_eq!(probe(&scene, &issuer)["status"], "success");
    scene.provider.stop();
    let said = scene.oidc(&["provider", "probe", &issuer]).failure();
    assert!(said.contains("could not connect"), "{said}");
    let other =
        Provider::with(with(|quirks| quirks.announced_issuer = Some("https://other.example/".into())));
    let said = scene.oidc(&["provider", "probe", &other.issuer()]).failure();
    assert!(said.contains("--issuer https://other.example/"), "{said}");
}

#[test]
fn what_counts_is_shown_with_where_it_comes_from() {
    let mut scene = Scene::new();
    let issuer = scene.provider.issuer();
    let data = format!(
        "version = 1\n[[provider]]\nname = \"ours\"\nissuers = [\"{issuer}\"]\n[provider.quirks]\n\
         audience = \"resource\"\nget_client = \"Ask Ada.\"\n"
    );
    let path = scene.environment.accounts().join("providers.toml");
    fs_err::write(&path, data).expect("written");
    let said = scene.oidc(&["provider", "show", &issuer]).success();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], [issuer.as_str(), "  Ask Ada."], "{said}");
    assert!(said.contains("resource") && !said.contains("dead_token_texts"), "{said}");
    let why = scene.oidc(&["provider", "show", &issuer, "--why"]).success();
    assert!(why.contains(&format!("({}: ours)", path.display())), "{why}");
    assert!(why.contains("(built in: every provider)") && why.contains("(unless somebody says"), "{why}");
    let json = scene.oidc(&["provider", "show", &issuer, "--json"]).success();
    let json: Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(json["effective"]["audience"], "resource");
    assert!(json["facts"].to_string().contains("Ask Ada."), "{json}");

    // Known is what is known, whoever is away.
    scene.provider.stop();
    let shown = scene.oidc(&["provider", "show", &issuer]).success();
    assert!(shown.contains("Ask Ada."), "{shown}");
}
