//! `oidc doctor`: each fault that is planted is found, no secret is shown, and it ends in time whatever hangs.

use std::{
    fs::Permissions,
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_proto::{
    account::AccountConfig,
    deadlines,
    vault::{self, Protection},
};
use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    programs::{Finished, program, run},
    provider::{Endpoint, Fault, Provider, Quirks},
    require,
    scene::{ACCOUNT, Scene, load_into, timed},
};
use serde_json::{Value, json};

/// An account file, sealed once for all tests.
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let account = json!({"name": ACCOUNT, "issuer_url": "https://op.invalid/", "client_id": "c", "refresh_token": "canary"});
    let account = AccountConfig::parse(account.to_string().as_bytes()).expect("an account");
    vault::seal_new(&account, &Protection::Native(&PASSWORD.into())).expect("sealed").0
});

fn write(path: &Path, bytes: &[u8]) {
    fs_err::write(path, bytes).expect("written");
    fs_err::set_permissions(path, Permissions::from_mode(0o600)).expect("mode set");
}

/// A person without an agent, who has one account.
fn surroundings() -> Environment {
    let environment = Environment::new();
    write(&environment.account_file(ACCOUNT), &SEALED);
    environment
}

/// The checks of a run with these arguments.
fn examine(mut command: Command, arguments: &[&str]) -> (Value, Finished) {
    command.args(["doctor", "--json", "--no-autostart"]).args(arguments);
    let finished = run(command);
    let report =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    (report, finished)
}

/// The worst state of the check with that code, or nothing.
fn state<'a>(report: &'a Value, code: &str) -> Option<&'a str> {
    let checks = report["checks"].as_array().expect("checks");
    let of_code = checks.iter().filter(|check| check["code"] == code);
    of_code.filter_map(|check| check["state"].as_str()).max_by_key(|state| rank(state))
}

fn rank(state: &str) -> usize {
    ["ok", "unchecked", "warning", "problem"].iter().position(|other| *other == state).expect("a state")
}

/// What keeps a fault planted.
type Kept = Box<dyn std::any::Any>;

/// A fault: the code and the state that it comes to, and how it is planted.
type Planted = (&'static str, &'static str, fn(&mut Environment) -> Kept);

fn set(environment: &mut Environment, name: &str, value: &str) -> Kept {
    environment.set(name, value);
    nothing()
}

/// Beside the account file.
fn beside(environment: &Environment, name: &str) -> Kept {
    let path = environment.account_file(name);
    write(&path, b"canary");
    let file = fs_err::File::options().write(true).open(path).expect("opened");
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    file.into_parts().0.set_modified(hour_ago).expect("older");
    nothing()
}

fn mode(path: &Path, mode: u32) -> Kept {
    fs_err::set_permissions(path, Permissions::from_mode(mode)).expect("mode set");
    nothing()
}

/// A socket in a directory of its own below the runtime or temporary one.
fn listener(directory: &Path, name: &str) -> UnixListener {
    fs_err::create_dir_all(directory).expect("made");
    mode(directory, 0o700);
    UnixListener::bind(directory.join(name)).expect("bound")
}

fn script(environment: &Environment, body: &str) -> String {
    let path = environment.path("pinentry-of-test");
    write(&path, format!("#!/bin/sh\n{body}\n").as_bytes());
    mode(&path, 0o700);
    path.to_str().expect("UTF-8").to_owned()
}

/// A token where other programs look for it.
fn token(environment: &Environment, of_mode: u32, text: &str) -> Kept {
    let path = environment.runtime().join(format!("bt_u{}", rustix::process::geteuid().as_raw()));
    write(&path, text.as_bytes());
    mode(&path, of_mode)
}

/// A JWT that has expired.
fn expired() -> String {
    format!("e30.{}.canary", BASE64_URL_SAFE_NO_PAD.encode(br#"{"exp":1000000000,"sub":"canary"}"#))
}

/// What goes wrong without an agent.
const FAULTS: &[Planted] = &[
    ("socket_variable", "problem", |e| set(e, "OIDC_SOCK", "")),
    ("socket_variable", "warning", |e| set(e, "OIDC_SOCK", "agent.sock")),
    ("socket", "problem", |e| set(e, "OIDC_SOCK", "/no/such/socket")),
    ("socket_user_variable", "problem", |e| set(e, "OIDC_SOCK_UID", "canary")),
    ("pid_variable", "warning", |e| set(e, "OIDCD_PID", "4194304")),
    ("directory_variable", "warning", |e| set(e, "OIDC_CONFIG_DIR", "/no/such")),
    ("home_variable", "warning", |e| set(e, "HOME", "/no/such")),
    ("remote_variable", "problem", |e| set(e, "OIDC_REMOTE_SOCK", "https://host")),
    ("remote_variable", "warning", |e| set(e, "OIDC_REMOTE_SOCK", "agent.invalid")),
    ("secret_variable", "warning", |e| set(e, "OIDC_REFRESH_TOKEN", "")),
    ("config", "problem", |e| {
        write(&e.accounts().join("config"), b"{\"oidc-agent\": {");
        nothing()
    }),
    ("config", "warning", |e| {
        write(&e.accounts().join("config"), b"{\"oidc-agent\": {\"nonsense\": 1}}");
        nothing()
    }),
    ("proxy", "problem", |e| set(e, "https_proxy", "http://u:canary@[")),
    ("proxy", "warning", |e| set(e, "HTTP_PROXY", "http://proxy.invalid")),
    ("no_proxy", "warning", |e| set(e, "NO_PROXY", "https://op.invalid")),
    ("certificate_variables", "warning", |e| set(e, "SSL_CERT_FILE", "/no/such")),
    ("runtime_directory", "problem", |e| set(e, "XDG_RUNTIME_DIR", "/no/such")),
    ("runtime_directory", "warning", |e| mode(&e.runtime(), 0o755)),
    ("stale_socket", "warning", |e| {
        drop(listener(&e.runtime().join("oidc-agent"), "oidc-agent.sock"));
        nothing()
    }),
    ("foreign_socket", "problem", |e| {
        let directory = e.runtime().join("oidc-agent");
        let listener = listener(&directory, "oidc-agent.sock");
        mode(&directory, 0o777);
        Box::new(listener)
    }),
    ("abandoned_sockets", "warning", |e| {
        drop(listener(&e.tmp().join("oidc-AbCdEf"), "oidc-agent.4711"));
        nothing()
    }),
    // Takes connections, and never answers.
    ("agent", "problem", |e| Box::new(listener(&e.runtime().join("oidc-agent"), "oidc-agent.sock"))),
    ("directory_mode", "problem", |e| mode(&e.accounts(), 0o777)),
    ("directory_mode", "warning", |e| mode(&e.accounts(), 0o755)),
    ("second_directory", "warning", |e| {
        fs_err::create_dir(e.home().join(".oidc-agent")).expect("made");
        write(&e.home().join(".oidc-agent/other"), &SEALED);
        nothing()
    }),
    ("file_mode", "warning", |e| mode(&e.account_file(ACCOUNT), 0o644)),
    ("file_mode", "problem", |e| mode(&e.account_file(ACCOUNT), 0o666)),
    ("file_damaged", "problem", |e| {
        write(&e.account_file(ACCOUNT), &SEALED[..SEALED.len() / 2]);
        nothing()
    }),
    ("file_foreign", "warning", |e| {
        write(&e.account_file("notes"), b"canary");
        nothing()
    }),
    ("file_link", "problem", |e| {
        symlink("no-such", e.account_file("link")).expect("linked");
        nothing()
    }),
    ("killed_writer", "warning", |e| beside(e, ".demo.Ab3dE6.tmp")),
    ("unsaved_rotation", "warning", |e| beside(e, ".demo.rotated")),
    ("pending_registration", "warning", |e| beside(e, ".demo.pending")),
    ("token_found", "warning", |e| token(e, 0o600, &expired())),
    ("token_file", "warning", |e| token(e, 0o600, "canary canary")),
    ("token_file_mode", "warning", |e| token(e, 0o644, "canary")),
    ("token_size", "warning", |e| token(e, 0o600, &"canary".repeat(1000))),
    ("token_file", "warning", |e| set(e, "BEARER_TOKEN_FILE", "eyJhbGciOiJub25lIn0.canary.canary")),
    ("pinentry", "warning", |e| set(e, "OIDC_PINENTRY", "/no/such")),
    ("pinentry", "problem", |e| {
        let hangs = script(e, "exec sleep 60");
        set(e, "OIDC_PINENTRY", &hangs)
    }),
    ("pinentry", "problem", |e| {
        let fails = script(e, "exit 1");
        set(e, "OIDC_PINENTRY", &fails)
    }),
    ("gpg_terminal", "warning", |e| {
        let sealed = oidc_tests::programs::workspace().join("tests/fixtures/accounts/gpg/gpg-4.2.6");
        write(&e.account_file("gpg"), &fs_err::read(sealed).expect("a fixture"));
        nothing()
    }),
    ("browser", "warning", |e| {
        e.set("PATH", "/no/such");
        set(e, "DISPLAY", ":99")
    }),
    // Taken by this test, or by another one already.
    ("redirect_ports", "warning", |_| {
        Box::new([8080, 4242, 43985].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()))
    }),
];

#[test]
fn each_planted_fault_is_found() {
    let (healthy, _) = examine(surroundings().command("oidc"), &[]);
    for (code, expected, plant) in FAULTS {
        assert!(state(&healthy, code).is_none_or(|state| rank(state) < rank(expected)), "{code}: {healthy}");
        let mut environment = surroundings();
        let kept = plant(&mut environment);
        let (report, finished) = examine(environment.command("oidc"), &[]);
        assert_eq!(state(&report, code), Some(*expected), "{code}: {report}");
        assert!(!finished.stdout.contains("canary"), "{code}: {}", finished.stdout);
        let exit = if report["worst"] == "problem" { 20 } else { 19 };
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(exit), ""), "{code}: {report}");
        drop(kept);
    }
}

#[test]
fn the_account_that_is_named_is_looked_at_alone() {
    let environment = surroundings();
    write(&environment.account_file("notes"), b"text");
    let (report, _) = examine(environment.command("oidc"), &[ACCOUNT]);
    assert_eq!(state(&report, "file_foreign"), None, "another file: {report}");
    assert_eq!(state(&report, "account"), Some("ok"), "{report}");
    assert_eq!(state(&report, "account_report"), Some("unchecked"), "{report}");
    assert_eq!(state(&report, "dns"), Some("problem"), "op.invalid has no address: {report}");
    let (report, finished) = examine(environment.command("oidc"), &["nobody"]);
    assert_eq!((state(&report, "account"), finished.code), (Some("problem"), Some(20)), "{report}");
}

/// The report of a run beside a scene's agent.
fn of(scene: &Scene, arguments: &[&str]) -> Value {
    examine(scene.agent.command(&scene.environment, "oidc"), arguments).0
}

fn with(change: impl FnOnce(&mut Quirks)) -> Quirks {
    let mut quirks = Quirks::default();
    change(&mut quirks);
    quirks
}

#[test]
fn a_loaded_account_that_works_has_no_fault() {
    let scene = Scene::loaded();
    let token = scene.stored_refresh_token();
    let refreshes = scene.provider.log().refreshes();
    for arguments in [&[][..], &[ACCOUNT]] {
        let report = of(&scene, arguments);
        for code in [
            "socket",
            "agent",
            "agent_version",
            "agent_program",
            "account",
            "login",
            "provider",
            "provider_issuer",
            "clock",
        ] {
            assert_eq!(state(&report, code), Some("ok"), "{code} {arguments:?}: {report}");
        }
        for code in
            ["agent_locked", "unsaved_token", "client_accepted", "provider_metadata", "account_issuer"]
        {
            assert_eq!(state(&report, code), None, "{code} {arguments:?}: {report}");
        }
    }
    let report = of(&scene, &[ACCOUNT]);
    for code in ["client_registration", "scopes"] {
        assert_eq!(state(&report, code), Some("ok"), "{code}: {report}");
    }
    assert_eq!(scene.provider.log().count(Endpoint::Registration), 0, "nobody registers");
    assert_eq!(
        (scene.stored_refresh_token(), scene.provider.log().refreshes()),
        (token, refreshes),
        "nothing is spent"
    );
}

/// What goes wrong with an agent: quirks of the provider, what happens before, the arguments, what is found.
type PlantedWithAgent = (&'static str, &'static str, fn() -> Quirks, fn(&mut Scene) -> Kept);

const FAULTS_WITH_AGENT: &[PlantedWithAgent] = &[
    ("agent_locked", "warning", Quirks::default, |scene| {
        let locked = scene.agent.request(&json!({"request": "lock", "password": "x"})).expect("a reply");
        assert_eq!(locked["status"], "success");
        nothing()
    }),
    ("login", "problem", Quirks::default, |scene| {
        scene.provider.revoke_logins();
        scene.ask(json!({"min_valid_period": -1}));
        nothing()
    }),
    ("login_end", "warning", short_logins, |_| nothing()),
    ("client_registration", "problem", Quirks::default, |scene| {
        scene.provider.forget_clients();
        nothing()
    }),
    ("scopes", "warning", fewer_scopes, |scene| {
        scene.ask(json!({}));
        nothing()
    }),
    ("clock", "problem", || with(|quirks| quirks.clock_ahead = 400), |_| nothing()),
    ("clock", "warning", || with(|quirks| quirks.clock_ahead = -120), |_| nothing()),
    ("provider", "problem", Quirks::default, |scene| {
        scene.provider.stop();
        nothing()
    }),
    ("provider_issuer", "problem", Quirks::default, |scene| {
        scene.provider.change(|quirks| quirks.announced_issuer = Some("https://other.example/".into()));
        nothing()
    }),
    ("provider_metadata", "problem", Quirks::default, |scene| {
        scene.provider.tolerate_violations();
        scene.provider.faults().set(Endpoint::Jwks, Fault::Garbage);
        nothing()
    }),
    ("account", "warning", Quirks::default, |scene| {
        fs_err::remove_file(scene.environment.account_file(ACCOUNT)).expect("removed");
        nothing()
    }),
    ("several_agents", "warning", Quirks::default, |scene| {
        Box::new(Agent::named(&scene.environment, "second"))
    }),
];

fn nothing() -> Kept {
    Box::new(())
}

fn short_logins() -> Quirks {
    with(|quirks| {
        (quirks.refresh_token_is_jwt, quirks.refresh_token_lifetime) = (true, Some(24 * 3600));
    })
}

fn fewer_scopes() -> Quirks {
    with(|quirks| quirks.drops_scopes = vec!["storage.modify:/".into()])
}

/// A loaded account at a provider of which the agent was told something from the first.
fn scene_with_data(quirks: Quirks, data: impl FnOnce(&Provider) -> String) -> Scene {
    let provider = Provider::with(quirks);
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    write(&environment.accounts().join("providers.toml"), data(&provider).as_bytes());
    let agent = Agent::start(&environment);
    let scene = Scene { agent, environment, provider };
    scene.load(ACCOUNT);
    scene
}

#[test]
fn provider_data_that_do_not_fit_are_told() {
    let odd = "version = 1\n[[provider]]\nname = \"odd\"\nodd = 1\n".to_owned();
    let report = of(&scene_with_data(Quirks::default(), |_| odd), &[ACCOUNT]);
    assert_eq!(state(&report, "provider_data"), Some("warning"), "{report}");
}

#[test]
fn each_fault_with_an_agent_is_found() {
    for (code, expected, quirks, plant) in FAULTS_WITH_AGENT {
        let mut scene = Scene::loaded_with(quirks());
        let kept = plant(&mut scene);
        let report = of(&scene, &[ACCOUNT]);
        assert_eq!(state(&report, code), Some(*expected), "{code}: {report}");
        drop(kept);
    }
}

#[test]
fn a_registration_access_token_is_neither_lost_nor_replaced() {
    let quirks = || with(|quirks| quirks.rotates_registration_token = true);
    // A provider that is not known to replace it: the new one is stored.
    let scene = Scene::loaded_with(quirks());
    let before = scene.environment.read_account(ACCOUNT).registration_access_token;
    assert_eq!(state(&of(&scene, &[ACCOUNT]), "client_registration"), Some("ok"));
    let after = scene.environment.read_account(ACCOUNT).registration_access_token;
    assert_ne!(before, after, "the provider replaces it");
    assert_eq!(state(&of(&scene, &[ACCOUNT]), "client_registration"), Some("ok"), "with the new one");
    // One that is known to: it is not asked.
    let scene = scene_with_data(quirks(), |provider| {
        format!(
            "version = 1\n[[provider]]\nname = \"replaces\"\nissuers = [\"{}\"]\n[provider.quirks]\n\
             registration_token_replaced = true\n",
            provider.issuer()
        )
    });
    assert_eq!(state(&of(&scene, &[ACCOUNT]), "client_registration"), Some("unchecked"));
    assert_eq!(scene.provider.log().count(Endpoint::ClientConfiguration), 0);
}

#[test]
fn an_agent_whose_program_was_replaced_is_told() {
    let environment = surroundings();
    let copy = environment.path("oidc-agent");
    fs_err::copy(program("oidc-agent"), &copy).expect("copied");
    let agent = Agent::spawn(&environment, environment.command_at(&copy), "copied");
    let report = |agent: &Agent| examine(agent.command(&environment, "oidc"), &[]).0;
    assert_eq!(state(&report(&agent), "agent_program"), Some("ok"));
    fs_err::remove_file(&copy).expect("removed");
    assert_eq!(state(&report(&agent), "agent_program"), Some("warning"));
}

#[test]
fn an_agent_of_the_c_suite_is_told_and_asked_no_more_than_it_knows() {
    let Some(c_suite) = require::c_suite() else { return };
    let environment = surroundings();
    let agent = Agent::start_c(&environment, &c_suite);
    let (report, _) = examine(agent.command(&environment, "oidc"), &[]);
    for (code, expected) in
        [("socket", "ok"), ("agent", "ok"), ("agent_version", "warning"), ("account", "ok")]
    {
        assert_eq!(state(&report, code), Some(expected), "{code}: {report}");
    }
    assert_eq!(state(&report, "agent_locked"), None, "{report}");
}

/// What answers at an https address and does not speak TLS; and certificates of an account that are not there.
#[test]
fn a_provider_that_cannot_prove_who_it_is_is_told() {
    let scene = Scene::new();
    let issuer = scene.provider.issuer().replace("http://", "https://");
    let config = json!({"name": "tls", "issuer_url": issuer, "client_id": "c", "refresh_token": "x"});
    let reply =
        scene.agent.request(&json!({"request": "add", "config": config, "plain_add": 1})).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
    let report = of(&scene, &["tls"]);
    assert_eq!(state(&report, "provider_tls"), Some("problem"), "{report}");
    let config = json!({
        "name": "ca", "issuer_url": "https://op.invalid", "client_id": "c", "refresh_token": "x", "cert_path": "/no/such",
    });
    let reply =
        scene.agent.request(&json!({"request": "add", "config": config, "plain_add": 1})).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
    let report = of(&scene, &["ca"]);
    assert_eq!(state(&report, "account_certificates"), Some("problem"), "{report}");
}

/// Canaries wherever a secret may be; none of them is shown in any form.
#[test]
fn no_secret_is_shown() {
    let provider = Provider::with(Quirks::default());
    let mut environment = Environment::new();
    let account = provider.seed_account(ACCOUNT);
    environment.add_account(&account, FileFormat::Native);
    environment
        .add_account(&AccountConfig { name: Some("other".into()), ..account.clone() }, FileFormat::OidcAgent);
    write(&environment.account_file("notes"), b"{\"refresh_token\": \"canary-file\"}");
    for (name, value) in [
        ("OIDC_ENCRYPTION_PW", "canary-password"),
        ("OIDC_REFRESH_TOKEN", "canary-refresh"),
        ("BEARER_TOKEN", "canary-bearer"),
        ("https_proxy", "http://user:canary-proxy@127.0.0.1:1"),
        ("OIDC_REMOTE_SOCK", "canary-remote@host"),
        ("OIDCD_PID", "canary-pid"),
        ("NO_PROXY", "canary no"),
    ] {
        environment.set(name, value);
    }
    write(
        &environment.runtime().join(format!("bt_u{}", rustix::process::geteuid().as_raw())),
        b"canary-runtime",
    );
    let agent = Agent::start(&environment);
    load_into(&agent, &environment, ACCOUNT);
    let token = agent.token(ACCOUNT, json!({}));
    let secrets = [
        account.refresh_token.as_ref().map(|token| token.expose().to_owned()),
        account.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
        account.registration_access_token.as_ref().map(|token| token.expose().to_owned()),
        token["access_token"].as_str().map(str::to_owned),
    ];
    let secrets: Vec<_> = secrets.into_iter().flatten().chain(["canary".to_owned()]).collect();
    assert_eq!(secrets.len(), 5, "{token}");
    for arguments in
        [&["doctor"][..], &["doctor", ACCOUNT], &["doctor", "--json"], &["doctor", "other", "--json"]]
    {
        let mut command = agent.command(&environment, "oidc");
        command.args(arguments);
        let Finished { stdout, stderr, .. } = run(command);
        assert!(stdout.len() > 500, "{arguments:?}: {stdout} {stderr}");
        for secret in &secrets {
            assert!(!stdout.contains(secret) && !stderr.contains(secret), "{arguments:?}: {stdout} {stderr}");
        }
    }
}

/// An agent and a pinentry that hang: within five seconds, and what a busy machine takes.
#[test]
fn what_hangs_on_this_computer_costs_seconds() {
    let mut environment = surroundings();
    let _silent = listener(&environment.runtime().join("oidc-agent"), "oidc-agent.sock");
    let hangs = script(&environment, "exec sleep 60");
    environment.set("OIDC_PINENTRY", &hangs);
    let ((report, _), took) = timed(|| examine(environment.command("oidc"), &[ACCOUNT]));
    assert_eq!(
        (state(&report, "agent"), state(&report, "pinentry")),
        (Some("problem"), Some("problem")),
        "{report}"
    );
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_provider_that_hangs_costs_what_the_agent_waits_for_it() {
    let scene = Scene::loaded();
    scene.provider.faults().set(Endpoint::Discovery, Fault::Hang);
    let (report, took) = timed(|| of(&scene, &[ACCOUNT]));
    assert_eq!(state(&report, "provider"), Some("problem"), "{report}");
    assert!(took < deadlines::PROVIDER + Duration::from_secs(8), "{took:?}");
    scene.provider.faults().clear_all();
}
