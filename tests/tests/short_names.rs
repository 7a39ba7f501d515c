//! Short names that look like something else: an option, a command, a path, an address.

use oidc_tests::{environment::FileFormat, scene::Scene};

#[test]
fn every_name_that_the_c_suite_takes_is_one() {
    let scene = Scene::new();
    let long = "n".repeat(200);
    for name in [
        "-dash",
        "--all",
        "two words",
        "größe",
        "a.b.c",
        "me@example.org",
        "$(id)",
        "a%20b",
        "0",
        "~",
        "token",
        "a'b\"c",
        &long,
    ] {
        let account = scene.provider.seed_account(name);
        scene.environment.add_account(&account, FileFormat::Native);
        scene.load(name);
        let token = scene.oidc(&["token", "--", name]);
        assert_eq!((token.stderr.as_str(), token.code), ("", Some(0)), "{name}");
        assert_eq!(token.stdout.split('.').count(), 3, "{name}");
        let listed = scene.oidc(&["list", "--json"]).success();
        let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
        let own = listed.as_array().expect("a list").iter().find(|entry| entry["name"] == name);
        assert_eq!(own.map(|own| &own["loaded"]), Some(&true.into()), "{name}: {listed}");
        scene.oidc(&["remove", "--", name]).success();
        scene.oidc(&["reset", "--force", "--keep-remote", "--", name]).success();
        assert!(!scene.environment.account_file(name).exists(), "{name}");
    }
}

#[test]
fn names_of_other_files_are_refused_with_a_reason() {
    let scene = Scene::new();
    for name in ["x.config", "issuer.config", "x.log", "x.stats", ".hidden", "null", "(null)"] {
        let refused =
            scene.oidc(&["gen", "--prompt", "none", "--issuer", &scene.provider.issuer(), "--", name]);
        assert!(
            refused.code.is_some_and(|code| code != 0) && refused.stderr.contains(name),
            "{name}: {refused:?}"
        );
        assert!(!scene.environment.account_file(name).exists(), "{name}");
    }
}
