//! The C suite 4.2.6 and ours, crosswise: its clients with our agent, our client with its agent, files back and forth.

use std::os::unix::process::CommandExt;

use oidc_tests::{
    agent::Agent,
    c_suite::CSuite,
    environment::{Environment, FileFormat, PASSWORD},
    programs::{Finished, run},
    provider::Provider,
    require,
    scene::{ACCOUNT, Scene, access_token},
    terminal::Terminal,
};
use serde_json::json;

fn c_client(scene: &Scene, c_suite: &CSuite, program: &str, arguments: &[&str]) -> Finished {
    let mut command = scene.agent.c_command(&scene.environment, c_suite, program);
    command.args(arguments);
    run(command)
}

fn c_format() -> Scene {
    Scene::with(oidc_tests::provider::Quirks::default(), FileFormat::OidcAgent)
}

#[test]
fn its_clients_load_list_use_and_unload() {
    let Some(c_suite) = require::c_suite() else { return };
    let scene = c_format();
    let add = |arguments: &[&str]| c_client(&scene, &c_suite, "oidc-add", arguments);
    assert_eq!(add(&["--pw-env", ACCOUNT]).success(), "success\n");
    assert!(add(&["-a"]).success().contains(ACCOUNT));

    let token = c_client(&scene, &c_suite, "oidc-token", &[ACCOUNT]).success();
    assert_eq!(token.trim_end(), access_token(&scene.ask(json!({}))));
    let forced = c_client(&scene, &c_suite, "oidc-token", &["--force-new", ACCOUNT]).success();
    assert_ne!(token, forced);
    let lines = c_client(&scene, &c_suite, "oidc-token", &["-a", ACCOUNT]).success();
    assert_eq!(lines.lines().nth(1), Some(scene.provider.issuer().as_str()));

    add(&["-r", ACCOUNT]).success();
    assert!(!add(&["-a"]).success().contains(ACCOUNT));
}

#[test]
fn its_messages_arrive() {
    let Some(c_suite) = require::c_suite() else { return };
    let scene = c_format();
    let missing = c_client(&scene, &c_suite, "oidc-token", &["missing"]).failure();
    assert!(missing.contains("No account configured with that short name"), "{missing}");
    scene.load(ACCOUNT);
    scene.provider.revoke_logins();
    let dead = c_client(&scene, &c_suite, "oidc-token", &["--force-new", ACCOUNT]).failure();
    assert!(dead.contains("invalid_grant"), "{dead}");
}

#[test]
fn its_library_gets_a_token() {
    let (Some(c_suite), Some(python)) = (require::c_suite(), require::python()) else { return };
    let scene = Scene::loaded();
    let token = c_suite.library_token(&scene.environment, &python, scene.agent.socket(), ACCOUNT).success();
    assert_eq!(token.trim_end(), access_token(&scene.ask(json!({}))));
    // Its own words for any failure, also with its own agent: "Argument is NULL in function oidc_strcopy".
    c_suite.library_token(&scene.environment, &python, scene.agent.socket(), "missing").failure();
}

#[test]
fn a_long_reply_reaches_it_whole() {
    let Some(c_suite) = require::c_suite() else { return };
    // It takes what one `read` gives for the whole reply, so nothing beyond the kernel's largest piece (about 48 KiB,
    // sealed) can reach it for sure, whoever the agent is.
    for padding in [2_900, 9_000, 20_000] {
        let scene = Scene::loaded();
        scene.provider.change(|quirks| quirks.access_token_padding = padding);
        let token = c_client(&scene, &c_suite, "oidc-token", &["--force-new", ACCOUNT]).success();
        assert!(token.len() > padding, "{padding}");
    }
}

#[test]
fn it_locks_and_unlocks() {
    let Some(c_suite) = require::c_suite() else { return };
    let scene = Scene::loaded();
    for (option, prompts, result) in [("-x", 2, "Agent locked"), ("-X", 1, "Agent unlocked")] {
        let mut command = scene.agent.c_command(&scene.environment, &c_suite, "oidc-add");
        command.arg(option);
        let mut terminal = Terminal::start(command);
        for _ in 0..prompts {
            terminal.expect("password");
            terminal.type_line("sesame");
        }
        let (code, said) = terminal.finish();
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(result), "{said}");
    }
}

#[test]
fn it_reads_what_we_write() {
    let Some(c_suite) = require::c_suite() else { return };
    let scene = c_format();
    let printed = c_client(&scene, &c_suite, "oidc-add", &["--pw-env", "--print", ACCOUNT]).success();
    let printed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let client_id = scene.environment.read_account(ACCOUNT).client_id;
    assert_eq!(printed["client_id"].as_str(), client_id.as_deref());
}

/// Our client under the name of a tool of the C suite.
fn under_its_name(scene: &Scene, name: &str, arguments: &[&str]) -> Finished {
    let mut command = scene.agent.command(&scene.environment, "oidc");
    command.arg0(name).args(arguments).env("OIDC_NO_AUTOSTART", "1");
    run(command)
}

#[test]
fn it_reads_what_our_client_writes_under_its_names() {
    let Some(c_suite) = require::c_suite() else { return };
    let scene = Scene::new();
    let account = scene.environment.read_account(ACCOUNT);
    let (id, secret) = (account.client_id.expect("a client"), account.client_secret.expect("a secret"));
    let (rt, issuer) = (account.refresh_token.expect("a token"), scene.provider.issuer());
    let generated = under_its_name(
        &scene,
        "oidc-gen",
        &[
            "new",
            "--iss",
            &issuer,
            "--client-id",
            &id,
            "--client-secret",
            secret.expose(),
            "--rt",
            rt.expose(),
            "--scope",
            "openid offline_access",
            "--pw-env",
        ],
    );
    generated.success();
    // One that is in our format is converted.
    assert_eq!(
        under_its_name(&scene, "oidc-gen", &["-u", ACCOUNT, "--pw-env"]).success(),
        "Updated config file format\n"
    );
    for name in ["new", ACCOUNT] {
        let theirs = c_client(&scene, &c_suite, "oidc-gen", &["--pw-env", "-p", name]).success();
        let object: serde_json::Value = serde_json::from_str(&theirs).expect("JSON");
        assert_eq!(object["client_id"].as_str(), Some(id.as_str()), "{theirs}");
        // Byte for byte.
        assert_eq!(under_its_name(&scene, "oidc-gen", &["--pw-env", "-p", name]).success(), theirs);
    }
    c_client(&scene, &c_suite, "oidc-add", &["--pw-env", "--print", "new"]).success();
}

#[test]
fn what_it_wrote_is_printed_byte_for_byte() {
    let Some(c_suite) = require::c_suite() else { return };
    let scene = c_format();
    // Its own text: indented, with empty members that we would leave out.
    c_client(&scene, &c_suite, "oidc-gen", &["--pw-env", "-u", ACCOUNT]).success();
    let theirs = c_client(&scene, &c_suite, "oidc-gen", &["--pw-env", "-p", ACCOUNT]).success();
    assert_eq!(under_its_name(&scene, "oidc-gen", &["--pw-env", "-p", ACCOUNT]).success(), theirs);
}

#[test]
fn our_client_works_with_its_agent() {
    let Some(c_suite) = require::c_suite() else { return };
    let provider = Provider::start();
    provider.tolerate_violations();
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
    let agent = Agent::start_c(&environment, &c_suite);
    // In clear, and sealed.
    for sealed in ["0", "1"] {
        let oidc = |arguments: &[&str]| {
            let mut command = agent.command(&environment, "oidc");
            command.args(arguments).env("OIDC_NO_AUTOSTART", "1").env("OIDC_SEALED", sealed);
            run(command)
        };
        oidc(&["add", "--pw-env", ACCOUNT]).success();
        let token = oidc(&["token", ACCOUNT]).success();
        assert_eq!(token.matches('.').count(), 2);
        assert_ne!(oidc(&["token", "--force-new", ACCOUNT]).success(), token);
        let unknown = oidc(&["token", "missing"]).failure();
        assert!(unknown.contains("No account configured with that short name"), "{unknown}");
        oidc(&["remove", ACCOUNT]).success();
    }
}

#[test]
fn an_account_survives_ten_rotations_by_alternating_agents() {
    let Some(c_suite) = require::c_suite() else { return };
    let provider = Provider::start();
    provider.tolerate_violations();
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
    for round in 0..3 {
        let agent = Agent::start_c(&environment, &c_suite);
        for (program, arguments) in
            [("oidc-add", &["--pw-env", ACCOUNT][..]), ("oidc-token", &["--force-new", ACCOUNT])]
        {
            let mut command = agent.c_command(&environment, &c_suite, program);
            command.args(arguments);
            run(command).success();
        }
        drop(agent);

        let agent = Agent::start(&environment);
        for arguments in [&["add", "--pw-env", ACCOUNT][..], &["token", "--force-new", ACCOUNT]] {
            let mut command = agent.command(&environment, "oidc");
            command.args(arguments).env("OIDC_NO_AUTOSTART", "1");
            run(command).success();
        }
        let stored = environment.read_account(ACCOUNT).refresh_token.expect("a refresh token");
        assert!(provider.is_live(&stored), "round {round}");
    }
    assert_eq!(provider.reuses(), 0);
}

#[test]
fn a_password_typed_into_its_client_is_enough_for_our_agent() {
    let Some(c_suite) = require::c_suite() else { return };
    let mut scene = c_format();
    let mut command = scene.agent.c_command(&scene.environment, &c_suite, "oidc-add");
    command.arg(ACCOUNT);
    let mut terminal = Terminal::start(command);
    terminal.expect("Enter decryption password");
    terminal.type_line(PASSWORD);
    assert_eq!(terminal.finish().0, 0);
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    scene.agent.kill();

    // With the C agent the account would be dead now.
    scene.agent = Agent::start(&scene.environment);
    scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert_eq!(scene.provider.reuses(), 0);
}
