//! The agent offers a login: to one person once, and nobody else waits.

use std::{thread, time::Duration};

use oidc_tests::{
    programs::run,
    pty::{Pty, Shell},
    require,
    scene::{ACCOUNT, timed},
};
use serde_json::json;

use crate::stage::{CANCEL, OK, ON, Stage, Window, answers, token, visit, wait_until};

/// As short as a failure has to be that waits for nobody, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The one answer of a program on a terminal.
fn finished(pty: Pty) -> String {
    let (_, shown) = pty.finish();
    answers(&shown).pop().unwrap_or_else(|| panic!("no answer: {shown}"))
}

#[test]
fn a_hundred_requests_are_one_question_and_who_waits_gets_the_token_of_the_login() {
    let stage = Stage::new();
    stage.scene.add_unsaved("other");
    thread::scope(|scope| {
        let script = || stage.without_terminal(&token(), 95, true);
        let scripts = scope.spawn(move || timed(|| run(script()).success()));
        let terminals: Vec<_> =
            (0..5).map(|_| Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"")).collect();
        stage.wait_for(Window::Offer, 1);
        // Nobody has answered yet: who cannot wait for a person is not made to, and other accounts are not concerned.
        let (shown, elapsed) = scripts.join().expect("no panic");
        let refused = answers(&shown);
        assert!(refused.len() == 95 && refused.iter().all(|answer| answer == "login_needed"), "{refused:?}");
        assert!(elapsed < AT_ONCE, "{elapsed:?}");
        let (other, elapsed) = timed(|| stage.scene.agent.token("other", json!({"min_valid_period": -1})));
        assert!(other["access_token"].is_string() && elapsed < AT_ONCE, "{other} {elapsed:?}");

        stage.press(Window::Offer, OK);
        stage.wait_for(Window::Login, 1);
        stage.browse();
        for terminal in terminals {
            let answer = finished(terminal);
            assert!(answer.len() > 20, "no token: {answer}");
        }
    });
    assert_eq!((stage.shown(Window::Offer), stage.shown(Window::Login)), (1, 1));
    stage.wait_until_closed(Window::Login);
    let heard = stage.heard();
    assert!(heard.contains(&format!("The account '{ACCOUNT}' needs a new login")), "{heard}");
    assert!(heard.contains("invalid_grant") && heard.contains("Asked for by "), "{heard}");
    assert!(stage.is_stored(), "the file has the new login");
}

#[test]
fn what_is_not_wanted_now_is_not_offered_again_soon() {
    let stage = Stage::new();
    stage.press(Window::Offer, CANCEL);
    for _ in 0..3 {
        let terminal = Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"");
        assert_eq!(finished(terminal), "login_needed");
        let script = run(stage.without_terminal(&token(), 1, true)).success();
        assert_eq!(answers(&script), ["login_needed"]);
    }
    assert_eq!((stage.shown(Window::Offer), stage.shown(Window::Login)), (1, 0));
}

#[test]
fn a_login_that_is_given_up_ends_for_everybody() {
    let stage = Stage::new();
    stage.press(Window::Offer, OK);
    let terminal = Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"");
    stage.wait_for(Window::Login, 1);
    stage.press(Window::Login, CANCEL);
    assert_eq!(finished(terminal), "login_needed");
    // Its web server is gone, and with it the port.
    let uri = stage.scene.environment.read_account(ACCOUNT).redirect_uris.remove(0);
    let port: u16 = uri.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    wait_until(|| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
    assert!(!stage.is_stored());
}

#[test]
fn a_hidden_window_leaves_the_login_as_it_is() {
    let stage = Stage::new();
    stage.press(Window::Offer, OK);
    stage.press(Window::Login, OK);
    let terminal = Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"");
    stage.wait_for(Window::Login, 1);
    stage.wait_until_closed(Window::Login);
    stage.browse();
    assert!(finished(terminal).len() > 20);
}

#[test]
fn on_a_terminal_alone_the_login_is_by_a_code_for_another_device() {
    let stage = Stage::new();
    stage.press(Window::Offer, OK);
    let terminal = Pty::start(&stage.asking(&token(), 1, false), Shell::Plain, b"");
    stage.wait_for(Window::Login, 1);
    let code = stage.scene.provider.user_codes().pop().expect("a code");
    assert!(stage.heard().contains(&format!("Code: {code}")), "{}", stage.heard());
    stage.agree_on_another_device();
    assert!(finished(terminal).len() > 20);
    assert!(!stage.scene.environment.path("opened").exists(), "there is no display for a browser");
    assert!(stage.is_stored());
}

#[test]
fn a_question_on_a_terminal_goes_with_whoever_asked_there() {
    let stage = Stage::new();
    let mut terminal = Pty::start(&stage.asking(&token(), 1, false), Shell::Plain, b"");
    stage.wait_for(Window::Offer, 1);
    terminal.hang_up();
    stage.wait_until_closed(Window::Offer);
}

#[test]
fn a_job_without_terminal_and_display_is_refused_at_once_and_nobody_is_asked() {
    let stage = Stage::new();
    let shown = run(stage.without_terminal(&token(), 20, false)).success();
    assert!(answers(&shown).iter().all(|answer| answer == "login_needed"), "{shown}");
    let quiet =
        json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": -1, "prompt": "none"});
    let shown = run(stage.without_terminal(&quiet, 1, true)).success();
    assert_eq!(answers(&shown), ["login_needed"]);
    let terminal = Pty::start(&stage.asking(&quiet, 1, true), Shell::Plain, b"");
    assert_eq!(finished(terminal), "login_needed");
    assert_eq!(stage.shown(Window::Offer), 0);
}

#[test]
fn nothing_is_offered_unless_a_file_says_so_and_no_option_forbids_it() {
    for (config, options) in
        [("{}", &[][..]), (r#"{"oidc-agent": {"autoload": true}}"#, &[]), (ON, &["--no-autoreauthenticate"])]
    {
        let stage = Stage::with(config, options);
        let terminal = Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"");
        assert_eq!(finished(terminal), "login_needed", "{config} {options:?}");
        assert_eq!(stage.shown(Window::Offer), 0, "{config} {options:?}");
    }
}

#[test]
fn what_happens_meanwhile_takes_the_offer_back() {
    for (meanwhile, answer) in [
        (json!({"request": "lock", "password": "sesame"}), "agent_locked"),
        (json!({"request": "remove", "account": ACCOUNT}), "account_not_loaded"),
        (json!({"request": "reset", "account": ACCOUNT}), "account_not_loaded"),
    ] {
        let stage = Stage::new();
        let terminal = Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"");
        stage.wait_for(Window::Offer, 1);
        let done = stage.scene.agent.request(&meanwhile).expect("a reply");
        assert_eq!(done["status"], "success", "{done}");
        assert_eq!(finished(terminal), answer, "{meanwhile}");
        stage.wait_until_closed(Window::Offer);
    }
}

#[test]
fn an_account_that_is_given_up_during_its_login_does_not_come_back() {
    let stage = Stage::new();
    stage.press(Window::Offer, OK);
    let terminal = Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"");
    stage.wait_for(Window::Login, 1);
    let _ = stage.scene.oidc(&["reset", "--force", ACCOUNT]).success();
    assert_eq!(finished(terminal), "account_not_loaded");
    stage.wait_until_closed(Window::Login);
    let loaded = stage.scene.agent.request(&json!({"request": "loaded_accounts"})).expect("a reply");
    assert_eq!(loaded["info"], json!([]), "{loaded}");
    assert!(!stage.scene.environment.account_file(ACCOUNT).exists());
}

#[test]
fn under_the_agents_lock_nobody_waits_and_a_login_in_a_browser_goes_on() {
    let stage = Stage::new();
    stage.press(Window::Offer, OK);
    let terminal = Pty::start(&stage.asking(&token(), 1, true), Shell::Plain, b"");
    stage.wait_for(Window::Login, 1);
    let change = |request: &str| {
        let done = stage.scene.agent.request(&json!({"request": request, "password": "sesame"}));
        assert_eq!(done.expect("a reply")["status"], "success");
    };
    change("lock");
    assert_eq!(finished(terminal), "agent_locked", "who waits is told so at once");
    let back = stage.redirected();
    assert!(visit(&back).contains("The agent is locked"));
    assert!(!stage.is_stored());
    change("unlock");
    assert!(visit(&back).contains("You are logged in"));
    stage.wait_until_closed(Window::Login);
    assert!(stage.scene.ask(json!({"min_valid_period": -1}))["access_token"].is_string());
    assert!(stage.is_stored());
}

#[test]
fn an_account_that_needs_a_login_is_loaded_after_it() {
    let stage = Stage::unloaded(ON, &[]);
    stage.scene.provider.revoke_logins();
    let (account, key) = stage.scene.environment.unlock_account(ACCOUNT);
    let add = json!({
        "request": "add",
        "config": account.to_object().members(),
        "lifetime": 600,
        "file_key": key.to_text().expose(),
    });
    stage.press(Window::Offer, OK);
    let terminal = Pty::start(&stage.asking(&add, 1, true), Shell::Plain, b"");
    stage.browse();
    assert_eq!(finished(terminal), "success");
    let status = stage.scene.agent.request(&json!({"request": "status_json"})).expect("a reply");
    let account = &status["info"]["accounts"][0];
    assert!(account["name"] == ACCOUNT && account["unloaded_at"].is_u64(), "{status}");
    assert!(stage.scene.ask(json!({"min_valid_period": -1}))["access_token"].is_string());
    assert!(stage.is_stored());
}

#[test]
fn the_c_suites_client_gets_the_token_of_the_login() {
    let Some(c_suite) = require::c_suite() else { return };
    let stage = Stage::new();
    stage.press(Window::Offer, OK);
    let mut command = stage.scene.agent.c_command(&stage.scene.environment, &c_suite, "oidc-token");
    command.args(["--force-new", ACCOUNT]).env("DISPLAY", ":7");
    let terminal = Pty::start(&command, Shell::Plain, b"");
    stage.browse();
    let (status, shown) = terminal.finish();
    let current = stage.scene.ask(json!({}));
    assert!(status == 0 && shown.contains(current["access_token"].as_str().expect("a token")), "{shown}");
}
