//! What `docs/json.md` says of results as JSON is so: every member is in the row of its command, and only one object
//! is written.

use std::path::Path;

use oidc_proto::{
    account::AccountConfig,
    message::{
        AgentStatus, Failure, IdTokenReply, Reply, Request, ResetReport, Target, TokenReply, TokenRequest,
    },
    secret::{AccessToken, IdToken},
};
use serde_json::Value;

use crate::{
    cli::Dialect,
    error::Error,
    exit::Exit,
    output::Output,
    testing::{Bench, Captured, PASSWORD, account, loaded},
};

fn documented(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    fs_err::read_to_string(path).expect("a page")
}

fn agent(request: &Request) -> Reply {
    match request {
        Request::LoadedAccounts => loaded(&["other"]),
        Request::StatusJson => {
            let loaded_accounts = vec!["other".to_owned()];
            Reply::success_with(AgentStatus { loaded_accounts, ..AgentStatus::default() }.to_info())
        }
        Request::AccessToken(_) => Reply::Token(TokenReply {
            access_token: AccessToken::from("at"),
            issuer: "https://op".to_owned(),
            expires_at: None,
            scope: None,
            warnings: Vec::new(),
            refresh_token: None,
        }),
        Request::IdToken(_) => {
            Reply::IdToken(IdTokenReply { id_token: IdToken::from("it"), issuer: "https://op".to_owned() })
        }
        Request::Gen(request) if request.only_at => {
            agent(&Request::AccessToken(TokenRequest::new(Target::Account("acc".into()))))
        }
        Request::Gen(_) => Reply::Config(Box::new(account("new"))),
        Request::Reset(_) => Reply::success_with(ResetReport::default().to_info()),
        Request::Delete(_) => Reply::Config(Box::<AccountConfig>::default()),
        _ => Reply::success(),
    }
}

/// A command line, and the beginning of its row.
const ROWS: &[(&str, &str)] = &[
    ("token acc", "| `oidc token` |"),
    ("token --id-token acc", "| `oidc token --id-token` |"),
    ("add acc", "| `oidc add` |"),
    ("remove acc", "| `oidc remove` |"),
    ("remove --all", "| `oidc remove` |"),
    ("list", "| `oidc list` |"),
    ("status", "| `oidc status`,"),
    ("agent status", "| `oidc status`,"),
    ("agent start", "| `oidc agent start` |"),
    ("lock --pw-cmd=echo", "| `oidc lock`,"),
    ("unlock --pw-cmd=echo", "| `oidc lock`,"),
    ("gen new --issuer=https://op --rt=t --client-id=c --client-secret=s --scope=a", "| `oidc gen` |"),
    (
        "gen --only-at --issuer=https://op --rt=t --client-id=c --client-secret=s --scope=a",
        "| `oidc gen --only-at` |",
    ),
    ("gen --update acc", "| `oidc gen --update`,"),
    ("gen acc --rename=moved", "| `oidc gen --update`,"),
    ("gen -d acc --confirm-yes", "| `oidc gen --update`,"),
    ("passwd acc --new-pw-cmd=PASSWORD", "| `oidc passwd` |"),
];

#[test]
fn every_member_is_documented() {
    let page = documented("json.md");
    for (line, row) in ROWS {
        let row = page.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no row {row}"));
        let bench = Bench::new().with_account("acc").with_agent(agent);
        let password = format!("--pw-cmd=echo {PASSWORD}");
        let mut words: Vec<_> = ["oidc"].into_iter().chain(line.split(' ')).chain(["--json"]).collect();
        if !line.contains("--pw-cmd") && ["add", "gen", "passwd"].contains(&words[1]) {
            words.push(&password);
        }
        for word in &mut words {
            *word = match *word {
                "--pw-cmd=echo" | "--new-pw-cmd=PASSWORD" if line.starts_with("passwd") => {
                    "--new-pw-cmd=echo new"
                }
                "--pw-cmd=echo" => "--pw-cmd=echo pw",
                other => other,
            };
        }
        let ran = bench.run(&words);
        assert!(ran.result.is_ok() && ran.stderr.is_empty(), "{line}: {ran:?}");
        assert_eq!(ran.stdout.lines().count(), 1, "{line}: {}", ran.stdout);
        let value: Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{line}: {error}"));
        let value = if value.is_array() { value[0].clone() } else { value };
        let members = value.as_object().unwrap_or_else(|| panic!("{line}: {value}"));
        for key in members.keys() {
            assert!(row.contains(&format!("`{key}`")), "{line}: `{key}` is not in {row:?}");
        }
    }
}

#[test]
fn a_failure_is_one_object_with_the_warnings_that_came_before() {
    let bench = Bench::new().with_agent(|_| Failure::account_not_found().into());
    let error = bench.run(&["oidc", "token", "--json", "acc"]).result.expect_err("unknown");
    assert!(error.hint().is_some_and(|hint| hint.contains("oidc gen")), "{error:?}");
    let stderr = Captured::default();
    let mut output = Output::new(Dialect::Ours, true, Box::new(std::io::sink()), Box::new(stderr.clone()));
    output.note("no result");
    output.hint("neither");
    output.warning("look here");
    output.error(&error);
    let object: Value = serde_json::from_str(&stderr.text()).expect("one object");
    let row = documented("json.md");
    let row = row.lines().find(|line| line.contains("that failed")).expect("a row");
    for key in object.as_object().expect("an object").keys().filter(|key| *key != "warnings") {
        assert!(row.contains(&format!("`{key}`")), "{key}");
    }
    assert_eq!(
        (&object["error_code"], &object["warnings"][0]),
        (&"account_not_found".into(), &"look here".into())
    );
}

#[test]
fn every_error_code_of_the_client_is_documented() {
    let page = documented("compatibility.md");
    for exit in Exit::all().filter(|exit| *exit != Exit::Success) {
        let code = Error::Other(exit, String::new()).code();
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
    assert!(page.contains("`file_changed`"));
    for code in oidc_proto::error_code::ErrorCode::ALL {
        assert!(page.contains(&format!("`{}`", code.as_str())), "{}", code.as_str());
    }
}
