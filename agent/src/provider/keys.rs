//! Fetching the keys that a provider signs with.

use std::{sync::Arc, time::Duration};

use oidc_proto::token::KeySet;
use tokio::time::Instant;

use super::{
    Provider,
    error::{ProviderError, ProviderErrorKind, Unsupported},
    http::{Http, Request},
};

/// How long keys are believed; the WLCG profile allows one to six hours.
const MAX_AGE: Duration = Duration::from_secs(6 * 3600);
/// Keys younger than this are not fetched again for a token with an unknown `kid`.
const MIN_AGE: Duration = Duration::from_secs(5);

impl Provider {
    /// The provider's keys, fetched anew if they are old.
    pub(crate) async fn keys(&self, deadline: Instant) -> Result<Arc<KeySet>, ProviderError> {
        self.keys_younger_than(MAX_AGE, deadline).await
    }

    /// The provider's keys as they are now: for a token signed with a key that is not known yet.
    pub(crate) async fn new_keys(&self, deadline: Instant) -> Result<Arc<KeySet>, ProviderError> {
        self.keys_younger_than(MIN_AGE, deadline).await
    }

    /// Makes the keys old enough to be fetched again.
    #[cfg(test)]
    pub(crate) fn let_keys_age(&self) {
        self.key_set.age(MIN_AGE);
    }

    async fn keys_younger_than(
        &self,
        age: Duration,
        deadline: Instant,
    ) -> Result<Arc<KeySet>, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let uri = self.endpoint(metadata.jwks_uri.as_deref(), Unsupported::Keys)?;
        self.key_set.get(&self.http, age, deadline, fetch(&self.http, uri, deadline)).await
    }
}

async fn fetch(http: &Http, uri: &str, deadline: Instant) -> Result<KeySet, ProviderError> {
    let answer = http.send(Request::get(uri), deadline).await?.checked(http, &[])?;
    KeySet::parse(&answer.body)
        .ok_or_else(|| http.error(ProviderErrorKind::BadResponse { what: "a key set" }))
}
