//! `oidc whoami` and the request `userinfo`: who somebody is to the provider, and what a provider cannot make us believe.

use std::time::Duration;

use oidc_tests::{
    environment::FileFormat,
    provider::{Endpoint, Fault, Quirks, Seed, Userinfo},
    scene::{ACCOUNT, Scene, timed},
};
use serde_json::{Map, Value, json};

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("no object: {other}"),
    }
}

fn iam() -> Quirks {
    let groups =
        json!({"name": "Ada Lovelace", "groups": ["cms", "cms/pilot"], "eduperson_entitlement": ["urn:e:1"]});
    Quirks { iam: true, userinfo_with: members(groups), ..Quirks::default() }
}

/// At INDIGO IAM, with or without the scope for SCIM.
fn scene(quirks: Quirks, scope: &str) -> Scene {
    let scene = Scene::with(quirks, FileFormat::Native);
    let seed = Seed { scope: format!("openid offline_access {scope}"), ..Seed::named(ACCOUNT) };
    scene.environment.add_account(&scene.provider.seed(&seed), FileFormat::Native);
    scene.load(ACCOUNT);
    scene
}

fn asked(scene: &Scene) -> Value {
    let reply = scene.agent.request(&json!({"request": "userinfo", "account": ACCOUNT})).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
    reply["info"].clone()
}

#[test]
fn everything_that_the_provider_tells_is_shown() {
    let scene = scene(iam(), "scim:read");
    let told = scene.oidc(&["whoami"]).success();
    for line in [
        "Ada Lovelace (",
        "  groups       cms\n               cms/pilot\n",
        "  entitlements urn:e:1\n",
        "  certificates /DC=ch/DC=cern/OU=Users/CN=Lovelace, Ada\n               CN=Lovelace\\, Ada,OU=Users,DC=cern,DC=ch\n",
        "ada-1 at https://idp.example.org (oidc)",
        "  usage policy signed on 2026-01-0",
        "  membership   ends on 2027-01-0",
    ] {
        assert!(told.contains(line), "{line} is not in {told}");
    }
    let only = |options: &[&str]| scene.oidc(&[&["whoami", ACCOUNT], options].concat()).success();
    assert_eq!(only(&["--dn"]), "/DC=ch/DC=cern/OU=Users/CN=Lovelace, Ada\n");
    assert_eq!(only(&["--dn=rfc2253"]), "CN=Lovelace\\, Ada,OU=Users,DC=cern,DC=ch\n");
    assert_eq!(only(&["--groups"]), "cms\ncms/pilot\n");
    assert_eq!(only(&["--roles"]), "");
    let object: Value = serde_json::from_str(&only(&["--json"])).expect("one object");
    assert_eq!(only(&["--sub"]), format!("{}\n", object["subject"].as_str().expect("a subject")));
    assert_eq!((&object["account"], &object["problems"]), (&ACCOUNT.into(), &json!([])));
    assert_eq!(object["certificates"][0]["subject_with_slashes"], "/DC=ch/DC=cern/OU=Users/CN=Lovelace, Ada");
}

#[test]
fn a_missing_scope_is_named_with_the_command_that_asks_for_it() {
    let scene = scene(iam(), "");
    let finished = scene.oidc(&["whoami", ACCOUNT]);
    let command = "`oidc gen --reauthenticate demo --scope 'openid offline_access scim:read'`";
    assert!(finished.stderr.contains(command), "{finished:?}");
    assert!(finished.success().contains("cms/pilot"), "userinfo has groups");
    let refused = scene.oidc(&["whoami", ACCOUNT, "--dn"]).failure();
    assert!(refused.contains(command), "{refused}");
}

#[test]
fn a_signed_answer_is_judged_as_id_tokens_are() {
    for (userinfo, refused) in [
        (Userinfo::Signed, None),
        (Userinfo::SignedByAnother, Some("signature is wrong")),
        (Userinfo::ForAnother, Some("meant for another client")),
        (Userinfo::Unsigned, Some("not signed")),
    ] {
        let scene = scene(Quirks { userinfo, ..iam() }, "");
        let info = asked(&scene);
        let problem =
            info["problems"].as_array().into_iter().flatten().find(|one| one["source"] == "userinfo");
        match refused {
            None => {
                assert!(problem.is_none() && info["userinfo"]["groups"].is_array(), "{userinfo:?}: {info}");
            }
            Some(reason) => {
                let problem = problem.unwrap_or_else(|| panic!("{userinfo:?}: {info}"));
                assert!(problem["error"].as_str().is_some_and(|error| error.contains(reason)), "{problem}");
                assert_eq!(
                    (&problem["error_code"], &info["userinfo"]),
                    (&"provider_bad_response".into(), &Value::Null)
                );
            }
        }
    }
}

/// OpenID Connect Core section 5.3.2.
#[test]
fn answers_about_somebody_else_are_not_used() {
    let other = json!({"sub": "somebody-else", "groups": ["admins"]});
    let scene = scene(
        Quirks { userinfo_with: members(other), scim_with: members(json!({"id": "third"})), ..iam() },
        "scim:read",
    );
    let info = asked(&scene);
    assert_eq!((&info["userinfo"], &info["scim"]), (&Value::Null, &Value::Null), "{info}");
    let codes: Vec<_> =
        info["problems"].as_array().into_iter().flatten().map(|one| &one["error_code"]).collect();
    assert_eq!(codes, ["provider_mismatch", "provider_mismatch"]);
    let said = scene.oidc(&["whoami", ACCOUNT]).failure();
    assert!(said.contains("about somebody else") && !said.contains("admins"), "{said}");
}

#[test]
fn hostile_answers_are_refused_and_shown_harmlessly() {
    let faults = [
        (
            Fault::Bytes { status: 200, content_type: "text/html".into(), body: b"<h1>Sign in</h1>".into() },
            "a web page",
        ),
        (Fault::HugeBody { bytes: 64 << 20 }, "more than 1 MiB"),
        (
            Fault::Bytes {
                status: 200,
                content_type: "application/json".into(),
                body: format!("{{\"sub\":\"{}\"}}", "x".repeat(300 << 10)).into(),
            },
            "at most 256 KiB",
        ),
        (Fault::Garbage, "JSON expected"),
        (Fault::Redirect { to: "https://elsewhere.example/".into() }, "redirects to elsewhere.example"),
        (
            Fault::Bytes { status: 200, content_type: "application/json".into(), body: b"{}".into() },
            "whom it is about",
        ),
    ];
    let scene = scene(Quirks { iam: false, ..iam() }, "");
    for (fault, reason) in faults {
        scene.provider.faults().queue(Endpoint::Userinfo, fault);
        let said = scene.oidc(&["whoami", ACCOUNT]).failure();
        assert!(said.contains(reason), "{reason}: {said}");
    }
    let claims = json!({"name": "Ada\u{1b}[2J\nroot", "groups": ["a\nb", "\u{202e}x"]});
    scene.provider.change(|quirks| quirks.userinfo_with = members(claims));
    let told = scene.oidc(&["whoami", ACCOUNT]).success();
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    assert_eq!(scene.oidc(&["whoami", ACCOUNT, "--groups"]).success().lines().count(), 2);
}

#[test]
fn all_accounts_are_asked_at_once_and_none_holds_up_another() {
    let scene = scene(iam(), "");
    for name in ["second", "third"] {
        scene.add_unsaved(name);
        scene.agent.token(name, json!({}));
    }
    // Each has its access token already.
    scene.ask(json!({}));
    let faults = scene.provider.faults();
    faults
        .queue(Endpoint::Userinfo, Fault::OAuthError { status: 400, error: "odd".into(), description: None });
    for _ in 0..2 {
        faults.queue(Endpoint::Userinfo, Fault::Late { milliseconds: 2000 });
    }
    let (told, time) = timed(|| scene.oidc(&["whoami", "--all"]).success());
    assert!(time < Duration::from_millis(3800), "one after the other: {time:?}");
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    for (line, name) in lines.iter().zip([ACCOUNT, "second", "third"]) {
        assert!(line.starts_with(name), "{told}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("! ")).count(), 1, "{told}");
    let rows: Value =
        serde_json::from_str(&scene.oidc(&["whoami", "--all", "--json"]).success()).expect("an array");
    assert_eq!(rows.as_array().map(Vec::len), Some(3));
}

#[test]
fn an_account_that_nobody_logs_in_with_has_no_person() {
    let scene = Scene::with(iam(), FileFormat::Native);
    let mut account = scene.provider.seed_account("robot").to_object().members().clone();
    account.insert("grant_type".into(), "client_credentials".into());
    account.remove("refresh_token");
    let reply =
        scene.agent.request(&json!({"request": "add", "config": account, "plain_add": 1})).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
    let said = scene.oidc(&["whoami", "robot"]).failure();
    assert!(said.contains("nobody logs in with the account 'robot'"), "{said}");
    let reply = scene.agent.request(&json!({"request": "clients", "account": "robot"})).expect("a reply");
    assert_eq!(reply["error_code"], "no_person", "{reply}");
}
