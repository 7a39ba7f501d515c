//! `oidc files` with the real agent: a first file by hand, what is told when the provider goes, and mistakes in the
//! configuration.

use std::time::{Duration, Instant};

use oidc_tests::{
    environment::PASSWORD,
    provider::Quirks,
    scene::{ACCOUNT, Scene},
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn status(scene: &Scene) -> Value {
    let shown = scene.oidc(&["files", "status", "--json"]);
    serde_json::from_str(&shown.stdout).unwrap_or_else(|error| panic!("{error}: {shown:?}"))
}

/// Waits until the status says so; nothing announces a failure that the scheduler is to come upon by itself.
fn wait_for(scene: &Scene, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let status = status(scene);
        if wanted(&status["entries"][0]) {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_first_file_takes_one_command() {
    let scene = Scene::loaded();
    let path = scene.environment.path("tokens/eos");
    let shown = path.to_str().expect("text");
    let added = scene.oidc(&["files", "add", ACCOUNT, shown, "--create-dirs", "--reader", "xrootd"]);
    assert!(added.stdout.contains("is fresh"), "{added:?}");
    assert!(added.stderr.contains(&format!("BEARER_TOKEN_FILE={shown}")), "{added:?}");
    let token = fs_err::read_to_string(&path).expect("the file");
    assert_eq!(token.trim_end().split('.').count(), 3, "{token}");
    let listed = scene.oidc(&["files", "status"]).success();
    assert!(listed.starts_with("fresh  eos  ") && listed.contains("renewed in"), "{listed}");
    assert!(!listed.contains(token.trim_end()));
    assert!(scene.oidc(&["files", "wait", "eos"]).success().starts_with("fresh"));
    let agent = scene.oidc(&["status"]).success();
    assert!(agent.contains("Files    1 managed, all fresh"), "{agent}");
    let checked = scene.oidc(&["files", "check"]).success();
    assert!(checked.contains("good: 1 entries"), "{checked}");
    let explained = scene.oidc(&["files", "explain", "eos"]).success();
    assert!(explained.contains("readers") && explained.contains("XRootD"), "{explained}");
    let _ = scene.oidc(&["files", "renew", "eos"]);
    wait_for(&scene, |entry| entry["renewals"].as_u64() >= Some(2) && entry["state"] == "fresh");
    assert_ne!(fs_err::read_to_string(&path).expect("the file"), token, "a new token came");
    let removed = scene.oidc(&["files", "remove", "eos"]).success();
    assert!(removed.contains("stays"), "{removed}");
    assert!(scene.oidc(&["files", "status"]).success().contains("No managed files"));
    assert!(path.exists());
}

#[test]
fn state_and_reason_are_told_while_the_provider_is_gone() {
    let mut scene = Scene::loaded_with(Quirks { access_token_lifetime: 3600, ..Quirks::default() });
    let path = scene.environment.path("token");
    scene.oidc(&["files", "add", ACCOUNT, path.to_str().expect("text")]).success();
    scene.provider.stop();
    let _ = scene.oidc(&["files", "renew"]);
    let gone = wait_for(&scene, |entry| entry["failures"].as_u64() >= Some(1));
    assert!(gone["entries"][0]["problem"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{gone}");
    let told = scene.oidc(&["files", "status"]).stdout;
    assert!(told.contains("tried again"), "{told}");
    scene.provider.resume().expect("the provider returns");
    let _ = scene.oidc(&["files", "renew"]);
    wait_for(&scene, |entry| entry["failures"] == 0 && entry["state"] == "fresh");
    assert!(scene.oidc(&["files", "status"]).success().starts_with("fresh"));
}

#[test]
fn a_mistake_changes_nothing_for_the_agent() {
    let scene = Scene::loaded();
    let path = scene.environment.path("token");
    scene.oidc(&["files", "add", ACCOUNT, path.to_str().expect("text")]).success();
    let configuration = scene.environment.accounts().join("files.toml");
    let good = fs_err::read_to_string(&configuration).expect("the configuration");
    fs_err::write(&configuration, format!("{good}mode = \"0666\"\n")).expect("written");
    let refused = scene.oidc(&["files", "reload"]);
    assert_eq!(refused.code, Some(20), "{refused:?}");
    assert!(refused.stderr.contains("mode: others could put another token there"), "{refused:?}");
    let checked = scene.oidc(&["files", "check"]);
    assert_eq!(checked.code, Some(20), "{checked:?}");
    let told = scene.oidc(&["files", "status"]);
    assert_eq!(told.code, Some(21), "{told:?}");
    assert!(told.stdout.starts_with("fresh") && told.stderr.contains("not taken"), "{told:?}");
    fs_err::write(&configuration, good).expect("written");
    assert!(scene.oidc(&["files", "reload"]).success().contains("1 managed files"));
    scene.oidc(&["files", "status"]).success();
}

/// An account that is not loaded keeps nothing fresh, however good the configuration is.
#[test]
fn a_reload_says_which_files_are_not_kept_and_why() {
    let scene = Scene::new();
    let password = scene.environment.path("password");
    let say = |text: &str| {
        fs_err::write(&password, text).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs_err::set_permissions(&password, mode).expect("a mode");
    };
    let entry = |name: &str| {
        let path = scene.environment.path(name);
        format!("[[file]]\nname = \"{name}\"\naccount = \"{ACCOUNT}\"\npath = \"{}\"\n", path.display())
    };
    let text = format!(
        "{}{}[accounts.{ACCOUNT}]\npassword_file = \"{}\"\n",
        entry("one"),
        entry("other"),
        password.display()
    );
    say("not the password\n");
    fs_err::write(scene.environment.accounts().join("files.toml"), text).expect("written");
    for _ in 0..2 {
        let reloaded = scene.oidc(&["files", "reload"]);
        assert_eq!(reloaded.code, Some(21), "{reloaded:?}");
        for part in [
            "keeps 0 of 2 managed files fresh",
            &format!("not kept  one, other (account {ACCOUNT}): "),
            &format!("files.toml:10: accounts.{ACCOUNT}: "),
            "assword",
        ] {
            assert!(reloaded.stdout.contains(part), "{part}: {reloaded:?}");
        }
        assert!(!reloaded.stdout.contains("not the password"), "{reloaded:?}");
    }
    let told = scene.oidc(&["files", "reload", "--json"]);
    assert!(told.code == Some(21) && told.stdout.contains("\"ok\":false"), "{told:?}");
    say(&format!("{PASSWORD}\n"));
    assert!(scene.oidc(&["files", "reload"]).success().contains("keeps 2 managed files fresh"));
    assert!(scene.oidc(&["files", "wait", "one"]).success().starts_with("fresh"));
    assert_eq!(status(&scene)["warnings"], serde_json::json!([]));
}

/// The program still works with the token before, which monitoring is to see; whoever waits for the file has it.
#[test]
fn a_hook_that_fails_is_told_and_seen_by_monitoring() {
    let scene = Scene::loaded();
    let path = scene.environment.path("token");
    let text = format!(
        "[[file]]\nname = \"hooked\"\naccount = \"{ACCOUNT}\"\npath = \"{}\"\n[file.hook]\ncommand = [\"false\"]\n",
        path.display()
    );
    fs_err::write(scene.environment.accounts().join("files.toml"), text).expect("written");
    scene.oidc(&["files", "reload"]).success();
    wait_for(&scene, |entry| entry["hook"]["failures"].as_u64() >= Some(1));
    let shown = scene.oidc(&["files", "status"]);
    assert_eq!(shown.code, Some(21), "{shown:?}");
    assert!(
        shown.stdout.starts_with("fresh  hooked") && shown.stdout.contains("its hook failed"),
        "{shown:?}"
    );
    assert_eq!(status(&scene)["ok"], false);
    let waited = scene.oidc(&["files", "wait", "hooked"]).success();
    assert!(waited.contains("its hook failed"), "{waited}");
}

#[test]
fn without_the_account_it_is_said_what_to_do() {
    let scene = Scene::new();
    let path = scene.environment.path("token");
    let added = scene.oidc(&["files", "add", ACCOUNT, path.to_str().expect("text")]);
    assert_eq!(added.code, Some(21), "{added:?}");
    assert!(added.stdout.contains(&format!("oidc add {ACCOUNT}")), "{added:?}");
    let agent = scene.oidc(&["status"]).success();
    assert!(agent.contains("1 of 1 managed files need attention"), "{agent}");
    scene.load(ACCOUNT);
    assert!(scene.oidc(&["files", "wait", "token"]).success().starts_with("fresh"));
    let unknown = scene.oidc(&["files", "add", "nobody", "/nonexistent/t"]);
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
}

#[test]
fn entries_added_at_once_are_all_there() {
    let scene = Scene::loaded();
    std::thread::scope(|scope| {
        for name in ["q1", "q2", "q3", "q4", "q5", "q6"] {
            let (scene, path) = (&scene, scene.environment.path(name));
            scope.spawn(move || {
                scene.oidc(&["files", "add", ACCOUNT, path.to_str().expect("text"), "--no-wait"]).success()
            });
        }
    });
    assert_eq!(status(&scene)["entries"].as_array().map(Vec::len), Some(6), "{}", status(&scene));
}

#[test]
fn the_osg_renewers_configuration_is_taken_over() {
    let scene = Scene::loaded();
    let ini = scene.environment.path("config.ini");
    let path = scene.environment.path("osg.token");
    let text = format!(
        "[account {ACCOUNT}]\npassword_file = /nonexistent.pw\n[token osg]\naccount = {ACCOUNT}\ntoken_path = {}\n",
        path.display()
    );
    fs_err::write(&ini, text).expect("written");
    let toml = scene.oidc(&["files", "import-osg", ini.to_str().expect("text")]).success();
    // The account is loaded already, so that its password is not needed.
    let entries = toml.split("[accounts.").next().expect("the entries");
    fs_err::write(scene.environment.accounts().join("files.toml"), entries).expect("written");
    scene.oidc(&["files", "reload"]).success();
    assert!(scene.oidc(&["files", "wait", "osg"]).success().starts_with("fresh"));
    assert!(path.exists());
}
