//! Where secrets must not be: command lines, environments, files, logs, and anything a program prints.

use std::path::Path;

use oidc_proto::secret::{ClientSecret, RefreshToken, RegistrationAccessToken};
use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    programs::{program, run},
    provider::Provider,
    require,
    scene::{ACCOUNT, Scene, access_token, find_in_files},
};
use serde_json::json;

/// The lock's password.
const LOCK: &str = "canary-lock-password";

/// System calls by which a secret can get out, with enough of their data. Sockets are left out of the check below:
/// the provider and the client at the other end are meant to have what they get.
const TRACE: [&str; 5] =
    ["-f", "-y", "-s65536", "-e", "trace=execve,write,pwrite64,writev,sendto,sendmsg,rename,openat"];

fn secrets(account: &oidc_proto::account::AccountConfig) -> Vec<String> {
    let refresh_token = account.refresh_token.as_ref().map(RefreshToken::expose);
    let client_secret = account.client_secret.as_ref().map(ClientSecret::expose);
    let registration = account.registration_access_token.as_ref().map(RegistrationAccessToken::expose);
    [refresh_token, client_secret, registration].into_iter().flatten().map(Into::into).collect()
}

#[test]
fn no_secret_in_argument_lists_environments_files_and_logs() {
    let Some(strace) = require::strace() else { return };
    let provider = Provider::start();
    let environment = Environment::new();
    let account = provider.seed_account(ACCOUNT);
    environment.add_account(&account, FileFormat::Native);

    let (agent_trace, client_trace) = (environment.path("agent.strace"), environment.path("client.strace"));
    let mut command = environment.command_at(&strace);
    // What the tracer's environment holds is the test's doing; the agent itself gets none of it.
    command
        .env_remove("OIDC_ENCRYPTION_PW")
        .args(TRACE)
        .arg("-o")
        .arg(&agent_trace)
        .arg(program("oidc-agent"));
    let mut agent = Agent::spawn(&environment, command, "agent");
    let oidc = |arguments: &[&str]| {
        let mut command = environment.command_at(&strace);
        command.env("OIDC_SOCK", agent.socket()).env("OIDC_NO_AUTOSTART", "1");
        command.args(TRACE).args(["-A", "-o"]).arg(&client_trace).arg(program("oidc")).args(arguments);
        run(command)
    };
    oidc(&["add", "--pw-env", ACCOUNT]).success();
    let token = oidc(&["token", ACCOUNT]).success().trim_end().to_owned();
    oidc(&["token", "--force-new", ACCOUNT]).success();
    oidc(&["status"]).success();
    for request in ["lock", "unlock"] {
        let reply = agent.request(&json!({"request": request, "password": LOCK})).expect("a reply");
        assert_eq!(reply["status"], "success");
    }
    agent.kill();

    let mut canaries = secrets(&account);
    canaries.extend(secrets(&environment.read_account(ACCOUNT)));
    canaries.extend([PASSWORD.to_owned(), LOCK.to_owned()]);
    for canary in &canaries {
        assert_clean(&agent_trace, canary);
        assert_clean(&client_trace, canary);
    }
    assert_clean(&agent_trace, &token);
    for directory in [environment.accounts(), environment.tmp(), environment.runtime()] {
        for secret in canaries.iter().chain([&token]) {
            assert_eq!(find_in_files(&directory, secret), None);
        }
    }
    let log = agent.log();
    assert!(canaries.iter().chain([&token]).all(|secret| !log.contains(secret)), "a secret is in the log");
}

/// No traced call but one on a socket carries `secret`.
fn assert_clean(trace: &Path, secret: &str) {
    let text = fs_err::read_to_string(trace).expect("a trace");
    assert!(text.contains("execve("), "the trace shows something");
    let innocent =
        |line: &str| ["<socket:", "<UNIX", "<TCP", "<UNIX-STREAM"].iter().any(|kind| line.contains(kind));
    let leak = text.lines().find(|line| line.contains(secret) && !innocent(line));
    assert_eq!(leak, None, "in {}", trace.display());
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
