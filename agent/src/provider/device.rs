//! The device authorization grant (RFC 8628).

use std::time::Duration;

use oidc_proto::{
    custom_parameters::RequestKind,
    json::Object,
    secret::{CodeVerifier, DeviceCode},
};
use tokio::time::Instant;
use url::Url;

use super::{
    Provider,
    client_authentication::Client,
    error::{ProviderError, ProviderErrorKind, Unsupported},
    form::Form,
    http::Repeat,
    mytoken::Mytoken,
    pkce::Pkce,
    text::presentable,
    token_endpoint::{Known, Target},
    token_response::TokenResponse,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// RFC 8628 section 3.2: the interval when none is named.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// RFC 8628 section 3.5: what each `slow_down` adds to the interval, for good.
pub const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The longest interval that is believed. A provider that really wants more says `slow_down`.
const MAX_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// The longest life of a device code that is believed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A login that waits for the person (RFC 8628 section 3.2).
#[derive(Clone, Debug)]
#[must_use]
pub struct DeviceAuthorization {
    /// What to poll with.
    pub device_code: DeviceCode,
    /// What the person types.
    pub user_code: String,
    /// Where the person types it; http or https.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// How long the codes live; absent: the provider does not say.
    pub expires_in: Option<Duration>,
    /// Least time between two polls.
    pub interval: Duration,
    /// What to poll with where the request was sent with PKCE.
    pub code_verifier: Option<CodeVerifier>,
}

/// What polling found.
#[derive(Debug)]
pub enum DevicePoll {
    /// The person is not done; go on.
    Pending,
    /// Go on, with the interval longer by [`SLOW_DOWN`].
    SlowDown,
    /// The person agreed.
    Granted(Box<TokenResponse>),
    /// The person agreed at a mytoken server.
    Mytoken(Box<Mytoken>),
}

impl Provider {
    /// Starts a login. The account's own endpoint, if the user set one, goes before the one of the metadata.
    pub async fn authorize_device(
        &self,
        client: Client<'_>,
        scope: &str,
        endpoint: Option<&str>,
        deadline: Instant,
    ) -> Result<DeviceAuthorization, ProviderError> {
        let known = self.known(deadline).await?;
        let Known { metadata, quirks } = &known;
        let endpoint = endpoint
            .or(self.settings.device_authorization_endpoint.as_deref())
            .or(metadata.device_authorization_endpoint.as_deref());
        let endpoint = self.endpoint(endpoint, Unsupported::DeviceAuthorization)?;
        // Not required, but strict Keycloak clients refuse a device request without.
        let pkce = quirks.device_pkce.then(|| Pkce::new(metadata));
        let challenge = pkce.as_ref().map(Pkce::challenge);
        let form = Form::default()
            .with("client_id", client.id)
            .with("scope", scope)
            .with_some("code_challenge_method", pkce.as_ref().map(Pkce::method))
            .with_some("code_challenge", challenge.as_deref());
        let custom = self.custom_parameters(RequestKind::DeviceInit, client.account, deadline).await?;
        let form = form.with_custom(&custom);
        let target = Target { order: &quirks.device_client_authentication, ..known.at(endpoint) };
        let (answer, _) = self.client_request(target, client, &form, Repeat::IfUnprocessed, deadline).await?;
        DeviceAuthorization::from_object(&answer, &self.issuer, pkce.map(|pkce| pkce.verifier))
            .map_err(|what| self.http.error(ProviderErrorKind::BadResponse { what }))
    }

    /// Asks once whether the person is done. Nothing is sent after `deadline`; the answer to what was sent is waited
    /// for as long as it may come, for it may spend the code.
    ///
    /// An error ends the login (`access_denied`, `expired_token`) unless it is transient.
    pub async fn poll_device(
        &self,
        client: Client<'_>,
        authorization: &DeviceAuthorization,
        audience: Option<&str>,
        deadline: Instant,
    ) -> Result<DevicePoll, ProviderError> {
        let mut form = Form::grant(GRANT_TYPE).with_secret("device_code", authorization.device_code.expose());
        if let Some(verifier) = &authorization.code_verifier {
            form = form.with_secret("code_verifier", verifier.expose());
        }
        match self.audience_request(client, form, audience, Repeat::Spends, deadline).await {
            Ok(granted) => Ok(DevicePoll::Granted(Box::new(granted))),
            Err(error) => DevicePoll::of_error(error),
        }
    }
}

impl DevicePoll {
    /// What an error means for a login: two of them, that it goes on.
    pub(crate) fn of_error(error: ProviderError) -> Result<Self, ProviderError> {
        match error.kind() {
            ProviderErrorKind::Refused(refusal) if refusal.error == "authorization_pending" => {
                Ok(Self::Pending)
            }
            ProviderErrorKind::Refused(refusal) if refusal.error == "slow_down" => Ok(Self::SlowDown),
            _ => Err(error),
        }
    }
}

impl DeviceAuthorization {
    /// Reads the answer; the error is what is missing. Google says `verification_url`.
    fn from_object(
        answer: &Object,
        issuer: &str,
        code_verifier: Option<CodeVerifier>,
    ) -> Result<Self, &'static str> {
        let uri = |keys: [&str; 2]| {
            keys.iter().find_map(|key| answer.text(key)).and_then(|uri| web_address(uri.trim(), issuer))
        };
        let (expires_in, interval) = Self::times(answer);
        let user_code = answer.text("user_code").ok_or("user_code")?;
        Ok(Self {
            device_code: answer.string("device_code").map(DeviceCode::new).ok_or("device_code")?,
            user_code: presentable(&user_code, &[]),
            verification_uri: uri(["verification_uri", "verification_url"]).ok_or("verification_uri")?,
            verification_uri_complete: uri(["verification_uri_complete", "verification_url_complete"]),
            expires_in,
            interval,
            code_verifier,
        })
    }

    /// How long a login may take, and the least time between two polls, as an answer says and as far as it is believed.
    pub(crate) fn times(answer: &Object) -> (Option<Duration>, Duration) {
        let seconds = |key| {
            let seconds = answer.integer(key).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
            seconds.map(Duration::from_secs)
        };
        let interval = seconds("interval").map_or(DEFAULT_INTERVAL, |interval| interval.min(MAX_INTERVAL));
        (seconds("expires_in").map(|life| life.min(MAX_LIFETIME)), interval)
    }
}

/// An address that a browser may be sent to; anything else in its place would be opened by who knows what.
///
/// Some providers leave out the scheme, or the host as well: then it is meant as `https`, or relative to the issuer.
pub(crate) fn web_address(uri: &str, issuer: &str) -> Option<String> {
    let base = Url::parse(issuer).ok()?;
    let address = match Url::parse(uri) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        _ if uri.is_empty() => return None,
        _ if begins_with_host(uri) => {
            let url = Url::parse(&format!("https://{uri}")).ok()?;
            if url.host() == base.host() {
                Url::parse(&format!("{}://{uri}", base.scheme())).ok()?
            } else {
                url
            }
        }
        Err(url::ParseError::RelativeUrlWithoutBase) if uri.starts_with('/') => base.join(uri).ok()?,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            Url::parse(&format!("{}/", issuer.trim_end_matches('/'))).ok()?.join(uri).ok()?
        }
        _ => return None,
    };
    (matches!(address.scheme(), "http" | "https") && address.has_host()).then(|| address.into())
}

/// Whether a text without a scheme begins with a host, perhaps with a port: a path's first part seldom has a dot.
fn begins_with_host(uri: &str) -> bool {
    let authority = uri.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) => {
            !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => authority.contains('.') && !authority.starts_with('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<DeviceAuthorization, &'static str> {
        let answer = Object::parse(json.as_bytes()).expect("an object");
        DeviceAuthorization::from_object(&answer, "https://op.example/realms/x", None)
    }

    #[test]
    fn interval_and_expiry_have_defaults_and_google_its_own_names() {
        let iam = read(
            r#"{"device_code":"d","user_code":"A-B","verification_uri":"https://op/d","expires_in":600,
                "verification_uri_complete":"https://op/d?user_code=A-B"}"#,
        )
        .expect("an authorization");
        assert_eq!((iam.interval, iam.expires_in), (DEFAULT_INTERVAL, Some(Duration::from_secs(600))));
        assert_eq!(iam.verification_uri_complete.as_deref(), Some("https://op/d?user_code=A-B"));
        let google = read(
            r#"{"device_code":"d","user_code":"A","verification_url":"https://google.com/device","interval":"7","expires_in":0}"#,
        )
        .expect("an authorization");
        assert_eq!((google.interval.as_secs(), google.expires_in), (7, None));
        assert_eq!(google.verification_uri, "https://google.com/device");
    }

    #[test]
    fn says_what_is_missing_or_unfit_for_a_browser() {
        assert_eq!(read(r#"{"user_code":"A","verification_uri":"https://x"}"#).err(), Some("device_code"));
        assert_eq!(read(r#"{"device_code":"d","verification_uri":"https://x"}"#).err(), Some("user_code"));
        for uri in ["javascript:alert(1)", "file:///etc/passwd", "mailto:a@b.example", "https://", "", "//"] {
            let answer = format!(r#"{{"device_code":"d","user_code":"A","verification_uri":"{uri}"}}"#);
            assert_eq!(read(&answer).err(), Some("verification_uri"), "{uri}");
        }
    }

    #[test]
    fn an_address_without_scheme_or_host_is_completed() {
        for (uri, address) in [
            ("https://op.example/d", "https://op.example/d"),
            ("/device", "https://op.example/device"),
            ("//login.example/device", "https://login.example/device"),
            ("device?x=1", "https://op.example/realms/x/device?x=1"),
            ("../device", "https://op.example/realms/device"),
            ("microsoft.com/devicelogin", "https://microsoft.com/devicelogin"),
            ("login.example:8443/d", "https://login.example:8443/d"),
            (" login.example ", "https://login.example/"),
        ] {
            assert_eq!(
                web_address(uri.trim(), "https://op.example/realms/x").as_deref(),
                Some(address),
                "{uri}"
            );
        }
        let local = "http://127.0.0.1:8080";
        assert_eq!(web_address("127.0.0.1:8080/d", local).as_deref(), Some("http://127.0.0.1:8080/d"));
        assert_eq!(web_address("/d", local).as_deref(), Some("http://127.0.0.1:8080/d"));
    }

    #[test]
    fn absurd_times_are_bounded() {
        for number in ["9223372036854775807", "1e30", "18446744073709551616"] {
            let answer = format!(
                r#"{{"device_code":"d","user_code":"A","verification_uri":"/d","expires_in":{number},"interval":{number}}}"#
            );
            let authorization = read(&answer).expect("an authorization");
            assert_eq!(
                (authorization.interval, authorization.expires_in),
                (MAX_INTERVAL, Some(MAX_LIFETIME))
            );
        }
        for number in ["0", "-1", "null", "\"x\""] {
            let answer = format!(
                r#"{{"device_code":"d","user_code":"A","verification_uri":"/d","expires_in":{number},"interval":{number}}}"#
            );
            let authorization = read(&answer).expect("an authorization");
            assert_eq!((authorization.interval, authorization.expires_in), (DEFAULT_INTERVAL, None));
        }
    }
}
