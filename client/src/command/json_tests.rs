//! What `docs/json.md` says of results as JSON is so: every member is in the row of its command, and only one object
//! is written.

use std::path::Path;

use oidc_proto::{
    message::{
        AgentStatus, Failure, IdTokenReply, PageReply, PageRequest, Reply, Request, ResetReport, TokenReply,
    },
    secret::{AccessToken, IdToken, SecretText},
};
use serde_json::Value;

use crate::{
    context::error::Error,
    say::{dialect::Dialect, exit::Exit, output::Output},
    testing::{Bench, Captured, PASSWORD, loaded},
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
        Request::IdToken(_) => Reply::IdToken(IdTokenReply {
            id_token: IdToken::from("it"),
            issuer: "https://op".to_owned(),
            warnings: Vec::new(),
        }),
        Request::Page(PageRequest { stop: false }) => Reply::Page(PageReply {
            address: SecretText::from("http://127.0.0.1:4711/#s"),
            opens_until: 1,
            ends_at: 2,
            host: "here".to_owned(),
        }),
        Request::Reset(_) => Reply::success_with(ResetReport::default().to_info()),
        _ => Reply::success(),
    }
}

/// One object or array on one line, every member of which is named in the row that begins so.
pub fn expect_documented(row: &str, stdout: &str) {
    let page = documented("json.md");
    let row = page.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no row {row}"));
    assert_eq!(stdout.lines().count(), 1, "{row}: {stdout}");
    let value: Value =
        serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{row}: {error}: {stdout}"));
    let value = if value.is_array() { value[0].clone() } else { value };
    for key in value.as_object().unwrap_or_else(|| panic!("{row}: {value}")).keys() {
        assert!(row.contains(&format!("`{key}`")), "`{key}` is not in {row:?}");
    }
}

/// What opens the file; the password is that of [`Bench::with_account`].
const OPEN: &str = "--pw-cmd=echo correct horse";

/// A command line, and the beginning of its row.
const ROWS: &[(&[&str], &str)] = &[
    (&["token", "acc"], "| `oidc token` |"),
    (&["token", "--id-token", "acc"], "| `oidc token --id-token` |"),
    (
        &["token", "--for", "https://se.example", "--read", "--explain"],
        "| `oidc token --for --explain` without an account |",
    ),
    (&["token", "acc", "--for", "davs://a", "--for", "davs://b"], "| `oidc token --for` several times |"),
    (&["add", OPEN, "acc"], "| `oidc add` |"),
    (&["remove", "acc"], "| `oidc remove` |"),
    (&["remove", "--all"], "| `oidc remove` |"),
    (&["list"], "| `oidc list` |"),
    (&["status"], "| `oidc status`,"),
    (&["agent", "status"], "| `oidc status`,"),
    (&["agent", "start"], "| `oidc agent start` |"),
    (&["page", "--no-browser"], "| `oidc page` |"),
    (&["page", "--stop"], "| `oidc page` |"),
    (&["lock", "--pw-cmd=echo pw"], "| `oidc lock`,"),
    (&["unlock", "--pw-cmd=echo pw"], "| `oidc lock`,"),
    (&["passwd", OPEN, "--new-pw-cmd=echo new", "acc"], "| `oidc passwd` |"),
];

#[test]
fn every_member_is_documented() {
    assert!(OPEN.ends_with(PASSWORD));
    for (line, row) in ROWS {
        let bench = Bench::new().with_account("acc").with_agent(agent);
        let ran = bench.run(&[&["oidc"], *line, &["--json"]].concat());
        assert!(ran.result.is_ok() && ran.stderr.is_empty(), "{line:?}: {ran:?}");
        expect_documented(row, &ran.stdout);
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
    output.error(&error.report());
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
