//! Login scripts and jobs as people have them for releases 4 and 5 of the C suite (`tests/login-scripts`), run as they stand.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use oidc_proto::process::Process;
use oidc_tests::{
    environment::{FileFormat, PASSWORD},
    login_shell::Login,
    programs::{run, workspace},
    provider::Provider,
    require,
    scene::ACCOUNT,
    terminal::Terminal,
};

const QUESTION: &str = "Enter decryption password for account config";

fn script(name: &str) -> PathBuf {
    workspace().join("tests/login-scripts").join(name)
}

/// A site with two accounts.
fn login(provider: &Provider) -> Login {
    let login = Login::with_account(provider);
    login.environment.add_account(&provider.seed_account("other"), FileFormat::OidcAgent);
    login
}

#[test]
fn a_profile_asks_once_for_all_sessions() {
    let provider = Provider::start();
    let login = login(&provider);
    let session = |then: &str| {
        let mut bash = login.command("bash");
        bash.arg("-c")
            .arg(format!("shopt -s expand_aliases; . {}\n{then}", script("profile.bash").display()));
        bash
    };
    let mut first = Terminal::start(session("echo iss=$OIDC_ISS; token"));
    first.expect(&format!("{QUESTION} '{ACCOUNT}'"));
    first.type_line(PASSWORD);
    first.expect("success");
    let (code, shown) = first.finish();
    assert!(code == 0 && shown.contains(&format!("iss={}", provider.issuer())), "{shown}");
    assert!(shown.contains("eyJ"), "{shown}");
    // Without a terminal, as `ssh HOST command` or a program of the desktop begins.
    let second = run(session("token"));
    assert!(second.clone().success().starts_with("eyJ"), "{second:?}");
    assert_eq!(second.stderr, "", "{second:?}");
}

/// `eval $(...)` without quotes makes one line of all that is printed.
fn keychain(shell: &Path) {
    let provider = Provider::start();
    let login = login(&provider);
    let session = |then: &str| {
        let mut command = login.command(shell.to_str().expect("UTF-8"));
        let text = fs_err::read_to_string(script("keychain.zsh")).expect("a script");
        // bash has no test for options by that name.
        let text = if shell.ends_with("bash") { text.replace("-o interactive", "$- = *i*") } else { text };
        command.arg("-c").arg(format!("{text}\n{then}")).env("FORCE_LOGIN", "1");
        command
    };
    let mut first = Terminal::start(session("token; token other"));
    for name in [ACCOUNT, "other"] {
        first.expect(&format!("{QUESTION} '{name}'"));
        first.type_line(PASSWORD);
    }
    first.expect("keychain ready");
    let (code, shown) = first.finish();
    let tokens = shown.lines().filter(|line| line.starts_with("eyJ")).count();
    assert!(code == 0 && tokens == 2, "{shown}");
    let again = run(session("token other"));
    assert!(again.stdout.contains("keychain ready") && again.stdout.contains("eyJ"), "{again:?}");
    assert_eq!(again.stderr, "", "{again:?}");
    // An account that is not there any more: the shell hears of it, and the agent is there all the same.
    login.runs("oidc-add -r other >/dev/null; rm \"$OIDC_CONFIG_DIR/other\"").success();
    let failed = run(session("token"));
    assert!(!failed.stdout.contains("keychain ready") && failed.stdout.contains("eyJ"), "{failed:?}");
    assert_eq!(failed.stderr.lines().count(), 2, "its error and its hint, nothing of the shell: {failed:?}");
}

#[test]
fn a_keychain_in_bash() {
    keychain("bash".as_ref());
}

#[test]
fn a_keychain_in_zsh() {
    if let Some(zsh) = require::zsh() {
        keychain(&zsh);
    }
}

#[test]
fn a_job_finds_a_token_that_stays_fresh_and_leaves_nothing() {
    let provider = Provider::start();
    let login = login(&provider);
    login
        .runs(&format!("eval \"$(oidc-agent-service use)\" >/dev/null; oidc-add --pw-env=PW {ACCOUNT}"))
        .success();
    let token = login.environment.path("token");
    let mut job = login.command("bash");
    job.arg(script("job.sh")).env("BEARER_TOKEN_FILE", &token);
    let done = run(job).success();
    assert_eq!(done.matches("transferred with").count(), 2, "{done}");
    // Who removes it sees the end of the job, and nobody waits for that.
    let end = Instant::now() + Duration::from_secs(20);
    while token.exists() {
        assert!(Instant::now() < end, "the token stays");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_script_has_an_agent_of_its_own_and_ends_it() {
    let Some(_) = require::jq() else { return };
    let provider = Provider::start();
    let login = login(&provider);
    fs_err::write(login.environment.home().join(".oidc-password"), format!("{PASSWORD}\n")).expect("written");
    let mut sh = login.command("/bin/sh");
    sh.arg(script("own-agent.sh"));
    let done = run(sh).success();
    let mut lines = done.lines();
    let first = lines.next().expect("a line");
    assert!(first.starts_with(&format!("issuer {}, ", provider.issuer())), "{done}");
    assert_eq!(lines.next(), Some(ACCOUNT), "{done}");
    let pid = first.rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a number");
    // One that nobody has collected yet is there, and has ended.
    let has_ended = |process: Process| process.has_ended_within(Duration::ZERO).expect("watched");
    assert!(Process::open(pid).map_or(true, has_ended), "{done}");
}
