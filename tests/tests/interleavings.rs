//! What happens to a refresh token when other things happen at the same time: no token is spent twice, and none is lost.
//!
//! The provider rotates at each use and takes a second use of a token for theft.

use std::{
    thread,
    time::{Duration, Instant},
};

use oidc_proto::{secret::Password, vault};
use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    provider::{Endpoint, Fault, Provider, Quirks, Recorded},
    scene::{ACCOUNT, Scene, access_token, load_into},
};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

fn scene(format: FileFormat) -> Scene {
    Scene::with(Quirks::default(), format)
}

/// `add` of what the file holds now.
fn add_request(environment: &Environment, with_key: bool) -> Value {
    let bytes = fs_err::read(environment.account_file(ACCOUNT)).expect("an account file");
    let unlocked = vault::unlock(&bytes, &Password::from(PASSWORD)).expect("the usual password");
    let mut request =
        json!({"request": "add", "config": unlocked.account.to_object().members(), "lifetime": 0});
    if with_key {
        request["file_key"] = unlocked.key.to_text().expose().into();
    }
    request
}

fn add(agent: &Agent, request: &Value) {
    let reply = agent.request(request).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
}

/// A new token, however many are in the cache.
fn force(agent: &Agent) -> Value {
    agent.token(ACCOUNT, json!({"min_valid_period": -1}))
}

fn assert_forced(agent: &Agent) {
    assert!(!access_token(&force(agent)).is_empty());
}

/// Makes everything that needs the account's lock fail; works for root as well, unlike permissions.
fn break_lock(environment: &Environment) -> std::path::PathBuf {
    let lock = environment.accounts().join(format!(".{ACCOUNT}.lock"));
    let _ = fs_err::remove_file(&lock);
    fs_err::create_dir(&lock).expect("a directory in the lock's place");
    lock
}

/// Waits until the provider has seen so many refreshes.
fn wait_for_refreshes(provider: &Provider, count: usize) {
    let seen = provider.log().wait_for(count, PATIENCE, Recorded::is_refresh);
    assert!(seen, "{count} refreshes");
}

#[test]
fn an_add_that_could_not_save_its_rotation_loses_nothing() {
    let scene = scene(FileFormat::Native);
    let request = add_request(&scene.environment, true);
    let lock = break_lock(&scene.environment);
    let reply = scene.agent.request(&request).expect("a reply");
    assert_eq!(reply["error_code"], "write_failed", "{reply}");
    fs_err::remove_dir(lock).expect("mended");

    // The client has read the old file once more.
    add(&scene.agent, &request);
    assert_forced(&scene.agent);
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn what_could_not_be_saved_is_saved_later_by_itself() {
    for end in ["remove", "stop"] {
        let mut scene = Scene::loaded();
        let lock = break_lock(&scene.environment);
        assert_eq!(force(&scene.agent)["error_code"], "write_failed");
        if end == "remove" {
            let reply = scene.agent.request(&json!({"request": "remove", "account": ACCOUNT}));
            assert_eq!(reply.expect("a reply")["status"], "success");
        }
        fs_err::remove_dir(lock).expect("mended");
        scene.agent.terminate().expect("it ends");
        assert!(scene.provider.is_live(&scene.stored_refresh_token()), "{end}");
    }
}

#[test]
fn a_second_agent_waits_for_the_first_however_slow_the_provider_is() {
    let scene = Scene::loaded();
    let other = Agent::named(&scene.environment, "other");
    load_into(&other, &scene.environment, ACCOUNT);
    let before = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 7000 });
    thread::scope(|scope| {
        scope.spawn(|| assert_forced(&scene.agent));
        wait_for_refreshes(&scene.provider, before + 1);
        scope.spawn(|| assert_forced(&other));
    });
    assert_eq!(scene.provider.reuses(), 0);
    assert_forced(&scene.agent);
}

#[test]
fn a_rotation_kept_beside_the_file_is_seen_by_every_agent() {
    let scene = scene(FileFormat::OidcAgent);
    let other = Agent::named(&scene.environment, "other");
    let mut with_key = add_request(&scene.environment, true);
    add(&scene.agent, &add_request(&scene.environment, false));
    add(&other, &add_request(&scene.environment, false));
    for _ in 0..2 {
        assert_forced(&scene.agent);
        assert_forced(&other);
    }
    // With the key the file itself comes up to date, from whatever copy of it.
    let third = Agent::named(&scene.environment, "third");
    with_key["lifetime"] = 0.into();
    add(&third, &with_key);
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn a_file_that_changed_while_its_password_was_typed_is_read_again() {
    let scene = scene(FileFormat::Native);
    let (stale, other) = (add_request(&scene.environment, true), Agent::named(&scene.environment, "other"));
    add(&other, &stale);
    assert_forced(&other);
    add(&scene.agent, &stale);
    assert_forced(&scene.agent);
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn an_older_file_put_back_under_a_running_agent_is_brought_up_to_date() {
    for format in [FileFormat::Native, FileFormat::OidcAgent] {
        let scene = scene(format);
        let file = scene.environment.account_file(ACCOUNT);
        scene.load(ACCOUNT);
        let backup = fs_err::read(&file).expect("a file");
        for _ in 0..3 {
            assert_forced(&scene.agent);
        }
        fs_err::write(&file, &backup).expect("restored");
        assert_forced(&scene.agent);
        assert!(scene.provider.is_live(&scene.stored_refresh_token()), "{format:?}");
        assert_eq!(scene.provider.reuses(), 0, "{format:?}");

        // The same after it was away for a while.
        fs_err::remove_file(&file).expect("removed");
        assert_forced(&scene.agent);
        fs_err::write(&file, &backup).expect("restored");
        assert_forced(&scene.agent);
        assert!(scene.provider.is_live(&scene.stored_refresh_token()), "{format:?}");
        assert_eq!(scene.provider.reuses(), 0, "{format:?}");
    }
}

#[test]
fn a_file_that_got_damaged_does_not_stop_the_account() {
    for format in [FileFormat::Native, FileFormat::OidcAgent] {
        let scene = scene(format);
        let file = scene.environment.account_file(ACCOUNT);
        scene.load(ACCOUNT);
        let whole = fs_err::read(&file).expect("a file");
        fs_err::write(&file, &whole[..whole.len() / 2]).expect("cut");
        assert_forced(&scene.agent);
        fs_err::write(&file, &whole).expect("restored");
        assert_forced(&scene.agent);
        assert!(scene.provider.is_live(&scene.stored_refresh_token()), "{format:?}");
        assert_eq!(scene.provider.reuses(), 0, "{format:?}");
    }
}

#[test]
fn a_rotation_that_ends_under_the_lock_survives_the_agent() {
    for with_key in [false, true] {
        let mut scene = scene(FileFormat::OidcAgent);
        add(&scene.agent, &add_request(&scene.environment, with_key));
        assert_forced(&scene.agent);
        let before = scene.provider.log().refreshes();
        scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 1500 });
        thread::scope(|scope| {
            let asking = scope.spawn(|| force(&scene.agent));
            wait_for_refreshes(&scene.provider, before + 1);
            let lock = json!({"request": "lock", "password": "x"});
            assert_eq!(scene.agent.request(&lock).expect("a reply")["info"], "Agent locked");
            assert_eq!(asking.join().expect("a reply")["error"], "Agent locked");
        });
        scene.agent.kill();
        let next = Agent::named(&scene.environment, "next");
        load_into(&next, &scene.environment, ACCOUNT);
        assert_forced(&next);
        assert_eq!(scene.provider.reuses(), 0);
    }
}

#[test]
fn reset_revokes_what_a_refresh_under_way_brings() {
    let scene = Scene::loaded();
    let before = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 1000 });
    thread::scope(|scope| {
        scope.spawn(|| force(&scene.agent));
        wait_for_refreshes(&scene.provider, before + 1);
        let reset = scene.agent.request(&json!({"request": "reset", "account": ACCOUNT}));
        assert_eq!(reset.expect("a reply")["status"], "success");
    });
    assert!(!scene.provider.is_live(&scene.stored_refresh_token()));
}

#[test]
fn a_herd_of_requests_that_nobody_waits_for_leaves_the_provider_alone() {
    let scene = Scene::loaded();
    let before = scene.provider.log().refreshes();
    scene.provider.faults().set(Endpoint::Token, Fault::Delay { milliseconds: 500 });
    for number in 0..20 {
        let request = json!({"request": "access_token", "account": ACCOUNT, "scope": format!("s{number}")});
        let stream = std::os::unix::net::UnixStream::connect(scene.agent.socket()).expect("connected");
        std::io::Write::write_all(&mut &stream, request.to_string().as_bytes()).expect("sent");
        if number == 0 {
            wait_for_refreshes(&scene.provider, before + 1);
        }
    }
    let started = Instant::now();
    assert_forced(&scene.agent);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(scene.provider.log().refreshes() - before < 6, "most were not begun");
}

#[test]
fn an_account_without_a_file_needs_no_directory_that_can_be_written() {
    let scene = scene(FileFormat::Native);
    let request = add_request(&scene.environment, false);
    fs_err::remove_file(scene.environment.account_file(ACCOUNT)).expect("removed");
    break_lock(&scene.environment);
    add(&scene.agent, &request);
    assert_forced(&scene.agent);
    assert_forced(&scene.agent);
}
