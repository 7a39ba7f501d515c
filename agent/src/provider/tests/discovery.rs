//! Finding a provider.

use super::super::{
    IssuerSettings, ProviderErrorKind,
    testing::{Reply, Scripted, open, soon},
};
use crate::clock::Clock;

/// A document of that issuer.
fn document(issuer: &str) -> Reply {
    Reply::json(format!(r#"{{"issuer":"{issuer}","token_endpoint":"{issuer}/token"}}"#))
}

#[tokio::test]
async fn metadata_are_fetched_once() {
    let op = Scripted::provider(|_| Reply::Hang).await;
    let provider = op.open();
    let (one, other) = tokio::join!(provider.metadata(soon()), provider.metadata(soon()));
    assert_eq!(one, other);
    provider.metadata(soon()).await.expect("metadata");
    assert_eq!(op.asked("/.well-known/openid-configuration").len(), 1);
}

#[tokio::test]
async fn every_well_known_address_is_tried() {
    for (place, miss) in [
        ("/a/.well-known/openid-configuration", Reply::status as fn(u16, &'static str) -> Reply),
        ("/.well-known/openid-configuration/a", Reply::status),
        ("/.well-known/oauth-authorization-server/a", Reply::status),
        ("/a/.well-known/oauth-authorization-server", Reply::status),
    ] {
        for (status, body) in
            [(404, ""), (404, "not found"), (404, r#"{"error":"x"}"#), (200, " <html>start page</html>")]
        {
            let op = Scripted::start(move |asked, issuer| {
                if asked.path == place { document(&format!("{issuer}/a/")) } else { miss(status, body) }
            })
            .await;
            let provider = open(&format!("{}/a", op.issuer()), IssuerSettings::default());
            let metadata = provider.metadata(soon()).await.expect(place);
            assert_eq!(*metadata.issuer, format!("{}/a/", op.issuer()), "the provider's own spelling");
        }
    }
}

#[tokio::test]
async fn an_oauth_provider_is_looked_for_in_its_place_first() {
    let op = Scripted::start(|_, issuer| document(issuer)).await;
    let provider = open(&op.issuer(), IssuerSettings { oauth: true, ..IssuerSettings::default() });
    provider.metadata(soon()).await.expect("metadata");
    assert_eq!(op.asked("/.well-known/oauth-authorization-server").len(), 1);
    assert_eq!(op.asked("/.well-known/openid-configuration").len(), 0);
}

#[tokio::test]
async fn nothing_found_and_nonsense_are_told() {
    let op = Scripted::start(|_, _| Reply::status(404, "")).await;
    let error = op.open().metadata(soon()).await.expect_err("nothing there");
    assert!(error.to_string().contains("metadata at one of the well-known addresses"), "{error}");
    let op = Scripted::start(|_, _| Reply::json("oops")).await;
    let error = op.open().metadata(soon()).await.expect_err("no JSON");
    assert!(
        error.to_string().starts_with("Provider answered with unexpected response, JSON expected"),
        "{error}"
    );
    let op = Scripted::start(|_, _| Reply::status(500, "")).await;
    let error = op.open().metadata(soon()).await.expect_err("broken");
    assert!(error.to_string().starts_with("Received Http Status Code 500"), "{error}");
}

#[tokio::test]
async fn another_issuer_is_refused() {
    for found in [
        r#"{"issuer":"https://evil.example"}"#,
        r#"{"issuer":"http://127.0.0.1//"}"#,
        // Of Azure's address for all its tenants: any of them could answer.
        r#"{"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}"#,
        "{}",
    ] {
        let op = Scripted::start(move |_, _| Reply::json(found)).await;
        let error = op.open().metadata(soon()).await.expect_err("another issuer");
        assert!(matches!(error.kind(), ProviderErrorKind::IssuerMismatch { .. }), "{error}");
        assert!(error.to_string().contains(&op.issuer()), "both are named: {error}");
    }
}

#[tokio::test]
async fn redirects_are_followed_for_metadata_only_so_far_and_never_into_the_open() {
    for status in [301, 302, 303, 307, 308] {
        let op = Scripted::start(move |asked, issuer| match asked.path.as_str() {
            "/.well-known/openid-configuration" => {
                Reply::with_header(status, "location: /elsewhere", "moved")
            }
            _ => document(issuer),
        })
        .await;
        op.open().metadata(soon()).await.unwrap_or_else(|error| panic!("{status}: {error}"));
    }
    for location in ["http://op.example/", "/.well-known/openid-configuration", "file:///etc/passwd"] {
        let op =
            Scripted::start(move |_, _| Reply::with_header(302, &format!("location: {location}"), "")).await;
        op.open().metadata(soon()).await.expect_err(location);
    }
}

#[tokio::test]
async fn a_provider_elsewhere_is_not_followed_to_this_machine() {
    let here = Scripted::start(|_, issuer| document(issuer)).await;
    // Its name is not this machine's, though its port is.
    let elsewhere = "https://op.example".to_owned();
    let settings = |config_endpoint: String| IssuerSettings {
        config_endpoint: Some(config_endpoint),
        ..IssuerSettings::default()
    };
    let provider = open(&elsewhere, settings(format!("{}/metadata", here.issuer())));
    let error = provider.metadata(soon()).await.expect_err("on this machine");
    assert!(matches!(error.kind(), ProviderErrorKind::StrayUrl { .. }), "{error}");

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("metadata.json");
    let token_endpoint = format!("{}/token", here.issuer());
    fs_err::write(&path, format!(r#"{{"issuer":"{elsewhere}","token_endpoint":"{token_endpoint}"}}"#))
        .expect("written");
    let provider = open(&elsewhere, settings(format!("file://{}", path.display())));
    let error = super::refresh(&provider, None, None).await.expect_err("on this machine");
    assert!(matches!(error.kind(), ProviderErrorKind::StrayUrl { .. }), "{error}");
    assert_eq!(here.connections(), 0);
}

#[tokio::test]
async fn a_byte_order_mark_is_passed_over() {
    let op = Scripted::start(|_, issuer| Reply::json(format!("\u{feff}{{\"issuer\":\"{issuer}\"}}"))).await;
    op.open().metadata(soon()).await.expect("metadata");
}

#[tokio::test]
async fn issuer_data_that_change_count_at_once_and_the_table_is_bounded() {
    use std::sync::{Arc, Mutex};

    use oidc_proto::account::AccountConfig;

    let settings = Arc::new(Mutex::new(IssuerSettings::default()));
    let current = settings.clone();
    let providers =
        super::super::Providers::new(Clock::system(), move |_| current.lock().expect("no panic").clone());
    let account = |issuer: String| AccountConfig { issuer_url: Some(issuer), ..AccountConfig::default() };
    let one = account("https://op.example".to_owned());
    let before = providers.provider(&one).expect("a provider");
    assert!(Arc::ptr_eq(&before, &providers.provider(&one).expect("a provider")));
    settings.lock().expect("no panic").legacy_aud_mode = Some(true);
    let after = providers.provider(&one).expect("a provider");
    assert!(!Arc::ptr_eq(&before, &after));
    for number in 0..1000 {
        providers.provider(&account(format!("https://op.example/{number}"))).expect("a provider");
        // What is used stays.
        assert!(Arc::ptr_eq(&after, &providers.provider(&one).expect("a provider")));
    }
    assert!(providers.count() <= 256);
}

#[tokio::test]
async fn a_config_endpoint_replaces_the_search() {
    let op = Scripted::start(|asked, issuer| match asked.path.as_str() {
        "/metadata" => document(issuer),
        _ => Reply::status(404, ""),
    })
    .await;
    let at = |config_endpoint: String| {
        let settings = IssuerSettings { config_endpoint: Some(config_endpoint), ..IssuerSettings::default() };
        open(&op.issuer(), settings)
    };
    at(format!("{}/metadata", op.issuer())).metadata(soon()).await.expect("metadata");
    let error = at(format!("{}/other", op.issuer())).metadata(soon()).await.expect_err("nothing there");
    assert!(matches!(error.kind(), ProviderErrorKind::Status { status: 404, .. }), "{error}");

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("metadata.json");
    fs_err::write(&path, format!(r#"{{"issuer":"{}"}}"#, op.issuer())).expect("written");
    at(format!("file://{}", path.display())).metadata(soon()).await.expect("metadata");
    fs_err::write(&path, r#"{"issuer":"https://other"}"#).expect("written");
    let error = at(format!("file://{}", path.display())).metadata(soon()).await.expect_err("another issuer");
    assert!(matches!(error.kind(), ProviderErrorKind::IssuerMismatch { .. }), "{error}");
    for wrong in ["file:///nowhere/at/all", "file://host/x"] {
        let error = at(wrong.to_owned()).metadata(soon()).await.expect_err(wrong);
        assert!(matches!(error.kind(), ProviderErrorKind::Configuration { .. }), "{error}");
    }
}

#[test]
fn accounts_share_a_provider() {
    use oidc_proto::account::AccountConfig;
    let account = |issuer: &str, cert_path: Option<&str>| AccountConfig {
        issuer_url: Some(issuer.to_owned()),
        cert_path: cert_path.map(str::to_owned),
        ..AccountConfig::default()
    };
    let providers = super::super::Providers::new(Clock::system(), |_| IssuerSettings::default());
    let of = |issuer, cert_path| providers.provider(&account(issuer, cert_path)).expect("a provider");
    let one = of("https://op.example", None);
    assert!(std::sync::Arc::ptr_eq(
        &one,
        &of("https://op.example/", Some("/etc/ssl/certs/ca-certificates.crt"))
    ));
    assert!(!std::sync::Arc::ptr_eq(&one, &of("https://op.example", Some("/own/ca.pem"))));
    assert!(!std::sync::Arc::ptr_eq(&one, &of("https://op.example/path", None)));
    assert!(providers.provider(&account("http://op.example", None)).is_err());
    assert!(providers.provider(&AccountConfig::default()).is_err());
}
