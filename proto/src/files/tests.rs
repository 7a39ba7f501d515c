use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    entry::{Action, CondorSink, Event, Format, OnExpiry, Require, Sink, Span, TokenKind, Write},
    *,
};

const HOME: &str = "/home/me/.config/oidc-agent";

fn here() -> Surroundings {
    Surroundings {
        uid: 1000,
        user: Some("me".into()),
        home: Some("/home/me".into()),
        runtime_dir: Some("/run/user/1000".into()),
        system: "/nonexistent".into(),
    }
}

fn parse(text: &str) -> Result<TokenFiles, Problems> {
    TokenFiles::parse(&PathBuf::from(HOME).join(FILES_TOML), text, HOME.as_ref(), &here())
}

/// The problems, without the path.
fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).expect_err(text).0;
    problems.iter().map(|problem| problem.to_string().replace(&format!("{HOME}/files.toml:"), "")).collect()
}

#[test]
fn two_keys_are_enough() {
    let files = parse("[[file]]\nname = \"eos\"\naccount = \"cms\"\n").expect("a configuration");
    let [entry] = files.entries.as_slice() else { panic!("{files:?}") };
    assert_eq!((entry.token.account.as_str(), entry.token.kind), ("cms", TokenKind::Access));
    let Sink::File(file) = &entry.sink else { panic!("{entry:?}") };
    assert_eq!(file.path, PathBuf::from("/run/user/1000/bt_u1000-eos"));
    assert_eq!((file.mode, file.newline, file.format), (0o600, true, Format::Raw));
    assert_eq!(entry.timing.min_lifetime, Duration::from_secs(600));
    assert_eq!((entry.require, entry.on_expiry), (Require::AudScope, OnExpiry::Remove));
    assert!(files.origins[0].is_built_in("path") && !files.origins[0].is_built_in("account"));
    assert!(files.accounts.is_empty() && files.remarks.is_empty());
    assert_eq!(parse("").expect("nothing"), TokenFiles::default());
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let files = parse(
        r#"
version = 1
[defaults]
account = "cms"
min_lifetime = "5m"
renew_before = "20m"
mode = "0640"
[defaults.hook]
command = ["logger", "renewed"]

[[file]]
name = "eos-write"
path = "~/eos/token"
for = "root://eos.example:1094//store/user/x"
operations = ["read", "create:/store/user/x/new"]
scope = ["openid", "a"]
audience = "b a"
format = "json"
newline = false
readers = ["pelican"]
mode = 0o600
group = 7
create_dirs = true
write = "in-place"
jitter = "0%"
min_backoff = 1
max_backoff = "1h"
require = "warn"
on_expiry = "keep"
[file.hook]
on = ["renewed", "expired", "login-needed"]
pid_file = "/run/x.pid"
signal = "USR1"
timeout = "5s"

[[condor]]
name = "job"
service = "cms"
handle = "read"
program = "/opt/condor/bin/condor_store_cred"
condor_config = "/opt/condor/etc/condor_config"

[accounts.cms]
password_file = "/etc/oidc/cms.pw"
[accounts.robot]
credential = "robot.pw"
[accounts.other]
password_command = ["pass", "other"]
"#,
    )
    .expect("a configuration");
    let [file, condor] = files.entries.as_slice() else { panic!("{files:?}") };
    let Sink::File(sink) = &file.sink else { panic!("{file:?}") };
    assert_eq!(sink.path, PathBuf::from("/home/me/eos/token"));
    assert_eq!((sink.mode, sink.group, sink.create_dirs, sink.write), (0o600, Some(7), true, Write::InPlace));
    assert_eq!(
        (sink.format, sink.newline, sink.readers.as_slice()),
        (Format::Json, false, &["pelican".to_owned()][..])
    );
    assert_eq!(file.token.scope.as_deref(), Some("a openid"));
    assert_eq!(file.token.audience.as_deref(), Some("a b"));
    assert_eq!(file.token.services[0].operations.len(), 2);
    assert_eq!(file.timing.renew_before, Span::Fixed(Duration::from_secs(1200)));
    assert_eq!((file.timing.jitter, file.timing.min_lifetime), (0, Duration::from_secs(300)));
    let hook = file.hook.as_ref().expect("a hook");
    assert_eq!(hook.on, [Event::Renewed, Event::Expired, Event::LoginNeeded]);
    assert_eq!(hook.action, Action::Signal { pid_file: "/run/x.pid".into(), signal: 10 });
    let sink = CondorSink {
        service: "cms".into(),
        handle: Some("read".into()),
        program: Some("/opt/condor/bin/condor_store_cred".into()),
        condor_config: Some("/opt/condor/etc/condor_config".into()),
    };
    assert_eq!(condor.sink, Sink::Condor(sink));
    let hook = condor.hook.as_ref().expect("the defaults' hook");
    assert_eq!(hook.action, Action::Run(vec!["logger".into(), "renewed".into()]));
    assert_eq!(hook.on, [Event::Created, Event::Renewed]);
    let sources: Vec<_> =
        files.accounts.iter().map(|account| (account.account.as_str(), &account.source)).collect();
    assert_eq!(
        sources,
        [
            ("cms", &PasswordSource::File("/etc/oidc/cms.pw".into())),
            ("other", &PasswordSource::Command(vec!["pass".into(), "other".into()])),
            ("robot", &PasswordSource::Credential("robot.pw".into())),
        ]
    );
    let origin = &files.origins[0];
    let from = |key: &str| origin.value(key).map(|value| (value.value.as_str(), value.from.clone()));
    let path = PathBuf::from(HOME).join(FILES_TOML);
    assert_eq!(from("min_lifetime"), Some(("\"5m\"", Source::Defaults(path.clone(), 5))));
    assert_eq!(from("jitter"), Some(("\"0%\"", Source::Entry(path, 25))));
    assert_eq!(from("token"), Some(("access", Source::BuiltIn)));
    assert!(origin.value("hook.signal").is_some());
}

#[test]
fn each_problem_names_its_line_and_what_is_allowed() {
    let entry = |lines: &str| format!("[[file]]\nname = \"a\"\naccount = \"b\"\n{lines}");
    for (text, expected) in [
        (entry("mode = \"0666\""), "4: file a: mode: others could put"),
        (entry("mode = 600"), "4: file a: mode: must be the file's mode in octal"),
        (entry("colour = 1"), "4: file a: colour: there is no such key here; there are name"),
        (
            entry("min_livetime = 1"),
            "4: file a: min_livetime: there is no such key here; is min_lifetime meant?",
        ),
        (entry("\"\\u001b[1m\" = 1"), "4: file a: \"\\u{1b}[1m\": there is no such key"),
        (entry("min_lifetime = \"soon\""), "4: file a: min_lifetime: must be a time span"),
        (entry("path = \"x\""), "4: file a: path: must be an absolute path"),
        (entry("path = \"${CANARY}/x\""), "4: file a: path: only ${XDG_RUNTIME_DIR}"),
        (
            entry("path = \"~/.config/oidc-agent/b\""),
            "2: file a: path: must not be in the oidc-agent directory",
        ),
        (entry("operations = [\"read\"]"), "4: file a: operations: says what is done at a service"),
        (entry("for = \"/canary\""), "4: file a: for: it has no scheme"),
        (entry("for = \"https://x\"\ntoken = \"id\""), "4: file a: for: is for access tokens"),
        (entry("scope = 7"), "4: file a: scope: must be scopes as RFC 6749"),
        (entry("format = \"netrc\""), "4: file a: format: netrc names the host"),
        (entry("host = \"x\""), "4: file a: host: is for the format netrc alone"),
        (entry("group = \"no such group\""), "4: file a: group: there is no such group"),
        (entry("max_backoff = 1"), "4: file a: max_backoff: must not be shorter"),
        (entry("hook = 1"), "4: file a: hook: must be a table"),
        (entry("[file.hook]\non = [\"renewed\"]"), "5: file a: hook: must have command, or pid_file"),
        (entry("[file.hook]\ncommand = \"rm -rf\""), "5: file a: hook: command: must be a list"),
        (
            entry("[file.hook]\ncommand = [\"./x\"]"),
            "5: file a: hook: command: must begin with a program's name",
        ),
        (
            entry("[file.hook]\ncommand = [\"x\"]\npid_file = \"/x\""),
            "6: file a: hook: pid_file: does not go with",
        ),
        (entry("service = \"x\""), "4: file a: service: there is no such key"),
        ("[[file]]\naccount = \"b\"".into(), "2: file number 1: name is missing: 1 to 100 letters"),
        ("[[file]]\nname = \"../x\"\naccount = \"b\"".into(), "2: file \"../x\": name: must be 1 to 100"),
        ("[[file]]\nname = \"a\"".into(), "2: file a: account is missing"),
        (
            "[[file]]\nname = \"a\"\naccount = \"a/b\"".into(),
            "3: file a: account: an account name must not contain",
        ),
        ("[file]\nname = \"a\"".into(), "1: file: must be a list of tables, each begun by [[file]]"),
        ("[[condor]]\nname = \"a\"\naccount = \"b\"".into(), "2: condor a: service is missing"),
        ("version = 2".into(), "1: version: must be 1, which is the only one so far; a newer"),
        ("user = \"me\"".into(), "1: user: is for files in /etc/oidc-agent/files.d"),
        ("files = []".into(), "1: files: there is no such key here; is file meant?"),
        (
            "[defaults]\nmode = \"x\"\nname = \"y\"".into(),
            "3: defaults: name: there is no such key here; there",
        ),
        ("[accounts.a]".into(), "1: accounts.a: must have exactly one of"),
        (
            "[accounts.\"a/b\"]\ncredential = \"x\"".into(),
            "1: accounts.\"a/b\": an account name must not contain",
        ),
        ("accounts = 1".into(), "1: accounts: must be tables"),
        ("[[file]\n".into(), "1: this is not TOML"),
    ] {
        let found = problems(&text);
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{text}\n{expected}\n{found:#?}");
        assert!(!found.iter().any(|problem| problem.contains("canary")), "{found:?}");
    }
}

#[test]
fn all_problems_are_told_and_those_of_the_defaults_once() {
    let entry = |name: &str| format!("[[file]]\nname = \"{name}\"\naccount = \"b\"\nnewline = 1\n");
    let text = format!("[defaults]\nmode = 7\n{}{}", entry("a"), entry("b"));
    assert_eq!(problems(&text).len(), 3);
    assert_eq!(problems("[defaults]\nacount = \"x\"\n").len(), 1);
    let many: String = (0..150).map(|number| entry(&format!("n{number}"))).collect();
    let found = problems(&many);
    assert_eq!(found.len(), 100);
    assert!(found[99].ends_with("(and 50 more problems)"), "{}", found[99]);
}

#[test]
fn names_paths_and_services_are_there_once() {
    let entry = |name: &str, rest: &str| format!("[[file]]\nname = \"{name}\"\naccount = \"b\"\n{rest}\n");
    let twice = problems(&(entry("a", "path = \"/x/t\"") + &entry("a", "path = \"/x/y\"")));
    assert_eq!(
        twice,
        [format!("6: file a: name: the name a is given twice; first in {HOME}/files.toml:2")
            .replace(&format!("{HOME}/files.toml:"), "")]
    );
    let twice = problems(&(entry("a", "path = \"/x/t\"") + &entry("b", "path = \"/x/./t\"")));
    assert!(twice[0].contains("the path /x/t is given twice"), "{twice:?}");
    let condor = |name: &str| format!("[[condor]]\nname = \"{name}\"\naccount = \"b\"\nservice = \"s\"\n");
    let twice = problems(&(condor("a") + &condor("b")));
    assert!(twice[0].contains("the service s is given twice"), "{twice:?}");
}

/// Two that are written by turns have their readers find now the one token and now the other.
#[test]
fn a_file_is_the_same_by_every_way_to_it() {
    let kept = tempfile::tempdir().expect("a directory");
    let root = fs_err::canonicalize(kept.path()).expect("a path");
    fs_err::create_dir(root.join("a")).expect("made");
    std::os::unix::fs::symlink("a", root.join("b")).expect("linked");
    let entry = |name: &str, path: &str| {
        format!("[[file]]\nname = \"{name}\"\naccount = \"b\"\npath = {:?}\n", root.join(path))
    };
    for (path, is_same) in [("b/t", true), ("b/missing/t", false), ("b/u", false)] {
        let text = entry("one", "a/t") + &entry("two", path);
        let root = root.display();
        match parse(&text) {
            Ok(files) => assert!(!is_same && files.entries.len() == 2, "{path}"),
            Err(problems) => {
                let told = problems.to_string();
                let same = format!(
                    "file two: path: the path {root}/b/t leads to the same file as the path {root}/a/t in"
                );
                assert!(is_same && told.contains(&same), "{told}");
            }
        }
    }
    let missing = entry("one", "a/missing/t") + &entry("two", "b/missing/t");
    assert_eq!(problems(&missing).len(), 1, "also where a directory is still to be made");
}

/// A quotation mark too few, and everything after it is taken for something else.
#[test]
fn one_mistake_of_the_syntax_is_told_once() {
    let text = "[defaults]\naccount = \"b\"\nmode = \"0600\n[[file]]\nname = \"a\n[[file]\nname = b\n";
    let found = problems(text);
    let [only] = found.as_slice() else { panic!("{found:#?}") };
    assert!(only.starts_with("3: this is not TOML"), "{only}");
    // What the other files lack is in the one that cannot be read.
    let place = Place::new()
        .with("home/files.toml", "[defaults\naccount = \"cms\"\n")
        .with("home/files.d/a.toml", "[[file]]\nname = \"a\"\n")
        .with("home/files.d/b.toml", "[[file]]\nname = b\n");
    let found = place.read().expect_err("problems").0;
    let paths: Vec<_> = found.iter().map(|problem| problem.path.file_name().expect("a name")).collect();
    assert_eq!(paths, ["files.toml", "b.toml"], "{found:#?}");
}

#[test]
fn too_many_are_refused() {
    let entries = (0..=MAX_ENTRIES).map(|n| format!("[[file]]\nname=\"n{n}\"\naccount=\"a\"\n"));
    let text = entries.collect::<Vec<_>>().concat();
    assert!(problems(&text)[0].contains("more than 10000 entries"));
}

struct Place {
    root: TempDir,
    surroundings: Surroundings,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        for directory in ["home/files.d", "system/files.d"] {
            fs_err::create_dir_all(root.path().join(directory)).expect("a directory");
        }
        let uid = rustix::process::geteuid().as_raw();
        let surroundings = Surroundings { uid, system: root.path().join("system"), ..here() };
        Self { root, surroundings }
    }

    fn with(self, path: &str, text: &str) -> Self {
        fs_err::write(self.root.path().join(path), text).expect("a file");
        self
    }

    fn read(&self) -> Result<TokenFiles, Problems> {
        TokenFiles::read(&Home::at(self.root.path().join("home")), &self.surroundings)
    }

    fn names(&self) -> Vec<String> {
        self.read().expect("a configuration").entries.into_iter().map(|entry| entry.name).collect()
    }
}

fn named(name: &str) -> String {
    format!("[[file]]\nname = \"{name}\"\naccount = \"a\"\n")
}

#[test]
fn files_are_read_in_order_and_those_of_the_site_for_their_user() {
    let place = Place::new()
        .with("home/files.toml", &("[defaults]\nmode = \"0640\"\n".to_owned() + &named("main")))
        .with("home/files.d/b.toml", &named("b"))
        .with("home/files.d/a.toml", &("[defaults]\nmode = \"0600\"\n".to_owned() + &named("a")))
        .with("home/files.d/.hidden.toml", "broken")
        .with("home/files.d/a.toml~", "broken")
        .with("system/files.d/mine.toml", &format!("user = \"me\"\n{}", named("site")))
        .with("system/files.d/other.toml", &format!("user = \"you\"\n{}", named("other")))
        .with("system/files.d/broken.toml", "user = \"you\"\n[[")
        .with("system/files.d/nobody.toml", &named("nobody"));
    assert_eq!(place.names(), ["main", "a", "b", "site"]);
    let files = place.read().expect("a configuration");
    let modes = files.entries.iter().map(|entry| match &entry.sink {
        Sink::File(file) => file.mode,
        Sink::Condor(_) => 0,
    });
    assert_eq!(modes.collect::<Vec<_>>(), [0o640, 0o600, 0o640, 0o600]);
    let [remark] = files.remarks.as_slice() else { panic!("{:?}", files.remarks) };
    assert!(remark.to_string().contains("nobody.toml: it counts for nobody"), "{remark}");
    assert!(Place::new().names().is_empty(), "no files, no entries");
}

#[test]
fn configurations_of_the_osg_renewer_are_read_beside_ours() {
    let ini =
        "[account demo]\npassword_file = /demo.pw\n[token write]\naccount = demo\ntoken_path = /t/write\n";
    let place = Place::new().with("osg.ini", ini);
    let osg = format!("osg = [{:?}]\n", place.root.path().join("osg.ini"));
    let place = place.with("home/files.toml", &(osg.clone() + &named("main")));
    assert_eq!(place.names(), ["main", "write"]);
    assert_eq!(place.read().expect("a configuration").accounts.len(), 1);
    let place = place.with("home/files.toml", &(osg.clone() + &named("write")));
    assert!(place.read().expect_err("a problem").to_string().contains("the name write is given twice"));
    fs_err::remove_file(place.root.path().join("osg.ini")).expect("removed");
    let problems = place.read().expect_err("a problem").to_string();
    assert!(problems.contains("files.toml:1: osg: ") && problems.contains("does not exist"), "{problems}");
}

#[test]
fn one_problem_is_enough_for_nothing_to_count() {
    let place =
        Place::new().with("home/files.toml", &named("main")).with("home/files.d/a.toml", &named("main"));
    let problems = place.read().expect_err("a problem");
    assert!(problems.to_string().contains("the name main is given twice"), "{problems}");
    let place = Place::new()
        .with("home/files.toml", &named("main"))
        .with("system/files.d/a.toml", &format!("user = {}\nx = 1", rustix::process::geteuid().as_raw()));
    assert!(place.read().expect_err("a problem").to_string().contains("a.toml:2: x:"));
}

#[test]
fn a_file_that_others_can_change_is_refused() {
    let place = Place::new().with("home/files.toml", &named("main"));
    let path = place.root.path().join("home/files.toml");
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o606)).expect("a mode");
    assert!(place.read().expect_err("a problem").to_string().contains("can be written by others"));
    let large = Place::new().with("home/files.toml", &"#".repeat((1 << 20) + 1));
    assert!(large.read().expect_err("a problem").to_string().contains("larger than 1 MiB"));
    let link = Place::new();
    std::os::unix::fs::symlink("/nonexistent", link.root.path().join("home/files.toml")).expect("a link");
    assert!(link.read().expect_err("a problem").to_string().contains("leads nowhere"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_read_or_refused(text in "([a-z_]{1,12} ?= ?(1|true|\"[^\n]{0,8}\"|\\[\\])\n|\\[\\[?(file|condor|defaults|accounts\\.a|file\\.hook)\\]?\\]\n|.{0,12}\n){0,12}") {
        match parse(&text) {
            Ok(files) => prop_assert_eq!(files.entries.len(), files.origins.len()),
            Err(problems) => {
                prop_assert!(!problems.0.is_empty());
                let shown = problems.to_string();
                prop_assert!(!shown.contains(char::from(27)), "{}", shown);
            }
        }
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused(index in 0..keys::KEYS.len(), value in "[^\n]{0,20}") {
        let name = keys::KEYS[index].name;
        for table in ["", "[defaults]", "[[file]]\nname=\"a\"\naccount=\"a\"", "[[condor]]", "[[file]]\n[file.hook]", "[accounts.a]"] {
            let _ = parse(&format!("{table}\n{name} = {value}"));
            let _ = parse(&format!("{table}\n{name} = {value:?}"));
        }
    }
}
