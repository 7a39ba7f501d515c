use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, FileState, FilesQuery, FilesStatus, FilesWaitRequest, Reply, Request},
};

use super::*;
use crate::{command::json_tests::expect_documented, testing::Bench};

fn answer(state: Condition) -> impl FnMut(&Request) -> Reply {
    move |request| match request {
        Request::FilesReload => Reply::Success { info: Some(FilesStatus::default().to_info()) },
        Request::FilesWait(_) if state != Condition::Fresh => {
            Reply::Failure(Failure::new(ErrorCode::LoginNeeded, "the managed file 'token' is login-needed"))
        }
        Request::FilesWait(FilesWaitRequest { name, .. })
        | Request::FilesStatus(FilesQuery { name: Some(name), .. }) => {
            let entry =
                FileState { name: name.clone(), account: "cms".into(), state, ..FileState::default() };
            let status = FilesStatus { entries: vec![entry], ..FilesStatus::default() };
            Reply::Success { info: Some(status.to_info()) }
        }
        other => panic!("{other:?}"),
    }
}

fn place() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().expect("a directory");
    let path = fs_err::canonicalize(place.path()).expect("a path").join("token");
    let path = path.to_str().expect("text").to_owned();
    (place, path)
}

#[test]
fn an_entry_is_written_told_and_waited_for() {
    let bench = Bench::new().with_account("cms").with_agent(answer(Condition::Fresh));
    let (_place, path) = place();
    let ran = bench.run(&["oidc", "files", "add", "cms", &path, "--scope", "b a", "--reader", "aws"]);
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert!(ran.stdout.contains("token is fresh."), "{}", ran.stdout);
    assert!(ran.stderr.contains("AWS_WEB_IDENTITY_TOKEN_FILE="), "{}", ran.stderr);
    let text = fs_err::read_to_string(bench.file(FILES_TOML)).expect("written");
    assert!(text.contains("name = \"token\"\naccount = \"cms\"\n"), "{text}");
    assert!(text.contains("scope = [\"b\", \"a\"]\nreaders = [\"aws\"]\n"), "{text}");
    let ran = bench.run(&["oidc", "files", "add", "cms", &path, "--name", "other"]);
    assert!(ran.result.expect_err("twice").to_string().contains("is given twice"));
    assert_eq!(fs_err::read_to_string(bench.file(FILES_TOML)).expect("there"), text, "nothing was changed");
}

#[test]
fn what_would_not_work_is_refused_before_anything_is_written() {
    let bench = Bench::new().with_account("cms").with_agent(answer(Condition::Fresh));
    let (_place, path) = place();
    for (line, why) in [
        (&["cms", "/nonexistent/token"][..], "does not exist"),
        (&["cms", &path, "--reader", "gfal2"], "reads no file"),
        (&["cms", &path, "--mode", "0666"], "others could put"),
        (&["cms", &path, "--read"], "--for URL"),
        (&["cms", &path, "--for", "nonsense"], "no scheme"),
    ] {
        let ran = bench.run(&[&["oidc", "files", "add"], line].concat());
        let error = ran.result.expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
        assert!(!bench.file(FILES_TOML).exists());
    }
}

/// Whoever types a command has made no mistake in a file.
#[test]
fn a_wrong_option_is_an_error_of_usage_that_names_it() {
    let bench = Bench::new().with_account("cms").with_agent(answer(Condition::Fresh));
    let (_place, path) = place();
    let there = format!("{path}-there");
    bench.run(&["oidc", "files", "add", "cms", &there]).result.expect("added");
    let before = fs_err::read_to_string(bench.file(FILES_TOML)).expect("written");
    let own = bench.file("token").display().to_string();
    // Another way to the same directory.
    let link = tempfile::tempdir().expect("a directory");
    let directory = Path::new(&path).parent().expect("a directory").to_owned();
    std::os::unix::fs::symlink(directory, link.path().join("link")).expect("linked");
    let linked = link.path().join("link/token-there").display().to_string();
    for (line, says) in [
        (&["cms", &path, "--min-lifetime", "soon"][..], "--min-lifetime: must be a time span"),
        (&["cms", &path, "--mode", "0666"], "--mode: others could put"),
        (&["cms", &path, "--mode", "600x"], "--mode: must be the file's mode"),
        (&["cms", &path, "--format", "xml"], "--format: must be raw, json"),
        (&["cms", &path, "--reader", "firefox"], "--reader: must be a list of"),
        (&["cms", &path, "--reader", "xrootd", "--mode", "0640"], "--mode: must be 0600 or 0400"),
        (&["cms", &path, "--scope", "\""], "--scope: must be scopes"),
        (&["cms", &path, "--aud", "\u{fc}"], "--aud: must be an audience"),
        (&["cms", &path, "--name", ".x"], "--name: must be 1 to 100"),
        (&["cms", "/"], "PATH: must be a file"),
        (&["cms", "~you/x"], "PATH: ~ stands for"),
        (&["cms", &own], "PATH: must not be in the oidc-agent directory"),
        (&["cms", &path, "--for", "nonsense"], "--for: it has no scheme"),
        (&["cms", &path, "--for", "https://a.example", "--id-token"], "--for: is for access tokens"),
        (&["cms", &path, "--explain"], "`--explain` belongs to `--for URL`"),
        (&["cms", &path, "--read"], "--for URL"),
        // What is wrong only beside the entries that there are.
        (&["cms", &there], "--name: the name token-there is given twice"),
        (&["cms", &there, "--name", "other"], "PATH: the path "),
        (&["cms", &linked, "--name", "other"], "leads to the same file as the path "),
    ] {
        let error = bench.run(&[&["oidc", "files", "add"], line].concat()).result.expect_err(says);
        assert_eq!(error.exit(), Exit::Usage, "{line:?}: {error}");
        assert!(error.to_string().contains(says), "{line:?}: {error}");
        assert_eq!(fs_err::read_to_string(bench.file(FILES_TOML)).expect("there"), before, "{line:?}");
    }
    // A mistake that was there before is none of the command line.
    fs_err::write(bench.file(FILES_TOML), "colour = 1\n").expect("written");
    let error = bench.run(&["oidc", "files", "add", "cms", &path]).result.expect_err("broken");
    assert_eq!(error.exit(), Exit::Problems);
    assert!(error.to_string().contains("files.toml:1: colour"), "{error}");
}

#[test]
fn a_login_that_is_needed_is_said() {
    let bench = Bench::new().with_account("cms").with_agent(answer(Condition::LoginNeeded));
    let (_place, path) = place();
    let ran = bench.run(&["oidc", "files", "add", "cms", &path]);
    assert_eq!(ran.result.expect_err("no token").exit(), Exit::FilesFailed);
    assert!(ran.stdout.contains("oidc gen --reauthenticate cms"), "{}", ran.stdout);
}

#[test]
fn without_an_agent_the_entry_waits_for_one() {
    let bench = Bench::new().with_account("cms");
    let (_place, path) = place();
    let ran = bench.run(&["oidc", "files", "add", "cms", &path]);
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert!(ran.stdout.contains("is in the configuration"), "{}", ran.stdout);
    let ran = bench.run(&["oidc", "files", "status"]);
    assert_eq!(ran.result.expect_err("nobody renews it").exit(), Exit::FilesAttention);
    assert!(ran.stdout.starts_with("unmanaged  token  "), "{}", ran.stdout);
    let ran = bench.run(&["oidc", "files", "status", "--json"]);
    assert!(
        ran.stdout.contains("\"state\":\"unmanaged\"") && !ran.stdout.contains("since"),
        "{}",
        ran.stdout
    );
    let ran = bench.run(&["oidc", "files", "check"]);
    assert!(ran.result.is_ok() && ran.stdout.contains("good: 1 entries"), "{}", ran.stdout);
    let ran = bench.run(&["oidc", "files", "remove", "token"]);
    assert!(ran.stdout.contains("is removed."), "{}", ran.stdout);
    let ran = bench.run(&["oidc", "files", "status"]);
    assert!(ran.result.is_ok() && ran.stdout.contains("No managed files"), "{}", ran.stdout);
}

/// Each of them reads, checks and writes; none may write over what another has written meanwhile.
#[test]
fn several_at_once_are_all_there() {
    let bench = Bench::new().with_account("cms");
    let (_place, path) = place();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (home, path) = (bench.home(), format!("{path}{number}"));
            scope.spawn(move || {
                let file = home.path().join(FILES_TOML);
                let entry = NewEntry {
                    texts: vec![("name", format!("q{number}")), ("account", "cms".into()), ("path", path)],
                    ..NewEntry::default()
                };
                let _lock = home.lock_configuration(LOCK_PATIENCE).expect("the lock");
                let before = fs_err::read_to_string(&file).ok();
                let after = edit::with_entry(before.as_deref().unwrap_or_default(), &entry).expect("a text");
                write(&file, before.as_deref(), &after).expect("written");
            });
        }
    });
    let text = fs_err::read_to_string(bench.file(FILES_TOML)).expect("there");
    assert_eq!(text.matches("[[file]]").count(), 6, "{text}");
    let held = bench.home().lock_configuration(LOCK_PATIENCE).expect("the lock");
    assert!(bench.home().lock_configuration(Duration::ZERO).is_err(), "one has it");
    drop(held);
    assert!(bench.home().lock_configuration(Duration::ZERO).is_ok());
}

#[test]
fn what_is_derived_is_explained() {
    let bench = Bench::new().with_account("cms");
    let (_place, path) = place();
    let line = ["oidc", "files", "add", "cms", &path, "--for", "root://a.example//b", "--read", "--explain"];
    let ran = bench.run(&line);
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert!(ran.stderr.contains("root://a.example") && ran.stderr.contains("/b"), "{}", ran.stderr);
}

#[test]
fn an_entry_of_the_osg_renewers_file_is_removed_there() {
    let ini = "[account a]\npassword_file = /a.pw\n[token t]\naccount = a\ntoken_path = /t\n";
    let bench = Bench::new().with_file("osg.ini", ini.as_bytes());
    let named = format!("osg = [\"{}\"]\n", bench.file("osg.ini").display());
    fs_err::write(bench.file(FILES_TOML), named).expect("written");
    let error = bench.run(&["oidc", "files", "remove", "t"]).result.expect_err("not ours").to_string();
    assert!(error.contains("OSG") && error.contains("osg.ini") && error.contains("[token t]"), "{error}");
    assert_eq!(fs_err::read_to_string(bench.file("osg.ini")).expect("there"), ini);
}

#[test]
fn an_older_agent_is_told_from_ours() {
    let old = |request: &Request| match request {
        Request::FilesStatus(_) => Reply::Failure(Failure::new(ErrorCode::UnknownRequest, "Bad Request")),
        other => panic!("{other:?}"),
    };
    let ran = Bench::new().with_agent(old).run(&["oidc", "files", "status"]);
    assert!(ran.result.expect_err("no").to_string().contains("knows no managed token files"));
}

#[test]
fn check_tells_everything_with_its_line() {
    let toml = "[[file]]\nname = \"a\"\naccount = \"gone\"\npath = \"/nonexistent/t\"\n[accounts.x]\npassword_file = \"/nonexistent/pw\"\n";
    let bench = Bench::new().with_file(FILES_TOML, toml.as_bytes());
    let ran = bench.run(&["oidc", "files", "check"]);
    assert_eq!(ran.result.expect_err("problems").exit(), Exit::Problems);
    for part in [
        "files.toml:2: a: there is no account gone",
        "directory /nonexistent does not exist",
        "files.toml:6: accounts.x: its password",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
    let ran = bench.run(&["oidc", "files", "check", "--json"]);
    assert!(ran.stdout.contains("\"code\":\"no_account\""), "{}", ran.stdout);
}

#[test]
fn a_hook_that_cannot_run_is_a_warning() {
    let (_place, path) = place();
    for (program, is_there) in
        [("/bin/sh", true), ("sh", true), ("/nonexistent/x", false), ("no-such-program", false)]
    {
        let toml = format!(
            "[[file]]\nname = \"a\"\naccount = \"cms\"\npath = \"{path}\"\n[file.hook]\ncommand = [\"{program}\"]\n"
        );
        let bench = Bench::new().with_account("cms").with_file(FILES_TOML, toml.as_bytes());
        let ran = bench.run(&["oidc", "files", "check"]);
        let exit = ran.result.map_or_else(|error| error.exit(), |()| Exit::Success);
        assert_eq!(exit, if is_there { Exit::Success } else { Exit::Warnings }, "{program}: {}", ran.stdout);
        assert_eq!(ran.stdout.contains("its hook would fail"), !is_there, "{program}: {}", ran.stdout);
    }
}

#[test]
fn results_as_json_are_documented() {
    let (_place, path) = place();
    let bench = Bench::new().with_account("cms");
    let run = |line: &[&str]| bench.run(&[&["oidc", "files"], line, &["--json"]].concat()).stdout;
    expect_documented("| `oidc files add`", &run(&["add", "cms", &path]));
    expect_documented("| `oidc files check`", &run(&["check"]));
    expect_documented("| `oidc files explain`", &run(&["explain", "token"]));
    expect_documented("| `oidc files status`", &run(&["status"]));
    expect_documented("| `oidc files remove`", &run(&["remove", "token"]));
    let ini = bench.file("osg.ini");
    fs_err::write(&ini, "[account a]\npassword_file = /a.pw\n[token t]\naccount = a\ntoken_path = /t\n")
        .expect("written");
    expect_documented("| `oidc files import-osg`", &run(&["import-osg", ini.to_str().expect("text")]));
}
