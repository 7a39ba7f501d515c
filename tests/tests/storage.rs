//! Account files in places that cannot be written as usual: mounted alone, read-only, full, behind links, gone for a
//! while. No refresh token is lost, and none is spent twice.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use oidc_proto::{home::Home, rotation, secret::RefreshToken};
use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    programs::run,
    provider::{Endpoint, Fault, Provider, Quirks, Recorded},
    require,
    scene::{ACCOUNT, Scene, access_token},
};
use serde_json::{Value, json};

/// For the provider to see a request, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn force(agent: &Agent) -> Value {
    agent.token(ACCOUNT, json!({"min_valid_period": -1}))
}

/// Loads the account as the C suite's `oidc-add` does where the password is typed: no file key, no password.
fn load_without_key(agent: &Agent, environment: &Environment) -> Value {
    let account = environment.read_account(ACCOUNT);
    let request = json!({"request": "add", "config": account.to_object().members(), "lifetime": 0});
    agent.request(&request).expect("a reply")
}

/// What whoever loads the account next goes on with.
fn newest(environment: &Environment) -> RefreshToken {
    let home = Home::at(environment.accounts()).with_runtime(environment.runtime());
    let mut account = environment.read_account(ACCOUNT);
    rotation::newest(&home, &ACCOUNT.parse().expect("a name"), &mut account).expect("readable");
    account.refresh_token.expect("a refresh token")
}

/// A new agent, as after a restart, goes on with the login.
fn survives_a_restart(scene: &mut Scene) {
    scene.agent.kill();
    scene.agent = Agent::start(&scene.environment);
    scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
    access_token(&force(&scene.agent));
    assert!(scene.provider.is_live(&newest(&scene.environment)));
    assert_eq!(scene.provider.reuses(), 0);
}

/// Something mounted for the time of a test.
struct Mounted(PathBuf);

impl Mounted {
    fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        let () = require::root()?;
        let mut command = Command::new("mount");
        command.args(arguments).arg(at);
        let mounted = (run(command).code == Some(0)).then(|| Self(at.to_owned()));
        mounted.or_else(|| require::not_run("the right to mount a file system"))
    }

    fn small(environment: &Environment) -> Option<Self> {
        Self::new(&["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"], &environment.accounts())
    }

    fn make_read_only(&self) {
        let mut command = Command::new("mount");
        command.args(["-o", "remount,ro"]).arg(&self.0);
        run(command).success();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut command = Command::new("umount");
        command.arg("--lazy").arg(&self.0);
        let _ = run(command);
    }
}

/// A small file system over the directory, with the account on it.
fn scene_on_small_file_system(format: FileFormat) -> Option<(Scene, Mounted)> {
    let environment = Environment::new();
    let mounted = Mounted::small(&environment)?;
    let provider = Provider::with(Quirks::default());
    environment.add_account(&provider.seed_account(ACCOUNT), format);
    let agent = Agent::start(&environment);
    Some((Scene { agent, environment, provider }, mounted))
}

/// Leaves no room, and tells the file that takes it.
fn fill(environment: &Environment) -> PathBuf {
    let ballast = environment.account_file("ballast.log");
    assert!(fs_err::write(&ballast, vec![b'x'; 1 << 20]).is_err(), "the file system is smaller than that");
    ballast
}

#[test]
fn a_file_that_is_mounted_alone_is_rewritten_in_place() {
    for format in [FileFormat::Native, FileFormat::OidcAgent] {
        let mut scene = Scene::with(Quirks::default(), format);
        let file = scene.environment.account_file(ACCOUNT);
        let outside = scene.environment.path("outside");
        fs_err::copy(&file, &outside).expect("a copy");
        let Some(_mounted) = Mounted::new(&["--bind", outside.to_str().expect("a path")], &file) else {
            return;
        };
        scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
        for _ in 0..3 {
            access_token(&force(&scene.agent));
            assert!(scene.provider.is_live(&scene.stored_refresh_token()), "in the file itself");
        }
        survives_a_restart(&mut scene);
        let entries = fs_err::read_dir(scene.environment.accounts()).expect("a directory").count();
        assert_eq!(entries, 2, "the account and its lock");
    }
}

#[test]
fn on_a_read_only_file_system_the_login_goes_on_with_a_warning() {
    let Some((mut scene, mounted)) = scene_on_small_file_system(FileFormat::Native) else { return };
    mounted.make_read_only();
    scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
    for _ in 0..3 {
        let reply = force(&scene.agent);
        access_token(&reply);
        assert!(reply["warnings"].to_string().contains("runtime directory"), "{reply}");
    }
    survives_a_restart(&mut scene);
}

#[test]
fn on_a_full_disk_nothing_is_spent() {
    for with_key in [true, false] {
        let Some((mut scene, _mounted)) = scene_on_small_file_system(FileFormat::OidcAgent) else { return };
        if with_key {
            scene.load(ACCOUNT);
        } else {
            assert_eq!(load_without_key(&scene.agent, &scene.environment)["status"], "success");
        }
        access_token(&force(&scene.agent));
        let before = scene.provider.log().refreshes();
        let ballast = fill(&scene.environment);
        for _ in 0..2 {
            let refused = force(&scene.agent);
            assert_eq!(refused["error_code"], "write_failed", "{refused}");
            assert!(
                refused["error"].as_str().is_some_and(|text| text.contains("no space left")),
                "{refused}"
            );
        }
        assert_eq!(scene.provider.log().refreshes(), before, "nothing was asked");
        fs_err::remove_file(ballast).expect("removed");
        access_token(&force(&scene.agent));
        survives_a_restart(&mut scene);
    }
}

#[test]
fn a_lock_or_a_sidecar_in_the_way_is_found_before_anything_is_spent() {
    for planted in [".demo.rotated", ".demo.lock"] {
        let scene = Scene::new();
        let path = scene.environment.account_file(planted);
        let before = scene.provider.log().refreshes();
        let _ = fs_err::remove_file(&path);
        symlink("/nonexistent", &path).expect("a link");
        let reply = load_without_key(&scene.agent, &scene.environment);
        assert_eq!(reply["error_code"], "write_failed", "{reply}");
        assert!(reply["error"].as_str().is_some_and(|text| text.contains(planted)), "{reply}");
        assert_eq!(scene.provider.log().refreshes(), before, "{planted}: nothing was asked");
        fs_err::remove_file(&path).expect("removed");
        assert_eq!(load_without_key(&scene.agent, &scene.environment)["status"], "success");
        assert_eq!(scene.provider.reuses(), 0);
    }
}

/// Lustre, NFS without its lock daemon, some FUSE file systems.
#[test]
fn a_file_system_without_sync_and_locks_is_no_obstacle() {
    let Some(strace) = require::strace() else { return };
    let mut scene = Scene::new();
    scene.agent.kill();
    let injections = [
        "fsync,fdatasync:error=EINVAL",
        "fsync,fdatasync:error=ENOSYS",
        "flock:error=ENOSYS",
        "flock:error=EIO",
    ];
    for (number, injected) in injections.into_iter().enumerate() {
        let mut command = scene.environment.command_at(&strace);
        let calls = injected.split(':').next().expect("a first part");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={injected}")]).arg(oidc_tests::programs::program("oidc-agent"));
        // What was traced dies a moment later than its tracer: each has a socket of its own.
        scene.agent = Agent::spawn(&scene.environment, command, &format!("traced-{number}"));
        scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
        access_token(&force(&scene.agent));
        assert!(scene.provider.is_live(&scene.stored_refresh_token()), "{injected}");
        let log = scene.agent.log();
        assert!(log.contains(scene.environment.accounts().to_str().expect("a path")), "{injected}: {log}");
        scene.agent.kill();
    }
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn a_directory_that_is_missing_is_no_deleted_account() {
    let mut scene = Scene::loaded();
    let (directory, away) = (scene.environment.accounts(), scene.environment.path("away"));
    fs_err::rename(&directory, &away).expect("moved away");
    let reply = force(&scene.agent);
    access_token(&reply);
    assert!(reply["warnings"].to_string().contains("runtime directory"), "{reply}");
    fs_err::rename(&away, &directory).expect("moved back");
    access_token(&force(&scene.agent));
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
    survives_a_restart(&mut scene);
}

#[test]
fn an_agent_that_ends_with_an_unsaved_token_leaves_it_at_hand_and_says_so() {
    let mut scene = Scene::loaded();
    let (directory, away) = (scene.environment.accounts(), scene.environment.path("away"));
    fs_err::rename(&directory, &away).expect("moved away");
    access_token(&force(&scene.agent));
    assert!(scene.agent.terminate().expect("it ends").success());
    let log = scene.agent.log();
    assert!(
        log.contains(&format!("'{ACCOUNT}' could not be saved; it lies in the runtime directory")),
        "{log}"
    );
    fs_err::rename(&away, &directory).expect("moved back");
    assert!(!scene.provider.is_live(&scene.stored_refresh_token()), "the file holds a spent one");
    survives_a_restart(&mut scene);
}

#[test]
fn who_stops_an_agent_learns_where_an_unsaved_token_lies() {
    let mut scene = Scene::loaded();
    let (directory, away) = (scene.environment.accounts(), scene.environment.path("away"));
    fs_err::rename(&directory, &away).expect("moved away");
    access_token(&force(&scene.agent));
    let status = scene.oidc(&["status"]).success();
    assert!(status.contains("could not be saved yet"), "{status}");
    let stopped = scene.oidc(&["agent", "stop"]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    let place = scene.environment.runtime().join("oidc-agent-unsaved");
    assert!(stopped.stderr.contains(place.to_str().expect("UTF-8")), "{stopped:?}");
    assert!(stopped.stderr.contains(&format!("`oidc add {ACCOUNT}`")), "{stopped:?}");
    fs_err::rename(&away, &directory).expect("moved back");
    scene.agent = Agent::start(&scene.environment);
    survives_a_restart(&mut scene);
}

/// Later than any other request may take.
#[test]
fn an_answer_that_comes_late_is_kept_and_waited_for_when_the_agent_ends() {
    let mut scene = Scene::loaded();
    let before = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Late { milliseconds: 12_000 });
    thread::scope(|scope| {
        let socket = scene.agent.socket().to_owned();
        let asking = scope.spawn(move || ask(&socket));
        assert!(scene.provider.log().wait_for(before + 1, PATIENCE, Recorded::is_refresh));
        assert!(scene.agent.terminate().expect("it ends").success());
        access_token(&asking.join().expect("a reply"));
    });
    scene.agent = Agent::start(&scene.environment);
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
    survives_a_restart(&mut scene);
}

fn ask(socket: &Path) -> Value {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("connected");
    let request = json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": -1});
    stream.write_all(request.to_string().as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    serde_json::from_str(&reply).expect("JSON")
}

/// Tells the agent to end while a provider does not answer it; returns once nothing listens any more.
fn end_while_the_provider_is_asked<'scope>(scene: &Scene, scope: &'scope thread::Scope<'scope, '_>) {
    let before = scene.provider.log().refreshes();
    scene.provider.faults().queue(Endpoint::Token, Fault::Hang);
    let socket = scene.agent.socket().to_owned();
    scope.spawn(move || std::panic::catch_unwind(|| ask(&socket)));
    assert!(scene.provider.log().wait_for(before + 1, PATIENCE, Recorded::is_refresh));
    rustix::process::kill_process(scene.agent.pid(), rustix::process::Signal::TERM).expect("sent");
    while std::os::unix::net::UnixStream::connect(scene.agent.socket()).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut scene = Scene::loaded();
    thread::scope(|scope| {
        end_while_the_provider_is_asked(&scene, scope);
        let begin = std::time::Instant::now();
        scene.agent.terminate().expect("it ends");
        assert!(begin.elapsed() < Duration::from_secs(5));
    });
}

/// The place is not free before: whoever wants it learns why, and what to do.
#[test]
fn an_agent_that_is_ending_says_so_to_the_next() {
    let mut scene = Scene::new();
    // The first default place, so that a client starts the next one there.
    scene.agent = Agent::named(&scene.environment, "oidc-agent");
    scene.load(ACCOUNT);
    thread::scope(|scope| {
        end_while_the_provider_is_asked(&scene, scope);
        let next = |program: &str, arguments: &[&str]| {
            let mut command = scene.environment.command(program);
            command.args(arguments);
            run(command)
        };
        let place = scene.agent.socket().to_str().expect("text");
        for (program, arguments, code) in [
            ("oidc-agent", &["-a", place][..], 1),
            ("oidc-agent", &["--service"], 1),
            ("oidc", &["agent", "start"], 2),
            ("oidc", &["token", ACCOUNT], 2),
        ] {
            let told = next(program, arguments);
            assert_eq!(told.code, Some(code), "{told:?}");
            let number = scene.agent.pid().as_raw_nonzero();
            assert!(told.stderr.contains(&format!("is ending (process {number})")), "{told:?}");
            assert!(told.stderr.contains(&format!("`kill {number}`")), "{told:?}");
            assert!(told.stderr.contains(place), "{told:?}");
        }
        scene.agent.terminate().expect("it ends");
        let _ = next("oidc-agent", &["--service", "true"]).success();
    });
}

/// As in a Kubernetes secret.
#[test]
fn an_account_may_be_a_link() {
    let mut scene = Scene::new();
    let path = |name: &str| scene.environment.account_file(name);
    fs_err::create_dir(path("..1")).expect("a directory");
    fs_err::rename(path(ACCOUNT), path("..1/demo")).expect("moved");
    symlink("..1", path("..data")).expect("a link");
    symlink("..data/demo", path(ACCOUNT)).expect("a link");
    assert!(scene.oidc(&["list"]).success().contains(ACCOUNT));
    scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
    access_token(&force(&scene.agent));
    assert!(path(ACCOUNT).is_symlink());
    assert!(scene.provider.is_live(&scene.stored_refresh_token()));
    survives_a_restart(&mut scene);

    let path = |name: &str| scene.environment.account_file(name);
    scene.oidc(&["reset", "--force", ACCOUNT]).success();
    assert!(!path(ACCOUNT).is_symlink() && path("..1/demo").exists(), "the link itself goes");
}

#[test]
fn without_a_usable_home_there_are_no_accounts() {
    let environment = Environment::new();
    let mut command = environment.command("oidc");
    command.arg("list").env("HOME", "/dev/null").env_remove("OIDC_CONFIG_DIR").env("OIDC_NO_AUTOSTART", "1");
    let null = run(command);
    let mut command = environment.command("oidc");
    command
        .arg("list")
        .env("HOME", "/nonexistent")
        .env_remove("OIDC_CONFIG_DIR")
        .env("OIDC_NO_AUTOSTART", "1");
    assert_eq!((null.code, null.stdout), (Some(0), run(command).success()));
}

#[test]
fn a_relative_directory_is_where_the_agent_was_started() {
    let provider = Provider::start();
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let mut command = environment.command("oidc-agent");
    command.env("OIDC_CONFIG_DIR", ".config/oidc-agent").current_dir(environment.home());
    let socket = environment.path("run/daemon/oidc-agent.sock");
    // As a daemon, which goes to the root directory.
    command.args(["--json", "-a"]).arg(&socket);
    let started: Value = serde_json::from_str(&run(command).success()).expect("JSON");
    let pid = started["dpid"].as_str().and_then(|pid| pid.parse().ok());
    let pid: i32 = pid.unwrap_or_else(|| panic!("a pid: {started}"));
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");

    let mut command = environment.command("oidc");
    command.args(["add", "--pw-env", ACCOUNT]).env("OIDC_SOCK", &socket).env("OIDC_NO_AUTOSTART", "1");
    let added = run(command);
    let reply = std::panic::catch_unwind(|| ask(&socket));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
    added.success();
    access_token(&reply.expect("a reply"));
    assert!(provider.is_live(&environment.read_account(ACCOUNT).refresh_token.expect("a token")));
}
