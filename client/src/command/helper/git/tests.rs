use super::*;

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
        assert_eq!(refused(&asked(&lines)).as_ref(), expected, "{lines}");
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
