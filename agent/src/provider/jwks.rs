//! The keys a provider signs with (RFC 7517).

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, jwk::Jwk};
use oidc_proto::json::Object;
use tokio::time::Instant;

use super::{
    Provider,
    error::{ProviderError, ProviderErrorKind, Unsupported},
    http::{Http, Request},
    signature,
};

/// How long keys are believed; the WLCG profile allows one to six hours.
const MAX_AGE: Duration = Duration::from_secs(6 * 3600);
/// Keys younger than this are not fetched again for a token with an unknown `kid`.
const MIN_AGE: Duration = Duration::from_secs(5);
/// Most keys that are kept.
const MAX_KEYS: usize = 64;

/// The signing keys of one provider that the agent can use.
pub(crate) struct KeySet {
    keys: Vec<PublicKey>,
}

struct PublicKey {
    id: Option<Box<str>>,
    algorithm: Option<Box<str>>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a key set; keys of other kinds or for other uses are passed over.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let document = Object::parse(document).ok()?;
        let keys = document.members().get("keys")?.as_array()?;
        Some(Self { keys: keys.iter().filter_map(PublicKey::read).take(MAX_KEYS).collect() })
    }

    /// The keys that may have signed a token with that header; all that fit where the token names none.
    pub(crate) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&DecodingKey> {
        let name = format!("{algorithm:?}");
        let fits = |key: &&PublicKey| {
            signature::can_check(algorithm, &key.key)
                && key.algorithm.as_deref().is_none_or(|own| own == name)
                && id.is_none_or(|id| key.id.as_deref() == Some(id))
        };
        self.keys.iter().filter(fits).map(|key| &key.key).collect()
    }
}

impl PublicKey {
    fn read(jwk: &serde_json::Value) -> Option<Self> {
        let text = |key: &str| jwk.get(key)?.as_str();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        // Only what makes the key: members that are odd must not cost it.
        let mut bare = serde_json::Map::new();
        for member in ["kty", "crv", "n", "e", "x", "y"] {
            bare.extend(jwk.get(member).map(|value| (member.to_owned(), value.clone())));
        }
        let parsed: Jwk = serde_json::from_value(bare.into()).ok()?;
        let key = DecodingKey::from_jwk(&parsed).ok()?;
        (key.family() != AlgorithmFamily::Hmac).then(|| Self {
            id: text("kid").map(Box::from),
            algorithm: text("alg").map(Box::from),
            key,
        })
    }
}

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
