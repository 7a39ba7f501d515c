//! The login at a mytoken server: the person agrees on its page to what the mytoken may do, and logs in at the OpenID provider
//! from there; whoever began it polls meanwhile, as in a device login (RFC 8628).

use oidc_proto::secret::DeviceCode;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    super::{
        Provider,
        device::{DeviceAuthorization, DevicePoll, web_address},
        error::{ProviderError, ProviderErrorKind, Unsupported},
        http::Repeat,
    },
    Mytoken, profile_members,
};

/// What the page calls whoever wants the mytoken.
const APPLICATION: &str = "oidc-agent";

/// A mytoken that a person shall agree to.
#[derive(Clone, Copy, Debug)]
pub struct MytokenLogin<'a> {
    /// The OpenID provider, as the server spells it.
    pub issuer: &'a str,
    /// What the mytoken shall be allowed: a profile object, or names of profiles of the server.
    pub profile: Option<&'a Value>,
    /// What it is called in the person's list, where the profile does not say.
    pub name: &'a str,
}

impl Provider {
    /// Begins a login. The address that comes back is the consent page; there is no code to type.
    pub async fn begin_mytoken(
        &self,
        login: MytokenLogin<'_>,
        deadline: Instant,
    ) -> Result<DeviceAuthorization, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.mytoken_endpoint.as_deref(), Unsupported::Mytoken)?;
        let mut body = profile_members(login.profile);
        if !body.contains("name") {
            body.insert("name", login.name);
        }
        for (key, value) in [
            ("oidc_issuer", login.issuer),
            ("grant_type", "oidc_flow"),
            ("oidc_flow", "authorization_code"),
            ("client_type", "native"),
            ("response_type", "token"),
            ("application_name", APPLICATION),
        ] {
            body.insert(key, value);
        }
        let answer = self.ask_mytoken_server(endpoint, &body, &[], Repeat::IfUnprocessed, deadline).await?;
        let missing = |what| self.http.error(ProviderErrorKind::BadResponse { what });
        let code = answer.string("polling_code").ok_or_else(|| missing("polling_code"))?;
        let page = answer.text("consent_uri").and_then(|uri| web_address(uri.trim(), &self.issuer));
        let page = page.ok_or_else(|| missing("consent_uri"))?;
        let (expires_in, interval) = DeviceAuthorization::times(&answer);
        Ok(DeviceAuthorization {
            device_code: DeviceCode::new(code),
            user_code: String::new(),
            verification_uri: page.clone(),
            verification_uri_complete: Some(page),
            expires_in,
            interval,
            code_verifier: None,
        })
    }

    /// Asks once whether the person is done. The answer may be the only one that has the mytoken, so it is waited for as long
    /// as it may come.
    pub async fn poll_mytoken(
        &self,
        authorization: &DeviceAuthorization,
        deadline: Instant,
    ) -> Result<DevicePoll, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.mytoken_endpoint.as_deref(), Unsupported::Mytoken)?;
        let code = authorization.device_code.expose();
        let mut body = oidc_proto::json::Object::default();
        body.insert("grant_type", "polling_code");
        body.insert("polling_code", code);
        match self.ask_mytoken_server(endpoint, &body, &[code], Repeat::Spends, deadline).await {
            Ok(answer) => match Mytoken::of(&answer) {
                Some(mytoken) => Ok(DevicePoll::Mytoken(Box::new(mytoken))),
                None => Err(self.http.error(ProviderErrorKind::BadResponse { what: "mytoken" })),
            },
            Err(error) => DevicePoll::of_error(error),
        }
    }
}
