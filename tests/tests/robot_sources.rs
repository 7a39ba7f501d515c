//! Where the tokens of robots come from, when it misbehaves, and what becomes of such accounts: restarts, herds, passwords.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    programs::Finished,
    provider::{Endpoint, Quirks, Seed},
    scene::{Scene, find_in_files},
};
use serde_json::{Value, json};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A provider with a client without a secret, and an agent.
struct Stage {
    scene: Scene,
    client: String,
}

impl Stage {
    fn new(quirks: Quirks) -> Self {
        let scene = Scene::empty(quirks);
        let client = scene.provider.seed(&Seed { public: true, ..Seed::named("public") }).client_id;
        Self { scene, client: client.expect("a client") }
    }

    fn oidc(&self, arguments: &[&str]) -> Finished {
        self.scene.oidc(arguments)
    }

    fn generate(&self, name: &str, options: &[&str]) -> Finished {
        let issuer = self.scene.provider.issuer();
        let line = ["gen", name, "--issuer", &issuer, "--prompt=none", "--client-id", &self.client];
        self.oidc(&[&line, options].concat())
    }

    fn restart(&mut self) {
        self.scene.restart();
    }

    /// The tokens that a herd gets for a scope that nobody has asked for yet.
    fn herd(&self, name: &str) -> HashSet<String> {
        let start = Barrier::new(30);
        thread::scope(|scope| {
            let ask = || {
                start.wait();
                let reply = self.scene.agent.token(name, json!({"scope": "storage.read:/"}));
                reply["access_token"].as_str().unwrap_or_else(|| panic!("no token: {reply}")).to_owned()
            };
            let asking: Vec<_> = (0..30).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|thread| thread.join().expect("a reply")).collect()
        })
    }
}

/// Answers every request with this text, after a while; and how often it was asked.
fn site(answer: &'static str, after: Duration) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/token", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                let Ok(reader) = stream.try_clone() else { return };
                let lines = BufReader::new(reader).lines().map_while(Result::ok);
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                counted.fetch_add(1, Ordering::Relaxed);
                thread::sleep(after);
                // Whoever asked may have gone.
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    (address, asked)
}

const TOKEN: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"value\":\"from.an.address\"}";

#[test]
fn an_assertion_from_an_address_is_got_anew_after_a_restart_and_once_for_a_herd() {
    let mut stage = Stage::new(Quirks { without_token_exchange: true, ..Quirks::default() });
    stage.scene.provider.trust("from.an.address");
    let (address, asked) = site(TOKEN, Duration::ZERO);
    let source = format!("url:{address}");
    stage.generate("job", &["--subject-token", &source, "--flow=jwt_bearer"]).success();
    assert_eq!(find_in_files(&stage.scene.environment.accounts(), "from.an.address"), None);
    stage.restart();
    stage.oidc(&["token", "job"]).success();
    let granted = |stage: &Stage| {
        stage.scene.provider.log().count_where(|request| request.grant_type() == Some(JWT_BEARER))
    };
    let before = (granted(&stage), asked.load(Ordering::Relaxed));
    assert_eq!(stage.herd("job").len(), 1);
    let after = (granted(&stage), asked.load(Ordering::Relaxed));
    assert_eq!(after, (before.0 + 1, before.1 + 1));
}

#[test]
fn addresses_that_answer_something_else_are_named_with_what_they_answer() {
    let stage = Stage::new(Quirks::default());
    for (answer, says) in [
        (
            "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nConnection: close\r\n\r\n",
            "elsewhere.example",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>Log in</html>",
            "no token",
        ),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"count\":1}", "no token in it"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "empty"),
        ("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\nnot yours", "403"),
    ] {
        let (address, _) = site(answer, Duration::ZERO);
        let source = format!("url:{address}");
        let failed = stage.generate("job", &["--subject-token", &source]);
        let said = failed.failure();
        assert!(said.contains(&address) && said.contains(says), "{answer}: {said}");
    }
    assert_eq!(stage.scene.provider.log().count(Endpoint::Token), 0);
    assert!(!stage.scene.environment.account_file("job").exists());
}

#[test]
fn a_slow_address_and_a_program_that_hangs_hold_up_nobody_for_long() {
    let stage = Stage::new(Quirks::default());
    stage.scene.provider.trust("quick.subject.token");
    let quick = r#"command:["/bin/echo","quick.subject.token"]"#;
    stage.generate("quick", &["--subject-token", quick]).success();
    let (address, _) = site(TOKEN, Duration::from_secs(60));
    let sources = [format!("url:{address}"), "command:/bin/sleep 60".to_owned()];
    thread::scope(|scope| {
        let slow: Vec<_> = sources
            .iter()
            .enumerate()
            .map(|(at, source)| {
                let stage = &stage;
                scope.spawn(move || {
                    let begin = Instant::now();
                    let failed = stage.generate(&format!("slow{at}"), &["--subject-token", source]);
                    (failed.failure(), begin.elapsed())
                })
            })
            .collect();
        // Meanwhile others get theirs.
        let begin = Instant::now();
        stage.oidc(&["token", "-f", "quick"]).success();
        assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
        for one in slow {
            let (said, elapsed) = one.join().expect("a result");
            assert!(elapsed < Duration::from_secs(25), "{elapsed:?}: {said}");
            assert!(said.contains("no token for account 'slow"), "{said}");
        }
    });
}

#[test]
fn what_a_program_prints_is_a_token_or_refused() {
    let stage = Stage::new(Quirks::default());
    for (script, says) in [
        (r"printf '\\377\\376'", "no text"),
        ("echo two words", "no token"),
        ("head -c 1048576 /dev/zero | tr '\\\\0' a", "65536"),
        ("true", "empty"),
        ("echo a.b.c; exit 3", "3"),
    ] {
        let source = format!(r#"command:["/bin/sh","-c","{script}"]"#);
        let said = stage.generate("job", &["--subject-token", &source]).failure();
        assert!(said.contains("/bin/sh") && said.contains(says), "{script}: {said}");
        assert!(!said.contains("a.b.c") && said.len() < 1000, "{said}");
    }
    assert_eq!(stage.scene.provider.log().count(Endpoint::Token), 0);
}

#[test]
fn an_account_without_a_password_gets_one_is_updated_listed_and_reset() {
    let mut stage = Stage::new(Quirks::default());
    stage.scene.provider.trust("the.subject.token");
    let source = r#"command:["/bin/echo","the.subject.token"]"#;
    stage.generate("job", &["--subject-token", source]).success();
    let file = stage.scene.environment.account_file("job");
    let slot = || {
        let text = fs_err::read_to_string(&file).expect("an account file");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        file["slots"][0]["type"].as_str().expect("a slot").to_owned()
    };
    assert_eq!(slot(), "clear");
    stage.oidc(&["gen", "--update", "job", "--prompt=none"]).success();
    assert_eq!(slot(), "clear");

    stage.scene.oidc_with(&["passwd", "job", "--new-pw-env=NEW"], &[("NEW", "a new one")]).success();
    assert_eq!(slot(), "password");
    stage.restart();
    // It is like any other now: the file alone tells what it is.
    let listed: Value = serde_json::from_str(&stage.oidc(&["list", "--json"]).success()).expect("JSON");
    assert_eq!((&listed[0]["name"], &listed[0]["kind"]), (&json!("job"), &json!("token_exchange")));
    let refused = stage.oidc(&["add", "--pw-prompt=none", "job"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    stage.scene.oidc_with(&["add", "--pw-env=NEW", "job"], &[("NEW", "a new one")]).success();
    stage.oidc(&["token", "job"]).success();
    assert!(stage.oidc(&["list"]).success().contains("token_exchange"));
    assert!(stage.oidc(&["status"]).success().contains("nobody logs in"));

    let before = stage.scene.provider.log().count(Endpoint::Revocation);
    stage.oidc(&["reset", "job", "--force"]).success();
    assert!(!file.exists());
    assert_eq!(stage.scene.provider.log().count(Endpoint::Revocation), before);
}
