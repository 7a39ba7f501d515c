//! The client offers a login, or an account, on the terminal it was called at.

use std::process::Command;

use oidc_tests::{
    environment::PASSWORD,
    pty::{Pty, Shell},
    scene::ACCOUNT,
};

use crate::stage::{ON, Stage, Window};

/// What the client would do whose agent does not ask by itself.
fn stage() -> Stage {
    Stage::with(ON, &[])
}

/// `oidc token` with its standard output in a file.
fn token(stage: &Stage, arguments: &[&str]) -> Command {
    let oidc = stage.scene.command(&[&["token"], arguments].concat());
    let mut command = Command::new("sh");
    command.args(["-c", "out=$1; shift; exec \"$@\" >\"$out\"", "sh"]);
    command.arg(stage.scene.environment.path("out"));
    command.arg(oidc.get_program()).args(oidc.get_args());
    command.envs(oidc.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

fn printed(stage: &Stage) -> String {
    fs_err::read_to_string(stage.scene.environment.path("out")).expect("a file")
}

#[test]
fn a_person_at_the_terminal_logs_in_there_and_gets_the_token() {
    let stage = stage();
    let mut terminal = Pty::start(&token(&stage, &["--force-new", ACCOUNT]), Shell::Plain, b"");
    let asked = terminal.expect("Log in now? [Y/n]");
    assert!(asked.contains(&format!("Account '{ACCOUNT}' needs a new login at")), "{asked}");
    terminal.type_keys(b"\n");
    terminal.expect("assword");
    terminal.type_keys(format!("{PASSWORD}\n").as_bytes());
    terminal.expect("enter the code");
    stage.agree_on_another_device();
    let (status, shown) = terminal.finish();
    assert_eq!(status, 0, "{shown}");
    let token = printed(&stage);
    assert!(token.lines().count() == 1 && token.len() > 20, "nothing but the token: {token}");
    assert!(stage.is_stored());
    assert_eq!(stage.shown(Window::Offer), 0, "one of the two asks");
}

#[test]
fn a_no_is_the_failure_there_was() {
    let stage = stage();
    for (answer, arguments, asks) in [
        (&b"n\n"[..], &["--force-new", ACCOUNT][..], true),
        (b"\x04", &["--force-new", ACCOUNT], true),
        (b"", &["--force-new", "--no-autoreauthenticate", ACCOUNT], false),
        (b"", &["--force-new", "--json", ACCOUNT], false),
    ] {
        let mut terminal = Pty::start(&token(&stage, arguments), Shell::Plain, b"");
        if asks {
            terminal.expect("Log in now? [Y/n]");
            terminal.type_keys(answer);
        }
        let (status, shown) = terminal.finish();
        assert!(status == 7 && (asks || !shown.contains("Log in now")), "{arguments:?}: {status} {shown}");
    }
    assert_eq!(stage.shown(Window::Offer), 0);
}

#[test]
fn an_agent_that_may_not_offer_logins_keeps_its_clients_from_it() {
    let stage = Stage::with(ON, &["--no-autoreauthenticate"]);
    let terminal = Pty::start(&token(&stage, &["--force-new", ACCOUNT]), Shell::Plain, b"");
    let (status, shown) = terminal.finish();
    assert!(status == 7 && !shown.contains("Log in now"), "{status} {shown}");
}

#[test]
fn an_issuer_without_an_account_gets_one_in_the_same_dialogue() {
    let stage = Stage::unloaded(r#"{"oidc-agent": {"auto-gen": true, "auto-gen-scope-mode": "exact"}}"#, &[]);
    fs_err::remove_file(stage.scene.environment.account_file(ACCOUNT)).expect("removed");
    let issuer = stage.scene.provider.issuer();
    let mut terminal =
        Pty::start(&token(&stage, &["-s", "openid storage.read:/", &issuer]), Shell::Plain, b"");
    terminal.expect("Make one now? [Y/n]");
    terminal.type_keys(b"y\n");
    terminal.expect("Short name for the account [account]:");
    terminal.type_keys(b"mine\n");
    for _ in 0..2 {
        terminal.expect("assword");
        terminal.type_keys(format!("{PASSWORD}\n").as_bytes());
    }
    terminal.expect("enter the code");
    stage.agree_on_another_device();
    let (status, shown) = terminal.finish();
    assert_eq!(status, 0, "{shown}");
    let token = printed(&stage);
    assert!(token.lines().count() == 1 && token.len() > 20, "nothing but the token: {token}");
    let account = stage.scene.environment.read_account("mine");
    let scope = account.login_scope().unwrap_or_default();
    assert!(scope.contains("storage.read:/") && !scope.contains("profile"), "{scope}");
    // From now on it is the issuer's.
    let again = stage.scene.oidc(&["token", &issuer]).success();
    assert!(again.len() > 20);
}

#[test]
fn without_that_key_no_account_is_offered_and_the_command_is_named() {
    let stage = Stage::unloaded("{}", &[]);
    fs_err::remove_file(stage.scene.environment.account_file(ACCOUNT)).expect("removed");
    let issuer = stage.scene.provider.issuer();
    let terminal = Pty::start(&token(&stage, &[&issuer]), Shell::Plain, b"");
    let (status, shown) = terminal.finish();
    assert!(status != 0 && !shown.contains("Make one now"), "{status} {shown}");
    assert!(shown.contains(&format!("oidc gen --issuer {issuer}")), "{shown}");
}
