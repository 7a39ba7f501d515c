//! Recorded requests and replies are understood.

use std::path::Path;

use oidc_proto::{
    error_code::ErrorCode,
    message::{AgentStatus, IssuerInfos, Reply, Request},
};
use serde_json::Value;

use crate::fixture::Fixture;

/// Failures whose text is better than the recorded one on purpose, with ours; `docs/compatibility.md` lists them.
const BETTER_TEXTS: &[(&str, &str)] = &[
    ("add-missing-config", "Bad request. Required field 'config' not present."),
    ("code-exchange-missing", "Bad request. Required field 'redirect_uri' not present."),
    ("device-missing", "Bad request. Required field 'oidc_device' not present."),
    ("plain-access-token-neither", "Bad request. Required field 'account' or 'issuer' not present."),
    ("plain-id-token-neither", "Bad request. Required field 'account' or 'issuer' not present."),
    ("scopes-missing", "Bad Request: issuer url or configuration endpoint must be given"),
];

fn recorded_failure(fixture: &Fixture) -> Option<String> {
    match Reply::parse(&fixture.reply_text()?) {
        Ok(Reply::Failure(failure)) => Some(failure.error),
        _ => None,
    }
}

#[test]
fn requests_are_recognised_or_refused_as_recorded() {
    let mut parsed = 0;
    for fixture in Fixture::all().iter().filter(|fixture| !fixture.name.starts_with("malformed-")) {
        let (name, text) = (&fixture.name, fixture.request_text());
        match Request::parse(&text) {
            Ok(request) => {
                let value: Value = serde_json::from_slice(&text).unwrap();
                assert_eq!(value["request"], request.name(), "{name}");
                assert_eq!(Request::parse(request.to_json().as_bytes()).as_ref(), Ok(&request), "{name}");
                parsed += 1;
            }
            // A locked agent hides what is wrong with a request; that is the handler's business.
            Err(failure) if name == "lock-8-unknown" => assert_eq!(failure.code, ErrorCode::UnknownRequest),
            Err(failure) => {
                let better = BETTER_TEXTS.iter().find(|(fixture, _)| fixture == name);
                let expected =
                    better.map(|(_, text)| (*text).to_owned()).or_else(|| recorded_failure(fixture));
                assert_eq!(Some(failure.error), expected, "{name}");
            }
        }
    }
    assert!(parsed > 250, "{parsed}");
}

#[test]
fn replies_are_understood_and_written_as_strict_json() {
    for fixture in Fixture::all() {
        let (name, Some(text)) = (&fixture.name, fixture.reply_text()) else { continue };
        let reply = Reply::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let json = reply.to_json();
        let strict: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Reply::parse(json.as_bytes()), Ok(reply.clone()), "{name}");
        assert_eq!(strict["status"], reply.status(), "{name}");
        assert_eq!(strict.get("error").is_some(), matches!(reply, Reply::Failure(_)), "{name}");
        if let Ok(recorded) = serde_json::from_slice::<Value>(&text) {
            assert_eq!(recorded["status"], strict["status"], "{name}");
            for key in [
                "error",
                "info",
                "access_token",
                "id_token",
                "issuer",
                "expires_at",
                "data",
                "client",
                "uri",
                "state",
            ] {
                assert_eq!(recorded.get(key), strict.get(key), "{name}: {key}");
            }
        }
    }
}

#[test]
fn recorded_texts_have_a_code() {
    for fixture in Fixture::all() {
        let Some(Ok(Reply::Failure(failure))) = fixture.reply_text().as_deref().map(Reply::parse) else {
            continue;
        };
        let ours_to_tell = [
            "server_error",
            "invalid_request",
            "No flow",
            "Unknown flow",
            "redirected uri",
            "Not a valid",
            "Could not",
        ];
        if !ours_to_tell.iter().any(|prefix| failure.error.starts_with(prefix)) {
            assert_ne!(failure.code, ErrorCode::Other, "{}: {}", fixture.name, failure.error);
        }
    }
}

#[test]
fn every_code_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md");
    let page = fs_err::read_to_string(page).unwrap();
    for code in ErrorCode::ALL {
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn infos_of_the_c_agents_are_read() {
    let (mut statuses, mut issuers) = (0, 0);
    for fixture in Fixture::all() {
        let Some(Ok(Reply::Success { info: Some(info) })) = fixture.reply_text().as_deref().map(Reply::parse)
        else {
            continue;
        };
        match Request::parse(&fixture.request_text()) {
            Ok(Request::StatusJson) => {
                assert_eq!(AgentStatus::from_info(&info).unwrap().to_info(), info, "{}", fixture.name);
                statuses += 1;
            }
            Ok(Request::AccountInfo) => {
                assert_eq!(IssuerInfos::from_info(&info).unwrap().to_info(), info, "{}", fixture.name);
                issuers += 1;
            }
            Ok(Request::Status) => assert!(info.as_str().unwrap().contains('\n')),
            _ => {}
        }
    }
    assert!(statuses > 4 && issuers > 1);
}

#[test]
fn our_own_requests_and_fields() {
    use oidc_proto::message::{FileFormat, NewProtection, Target};
    let parse = |text: &str| Request::parse(text.as_bytes()).unwrap();
    let Request::AccessToken(token) =
        parse(r#"{"request":"access_token","issuer":"https://op","account":"a","prompt":"none"}"#)
    else {
        panic!()
    };
    assert_eq!((token.target, token.prompt), (Target::Account("a".into()), false));
    let Request::Reset(reset) = parse(r#"{"request":"reset","account":"a","keep_remote":true}"#) else {
        panic!()
    };
    assert!(reset.keep_remote);
    let Request::Passwd(passwd) =
        parse(r#"{"request":"passwd","account":"a","password":"null","format":"oidc-agent"}"#)
    else {
        panic!()
    };
    let NewProtection::Password { password, format } = passwd.protection else { panic!() };
    assert_eq!((password.expose(), format), ("null", Some(FileFormat::OidcAgent)));
    for text in [
        r#"{"request":"passwd","account":"a"}"#,
        r#"{"request":"passwd","account":"a","password":"p","format":"x"}"#,
    ] {
        assert_eq!(Request::parse(text.as_bytes()).unwrap_err().code, ErrorCode::BadRequest);
    }
}

#[test]
fn what_crashes_the_c_agent_is_a_bad_request() {
    for entry in ["7", "[1]", "\"x\"", "true"] {
        let text = format!(r#"{{"request":"add","config":{{"name":"a"}},"pw_entry":{entry}}}"#);
        let failure = Request::parse(text.as_bytes()).unwrap_err();
        assert_eq!(failure.error, "Bad request. Field 'pw_entry' is not an object.", "{entry}");
    }
    let absent = r#"{"request":"add","config":"{\"name\":\"a\"}","pw_entry":"(null)","lifetime":"60s","always_allow_id":1}"#;
    let Ok(Request::Add(add)) = Request::parse(absent.as_bytes()) else { panic!() };
    assert_eq!((add.config.name.as_deref(), add.pw_entry, add.lifetime), (Some("a"), None, Some(60)));
    assert!(add.always_allow_id_token);
}

#[test]
fn debug_shows_no_secret() {
    for fixture in Fixture::all() {
        let shown = format!(
            "{:?} {:?}",
            Request::parse(&fixture.request_text()),
            fixture.reply_text().map(|text| Reply::parse(&text))
        );
        for secret in [
            "client-secret",
            "rt-good",
            "fixture-password",
            "lock-secret",
            "\"at-",
            "\"dc-",
            "dyn-secret",
            "code=abc",
        ] {
            assert!(!shown.contains(secret), "{}: {shown}", fixture.name);
        }
    }
}
