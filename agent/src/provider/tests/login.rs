//! Getting the first tokens.

use std::collections::HashMap;

use oidc_proto::secret::{AuthorizationCode, Password};
use url::Url;

use super::{
    super::{
        AuthorizationRequest, Client, DEFAULT_INTERVAL, DevicePoll, PasswordGrant, ProviderErrorKind,
        testing::{Asked, Reply, Scripted, soon},
    },
    TOKENS,
};

const PUBLIC: Client<'_> =
    Client { id: "c", secret: None, key: None, registered_method: None, account: None };

/// The parameters of a form or a query.
fn parameters(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn the_code_flow_from_url_to_tokens() {
    let op = Scripted::provider(|_| Reply::json(TOKENS)).await;
    let provider = op.open();
    let request = AuthorizationRequest {
        client_id: "c",
        redirect_uri: "http://localhost:4242",
        scope: "openid offline_access",
        state: "0:0x:1:L",
        audience: Some("https://x"),
        offline: true,
        account: None,
    };
    let authorization = provider.authorization_request(request, soon()).await.expect("an address");
    let url = Url::parse(&authorization.url).expect("a URL");
    let asked = parameters(url.query().unwrap_or_default());
    for (name, value) in [
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", "c"),
        ("redirect_uri", "http://localhost:4242"),
        ("scope", "openid offline_access"),
        ("prompt", "consent"),
        ("state", "0:0x:1:L"),
        ("code_challenge_method", "S256"),
        ("resource", "https://x"),
    ] {
        assert_eq!(asked.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(asked.get("nonce"), authorization.nonce.as_ref());
    assert!(!asked.contains_key("access_type"));

    let code = AuthorizationCode::from("4/0Ab+c");
    let verifier = authorization.code_verifier.clone();
    provider.exchange_code(PUBLIC, &code, "http://localhost:4242", verifier, soon()).await.expect("tokens");
    let sent = parameters(&op.asked("/token")[0].body);
    assert_eq!(sent["grant_type"], "authorization_code");
    assert_eq!(sent["code"], "4/0Ab+c");
    assert_eq!(sent["redirect_uri"], "http://localhost:4242");
    assert_eq!(sent["client_id"], "c");
    assert_eq!(sent["code_verifier"], authorization.code_verifier.expose());
}

#[tokio::test]
async fn a_browser_is_never_sent_to_anything_but_the_web() {
    let op = Scripted::start(|_, issuer| {
        Reply::json(format!(r#"{{"issuer":"{issuer}","authorization_endpoint":"javascript:alert(1)"}}"#))
    })
    .await;
    let request = AuthorizationRequest {
        client_id: "c",
        redirect_uri: "http://localhost:1",
        scope: "openid",
        state: "s",
        audience: None,
        offline: false,
        account: None,
    };
    let error = op.open().authorization_request(request, soon()).await.err().expect("no web address");
    assert!(matches!(error.kind(), ProviderErrorKind::InsecureUrl { .. }), "{error}");
}

#[tokio::test]
async fn the_answering_issuer_is_checked() {
    for (announced, iss, accepted) in [
        (true, Some("own"), true),
        (true, None, false),
        (true, Some("https://evil.example"), false),
        // RFC 9207 section 2.4 wants simple string comparison.
        (true, Some("own with another slash"), false),
        (false, None, true),
        (false, Some("own"), true),
        (false, Some("https://evil.example"), false),
    ] {
        let op = Scripted::start(move |_, issuer| {
            Reply::json(format!(
                r#"{{"issuer":"{issuer}","authorization_response_iss_parameter_supported":{announced}}}"#
            ))
        })
        .await;
        let issuer = op.issuer();
        let with_slash = format!("{issuer}/");
        let iss = iss.map(|iss| match iss {
            "own" => issuer.as_str(),
            "own with another slash" => &with_slash,
            other => other,
        });
        let checked = op.open().check_authorization_issuer(iss, soon()).await;
        assert_eq!(checked.is_ok(), accepted, "{announced} {iss:?}");
    }
}

#[tokio::test]
async fn login_scopes_follow_the_quirks() {
    let op = Scripted::provider(|_| Reply::Hang).await;
    let scope = |offline| {
        let provider = op.open();
        async move { provider.login_scope("profile offline_access", offline, soon()).await.expect("scopes") }
    };
    assert_eq!(scope(true).await, "profile offline_access openid");
    assert_eq!(scope(false).await, "profile openid");
    let silent = op.open_with(r#"{"default_scopes":"openid wlcg"}"#);
    assert_eq!(silent.login_scope(" ", true, soon()).await.expect("scopes"), "openid wlcg offline_access");
    let google = op.open_with(r#"{"offline_access_scope":false}"#);
    assert_eq!(google.login_scope("profile", true, soon()).await.expect("scopes"), "profile openid");
}

#[tokio::test]
async fn the_device_flow_from_code_to_tokens() {
    let script = |asked: &Asked| match asked.path.as_str() {
        "/device" => Reply::json(
            r#"{"device_code":"dc","user_code":"AB-CD","verification_uri":"https://op.example/d"}"#,
        ),
        _ => match parameters(&asked.body).get("audience").map(String::as_str) {
            Some("pending") => {
                Reply::status(400, r#"{"error":"authorization_pending","error_description":"x"}"#)
            }
            Some("slow") => Reply::status(400, r#"{"error":"slow_down"}"#),
            Some("denied") => Reply::status(400, r#"{"error":"access_denied"}"#),
            _ => Reply::json(TOKENS),
        },
    };
    let op = Scripted::provider(script).await;
    let provider = op.open();
    let started = provider.authorize_device(PUBLIC, "openid", None, soon()).await.expect("started");
    assert_eq!((started.user_code.as_str(), started.interval), ("AB-CD", DEFAULT_INTERVAL));
    let asked = parameters(&op.asked("/device")[0].body);
    assert_eq!((asked["client_id"].as_str(), asked["scope"].as_str()), ("c", "openid"));
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(op.asked("/device")[0].body.matches("client_id=").count(), 1);

    let poll = |audience| provider.poll_device(PUBLIC, &started, audience, soon());
    assert!(matches!(poll(Some("pending")).await, Ok(DevicePoll::Pending)));
    assert!(matches!(poll(Some("slow")).await, Ok(DevicePoll::SlowDown)));
    assert!(poll(Some("denied")).await.expect_err("denied").to_string().ends_with("access_denied"));
    assert!(matches!(poll(None).await, Ok(DevicePoll::Granted(_))));
    let verifier = started.code_verifier.as_ref().expect("PKCE").expose().to_owned();
    assert_eq!(parameters(&op.asked("/token")[3].body)["code_verifier"], verifier);
}

#[tokio::test]
async fn a_device_endpoint_of_the_user_goes_first() {
    let op = Scripted::provider(|_| {
        Reply::json(r#"{"device_code":"dc","user_code":"A","verification_uri":"https://op.example/d"}"#)
    })
    .await;
    let own = format!("{}/own", op.issuer());
    let provider = op.open_with(r#"{"device_pkce":false}"#);
    let _started = provider.authorize_device(PUBLIC, "openid", Some(&own), soon()).await.expect("started");
    assert_eq!(op.asked("/own")[0].body, "client_id=c&scope=openid");
}

#[tokio::test]
async fn the_password_grant_encodes_the_password() {
    let op = Scripted::provider(|_| Reply::json(TOKENS)).await;
    let password = Password::from("p&w% +");
    let grant = PasswordGrant {
        client: PUBLIC,
        username: "me",
        password: &password,
        scope: "openid",
        audience: None,
    };
    op.open().password_grant(grant, soon()).await.expect("tokens");
    assert_eq!(parameters(&op.asked("/token")[0].body)["password"], "p&w% +");
}
