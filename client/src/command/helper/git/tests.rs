use oidc_proto::{
    message::{Reply, Request, TokenReply},
    secret::AccessToken,
};

use super::*;
use crate::{
    say::dialect::Dialect,
    testing::{Bench, Ran},
};

fn asked(lines: &str) -> Attributes {
    Attributes::parse(lines.as_bytes()).expect("a question")
}

#[test]
fn a_token_is_sent_as_configured_else_as_offered_else_as_bearer() {
    use Scheme::{Basic, Bearer};
    for (configured, lines, expected) in [
        (None, "", Basic),
        (Some(Bearer), "", Basic),
        (None, "capability[]=authtype", Bearer),
        (Some(Basic), "capability[]=authtype\nwwwauth[]=Bearer x", Basic),
        (None, "capability[]=authtype\nwwwauth[]=Basic realm=\"x\"", Basic),
        (None, "capability[]=authtype\nwwwauth[]=Basic x\nwwwauth[]=bearer", Bearer),
        (None, "capability[]=authtype\nwwwauth[]=Negotiate", Bearer),
        (Some(Bearer), "capability[]=authtype\nwwwauth[]=Basic x", Bearer),
    ] {
        assert_eq!(scheme(configured, &asked(lines)), expected, "{configured:?} {lines}");
    }
}

#[test]
fn the_refused_token_is_known_by_its_state_or_by_itself() {
    let digest = TokenDigest::of("tok");
    for (lines, expected) in [
        (format!("state[]=other.x\nstate[]=oidc.{digest}\npassword=else"), Some(&digest)),
        ("authtype=Bearer\ncredential=tok".to_owned(), Some(&digest)),
        ("username=oauth2\npassword=tok".to_owned(), Some(&digest)),
        ("state[]=oidc.nonsense\npassword=tok".to_owned(), Some(&digest)),
        ("username=me\npassword=".to_owned(), None),
        ("host=a".to_owned(), None),
    ] {
        let found = refused(&asked(&lines));
        assert_eq!(found.as_ref().map(|refused| &refused.digest), expected, "{lines}");
        let is_ours = lines.contains(&format!("oidc.{digest}"));
        assert_eq!(found.is_some_and(|refused| refused.is_ours), is_ours, "{lines}");
    }
}

#[test]
fn only_this_computer_may_be_talked_to_in_clear() {
    for (host, is) in [
        ("localhost", true),
        ("localhost:8080", true),
        ("127.0.0.1:1", true),
        ("127.9.9.9", true),
        ("[::1]:80", true),
        ("localhost.example", false),
        ("127.0.0.1.example", false),
        ("10.0.0.1", false),
        ("", false),
    ] {
        assert_eq!(is_loopback(host), is, "{host}");
    }
}

#[test]
fn an_answer_has_what_this_git_knows() {
    let handed = super::super::hand_over::HandedOver {
        token: zeroize::Zeroizing::new("tok".to_owned()),
        expires_at: Some(17),
    };
    let basic = "username=me\npassword=tok\npassword_expiry_utc=17\n";
    assert_eq!(answer::write(Scheme::Basic, "me", &handed, None).as_str(), basic);
    let bearer = "capability[]=authtype\ncapability[]=state\nauthtype=Bearer\ncredential=tok\nephemeral=1\n\
                  password_expiry_utc=17\nstate[]=oidc.x\n";
    assert_eq!(answer::write(Scheme::Bearer, "me", &handed, Some("oidc.x")).as_str(), bearer);
}

#[test]
fn only_what_git_can_ask_for_is_a_host() {
    for (text, is) in [
        ("git.example", true),
        ("git.example:8443", true),
        ("[::1]:8443", true),
        ("https://git.example", false),
        ("*.git.example", false),
        ("a\nb", false),
        ("git.example/x", false),
        ("git.example:0", false),
        ("", false),
    ] {
        assert_eq!(host(text).is_ok(), is, "{text:?}");
    }
}

#[test]
fn without_a_host_there_is_a_section_for_each_that_is_known() {
    let bench = Bench::new().with_account("acc");
    let print = || bench.run(&["oidc", "helper", "git", "--print-config"]);
    assert_eq!(print().result.expect_err("no host").exit(), Exit::Usage);
    let hosts = "[[host]]\nhost = \"git.example\"\naccount = \"acc\"\n[[host]]\nhost = \"*.b.example\"\naccount = \"acc\"\n";
    fs_err::write(bench.file("helpers.toml"), hosts).expect("written");
    let printed = print();
    printed.result.expect("printed");
    for host in ["git.example", "*.b.example"] {
        let begins = format!("[credential \"https://{host}\"]\n\thelper =\n\thelper = \"");
        assert!(printed.stdout.contains(&begins), "{}", printed.stdout);
    }
    assert!(!printed.stdout.contains("--host"), "{}", printed.stdout);
}

/// What git is told where it says these lines, and how that ended.
fn answered(bench: &Bench, operation: &str, lines: &str) -> (Ran, bool) {
    let helper = HelperArgs { account: Some("acc".into()), time: 60, ..HelperArgs::default() };
    let args = GitArgs { operation: None, host: None, helper };
    let ran = bench.run_as(Dialect::Ours, false, |context| match operation {
        "get" => args.get(&asked(lines), context),
        _ => args.erase(&asked(lines), context),
    });
    let is_told = bench.requests().iter().any(|request| matches!(request, Request::Refused(_)));
    (ran, is_told)
}

fn agent(request: &Request) -> Reply {
    let token = |text: &str| {
        Reply::Token(TokenReply {
            access_token: AccessToken::from(text),
            issuer: "https://op.example/".into(),
            expires_at: Some(4_000_000_000),
            scope: None,
            warnings: Vec::new(),
            refresh_token: None,
        })
    };
    match request {
        Request::Refused(_) => token("new"),
        _ => token("tok"),
    }
}

#[test]
fn where_a_token_would_travel_in_clear_nobody_else_is_asked_for_one() {
    let bench = Bench::new().with_agent(agent);
    let (ran, _) = answered(&bench, "get", "protocol=http\nhost=git.example");
    assert_eq!(ran.stdout, "quit=1\n");
    assert_eq!(ran.result.expect_err("in clear").exit(), Exit::Refused);
    assert!(bench.requests().is_empty());
    let (ran, _) = answered(&bench, "get", "protocol=http\nhost=localhost:8080");
    assert!(ran.stdout.contains("password=tok"), "{ran:?}");
}

#[test]
fn the_agent_is_not_told_of_passwords_that_are_not_its_tokens() {
    let state = format!("state[]=oidc.{}", TokenDigest::of("tok"));
    for (lines, told, says) in [
        ("username=x\npassword=y", false, "is not the token that there is now"),
        ("username=oauth2\npassword=tok", true, "there is a new one now"),
        (state.as_str(), true, "there is a new one now"),
    ] {
        let bench = Bench::new().with_agent(agent);
        let lines = format!("protocol=https\nhost=git.example\n{lines}");
        let (ran, is_told) = answered(&bench, "erase", &lines);
        assert!(ran.result.is_ok() && ran.stderr.contains(says), "{lines}: {ran:?}");
        assert_eq!(is_told, told, "{lines}");
    }
}
