//! The steps of accounts for which nobody logs in. Each makes an account, and gets tokens with it after the agent has been
//! restarted, and for a herd at the price of one request.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::Barrier,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_proto::{client_key::ClientKey, secret};
use oidc_tests::{
    agent::Agent,
    programs::run,
    servers::{GivenClient, Offer},
};
use serde_json::{Value, json};

use crate::person::Person;

/// How many ask at the same time.
const HERD: usize = 50;
/// The account whose tokens another one exchanges.
const BY_SECRET: &str = "robot";
const SECRET_VARIABLE: &str = "CLIENT_SECRET_OF_THE_RUN";
/// The platform that a job runs on, as its tokens name it, and the job.
const PLATFORM: &str = "https://platform.example";
const JOB: &str = "repo:lab/engine:job";
/// What authorizes asking the platform for a token.
const BEARER: &str = "of the job";
/// Seconds for which a token of the platform is good.
const LIFETIME: u64 = 600;

pub fn by_secret(person: &mut Person) -> Offer<()> {
    let client = person.server.robots()?.by_secret();
    make_by_secret(person, client);
    lives(person, BY_SECRET, client.id)
}

fn make_by_secret(person: &Person, client: GivenClient) {
    if person.environment.account_file(BY_SECRET).exists() {
        return;
    }
    let mut command = generate(person, BY_SECRET, Some(client));
    command.arg("--flow=client_credentials");
    run(command).success();
}

pub fn by_key(person: &mut Person) -> Offer<()> {
    let client = person.server.robots()?.by_key();
    let mut command = generate(person, "signing", None);
    command.args(["--flow=client_credentials", "--auth-method=private_key_jwt", "--client-id", client]);
    // Nobody knows the key yet.
    let said = run(command).failure();
    assert!(said.contains("invalid_client"), "{said}");
    let printed = person.oidc(&["gen", "--print-jwks", "signing", "--pw-env"]).success();
    let jwks: Value = serde_json::from_str(&printed).expect("a JWK set");
    person.server.robots()?.register_keys(client, &jwks);
    person.oidc(&["gen", "signing", "--prompt=none", "--pw-env"]).success();
    lives(person, "signing", client)
}

pub fn exchanged(person: &mut Person) -> Offer<()> {
    let robots = person.server.robots()?;
    let (client, other) = (robots.exchanging(), robots.by_secret());
    make_by_secret(person, other);
    let mut command = generate(person, "exchanging", Some(client));
    command.args(["--from", BY_SECRET]);
    run(command).success();
    lives(person, "exchanging", client.id)
}

pub fn federated(person: &mut Person) -> Offer<()> {
    let client = person.server.robots()?.federated();
    let key = ClientKey::parse(&ClientKey::generate()).expect("a key that was just made");
    person.server.robots()?.trust(PLATFORM, &key.public_jwks(), JOB);
    let issuer = person.server.issuer().to_owned();
    let file = person.environment.path("platform-token");
    fs_err::write(&file, token(&key, &issuer)).expect("a written token");
    let address = serve(key, issuer);
    let bearer = person.environment.path("platform-bearer");
    fs_err::write(&bearer, BEARER).expect("a written bearer");
    let bearer = format!("file:{}", bearer.display());
    for (name, source) in [
        ("from-file", format!("file:{}", file.display())),
        ("from-command", format!("command:/bin/cat {}", file.display())),
        ("from-address", format!("url:{address}")),
    ] {
        let mut command = generate(person, name, Some(client));
        command.args(["--flow=jwt_bearer", "--subject-token", &source]);
        if name == "from-address" {
            command.args(["--subject-bearer", &bearer]);
        }
        run(command).success();
        lives(person, name, client.id)?;
    }
    Ok(())
}

/// `oidc gen NAME` at this server, without questions.
fn generate(person: &Person, name: &str, client: Option<GivenClient>) -> Command {
    let mut command = person.command(&["gen", name, "--prompt=none", "--pw-env", "--issuer"]);
    command.arg(person.server.issuer()).arg("--cp").arg(person.server.authority());
    if let Some(client) = client {
        command.args(["--client-id", client.id, "--client-secret-env", SECRET_VARIABLE]);
        command.env(SECRET_VARIABLE, client.secret.expect("a robot's client has a secret"));
    }
    command
}

/// The account goes on giving tokens, and a herd costs one request; then it is deleted, unless others live on it.
fn lives(person: &mut Person, name: &str, client: &str) -> Offer<()> {
    let first = person.new_token(name);
    person.agent.kill();
    person.agent = Agent::start(&person.environment);
    if person.environment.account_file(BY_SECRET).exists() {
        person.load(BY_SECRET);
    }
    if name != BY_SECRET {
        person.load(name);
    }
    assert_ne!(person.new_token(name), first, "a token was given twice");
    let scope = person.server.robots()?.scope();
    let before = person.server.robots()?.requests_of(client);
    let mut tokens = herd(person, name, scope);
    let after = person.server.robots()?.requests_of(client);
    tokens.sort();
    tokens.dedup();
    assert_eq!((tokens.len(), after - before), (1, 1), "tokens and requests of a herd of {HERD}");
    if name != BY_SECRET {
        person.oidc(&["gen", "--delete", name, "--pw-env", "--confirm-yes"]).success();
        assert_eq!(person.leftovers(name), Vec::<PathBuf>::new());
    }
    Ok(())
}

/// The tokens that everybody got who asked at the same time.
fn herd(person: &Person, name: &str, scope: &str) -> Vec<String> {
    let commands: Vec<Command> =
        (0..HERD).map(|_| person.command(&["token", "--scope", scope, name])).collect();
    let start = Barrier::new(HERD);
    thread::scope(|threads| {
        let ask = |command: Command| {
            let start = &start;
            threads.spawn(move || {
                start.wait();
                run(command).success()
            })
        };
        let asking: Vec<_> = commands.into_iter().map(ask).collect();
        asking.into_iter().map(|one| one.join().expect("a token")).collect()
    })
}

/// What the platform gives to a job, for this issuer.
fn token(key: &ClientKey, issuer: &str) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let mut id = [0; 16];
    secret::random(&mut id);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let algorithm = key.algorithm(None, |_| true);
    let header = encode(&json!({"alg": algorithm, "typ": "JWT", "kid": key.id()}));
    let claims = encode(&json!({
        "iss": PLATFORM,
        "sub": JOB,
        "aud": issuer,
        "jti": BASE64_URL_SAFE_NO_PAD.encode(id),
        "iat": now,
        "exp": now + LIFETIME,
    }));
    let signed = format!("{header}.{claims}");
    let signature = key.sign(algorithm, signed.as_bytes()).expect("signed");
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// Gives a new token to whoever brings the bearer token, until the run is over.
fn serve(key: ClientKey, issuer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/token", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let Ok(reader) = stream.try_clone() else { return };
            let lines = BufReader::new(reader).lines().map_while(Result::ok);
            let bearer = format!("authorization: Bearer {BEARER}");
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let (status, body) = if head.iter().any(|line| line.eq_ignore_ascii_case(&bearer)) {
                ("200 OK", json!({"value": token(&key, &issuer)}).to_string())
            } else {
                ("401 Unauthorized", "{}".to_owned())
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    address
}
