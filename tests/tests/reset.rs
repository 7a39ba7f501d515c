//! The forgotten password: `oidc reset`, in every state an agent can be in.

use oidc_tests::{
    environment::{Environment, FileFormat},
    programs::run,
    provider::{Endpoint, Fault, Provider},
    scene::{ACCOUNT, Scene},
    terminal::Terminal,
};
use serde_json::json;

/// Whether anything of the account is left in the oidc-agent directory.
fn is_gone(environment: &Environment, name: &str) -> bool {
    let entries = fs_err::read_dir(environment.accounts()).expect("a directory");
    let left: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    !left.iter().any(|entry| entry == name || entry.starts_with(&format!(".{name}.")))
}

#[test]
fn three_wrong_passwords_then_the_way_out() {
    let scene = Scene::new();
    let mut add = scene.agent.command(&scene.environment, "oidc");
    add.args(["add", ACCOUNT]);
    let mut terminal = Terminal::start(add);
    for _ in 0..3 {
        terminal.expect("Enter decryption password");
        terminal.type_line("a guess");
    }
    let (code, said) = terminal.finish();
    assert_ne!(code, 0);
    for hint in ["oidc reset", "oidc passwd", ACCOUNT] {
        assert!(said.contains(hint), "{hint} is not in {said:?}");
    }

    let mut reset = scene.agent.command(&scene.environment, "oidc");
    reset.args(["reset", ACCOUNT]);
    let mut terminal = Terminal::start(reset);
    terminal.expect("[");
    terminal.type_line("yes");
    assert_eq!(terminal.finish().0, 0);
    assert!(is_gone(&scene.environment, ACCOUNT));
}

#[test]
fn a_loaded_account_leaves_nothing_at_the_provider() {
    let scene = Scene::loaded();
    let account = scene.environment.read_account(ACCOUNT);
    let client_id = account.client_id.clone().expect("a client id");
    scene.oidc(&["reset", "--force", ACCOUNT]).success();
    assert!(is_gone(&scene.environment, ACCOUNT));
    assert!(!scene.provider.has_client(&client_id));
    assert!(!scene.provider.is_live(&account.refresh_token.expect("a refresh token")));
    assert_eq!(scene.ask(json!({"prompt": "none"}))["status"], "failure");
}

#[test]
fn keep_remote_touches_no_provider() {
    let scene = Scene::loaded();
    let client_id = scene.environment.read_account(ACCOUNT).client_id.expect("a client id");
    scene.oidc(&["reset", "--force", "--keep-remote", ACCOUNT]).success();
    assert!(is_gone(&scene.environment, ACCOUNT));
    assert!(scene.provider.has_client(&client_id));
    assert_eq!(scene.provider.log().count(Endpoint::Revocation), 0);
}

#[test]
fn an_account_that_is_not_loaded_names_what_is_left() {
    let scene = Scene::new();
    let client_id = scene.environment.read_account(ACCOUNT).client_id.expect("a client id");
    let said = scene.oidc(&["reset", "--force", ACCOUNT]);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, Some(0), "{text}");
    for left in [client_id.as_str(), scene.provider.issuer().as_str(), "/register/"] {
        assert!(text.contains(left), "{left} is not in {text:?}");
    }
    assert!(is_gone(&scene.environment, ACCOUNT));
}

#[test]
fn it_works_with_a_locked_agent() {
    let scene = Scene::loaded();
    let lock = json!({"request": "lock", "password": "sesame"});
    assert_eq!(scene.agent.request(&lock).expect("a reply")["status"], "success");
    scene.oidc(&["reset", "--force", ACCOUNT]).success();
    assert!(is_gone(&scene.environment, ACCOUNT));
    let unlock = json!({"request": "unlock", "password": "sesame"});
    assert_eq!(scene.agent.request(&unlock).expect("a reply")["status"], "success");
    // The login went with the file: no token, and no account.
    assert_eq!(scene.ask(json!({"prompt": "none"}))["status"], "failure");
    let loaded = scene.agent.request(&json!({"request": "loaded_accounts"})).expect("a reply");
    assert_eq!(loaded["info"], json!([]));
}

#[test]
fn it_works_without_an_agent() {
    let provider = Provider::start();
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
    let mut reset = environment.command("oidc");
    reset.args(["reset", "--force", ACCOUNT]).env("OIDC_NO_AUTOSTART", "1");
    run(reset).success();
    assert!(is_gone(&environment, ACCOUNT));
}

#[test]
fn a_provider_that_hangs_does_not_stop_it() {
    let scene = Scene::loaded();
    for endpoint in [Endpoint::Revocation, Endpoint::ClientConfiguration] {
        scene.provider.faults().set(endpoint, Fault::Hang);
    }
    scene.oidc(&["reset", "--force", ACCOUNT]).success();
    assert!(is_gone(&scene.environment, ACCOUNT));
}

#[test]
fn a_damaged_file_can_be_reset() {
    let scene = Scene::new();
    fs_err::write(scene.environment.account_file("damaged"), "\0 no account").expect("a file");
    scene.oidc(&["reset", "--force", "damaged"]).success();
    assert!(is_gone(&scene.environment, "damaged"));
    assert!(!is_gone(&scene.environment, ACCOUNT));
}

#[test]
fn what_is_no_account_is_refused() {
    let scene = Scene::new();
    fs_err::write(scene.environment.account_file("issuer.config"), "[]").expect("a file");
    for name in ["issuer.config", "../../x", ".hidden", "missing"] {
        scene.oidc(&["reset", "--force", name]).failure();
    }
    assert!(scene.environment.account_file("issuer.config").exists());
}

#[test]
fn a_dry_run_changes_nothing_and_a_no_neither() {
    let scene = Scene::loaded();
    scene.oidc(&["reset", "--dry-run", ACCOUNT]).success();
    assert!(!is_gone(&scene.environment, ACCOUNT));
    // Without a terminal and without --force nobody can agree.
    scene.oidc(&["reset", ACCOUNT]).failure();
    assert!(!is_gone(&scene.environment, ACCOUNT));
    assert_eq!(scene.provider.log().count(Endpoint::Revocation), 0);
}
