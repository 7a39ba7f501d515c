//! The command over every sample token, and over what the agent answers.

use std::path::{Path, PathBuf};

use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, Introspection, Reply, Request, TokenReply},
    secret::AccessToken,
};
use serde_json::{Value, json};

use crate::{
    command::json_tests::expect_documented,
    say::exit::Exit,
    testing::{Bench, Ran},
};

const AT: &str = "--at=1795600060";

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokens")
}

fn sample(name: &str) -> String {
    samples().join(name).to_str().expect("text").to_owned()
}

fn text(name: &str) -> String {
    fs_err::read_to_string(samples().join(name)).expect("text").trim().to_owned()
}

fn exit(ran: &Ran) -> Exit {
    ran.result.as_ref().err().map_or(Exit::Success, crate::context::error::Error::exit)
}

/// Everything that was printed, and the error.
fn said(ran: &Ran) -> String {
    let error = ran.result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    format!("{}{}{error}", ran.stdout, ran.stderr)
}

fn offline(name: &str, more: &[&str]) -> Ran {
    let (file, keys) = (sample(name), sample("jwks.json"));
    let line = ["oidc", "inspect", &file, "--verify", "--jwks", &keys];
    Bench::new().run(&[&line[..], more].concat())
}

#[test]
fn every_sample_is_verified_as_its_folder_says() {
    let expected: Value = serde_json::from_str(&text("expected.json")).expect("JSON");
    for (name, about) in expected["files"].as_object().expect("files") {
        let at = format!("--at={}", about["at"].as_u64().unwrap_or(0));
        let ran = offline(name, &[&at, "--json"]);
        let verdict = about["verify"].as_str().expect("a verdict");
        if verdict == "no token" {
            assert_eq!(exit(&ran), Exit::NoToken, "{name}: {ran:?}");
            continue;
        }
        expect_documented("| `oidc inspect` |", &ran.stdout);
        let result: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let tokens = result["tokens"].as_array().expect("tokens");
        assert_eq!(tokens.len() as u64, about["count"].as_u64().unwrap_or(1), "{name}");
        for token in tokens {
            let (verified, exit) = (&token["verified"], exit(&ran));
            match verdict {
                "ok" | "other issuer" => {
                    assert_eq!((verified, exit), (&json!(true), Exit::Success), "{name}");
                }
                "cannot" => assert_eq!((verified, exit), (&json!(null), Exit::TokenRefused), "{name}"),
                _ => {
                    assert_eq!(verified, &json!(false), "{name}: {token}");
                    assert_ne!(exit, Exit::Success, "{name}");
                }
            }
        }
    }
}

#[test]
fn every_sample_is_shown_and_no_signature_is() {
    for file in fs_err::read_dir(samples()).expect("samples") {
        let name = file.expect("a file").file_name().into_string().expect("text");
        if matches!(name.as_str(), "README.md" | "expected.json" | "jwks.json") {
            continue;
        }
        let content =
            String::from_utf8_lossy(&fs_err::read(samples().join(&name)).expect("bytes")).into_owned();
        for more in [&[][..], &["--json"], &["--verify", "--jwks", &sample("jwks.json")]] {
            let ran = Bench::new().run(&[&["oidc", "inspect", &sample(&name), AT][..], more].concat());
            let said = said(&ran);
            assert!(!said.is_empty(), "{name}");
            let harmful = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}');
            assert!(!said.contains(harmful), "{name}: {said:?}");
            // The end of a signature, and an opaque token as a whole.
            for line in content.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)) {
                if let Some((_, signature)) = line.rsplit_once('.').filter(|(_, end)| end.len() > 20) {
                    assert!(!said.contains(&signature[signature.len() - 20..]), "{name} {more:?}");
                }
            }
            if name == "opaque" {
                assert!(!said.contains(content.trim()));
            }
            assert!(!said.contains("r-opaque") && !said.contains("opaque-refresh"), "{name}");
        }
    }
}

#[test]
fn a_person_reads_what_a_token_says() {
    let ran = Bench::new().run(&["oidc", "inspect", &sample("wlcg-rs256.jwt"), AT]);
    for words in [
        "WLCG access token 1.0\n",
        "  issuer       https://iam.example.org/\n",
        "  audience     https://wlcg.cern.ch/jwt/v1/any\n",
        "storage.modify:/store/temp/user  create, change and delete /store/temp/user and everything below\n",
        "  groups       /demo\n               /demo/pilots\n",
        ", in 59 min\n",
        "  signed       RS256, key rsa1 (not verified)\n",
        "  size         874 bytes\n",
        "\n  client_id  c-1\n",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} in {}", ran.stdout);
    }
    assert!(ran.result.is_ok() && ran.stderr.is_empty(), "{ran:?}");
    let names = ["client_id", "jti", "wlcg.ver"];
    let places: Vec<_> = names.iter().map(|name| ran.stdout.find(&format!("  {name}"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{}", ran.stdout);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let ran = offline("expired-and-wrong-key.jwt", &[AT]);
    assert!(ran.stdout.contains("(expired)") && ran.stdout.contains("(signature)"), "{}", ran.stdout);
    assert_eq!(exit(&ran), Exit::BadSignature);
    let ran = offline("wlcg-rs256.jwt", &[AT, "--aud", "https://x", "--issuer", "https://other.example"]);
    assert!(ran.stdout.contains("(issuer)"), "{}", ran.stdout);
    let ran = offline("rfc9068.jwt", &[AT, "--aud", "https://x", "--issuer", "https://other.example"]);
    assert!(ran.stdout.contains("(issuer)") && ran.stdout.contains("(audience)"), "{}", ran.stdout);
    assert_eq!(exit(&ran), Exit::TokenRefused);
    let ran = offline("wlcg-rs256.jwt", &[AT]);
    assert!(ran.stdout.contains("verified: the issuer signed it"), "{}", ran.stdout);
}

#[test]
fn the_exit_status_alone_says_what_is_wrong() {
    for (name, at, exit_status) in [
        ("wlcg-rs256.jwt", AT, Exit::Success),
        ("wlcg-rs256.jwt", "--at=1795603600", Exit::TokenExpired),
        ("not-yet-valid.jwt", AT, Exit::TokenNotYetValid),
        ("forged-alg-none.jwt", AT, Exit::BadSignature),
        ("wlcg-ver-2.jwt", AT, Exit::TokenRefused),
        ("not-empty", AT, Exit::NoToken),
    ] {
        let ran = Bench::new().run(&["oidc", "inspect", "--quiet", &sample(name), at]);
        assert_eq!((exit(&ran), ran.stdout.as_str()), (exit_status, ""), "{name}");
    }
    assert_eq!(exit(&offline("forged-payload.jwt", &["-q", AT])), Exit::BadSignature);
}

#[test]
fn one_thing_can_be_had_alone() {
    let file = sample("keycloak-access.jwt");
    for (option, line) in [
        ("--claim=aud[1]", "cms-go\n"),
        ("--claim=realm_access.roles", "[\"offline_access\"]\n"),
        ("--claim=header.kid", "rsa1\n"),
        ("--exp", "1795601200\n"),
        ("--remaining", "1140\n"),
    ] {
        let ran = Bench::new().run(&["oidc", "inspect", &file, AT, option]);
        assert_eq!(ran.stdout, line, "{option}");
    }
    let ran = Bench::new().run(&["oidc", "inspect", &file, "--at=1795601210", "--remaining"]);
    assert_eq!(ran.stdout, "-10\n");
    let ran = Bench::new().run(&["oidc", "inspect", &file, "--claim=nothing"]);
    assert_eq!((exit(&ran), ran.stdout.as_str()), (Exit::Failure, ""));
}

#[test]
fn a_token_may_stand_in_the_argument_itself() {
    let token = text("wlcg-rs256.jwt");
    for what in [token.clone(), format!("Bearer {token}"), text("form-curl.txt"), text("form-oauth2.txt")] {
        let ran = Bench::new().run(&["oidc", "inspect", AT, "--claim=jti", &what]);
        assert_eq!(ran.stdout, "d1f0b5c2-0001\n");
    }
    let ran = Bench::new().run(&["oidc", "inspect", "no-such-file"]);
    assert_eq!(exit(&ran), Exit::NoToken);
    assert!(said(&ran).contains("'no-such-file' is neither a token nor a file"), "{ran:?}");
    let ran = Bench::new().run(&["oidc", "inspect", "hunter2-secret-@-opaque"]);
    assert!(exit(&ran) == Exit::NoToken && !said(&ran).contains("hunter2"), "{ran:?}");
    let ran = Bench::new().run(&["oidc", "inspect", &token[..60]]);
    assert!(said(&ran).contains("it has 2 parts"), "{ran:?}");
    assert!(!said(&ran).contains(&token[..60]), "{ran:?}");
}

fn keys(request: &Request) -> Reply {
    match request {
        Request::IssuerKeys(request) if request.issuer == "https://iam.example.org/" || request.named => {
            Reply::success_with(serde_json::from_str::<Value>(&text("jwks.json")).expect("JSON"))
        }
        Request::IssuerKeys(_) => Failure::new(ErrorCode::UnknownIssuer, "unknown").into(),
        Request::AccessToken(_) => Reply::Token(TokenReply {
            access_token: AccessToken::new("an-opaque-token-canary".to_owned()),
            issuer: "https://op.example/".to_owned(),
            expires_at: Some(1_795_600_120),
            scope: None,
            warnings: Vec::new(),
            refresh_token: None,
        }),
        Request::Introspect(_) => Reply::success_with(
            Introspection {
                source: "introspection".to_owned(),
                active: Some(false),
                claims: serde_json::from_value(json!({"active": false, "sub": "me"})).expect("an object"),
                remarks: Vec::new(),
            }
            .to_info(),
        ),
        _ => Failure::unknown_request().into(),
    }
}

#[test]
fn keys_come_from_the_agent_and_the_token_stays_here() {
    let bench = Bench::new().with_agent(keys);
    let ran = bench.run(&["oidc", "inspect", &sample("wlcg-rs256.jwt"), "--verify", AT, "--json"]);
    assert!(ran.result.is_ok(), "{ran:?}");
    for request in bench.requests() {
        assert!(
            matches!(&request, Request::IssuerKeys(asked) if asked.kid.as_deref() == Some("rsa1") && !asked.named)
        );
        assert!(!request.to_json().contains("eyJ"));
    }
    let ran = bench.run(&["oidc", "inspect", &sample("keycloak-access.jwt"), "--verify", AT]);
    assert_eq!(exit(&ran), Exit::TokenRefused);
    assert!(ran.stdout.contains("--issuer https://sso.example.org/auth/realms/demo"), "{}", ran.stdout);
    let line = ["oidc", "inspect", &sample("keycloak-access.jwt"), "--verify", AT, "--issuer"];
    let ran = bench.run(&[&line[..], &["https://sso.example.org/auth/realms/demo"]].concat());
    assert!(ran.result.is_ok(), "{ran:?}");
}

#[test]
fn every_code_of_a_problem_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs_err::read_to_string(root.join("docs/inspect.md")).expect("the page");
    let mut codes = 0;
    for file in [
        "proto/src/token/judge.rs",
        "proto/src/token/signed_by.rs",
        "proto/src/destination/judge.rs",
        "client/src/command/inspect/mod.rs",
        "client/src/command/inspect/verify.rs",
    ] {
        let source = fs_err::read_to_string(root.join(file)).expect("a source");
        for after in ["Problem::error(", "Problem::warning(", "no_keys("]
            .iter()
            .flat_map(|call| source.split(call).skip(1))
        {
            // The first text that looks like a code.
            let Some(code) = after.split('"').nth(1) else { continue };
            if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                codes += 1;
                assert!(page.contains(&format!("`{code}`")), "{code} of {file}");
            }
        }
    }
    assert!(codes > 30, "{codes}");
}

#[test]
fn an_agent_that_cannot_do_it_is_told_from_a_bad_token() {
    let bench = Bench::new().with_agent(|_| Failure::unknown_request().into());
    let ran = bench.run(&["oidc", "inspect", &sample("wlcg-rs256.jwt"), "--verify", AT]);
    assert_eq!(exit(&ran), Exit::Failure);
    assert!(ran.stdout.contains("--jwks FILE"), "{}", ran.stdout);
    let ran = bench.run(&["oidc", "inspect", &sample("opaque"), "--account", "acc", "--introspect"]);
    assert!(said(&ran).contains("it is of another program or older"), "{ran:?}");
}

#[test]
fn an_opaque_token_of_an_account_has_what_others_say() {
    let bench = Bench::new().with_agent(keys);
    let ran = bench.run(&["oidc", "inspect", "--account", "acc", "--remaining", AT]);
    assert_eq!(ran.stdout, "60\n");
    let ran = bench.run(&["oidc", "inspect", "--account", "acc", "--introspect", AT]);
    assert!(ran.stdout.contains("introspection): the token is not valid"), "{}", ran.stdout);
    assert!(ran.stdout.contains("(inactive)") && !said(&ran).contains("canary"), "{}", ran.stdout);
    let ran = bench.run(&["oidc", "inspect", "--account", "acc", "--json", AT]);
    expect_documented("| `oidc inspect` |", &ran.stdout);
    assert!(!ran.stdout.contains("canary"));
}

#[test]
fn of_several_the_worst_is_told_and_what_was_not_judged_is_not_good() {
    let jwks = sample("jwks.json");
    let judged = |texts: &[String]| {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("tokens");
        fs_err::write(&file, texts.join("\n\n")).expect("a file");
        let file = file.to_str().expect("text").to_owned();
        exit(&Bench::new().run(&["oidc", "inspect", "--quiet", "--verify", "--jwks", &jwks, AT, &file]))
    };
    let (good, expired, forged) =
        (text("wlcg-rs256.jwt"), text("not-yet-valid.jwt"), text("forged-other-key.jwt"));
    assert_eq!(judged(std::slice::from_ref(&good)), Exit::Success);
    assert_eq!(judged(&[good.clone(), expired.clone(), forged.clone()]), Exit::BadSignature);
    assert_eq!(judged(&[good.clone(), forged, expired]), Exit::BadSignature);
    assert_eq!(judged(&[good, "eyJhbGciOiJFUzI1NiJ9.eyJzdWIi.x.y.z".to_owned()]), Exit::TokenRefused);
}

#[test]
fn a_token_that_has_to_be_refused_is_taken_nowhere() {
    let forged = sample("forged-other-key.jwt");
    let jwks = sample("jwks.json");
    let ran = Bench::new().run(&[
        "oidc",
        "inspect",
        "--json",
        "--verify",
        "--jwks",
        &jwks,
        AT,
        "--for",
        "davs://se.example/store/temp/user",
        "--read",
        &forged,
    ]);
    assert!(ran.stdout.contains("\"taken\":false"), "{}", ran.stdout);
}
