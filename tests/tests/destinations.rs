//! `oidc token --for`: tokens for a storage, a computing element or a service, and what a provider makes of what is asked.

use std::os::unix::{fs::PermissionsExt, process::CommandExt};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    programs::run,
    provider::{AudienceParameter, Provider, Quirks, Seed},
    scene::{ACCOUNT, Scene, claims},
};
use serde_json::{Value, json};

/// What `oidc token` prints about one destination, and its exit code.
fn told(scene: &Scene, options: &[&str]) -> Value {
    let said = scene.oidc(&[&["token", ACCOUNT, "--json"], options].concat()).success();
    serde_json::from_str(&said).expect("one object")
}

fn audience_and_scope(token: &Value) -> (Value, Value) {
    let claims = claims(token.as_str().expect("a token"));
    (claims["aud"].clone(), claims["scope"].clone())
}

const STORAGE: &str = "davs://SE.example:443/cellar/store/%7Eme/";

#[test]
fn a_token_has_what_the_address_says() {
    let scene = Scene::loaded();
    let token = told(&scene, &["--for", STORAGE, "--read", "--modify=/cellar/store/new", "--strict"]);
    let expected = (
        json!("https://se.example"),
        json!("storage.modify:/cellar/store/new storage.read:/cellar/store/~me"),
    );
    assert_eq!(audience_and_scope(&token["access_token"]), expected);
    assert_eq!(token["missing"], json!({"scope": [], "audience": []}));
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn what_the_provider_data_say_of_an_issuers_users_counts() {
    let (provider, environment) = (Provider::start(), Environment::new());
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let data = format!(
        "version = 1\n[[provider]]\nname = \"ours\"\nissuers = [\"{}\"]\n[provider.quirks]\n\
         destinations = [{{ hosts = [\"se.example\"], prefix = \"/cellar\", audience = \"https://{{host}}:8443\" }}]\n",
        provider.issuer()
    );
    fs_err::write(environment.accounts().join("providers.toml"), data).expect("written");
    let scene = Scene { agent: Agent::start(&environment), environment, provider };
    scene.load(ACCOUNT);
    let token = told(&scene, &["--for", STORAGE, "--read", "--explain"]);
    let expected = (json!("https://se.example:8443"), json!("storage.read:/store/~me"));
    assert_eq!(audience_and_scope(&token["access_token"]), expected);
    let steps = token["derived"]["steps"].to_string();
    assert!(steps.contains("without /cellar") && steps.contains("providers.toml: ours"), "{steps}");
}

#[test]
fn a_computing_element_gets_what_it_expects() {
    let scene = Scene::with(Quirks::default(), FileFormat::Native);
    let scope = "openid compute.create compute.read compute.cancel compute.modify";
    let account = scene.provider.seed(&Seed { scope: scope.into(), ..Seed::named("jobs") });
    scene.environment.add_account(&account, FileFormat::Native);
    scene.load("jobs");
    let said = scene.oidc(&["token", "jobs", "--for", "condor://CE.example", "--exec", "--strict"]).success();
    let token = claims(said.trim_end());
    assert_eq!(
        (&token["aud"], &token["scope"]),
        (&json!("ce.example:9619"), &json!("compute.cancel compute.create compute.modify compute.read"))
    );
}

/// INDIGO IAM and Keycloak leave out what they do not grant, and do not always say so.
#[test]
fn what_a_provider_leaves_out_without_a_word_is_noticed() {
    let scope = "storage.modify:/cellar/store/~me";
    for answers_scope in [true, false] {
        let quirks = Quirks { drops_scopes: vec![scope.into()], answers_scope, ..Quirks::default() };
        let scene = Scene::loaded_with(quirks);
        let line = ["--for", STORAGE, "--read", "--modify"];
        let token = told(&scene, &line);
        assert_eq!(token["missing"], json!({"scope": [scope], "audience": []}), "{token}");
        assert!(token["warnings"].to_string().contains(scope), "{token}");
        let finished = scene.oidc(&[&["token", ACCOUNT, "--strict"], &line[..]].concat());
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(11), ""), "{finished:?}");
        assert!(finished.stderr.contains(scope), "{finished:?}");
    }
    // A token that allows more is no token that lacks something.
    let scene = Scene::loaded_with(Quirks { ignores_scope_on_refresh: true, ..Quirks::default() });
    let token = told(&scene, &["--for", STORAGE, "--read", "--create", "--strict"]);
    assert_eq!(token["missing"], json!({"scope": [], "audience": []}), "{token}");

    let scene = Scene::loaded_with(Quirks { audience: AudienceParameter::Ignored, ..Quirks::default() });
    let token = told(&scene, &["--for", STORAGE, "--read"]);
    assert_eq!(token["missing"]["audience"], json!(["https://se.example"]), "{token}");
    let finished = scene.oidc(&["token", ACCOUNT, "--for", STORAGE, "--read"]);
    assert!(
        finished.stderr.contains("Warning: ") && finished.stderr.contains("https://se.example"),
        "{finished:?}"
    );
    assert_eq!(finished.stdout.lines().count(), 1);
}

#[test]
fn several_tokens_are_equally_young() {
    let scene = Scene::loaded();
    scene.provider.change(|quirks| quirks.access_token_lifetime = 600);
    let source = ["--for", "davs://a.example/x", "--read"];
    let old = told(&scene, &source);
    scene.provider.change(|quirks| quirks.access_token_lifetime = 3600);
    let further = ["--for", "davs://b.example/x", "--modify", "--for", "https://fts.example:8446"];
    let all = told(&scene, &[&source[..], &further].concat());
    let tokens = all["tokens"].as_array().expect("a list");
    let audiences: Vec<_> = tokens.iter().map(|token| audience_and_scope(&token["access_token"]).0).collect();
    assert_eq!(
        audiences,
        [json!("https://a.example"), json!("https://b.example"), json!("https://fts.example:8446")]
    );
    let ends: Vec<_> = tokens.iter().map(|token| token["expires_at"].as_u64().expect("a time")).collect();
    let (first, last) = (ends.iter().min().expect("one"), ends.iter().max().expect("one"));
    assert!(last - first <= 60, "{ends:?}");
    assert!(*first > old["expires_at"].as_u64().expect("a time") + 2000, "{ends:?}");
    // In the order of the command line, a line each.
    let said = scene.oidc(&[&["token", ACCOUNT], &further[..], &source].concat()).success();
    let audiences: Vec<_> = said.lines().map(|token| claims(token)["aud"].clone()).collect();
    assert_eq!(audiences, ["https://b.example", "https://fts.example:8446", "https://a.example"]);
}

#[test]
fn a_token_is_taken_somewhere_or_each_reason_is_told() {
    let scene = Scene::loaded();
    let file = scene.environment.path("token");
    let url = "root://se.example//x";
    let token = scene.oidc(&["token", ACCOUNT, "--for", url, "--read"]).success();
    fs_err::write(&file, token).expect("written");
    let mode = |mode| fs_err::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("its owner");
    let file = file.to_str().expect("a path");
    let inspect = |options: &[&str]| scene.oidc(&[&["inspect", file, "--for"], options].concat());

    mode(0o600);
    let finished = inspect(&[url, "--read"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains(&format!("would be taken at {url}")), "{finished:?}");
    mode(0o644);
    let finished = inspect(&[url, "--read"]);
    assert_eq!(finished.code, Some(18), "{finished:?}");
    assert!(
        finished.stdout.contains("would be refused") && finished.stdout.contains("chmod 600"),
        "{finished:?}"
    );
    let finished = inspect(&["davs://other.example/x", "--modify"]);
    assert_eq!(finished.code, Some(18), "{finished:?}");
    for reason in ["https://other.example", "storage.modify:/x"] {
        assert!(finished.stdout.contains(reason), "{reason}: {finished:?}");
    }
    let said =
        scene.oidc(&["inspect", "--account", ACCOUNT, "--json", "--for", STORAGE, "--modify"]).success();
    let said: Value = serde_json::from_str(&said).expect("one object");
    assert_eq!(
        said["tokens"][0]["taken_at"][0],
        json!({"url": "davs://se.example:443/cellar/store/~me", "taken": true})
    );
}

#[test]
fn the_c_suites_name_knows_nothing_of_it() {
    let scene = Scene::loaded();
    let oidc_token = |options: &[&str]| {
        let mut command = scene.agent.command(&scene.environment, "oidc");
        command.arg0("oidc-token").args(options);
        run(command)
    };
    // As ever: an abbreviation of --force-new.
    assert_eq!(oidc_token(&["--for", ACCOUNT]).success().lines().count(), 1);
    let finished = oidc_token(&["--read", ACCOUNT]);
    assert!(finished.stderr.contains("unrecognized option '--read'"), "{finished:?}");
}
