//! `oidc gen` on a terminal, against the real agent and a provider: from nothing to an account, and back to nothing,
//! whatever breaks in between.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use oidc_tests::{
    agent::Agent,
    certificates::self_signed,
    environment::PASSWORD,
    http,
    programs::run,
    provider::{Endpoint, Quirks, Recorded, Registration, Rotation},
    scene::{ACCOUNT, Scene},
    terminal::Terminal,
};
use rustix::process::{Pid, Signal, kill_process};

/// More than a few polls.
const PATIENCE: Duration = Duration::from_secs(20);
const EVERYTHING: [&str; 6] =
    ["--scope", "openid profile offline_access", "--flow", "device", "--pw-env", "--confirm-yes"];

/// A provider, and an agent without an account.
struct Stage {
    scene: Scene,
}

impl Stage {
    fn new() -> Self {
        Self { scene: Scene::empty(Quirks { device_interval: Some(1), ..Quirks::default() }) }
    }

    /// `oidc` at our agent; none is started on demand.
    fn oidc(&self, arguments: &[&str]) -> Command {
        self.scene.command(arguments)
    }

    /// `oidc gen` with nothing left to ask.
    fn generate(&self) -> Command {
        let mut command = self.oidc(&["gen", "acc", "--issuer", &self.scene.provider.issuer()]);
        command.args(EVERYTHING);
        command
    }

    fn approve_by_itself(&self) {
        self.scene.provider.change(|quirks| quirks.device_approved_at_poll = Some(1));
    }

    fn token(&self) -> String {
        run(self.oidc(&["token", "acc"])).success()
    }

    fn has_pending(&self) -> bool {
        self.scene.environment.accounts().join(".acc.pending").exists()
    }

    fn wait_for_poll(&self) {
        let polled = |request: &Recorded| request.endpoint == Endpoint::Token;
        assert!(self.scene.provider.log().wait_for(1, PATIENCE, polled), "no poll");
    }
}

#[test]
fn a_newcomer_is_asked_for_everything_and_gets_an_account() {
    let stage = Stage::new();
    let mut terminal = Terminal::start(stage.oidc(&["gen", "--prompt", "cli"]));
    terminal.expect("Enter short name for the account to configure:");
    terminal.type_line("acc");
    terminal.expect("Issuer");
    terminal.type_line("http://provider.example");
    terminal.expect("http is for this machine only");
    terminal.expect("Issuer");
    terminal.type_line(&stage.scene.provider.issuer());
    terminal.expect("The following scopes are supported");
    terminal.type_line("");
    terminal.expect("Enter encryption password for account configuration 'acc':");
    assert_eq!(stage.scene.provider.client_count(), 0, "nothing is made before the password is known");
    terminal.type_line(PASSWORD);
    terminal.expect("Confirm encryption password:");
    terminal.type_line("mistyped");
    terminal.expect("did not match");
    terminal.expect("Enter encryption password");
    terminal.type_line(PASSWORD);
    terminal.expect("Confirm encryption password:");
    terminal.type_line(PASSWORD);
    terminal.expect("And enter the code: ");
    terminal.expect("Waiting for the login: ");
    assert!(stage.scene.provider.decide_device(&stage.scene.provider.user_codes()[0], true));
    terminal.expect("success");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains(PASSWORD), "{seen}");

    assert_eq!(stage.token().split('.').count(), 3);
    let file = stage.scene.environment.account_file("acc");
    assert_eq!(std::fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600);
    let account = stage.scene.environment.read_account("acc");
    assert!(account.client_name.is_some_and(|name| name.starts_with("oidc-agent:acc-")));
    assert!(account.registration_access_token.is_some() && !stage.has_pending());
}

#[test]
fn an_account_survives_the_agent_and_is_deleted_without_a_trace() {
    let mut stage = Stage::new();
    stage.approve_by_itself();
    run(stage.generate()).success();
    stage.scene.restart();
    run(stage.oidc(&["add", "acc", "--pw-env"])).success();
    stage.token();

    // The agent holds it: no password is asked for.
    let mut delete = stage.oidc(&["gen", "--delete", "acc", "--confirm-yes"]);
    delete.env_remove("OIDC_ENCRYPTION_PW");
    run(delete).success();
    assert_eq!(stage.scene.provider.client_count(), 0);
    assert_eq!(stage.scene.provider.log().count(Endpoint::Revocation), 1);
    assert!(!stage.scene.environment.account_file("acc").exists());
}

#[test]
fn an_account_that_is_not_loaded_is_deleted_with_its_password() {
    let stage = Stage::new();
    stage.approve_by_itself();
    run(stage.generate()).success();
    run(stage.oidc(&["remove", "acc"])).success();
    run(stage.oidc(&["gen", "--delete", "acc", "--confirm-yes", "--pw-env"])).success();
    assert_eq!(stage.scene.provider.client_count(), 0);
}

#[test]
fn ctrl_c_leaves_a_registration_that_the_next_run_uses() {
    let stage = Stage::new();
    let mut terminal = Terminal::start(stage.generate());
    terminal.expect("Waiting for the login: ");
    terminal.type_control('c');
    terminal.expect("stays registered");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 130, "{seen}");
    assert!(stage.has_pending() && stage.scene.provider.client_count() == 1);

    stage.approve_by_itself();
    run(stage.generate()).success();
    assert_eq!(stage.scene.provider.client_count(), 1, "the same client");
    assert!(!stage.has_pending());
    stage.token();
}

#[test]
fn a_client_that_is_killed_leaves_a_registration_that_can_be_removed() {
    let stage = Stage::new();
    let mut child = stage.generate().spawn().expect("a client");
    stage.wait_for_poll();
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::KILL).expect("a client to kill");
    child.wait().expect("an end");
    assert!(stage.has_pending() && stage.scene.provider.client_count() == 1);

    let shown = run(stage.oidc(&["reset", "acc", "--dry-run"])).success();
    assert!(shown.contains(&stage.scene.provider.issuer()), "{shown}");
    run(stage.oidc(&["gen", "--delete", "acc", "--confirm-yes", "--pw-env"])).success();
    assert!(!stage.has_pending() && stage.scene.provider.client_count() == 0);
}

#[test]
fn an_agent_that_is_killed_costs_no_registration() {
    let mut stage = Stage::new();
    let child = stage.generate().spawn().expect("a client");
    stage.wait_for_poll();
    stage.scene.agent.kill();
    let status = { child }.wait().expect("an end");
    assert_eq!(status.code(), Some(2), "no agent");
    assert!(stage.has_pending());

    stage.scene.agent = Agent::start(&stage.scene.environment);
    stage.approve_by_itself();
    run(stage.generate()).success();
    assert_eq!(stage.scene.provider.client_count(), 1);
}

#[test]
fn a_refused_login_keeps_the_registration() {
    let stage = Stage::new();
    let mut terminal = Terminal::start(stage.generate());
    terminal.expect("Waiting for the login: ");
    assert!(stage.scene.provider.decide_device(&stage.scene.provider.user_codes()[0], false));
    terminal.expect("access_denied");
    assert_eq!(terminal.finish().0, 9);
    assert!(stage.has_pending());
}

#[test]
fn a_dropped_scope_is_told_and_the_login_goes_on() {
    let stage = Stage::new();
    stage.approve_by_itself();
    stage.scene.provider.change(|quirks| quirks.drops_scopes = vec!["storage.modify:/".to_owned()]);
    let mut command = stage.generate();
    command.args(["--scope", "storage.modify:/"]);
    let finished = run(command);
    assert!(finished.stderr.contains("missing: storage.modify:/"), "{}", finished.stderr);
    finished.success();
}

#[test]
fn a_refresh_token_is_imported_in_one_command() {
    let stage = Stage::new();
    let other = stage.scene.provider.seed_account("other");
    let mut command = stage.oidc(&[
        "gen",
        "acc",
        "--issuer",
        &stage.scene.provider.issuer(),
        "--prompt=none",
        "--pw-env",
        "--rt-env",
    ]);
    command.args(["--client-id", other.client_id.as_deref().unwrap_or_default()]);
    command.arg(format!(
        "--client-secret={}",
        other.client_secret.as_ref().map_or("", |secret| secret.expose())
    ));
    command.env("OIDC_REFRESH_TOKEN", other.refresh_token.as_ref().map_or("", |token| token.expose()));
    run(command).success();
    stage.token();
}

#[test]
fn a_refresh_token_that_was_spent_for_an_access_token_alone_is_replaced_in_the_file() {
    let scene = Scene::loaded_with(Quirks { rotation: Rotation::Always, ..Quirks::default() });
    for option in ["--only-at", "--no-save"] {
        scene.oidc(&["remove", ACCOUNT]).success();
        let before = scene.stored_refresh_token();
        scene
            .oidc(&["gen", "-m", ACCOUNT, option, "--flow", "refresh", "--pw-env", "--prompt=none"])
            .success();
        assert_ne!(scene.stored_refresh_token(), before, "{option}");
        scene.oidc(&["add", "-f", "--pw-env", ACCOUNT]).success();
    }
    assert_eq!(scene.provider.reuses(), 0);
}

/// An opener is started once and not waited for, whatever it does.
#[test]
fn a_browser_that_does_not_open_costs_no_login() {
    for (opener, is_there) in [
        ("exec sleep 1000", true),
        ("exit 1", true),
        ("yes noise | head -c 1000000; yes noise | head -c 1000000 >&2", true),
        ("", false),
    ] {
        let stage = Stage::new();
        let directory = stage.scene.environment.path("desktop");
        fs_err::create_dir(&directory).expect("a directory");
        if is_there {
            let program = directory.join("xdg-open");
            let script = format!(
                "#!/bin/sh\nPATH=/usr/bin:/bin\necho $$ >>'{}/opened'\n{opener}\n",
                directory.display()
            );
            fs_err::write(&program, script).expect("written");
            fs_err::set_permissions(&program, PermissionsExt::from_mode(0o700)).expect("a program");
        }
        let mut command =
            stage.oidc(&["gen", "acc", "--issuer", &stage.scene.provider.issuer(), "--flow", "code"]);
        command.args(["--scope", "openid profile offline_access", "--pw-env", "--confirm-yes"]);
        command.env("PATH", &directory).env("DISPLAY", ":77").stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("a client");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let (mut line, mut before) = (String::new(), String::new());
        while !line.starts_with("http") {
            before.push_str(&std::mem::take(&mut line));
            assert_ne!(said.read_line(&mut line).expect("text"), 0, "no address in {before}");
        }
        let redirect = http::get(line.trim()).send().expect("the provider answers");
        let page =
            http::get(redirect.header("location").expect("a redirect")).send().expect("the agent answers");
        assert_eq!(page.status, 200, "{opener}");
        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("text");
        assert!(child.wait().expect("an end").success(), "{opener}: {before}{rest}");
        assert!(!rest.contains("noise"), "{rest}");
        assert_eq!(rest.contains("No browser could be opened"), !is_there, "{rest}");
        let opened = fs_err::read_to_string(directory.join("opened")).unwrap_or_default();
        assert_eq!(opened.lines().count(), usize::from(is_there), "{opener}");
        // One that goes on would keep whatever it has inherited, such as a lock of whoever runs the tests.
        let pids = opened.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        for pid in pids {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The kernel cuts lines that it edits at 4095 bytes; providers send codes that are longer.
#[test]
fn an_address_longer_than_a_line_of_the_terminal_can_be_pasted() {
    let stage = Stage::new();
    let mut command =
        stage.oidc(&["gen", "acc", "--issuer", &stage.scene.provider.issuer(), "--flow", "code"]);
    command.args(["--scope", "openid profile offline_access", "--no-webserver", "--pw-env", "--confirm-yes"]);
    let mut terminal = Terminal::start(command);
    terminal.expect("Browser of your choice:");
    let shown = terminal.expect("Address (Enter looks whether the login is done already):");
    let address = shown.split_whitespace().find(|word| word.starts_with("http")).expect("an address");
    let answer = http::get(address).send().expect("the provider answers");
    let redirected = answer.header("location").expect("a redirect");
    terminal.type_line(&format!("{redirected}&session_state={}", "s".repeat(5000)));
    terminal.expect("success");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    assert_eq!(stage.token().split('.').count(), 3);
}

#[test]
fn where_nobody_registers_a_client_from_elsewhere_goes_on_in_the_same_dialogue() {
    let stage = Stage::new();
    stage.approve_by_itself();
    stage.scene.provider.change(|quirks| quirks.registration = Registration::Closed);
    let other = stage.scene.provider.seed_account("other");
    let mut terminal = Terminal::start(stage.generate());
    terminal.expect("Registration is closed.");
    terminal.expect("It goes on here with a client from elsewhere");
    terminal.expect("Client id:");
    terminal.type_line(other.client_id.as_deref().unwrap_or_default());
    terminal.expect("Client secret");
    terminal.type_line(other.client_secret.as_ref().map_or("", |secret| secret.expose()));
    terminal.expect("success");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen}");
    stage.token();
}

#[test]
fn an_initial_access_token_may_be_given_when_it_is_asked_for() {
    let stage = Stage::new();
    stage.approve_by_itself();
    stage.scene.provider.change(|quirks| quirks.registration = Registration::Bearer("at-admin".into()));
    let mut command = stage.generate();
    command.arg("--prompt=none");
    let refused = run(command);
    assert!(
        refused.stderr.contains("`--at`") && refused.stderr.contains("`--client-id`"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.code, Some(9));

    let mut terminal = Terminal::start(stage.generate());
    terminal.expect("Initial access token");
    terminal.type_line("mistyped");
    terminal.expect("not accepted");
    terminal.expect("Initial access token");
    terminal.type_line("at-admin");
    terminal.expect("success");
    assert_eq!(terminal.finish().0, 0);
    assert_eq!(stage.scene.provider.client_count(), 1);
}

#[test]
fn what_a_registration_had_to_do_without_is_said_at_the_end() {
    let stage = Stage::new();
    stage.approve_by_itself();
    stage.scene.provider.change(|quirks| quirks.refused_redirects = vec!["edu.kit".into()]);
    let finished = run(stage.generate());
    let last = finished.stderr.trim_end().lines().last().unwrap_or_default();
    assert!(
        last.starts_with("Left out of the registration: redirect URIs of a private-use scheme, because"),
        "{last}"
    );
    finished.success();
}

#[test]
fn a_client_that_the_provider_has_lost_is_registered_anew() {
    let stage = Stage::new();
    let mut terminal = Terminal::start(stage.generate());
    terminal.expect("Waiting for the login: ");
    assert!(stage.scene.provider.decide_device(&stage.scene.provider.user_codes()[0], false));
    terminal.expect("access_denied");
    terminal.finish();
    stage.scene.provider.forget_clients();

    // Without anybody to tell, the way out is named.
    let mut command = stage.generate();
    command.arg("--prompt=none");
    let refused = run(command);
    assert!(refused.stderr.contains("`oidc reset acc` forgets it"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("oidc-gen -d"), "{}", refused.stderr);

    stage.approve_by_itself();
    let mut terminal = Terminal::start(stage.generate());
    terminal.expect("does not take the client");
    terminal.expect("most likely the client is gone");
    terminal.expect("success");
    assert_eq!(terminal.finish().0, 0);
    assert_eq!(stage.scene.provider.client_count(), 1);
    stage.token();
}

#[test]
fn scopes_of_a_new_login_are_those_that_are_given() {
    let scene = Scene::loaded_with(Quirks { device_approved_at_poll: Some(1), ..Quirks::default() });
    let line = ["gen", ACCOUNT, "--reauthenticate", "--flow", "device", "--pw-env", "--prompt=none"];
    scene.oidc(&[&line[..], &["--scope", "openid email"]].concat()).success();
    let account = scene.environment.read_account(ACCOUNT);
    assert_eq!(account.auth_scope.as_deref(), Some("openid email offline_access"));
    let refused = scene.oidc(&[&line[..], &["--client-id", "other"]].concat());
    assert_eq!(refused.code, Some(64), "{}", refused.stderr);
}

/// Files over TLS, under a certificate that is its own authority.
struct SelfSigned {
    child: Child,
    port: u16,
}

impl SelfSigned {
    /// Serves `directory`, which gets the certificate as `self.pem`.
    fn start(directory: &Path) -> Self {
        let (certificate, key) = self_signed(directory);
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-WWW", "-accept", &format!("127.0.0.1:{port}")]).current_dir(directory);
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a server");
        let said = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let listens = said.into_iter().any(|line| line.contains("ACCEPT"));
        assert!(listens, "no server");
        Self { child, port }
    }

    fn issuer(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `openssl req -x509` makes a certificate that is its own authority; curl takes it as such.
#[test]
fn a_self_signed_certificate_is_taken_as_its_own_anchor_from_any_directory() {
    let stage = Stage::new();
    let directory = stage.scene.environment.path("server");
    fs_err::create_dir_all(directory.join(".well-known")).expect("a directory");
    let server = SelfSigned::start(&directory);
    let metadata = format!(
        "{{\"issuer\":\"{0}\",\"scopes_supported\":[\"openid\",\"over-tls\"],\"token_endpoint\":\"{0}/t\",\
         \"authorization_endpoint\":\"{0}/a\",\"jwks_uri\":\"{0}/j\"}}",
        server.issuer()
    );
    fs_err::write(directory.join(".well-known/openid-configuration"), metadata).expect("written");
    let mut command = stage.oidc(&["gen", "acc", "--issuer", &server.issuer(), "--cp", "self.pem"]);
    command.current_dir(&directory);
    let mut terminal = Terminal::start(command);
    terminal.expect("The following scopes are supported: openid over-tls");
    terminal.type_control('c');
    terminal.expect("Nothing was made at the provider");
    assert_eq!(terminal.finish().0, 130);
}
