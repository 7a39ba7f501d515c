//! What `docs/jobs-after-logout.md` says: agents without a login session, and after one.

use std::{os::unix::fs::symlink, process::Command};

use oidc_tests::{
    environment::{Environment, FileFormat, PASSWORD},
    programs::{program, run, workspace},
    provider::Provider,
};

struct Node {
    environment: Environment,
    _provider: Provider,
}

impl Node {
    /// A machine with our programs, an account `NAME` and its password in a file.
    fn new() -> Self {
        let (provider, environment) = (Provider::start(), Environment::new());
        environment.add_account(&provider.seed_account("NAME"), FileFormat::Native);
        fs_err::write(environment.path("pw"), format!("{PASSWORD}\n")).expect("written");
        let bin = environment.path("bin");
        fs_err::create_dir(&bin).expect("a directory");
        for name in ["oidc", "oidc-agent"] {
            symlink(program(name), bin.join(name)).expect("a link");
        }
        Self { environment, _provider: provider }
    }

    /// A shell as cron and batch systems start it: no session's variables, and no password in one.
    fn shell(&self, line: &str) -> Command {
        let mut command = self.environment.command_at("setsid".as_ref());
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.environment.path("bin").display()))
            .env("PASSWORD_FILE", self.environment.path("pw"))
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("OIDC_ENCRYPTION_PW")
            .args(["--wait", "bash", "-c", line]);
        command
    }
}

#[test]
fn the_line_for_a_job_works_without_a_session() {
    let page = fs_err::read_to_string(workspace().join("docs/jobs-after-logout.md")).expect("the page");
    let line = page.lines().find(|line| line.starts_with("oidc-agent bash -c")).expect("the line");
    let node = Node::new();
    let told = run(node.shell(line)).success();
    assert!(told.contains("eyJ"), "{told}");
    let left = run(node.shell("oidc agent status; exit 0"));
    assert!(!left.stdout.contains("NAME"), "the agent has ended with the job: {left:?}");
}

#[test]
fn an_agent_outlives_the_shell_that_started_it_and_a_hangup() {
    let node = Node::new();
    // The shell's whole process group is hung up, as at the end of a login.
    let begun = run(node.shell(
        "eval $(oidc-agent) >/dev/null; oidc add --pw-file \"$PASSWORD_FILE\" NAME >/dev/null; \
         echo \"$OIDC_SOCK $OIDCD_PID\"; kill -HUP 0; sleep 5; echo survived",
    ));
    let (socket, pid) = begun.stdout.trim().split_once(' ').unwrap_or_else(|| panic!("{begun:?}"));
    assert!(begun.code.is_none() || begun.code == Some(129), "the shell was hung up: {begun:?}");
    let token = run(node.shell(&format!("OIDC_SOCK='{socket}' oidc token NAME")));
    let ended = run(node.shell(&format!("OIDC_SOCK='{socket}' OIDCD_PID={pid} oidc-agent -k")));
    assert!(token.clone().success().contains("eyJ"), "{token:?}");
    ended.success();
}

#[test]
fn the_unit_and_the_page_agree() {
    let read = |path: &str| fs_err::read_to_string(workspace().join(path)).expect("a file");
    let (unit, page) =
        (read("contrib/systemd/system/oidc-agent@.service"), read("docs/jobs-after-logout.md"));
    for (setting, told) in [
        ("OIDC_CONFIG_DIR=/var/lib/oidc-agent/%i", "`/var/lib/oidc-agent/USER` (`OIDC_CONFIG_DIR`)"),
        ("-a /run/oidc-agent/%i/oidc-agent.sock", "`/run/oidc-agent/USER/oidc-agent.sock`"),
        ("XDG_RUNTIME_DIR=/run/oidc-agent/%i", "`/run/oidc-agent/USER` (`XDG_RUNTIME_DIR`)"),
        ("LoadCredentialEncrypted=", "`LoadCredentialEncrypted=`"),
    ] {
        assert!(unit.contains(setting) && page.contains(told), "{setting} and {told}");
    }
}
