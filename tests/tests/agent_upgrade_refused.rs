//! When no other version takes over, whatever the reason, the one that runs goes on with everything, and says why.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    programs::program,
    provider::{Endpoint, Fault, Recorded},
    require,
    scene::{ACCOUNT, Scene, access_token},
    upgrade::{began, install, install_script, installed, installed_with, status, upgrade, upgraded},
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The agent has refused to be upgraded, by this code and with a text that has this in it, and goes on as before: the same process
/// serves, with the same token, and can refresh it.
fn goes_on(scene: &Scene, reply: &Value, code: &str, text: &str, served: usize) {
    assert_eq!(reply["error_code"], code, "{reply}\n{}", scene.agent.log());
    assert!(reply["error"].as_str().is_some_and(|error| error.contains(text)), "{text}: {reply}");
    assert!(reply["info"].as_str().is_some_and(|info| info.contains("goes on")), "{reply}");
    assert_eq!(began(&scene.agent), served, "{}", scene.agent.log());
    assert_eq!(status(&scene.agent)["loaded_accounts"], json!([ACCOUNT]));
    access_token(&scene.ask(json!({})));
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn a_program_that_cannot_take_over_changes_nothing() {
    let scene = installed();
    let script = |name: &str, script: &str| install_script(&scene.environment, name, script);
    let answer =
        |text: &str| format!("echo '{{\"format\":\"oidc-agent-rehearsal/1\",\"version\":\"9.9.9\",{text}}}'");
    let writable = script("writable", "exit 0");
    fs_err::set_permissions(&writable, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("a mode");
    let text = scene.environment.path("text");
    fs_err::write(&text, "no program").expect("written");
    let rows: Vec<(PathBuf, &str)> = vec![
        (script("fails", "exit 1"), "no agent that could take over: it ended with exit status: 1"),
        (script("silent", "exit 0"), "no agent that could take over: it ended with exit status: 0"),
        (script("garbage", "head -c 100000 /dev/urandom"), "its answer is none"),
        (script("endless", "cat /dev/zero"), "its answer is none"),
        (
            script(
                "later",
                "echo '{\"format\":\"oidc-agent-rehearsal/7\",\"version\":\"9\",\"accounts\":[\"demo\"]}'",
            ),
            "its answer is none",
        ),
        (script("declines", &answer("\"refused\":\"too old\"")), "version 9.9.9 cannot take over: too old"),
        (
            script("loses", &answer("\"accounts\":[]")),
            "version 9.9.9 would not keep every account: 'demo' would be lost",
        ),
        (script("killed", "kill -9 $$"), "it ended with signal: 9"),
        ("/bin/true".into(), "no agent that could take over"),
        (scene.environment.path("missing"), "missing"),
        (text, "is no file that can be executed"),
        (scene.environment.home(), "is no file that can be executed"),
        ("oidc-agent".into(), "is no file that can be executed"),
        (writable, "can be written by others"),
    ];
    for (program, why) in &rows {
        let reply = upgrade(&scene.agent, Some(program));
        goes_on(&scene, &reply, "upgrade_refused", why, 1);
    }
    upgraded(&scene.agent);
}

#[test]
fn a_rehearsal_that_does_not_end_is_ended() {
    let scene = installed();
    let hangs = install_script(&scene.environment, "hangs", "exec sleep 1000");
    let began = Instant::now();
    let reply = upgrade(&scene.agent, Some(&hangs));
    assert!(began.elapsed() < Duration::from_secs(30));
    goes_on(&scene, &reply, "upgrade_refused", "did not say within 15 seconds", 1);
}

/// An agent, and a version that ends or fails at a step in its place.
fn with_mortal_successor(step: &str) -> Option<Scene> {
    let mortal = require::fault_points()?;
    // The version that runs knows no steps.
    let scene = installed_with(&[], &[("OIDC_FAULT_POINT", step)]);
    install(&scene.environment, &mortal);
    Some(scene)
}

#[test]
fn a_rehearsal_killed_at_any_step_changes_nothing() {
    for step in ["rehearsal-began", "rehearsal-received", "rehearsal-built", "rehearsal-ends"] {
        let Some(scene) = with_mortal_successor(step) else { return };
        let reply = upgrade(&scene.agent, None);
        goes_on(&scene, &reply, "upgrade_refused", "it ended with signal: 9", 1);
        install(&scene.environment, &program("oidc-agent"));
        upgraded(&scene.agent);
    }
}

#[test]
fn a_version_that_does_not_come_to_serve_gives_everything_back() {
    for step in ["take-over-received", "take-over-built"] {
        let Some(scene) = with_mortal_successor(&format!("fail:{step}")) else { return };
        let (token, pid) = (access_token(&scene.ask(json!({}))).to_owned(), scene.agent.pid());
        let asked = scene.provider.log().refreshes();
        let mut client = UnixStream::connect(scene.agent.socket()).expect("connected");
        let request =
            json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": 0}).to_string();
        let (first, second) = request.as_bytes().split_at(9);
        client.write_all(first).expect("sent");

        let reply = upgrade(&scene.agent, None);
        client.write_all(second).expect("sent");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("a reply");
        assert!(answer.contains(&token), "{answer}");
        assert_eq!((scene.provider.log().refreshes(), scene.agent.pid()), (asked, pid));
        let why = format!("could not take over after all: cannot serve: a test wants '{step}' to fail");
        let why = if step == "take-over-built" { why } else { why.replace("cannot serve: ", "") };
        goes_on(&scene, &reply, "upgrade_refused", &why, 2);
        // From that on, too, another one can take over.
        install(&scene.environment, &program("oidc-agent"));
        upgraded(&scene.agent);
        goes_on(&scene, &upgrade(&scene.agent, Some("/bin/true".as_ref())), "upgrade_refused", "no agent", 3);
    }
}

#[test]
fn what_waits_for_a_person_is_not_interrupted() {
    let scene = installed();
    let mut account = scene.provider.seed_account("new");
    account.refresh_token = None;
    let request = json!({"request": "gen", "config": account.to_object().members(), "flow": ["device"]});
    let begun = scene.agent.request(&request).expect("a reply");
    assert_eq!(begun["status"], "accepted", "{begun}");
    let (reply, took) = oidc_tests::scene::timed(|| upgrade(&scene.agent, None));
    assert!(took > Duration::from_secs(25), "{took:?}");
    goes_on(&scene, &reply, "upgrade_busy", "a login for account 'new' is under way", 1);
}

#[test]
fn a_second_upgrade_at_the_same_time_is_refused() {
    let scene = installed();
    let refreshes = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Late { milliseconds: 3000 });
    thread::scope(|scope| {
        let slow = scope.spawn(|| scene.ask(json!({"min_valid_period": -1})));
        assert!(scene.provider.log().wait_for(refreshes + 1, Duration::from_secs(20), Recorded::is_refresh));
        let upgrades: Vec<_> = (0..2).map(|_| scope.spawn(|| upgrade(&scene.agent, None))).collect();
        let replies: Vec<Value> =
            upgrades.into_iter().map(|upgrade| upgrade.join().expect("no panic")).collect();
        let refused: Vec<_> = replies.iter().filter(|reply| reply["error_code"] == "upgrade_busy").collect();
        let succeeded = replies.iter().filter(|reply| reply["status"] == "success").count();
        assert_eq!((refused.len(), succeeded), (1, 1), "{replies:?}");
        assert!(
            refused[0]["error"].as_str().is_some_and(|error| error.contains("another upgrade")),
            "{refused:?}"
        );
        access_token(&slow.join().expect("no panic"));
    });
    assert_eq!(began(&scene.agent), 2);
}

#[test]
fn an_agent_that_was_told_to_end_ends() {
    let mut scene = installed();
    let refreshes = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Late { milliseconds: 2000 });
    thread::scope(|scope| {
        let slow = scope.spawn(|| scene.ask(json!({"min_valid_period": -1})));
        assert!(scene.provider.log().wait_for(refreshes + 1, Duration::from_secs(20), Recorded::is_refresh));
        let asking = scope.spawn(|| {
            // Refused, or not answered at all.
            scene
                .agent
                .request(&json!({"request": "upgrade"}))
                .is_ok_and(|reply| reply["status"] == "success")
        });
        while !scene.agent.log().contains("another version could take over") {
            thread::sleep(Duration::from_millis(5));
        }
        rustix::process::kill_process(scene.agent.pid(), Signal::TERM).expect("sent");
        assert!(!asking.join().expect("no panic"), "it took over nevertheless");
        let _ = slow.join();
    });
    assert!(scene.agent.terminate().expect("ended").success(), "{}", scene.agent.log());
}
