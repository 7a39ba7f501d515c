use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_proto::{
    error_code::ErrorCode,
    message::{
        AccountStatus, AgentStatus, Failure, ProviderFact, ProviderReport, Reply, Request, TokenReply,
        TokenRequest, Validity,
    },
    secret::AccessToken,
};
use serde_json::{Value, json};

use crate::{say::exit::Exit, testing::Bench};

/// A token with the audience and the scopes that were asked for, and besides what `change` makes of them.
fn grant(request: &TokenRequest, life: u64, change: impl Fn(&mut Value)) -> Reply {
    let mut claims = json!({"aud": request.audience, "scope": request.scope, "life": life});
    change(&mut claims);
    let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    Reply::Token(TokenReply {
        access_token: AccessToken::new(token),
        issuer: "https://cms.example/".into(),
        expires_at: Some(now + life),
        scope: None,
        warnings: Vec::new(),
        refresh_token: None,
    })
}

/// An agent with an account, and with a rule for its issuer.
fn agent(
    life: impl Fn(&TokenRequest) -> u64 + Send + 'static,
    change: impl Fn(&mut Value) + Send + 'static,
) -> impl FnMut(&Request) -> Reply + Send + 'static {
    move |request| match request {
        Request::AccessToken(request) => grant(request, life(request), &change),
        Request::StatusJson => {
            let account = AccountStatus {
                name: "acc".into(),
                issuer: "https://cms.example/".into(),
                ..AccountStatus::default()
            };
            let status = AgentStatus {
                loaded_accounts: vec!["acc".into()],
                accounts: vec![account],
                ..AgentStatus::default()
            };
            Reply::success_with(status.to_info())
        }
        Request::Provider(request) => {
            assert_eq!(
                (request.query.issuer.as_deref(), request.at_hand),
                (Some("https://cms.example/"), true)
            );
            let fact = ProviderFact {
                key: "destinations".into(),
                value: json!([{"name": "CMS", "path_begins_at": "/store"}]),
                source: "built in: CMS".into(),
            };
            Reply::success_with(ProviderReport { facts: vec![fact], ..ProviderReport::default() }.to_info())
        }
        other => panic!("{other:?}"),
    }
}

/// Scopes, audience and validity of the requests for tokens.
fn asked(bench: &Bench) -> Vec<(Option<String>, Option<String>, Validity)> {
    let tokens = bench.requests().into_iter().filter_map(|request| match request {
        Request::AccessToken(request) => Some((request.scope, request.audience, request.validity)),
        _ => None,
    });
    tokens.collect()
}

#[test]
fn what_is_asked_for_comes_from_the_address_and_the_issuer() {
    let bench = Bench::new().with_agent(agent(|_| 3600, |_| {}));
    let line = [
        "oidc",
        "token",
        "acc",
        "--for",
        "davs://se.example:8443/dpm/store/x",
        "--read",
        "--create=/dpm/store/t",
    ];
    let ran = bench.run(&line);
    assert!(ran.result.is_ok(), "{ran:?}");
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, ""));
    let text = |text: &str| Some(text.to_owned());
    let expected = (text("storage.read:/store/x storage.create:/store/t"), text("https://se.example:8443"));
    assert_eq!(asked(&bench), [(expected.0, expected.1, Validity::AtLeast(0))]);
}

#[test]
fn options_add_scopes_and_replace_the_audience() {
    let bench = Bench::new().with_agent(agent(|_| 3600, |_| {}));
    let line = [
        "oidc",
        "token",
        "acc",
        "-s",
        "wlcg",
        "--aud",
        "x",
        "-t",
        "5m",
        "--for",
        "condor://ce.example",
        "--exec",
    ];
    assert!(bench.run(&line).result.is_ok());
    assert!(bench.run(&["oidc", "token", "acc", "--for", "https://fts.example:8446"]).result.is_ok());
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        asked(&bench),
        [
            (
                text("compute.create compute.read compute.cancel compute.modify wlcg"),
                text("x"),
                Validity::AtLeast(300)
            ),
            (None, text("https://fts.example:8446"), Validity::AtLeast(0)),
        ]
    );
}

#[test]
fn what_is_missing_is_told_and_with_strict_an_error() {
    let change = |claims: &mut Value| {
        claims["scope"] = "storage.read:/".into();
        claims["aud"] = "https://wlcg.cern.ch/jwt/v1/any".into();
    };
    let bench = Bench::new().with_agent(agent(|_| 3600, change));
    let line = ["oidc", "token", "acc", "--for", "davs://se.example/store/x", "--read", "--modify"];
    let ran = bench.run(&line);
    assert!(ran.result.is_ok(), "{ran:?}");
    for text in [
        "Warning: scope not granted: storage.modify:/store/x\n",
        "Warning: audience not granted: https://se.example\n",
        "the audience of every service",
    ] {
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
    }
    let ran = bench.run(&[&line[..], &["--json"]].concat());
    let value: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        value["missing"],
        json!({"scope": ["storage.modify:/store/x"], "audience": ["https://se.example"]})
    );
    assert_eq!(value["for"], "davs://se.example/store/x");
    assert_eq!(value["warnings"].as_array().map(Vec::len), Some(2), "{value}");
    let ran = bench.run(&[&line[..], &["--strict"]].concat());
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.result.expect_err("not granted").exit(), Exit::NotGranted);
}

#[test]
fn several_live_equally_long_and_come_in_order() {
    // The one for the source is cached and old, and that for the service never lives longer than 20 minutes.
    let life = |request: &TokenRequest| match (request.audience.as_deref(), request.validity) {
        (Some("https://a.example"), Validity::AtLeast(0)) => 600,
        (Some("https://fts.example:8446"), _) => 1200,
        _ => 3600,
    };
    let bench = Bench::new().with_agent(agent(life, |_| {}));
    let line = [
        "oidc",
        "token",
        "acc",
        "--for",
        "davs://a.example/x",
        "--read",
        "--for",
        "davs://b.example/x",
        "--modify",
        "--for",
        "https://fts.example:8446",
    ];
    let ran = bench.run(&line);
    assert!(ran.result.is_ok(), "{ran:?}");
    let claims = |line: &str| -> Value {
        let payload = line.split('.').nth(1).expect("a JWT");
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
    };
    let got: Vec<_> = ran
        .stdout
        .lines()
        .map(claims)
        .map(|claims| (claims["aud"].clone(), claims["life"].clone()))
        .collect();
    let expected =
        [("https://a.example", 3600), ("https://b.example", 3600), ("https://fts.example:8446", 1200)];
    assert_eq!(got, expected.map(|(audience, life)| (json!(audience), json!(life))));
    assert_eq!(asked(&bench).len(), 5, "the first and the last are asked for once more");
    let ran = bench.run(&[&line[..], &["--json"]].concat());
    let value: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(value["tokens"].as_array().map(Vec::len), Some(3));
    assert_eq!(value["tokens"][1]["asked"]["scope"], json!(["storage.modify:/x"]));
    assert_eq!(
        bench.run(&[&line[..], &["--auth-header"]].concat()).result.expect_err("one only").exit(),
        Exit::Usage
    );
}

#[test]
fn an_explanation_needs_nobody() {
    let bench = Bench::new();
    let ran = bench.run(&["oidc", "token", "--for", "root://se.example//store/x", "--read", "--explain"]);
    assert!(ran.result.is_ok(), "{ran:?}");
    assert!(
        ran.stdout.contains("storage.read:/store/x") && ran.stdout.contains("WLCG profile 2.2.1"),
        "{}",
        ran.stdout
    );
    let ran = bench.run(&["oidc", "token", "--for", "condor://ce.example", "--exec", "--explain", "--json"]);
    let value: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(value["destinations"][0]["audience"], "ce.example:9619");
    let bench = Bench::new().with_agent(agent(|_| 3600, |_| {}));
    let ran =
        bench.run(&["oidc", "token", "acc", "--for", "davs://se.example/x/store/y", "--read", "--explain"]);
    assert!(ran.stderr.contains("without /x (CMS) (built in: CMS)"), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 1);
}

#[test]
fn without_our_agent_the_profile_alone_counts() {
    let bench = Bench::new().with_agent(|request| match request {
        Request::AccessToken(request) => grant(request, 3600, |_| {}),
        Request::StatusJson => Reply::success_with(json!({"version": "5.3.3", "loaded_accounts": ["acc"]})),
        _ => Failure::new(ErrorCode::UnknownRequest, "Bad Request: unknown request type").into(),
    });
    assert!(
        bench.run(&["oidc", "token", "acc", "--for", "davs://se.example/x/store/y", "--read"]).result.is_ok()
    );
    assert_eq!(asked(&bench)[0].0.as_deref(), Some("storage.read:/x/store/y"));
}

#[test]
fn rules_count_too_where_only_the_token_tells_the_issuer() {
    let mut answer = agent(|_| 3600, |_| {});
    let bench = Bench::new().with_agent(move |request| match request {
        Request::StatusJson => Failure::new(ErrorCode::UnknownRequest, "unknown").into(),
        request => answer(request),
    });
    let ran = bench.run(&["oidc", "token", "acc", "--for", "davs://se.example/x/store/y", "--read"]);
    assert!(ran.result.is_ok(), "{ran:?}");
    let scopes: Vec<_> = asked(&bench).into_iter().filter_map(|(scope, ..)| scope).collect();
    assert_eq!(scopes, ["storage.read:/x/store/y", "storage.read:/store/y"]);
}

#[test]
fn what_makes_no_sense_is_a_usage_error_without_secrets() {
    let bench = Bench::new();
    for (line, text) in [
        (&["--for", "s3://bucket/x"][..], "STS"),
        (&["--for", "https://me:secret@se example/?authz=secret"], "no token for 'https://se example/'"),
        (&["--read"], "needs a place"),
        (&["--explain"], "belongs to `--for URL`"),
        (&["--for", "https://se.example", "--id-token"], "access tokens"),
        (&["--for", "condor://ce.example", "--read"], "does nothing with files"),
    ] {
        let error = bench.run(&[&["oidc", "token", "acc"][..], line].concat()).result.expect_err(text);
        assert_eq!(error.exit(), Exit::Usage, "{error}");
        assert!(error.to_string().contains(text) && !error.to_string().contains("secret"), "{error}");
    }
}
