//! The keys a provider signs with (RFC 7517).

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, jwk::Jwk};
use oidc_proto::json::Object;

use super::signature;

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
        self.fitting(algorithm, |key| id.is_none_or(|id| key.id.as_deref() == Some(id)))
    }

    /// The keys that fit and have no `kid` (RFC 7517 section 4.5 asks for none): any token may be meant for them.
    pub(crate) fn nameless(&self, algorithm: Algorithm) -> Vec<&DecodingKey> {
        self.fitting(algorithm, |key| key.id.is_none())
    }

    fn fitting(&self, algorithm: Algorithm, is_meant: impl Fn(&PublicKey) -> bool) -> Vec<&DecodingKey> {
        let name = format!("{algorithm:?}");
        let fits = |key: &&PublicKey| {
            signature::can_check(algorithm, &key.key)
                && key.algorithm.as_deref().is_none_or(|own| own == name)
                && is_meant(key)
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
