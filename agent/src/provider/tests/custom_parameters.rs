//! What a site adds to requests arrives with each kind of them, and with no other.

use std::sync::Arc;

use oidc_proto::{
    custom_parameters::CustomParameters,
    secret::{AuthorizationCode, CodeVerifier, Password, RefreshToken},
};
use url::Url;

use super::{
    super::{
        AuthorizationRequest, Client, DevicePoll, IssuerSettings, PasswordGrant, Provider, Refresh,
        testing::{Reply, Scripted, open, soon},
    },
    TOKENS,
};

const CLIENT: Client<'_> =
    Client { id: "c", secret: None, key: None, registered_method: None, account: Some("one") };

async fn provider(entries: &str) -> (Scripted, Arc<Provider>) {
    let op = Scripted::provider(|asked| match asked.path.as_str() {
        "/device" => Reply::json(r#"{"device_code":"d","user_code":"U","verification_uri":"https://op/d"}"#),
        _ => Reply::json(TOKENS),
    })
    .await;
    let parameters = Arc::new(CustomParameters::parse(entries).0);
    let provider = open(&op.issuer(), IssuerSettings { parameters, ..IssuerSettings::default() });
    (op, provider)
}

/// Sends a request of each kind; what was added to each, by the kind's name.
async fn added(op: &Scripted, provider: &Provider) -> Vec<(&'static str, Option<String>)> {
    let value = |text: &str| {
        let mut pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        pairs.find(|(name, _)| name == "extra").map(|(_, value)| value)
    };
    let last = |path: &str| value(&op.asked(path).last().expect("a request").body);
    let token = RefreshToken::from("rt0");
    let refresh =
        Refresh { client: CLIENT, refresh_token: &token, scope: None, granted_scope: None, audience: None };
    provider.refresh(refresh, soon()).await.expect("tokens");
    let mut added = vec![("refresh", last("/token"))];
    let request = AuthorizationRequest {
        client_id: "c",
        redirect_uri: "http://localhost:4242",
        scope: "openid",
        state: "s",
        audience: None,
        offline: true,
        account: Some("one"),
    };
    let authorization = provider.authorization_request(request, soon()).await.expect("an address");
    let url = Url::parse(&authorization.url).expect("a URL");
    added.push(("auth_url", value(url.query().unwrap_or_default())));
    let (code, verifier) = (AuthorizationCode::from("code0"), CodeVerifier::from("verifier0"));
    provider.exchange_code(CLIENT, &code, "http://localhost:4242", verifier, soon()).await.expect("tokens");
    added.push(("code-exchange", last("/token")));
    let device = provider.authorize_device(CLIENT, "openid", None, soon()).await.expect("a device login");
    added.push(("device-init", last("/device")));
    let poll = provider.poll_device(CLIENT, &device, None, soon()).await.expect("an answer");
    assert!(matches!(poll, DevicePoll::Granted(_)));
    added.push(("device-polling", last("/token")));
    provider.revoke(CLIENT, &token, soon()).await.expect("revoked");
    added.push(("revocation", last("/revoke")));
    let password = Password::from("secret0");
    let grant =
        PasswordGrant { client: CLIENT, username: "u", password: &password, scope: "openid", audience: None };
    provider.password_grant(grant, soon()).await.expect("tokens");
    added.push(("password", last("/token")));
    added
}

#[tokio::test]
async fn each_kind_of_request_has_its_own() {
    let kinds =
        ["refresh", "auth_url", "code-exchange", "device-init", "device-polling", "revocation", "password"];
    for kind in kinds {
        let entries = format!(
            r#"[{{"parameter":"extra","value":"a b&c","for_account":["one"],"request":["{kind}"]}},
                {{"parameter":"extra","value":"x","for_account":["two"],"request":["refresh"]}}]"#
        );
        let (op, provider) = provider(&entries).await;
        for (sent, value) in added(&op, &provider).await {
            let expected = (sent == kind).then_some("a b&c");
            assert_eq!(value.as_deref(), expected, "{sent} with an addition to {kind}");
        }
    }
}

#[tokio::test]
async fn values_come_from_files_and_variables_as_they_are_now() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("value");
    let entries = format!(
        r#"[{{"parameter":"extra","value":"{}","for_account":["one"],"request":["refresh"]}},
            {{"parameter":"path","value":"$PATH","for_account":["one"],"request":["refresh"]}}]"#,
        file.display()
    );
    let (op, provider) = provider(&entries).await;
    let token = RefreshToken::from("rt0");
    let refresh =
        Refresh { client: CLIENT, refresh_token: &token, scope: None, granted_scope: None, audience: None };
    let error = provider.refresh(refresh, soon()).await.expect_err("no file").to_string();
    assert!(error.contains("'extra'") && error.contains(&file.display().to_string()), "{error}");
    assert!(op.asked("/token").is_empty(), "nothing is sent without it");
    for value in ["first", "second"] {
        fs_err::write(&file, format!("{value}\nmore\n")).expect("written");
        provider.refresh(refresh, soon()).await.expect("tokens");
        let sent = op.asked("/token").last().expect("a request").body.clone();
        let sent: Vec<(String, String)> = url::form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
        assert!(sent.contains(&("extra".into(), value.into())), "{sent:?}");
        assert!(sent.iter().any(|(name, value)| name == "path" && value.contains('/')), "{sent:?}");
    }
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_named() {
    let entries =
        r#"[{"parameter":"extra","value":"$SURELY_NOT_SET_0","for_account":["one"],"request":["refresh"]}]"#;
    let (_op, provider) = provider(entries).await;
    let token = RefreshToken::from("rt0");
    let refresh =
        Refresh { client: CLIENT, refresh_token: &token, scope: None, granted_scope: None, audience: None };
    let error = provider.refresh(refresh, soon()).await.expect_err("no variable").to_string();
    assert!(error.contains("SURELY_NOT_SET_0"), "{error}");
}
