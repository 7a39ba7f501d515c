//! Prompts on a real terminal: what is seen, what is lost, and how the terminal is left, whatever happens.

use std::{process::Command, time::Duration};

use oidc_tests::{
    agent::Agent,
    environment::Environment,
    programs::run,
    provider::{Provider, Quirks},
    pty::{Pty, Shell},
    require,
};
use rustix::process::Signal;

const PROMPT: &str = "Enter lock password: ";
/// What the agent answers when it got a password, whichever: it is not locked.
const ANSWERED: &str = "Agent not locked";
/// Two bytes that stop and continue what a terminal shows.
const STOP_OUTPUT: &[u8] = b"\x13";
const CONTINUE_OUTPUT: &[u8] = b"\x11";

/// An agent, and a command that asks it something for which it first needs a password.
struct Stage {
    agent: Agent,
    environment: Environment,
}

impl Stage {
    fn new() -> Self {
        let environment = Environment::new();
        let agent = Agent::start(&environment);
        Self { agent, environment }
    }

    fn oidc(&self, arguments: &[&str]) -> Command {
        let mut command = self.agent.command(&self.environment, "oidc");
        command.args(arguments).env("OIDC_NO_AUTOSTART", "1").env_remove("OIDC_ENCRYPTION_PW");
        command
    }

    /// At the prompt of `oidc unlock`.
    fn at_prompt(&self, shell: Shell) -> Pty {
        let mut pty = Pty::start(&self.oidc(&["unlock"]), shell, b"");
        pty.expect(PROMPT);
        pty
    }
}

#[test]
fn echo_is_off_before_the_prompt_is_shown() {
    let stage = Stage::new();
    // The terminal shows nothing until it may: whatever the modes are then, they were set before the prompt.
    let mut pty = Pty::start(&stage.oidc(&["unlock"]), Shell::Plain, STOP_OUTPUT);
    pty.wait_for_modes(|modes| !modes.echo());
    assert_eq!(pty.shown(), "");
    pty.type_keys(b"canary\n");
    pty.type_keys(CONTINUE_OUTPUT);
    pty.expect(PROMPT);
    let (status, shown, is_restored) = pty.finish_restored();
    assert!(shown.contains(ANSWERED) && !shown.contains("canary"), "{shown}");
    assert!(status == 1 && is_restored, "{status}");
}

#[test]
fn an_immediate_answer_is_taken_and_never_shown() {
    let stage = Stage::new();
    let mut coloured = stage.oidc(&["unlock"]);
    coloured.env_remove("NO_COLOR").env("TERM", "xterm");
    let plain = stage.oidc(&["unlock"]);
    for round in 0..30 {
        let (command, prompt) = if round % 2 == 0 {
            (&plain, PROMPT)
        } else {
            (&coloured, "\u{1b}[36mEnter lock password: \u{1b}[0m")
        };
        let mut pty = Pty::start(command, Shell::Plain, b"");
        pty.expect(prompt);
        assert!(!pty.modes().echo(), "round {round}");
        pty.type_keys(b"canary\r");
        let (_, shown) = pty.finish();
        assert!(shown.contains(ANSWERED) && !shown.contains("canary"), "round {round}: {shown}");
    }
}

#[test]
fn what_was_typed_ahead_is_the_answer() {
    let stage = Stage::new();
    let mut pty = Pty::start(&stage.oidc(&["unlock"]), Shell::Plain, b"typed ahead\n");
    pty.expect(PROMPT);
    let (_, shown) = pty.finish();
    assert!(shown.contains(ANSWERED), "{shown}");
}

#[test]
fn a_signal_ends_the_program_and_leaves_the_terminal_as_it_was() {
    let stage = Stage::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::ALARM, Signal::USR1] {
        let pty = stage.at_prompt(Shell::Plain);
        assert!(!pty.is_as_before());
        pty.signal(signal);
        let (status, shown, is_restored) = pty.finish_restored();
        assert_eq!(status, 128 + signal.as_raw(), "{shown}");
        assert!(is_restored, "{signal:?}");
    }
}

#[test]
fn a_time_limit_ends_the_program_and_leaves_the_terminal_as_it_was() {
    let stage = Stage::new();
    // Without --foreground the program may not touch the terminal at all.
    for options in [&["0.3"][..], &["--foreground", "0.3"]] {
        let oidc = stage.oidc(&["unlock"]);
        let mut command = Command::new("timeout");
        command.args(options).arg(oidc.get_program()).args(oidc.get_args());
        command.envs(oidc.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let (status, shown, is_restored) = Pty::start(&command, Shell::Plain, b"").finish_restored();
        assert!(status == 124 && is_restored, "{status} {shown}");
    }
}

#[test]
fn the_keys_for_signals_are_signals() {
    let stage = Stage::new();
    for (key, signal) in [(b"\x03", Signal::INT), (b"\x1c", Signal::QUIT)] {
        let mut pty = stage.at_prompt(Shell::Plain);
        pty.type_keys(b"half");
        pty.type_keys(key);
        let (status, shown, is_restored) = pty.finish_restored();
        assert!(shown.contains("interrupted"), "{shown}");
        assert!(status == 128 + signal.as_raw() && is_restored, "{status}");
    }
}

#[test]
fn control_d_is_a_refusal_and_no_wrong_password() {
    let stage = Stage::new();
    let mut pty = Pty::start(&stage.oidc(&["unlock", "--json"]), Shell::Plain, b"");
    pty.expect(PROMPT);
    pty.type_keys(b"\x04");
    let (status, shown, is_restored) = pty.finish_restored();
    assert!(shown.contains("\"error_code\":\"prompt_cancelled\""), "{shown}");
    assert!(status == 10 && is_restored, "{status}");
}

#[test]
fn a_stopped_prompt_gives_the_terminal_back_and_asks_again() {
    let stage = Stage::new();
    // By the key, and by a signal that no program can handle.
    for stop in [None, Some(Signal::STOP), None, Some(Signal::STOP)] {
        let mut pty = stage.at_prompt(Shell::Jobs);
        pty.type_keys(b"half");
        match stop {
            None => pty.type_keys(b"\x1a"),
            Some(signal) => pty.signal(signal),
        }
        pty.expect("stopped ");
        if stop.is_none() {
            assert!(pty.is_as_before(), "{:?}", pty.modes());
        }
        pty.type_keys(b"\n");
        pty.expect(PROMPT);
        assert!(!pty.modes().echo());
        pty.type_keys(b"canary\n");
        let (status, shown, is_restored) = pty.finish_restored();
        assert!(shown.contains(ANSWERED) && !shown.contains("canary"), "{shown}");
        assert!(status == 1 && is_restored, "{status}");
    }
}

#[test]
fn control_z_is_nothing_where_nobody_could_continue_the_program() {
    let stage = Stage::new();
    let mut pty = stage.at_prompt(Shell::Plain);
    pty.type_keys(b"\x1a");
    pty.type_keys(b"canary\n");
    assert!(pty.finish().1.contains(ANSWERED));
}

#[test]
fn a_password_longer_than_a_line_of_the_terminal_is_taken_whole() {
    let stage = Stage::new();
    let password = "0123456789".repeat(600);
    let file = stage.environment.path("password");
    fs_err::write(&file, &password).expect("a file");
    run(stage.oidc(&["lock", "--pw-file", file.to_str().expect("a path")])).success();
    let mut pty = stage.at_prompt(Shell::Plain);
    pty.type_keys(password.as_bytes());
    pty.type_keys(b"\n");
    let (status, shown) = pty.finish();
    assert_eq!(status, 0, "{shown}");
}

#[test]
fn a_terminal_that_is_standard_input_only_is_one() {
    let stage = Stage::new();
    let mut pty = stage.at_prompt(Shell::WithoutControl);
    assert!(!pty.modes().echo());
    pty.type_keys(b"canary\n");
    let (_, shown, is_restored) = pty.finish_restored();
    assert!(shown.contains(ANSWERED) && !shown.contains("canary") && is_restored, "{shown}");

    let mut pty = stage.at_prompt(Shell::WithoutControl);
    pty.type_keys(b"half\x03");
    let (status, shown, is_restored) = pty.finish_restored();
    assert!(shown.contains("interrupted") && status == 130 && is_restored, "{status} {shown}");
}

#[test]
fn whoever_redirects_everything_is_asked_on_the_terminal() {
    let stage = Stage::new();
    let oidc = stage.oidc(&["unlock"]);
    let (out, err) = (stage.environment.path("out"), stage.environment.path("err"));
    let mut command = Command::new("sh");
    command.args(["-c", "out=$1 err=$2; shift 2; \"$@\" </dev/null >\"$out\" 2>\"$err\"", "sh"]);
    command.arg(&out).arg(&err).arg(oidc.get_program()).args(oidc.get_args());
    command.envs(oidc.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut pty = Pty::start(&command, Shell::Plain, b"");
    pty.expect(PROMPT);
    assert!(!pty.modes().echo());
    pty.type_keys(b"canary\n");
    let (status, shown, is_restored) = pty.finish_restored();
    assert!(status == 1 && is_restored && !shown.contains("canary"), "{status} {shown}");
    assert_eq!(fs_err::read_to_string(&out).expect("a file"), "");
    let said = fs_err::read_to_string(&err).expect("a file");
    assert!(said.contains(ANSWERED) && !said.contains(PROMPT) && !said.contains("canary"), "{said}");
}

#[test]
fn a_secret_on_the_command_line_is_not_there_for_long() {
    let stage = Stage::new();
    let line =
        ["gen", "acc", "--client-secret=canary1", "--rt", "canary2", "--at=canary3", "--op-password=canary4"];
    let mut pty = Pty::start(&stage.oidc(&line), Shell::Plain, b"");
    let warned = pty.expect("Issuer");
    assert!(warned.contains("--rt-env and --rt-file"), "{warned}");
    let seen =
        fs_err::read(format!("/proc/{}/cmdline", pty.program().as_raw_nonzero())).expect("a command line");
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(seen.contains("--client-secret=xxxxxxx") && !seen.contains("canary"), "{seen}");
}

#[test]
fn nobody_is_asked_where_asking_is_switched_off() {
    let stage = Stage::new();
    let provider = Provider::with(Quirks::default());
    let scope = ["--scope", "openid", "--flow", "device", "--prompt", "none", "--pw-env"];
    let mut command = stage.oidc(&["gen", "acc", "--issuer", &provider.issuer()]);
    command.args(scope);
    let (status, shown) = Pty::start(&command, Shell::Plain, b"").finish();
    assert!(shown.contains("--pw-env: the variable OIDC_ENCRYPTION_PW is not set"), "{shown}");
    assert!(status == 10 && !shown.contains("Enter encryption password"), "{status} {shown}");
    assert_eq!(provider.client_count(), 0, "nothing is made without a password");
}

#[test]
fn pinentry_is_told_which_terminal_it_is() {
    let stage = Stage::new();
    let program = stage.environment.path("pinentry");
    let script = "#!/bin/sh\necho OK\nwhile read -r line; do case \"$line\" in\n\
                  GETPIN) echo \"heard GPG_TTY=$GPG_TTY\" >&3; echo D pw; echo OK;;\n\
                  *) echo \"heard $line\" >&3; echo OK;; esac; done\n";
    fs_err::write(&program, script).expect("a script");
    run({
        let mut chmod = Command::new("chmod");
        chmod.arg("+x").arg(&program);
        chmod
    })
    .success();
    let oidc = stage.oidc(&["unlock", "--pw-prompt=gui"]);
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3>&1; exec \"$@\"", "sh"]).arg(oidc.get_program()).args(oidc.get_args());
    command.envs(oidc.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("OIDC_PINENTRY", &program).env("TERM", "vt100").env("LC_ALL", "C.UTF-8");
    let mut pty = Pty::start(&command, Shell::Plain, b"");
    pty.expect("heard OPTION ttyname=/dev/pts/");
    pty.expect("heard OPTION ttytype=vt100");
    pty.expect("heard OPTION lc-ctype=C.UTF-8");
    pty.expect("heard OPTION lc-messages=C.UTF-8");
    pty.expect("heard GPG_TTY=/dev/pts/");
    assert!(pty.finish().1.contains(ANSWERED));
}

#[test]
fn a_password_may_come_from_a_pipe_but_not_from_a_device() {
    let stage = Stage::new();
    let piped = |script: &str| {
        let oidc = stage.oidc(&[]);
        let mut command = stage.environment.command_at("bash".as_ref());
        command.arg("-c").arg(script).arg("bash").arg(oidc.get_program());
        command.envs(oidc.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(command)
    };
    for script in [
        "exec \"$1\" unlock --pw-file <(echo pw)",
        "echo pw | \"$1\" unlock --pw-file=-",
        "echo pw | \"$1\" unlock --pw-file=/dev/stdin",
        "exec \"$1\" unlock --pw-cmd='cat <&7' 7< <(echo pw)",
    ] {
        let finished = piped(script);
        assert!(finished.stderr.contains(ANSWERED), "{script}: {finished:?}");
    }
    let finished = piped("exec \"$1\" unlock --pw-file /dev/zero");
    assert!(finished.stderr.contains("/dev/zero is neither a regular file nor a pipe"), "{finished:?}");
}

#[test]
fn a_password_command_ends_with_the_program_that_waits_for_it() {
    let stage = Stage::new();
    let mut command = stage.oidc(&["unlock", "--pw-cmd", "sleep 600 & echo \"child $!\" >&2; wait"]);
    command.env("LC_ALL", "C");
    for shell in [Shell::Plain, Shell::WithoutControl] {
        let mut pty = Pty::start(&command, shell, b"");
        pty.expect("child ");
        let child = pty.expect("\n");
        pty.signal(Signal::TERM);
        let (status, shown) = pty.finish();
        assert_eq!(status, 128 + Signal::TERM.as_raw(), "{shown}");
        let stat = format!("/proc/{}/stat", child.trim());
        let until = std::time::Instant::now() + Duration::from_secs(30);
        // A zombie that nobody has waited for yet has ended too.
        while fs_err::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(std::time::Instant::now() < until, "the command's child goes on");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Whoever leads the session, and whoever is our parent, may be of another PID namespace: then they are number 0.
#[test]
fn in_a_pid_namespace_of_its_own_it_asks_as_anywhere() {
    let stage = Stage::new();
    let oidc = stage.oidc(&["unlock"]);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork"]).arg(oidc.get_program()).args(oidc.get_args());
    for (name, value) in oidc.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut trial = Command::new("unshare");
    trial.args(["--pid", "--fork", "true"]);
    if run(trial).code != Some(0) {
        require::not_run::<()>("PID namespaces (unshare)");
        return;
    }
    let mut pty = Pty::start(&command, Shell::Plain, b"");
    pty.expect(PROMPT);
    pty.type_keys(b"secret\n");
    let (status, shown, is_restored) = pty.finish_restored();
    assert!(status == 1 && shown.contains(ANSWERED) && is_restored, "{status}: {shown}");
}
