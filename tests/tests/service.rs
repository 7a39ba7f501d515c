//! `oidc-agent-service`, `oidc-keychain` and `oidc-prompt` as login scripts use them.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use oidc_proto::process::Process;
use oidc_tests::{login_shell::Login, programs::run, provider::Provider, require, scene::ACCOUNT};

/// The process, as long as it lives.
fn process(pid: &str) -> Process {
    Process::open(pid.trim().parse().expect("a number")).expect("a process")
}

const USE: &str = "eval \"$(oidc-agent-service use)\" >/dev/null; ";

#[test]
fn every_shell_finds_the_one_agent_with_all_its_variables() {
    let login = Login::new();
    let first = login.runs(&format!("{USE} echo $OIDCD_PID; test -S $OIDC_SOCK && oidc-add -a")).success();
    let process = process(first.lines().next().expect("a number"));
    // The C suite's leaves the number empty here, and cannot end the agent then.
    let second = login.runs(&format!("{USE} echo $OIDCD_PID")).success();
    assert_eq!(first.lines().next(), second.lines().next());
    let printed = login.runs("eval \"$(oidc-agent-service use)\"; cat $OIDCD_PID_FILE").success();
    assert_eq!(printed, format!("{second}{second}"), "the last line for eval tells the number");
    let ended = login.runs("oidc-agent-service stop").success();
    assert_eq!(
        ended,
        format!(
            "unset OIDC_SOCK;\nunset OIDCD_PID;\necho Agent pid {} killed;\nunset OIDCD_PID_FILE;\n",
            second.trim()
        )
    );
    assert!(process.has_ended_within(Duration::ZERO).expect("watched"), "it has ended when `stop` has");
    assert_eq!(login.runs("oidc-agent-service kill").success(), "", "nothing runs, nothing is said");
}

#[test]
fn shells_that_begin_at_the_same_time_are_told_the_agent_that_stays() {
    let login = Login::new();
    let all = login.runs(
        "for i in 1 2 3 4 5 6; do (oidc-agent-service use > $TMPDIR/said.$i) & done; wait; cat $TMPDIR/said.*",
    );
    let all = all.success();
    let pids: Vec<_> = all.lines().filter(|line| line.starts_with("OIDCD_PID=")).collect();
    assert_eq!(pids.len(), 6, "{all}");
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{all}");
    let alive = login.runs(&format!("{} kill -0 $OIDCD_PID", pids[0]));
    assert_eq!(alive.code, Some(0), "{all}");
}

#[test]
fn start_refuses_a_second_one_and_prints_nothing_for_the_shell() {
    let login = Login::new();
    login.runs("oidc-agent-service start").success();
    let again = login.runs("oidc-agent-service start");
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""));
    assert!(again.stderr.contains("oidc-agent-service restart"), "{again:?}");
    let other = login.runs("oidc-agent-service nonsense");
    assert_eq!((other.code, other.stdout.as_str()), (Some(64), ""));
}

const CONFIRM: &str = "oidc-agent --status --json | grep -c -e --confirm";

#[test]
fn a_restart_repeats_the_options_unless_the_settings_say_otherwise() {
    let login = Login::new();
    let file = login.environment.accounts().join("oidc-agent-service.options");
    fs_err::write(&file, "# mine\nexport OIDC_AGENT_OPTS=\"--confirm --no-webserver\"\nx\n")
        .expect("written");
    let started = login.runs(&format!("{USE} echo $OIDCD_PID; {CONFIRM}"));
    assert!(started.stderr.contains("line 3"), "a line that is no assignment is told: {started:?}");
    let started = started.success();
    assert!(started.ends_with("\n1\n"), "{started}");
    fs_err::remove_file(&file).expect("removed");
    let restarted = login
        .runs(&format!("eval \"$(oidc-agent-service restart)\" >/dev/null; echo $OIDCD_PID; {CONFIRM}"))
        .success();
    assert!(restarted.ends_with("\n1\n"), "{restarted}");
    assert_ne!(started, restarted, "another process");
    let variable = "OIDC_AGENT_RESTART_WITH_SAME_OPTS=False";
    assert_eq!(login.runs(&format!("{variable} oidc-agent-service restart-s")).success(), "");
    let without = login.runs(&format!("{USE} {CONFIRM}"));
    assert_eq!(without.stdout, "0\n", "{without:?}");
}

#[test]
fn a_desktop_session_starts_one_unless_the_settings_say_no() {
    let login = Login::new();
    let variable = "START_AGENT_WITH_XSESSION=False";
    assert_eq!(login.runs(&format!("{variable} oidc-agent-service start-from-x")).success(), "");
    assert!(login.runs("oidc-agent-service status").failure().contains("oidc-agent"));
    assert!(login.runs("oidc-agent-service start-from-x").success().contains("OIDC_SOCK="));
    assert!(login.runs("oidc-agent-service status").success().contains("oidc-agent.sock"));
}

#[test]
fn another_agent_in_oidc_sock_is_left_alone() {
    let login = Login::new();
    let script = format!(
        "eval \"$(oidc-agent)\" >/dev/null; other=$OIDCD_PID; sock=$OIDC_SOCK; {USE} test $OIDCD_PID != $other || exit 9; \
         oidc-agent-service stop >/dev/null; export OIDC_SOCK=$sock OIDCD_PID=$other; oidc-add -a && oidc-agent -k >/dev/null"
    );
    login.runs(&script).success();
}

#[test]
fn a_keychain_loads_what_is_not_loaded_and_fails_for_the_shell_too() {
    let provider = Provider::start();
    let login = Login::with_account(&provider);
    let config = r#"{"oidc-add": {"skip-check": true}}"#;
    fs_err::write(login.environment.accounts().join("config"), config).expect("written");
    let load =
        format!("eval \"$(oidc-agent-service use)\" >/dev/null; oidc-add --pw-env=PW {ACCOUNT} >/dev/null; ");
    let script =
        format!("{load} eval \"$(oidc-keychain -t 600 --accounts {ACCOUNT})\" >/dev/null && oidc-add -a");
    assert_eq!(login.runs(&script).success(), format!("{ACCOUNT}\n"));
    let failed = login.runs("eval \"$(oidc-keychain --accounts nosuch)\" >/dev/null; echo $?");
    assert_eq!(failed.stdout, "1\n", "{failed:?}");
    assert!(failed.stderr.contains("No account configured with that short name"), "{failed:?}");
    let stray = login.runs("oidc-keychain stray");
    assert_eq!((stray.code, stray.stdout.as_str()), (Some(64), "false;\n"));
    assert!(login.runs("oidc-keychain --kill").success().contains("unset OIDCD_PID;"));
    let again = login.runs("oidc-keychain -k");
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), "false;\n"));
    for (option, expected) in [("-V", "oidc-keychain "), ("--usage", "Usage"), ("-?", "--accounts")] {
        assert!(login.runs(&format!("oidc-keychain {option}")).success().contains(expected), "{option}");
    }
}

#[test]
fn programs_are_told_the_same_as_an_object() {
    let login = Login::new();
    let object = |line: &str| -> serde_json::Value {
        serde_json::from_str(&login.runs(line).success()).expect("an object")
    };
    let started = object("oidc-agent-service use --json");
    assert!(
        started["socket"].as_str().is_some_and(|socket| socket.ends_with("oidc-agent.sock")),
        "{started}"
    );
    assert!(started["pid"].is_i64(), "{started}");
    assert_eq!(object("oidc-keychain --json"), started);
    let failed = login.runs("oidc-keychain --json --accounts nosuch");
    let objects: Vec<serde_json::Value> =
        failed.stderr.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(objects[0]["error"], "No account configured with that short name", "{failed:?}");
    assert!(!failed.stdout.contains("false;"), "{failed:?}");
    assert_eq!(object("oidc-keychain --json -k"), started, "the one that has ended");
    let none = object("oidc-agent-service stop --json");
    assert!(none["status"] == "success" && none["pid"].is_null(), "{none}");
}

#[test]
fn options_of_a_keychain_reach_the_agent() {
    let login = Login::new();
    let started = login.runs(&format!("eval \"$(oidc-keychain --confirm -t 60)\" >/dev/null; {CONFIRM}"));
    assert_eq!(started.success(), "1\n");
}

#[test]
fn a_question_without_anybody_to_ask_is_an_error_and_runs_nothing() {
    let login = Login::new();
    let marker = login.environment.path("marker");
    let text = format!("$(touch {0}) `touch {0}`", marker.display());
    let mut prompt = login.shell("exec setsid oidc-prompt confirm title \"$TEXT\" </dev/null");
    prompt.env("TEXT", text);
    let asked = run(prompt);
    assert_eq!((asked.code, asked.stdout.as_str()), (Some(1), ""), "{asked:?}");
    assert!(!marker.exists());
}

/// What a script for release 5 does, line by line. Without a session bus `--pw-keyring` leaves it to the other sources.
#[test]
fn a_login_script_of_release_5_runs_unchanged() {
    let provider = Provider::start();
    let login = Login::with_account(&provider);
    let script = format!(
        "set -eu
        eval `oidc-agent-service use` > /dev/null
        test -n \"$OIDC_SOCK\" && test -n \"$OIDCD_PID\" && test -f \"$OIDCD_PID_FILE\"
        oidc-add --pw-keyring --pw-env=PW {ACCOUNT} > /dev/null
        eval `oidc-keychain --accounts {ACCOUNT}` > /dev/null
        TOKEN=`oidc-token --time 60 {ACCOUNT}`
        test `echo \"$TOKEN\" | tr -cd . | wc -c` = 2
        eval `oidc-token -c {ACCOUNT}`
        test \"$OIDC_AT\" = \"$TOKEN\"
        oidc-tokensh --oidc {ACCOUNT} --minsecs 60 -- sh -c 'test -s \"$BEARER_TOKEN_FILE\"'
        oidc-add -l | grep -qx {ACCOUNT}
        oidc-agent-service restart-s
        eval `oidc-agent-service use` > /dev/null
        kill -0 \"$OIDCD_PID\"
        eval `oidc-keychain --kill` > /dev/null
        test -z \"${{OIDC_SOCK:-}}\"
        echo done"
    );
    let finished = login.runs(&script);
    assert_eq!(finished.stdout, "done\n", "{finished:#?}");
}

/// The names of the variables that a text for `eval` sets, in order.
fn variables(text: &str) -> Vec<String> {
    let assigned = |line: &str| line.split_once('=').map(|(name, _)| name.to_owned());
    text.lines().filter_map(assigned).filter(|name| name.starts_with("OIDC")).collect()
}

#[test]
fn what_is_printed_for_a_shell_is_what_the_real_script_prints() {
    let Some(c_suite) = require::c_suite() else { return };
    let Some(_) = require::jq() else { return };
    let login = Login::new();
    let options = login.environment.accounts().join("oidc-agent-service.options");
    let agent = login.environment.path("bin/oidc-agent");
    fs_err::write(&options, format!("OIDC_AGENT={}\n", agent.display())).expect("written");
    let real = c_suite.program("oidc-agent-service");
    let theirs = login.runs(&format!("bash {} use", real.display())).success();
    let ours = login.runs("oidc-agent-service use").success();
    assert_eq!(variables(&theirs), variables(&ours), "{theirs}\n{ours}");
    let last = |text: &str| text.lines().last().and_then(|line| line.split(' ').next()).map(str::to_owned);
    assert_eq!(last(&theirs), last(&ours));
    let unset = |text: &str| -> Vec<String> {
        let mut lines: Vec<_> =
            text.lines().filter(|line| line.starts_with("unset")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // In a shell that has not evaluated its variables the real one ends nothing.
    let script = format!("eval \"$(bash {0} use)\" >/dev/null; bash {0} stop", real.display());
    let theirs = login.runs(&script).success();
    assert_eq!(unset(&theirs), unset(&login.runs("oidc-agent-service stop").success()));
}

/// Does what systemd would do with the unit, and notes what it was asked for.
const SYSTEMCTL: &str = "#!/bin/sh
echo \"$*\" >>\"$HOME/systemctl.log\"
pid=\"$HOME/unit.pid\"
case \"$2\" in
start) oidc-agent --service --pid-file=\"$pid\" >/dev/null ;;
show) cat \"$pid\" 2>/dev/null || echo 0 ;;
stop) kill \"$(cat \"$pid\")\" && while test -e \"$pid\"; do sleep 0.05; done ;;
esac
";

#[test]
fn where_systemd_has_a_unit_the_agent_is_the_units() {
    let login = Login::new();
    let systemctl = login.environment.path("bin/systemctl");
    fs_err::write(&systemctl, SYSTEMCTL).expect("written");
    fs_err::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).expect("executable");
    fs_err::create_dir_all(login.environment.runtime().join("systemd")).expect("a directory");
    fs_err::write(login.environment.runtime().join("systemd/private"), "").expect("written");
    let log = login.environment.home().join("systemctl.log");
    let asked = || fs_err::read_to_string(&log).unwrap_or_default();
    // Somebody with a directory of their own is not served by a unit that does not know it.
    let own = login.runs(&format!("{USE} oidc-agent-service stop >/dev/null"));
    own.success();
    assert!(!asked().contains("start"), "{}", asked());
    let unit = format!("unset OIDC_CONFIG_DIR; {USE} test $OIDCD_PID = $(cat $HOME/unit.pid) && oidc-add -a");
    login.runs(&unit).success();
    assert!(asked().contains("--user start oidc-agent.socket oidc-agent.service\n"), "{}", asked());
    let stop = login.runs("unset OIDC_CONFIG_DIR; oidc-agent-service stop").success();
    assert!(stop.contains("unset OIDC_SOCK;"), "{stop}");
    assert!(asked().contains("--user stop oidc-agent.socket oidc-agent.service\n"), "{}", asked());
    fs_err::remove_file(&log).expect("removed");
    login
        .runs(&format!("unset OIDC_CONFIG_DIR; export OIDC_AGENT_OPTS=--confirm; {USE} {CONFIRM}"))
        .success();
    assert!(!asked().contains("start"), "options are for an agent of the person's own: {}", asked());
}
