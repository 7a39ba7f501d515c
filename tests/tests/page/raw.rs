//! Requests that are wrong in one thing, and what they get: nothing.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    require,
    scene::{ACCOUNT, Scene, access_token},
};
use rustix::{process::Uid, thread::set_thread_res_uid};
use serde_json::json;

use crate::visitor::{Address, Answer, Post};

#[test]
fn whoever_is_in_gets_tokens_as_every_program_does() {
    let scene = Scene::loaded();
    let held = scene.ask(json!({}));
    let address = Address::of(&scene.agent);
    let visitor = address.open();

    let state = visitor.ask("/state", &json!({}));
    assert_eq!(state.status, 200, "{state:?}");
    assert!(!state.body.contains(access_token(&held)), "a token is given out only when it is asked for");
    let account = &state.json()["accounts"][0];
    assert_eq!((&account["name"], &account["confirm"]), (&json!(ACCOUNT), &json!(false)));
    assert_eq!(account["token"]["expires_at"], held["expires_at"]);
    assert!(state.json()["ends_at"].as_u64() > state.json()["now"].as_u64());

    let token = visitor.ask("/token", &json!({"account": ACCOUNT})).json();
    assert_eq!(access_token(&token), access_token(&held), "from the cache");
    let token = visitor.ask("/token", &json!({"account": ACCOUNT, "new": true})).json();
    assert_ne!(access_token(&token), access_token(&held));
    let token = visitor.ask("/token", &json!({"account": ACCOUNT, "scope": "openid"})).json();
    assert_eq!(oidc_tests::scene::claims(access_token(&token))["scope"], "openid");
    let failed = visitor.ask("/token", &json!({"account": "other"})).json();
    assert_eq!(failed["error_code"], "account_not_loaded", "{failed}");
}

#[test]
fn a_request_that_is_wrong_in_one_thing_gets_nothing_and_is_logged_without_secrets() {
    let scene = Scene::loaded();
    let held = scene.ask(json!({}));
    let address = Address::of(&scene.agent);
    let visitor = address.open();
    let (evil, here) = ("evil.example", format!("http://127.0.0.1:{}", address.port));
    let token = || visitor.post("/token").body(&json!({"account": ACCOUNT}));
    let replayed = Post::to("/open").body(&json!({"secret": address.secret}));
    for (what, request, status) in [
        ("a rebound name", token().with("host", evil), 403),
        ("a rebound name with the port", token().with("host", &format!("{evil}:{}", address.port)), 403),
        ("another name of this computer", token().with("host", &format!("localhost:{}", address.port)), 403),
        ("no host", token().without("host"), 403),
        ("another site", token().with("origin", &format!("http://{evil}")), 403),
        ("another port", token().with("origin", "http://127.0.0.1:1"), 403),
        ("a sandbox", token().with("origin", "null"), 403),
        ("no origin", token().without("origin"), 403),
        ("another site, by the browser's word", token().with("sec-fetch-site", "cross-site"), 403),
        ("another port, by the browser's word", token().with("sec-fetch-site", "same-site"), 403),
        ("a form", token().with("content-type", "application/x-www-form-urlencoded"), 403),
        ("plain text", token().with("content-type", "text/plain"), 403),
        ("no type", token().without("content-type"), 403),
        ("no cookie", token().without("cookie"), 403),
        ("another cookie", token().with("cookie", &format!("oidc-page-{}=x", address.port)), 403),
        ("the cookie of another port", token().with("cookie", "oidc-page-1=x"), 403),
        ("no word", token().without("x-oidc-page"), 403),
        ("another word", token().with("x-oidc-page", &visitor.cookie), 403),
        ("by a visit", token().by("GET"), 404),
        ("before it is allowed to", token().by("OPTIONS"), 404),
        ("by another method", token().by("PUT"), 404),
        ("something else", visitor.post("/other"), 404),
        ("a whole URL", Post::to(&format!("{here}/state")), 403),
        ("the secret again", replayed, 403),
        ("a guessed secret", Post::to("/open").body(&json!({"secret": "x"})), 403),
        ("no secret and no cookie", Post::to("/open"), 403),
        ("something that is no wish", visitor.post("/token").body(&json!({"account": ACCOUNT, "x": 1})), 403),
        ("no object", visitor.post("/token").body(&json!([ACCOUNT])), 403),
    ] {
        let answer = Answer::read(&address.exchange(request.encode(address.port).as_bytes()));
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{what}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
        assert_eq!(answer.header("set-cookie"), None, "{what}");
    }
    assert_eq!(visitor.ask("/state", &json!({})).status, 200, "who is in stays in");
    let log = scene.agent.log();
    assert!(log.contains("got nothing"), "{log}");
    let cookie = visitor.cookie.split_once('=').expect("a value").1;
    for secret in [&address.secret, cookie, &visitor.word, access_token(&held)] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_pasted_token_is_judged_by_keys_of_issuers_that_are_known() {
    let scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    let visitor = address.open();
    let token = access_token(&scene.ask(json!({}))).to_owned();
    let (stranger, mut changed) = (Scene::loaded(), token.clone());
    let foreign = access_token(&stranger.ask(json!({}))).to_owned();
    // Another first character of the signature.
    let at = changed.rfind('.').expect("a signature") + 1;
    changed.replace_range(at..=at, if changed[at..].starts_with('A') { "B" } else { "A" });
    let asked = stranger.provider.log().requests().len();
    for (pasted, verdict, says) in [
        (token.clone(), "good", "nothing is wrong with it"),
        (format!("Authorization: Bearer {token}"), "good", ""),
        (changed, "bad", "signature is wrong"),
        (foreign, "unknown", "nobody here knows the issuer"),
        ("opaque-token-0123456789".to_owned(), "unknown", "cannot be verified here"),
    ] {
        let answer = visitor.ask("/inspect", &json!({"text": pasted}));
        let told = &answer.json()["tokens"][0];
        assert_eq!(told["verdict"], verdict, "{answer:?}");
        assert!(answer.body.contains(says), "{says}: {answer:?}");
        assert!(!answer.body.contains(&token), "what was pasted does not come back");
    }
    assert_eq!(stranger.provider.log().requests().len(), asked, "it was not asked");
    let nothing = visitor.ask("/inspect", &json!({"text": "<html><title>Log in</title></html>"})).json();
    assert!(nothing["error"].to_string().contains("this is no token, it is an HTML page"), "{nothing}");
    assert!(!scene.agent.log().contains(&token));
}

#[test]
fn a_page_that_is_loaded_again_is_in_by_its_cookie() {
    let scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    let visitor = address.open();
    let again = Post::to("/open").with("cookie", &visitor.cookie);
    let answer = Answer::read(&address.exchange(again.encode(address.port).as_bytes()));
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    assert_ne!(answer.json()["word"], json!(visitor.word));
    // What leads to another site does not carry the cookie; a page at another port does, and is told apart.
    let elsewhere = again.with("sec-fetch-site", "same-site").with("origin", "http://127.0.0.1:1");
    assert_eq!(Answer::read(&address.exchange(elsewhere.encode(address.port).as_bytes())).status, 403);
}

#[test]
fn what_everybody_may_see_holds_no_secret_and_is_kept_by_nobody() {
    let scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    address.open();
    for path in ["/", "/page.css", "/page.js", "/account.js", "/page.svg"] {
        let visit =
            Post::to(path).by("GET").without("origin").without("content-type").with("sec-fetch-site", "none");
        let answer = Answer::read(&address.exchange(visit.encode(address.port).as_bytes()));
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(rule) && !policy.contains("unsafe"), "{policy}");
        }
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(!answer.body.contains(ACCOUNT) && !answer.body.contains(&address.secret), "{path}");
    }
}

#[test]
fn nothing_is_read_without_an_end() {
    let scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    let visitor = address.open();
    let long = "x".repeat(70 * 1024);
    let long_body = visitor.post("/token").body(&json!({"account": long})).encode(address.port);
    assert_eq!(Answer::read(&address.exchange(long_body.as_bytes())).status, 403);
    let head = visitor.post("/token").with("x-long", &long).encode(address.port);
    let refused = Answer::read(&address.exchange(head.as_bytes()));
    assert!([431, 400, 0].contains(&refused.status), "{refused:?}");
    // Without a length that could be refused: a piece after the other.
    let chunked = visitor.post("/token").with("transfer-encoding", "chunked").encode(address.port);
    let (head, _) = chunked.split_once("content-length").expect("a head");
    let piece = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let endless = format!("{head}\r\n{}", piece.repeat(40));
    assert_eq!(Answer::read(&address.exchange(endless.as_bytes())).status, 403);
    assert_eq!(visitor.ask("/state", &json!({})).status, 200);
}

#[test]
fn slow_ones_hold_nobody_up_and_are_not_waited_for() {
    let scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    let visitor = address.open();
    let request = visitor.post("/state").encode(address.port);
    let mut slow: Vec<_> = (0..10).map(|_| address.connect().expect("a connection")).collect();
    for stream in &mut slow {
        stream.write_all(b"POST /state HTTP/1.1\r\nhost: ").expect("sent");
    }
    // All but the last byte of a body.
    let mut half = address.connect().expect("a connection");
    half.write_all(&request.as_bytes()[..request.len() - 1]).expect("sent");
    let began = Instant::now();
    assert_eq!(visitor.ask("/state", &json!({})).status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut answer = String::new();
    half.read_to_string(&mut answer).expect("an answer");
    assert_eq!(Answer::read(&answer).status, 403, "{answer}");
    for mut stream in slow {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn another_user_is_not_read_from() {
    let Some(()) = require::root() else { return };
    let scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    let request = Post::to("/open").body(&json!({"secret": address.secret})).encode(address.port);
    let heard = thread::scope(|scope| {
        let stranger = || {
            let nobody = Uid::from_raw(65534);
            set_thread_res_uid(nobody, nobody, nobody).expect("root may become anybody");
            address.exchange(request.as_bytes())
        };
        scope.spawn(stranger).join().expect("no panic")
    });
    assert_eq!(heard, "", "with the secret in hand, and yet");
    address.open();
    assert!(scene.agent.log().contains("of another user"), "{}", scene.agent.log());
}
