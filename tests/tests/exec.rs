//! `oidc exec`, `oidc-tokensh` and `httokensh`: a command with a token that stays fresh, and nothing left when it has ended.

use std::{
    io::Write,
    os::unix::{
        fs::PermissionsExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    programs::run,
    provider::{Provider, Quirks},
    require,
    scene::{ACCOUNT, Scene, claims},
    terminal::Terminal,
};
use rustix::process::{Pid, Signal, kill_process};

/// No file takes longer to be written or removed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often somebody looks; a file that another process removes cannot be awaited otherwise.
const LOOK: Duration = Duration::from_millis(50);

/// So that a test sees a renewal.
fn short_lived() -> Quirks {
    Quirks { access_token_lifetime: 12, ..Quirks::default() }
}

fn files(environment: &Environment) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(environment.runtime()).expect("the runtime directory");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("bt_u")));
    paths.sort();
    paths
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(LOOK);
    }
}

fn nothing_stays(environment: &Environment) {
    wait_until("nothing left", || files(environment).is_empty());
}

fn exec(scene: &Scene, options: &[&str], command: &[&str]) -> Command {
    scene.command(&[&["exec", ACCOUNT][..], options, &["--"], command].concat())
}

/// The same program under another name.
fn called(name: &str, scene: &Scene) -> Command {
    let mut command = scene.command(&[]);
    command.arg0(name);
    command
}

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started")
}

/// The lines that a program prints, and its end.
fn line(child: &mut Child) -> String {
    let mut text = String::new();
    let mut byte = [0];
    let stdout = child.stdout.as_mut().expect("a pipe");
    while std::io::Read::read(stdout, &mut byte).expect("read") == 1 && byte[0] != b'\n' {
        text.push(char::from(byte[0]));
    }
    text
}

fn token_in(path: &Path) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    assert!(!text.trim().is_empty(), "a reader never sees half of it");
    Some(text.trim().to_owned())
}

#[test]
fn the_command_finds_a_private_file_and_nothing_stays() {
    let scene = Scene::loaded();
    let script = r#"stat -c %a "$BEARER_TOKEN_FILE"; echo "${BEARER_TOKEN_FILE##*/}" $$; cat "$BEARER_TOKEN_FILE"; env"#;
    let mut command = exec(&scene, &[], &["sh", "-c", script]);
    command.env("BEARER_TOKEN", "old.token").env("KEPT", "yes").env("OIDC_REFRESH_TOKEN", "canary");
    let finished = run(command);
    assert!(finished.stderr.contains("BEARER_TOKEN is not passed on"), "{finished:?}");
    let text = finished.success();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("600"));
    let (name, pid) = lines.next().and_then(|line| line.split_once(' ')).expect("a name and a number");
    assert!(name.starts_with("bt_u") && name.ends_with(&format!(".sh-{pid}")), "{name} of {pid}");
    let token = lines.next().expect("a token");
    assert!(claims(token)["exp"].is_number());
    let rest: Vec<_> = lines.collect();
    assert!(rest.contains(&"KEPT=yes"));
    assert!(!rest.iter().any(|line| line.starts_with("BEARER_TOKEN=") || line.contains("canary")));
    assert!(!rest.iter().any(|line| line.contains(token)), "the environment has no token");
    nothing_stays(&scene.environment);
}

#[test]
fn a_command_sees_a_renewed_token_and_a_killed_one_leaves_nothing() {
    let scene = Scene::loaded_with(short_lived());
    let script = r#"echo "$BEARER_TOKEN_FILE"; exec sleep 60"#;
    let mut child = start(exec(&scene, &["--min-lifetime", "1"], &["sh", "-c", script]));
    let path = PathBuf::from(line(&mut child));
    let first = token_in(&path).expect("a token");
    wait_until("another token", || token_in(&path).is_some_and(|token| token != first));
    let newer = token_in(&path).expect("a token");
    assert!(claims(&newer)["exp"].as_u64() > claims(&first)["exp"].as_u64());
    child.kill().expect("killed");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    nothing_stays(&scene.environment);
}

#[test]
fn exit_status_signals_and_streams_are_the_commands_own() {
    let scene = Scene::loaded();
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("exit 127", 127)] {
        assert_eq!(run(exec(&scene, &[], &["sh", "-c", script])).code, Some(code), "{script}");
    }
    for signal in [Signal::TERM, Signal::HUP] {
        let mut child = start(exec(&scene, &[], &["sh", "-c", "echo here; exec sleep 60"]));
        assert_eq!(line(&mut child), "here");
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).expect("sent");
        assert_eq!(child.wait().expect("ended").signal(), Some(signal.as_raw()));
    }
    // Nobody reads on: SIGPIPE ends it as it would without us.
    let mut child = start(exec(&scene, &[], &["yes"]));
    line(&mut child);
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("ended").signal(), Some(Signal::PIPE.as_raw()));
    // What comes in reaches it, bytes and end.
    let mut child = start(exec(&scene, &[], &["cat"]));
    child.stdin.take().expect("a pipe").write_all(b"a\0b\n").expect("written");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.stdout, b"a\0b\n");
    nothing_stays(&scene.environment);
}

#[test]
fn what_cannot_be_run_is_told_as_a_shell_does() {
    let scene = Scene::loaded();
    let missing = run(exec(&scene, &[], &["no-such-command-anywhere"]));
    assert_eq!(missing.code, Some(127));
    assert!(missing.stderr.contains("no-such-command-anywhere"), "{missing:?}");
    let plain = scene.environment.path("plain");
    fs_err::write(&plain, "text").expect("written");
    fs_err::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).expect("set");
    assert_eq!(run(exec(&scene, &[], &[plain.to_str().expect("text")])).code, Some(126));
    nothing_stays(&scene.environment);
}

#[test]
fn without_a_token_the_command_does_not_start() {
    let scene = Scene::loaded();
    scene.provider.revoke_logins();
    let mark = scene.environment.path("started");
    let finished = run(exec(&scene, &["--scope", "other"], &["touch", mark.to_str().expect("text")]));
    assert_eq!(finished.code, Some(7), "{finished:?}");
    assert!(!mark.exists());
    let outfile = scene.environment.path("kept");
    fs_err::write(&outfile, "e30.e30.c2ln").expect("written");
    let options = ["--scope", "yet another", "--outfile", outfile.to_str().expect("text")];
    assert_eq!(run(exec(&scene, &options, &["true"])).code, Some(7));
    assert_eq!(fs_err::read(&outfile).expect("read"), b"e30.e30.c2ln", "what was there stays");
    assert_eq!(run(scene.command(&["exec", "--", "true"])).code, Some(64));
    assert_eq!(run(scene.command(&["exec", ACCOUNT, "--read", "--", "true"])).code, Some(64));
    nothing_stays(&scene.environment);
}

#[test]
fn several_tokens_have_their_names() {
    let scene = Scene::loaded();
    scene.add_unsaved("second");
    let script = r#"cat "$BEARER_TOKEN_FILE" "$BEARER_TOKEN_FILE_SRC" "$BEARER_TOKEN_FILE_DST"; echo "$T""#;
    let options =
        ["--token", "src=second,aud=https://a.example", "--token", "DST=demo,scope=openid", "--env", "T"];
    let finished = run(exec(&scene, &options, &["sh", "-c", script]));
    assert!(finished.stderr.contains("cannot be renewed"), "{finished:?}");
    let text = finished.success();
    let tokens: Vec<_> = text.lines().collect();
    assert_eq!(tokens.len(), 4, "{text}");
    assert_eq!(tokens[0], tokens[3], "the variable has the token of the account");
    assert!(claims(tokens[1])["aud"].to_string().contains("https://a.example"));
    assert_eq!(claims(tokens[2])["scope"], "openid");
    nothing_stays(&scene.environment);
}

#[test]
fn two_commands_have_two_files() {
    let scene = Scene::loaded();
    let script = r#"echo "$BEARER_TOKEN_FILE"; read end; test -s "$BEARER_TOKEN_FILE""#;
    let mut both = [(); 2].map(|()| start(exec(&scene, &[], &["sh", "-c", script])));
    let paths = [line(&mut both[0]), line(&mut both[1])];
    assert_ne!(paths[0], paths[1]);
    let [first, second] = &mut both;
    drop(first.stdin.take());
    assert!(first.wait().expect("ended").code() == Some(0));
    wait_until("the first one's file is gone", || !Path::new(&paths[0]).exists());
    assert!(Path::new(&paths[1]).exists(), "the other one's stays");
    drop(second.stdin.take());
    assert!(second.wait().expect("ended").success());
    nothing_stays(&scene.environment);
}

#[test]
fn a_terminal_and_its_jobs_are_the_commands_own() {
    let scene = Scene::loaded();
    let mut shell = scene.environment.command_at(Path::new("/bin/bash"));
    shell.args(["--norc", "-i"]).env("OIDC_SOCK", scene.agent.socket()).env("PS1", "ready> ");
    let oidc = oidc_tests::programs::program("oidc");
    let mut terminal = Terminal::start(shell);
    terminal.expect("ready> ");
    let script = format!(r#"'{}' exec {ACCOUNT} -- sh -c 'test -t 0 && echo be""gun; cat'"#, oidc.display());
    terminal.type_line(&script);
    terminal.expect("begun");
    terminal.type_control('z');
    terminal.expect("Stopped");
    terminal.expect("ready> ");
    terminal.type_line("fg");
    // The shell has set the terminal for its job when it says which one it is.
    terminal.expect("cat'");
    terminal.type_line("typed");
    terminal.expect("typed");
    terminal.type_control('c');
    terminal.expect("ready> ");
    terminal.type_line("echo status=$?");
    terminal.expect("status=130");
    terminal.type_line("exit 0");
    assert_eq!(terminal.finish().0, 0);
    nothing_stays(&scene.environment);
}

#[test]
fn what_a_killed_agent_left_is_removed_and_a_living_command_keeps_its_token() {
    let mut scene = Scene::loaded_with(short_lived());
    let script = r#"echo "$BEARER_TOKEN_FILE"; exec sleep 60"#;
    let mut ends = start(exec(&scene, &["-t1"], &["sh", "-c", script]));
    let left = PathBuf::from(line(&mut ends));
    let mut lives = start(exec(&scene, &["-t1"], &["sh", "-c", script]));
    let kept = PathBuf::from(line(&mut lives));
    scene.agent.kill();
    ends.kill().and_then(|()| ends.wait()).expect("ended");
    scene.agent = Agent::start(&scene.environment);
    scene.load(ACCOUNT);
    // The next one tidies up before it does anything else.
    run(exec(&scene, &[], &["true"])).success();
    wait_until("what was left is gone", || !left.exists());
    assert!(kept.exists());
    wait_until("a token that is good", || {
        let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        token_in(&kept).is_some_and(|token| claims(&token)["exp"].as_u64() > Some(now))
    });
    lives.kill().and_then(|()| lives.wait()).expect("ended");
    nothing_stays(&scene.environment);
}

#[test]
fn an_agent_of_the_c_suite_does_as_well() {
    let Some(c_suite) = require::c_suite() else { return };
    let provider = Provider::with(short_lived());
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
    let agent = Agent::start_c(&environment, &c_suite);
    let mut add = agent.command(&environment, "oidc");
    add.args(["add", "--pw-env", ACCOUNT]);
    run(add).success();
    let script = r#"echo "$BEARER_TOKEN_FILE"; exec sleep 60"#;
    let mut command = agent.command(&environment, "oidc");
    command.args(["exec", ACCOUNT, "-v", "-t", "1", "--", "sh", "-c", script]);
    let mut child = start(command);
    let path = PathBuf::from(line(&mut child));
    let first = token_in(&path).expect("a token");
    wait_until("another token", || token_in(&path).is_some_and(|token| token != first));
    child.kill().and_then(|()| child.wait()).expect("ended");
    nothing_stays(&environment);
}

#[test]
fn the_variables_of_aws_lead_botocore_to_the_role() {
    let Some(python) = require::python() else { return };
    let scene = Scene::loaded();
    let script = scene.environment.path("role.py");
    fs_err::write(&script, include_str!("exec/role.py")).expect("written");
    let has_botocore = Command::new(&python).args(["-c", "import botocore"]).output();
    if !has_botocore.is_ok_and(|output| output.status.success()) {
        println!("not run: botocore is missing");
        return;
    }
    let options = [
        "--aws-role",
        "arn:aws:iam::123456789012:role/reader",
        "--aws-region",
        "eu-west-1",
        "--aws-session",
        "me@example.org",
    ];
    let mut command = exec(&scene, &options, &[]);
    command.arg(python).arg(&script).env("AWS_ACCESS_KEY_ID", "old").env("AWS_SECRET_ACCESS_KEY", "old");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let finished = run(command);
    assert!(finished.stderr.contains("AWS_ACCESS_KEY_ID is not passed on"), "{finished:?}");
    assert_eq!(
        finished.success().trim(),
        "key of arn:aws:iam::123456789012:role/reader for me@example.org in eu-west-1"
    );
}

#[test]
fn a_file_of_somebody_else_is_neither_replaced_nor_removed() {
    let scene = Scene::loaded();
    let at = |path: &Path, command: &[&str]| {
        run(exec(&scene, &["--outfile", path.to_str().expect("text")], command))
    };
    let refused = |path: &Path, what: &str| {
        let before = fs_err::read(path).expect("there");
        let finished = at(path, &["true"]);
        assert_eq!(finished.code, Some(12), "{finished:?}");
        assert!(finished.stderr.contains(what), "{finished:?}");
        assert!(fs_err::read(path).expect("there") == before, "{what}");
    };
    let precious = scene.environment.path("precious");
    fs_err::write(&precious, "precious\n").expect("written");
    refused(&precious, "holds no token");
    let link = scene.environment.path("link");
    std::os::unix::fs::symlink(scene.environment.accounts(), &link).expect("linked");
    for directory in [scene.environment.accounts(), link] {
        refused(&directory.join(ACCOUNT), "is in the oidc-agent directory");
    }
    let managed = scene.environment.path("managed");
    fs_err::write(&managed, "").expect("written");
    let entry =
        format!("[[file]]\nname = \"m\"\naccount = \"{ACCOUNT}\"\npath = \"{}\"\n", managed.display());
    fs_err::write(scene.environment.accounts().join("files.toml"), entry).expect("written");
    refused(&managed, "the managed file 'm'");
    // One that was there is replaced, and stays.
    let empty = scene.environment.path("empty");
    fs_err::write(&empty, "").expect("written");
    at(&empty, &["true"]).success();
    nothing_stays(&scene.environment);
    assert!(token_in(&empty).is_some_and(|token| claims(&token)["exp"].is_number()));
}

/// As the agent does with its managed files: what counts is where readers look.
#[test]
fn a_link_that_is_led_elsewhere_is_followed_and_nothing_there_is_lost() {
    let scene = Scene::loaded_with(short_lived());
    let at = |name: &str| scene.environment.path(name);
    for directory in ["one", "other", "precious"] {
        fs_err::create_dir(at(directory)).expect("made");
    }
    fs_err::write(at("precious").join("token"), "precious\n").expect("written");
    let lead = |directory: &str| {
        let link = at("link");
        if link.symlink_metadata().is_ok() {
            fs_err::remove_file(&link).expect("removed");
        }
        std::os::unix::fs::symlink(directory, link).expect("linked");
    };
    lead("one");
    let path = at("link").join("token");
    let options = ["--min-lifetime", "1", "--outfile", path.to_str().expect("text")];
    let mut child = start(exec(&scene, &options, &["sh", "-c", "echo ready; exec cat"]));
    assert_eq!(line(&mut child), "ready");
    let first = token_in(&path).expect("a token");
    lead("other");
    wait_until("a token where the link leads", || token_in(&path).is_some());
    lead("precious");
    // It was to be renewed meanwhile.
    let end = claims(&first)["exp"].as_u64().expect("its end");
    wait_until("the end of the first token", || {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs() > end
    });
    assert_eq!(fs_err::read_to_string(&path).expect("there"), "precious\n");
    lead("other");
    wait_until("a token that is valid", || {
        token_in(&path).is_some_and(|token| claims(&token)["exp"].as_u64().is_some_and(|exp| exp > end))
    });
    lead("precious");
    drop(child.stdin.take());
    assert!(child.wait().expect("ended").success());
    nothing_stays(&scene.environment);
    assert_eq!(fs_err::read_to_string(&path).expect("there"), "precious\n");
}

#[test]
fn a_command_does_not_take_the_file_of_a_running_one() {
    let scene = Scene::loaded();
    let program = scene.command(&[]);
    let inner = r#"before=$(cat "$BEARER_TOKEN_FILE"); "$0" exec "$1" --outfile "$BEARER_TOKEN_FILE" -- true; echo $?
        test "$before" = "$(cat "$BEARER_TOKEN_FILE")" && echo same"#;
    let program = program.get_program().to_str().expect("text");
    let finished = run(exec(&scene, &[], &["sh", "-c", inner, program, ACCOUNT]));
    assert!(finished.stderr.contains("belongs to a command that still runs"), "{finished:?}");
    assert_eq!(finished.success(), "12\nsame\n");
    nothing_stays(&scene.environment);
}

#[test]
fn what_would_break_the_command_is_an_error_of_usage() {
    let scene = Scene::new();
    let role = "arn:aws:iam:::role/reader";
    for (options, says) in [
        (&["--env", "PATH"][..], "PATH must not be set so: shells find"),
        (&["--env", "LD_PRELOAD"], "which libraries"),
        (&["--env", "BEARER_TOKEN_FILE"], "not a token"),
        (&["--env", "a-b"], "not a variable's name"),
        (&["--outfile", ""], "must not be empty"),
        (&["--outfile", "/"], "names no file"),
        (&["--aws-role", "reader"], "--aws-role is not the ARN of a role"),
        (&["--aws-role", role, "--aws-region", "Europe"], "--aws-region is not a region"),
    ] {
        let finished = run(exec(&scene, options, &["true"]));
        assert_eq!(finished.code, Some(64), "{finished:?}");
        assert!(finished.stderr.contains(says), "{finished:?}");
    }
    let printed = scene.oidc(&["token", "--token=PATH", ACCOUNT]);
    assert!(printed.code == Some(64) && printed.stdout.is_empty(), "{printed:?}");
    nothing_stays(&scene.environment);
}

#[test]
fn to_explain_is_not_to_run() {
    let scene = Scene::loaded();
    let mark = scene.environment.path("started");
    let command = ["touch", mark.to_str().expect("text")];
    let explained =
        run(exec(&scene, &["--explain", "--for", "root://se.example//store/x", "--read"], &command));
    assert!(explained.success().contains("se.example"));
    assert_eq!(run(exec(&scene, &["--explain"], &command)).code, Some(64));
    assert!(!mark.exists());
    nothing_stays(&scene.environment);
}

#[test]
fn the_c_suites_name_has_its_options_and_its_file() {
    let scene = Scene::loaded();
    let path = scene.environment.path("file");
    let mut command = called("oidc-tokensh", &scene);
    let script =
        r#"test -s "$BEARER_TOKEN_FILE" && test -s "$BEARER_TOKEN_FILE" && echo "$BEARER_TOKEN_FILE" "$1""#;
    command.args(["--minsecs", "30", "-v", "-o"]).arg(&path).args([
        "--",
        "sh",
        "-c",
        script,
        "sh",
        "two words",
    ]);
    assert_eq!(run(command).success().trim(), format!("{} two words", path.display()));
    wait_until("the file and its log are gone", || {
        !path.exists() && !scene.environment.path("file.log").exists()
    });
    let mut command = called("oidc-tokensh", &scene);
    command.args(["--", "sh", "-c", r#"echo "$BEARER_TOKEN_FILE"; exit 4"#]);
    let finished = run(command);
    let usual = scene.environment.runtime().join(format!("bt_u{}", rustix::process::geteuid().as_raw()));
    assert_eq!((finished.code, finished.stdout.trim()), (Some(4), usual.to_str().expect("text")));
    scene.environment.add_account(&scene.provider.seed_account("another"), FileFormat::Native);
    let mut command = called("oidc-tokensh", &scene);
    command.args(["--", "true"]);
    let finished = run(command);
    assert_eq!(finished.code, Some(3));
    assert!(finished.stderr.contains("Please specify the oidc-agent shortname"), "{finished:?}");
    nothing_stays(&scene.environment);
}

#[test]
fn htgettokens_name_has_its_options_its_file_and_its_exit_codes() {
    let scene = Scene::loaded();
    let script = r#"test -s "$BEARER_TOKEN_FILE" && echo "$BEARER_TOKEN_FILE" $$ "$1"; exit 4"#;
    let mut command = called("httokensh", &scene);
    command.env("HTGETTOKENOPTS", "-a vault.example --role='of mine'");
    command.args(["-i", ACCOUNT, "--minsecs=30", "--nooidc", "--", "sh", "-c", script, "sh", "two words"]);
    let finished = run(command);
    assert_eq!(finished.code, Some(4), "{finished:?}");
    let (path, rest) = finished.stdout.trim().split_once(' ').expect("a path and more");
    let (pid, rest) = rest.split_once(' ').expect("a number and more");
    let name = format!("bt_u{}.sh-{pid}", rustix::process::geteuid().as_raw());
    assert_eq!(path, scene.environment.runtime().join(name).to_str().expect("text"));
    assert_eq!(rest, "two words");
    let told = "without effect, for there is no Vault server: --vaultserver, --role, --nooidc";
    assert!(finished.stderr.contains(told), "{finished:?}");
    nothing_stays(&scene.environment);

    // What the variable says is overridden; the file is where the command line says; the one account needs no name.
    let path = scene.environment.path("file");
    let log = scene.environment.path("file.log");
    let mut command = called("httokensh", &scene);
    command.env("HTGETTOKENOPTS", "--outfile=/nowhere/file");
    command.args(["-q", "-v", "-a", "vault.example", "-o"]).arg(&path);
    let waits = r#"until test -e "$BEARER_TOKEN_FILE.log"; do sleep 0.1; done; echo "$BEARER_TOKEN_FILE""#;
    command.args(["--", "sh", "-c", waits]);
    let finished = run(command);
    assert!(!finished.stderr.contains("without effect"), "{finished:?}");
    assert_eq!(finished.success().trim(), path.to_str().expect("text"));
    wait_until("the file and its log are gone", || !path.exists() && !log.exists());

    for (arguments, code) in [
        (&["--no-such-option", "--", "true"][..], 2),
        (&["-i", ACCOUNT, "true"], 2),
        (&["-i", "unknown", "--", "true"], 1),
        (&["-i", ACCOUNT, "--", "no-such-command-at-all"], 127),
        (&["-i", ACCOUNT, "--", "false"], 1),
    ] {
        let mut command = called("httokensh", &scene);
        command.args(arguments);
        let finished = run(command);
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
    }
    let mut command = called("httokensh", &scene);
    command.env("HTGETTOKENOPTS", "-a 'open").args(["--", "true"]);
    let finished = run(command);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("HTGETTOKENOPTS"), "{finished:?}");
    nothing_stays(&scene.environment);
}
