//! `--confirm` and accounts that are not loaded: what the person is asked, by a played pinentry or a real one.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::{Agent, PINENTRY},
    environment::{Environment, FileFormat, PASSWORD},
    provider::Provider,
    require,
    scene::{ACCOUNT, access_token, load_into},
    terminal::Terminal,
};
use serde_json::json;

struct Asked {
    agent: Agent,
    environment: Environment,
    _provider: Provider,
}

impl Asked {
    /// An agent with these options that asks by a script: `answer` is what it does when it is to open its window.
    fn by_script(options: &[&str], answer: &str) -> Self {
        let environment = Environment::new();
        let program = environment.path("pinentry");
        let script = format!(
            "#!/bin/sh\necho OK\nwhile read -r line; do\nprintf '%s\\n' \"$line\" >> {heard}\n\
             case \"$line\" in GETPIN|CONFIRM) {answer};; BYE) echo OK; exit;; *) echo OK;; esac\ndone\n",
            heard = environment.path("heard").display()
        );
        fs_err::write(&program, script).expect("written");
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("executable");
        Self::with(environment, options, Some(program))
    }

    /// `program` is the prompt program; without one the agent finds out for itself.
    fn with(environment: Environment, options: &[&str], program: Option<PathBuf>) -> Self {
        let provider = Provider::start();
        environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
        let mut command = environment.command_at("/bin/sh".as_ref());
        let unset = if program.is_none() { "unset OIDC_PINENTRY; " } else { "" };
        command
            .args(["-c", &format!("{unset}exec \"$0\" \"$@\"")])
            .arg(oidc_tests::programs::program("oidc-agent"));
        command.args(options).env(PINENTRY, program.unwrap_or_default());
        let agent = Agent::spawn(&environment, command, "agent");
        Self { agent, environment, _provider: provider }
    }

    fn heard(&self) -> String {
        fs_err::read_to_string(self.environment.path("heard")).unwrap_or_default()
    }

    fn let_go(&self) {
        fs_err::write(self.environment.path("go"), "").expect("written");
    }
}

/// Waits for what a prompt program does; there is no event to wait on outside of the agent.
fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "it does not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Says yes when the test lets it.
fn patient(environment: &str) -> String {
    format!("while ! [ -e \"${{0%/*}}/{environment}\" ]; do sleep 0.01; done; echo OK")
}

#[test]
fn a_hundred_jobs_are_one_question_that_the_caller_cannot_write() {
    let asked = Asked::by_script(&["--confirm"], &patient("go"));
    load_into(&asked.agent, &asked.environment, ACCOUNT);
    let hint = format!("backup\n\nAllow everything?\u{202e}{}", "x".repeat(3000));
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| asked.agent.token(ACCOUNT, json!({"application_hint": hint}))))
            .collect();
        until(|| asked.heard().contains("CONFIRM"));
        asked.let_go();
        for job in jobs {
            access_token(&job.join().expect("no panic"));
        }
    });
    let heard = asked.heard();
    // All of them had asked before the first was answered, or nearly: a late one may have got a window of its own.
    let windows = heard.lines().filter(|line| *line == "CONFIRM").count();
    assert!(windows <= 3, "{windows} windows");
    let description = heard.lines().find(|line| line.starts_with("SETDESC")).expect("a description");
    let lines: Vec<&str> = description.split("%0A").collect();
    assert!(
        lines[0].starts_with(&format!("SETDESC Allow an access token of the account '{ACCOUNT}'")),
        "{lines:?}"
    );
    let this = std::env::current_exe().expect("a path");
    let this = this.to_str().expect("text");
    let program = lines.iter().find(|line| line.starts_with("Asked for by ")).expect("a program");
    assert!(program.contains(&this[..this.len().min(60)]) && program.contains("(process "), "{program}");
    let own_words = lines.last().expect("a last line");
    assert!(own_words.starts_with(r#"It says of itself: "backup\n\nAllow everything?"#), "{own_words}");
    assert!(own_words.len() < 120, "{own_words}");
}

#[test]
fn a_yes_is_worth_nothing_for_an_account_that_was_unloaded_meanwhile() {
    let asked = Asked::by_script(&["--confirm"], &patient("go"));
    for unload in [
        json!({"request": "remove", "account": ACCOUNT}),
        json!({"request": "remove_all"}),
        json!({"request": "reset", "account": ACCOUNT}),
    ] {
        load_into(&asked.agent, &asked.environment, ACCOUNT);
        thread::scope(|scope| {
            let job = scope.spawn(|| asked.agent.token(ACCOUNT, json!({"prompt": "gui"})));
            until(|| asked.heard().contains("CONFIRM"));
            let reply = asked.agent.request(&unload).expect("a reply");
            assert_eq!(reply["status"], "success", "{reply}");
            asked.let_go();
            let reply = job.join().expect("no panic");
            assert_eq!(reply["error_code"], "account_not_loaded", "{unload}: {reply}");
        });
        fs_err::remove_file(asked.environment.path("go")).expect("removed");
        fs_err::remove_file(asked.environment.path("heard")).expect("removed");
    }
}

#[test]
fn what_is_asked_for_is_shown_whole_or_not_asked() {
    let asked = Asked::by_script(&["--confirm"], "echo OK");
    load_into(&asked.agent, &asked.environment, ACCOUNT);
    let padded = format!("{}storage.modify:/", "openid profile ".repeat(50));
    access_token(&asked.agent.token(ACCOUNT, json!({"scope": padded})));
    let heard = asked.heard();
    assert!(heard.contains("Scopes:%0A  openid%0A  profile%0A  storage.modify:/%0A"), "{heard}");
    let many: Vec<_> = (0..50).map(|at| format!("scope{at}")).collect();
    for (member, value) in [("scope", many.join(" ")), ("audience", format!("{} x", "a".repeat(900)))] {
        let reply = asked.agent.token(ACCOUNT, json!({member: value}));
        assert_eq!(reply["error_code"], "bad_request", "{reply}");
    }
    assert_eq!(asked.heard(), heard, "nobody was asked");
}

#[test]
fn long_scopes_that_end_differently_are_different_questions() {
    let asked = Asked::by_script(&["--confirm"], &patient("go"));
    load_into(&asked.agent, &asked.environment, ACCOUNT);
    let scopes = ["read", "write"].map(|end| format!("{} {end}", "x".repeat(200)));
    let agent = &asked.agent;
    thread::scope(|scope| {
        for wanted in &scopes {
            scope.spawn(move || agent.token(ACCOUNT, json!({"scope": wanted})));
        }
        until(|| asked.heard().contains("CONFIRM"));
        asked.let_go();
    });
    let heard = asked.heard();
    assert_eq!(heard.lines().filter(|line| *line == "CONFIRM").count(), 2, "{heard}");
}

#[test]
fn a_yes_for_five_minutes_lasts_until_the_agent_is_locked() {
    let longer =
        "if [ -e \"${0%/*}/longer\" ]; then echo OK; else : > \"${0%/*}/longer\"; echo ERR 83886194 no; fi";
    let asked = Asked::by_script(&["--confirm"], longer);
    load_into(&asked.agent, &asked.environment, ACCOUNT);
    let windows = || asked.heard().lines().filter(|line| *line == "CONFIRM").count();
    for _ in 0..3 {
        access_token(&asked.agent.token(ACCOUNT, json!({})));
        assert_eq!(windows(), 2, "one question, and how long");
    }
    access_token(&asked.agent.token(ACCOUNT, json!({"scope": "openid"})));
    assert_eq!(windows(), 3, "another wish");
    for request in ["lock", "unlock"] {
        let reply = asked.agent.request(&json!({"request": request, "password": "sesame"})).expect("a reply");
        assert_eq!(reply["status"], "success", "{reply}");
    }
    access_token(&asked.agent.token(ACCOUNT, json!({})));
    assert_eq!(windows(), 4);
}

#[test]
fn a_no_is_told_from_nowhere_to_ask() {
    let asked = Asked::by_script(&["--confirm"], "echo ERR 83886194 no");
    load_into(&asked.agent, &asked.environment, ACCOUNT);
    let reply = asked.agent.token(ACCOUNT, json!({}));
    assert_eq!(reply["error_code"], "operation_forbidden", "{reply}");

    let nowhere = Asked::with(Environment::new(), &["--confirm"], None);
    load_into(&nowhere.agent, &nowhere.environment, ACCOUNT);
    for fields in [json!({}), json!({"prompt": "none"})] {
        let reply = nowhere.agent.token(ACCOUNT, fields);
        assert_eq!(reply["error"], "operation forbidden", "{reply}");
        assert_eq!(reply["error_code"], "prompt_unavailable", "{reply}");
        assert!(reply["info"].to_string().contains("neither a display nor a terminal"), "{reply}");
    }
    let token = |command: &mut std::process::Command| command.output().expect("it runs");
    let mut command = nowhere.agent.command(&nowhere.environment, "oidc");
    let output = token(command.args(["token", ACCOUNT]));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("neither a display nor a terminal"), "{complaint}");
}

#[test]
fn a_window_closes_when_the_last_program_that_waits_is_gone() {
    let asked = Asked::by_script(&["--confirm"], "echo $$ > \"${0%/*}/pid\"; exec sleep 1000");
    load_into(&asked.agent, &asked.environment, ACCOUNT);
    let pid_file = asked.environment.path("pid");
    let mut stream = std::os::unix::net::UnixStream::connect(asked.agent.socket()).expect("a connection");
    let request = json!({"request": "access_token", "account": ACCOUNT}).to_string();
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("written");
    until(|| fs_err::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n')));
    let process = PathBuf::from("/proc").join(fs_err::read_to_string(&pid_file).expect("written").trim());
    assert!(process.exists());
    drop(stream);
    until(|| !process.exists());
}

/// What a client of the C suite does on a terminal: asks, and waits.
const ASK: &str = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                   s.sendall(sys.argv[2].encode()); print(s.makefile().read())";

#[test]
fn a_password_is_asked_for_on_the_terminal_of_the_program_that_wants_a_token() {
    let Some(python) = require::python() else { return };
    let Some(pinentry) = require::pinentry_curses() else { return };
    let asked = Asked::with(Environment::new(), &[], Some(pinentry));
    let mut command = asked.environment.command_at(&python);
    command.args(["-c", ASK]).arg(asked.agent.socket()).env("TERM", "xterm");
    command.arg(json!({"request": "access_token", "account": ACCOUNT}).to_string());
    let mut terminal = Terminal::start(command);
    terminal.expect("Password");
    terminal.expect("Cancel");
    terminal.type_text(PASSWORD);
    // Enter, where nothing translates it.
    terminal.type_control('m');
    terminal.expect("access_token");
    let (code, _) = terminal.finish();
    assert_eq!(code, 0);
}
