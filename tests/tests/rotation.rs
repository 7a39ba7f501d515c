//! A rotated refresh token is durable before its access token is handed out: whatever happens next, the account lives.

use std::{path::Path, process::Command};

use oidc_proto::{home::Home, rotation};
use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    programs::{program, run},
    provider::{Provider, Quirks},
    require,
    scene::{ACCOUNT, Scene, access_token, load_into},
};
use rustix::process::Pid;
use serde_json::json;

#[test]
fn the_file_holds_the_newest_token_when_the_reply_arrives() {
    for format in [FileFormat::Native, FileFormat::OidcAgent] {
        let scene = Scene::with(Quirks::default(), format);
        scene.load(ACCOUNT);
        for _ in 0..5 {
            access_token(&scene.ask(json!({"min_valid_period": -1})));
            assert!(scene.provider.is_live(&scene.stored_refresh_token()), "{format:?}");
        }
        assert_eq!(scene.provider.reuses(), 0);
    }
}

#[test]
fn ten_of_ten_accounts_live_when_the_agent_is_killed_after_a_rotation() {
    for format in [FileFormat::Native, FileFormat::OidcAgent] {
        let mut scene = Scene::with(Quirks::default(), format);
        for round in 0..5 {
            scene.load(ACCOUNT);
            access_token(&scene.ask(json!({"min_valid_period": -1})));
            scene.agent.kill();
            assert!(scene.provider.is_live(&scene.stored_refresh_token()), "{format:?}, round {round}");
            scene.agent = Agent::start(&scene.environment);
        }
        assert_eq!(scene.provider.reuses(), 0);
    }
}

#[test]
fn without_any_key_a_rotation_is_kept_beside_the_file() {
    let mut scene = Scene::with(Quirks::default(), FileFormat::OidcAgent);
    let account = scene.environment.read_account(ACCOUNT);
    // As the C suite's oidc-add with a typed password does: no file key, no password.
    let request = json!({"request": "add", "config": account.to_object().members(), "lifetime": 0});
    assert_eq!(scene.agent.request(&request).expect("a reply")["status"], "success");
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    scene.agent.kill();

    let mut account = scene.environment.read_account(ACCOUNT);
    let home = Home::at(scene.environment.accounts());
    let name = ACCOUNT.parse().expect("a short name");
    rotation::newest(&home, &name, &mut account).expect("a readable sidecar");
    let newest = account.refresh_token.expect("a refresh token");
    assert!(scene.provider.is_live(&newest));
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn two_agents_that_share_a_directory_do_not_kill_the_login() {
    let scene = Scene::loaded();
    let other = Agent::named(&scene.environment, "other");
    load_into(&other, &scene.environment, ACCOUNT);
    for round in 0..6 {
        let agent = if round % 2 == 0 { &other } else { &scene.agent };
        access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
    }
    assert_eq!(scene.provider.reuses(), 0);
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
}

#[test]
fn two_agents_may_refresh_at_the_same_time() {
    let scene = Scene::loaded();
    let other = Agent::named(&scene.environment, "other");
    load_into(&other, &scene.environment, ACCOUNT);
    std::thread::scope(|scope| {
        for agent in [&scene.agent, &other] {
            scope.spawn(move || {
                for _ in 0..5 {
                    access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
                }
            });
        }
    });
    assert_eq!(scene.provider.reuses(), 0);
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
}

#[test]
fn nothing_is_lost_while_the_disk_is_full() {
    let mut scene = Scene::new();
    scene.agent.kill();
    // A write beyond the limit raises a signal; without its default action the write fails, as on a full disk.
    let mut command = scene.environment.command_at(Path::new("/bin/sh"));
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program("oidc-agent"));
    scene.agent = Agent::spawn(&scene.environment, command, "limited");
    scene.load(ACCOUNT);
    let before = fs_err::read(scene.environment.account_file(ACCOUNT)).expect("an account file");
    limit_file_size(scene.agent.pid(), "0");
    let refused = scene.ask(json!({"min_valid_period": -1}));
    assert_eq!(refused["error_code"], "write_failed", "{refused}");
    let after = fs_err::read(scene.environment.account_file(ACCOUNT)).expect("an account file");
    assert!(before == after, "the old file stands until the new one is whole");

    limit_file_size(scene.agent.pid(), "unlimited");
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
    assert_eq!(scene.provider.reuses(), 0);
}

/// Lets no file of the process grow beyond `size`; the log is one of them, and may suffer.
fn limit_file_size(pid: Pid, size: &str) {
    let mut command = Command::new("prlimit");
    command.arg(format!("--pid={}", pid.as_raw_nonzero())).arg(format!("--fsize={size}:unlimited"));
    run(command).success();
}

#[test]
fn nothing_is_lost_on_a_full_file_system() {
    let Some(()) = require::root() else { return };
    let provider = Provider::start();
    let environment = Environment::new();
    let Some(_mounted) = Mounted::small(&environment) else { return };
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let agent = Agent::start(&environment);
    load_into(&agent, &environment, ACCOUNT);

    let ballast = environment.account_file("ballast.log");
    let filled = fs_err::write(&ballast, vec![b'x'; 1 << 20]);
    assert!(filled.is_err(), "the file system is smaller than that");
    let refused = agent.token(ACCOUNT, json!({"min_valid_period": -1}));
    assert_eq!(refused["error_code"], "write_failed", "{refused}");
    environment.read_account(ACCOUNT);

    fs_err::remove_file(&ballast).expect("removed ballast");
    access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
    let stored = environment.read_account(ACCOUNT).refresh_token.expect("a refresh token");
    assert!(provider.is_live(&stored));
}

/// A small file system over the oidc-agent directory.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn small(environment: &Environment) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"]).arg(environment.accounts());
        let mounted = (run(command).code == Some(0)).then(|| Self(environment.accounts()));
        mounted.or_else(|| require::not_run("the right to mount a file system"))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut command = Command::new("umount");
        command.arg("--lazy").arg(&self.0);
        let _ = run(command);
    }
}
