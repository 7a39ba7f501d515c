//! A new version of the agent takes over from the one that runs: nothing is lost, and nobody notices.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use oidc_proto::{
    channel::{ClientChannel, ClientStep},
    message::Reply,
};
use oidc_tests::{
    agent::Agent,
    managed::{configure, entry, file, fresh, reload, token},
    programs::program,
    provider::{Endpoint, Fault, Recorded},
    scene::{ACCOUNT, Scene, access_token},
    upgrade::{began, install, installed, installed_with, status, upgraded},
};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// A request and its reply, sealed as by the C suite's clients. `between`: what happens after the keys were exchanged.
fn sealed(agent: &Agent, request: &Value, between: impl FnOnce()) -> Value {
    let (mut channel, first) = ClientChannel::sealed(Zeroizing::new(request.to_string()));
    let mut stream = UnixStream::connect(agent.socket()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    stream.write_all(&first).expect("sent");
    let mut between = Some(between);
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).expect("read");
        assert!(count > 0, "the agent closed without a reply");
        match channel.receive(&buffer[..count]).expect("what an agent sends") {
            ClientStep::NeedMore => {}
            ClientStep::Send(bytes) => {
                between.take().expect("once")();
                stream.write_all(&bytes).expect("sent");
            }
            ClientStep::Reply(payload) => {
                Reply::parse(&payload).expect("a reply");
                return serde_json::from_slice(&payload).expect("JSON");
            }
        }
    }
}

fn token_request(account: &str) -> Value {
    json!({"request": "access_token", "account": account, "min_valid_period": 0})
}

fn read_reply(mut stream: UnixStream) -> Value {
    let mut reply = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    stream.read_to_end(&mut reply).expect("a reply");
    serde_json::from_slice(&reply)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&reply)))
}

#[test]
fn under_load_no_request_fails_and_no_account_is_lost() {
    const UPGRADES: usize = 5;
    let scene = installed();
    let names: Vec<String> = (0..5).map(|number| format!("account-{number}")).collect();
    for name in &names {
        scene.add_unsaved(name);
    }
    let all = || names.iter().map(String::as_str).chain([ACCOUNT]);
    let before: Vec<String> =
        all().map(|name| access_token(&scene.agent.token(name, json!({}))).to_owned()).collect();
    let (pid, loaded) = (scene.agent.pid(), status(&scene.agent)["loaded_accounts"].clone());
    let asked = scene.provider.log().refreshes();

    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let longest = thread::scope(|scope| {
        let load = |number: usize| {
            let (scene, over, served) = (&scene, &over, &served);
            let name = all().nth(number % 6).expect("a name").to_owned();
            move || {
                let (request, mut longest) = (token_request(&name), Duration::ZERO);
                while !over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let reply = if number.is_multiple_of(3) {
                        sealed(&scene.agent, &request, || {})
                    } else {
                        scene.agent.request(&request).expect("a reply")
                    };
                    longest = longest.max(began.elapsed());
                    access_token(&reply);
                    served.fetch_add(1, Ordering::Relaxed);
                }
                longest
            }
        };
        let clients: Vec<_> = (0..6).map(|number| scope.spawn(load(number))).collect();
        for number in 1..=UPGRADES {
            let served_before = served.load(Ordering::Relaxed);
            install(&scene.environment, &program("oidc-agent"));
            assert_eq!(status(&scene.agent)["program_replaced"], true);
            let info = upgraded(&scene.agent);
            assert_eq!((&info["accounts"], &info["locked"]), (&loaded, &json!(false)));
            assert!(status(&scene.agent).get("program_replaced").is_none(), "it runs what lies there");
            assert_eq!(began(&scene.agent), number + 1);
            while served.load(Ordering::Relaxed) < served_before + 100 {
                thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no request failed")).max()
    });
    println!("{} requests, the longest took {longest:?}", served.load(Ordering::Relaxed));
    assert_eq!(scene.agent.pid(), pid);
    assert_eq!(status(&scene.agent)["loaded_accounts"], loaded);
    let after: Vec<String> =
        all().map(|name| access_token(&scene.agent.token(name, json!({}))).to_owned()).collect();
    assert_eq!(after, before, "tokens are those from before");
    assert_eq!(scene.provider.log().refreshes(), asked, "the provider was asked for nothing");
    // And everything goes on: the newest refresh token is the one that counts.
    for name in all() {
        access_token(&scene.agent.token(name, json!({"min_valid_period": -1})));
    }
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn connections_go_on_wherever_they_are() {
    let scene = installed();
    let expected = access_token(&scene.ask(json!({}))).to_owned();
    let request = token_request(ACCOUNT).to_string();
    let connect = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(scene.agent.socket()).expect("connected");
        stream.write_all(bytes).expect("sent");
        stream
    };
    let (first, second) = request.as_bytes().split_at(20);
    let plain: Vec<UnixStream> =
        (0..200).map(|number| connect(if number % 2 == 0 { b"" } else { first })).collect();
    let reply = sealed(&scene.agent, &token_request(ACCOUNT), || drop(upgraded(&scene.agent)));
    assert_eq!(access_token(&reply), expected, "the keys were exchanged with the version before");
    for (number, mut stream) in plain.into_iter().enumerate() {
        stream.write_all(if number % 2 == 0 { request.as_bytes() } else { second }).expect("sent");
        assert_eq!(access_token(&read_reply(stream)), expected, "{number}");
    }
    // Whoever asks for the upgrade may do so sealed.
    let reply = sealed(&scene.agent, &json!({"request": "upgrade"}), || {});
    assert_eq!(reply["info"]["accounts"], json!([ACCOUNT]), "{reply}");
}

#[test]
fn what_is_known_of_accounts_and_how_the_agent_was_told_to_behave_goes_on() {
    let scene = installed();
    let add = |name: &str, more: Value| {
        let account = scene.provider.seed_account(name);
        let mut request = json!({"request": "add", "config": account.to_object().members(), "plain_add": 1});
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        assert_eq!(scene.agent.request(&request).expect("a reply")["status"], "success");
    };
    add("mortal", json!({"lifetime": 7200}));
    add("asks", json!({"confirm": 1, "always_allow_idtoken": 1}));
    add("dead", json!({}));
    scene.provider.faults().queue(
        Endpoint::Token,
        Fault::OAuthError { status: 400, error: "invalid_grant".into(), description: None },
    );
    assert_eq!(scene.agent.token("dead", json!({}))["error_code"], "login_needed");
    let keep = json!({"request": "file_write", "filename": "name", "data": "a kept text"});
    assert_eq!(scene.agent.request(&keep).expect("a reply")["status"], "success");
    let before = status(&scene.agent);
    let asked = scene.provider.log().count(Endpoint::Token);
    for _ in 0..2 {
        upgraded(&scene.agent);
    }
    let mut after = status(&scene.agent);
    let at = |status: &Value| status["accounts"][1]["unloaded_at"].as_u64().expect("an end");
    assert!(at(&after).abs_diff(at(&before)) <= 1, "{after}");
    after["accounts"][1]["unloaded_at"] = before["accounts"][1]["unloaded_at"].clone();
    assert_eq!(after, before);
    assert_eq!(scene.agent.token("dead", json!({}))["error_code"], "login_needed");
    assert_eq!(scene.provider.log().count(Endpoint::Token), asked, "nobody was asked");
    let kept = scene.agent.request(&json!({"request": "file_read", "filename": "name"})).expect("a reply");
    assert_eq!(kept["data"].as_str().or(kept["info"].as_str()), Some("a kept text"), "{kept}");
}

#[test]
fn a_locked_agent_stays_locked_and_opens_with_its_password() {
    let scene = installed();
    let expected = access_token(&scene.ask(json!({}))).to_owned();
    let ask = |request: Value| scene.agent.request(&request).expect("a reply");
    assert_eq!(ask(json!({"request": "lock", "password": "sesame"}))["status"], "success");
    assert_eq!(ask(json!({"request": "unlock", "password": "guess"}))["error_code"], "wrong_password");
    let info = upgraded(&scene.agent);
    assert_eq!(info["locked"], true);
    assert_eq!(scene.ask(json!({}))["error_code"], "agent_locked");
    assert_eq!(ask(json!({"request": "unlock", "password": "guess"}))["error_code"], "wrong_password");
    assert_eq!(ask(json!({"request": "unlock", "password": "sesame"}))["status"], "success");
    assert_eq!(access_token(&scene.ask(json!({}))), expected);
    access_token(&scene.ask(json!({"min_valid_period": -1})));
}

/// The account may have been unloaded since: the token is still the only one that is good.
#[test]
fn a_refresh_token_that_could_not_be_saved_is_not_lost() {
    for is_removed in [false, true] {
        let scene = installed();
        // A directory in its place: nothing can be locked, and so nothing written.
        let lock = scene.environment.accounts().join(format!(".{ACCOUNT}.lock"));
        let _ = fs_err::remove_file(&lock);
        fs_err::create_dir(&lock).expect("made");
        assert_eq!(scene.ask(json!({"min_valid_period": -1}))["error_code"], "write_failed");
        if is_removed {
            let reply = scene.agent.request(&json!({"request": "remove", "account": ACCOUNT}));
            assert_eq!(reply.expect("a reply")["status"], "success");
        }
        for _ in 0..2 {
            upgraded(&scene.agent);
        }
        fs_err::remove_dir(&lock).expect("mended");
        let began = Instant::now();
        while !scene.provider.is_live(&scene.stored_refresh_token()) {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", scene.agent.log());
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(scene.provider.reuses(), 0);
    }
}

#[test]
fn a_directory_that_is_away_meanwhile_is_not_made_anew() {
    let scene = installed();
    let (directory, away) = (scene.environment.accounts(), scene.environment.path("away"));
    fs_err::rename(&directory, &away).expect("moved away");
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    upgraded(&scene.agent);
    assert!(!directory.exists());
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    fs_err::rename(&away, &directory).expect("moved back");
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn one_slow_provider_is_waited_for_and_delays_nobody_else() {
    let scene = installed();
    scene.add_unsaved("quick");
    access_token(&scene.agent.token("quick", json!({})));
    let refreshes = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Late { milliseconds: 3000 });
    let (over, ready) = (AtomicBool::new(false), Barrier::new(2));
    thread::scope(|scope| {
        let slow = scope.spawn(|| scene.ask(json!({"min_valid_period": -1})));
        assert!(scene.provider.log().wait_for(refreshes + 1, Duration::from_secs(20), Recorded::is_refresh));
        let quick = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            ready.wait();
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                access_token(&scene.agent.token("quick", json!({})));
                longest = longest.max(began.elapsed());
            }
            longest
        });
        ready.wait();
        let began = Instant::now();
        upgraded(&scene.agent);
        assert!(began.elapsed() > Duration::from_secs(1), "what was sent is waited for");
        assert!(slow.is_finished() || began.elapsed() > Duration::from_secs(2));
        access_token(&slow.join().expect("no panic"));
        over.store(true, Ordering::Relaxed);
        let longest = quick.join().expect("no panic");
        assert!(longest < Duration::from_secs(2), "{longest:?}");
    });
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert_eq!(scene.provider.reuses(), 0, "the new refresh token is known to the new version");
}

#[test]
fn managed_files_stay_and_cost_nothing() {
    let scene = installed();
    configure(&scene.environment, &entry(&scene.environment, "demo", ""));
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    let path = file(&scene.environment, "demo");
    let (before, asked) = (token(&path), scene.provider.log().refreshes());
    for _ in 0..3 {
        upgraded(&scene.agent);
        fresh(&scene.agent, "demo");
    }
    assert_eq!((token(&path), scene.provider.log().refreshes()), (before, asked));
}

#[test]
fn signals_mean_what_they_meant() {
    let mut scene = installed();
    upgraded(&scene.agent);
    let pid = scene.agent.pid();
    kill_process(pid, Signal::HUP).expect("sent");
    access_token(&scene.ask(json!({})));
    upgraded(&scene.agent);
    let socket = scene.agent.socket().to_owned();
    assert!(scene.agent.terminate().expect("ended").success(), "{}", scene.agent.log());
    assert!(!socket.exists() && !socket.with_extension("sock.lock").exists(), "nothing is left behind");
}

/// The process as the kernel knows it: what is closed to others, what it may do, what it has open.
fn protection(agent: &Agent) -> (Vec<String>, Vec<String>) {
    let process = format!("/proc/{}", agent.pid().as_raw_nonzero());
    let read = |name: &str| fs_err::read_to_string(format!("{process}/{name}")).expect("a file of /proc");
    let of_status = ["NoNewPrivs:", "Seccomp:", "Seccomp_filters:", "SigBlk:", "SigCgt:"];
    let (status, limits) = (read("status"), read("limits"));
    let mut facts: Vec<String> = status
        .lines()
        .filter(|line| of_status.iter().any(|name| line.starts_with(name)))
        .chain(limits.lines().filter(|line| line.starts_with("Max core file size")))
        .map(str::to_owned)
        .collect();
    // A process that is not dumpable belongs to root in /proc, whoever runs it; for root nothing shows there.
    let owner = std::os::unix::fs::MetadataExt::uid(
        &fs_err::metadata(format!("{process}/environ")).expect("metadata"),
    );
    facts.push(format!("owner {owner}"));
    let open = fs_err::read_dir(format!("{process}/fd")).into_iter().flatten().flatten();
    let targets = open.filter_map(|entry| fs_err::read_link(entry.path()).ok());
    (facts, targets.map(|target| target.display().to_string()).collect())
}

#[test]
fn the_next_version_is_as_protected_as_the_one_before() {
    for options in [&[][..], &["--seccomp"]] {
        let scene = installed_with(options, &[]);
        let (before, open_before) = protection(&scene.agent);
        let confined = status(&scene.agent)["confined_by"].clone();
        for _ in 0..3 {
            upgraded(&scene.agent);
            assert_eq!(status(&scene.agent)["confined_by"], confined);
        }
        let (after, open) = protection(&scene.agent);
        assert_eq!(after, before, "{options:?}");
        let is_left = |target: &String| target.contains("memfd") || target.contains("bin/oidc-agent");
        assert!(!open.iter().any(is_left), "{open:?}");
        assert!(open.len() <= open_before.len() + 2, "{open_before:?} {open:?}");
        access_token(&scene.ask(json!({"min_valid_period": -1})));
    }
}

#[test]
fn the_command_says_what_became_of_it_and_status_that_there_is_something_to_do() {
    let scene: Scene = installed();
    let shown = scene.oidc(&["status"]).success();
    assert!(!shown.contains("Replaced"), "{shown}");
    install(&scene.environment, &program("oidc-agent"));
    let shown = scene.oidc(&["agent", "status"]).success();
    let line = shown.lines().find(|line| line.starts_with("Replaced")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("bin/oidc-agent") && line.contains("`oidc agent upgrade`"), "{line}");
    let doctor = scene.oidc(&["doctor", "--json"]);
    assert!(doctor.stdout.contains("oidc agent upgrade"), "{doctor:?}");
    let said = scene.oidc(&["agent", "upgrade"]).success();
    let version = env!("CARGO_PKG_VERSION");
    assert!(said.contains(&format!("is version {version} again; one account is loaded as before")), "{said}");
    assert!(!scene.oidc(&["status"]).success().contains("Replaced"));
    let json: Value =
        serde_json::from_str(&scene.oidc(&["agent", "upgrade", "--json"]).success()).expect("JSON");
    assert_eq!((&json["status"], &json["accounts"]), (&json!("success"), &json!([ACCOUNT])), "{json}");
    let refused = scene.oidc(&["agent", "upgrade", "--program", "/bin/true"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("no agent that could take over") && refused.stderr.contains("goes on"),
        "{refused:?}"
    );
    assert_eq!(scene.oidc(&["agent", "stop", "--program", "/bin/true"]).code, Some(64));
}
