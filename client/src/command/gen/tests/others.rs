//! What other programs write while a command works on an account's file, and what an agent keeps beside it, stays.

use std::time::Duration;

use oidc_proto::{
    account::AccountConfig,
    home::{Home, Room},
    message::{AccountStatus, AgentStatus, Failure, Reply, Request, TokenReply},
    rotation::{self, Rotation},
    secret::{AccessToken, Password, RefreshToken},
    shortname::Shortname,
    vault::{self, FileKey, Format, Protection},
};

use super::super::testing::{Run, Stage};
use crate::{command::json_tests::expect_documented, say::dialect::Dialect};

const PASSWORD: [&str; 2] = ["--pw-cmd", "echo pw"];

fn name(text: &str) -> Shortname {
    text.parse().expect("a name")
}

fn account(token: &str) -> AccountConfig {
    AccountConfig {
        name: Some("acc".to_owned()),
        issuer_url: Some("https://op.example".to_owned()),
        client_id: Some("cid".to_owned()),
        auth_scope: Some("openid".to_owned()),
        refresh_token: Some(RefreshToken::from(token)),
        ..AccountConfig::default()
    }
}

/// Writes the file as a program does that takes no lock.
fn put(home: &Home, account: &AccountConfig, protection: &Protection) -> FileKey {
    let (bytes, key) = vault::seal_new(account, protection).expect("sealed");
    fs_err::write(home.file(&name("acc")), bytes).expect("written");
    key
}

fn stored(home: &Home, of: &str) -> AccountConfig {
    let bytes = home.read(&name(of)).expect("a file");
    vault::unlock(&bytes, &Password::from("pw")).expect("it opens").account
}

fn token(account: &AccountConfig) -> &str {
    account.refresh_token.as_ref().expect("a token").expose()
}

/// An agent without the key, such as one that the C suite's `oidc-add` has loaded the account into, has stored a
/// newer token.
fn rotate_beside(home: &Home, in_file: &str, new: &str) {
    let lock = home.lock(&name("acc"), Duration::ZERO).expect("a lock");
    let (in_file, new) = (RefreshToken::from(in_file), RefreshToken::from(new));
    let rotation = Rotation::of(&in_file, &new);
    rotation::store(home, &lock, None, &rotation, &mut Room::default()).expect("stored");
}

fn run(stage: &mut Stage, arguments: &[&str]) -> Run {
    stage.run(&[arguments, &PASSWORD].concat())
}

fn nothing_loaded(request: &Request) -> Reply {
    match request {
        Request::StatusJson => Reply::success_with(AgentStatus::default().to_info()),
        Request::LoadedAccounts => Reply::success_with(Vec::<String>::new()),
        _ => Reply::success(),
    }
}

/// Loaded as the person wanted it.
fn loaded(request: &Request) -> Reply {
    match request {
        Request::StatusJson => {
            let account = AccountStatus {
                name: "acc".into(),
                confirm: true,
                always_allow_id_token: true,
                unloaded_at: Some(u64::MAX),
                ..AccountStatus::default()
            };
            let status = AgentStatus {
                loaded_accounts: vec!["acc".into()],
                accounts: vec![account],
                ..AgentStatus::default()
            };
            Reply::success_with(status.to_info())
        }
        Request::LoadedAccounts => Reply::success_with(vec!["acc"]),
        _ => Reply::success(),
    }
}

#[test]
fn a_renamed_account_takes_its_kept_token_and_its_pending_registration_along() {
    let mut stage = Stage::new(nothing_loaded);
    let home = stage.home();
    put(&home, &account("old"), &Protection::OidcAgent(&"pw".into()));
    rotate_beside(&home, "old", "new");
    let lock = home.lock(&name("acc"), Duration::ZERO).expect("a lock");
    home.write_pending(&lock, b"sealed").expect("written");
    drop(lock);
    run(&mut stage, &["acc", "--rename", "other"]).result.expect("renamed");
    let renamed = stored(&home, "other");
    assert_eq!((token(&renamed), renamed.name.as_deref()), ("new", Some("other")));
    assert!(home.read_pending(&name("other")).expect("readable").is_some());
    assert!(!home.file(&name("acc")).exists());
    assert!(home.read_pending(&name("acc")).expect("readable").is_none());
}

#[test]
fn renaming_overwrites_nothing_that_was_made_meanwhile() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("home");
    let mut stage = Stage::new(move |request| {
        if matches!(request, Request::StatusJson) {
            fs_err::write(fs_err::read_to_string(&place).expect("the place"), "another account")
                .expect("made");
        }
        nothing_loaded(request)
    });
    let home = stage.home();
    let target = home.file(&name("other"));
    fs_err::write(directory.path().join("home"), target.to_str().expect("a text")).expect("written");
    put(&home, &account("old"), &Protection::Native(&"pw".into()));
    let error = run(&mut stage, &["acc", "--rename", "other"]).result.expect_err("it is there");
    assert!(error.to_string().contains("'other' already exists"), "{error}");
    assert_eq!(fs_err::read_to_string(target).expect("a file"), "another account");
    assert_eq!(token(&stored(&home, "acc")), "old");
}

#[test]
fn a_renamed_account_is_held_as_before() {
    let mut stage = Stage::new(loaded);
    put(&stage.home(), &account("old"), &Protection::Native(&"pw".into()));
    run(&mut stage, &["acc", "--rename", "other"]).result.expect("renamed");
    assert_eq!(stage.request_names(), ["passwd", "remove", "add"]);
    let Some(Request::Add(add)) = stage.requests().pop() else { panic!("not loaded again") };
    assert_eq!(add.config.name.as_deref(), Some("other"));
    assert!(add.confirm && add.always_allow_id_token && add.plain_add);
    assert!(add.lifetime.is_some_and(|left| left > 1_000_000), "{:?}", add.lifetime);
}

#[test]
fn an_account_that_cannot_be_renamed_is_held_as_before() {
    let mut stage = Stage::new(loaded);
    let home = stage.home();
    put(&home, &account("old"), &Protection::Native(&"pw".into()));
    // The lock of the new name cannot be had.
    fs_err::create_dir(home.path().join(".other.lock")).expect("a directory");
    run(&mut stage, &["acc", "--rename", "other"]).result.expect_err("not renamed");
    let Some(Request::Add(add)) = stage.requests().pop() else { panic!("not loaded again") };
    assert_eq!(add.config.name.as_deref(), Some("acc"));
    assert!(add.confirm && home.file(&name("acc")).exists());
}

#[test]
fn an_agent_that_does_not_tell_how_it_holds_an_account_is_not_given_it_again() {
    let mut stage = Stage::new(|request| match request {
        Request::StatusJson => {
            let loaded_accounts = vec!["acc".into()];
            Reply::success_with(AgentStatus { loaded_accounts, ..AgentStatus::default() }.to_info())
        }
        Request::Passwd(_) => Failure::unknown_request().into(),
        _ => Reply::success(),
    });
    put(&stage.home(), &account("old"), &Protection::Native(&"pw".into()));
    let run = run(&mut stage, &["acc", "--rename", "other"]);
    run.result.expect("renamed");
    assert_eq!(stage.request_names(), ["passwd", "remove"]);
    assert!(run.stderr.contains("oidc add other"), "{}", run.stderr);
}

#[test]
fn a_locked_agent_may_hold_the_account_that_is_to_be_renamed() {
    let mut stage = Stage::new(|_| Failure::agent_locked().into());
    put(&stage.home(), &account("old"), &Protection::Native(&"pw".into()));
    run(&mut stage, &["acc", "--rename", "other"]).result.expect_err("locked");
    assert!(stage.home().file(&name("acc")).exists());
}

#[test]
fn a_token_beside_the_file_is_no_obstacle_to_encrypting_it_anew() {
    for protection in [Protection::OidcAgent(&"pw".into()), Protection::Native(&"pw".into())] {
        let mut stage = Stage::new(nothing_loaded);
        let home = stage.home();
        put(&home, &account("old"), &protection);
        rotate_beside(&home, "old", "new");
        let run = run(&mut stage, &["--update", "acc"]);
        run.result.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(token(&stored(&home, "acc")), "new");
    }
}

#[test]
fn a_login_keeps_what_was_written_while_it_took_place() {
    let place = std::sync::Arc::new(std::sync::Mutex::new(None::<Home>));
    let seen = place.clone();
    let mut stage = Stage::new(move |request| match request {
        Request::Gen(_) => {
            let home = seen.lock().expect("no panic").clone().expect("a directory");
            // An agent of the C suite: another salt, a newer token, and a key that nobody here knows.
            let mut written = account("rotated");
            written.other.insert("added_by_another", true);
            put(&home, &written, &Protection::OidcAgent(&"pw".into()));
            Reply::Config(Box::new(account("logged-in")))
        }
        _ => nothing_loaded(request),
    });
    let home = stage.home();
    *place.lock().expect("no panic") = Some(home.clone());
    put(&home, &account("old"), &Protection::OidcAgent(&"pw".into()));
    let run = run(&mut stage, &["acc", "--reauthenticate", "--flow=code"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let stored = stored(&home, "acc");
    assert_eq!(token(&stored), "logged-in");
    assert!(stored.other.contains("added_by_another"));
}

/// A provider that replaces the refresh token which it is shown.
fn rotating(request: &Request) -> Reply {
    match request {
        Request::Gen(request) if request.only_at => Reply::Token(TokenReply {
            access_token: AccessToken::from("at"),
            issuer: "https://op.example".to_owned(),
            expires_at: None,
            scope: None,
            warnings: Vec::new(),
            refresh_token: Some(RefreshToken::from("successor")),
        }),
        Request::Gen(_) => Reply::Config(Box::new(account("successor"))),
        _ => nothing_loaded(request),
    }
}

#[test]
fn a_token_that_was_spent_for_an_access_token_alone_is_replaced_in_the_file() {
    for (option, expected) in [("--only-at", "at\n"), ("--no-save", "success\n")] {
        let mut stage = Stage::new(rotating);
        let home = stage.home();
        put(&home, &account("old"), &Protection::Native(&"pw".into()));
        let run = run(&mut stage, &["-m", "acc", option, "--flow=refresh"]);
        run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
        assert_eq!(run.stdout, expected);
        assert_eq!(token(&stored(&home, "acc")), "successor");
    }
}

#[test]
fn a_token_of_the_persons_own_that_was_replaced_is_given_back() {
    let mut stage = Stage::new(rotating);
    let home = stage.home();
    put(&home, &account("old"), &Protection::Native(&"pw".into()));
    let run = run(&mut stage, &["acc", "--only-at", "--rt", "own"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(run.stdout, "at\n");
    assert!(run.stderr.contains("the new one is successor"), "{}", run.stderr);
    assert_eq!(token(&stored(&home, "acc")), "old");
}

#[test]
fn every_member_of_a_result_as_json_is_documented() {
    let mut stage = Stage::new(rotating);
    put(&stage.home(), &account("old"), &Protection::Native(&"pw".into()));
    let client =
        ["--issuer=https://op", "--rt=t", "--client-id=c", "--client-secret=s", "--scope=a", "--json"];
    for (line, row) in [
        (&["new"][..], "| `oidc gen` |"),
        (&["--only-at"], "| `oidc gen --only-at` |"),
        (&["--update", "acc"], "| `oidc gen --update`,"),
        (&["acc", "--rename=moved"], "| `oidc gen --update`,"),
        (&["-d", "moved", "--confirm-yes"], "| `oidc gen --update`,"),
    ] {
        let run = run(&mut stage, &[line, &client].concat());
        run.result.unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert_eq!(run.stderr, "", "{line:?}");
        expect_documented(row, &run.stdout);
    }
}

#[test]
fn the_names_of_the_c_suite_write_its_format_and_the_option_says_otherwise() {
    for (dialect, option, expected) in [
        (Dialect::CSuite, None, Format::OidcAgent),
        (Dialect::CSuite, Some("--format=native"), Format::Native),
        (Dialect::Ours, None, Format::Native),
        (Dialect::Ours, Some("--format=oidc-agent"), Format::OidcAgent),
    ] {
        let mut stage = Stage::new(rotating);
        stage.dialect = dialect;
        let home = stage.home();
        let format = || vault::format_of(&home.read(&name("acc")).expect("a file")).expect("a format");
        let new = ["acc", "--issuer=https://op.example", "--rt=own", "--client-id=c", "--client-secret="];
        let new: Vec<_> = new.into_iter().chain(["--scope=openid"]).chain(option).collect();
        let made = run(&mut stage, &new);
        made.result.unwrap_or_else(|error| panic!("{error}: {}", made.stderr));
        assert_eq!(format(), expected, "a new file, {dialect:?} {option:?}");
        for before in [Protection::Native(&"pw".into()), Protection::OidcAgent(&"pw".into())] {
            put(&home, &account("old"), &before);
            let update: Vec<_> = ["--update", "acc"].into_iter().chain(option).collect();
            run(&mut stage, &update).result.expect("encrypted anew");
            assert_eq!(format(), expected, "encrypted anew, {dialect:?} {option:?}");
        }
    }
}

#[test]
fn the_stored_text_is_printed_byte_for_byte() {
    let text = "{ \"name\": \"acc\",\n  \"audience\": \"\", \"daeSetByUser\":0, \"x\":[1, 2]}";
    let mut stage = Stage::new(nothing_loaded);
    let home = stage.home();
    fs_err::write(home.file(&name("acc")), text).expect("a plain file");
    let print = |stage: &mut Stage| run(stage, &["--print", "acc"]).stdout;
    assert_eq!(print(&mut stage), format!("{text}\n"));
    // Encrypted as it stands: what is written by a key changes only what differs.
    let key = put(
        &home,
        &AccountConfig::parse(text.as_bytes()).expect("an account"),
        &Protection::OidcAgent(&"pw".into()),
    );
    let stored = key.open_text(&home.read(&name("acc")).expect("a file")).expect("it opens");
    assert_eq!(print(&mut stage), format!("{}\n", String::from_utf8_lossy(&stored)));
}
