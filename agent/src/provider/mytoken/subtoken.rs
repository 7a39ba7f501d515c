//! A mytoken made of a mytoken: for a job, another machine, or somebody who shall be able to do less with it.

use oidc_proto::secret::RefreshToken;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    super::{
        Provider,
        error::{ProviderError, ProviderErrorKind, Unsupported},
        http::Repeat,
    },
    Minted, Mytoken, marked_dead, profile_members,
};

/// A mytoken that is wanted of another one.
#[derive(Clone, Copy, Debug)]
pub struct Subtoken<'a> {
    /// The account's own.
    pub mytoken: &'a RefreshToken,
    /// The OpenID provider.
    pub issuer: &'a str,
    /// What the new one shall be allowed; the server gives no more than the account's own has.
    pub profile: &'a Value,
    /// What it is called in the person's list, where the profile does not say.
    pub name: &'a str,
}

impl Provider {
    /// Has a mytoken made. This may replace the account's own one.
    pub async fn make_subtoken(
        &self,
        wanted: Subtoken<'_>,
        deadline: Instant,
    ) -> Result<Minted, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.mytoken_endpoint.as_deref(), Unsupported::Mytoken)?;
        let mut body = profile_members(Some(wanted.profile));
        if !body.contains("name") {
            body.insert("name", wanted.name);
        }
        body.insert("oidc_issuer", wanted.issuer);
        body.insert("grant_type", "mytoken");
        let own = wanted.mytoken.expose();
        body.insert("mytoken", own);
        let answer = self.ask_mytoken_server(endpoint, &body, &[own], Repeat::Spends, deadline).await;
        let mut answer = answer.map_err(|error| marked_dead(self, error))?;
        let successor = Mytoken::take_successor(&mut answer);
        if answer.string("mytoken").or_else(|| answer.string("transfer_code")).is_none() {
            // Not without the successor: see `Minted::successor`.
            if successor.is_none() {
                return Err(self.http.error(ProviderErrorKind::BadResponse { what: "mytoken" }));
            }
            answer = oidc_proto::json::Object::default();
        }
        Ok(Minted { answer, successor })
    }
}
