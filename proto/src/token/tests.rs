//! Every sample token comes out as its folder says.

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokens")
}

fn sample(name: &str) -> Vec<u8> {
    fs_err::read(samples().join(name)).expect("a sample")
}

fn keys() -> KeySet {
    KeySet::parse(&sample("jwks.json")).expect("keys")
}

/// What a reason in words is as a code.
fn code(reason: &str) -> &'static str {
    match reason {
        "alg none" => "alg_none",
        "HMAC" => "alg_hmac",
        "signature" => "signature",
        "no such key" => "key_unknown",
        "key is not for signatures" => "key_not_for_signatures",
        "key of another type" => "key_of_another_type",
        "crit" => "crit",
        "expired" => "expired",
        "nbf" => "not_yet_valid",
        "iat in the future" => "issued_in_the_future",
        "exp missing" => "exp_missing",
        "exp is no number" => "exp_not_a_number",
        "exp out of range" => "exp_out_of_range",
        "unknown major version" => "version",
        "duplicate claim" => "duplicate_member",
        reason => panic!("an unknown reason: {reason}"),
    }
}

fn refusals(found: &FoundToken, now: u64, issuer: Option<&str>) -> Vec<&'static str> {
    let kind = Kind::of(&found.token, found.found_as);
    let mut problems = judge(&found.token, &kind, Expected { now, issuer, audiences: &[] });
    problems.extend(check_signature(&found.token, &keys()));
    problems.iter().filter(|problem| problem.refuses()).map(|problem| problem.code).collect()
}

#[test]
fn samples_come_out_as_said() {
    let expected: Value = serde_json::from_slice(&sample("expected.json")).expect("JSON");
    let issuer = expected["issuer"].as_str();
    for (name, said) in expected["files"].as_object().expect("files") {
        let found = find(&sample(name));
        let verdict = said["verify"].as_str().expect("a verdict");
        if verdict == "no token" {
            let instead = found.expect_err(name).to_string();
            for reason in said["reasons"].as_array().into_iter().flatten() {
                let words = match reason.as_str().expect("a text") {
                    "not three parts" => "4 parts",
                    "payload is no JSON" => "payload is no JSON",
                    reason => panic!("an unknown reason: {reason}"),
                };
                assert!(instead.contains(words), "{name}: {instead}");
            }
            continue;
        }
        let found = found.unwrap_or_else(|instead| panic!("{name}: it is {instead}"));
        let count = said["count"].as_u64().unwrap_or(1);
        assert_eq!(found.tokens.len() as u64, count, "{name}");
        let at = said["at"].as_u64().expect("a time");
        for token in &found.tokens {
            let kind = Kind::of(&token.token, token.found_as);
            if let Some(expected) = said["kind"].as_str() {
                let words = kind.to_string();
                let fits = words == expected
                    || kind.name() == expected.to_lowercase()
                    || words.starts_with(&format!("{expected} "));
                assert!(fits, "{name}: {words} instead of {expected}");
            }
            let codes = refusals(token, at, None);
            match verdict {
                "ok" => assert!(codes.is_empty(), "{name}: {codes:?}"),
                "cannot" => assert!(
                    token.token.is_opaque() || token.token.is_encrypted() || kind.class == Class::Condor,
                    "{name}: {kind}"
                ),
                "other issuer" => assert_eq!(refusals(token, at, issuer), ["issuer"], "{name}"),
                "refused" => {
                    assert!(!codes.is_empty(), "{name}");
                    for reason in said["reasons"].as_array().into_iter().flatten() {
                        let code = code(reason.as_str().expect("a text"));
                        assert!(codes.contains(&code), "{name}: no {code} in {codes:?}");
                    }
                }
                verdict => panic!("an unknown verdict: {verdict}"),
            }
        }
    }
}

#[test]
fn what_is_no_token_is_named() {
    for (name, words) in [
        ("not-error-page.html", "an HTML page with the title '502 Bad Gateway'"),
        ("not-certificate.pem", "an X.509 certificate"),
        ("not-empty", "empty"),
        ("not-blank", "empty"),
        ("jwks.json", "a set of keys (JWKS)"),
    ] {
        assert_eq!(find(&sample(name)).expect_err(name).to_string(), words);
    }
    for (text, words) in [
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n",
            "an X.509 proxy: a certificate with its key",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIB\n", "a private key"),
        (
            r#"{"error":"invalid_grant","error_description":"gone"}"#,
            "the answer of a provider that refused: 'invalid_grant', 'gone'",
        ),
        (r#"{"a":1}"#, "JSON without a token"),
        ("hello", "another text"),
        ("\0\u{1}\0", "no text"),
    ] {
        assert_eq!(find(text.as_bytes()).expect_err(text).to_string(), words);
    }
    let accounts = samples().join("../accounts/ok");
    if let Some(file) = fs_err::read_dir(accounts).ok().and_then(|mut all| all.next()) {
        let bytes = fs_err::read(file.expect("a file").path()).expect("a file");
        assert!(matches!(find(&bytes), Err(Instead::AccountFile(_))));
    }
}

#[test]
fn the_names_beside_a_token_are_kept() {
    let response = find(&sample("form-token-response.json")).expect("tokens");
    let names: Vec<_> = response.tokens.iter().map(|found| found.found_as).collect();
    assert_eq!(names, [Some("access_token"), Some("id_token")]);
    assert!(response.has_refresh_token);
    assert_eq!(Kind::of(&response.tokens[1].token, response.tokens[1].found_as).class, Class::Id);
    let page = find(&sample("form-cmsweb.json")).expect("a token");
    assert_eq!(page.tokens[0].also_as, ["id_token"]);
    assert!(find(&sample("form-cmsweb.txt")).expect("a token").has_refresh_token);
}

#[test]
fn a_refresh_token_is_told_of_where_there_is_nothing_else() {
    let top =
        find(br#"{"refresh_token":"a-secret-of-condor","scopes":"a,b","audience":"x"}"#).expect("a token");
    assert_eq!((top.tokens.len(), top.tokens[0].found_as), (1, Some("refresh_token")));
    assert!(!top.has_refresh_token);
    let pelican = find(br#"{"access_token":"an-opaque-token","refresh_token":"r"}"#).expect("a token");
    assert_eq!((pelican.tokens.len(), pelican.tokens[0].found_as), (1, Some("access_token")));
    assert!(pelican.has_refresh_token);
}

/// A token of these claims, with a signature that is none.
fn written(header: &str, claims: &str) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(header), part(claims), part("no signature at all, but long enough"))
}

#[test]
fn a_refresh_token_beside_others_is_set_aside() {
    let access = String::from_utf8(sample("keycloak-access.jwt")).expect("text");
    let refresh = written(r#"{"alg":"HS512"}"#, r#"{"typ":"Refresh","iss":"https://op","jti":"canary"}"#);
    let page = format!("{}\nAccessToken:\n{access}\nRefreshToken:\n{refresh}\n", "é".repeat(4095));
    let found = find(page.as_bytes()).expect("tokens");
    assert_eq!((found.tokens.len(), found.has_refresh_token), (1, true));
    let alone = find(refresh.as_bytes()).expect("a token");
    assert_eq!((alone.tokens.len(), alone.has_refresh_token), (1, false));
}

#[test]
fn a_claim_without_a_line_of_its_own_is_among_the_others() {
    let text = written(
        r#"{"alg":"ES256"}"#,
        r#"{"iss":5,"sub":"me","aud":5,"exp":"soon","iat":1,"scope":"a","scp":"b","wlcg.groups":["/g"],"groups":["h"]}"#,
    );
    let token = Token::parse(&text).expect("a token");
    let jwt = token.signed().expect("a JWT");
    let others = jwt.claims.object().members().keys().filter(|name| !jwt.is_shown_by_itself(name));
    assert_eq!(others.collect::<Vec<_>>(), ["iss", "aud", "exp", "scp", "groups"]);
}

#[test]
fn opaque_tokens_are_found_where_something_says_so() {
    const TOKEN: &str = "P0Zk1UjcctZytXUt-nwYN1vV3rATFa_eklocVx4lBso";
    for text in [
        format!("{TOKEN}\n"),
        format!("Authorization: Bearer {TOKEN}\r\n"),
        format!("curl -H 'Authorization: bearer {TOKEN}' https://x"),
        format!("export BEARER_TOKEN=\"{TOKEN}\""),
        format!("oauth2:{TOKEN}:iam.example.org"),
        format!("AccessToken:\n{TOKEN}\nAccessExpire: 1200\nRefreshToken:\nother\n"),
        format!(r#"{{"access_token":"{TOKEN}","expires_in":1}}"#),
        format!(r#"{{"status":{{"token":"{TOKEN}"}}}}"#),
    ] {
        let found = find(text.as_bytes()).unwrap_or_else(|instead| panic!("{text}: it is {instead}"));
        assert_eq!(found.tokens.len(), 1, "{text}");
        assert_eq!(found.tokens[0].token.expose(), TOKEN, "{text}");
    }
    for text in ["short", "Bearer $TOKEN", "a bearer token", "two words that are long enough"] {
        assert!(find(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn every_form_survives_what_happens_to_files() {
    let names = fs_err::read_dir(samples()).expect("samples").map(|file| file.expect("a file").file_name());
    let names: Vec<_> = names.map(|name| name.into_string().expect("text")).collect();
    assert!(names.len() > 40);
    for (number, name) in names.iter().enumerate() {
        let bytes = sample(name);
        for end in (0..bytes.len()).step_by(53) {
            look(&bytes[..end]);
            look(&bytes[end..]);
        }
        look(&bytes.repeat(2));
        // Each tenth, as it takes its time.
        if number % 10 == 0 {
            look(&bytes.repeat((1 << 20) / bytes.len().max(1) + 1));
        }
    }
}

#[test]
fn a_megabyte_of_anything_is_soon_read() {
    for unit in [
        "eyJ",
        "eyJhbGci",
        "eyJ.",
        "eyJ\n",
        "e30.",
        "ey\n",
        "{\"a\":",
        "[",
        ".",
        "\n",
        "bearer ",
        "<title",
        "e30.e30\n",
        "=eyJ",
    ] {
        look(unit.repeat((1 << 20) / unit.len()).as_bytes());
    }
    let header = "eyJhbGciOiJSUzI1NiJ9.";
    look(format!("{header}{}", "a\n".repeat(1 << 19)).as_bytes());
    look(format!("{header}e30.{}", "a\n".repeat(1 << 19)).as_bytes());
}

fn look(bytes: &[u8]) {
    match find(bytes) {
        Ok(found) => {
            for token in &found.tokens {
                refusals(token, 1_795_600_060, Some("https://iam.example.org/"));
            }
        }
        Err(instead) => assert!(!instead.to_string().is_empty()),
    }
}

#[test]
fn audiences_are_compared_as_they_stand() {
    let found = find(&sample("wlcg-ver-1.3-aud-array.jwt")).expect("a token");
    let kind = Kind::of(&found.tokens[0].token, None);
    let refused = |audiences: &[&str]| {
        let audiences: Vec<_> = audiences.iter().map(ToString::to_string).collect();
        let expected = Expected { now: 1_795_600_060, issuer: None, audiences: &audiences };
        judge(&found.tokens[0].token, &kind, expected).iter().any(|problem| problem.code == "audience")
    };
    assert!(!refused(&[]) && !refused(&["https://se.example.org"]));
    assert!(!refused(&["x", "root://se.example.org:1094"]));
    assert!(refused(&["https://se.example.org/"]) && refused(&["HTTPS://se.example.org"]));
}

proptest! {
    #[test]
    fn any_text_is_read(text in ".{0,400}") {
        look(text.as_bytes());
    }

    #[test]
    fn any_claims_are_judged(header in "\\{.{0,40}\\}", claims in "\\{.{0,80}\\}") {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        look(format!("{}.{}.x", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims)).as_bytes());
    }

    #[test]
    fn a_token_is_the_same_however_it_is_wrapped(width in 20_usize..200, end in prop_oneof!["\n", "\r\n", " \n  "]) {
        let token = String::from_utf8(sample("wlcg-rs256.jwt")).expect("text");
        let lines: Vec<_> = token.trim().as_bytes().chunks(width).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        let found = find(lines.join(&end).as_bytes()).expect("a token");
        prop_assert_eq!(found.tokens.len(), 1);
        prop_assert_eq!(found.tokens[0].token.expose(), token.trim());
    }
}
