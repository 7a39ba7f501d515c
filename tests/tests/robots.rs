//! Accounts of robots, from `oidc gen` on: nobody logs in, and what needs no secret needs no password.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use oidc_tests::{
    agent::Agent,
    environment::Environment,
    programs::Finished,
    provider::{AudienceParameter, Endpoint, Fault, Provider, Quirks, Seed},
    scene::{Scene, access_token, claims},
};
use serde_json::{Value, json};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A provider, an agent, and nothing else yet.
struct Stage {
    scene: Scene,
}

impl Stage {
    fn new(quirks: Quirks) -> Self {
        Self::with_variables(quirks, &[])
    }

    /// The variables are those of the agent.
    fn with_variables(quirks: Quirks, variables: &[(&str, &str)]) -> Self {
        let environment = Environment::new();
        let agent = agent(&environment, "agent", variables);
        Self { scene: Scene { agent, environment, provider: Provider::with(quirks) } }
    }

    fn oidc(&self, arguments: &[&str]) -> Finished {
        self.scene.oidc(arguments)
    }

    fn gen_with(&self, name: &str, options: &[&str], variables: &[(&str, &str)]) -> Finished {
        let issuer = self.scene.provider.issuer();
        let line = ["gen", name, "--issuer", &issuer, "--prompt=none"];
        self.scene.oidc_with(&[&line, options].concat(), variables)
    }

    fn generate(&self, name: &str, options: &[&str]) -> Finished {
        self.gen_with(name, options, &[])
    }

    /// The id of a client without a secret.
    fn public_client(&self) -> String {
        let seed = Seed { public: true, ..Seed::named("public") };
        self.scene.provider.seed(&seed).client_id.expect("a client")
    }

    /// A file with a token that the provider believes.
    fn token_file(&self, token: &str) -> PathBuf {
        let path = self.scene.environment.path("subject");
        fs_err::write(&path, token).expect("written");
        self.scene.provider.trust(token);
        path
    }

    fn granted(&self, grant: &str) -> usize {
        self.scene.provider.log().count_where(|request| request.grant_type() == Some(grant))
    }

    fn restart(&mut self) {
        self.scene.agent.kill();
        self.scene.agent = agent(&self.scene.environment, "again", &[]);
    }
}

fn agent(environment: &Environment, name: &str, variables: &[(&str, &str)]) -> Agent {
    let mut command = environment.command("oidc-agent");
    command.envs(variables.iter().copied());
    Agent::spawn(environment, command, name)
}

fn holds(stage: &Stage, text: &str) -> bool {
    oidc_tests::scene::find_in_files(&stage.scene.environment.accounts(), text).is_some()
}

#[test]
fn a_client_that_asks_for_itself_is_made_without_a_browser() {
    let mut stage = Stage::new(Quirks { audience: AudienceParameter::Either, ..Quirks::default() });
    let client = stage.scene.provider.seed_account("robot");
    let (id, secret) = (client.client_id.expect("an id"), client.client_secret.expect("a secret"));
    let options = [
        "--flow=client_credentials",
        "--client-id",
        &id,
        "--client-secret-env=SECRET",
        "--scope=wlcg",
        "--pw-env",
    ];
    let wrong = stage.gen_with("robot", &options, &[("SECRET", "wrong")]);
    assert_eq!(wrong.code, Some(9), "{wrong:?}");
    assert!(wrong.failure().contains("invalid_client"));
    assert!(!stage.scene.environment.account_file("robot").exists());
    assert!(stage.oidc(&["status"]).success().contains("none loaded"));

    stage.gen_with("robot", &options, &[("SECRET", secret.expose())]).success();
    assert!(stage.scene.environment.account_file("robot").exists() && !holds(&stage, secret.expose()));
    let first = stage.oidc(&["token", "robot"]).success();
    assert_eq!(claims(first.trim())["scope"], "wlcg");
    let other =
        stage.oidc(&["token", "--scope=storage.read:/", "--aud=https://se.example", "robot"]).success();
    let content = claims(other.trim());
    assert_eq!(
        (&content["scope"], &content["aud"]),
        (&json!("storage.read:/"), &json!("https://se.example"))
    );
    assert_ne!(stage.oidc(&["token", "-f", "robot"]).success(), first);

    stage.restart();
    stage.oidc(&["add", "--pw-env", "robot"]).success();
    stage.oidc(&["token", "robot"]).success();
    stage.oidc(&["gen", "--reauthenticate", "robot", "--pw-env"]).success();
    // There is nothing to revoke, and nothing is said of a login.
    let before = stage.scene.provider.log().count(Endpoint::Revocation);
    let deleted = stage.oidc(&["gen", "--delete", "robot", "--confirm-yes", "--pw-env"]);
    assert!(!deleted.stderr.contains("revoke"), "{deleted:?}");
    deleted.success();
    assert_eq!(stage.scene.provider.log().count(Endpoint::Revocation), before);
}

#[test]
fn a_token_from_a_file_is_exchanged_and_no_password_is_asked_for() {
    let mut stage = Stage::new(Quirks { audience: AudienceParameter::Audience, ..Quirks::default() });
    let client = stage.public_client();
    let file = stage.token_file("first.subject.token");
    let source = format!("file:{}", file.display());
    let options =
        ["--client-id", &client, "--subject-token", &source, "--scope=wlcg", "--aud=https://a.example"];
    stage.generate("pod", &options).success();
    assert!(!holds(&stage, "first.subject.token"));
    assert_eq!(stage.granted(EXCHANGE), 1);

    stage.restart();
    // Nothing loads it but the request, and nobody is asked.
    let token = stage.oidc(&["token", "pod"]).success();
    assert_eq!(claims(token.trim())["aud"], "https://a.example");
    let sent = stage.scene.provider.log().at(Endpoint::Token).pop().expect("a request");
    assert_eq!(sent.form.first("subject_token"), Some("first.subject.token"));
    assert_eq!(sent.form.first("subject_token_type"), Some("urn:ietf:params:oauth:token-type:jwt"));
    stage.oidc(&["remove", "pod"]).success();
    stage.oidc(&["add", "--pw-prompt=none", "pod"]).success();

    // The file is renewed by whoever keeps it.
    stage.scene.provider.distrust("first.subject.token");
    stage.token_file("second.subject.token");
    stage.oidc(&["token", "-f", "pod"]).success();

    // It is shown, written anew, given a password and deleted like any other.
    assert!(stage.oidc(&["gen", "--print", "pod"]).success().contains("subject_token"));
    stage.oidc(&["gen", "--update", "pod", "--prompt=none"]).success();
    stage.oidc(&["token", "-f", "pod"]).success();
    stage.oidc(&["gen", "--delete", "pod", "--confirm-yes"]).success();
    assert!(!stage.scene.environment.account_file("pod").exists());
}

#[test]
fn a_herd_costs_one_exchange_and_a_provider_that_is_down_is_said_to_be() {
    let mut stage = Stage::new(Quirks::default());
    let client = stage.public_client();
    let source = format!("file:{}", stage.token_file("the.subject.token").display());
    stage.generate("pod", &["--client-id", &client, "--subject-token", &source]).success();
    let before = stage.granted(EXCHANGE);
    stage.scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 300 });
    let start = Barrier::new(50);
    let tokens: Vec<Value> = thread::scope(|scope| {
        let ask = || {
            start.wait();
            stage.scene.agent.token("pod", json!({"scope": "storage.read:/"}))
        };
        let asking: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().expect("a reply")).collect()
    });
    assert!(tokens.iter().all(|reply| access_token(reply) == access_token(&tokens[0])));
    assert_eq!(stage.granted(EXCHANGE) - before, 1);

    stage.scene.provider.stop();
    let down = stage.oidc(&["token", "-f", "pod"]);
    assert_eq!(down.code, Some(8), "{down:?}");
}

#[test]
fn what_is_wrong_with_a_token_from_elsewhere_is_said_with_where_it_comes_from() {
    let stage = Stage::new(Quirks::default());
    let client = stage.public_client();
    let file = stage.token_file("the.subject.token");
    let (shown, source) = (file.display().to_string(), format!("file:{}", file.display()));
    let options = ["--client-id", &client, "--subject-token", &source, "--flow=token_exchange"];
    stage.generate("pod", &options).success();
    let expired = "eyJhbGciOiJub25lIn0.eyJleHAiOjEwMDB9.";
    for (content, text) in [
        (Some(""), "it is empty"),
        (Some("no token"), "no token"),
        (Some(expired), "has expired"),
        (None, "No such file"),
    ] {
        match content {
            Some(content) => fs_err::write(&file, content).expect("written"),
            None => fs_err::remove_file(&file).expect("removed"),
        }
        let reply = stage.scene.agent.token("pod", json!({"min_valid_period": -1}));
        assert_eq!(reply["error_code"], "subject_token_unavailable", "{reply}");
        let error = reply["error"].as_str().expect("a text");
        assert!(error.contains(&shown) && error.contains(text) && error.contains("'pod'"), "{reply}");
    }
    let before = stage.granted(EXCHANGE);
    fs_err::write(&file, "not.believed.there").expect("written");
    let refused = stage.oidc(&["token", "-f", "pod"]);
    assert_eq!(refused.code, Some(9), "{refused:?}");
    assert!(
        !refused.stderr.contains("reauthenticate") && !refused.stderr.contains("not.believed"),
        "{refused:?}"
    );
    // Once for each way that a client without a secret has to say who it is.
    assert!((1..=2).contains(&(stage.granted(EXCHANGE) - before)));

    // Nothing is kept of an account that gives no token.
    fs_err::remove_file(&file).expect("removed");
    let failed = stage.generate("other", &options);
    assert!(failed.failure().contains(&shown));
    assert!(!stage.scene.environment.account_file("other").exists());
}

#[test]
fn a_token_of_another_type_is_refused() {
    let quirks = Quirks {
        issued_token_type: Some("urn:ietf:params:oauth:token-type:refresh_token".into()),
        ..Quirks::default()
    };
    let stage = Stage::new(quirks);
    let (client, file) = (stage.public_client(), stage.token_file("the.subject.token"));
    let source = format!("file:{}", file.display());
    let failed =
        stage.generate("pod", &["--client-id", &client, "--subject-token", &source, "--flow=token_exchange"]);
    assert!(failed.failure().contains("issued_token_type"));
}

#[test]
fn variables_and_programs_give_tokens_and_an_assertion_is_brought_where_nothing_is_exchanged() {
    let quirks = Quirks { without_token_exchange: true, ..Quirks::default() };
    let stage = Stage::with_variables(quirks, &[("CI_TOKEN", "from.a.variable")]);
    let client = stage.public_client();
    for token in ["from.a.variable", "from.a.program"] {
        stage.scene.provider.trust(token);
    }
    stage.generate("ci", &["--client-id", &client, "--subject-token=env:CI_TOKEN"]).success();
    let account = stage.oidc(&["gen", "--print", "ci"]).success();
    assert!(account.contains(JWT_BEARER), "{account}");
    stage.oidc(&["token", "-f", "ci"]).success();

    let program = r#"command:["/bin/sh","-c","echo '{\"token\":\"from.a.program\"}'"]"#;
    stage.generate("job", &["--client-id", &client, "--subject-token", program]).success();
    let file = stage.scene.environment.account_file("job");
    let permissions = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
    fs_err::set_permissions(&file, permissions).expect("changed");
    let refused = stage.oidc(&["token", "-f", "job"]).failure();
    assert!(refused.contains("others can write") && refused.contains("chmod 600"), "{refused}");

    let failed =
        stage.generate("no", &["--client-id", &client, "--subject-token=command:/bin/false"]).failure();
    assert!(failed.contains("/bin/false"), "{failed}");
    let failed = stage.generate("no", &["--client-id", &client, "--subject-token=env:NOT_SET"]).failure();
    assert!(failed.contains("NOT_SET") && failed.contains("not set"), "{failed}");
}

/// Answers each request as GitHub does, and counts those that bring the bearer token.
fn platform(bearer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/token?api-version=2", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
            let head: Vec<_> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let is_bearer =
                |line: &String| line.eq_ignore_ascii_case(&format!("authorization: Bearer {bearer}"));
            let is_asked = head[0].contains("audience=https%3A%2F%2Fop") && head.iter().any(is_bearer);
            let (status, body) = if is_asked {
                counted.fetch_add(1, Ordering::Relaxed);
                ("200 OK", r#"{"count":1,"value":"from.the.platform"}"#)
            } else {
                ("401 Unauthorized", "{}")
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .expect("answered");
        }
    });
    (url, asked)
}

#[test]
fn a_job_gets_its_token_from_its_platform() {
    let (url, asked) = platform("job-secret");
    let variables =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-secret")];
    let stage = Stage::with_variables(Quirks::default(), &variables);
    let client = stage.public_client();
    stage.scene.provider.trust("from.the.platform");
    let options =
        ["--client-id", &client, "--subject-token=github-actions", "--subject-audience=https://op.example"];
    stage.generate("job", &options).success();
    stage.oidc(&["token", "-f", "job"]).success();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert!(!holds(&stage, "job-secret"));
    let wrong = ["--client-id", &client, "--subject-token=github-actions", "--subject-audience=else"];
    let failed = stage.generate("other", &wrong).failure();
    assert!(failed.contains("ACTIONS_ID_TOKEN_REQUEST_URL") && !failed.contains("job-secret"), "{failed}");
}

#[test]
fn the_tokens_of_another_account_are_exchanged_but_never_in_a_ring() {
    let mut stage = Stage::new(Quirks::default());
    let client = stage.public_client();
    let source = format!("file:{}", stage.token_file("the.subject.token").display());
    stage.generate("base", &["--client-id", &client, "--subject-token", &source]).success();
    stage.generate("derived", &["--client-id", &client, "--from=base", "--flow=token_exchange"]).success();
    let sent = stage.scene.provider.log().at(Endpoint::Token).pop().expect("a request");
    assert_eq!(sent.form.first("subject_token_type"), Some("urn:ietf:params:oauth:token-type:access_token"));
    stage.restart();
    // Both are loaded for it.
    stage.oidc(&["token", "derived"]).success();

    let itself = stage.generate("ring", &["--client-id", &client, "--from=ring"]).failure();
    assert!(itself.contains("ring <- ring"), "{itself}");
    let missing = stage.generate("lost", &["--client-id", &client, "--from=nobody"]);
    assert_eq!(missing.code, Some(4), "{missing:?}");
    // Made one after the other, the second one closes the ring.
    stage.oidc(&["remove", "base"]).success();
    let account = json!({
        "name": "base", "issuer_url": stage.scene.provider.issuer(), "client_id": client,
        "grant_type": EXCHANGE, "subject_token": {"account": "derived"},
    });
    let reply = stage.scene.agent.request(&json!({"request": "add", "config": account, "plain_add": 1}));
    let reply = reply.expect("a reply");
    assert!(reply["error"].as_str().is_some_and(|text| text.contains("base <- derived <- base")), "{reply}");
}
