//! Where secrets must not be: command lines, environments, files, logs, and anything a program prints.

use std::{os::unix::fs::PermissionsExt, path::Path};

use oidc_proto::secret::{ClientSecret, RefreshToken, RegistrationAccessToken};
use oidc_tests::{
    agent::{Agent, PINENTRY},
    environment::{Environment, FileFormat, PASSWORD},
    programs::{program, run},
    provider::{Provider, Quirks, Rotation},
    require,
    scene::{ACCOUNT, Scene, access_token, find_in_files},
};
use serde_json::json;

/// The lock's password.
const LOCK: &str = "canary-lock-password";
/// The password of an account file that is to be.
const NEXT: &str = "canary-next-password";

/// System calls by which a secret can get out, with enough of their data and the whole environment of what is started.
/// Sockets are left out of the check below: the provider and the client at the other end are meant to have what they get.
const TRACE: [&str; 6] =
    ["-f", "-y", "-v", "-s65536", "-e", "trace=execve,write,pwrite64,writev,sendto,sendmsg,rename,openat"];

/// What an account file holds that nobody may see.
fn secrets(account: &oidc_proto::account::AccountConfig) -> Vec<String> {
    let refresh_token = account.refresh_token.as_ref().map(RefreshToken::expose);
    let client_secret = account.client_secret.as_ref().map(ClientSecret::expose);
    let registration = account.registration_access_token.as_ref().map(RegistrationAccessToken::expose);
    [refresh_token, client_secret, registration].into_iter().flatten().map(Into::into).collect()
}

#[test]
fn no_secret_in_argument_lists_environments_files_and_logs() {
    let Some(strace) = require::strace() else { return };
    let quirks = Quirks { rotation: Rotation::Always, device_approved_at_poll: Some(1), ..Quirks::default() };
    let provider = Provider::with(quirks);
    let mut environment = Environment::new();
    let account = provider.seed_account(ACCOUNT);
    environment.add_account(&account, FileFormat::Native);
    // Takes what it is given for another program's environment, and asks nobody.
    let pinentry = environment.path("pinentry");
    let script = format!(
        "#!/bin/sh\necho OK\nwhile read -r line; do case $line in GETPIN*) echo 'D {PASSWORD}';; esac; echo OK; done\n"
    );
    fs_err::write(&pinentry, script).expect("a program");
    fs_err::set_permissions(&pinentry, PermissionsExt::from_mode(0o700)).expect("a mode");
    environment.set(PINENTRY, pinentry.to_str().expect("UTF-8"));
    let password_file = environment.home().join("password");
    fs_err::write(&password_file, PASSWORD).expect("a file");

    let (agent_trace, client_trace) = (environment.path("agent.strace"), environment.path("client.strace"));
    let mut command = environment.command_at(&strace);
    // What the tracer's environment holds is the test's doing; the agent itself gets none of it.
    command.env_remove("OIDC_ENCRYPTION_PW").env("RUST_LOG", "trace");
    command.args(TRACE).arg("-o").arg(&agent_trace).arg(program("oidc-agent"));
    let mut agent = Agent::spawn(&environment, command, "agent");
    let mut said = String::new();
    let mut oidc = |arguments: &[&str]| {
        let mut command = environment.command_at(&strace);
        command.env("OIDC_SOCK", agent.socket()).env("OIDC_NO_AUTOSTART", "1");
        // Nobody can know of variables that no option names.
        let named = |name: &str| arguments.iter().any(|argument| argument.ends_with(name));
        command.envs(
            [("LOCK_PASSWORD", LOCK), ("NEXT_PASSWORD", NEXT)].into_iter().filter(|(name, _)| named(name)),
        );
        command.args(TRACE).args(["-A", "-o"]).arg(&client_trace).arg(program("oidc")).args(arguments);
        let finished = run(command);
        said.push_str(&finished.stderr);
        if arguments[0] == "token" {
            return finished.success();
        }
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        said.push_str(&finished.stdout);
        String::new()
    };

    let mut canaries = secrets(&account);
    canaries.extend([PASSWORD, LOCK, NEXT].map(str::to_owned));
    // Loaded by the agent itself, which asks; then by each way in which a client gets a password.
    canaries.push(oidc(&["token", ACCOUNT]).trim_end().to_owned());
    oidc(&["remove", ACCOUNT]);
    let command = format!("cat '{}'", password_file.display());
    for way in [&["--pw-env"][..], &["--pw-cmd", &command], &["--pw-prompt=gui"]] {
        oidc(&[&["add", "--force"], way, &[ACCOUNT]].concat());
        canaries.push(oidc(&["token", "--force-new", ACCOUNT]).trim_end().to_owned());
        canaries.extend(secrets(&environment.read_account(ACCOUNT)));
    }
    let issuer = provider.issuer();
    let scope = "--scope=openid profile offline_access";
    oidc(&["gen", "made", "--issuer", &issuer, scope, "--flow=device", "--pw-env", "--confirm-yes"]);
    canaries.extend(secrets(&environment.read_account("made")));
    canaries.push(oidc(&["token", "made"]).trim_end().to_owned());
    oidc(&["passwd", "--pw-env", "--new-pw-env=NEXT_PASSWORD", "made"]);
    oidc(&["status"]);
    oidc(&["lock", "--pw-env=LOCK_PASSWORD"]);
    oidc(&["unlock", "--pw-env=LOCK_PASSWORD"]);
    oidc(&["reset", "--force", "made"]);
    agent.kill();

    assert!(canaries.len() > 15, "{}", canaries.len());
    for canary in &canaries {
        assert_clean(&agent_trace, canary);
        assert_clean(&client_trace, canary);
        assert!(!said.contains(canary), "a client said it: {said}");
    }
    for directory in [environment.accounts(), environment.tmp(), environment.runtime()] {
        for secret in &canaries {
            assert_eq!(find_in_files(&directory, secret), None);
        }
    }
    let log = agent.log();
    assert!(log.contains("TRACE"), "everything is logged");
    let leak = canaries.iter().find(|secret| log.contains(*secret));
    assert_eq!(leak, None, "in the log");
}

/// No traced call but one on a socket carries `secret`. Variables of the test's own are in what the tracer starts, and what
/// a password source tells or a token command prints is read from pipes.
fn assert_clean(trace: &Path, secret: &str) {
    let text = fs_err::read_to_string(trace).expect("a trace");
    assert!(text.contains("execve("), "the trace shows something");
    let innocent = |line: &str| {
        let to_peer = ["<socket:", "<UNIX", "<TCP", "<UNIX-STREAM"].iter().any(|kind| line.contains(kind));
        to_peer || starts_the_program(line) || tells_by_pipe(line)
    };
    let leak = text.lines().find(|line| line.contains(secret) && !innocent(line));
    assert_eq!(leak, None, "in {}", trace.display());
}

fn starts_the_program(line: &str) -> bool {
    ["oidc", "oidc-agent"].iter().any(|name| {
        let path = program(name);
        line.contains(&format!("execve(\"{}\"", path.display()))
    })
}

fn tells_by_pipe(line: &str) -> bool {
    line.contains("write(1<pipe:")
}

#[test]
fn the_environment_of_a_running_agent_holds_no_password() {
    let scene = Scene::new();
    let mut add = scene.agent.command(&scene.environment, "oidc");
    add.args(["add", "--pw-env", ACCOUNT]);
    run(add).success();
    let arguments = format!("/proc/{}/cmdline", scene.agent.pid().as_raw_nonzero());
    assert!(!fs_err::read_to_string(arguments).expect("an argument list").contains(PASSWORD));
}

#[test]
fn failures_quote_no_secret() {
    let scene = Scene::loaded();
    scene.provider.change(|quirks| quirks.dead_token = oidc_tests::provider::DeadToken::Iam);
    scene.provider.revoke_logins();
    let held = scene.stored_refresh_token();
    // INDIGO IAM repeats the refresh token in its error text.
    let reply = scene.ask(json!({"min_valid_period": -1}));
    assert_eq!(reply["error_code"], "login_needed", "{reply}");
    assert!(!reply.to_string().contains(held.expose()), "{reply}");
    assert!(!scene.agent.log().contains(held.expose()));
}

#[test]
fn no_request_gives_away_the_login_of_a_loaded_account() {
    let scene = Scene::loaded();
    let mut secrets = secrets(&scene.environment.read_account(ACCOUNT));
    assert_eq!(secrets.len(), 3);
    secrets.push(PASSWORD.to_owned());
    let issuer = scene.provider.issuer();
    let (account, config) = (ACCOUNT, json!({"name": ACCOUNT, "issuer_url": issuer, "client_name": "c"}));
    for request in [
        json!({"request": "check"}),
        json!({"request": "status"}),
        json!({"request": "status_json"}),
        json!({"request": "loaded_accounts"}),
        json!({"request": "account_info"}),
        json!({"request": "access_token", "account": account}),
        json!({"request": "access_token", "issuer": issuer, "scope": "unknown"}),
        json!({"request": "id_token", "account": account}),
        json!({"request": "mytoken", "account": account}),
        json!({"request": "scopes", "issuer": issuer}),
        json!({"request": "state_lookup", "state": ""}),
        json!({"request": "state_lookup", "state": account}),
        json!({"request": "file_read", "filename": account}),
        json!({"request": "file_read", "filename": scene.environment.account_file(account)}),
        json!({"request": "gen", "config": config, "flow": ["refresh"]}),
        json!({"request": "gen", "config": config}),
        json!({"request": "register", "config": config}),
        json!({"request": "add", "config": config}),
        json!({"request": "add", "config": config, "replace": true}),
        json!({"request": "reauthenticate", "account": account}),
        json!({"request": "passwd", "account": account, "file_key": "no key"}),
        json!({"request": "lock", "password": "sesame"}),
        json!({"request": "status_json"}),
        json!({"request": "access_token", "account": account}),
        json!({"request": "unlock", "password": "sesame"}),
        json!({"request": "remove", "account": account}),
    ] {
        let reply = scene.agent.request(&request).expect("a reply").to_string();
        let given = secrets.iter().find(|secret| reply.contains(*secret));
        assert_eq!(given, None, "{request}: {reply}");
    }
}

#[test]
fn memory_is_closed_to_debuggers_and_dumps() {
    let scene = Scene::loaded();
    access_token(&scene.ask(json!({})));
    let process = format!("/proc/{}", scene.agent.pid().as_raw_nonzero());
    let limits = fs_err::read_to_string(format!("{process}/limits")).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a core limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // A process that is not dumpable belongs to root in /proc, whoever runs it; for root nothing shows there.
    if !rustix::process::geteuid().is_root() {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs_err::metadata(format!("{process}/environ")).expect("metadata").uid(), 0);
    }
}
