//! `oidc helper` with the programs that ask, configured by pasting what `--print-config` prints: git, rclone and kubectl as they
//! are, the others by their documented exchange. The service takes every token, all but the first, or none.

use std::{
    collections::HashSet,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use oidc_tests::{
    agent::Agent,
    certificates::Certificates,
    environment::Environment,
    programs::{Finished, program, run, run_with_input},
    require,
    scene::{Scene, claims},
    service::{Answer, Asked, Service},
};
use serde_json::{Value, json};

/// Which tokens a service refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refuses {
    Nothing,
    TheFirst,
    Everything,
}

/// Scene and service.
struct Stage {
    scene: Scene,
    service: Service,
    certificates: Certificates,
}

impl Stage {
    fn new(refuses: Refuses, answer: impl Fn(&Asked) -> Answer + Send + 'static) -> Self {
        let scene = Scene::loaded();
        let certificates = Certificates::make(&scene.environment.path("home"));
        let seen: Mutex<Vec<String>> = Mutex::default();
        let service = Service::start(&certificates, move |asked| {
            let Some(token) = asked.authorization.as_deref().and_then(token_of) else {
                return (401, "text/plain", String::new());
            };
            let mut seen = seen.lock().expect("no panic");
            if !seen.contains(&token) {
                seen.push(token.clone());
            }
            let is_refused = match refuses {
                Refuses::Nothing => false,
                Refuses::TheFirst => seen[0] == token,
                Refuses::Everything => true,
            };
            if is_refused { (401, "text/plain", String::new()) } else { answer(asked) }
        });
        Self { scene, service, certificates }
    }

    fn helper(&self, arguments: &[&str]) -> Finished {
        self.scene.oidc(&[&["helper"], arguments].concat())
    }

    /// Another program, with the agent's socket and a path on which our programs are.
    fn command(&self, program: &Path) -> Command {
        command(&self.scene.environment, &self.scene.agent, program)
    }

    fn authorizations(&self) -> Vec<String> {
        self.service.asked().into_iter().filter_map(|asked| asked.authorization).collect()
    }

    /// How many tokens the provider gave.
    fn given(&self) -> usize {
        self.scene.provider.log().refreshes()
    }

    fn authority(&self) -> &str {
        self.certificates.authority.to_str().expect("UTF-8")
    }
}

fn command(environment: &Environment, agent: &Agent, program: &Path) -> Command {
    let mut command = environment.command_at(program);
    command.env("OIDC_SOCK", agent.socket()).env("OIDC_NO_AUTOSTART", "1");
    command
}

/// The token in a header, be it a password.
fn token_of(authorization: &str) -> Option<String> {
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        return Some(token.to_owned());
    }
    let pair = BASE64_STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    String::from_utf8(pair).ok()?.strip_prefix("oauth2:").map(str::to_owned)
}

// git

const COMMIT: &str = "0123456789012345678901234567890123456789";

fn repository(asked: &Asked) -> Answer {
    if asked.target.starts_with("/r.git/info/refs") {
        return (200, "text/plain", format!("{COMMIT}\trefs/heads/main\n"));
    }
    if asked.target == "/r.git/HEAD" {
        return (200, "text/plain", "ref: refs/heads/main\n".to_owned());
    }
    (404, "text/plain", String::new())
}

/// A stage with what is pasted, and git's program.
fn git_stage(refuses: Refuses) -> Option<(Stage, PathBuf)> {
    let git = require::git()?;
    let stage = Stage::new(refuses, repository);
    let host = stage.service.host();
    let pasted = stage.helper(&["git", "--account", "demo", "--host", &host, "--print-config"]).success();
    fs_err::write(stage.scene.environment.home().join(".gitconfig"), pasted).expect("written");
    Some((stage, git))
}

fn ls_remote(stage: &Stage, git: &Path) -> Finished {
    let mut command = stage.command(git);
    command.env("GIT_SSL_CAINFO", stage.authority()).env("GIT_TERMINAL_PROMPT", "0");
    command.args(["ls-remote", &format!("https://{}/r.git", stage.service.host())]);
    run(command)
}

/// Whether this git can send bearer tokens: 2.46 and later.
fn knows_bearer(git: &Path) -> bool {
    let version = run(Environment::new().command_at(git).tap(|command| command.arg("version"))).success();
    let mut numbers = version.split_whitespace().nth(2).expect("a version").split('.');
    let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
    (number(), number()) >= (2, 46)
}

trait Tap: Sized {
    fn tap(self, change: impl FnOnce(&mut Self) -> &mut Self) -> Self;
}

impl Tap for Command {
    fn tap(mut self, change: impl FnOnce(&mut Self) -> &mut Self) -> Self {
        change(&mut self);
        self
    }
}

#[test]
fn git_gets_the_token_in_the_way_it_knows() {
    let Some((stage, git)) = git_stage(Refuses::Nothing) else { return };
    let listed = ls_remote(&stage, &git);
    assert!(listed.clone().success().contains(COMMIT), "{listed:?}");
    let scheme = if knows_bearer(&git) { "Bearer " } else { "Basic " };
    let sent = stage.authorizations();
    assert!(!sent.is_empty() && sent.iter().all(|sent| sent.starts_with(scheme)), "{sent:?}");
    assert_eq!(stage.given(), 1);
    // Nobody else gets it: neither by another configuration, nor in clear.
    for (protocol, host) in [("https", "other.example"), ("http", &*stage.service.host())] {
        let question = format!("protocol={protocol}\nhost={host}\n\n");
        let mut asked =
            stage.scene.command(&["helper", "git", "get", "--account", "demo", "--host", "x.example"]);
        asked.env("HOME", stage.scene.environment.home());
        let silent = run_with_input(asked, &question);
        assert_eq!((silent.code, silent.stdout.as_str(), silent.stderr.as_str()), (Some(0), "", ""));
    }
    let asked = stage.scene.command(&["helper", "git", "get", "--account", "demo"]);
    let refused = run_with_input(asked, "protocol=http\nhost=git.example\n\n");
    assert_eq!(refused.stdout, "quit=1\n", "nobody else is to be asked for a password that goes in clear");
    assert!(refused.failure().contains("in clear"));
}

#[test]
fn git_is_given_another_token_after_a_refusal() {
    let Some((stage, git)) = git_stage(Refuses::TheFirst) else { return };
    let first = ls_remote(&stage, &git);
    assert!(first.stderr.contains("refused the token; there is a new one now"), "{first:?}");
    assert_eq!(stage.given(), 2);
    assert!(ls_remote(&stage, &git).success().contains(COMMIT));
    assert!(ls_remote(&stage, &git).success().contains(COMMIT));
    assert_eq!(stage.given(), 2, "the new one is kept");
}

#[test]
fn git_is_told_why_where_nothing_helps() {
    let Some((stage, git)) = git_stage(Refuses::Everything) else { return };
    ls_remote(&stage, &git).failure();
    for _ in 0..3 {
        let told = ls_remote(&stage, &git).failure();
        assert!(told.contains("refuses the token of account 'demo', also the new one"), "{told}");
        assert!(told.contains("oidc inspect --account demo"), "{told}");
    }
    assert_eq!(stage.given(), 2, "the provider is left alone");
    let distinct: HashSet<_> = stage.authorizations().into_iter().collect();
    assert_eq!(distinct.len(), 2);
}

#[test]
fn git_asks_nobody_else_where_there_is_no_token() {
    let stage = Stage::new(Refuses::Nothing, repository);
    let asked = stage.scene.command(&["helper", "git", "get", "--account", "gone"]);
    let told = run_with_input(asked, "protocol=https\nhost=git.example\n\n");
    assert_eq!(told.stdout, "quit=1\n");
    assert!(told.failure().contains("No account configured"), "said");
    let asked = stage.scene.command(&["helper", "git", "get", "--account", "demo"]);
    let told = run_with_input(asked, &format!("protocol=https\nhost={}\n\n", "x".repeat(70_000)));
    assert!(told.stderr.contains("65535"), "{told:?}");
    assert_eq!(told.stdout, "");
}

#[test]
fn accounts_are_named_by_host() {
    let stage = Stage::new(Refuses::Nothing, repository);
    let file = stage.scene.environment.accounts().join("helpers.toml");
    fs_err::write(
        &file,
        "[[host]]\nhost = \"*.git.example\"\naccount = \"demo\"\nscheme = \"Basic\"\nusername = \"me\"\naud = \"a\"\n",
    )
    .expect("written");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let link = stage.scene.environment.path("git-credential-oidc");
    symlink(program("oidc"), &link).expect("a link");
    let ask = |host: &str| {
        let question = format!("capability[]=authtype\ncapability[]=state\nprotocol=https\nhost={host}\n\n");
        run_with_input(stage.command(&link).tap(|command| command.arg("get")), &question)
    };
    let answer = ask("a.git.example").success();
    let password = answer.lines().find_map(|line| line.strip_prefix("password=")).expect("a password");
    assert!(answer.contains("username=me\n") && answer.contains("capability[]=state\n"), "{answer}");
    assert_eq!(claims(password)["aud"], "a");
    assert_eq!((ask("git.example").code, ask("git.example").stdout), (Some(0), String::new()));
    let capability = run(stage.command(&link).tap(|command| command.arg("capability"))).success();
    assert_eq!(capability, "version 0\ncapability authtype\ncapability state\n");
    fs_err::write(&file, "[[host]]\nhost = \"a\"\nacount = \"b\"\n").expect("written");
    assert!(ask("a").stderr.contains("helpers.toml, line 3"), "{:?}", ask("a"));
}

// rclone

fn directory(_: &Asked) -> Answer {
    let entry = |href: &str, kind: &str| {
        format!(
            "<d:response><d:href>{href}</d:href><d:propstat><d:prop>{kind}<d:getlastmodified>Thu, 01 Jan 2026 00:00:00 GMT\
             </d:getlastmodified></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        )
    };
    let file = entry("/file.txt", "<d:resourcetype/><d:getcontentlength>1</d:getcontentlength>");
    let all = entry("/", "<d:resourcetype><d:collection/></d:resourcetype>") + &file;
    (
        207,
        "application/xml",
        format!("<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\">{all}</d:multistatus>"),
    )
}

fn list_by_rclone(refuses: Refuses) -> Option<(Stage, Finished)> {
    let rclone = require::rclone()?;
    let stage = Stage::new(refuses, directory);
    let pasted = stage.helper(&["rclone", "--account", "demo", "--print-config"]).success();
    let remote =
        format!("[dav]\ntype = webdav\nurl = https://{}\nvendor = other\n{pasted}", stage.service.host());
    let configuration = stage.scene.environment.home().join("rclone.conf");
    fs_err::write(&configuration, remote).expect("written");
    let mut command = stage.command(&rclone);
    command.args([
        "--ca-cert",
        stage.authority(),
        "--low-level-retries",
        "4",
        "--retries",
        "1",
        "lsf",
        "dav:",
    ]);
    command.arg("--config").arg(&configuration);
    let listed = run(command);
    Some((stage, listed))
}

#[test]
fn rclone_gets_the_token_and_another_one_after_a_refusal() {
    for (refuses, given) in [(Refuses::Nothing, 1), (Refuses::TheFirst, 2)] {
        let Some((stage, listed)) = list_by_rclone(refuses) else { return };
        assert_eq!(listed.clone().success(), "file.txt\n", "{listed:?}");
        assert_eq!(stage.given(), given, "{refuses:?}");
    }
}

#[test]
fn rclone_does_not_hammer_the_provider() {
    let Some((stage, listed)) = list_by_rclone(Refuses::Everything) else { return };
    assert!(!listed.stderr.contains("eyJ") && !listed.stdout.contains("eyJ"), "{listed:?}");
    listed.failure();
    assert_eq!(stage.given(), 2);
}

// kubectl

fn cluster(asked: &Asked) -> Answer {
    let body = match asked.target.split('?').next().unwrap_or_default() {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
        "/version" => json!({"major": "1", "minor": "32", "gitVersion": "v1.32.0"}),
        _ => return (404, "application/json", "{}".to_owned()),
    };
    (200, "application/json", body.to_string())
}

/// A kubeconfig with what is pasted, and kubectl's program.
fn kubectl_stage(refuses: Refuses, options: &[&str]) -> Option<(Stage, PathBuf)> {
    let kubectl = require::kubectl()?;
    let stage = Stage::new(refuses, cluster);
    let pasted =
        stage.helper(&[&["kubectl", "--account", "demo", "--print-config"], options].concat()).success();
    let configuration = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: k, user: oidc-demo}}\n\
         clusters:\n- name: k\n  cluster:\n    server: https://{}\n    certificate-authority: {}\n{pasted}",
        stage.service.host(),
        stage.authority()
    );
    fs_err::write(stage.scene.environment.home().join("kubeconfig"), configuration).expect("written");
    Some((stage, kubectl))
}

fn kubectl(stage: &Stage, program: &Path, arguments: &[&str]) -> Finished {
    let mut command = stage.command(program);
    command.args(arguments).env("KUBECONFIG", stage.scene.environment.home().join("kubeconfig"));
    run(command)
}

#[test]
fn kubectl_gets_the_token() {
    let Some((stage, program)) = kubectl_stage(Refuses::Nothing, &[]) else { return };
    for _ in 0..3 {
        let version = kubectl(&stage, &program, &["get", "--raw", "/version"]).success();
        assert!(version.contains("v1.32.0"), "{version}");
    }
    assert_eq!(stage.given(), 1, "another kubectl is no refusal");
    assert!(stage.authorizations().iter().all(|sent| sent.starts_with("Bearer eyJ")));
}

#[test]
fn kubectl_gets_another_token_after_a_refusal() {
    let Some((stage, program)) = kubectl_stage(Refuses::TheFirst, &[]) else { return };
    for _ in 0..2 {
        let _ = kubectl(&stage, &program, &["api-versions"]);
    }
    assert_eq!(kubectl(&stage, &program, &["api-versions"]).success().trim(), "v1");
    assert_eq!(stage.given(), 2);
}

#[test]
fn kubectl_does_not_hammer_the_provider() {
    let Some((stage, program)) = kubectl_stage(Refuses::Everything, &[]) else { return };
    for _ in 0..3 {
        kubectl(&stage, &program, &["api-versions"]).failure();
    }
    assert_eq!(stage.given(), 2);
}

#[test]
fn an_exec_credential_is_answered_as_asked() {
    let stage = Stage::new(Refuses::Nothing, cluster);
    for version in ["v1", "v1beta1"] {
        let info = json!({"kind": "ExecCredential", "apiVersion": format!("client.authentication.k8s.io/{version}"),
                          "spec": {"interactive": false}});
        let arguments = ["helper", "kubectl", "--account", "demo"];
        let said =
            stage.scene.oidc_with(&arguments, &[("KUBERNETES_EXEC_INFO", &info.to_string())]).success();
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!((&said["apiVersion"], &said["kind"]), (&info["apiVersion"], &json!("ExecCredential")));
        assert!(said["status"]["expirationTimestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{said}");
        assert!(claims(said["status"]["token"].as_str().expect("a token"))["exp"].is_u64());
    }
}

// The others, by their documented exchange.

#[test]
fn bazel_gets_headers_for_hosts_that_are_ours() {
    let stage = Stage::new(Refuses::Nothing, repository);
    let file = stage.scene.environment.accounts().join("helpers.toml");
    fs_err::write(&file, "[[host]]\nhost = \"cache.example\"\naccount = \"demo\"\n").expect("written");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let link = stage.scene.environment.path("oidc-credential-helper");
    symlink(program("oidc"), &link).expect("a link");
    let ask =
        |question: &str| run_with_input(stage.command(&link).tap(|command| command.arg("get")), question);
    let said: Value =
        serde_json::from_str(&ask(r#"{"uri":"https://cache.example/x"}"#).success()).expect("JSON");
    let header = said["headers"]["Authorization"][0].as_str().expect("a header");
    assert!(header.starts_with("Bearer eyJ") && said["expires"].is_string(), "{said}");
    for question in [
        r#"{"uri":"https://other.example/"}"#,
        r#"{"uri":"http://cache.example/"}"#,
        "{}",
        "x",
        r#"{"uri":1}"#,
    ] {
        let refused = ask(question);
        assert_eq!(refused.stdout, "", "{question}");
        refused.failure();
    }
}

#[test]
fn googles_libraries_are_told_of_failures_on_standard_output() {
    let stage = Stage::new(Refuses::Nothing, repository);
    let audience = "//iam.googleapis.com/projects/1/x";
    let variables = [("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", audience)];
    let said = stage.scene.oidc_with(&["helper", "google", "--account", "demo"], &variables);
    assert_eq!(said.stderr, "");
    let said: Value = serde_json::from_str(&said.success()).expect("JSON");
    assert_eq!((&said["version"], &said["success"]), (&json!(1), &json!(true)), "{said}");
    assert_eq!(said["token_type"], "urn:ietf:params:oauth:token-type:jwt");
    let token = claims(said["id_token"].as_str().expect("a token"));
    assert_eq!((&token["aud"], &token["exp"]), (&json!(audience), &said["expiration_time"]));
    let said = stage.helper(&["google", "--account", "gone"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let said: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&said["success"], &said["code"]), (&json!(false), &json!("account_not_found")), "{said}");
    let pasted = stage.helper(&["google", "--account", "demo", "--print-config"]).success();
    let pasted: Value = serde_json::from_str(&pasted).expect("JSON");
    let command = pasted["credential_source"]["executable"]["command"].as_str().expect("a command");
    assert!(command.ends_with("helper google --account demo"), "{command}");
}

#[test]
fn cargo_is_answered_in_its_own_lines() {
    let stage = Stage::new(Refuses::Nothing, repository);
    let file = stage.scene.environment.accounts().join("helpers.toml");
    fs_err::write(&file, "[[host]]\nhost = \"crates.example\"\naccount = \"demo\"\n").expect("written");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let ask = |index: &str, kind: &str| -> Value {
        let question =
            json!({"v": 1, "registry": {"index-url": index}, "kind": kind, "operation": "read", "args": []});
        let asked = stage.scene.command(&["helper", "cargo", "--cargo-plugin"]);
        let said = run_with_input(asked, &format!("{question}\n")).success();
        let (hello, answer) = said.split_once('\n').expect("two lines");
        assert_eq!(hello, r#"{"v":[1]}"#);
        serde_json::from_str(answer).expect("JSON")
    };
    let said = ask("sparse+https://crates.example/index/", "get");
    assert!(said["Ok"]["token"].as_str().is_some_and(|token| token.starts_with("Bearer eyJ")), "{said}");
    assert_eq!((&said["Ok"]["cache"], said["Ok"]["expiration"].is_u64()), (&json!("expires"), true));
    assert_eq!(ask("sparse+https://other.example/", "get"), json!({"Err": {"kind": "url-not-supported"}}));
    assert_eq!(ask("https://crates.example/", "login"), json!({"Err": {"kind": "operation-not-supported"}}));
}

#[test]
fn a_header_file_is_for_its_owner_alone() {
    let stage = Stage::new(Refuses::Nothing, repository);
    let file = stage.scene.environment.home().join("header");
    let path = file.to_str().expect("UTF-8");
    for _ in 0..2 {
        assert_eq!(stage.helper(&["curl-header", "--account", "demo", path]).success(), "");
        let header = fs_err::read_to_string(&file).expect("a file");
        assert!(header.starts_with("Authorization: Bearer eyJ") && header.ends_with('\n'), "{header}");
        assert_eq!(fs_err::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let before = fs_err::read(&file).expect("a file");
    stage.helper(&["curl-header", "--account", "gone", path]).failure();
    assert_eq!(fs_err::read(&file).expect("a file"), before, "a failure leaves what is there");
}

#[test]
fn a_helper_that_fails_says_nothing_on_standard_output() {
    let stage = Stage::new(Refuses::Nothing, repository);
    for arguments in [
        &["rclone", "--account", "gone"][..],
        &["rclone"],
        &["kubectl", "--account", "gone"],
        &["kubectl"],
        &["rclone", "--account", "demo", "--strict", "--scope", "nonsense"],
        &["rclone", "--account", "demo", "--for", "https://a", "--for", "https://b"],
        &["git"],
        &["generic", "store"],
        &["cargo"],
        &["nonsense"],
    ] {
        let failed = stage.helper(arguments);
        assert_eq!(failed.stdout, "", "{arguments:?}");
        failed.failure();
    }
}
