//! The keys an issuer signs with (RFC 7517), and which of them may have signed a token.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, jwk::Jwk};
use serde_json::{Map, Value, json};

use super::signature::{self, Checked};
use crate::json::Object;

/// Most keys that are kept.
const MAX_KEYS: usize = 64;
/// The members that make a public key (RFC 7518 section 6; RFC 8037 section 2).
const PUBLIC: [&str; 6] = ["kty", "crv", "n", "e", "x", "y"];
/// The members that say what it is for (RFC 7517 section 4).
const DESCRIBING: [&str; 4] = ["kid", "alg", "use", "key_ops"];

/// The keys of one issuer. What cannot check a signature is remembered only to say so.
pub struct KeySet {
    keys: Vec<PublicKey>,
}

struct PublicKey {
    id: Option<Box<str>>,
    algorithm: Option<Box<str>>,
    is_for_signatures: bool,
    /// The public members, as they were published.
    published: Map<String, Value>,
    /// None where nothing here can use it: another type or curve, odd members, a symmetric key.
    key: Option<DecodingKey>,
}

/// Why no key of a set may have signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// None has that `kid`.
    NoneOfThatName,
    /// The one of that name is not for signatures (`use`, `key_ops`; RFC 7517 sections 4.2 and 4.3).
    NotForSignatures,
    /// The one of that name is of another type, curve or algorithm, or too short.
    OfAnotherType,
    /// The token names none, and none in the set is for its algorithm.
    NoneFits,
}

impl KeySet {
    /// Reads a key set (RFC 7517 section 5). `None`: it is none.
    pub fn parse(document: &[u8]) -> Option<Self> {
        let document = Object::parse(document).ok()?;
        let keys = document.members().get("keys")?.as_array()?;
        let keys: Vec<_> = keys.iter().filter_map(PublicKey::read).collect();
        // A set with many keys that nothing here can use must not cost those that can be used.
        let (usable, others): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.is_for_signatures && key.key.is_some());
        Some(Self {
            keys: usable.into_iter().take(MAX_KEYS).chain(others.into_iter().take(MAX_KEYS)).collect(),
        })
    }

    /// The set as a document (RFC 7517 section 5), with the public members of its keys alone.
    pub fn to_document(&self) -> Value {
        json!({"keys": self.keys.iter().map(|key| &key.published).collect::<Vec<_>>()})
    }

    /// Whether there is a key of that name, whatever it is good for.
    pub fn names(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(kid))
    }

    /// How many keys there are that can check a signature.
    pub fn len(&self) -> usize {
        self.keys.iter().filter(|key| key.is_for_signatures && key.key.is_some()).count()
    }

    /// Whether no key can check any signature.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks a signature with the keys that may have made it: the one that the token names (`kid`), all that fit
    /// where it names none. `algorithm` is the token's `alg`, `signature` in base64url.
    pub fn check(&self, signed: &str, signature: &str, algorithm: &str, kid: Option<&str>) -> Checked {
        let Some(algorithm) = signature::known(algorithm) else { return Checked::UnknownAlgorithm };
        let check = |candidates: &[_]| signature::check(signed, signature, algorithm, candidates);
        match check(&self.candidates(kid, algorithm)) {
            // One that has no name (RFC 7517 section 4.5 asks for none) is not said to be the one, so it proves nothing
            // unless it is.
            Checked::NoKey if check(&self.fitting(algorithm, |key| key.id.is_none())) == Checked::Good => {
                Checked::Good
            }
            checked => checked,
        }
    }

    /// Why [`KeySet::check`] found no key for a token of a known algorithm.
    pub fn why_none(&self, kid: Option<&str>) -> NoKey {
        let Some(kid) = kid else { return NoKey::NoneFits };
        let named: Vec<_> = self.keys.iter().filter(|key| key.id.as_deref() == Some(kid)).collect();
        if named.is_empty() {
            NoKey::NoneOfThatName
        } else if named.iter().all(|key| !key.is_for_signatures) {
            NoKey::NotForSignatures
        } else {
            NoKey::OfAnotherType
        }
    }

    fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&DecodingKey> {
        self.fitting(algorithm, |key| id.is_none_or(|id| key.id.as_deref() == Some(id)))
    }

    fn fitting(&self, algorithm: Algorithm, is_meant: impl Fn(&PublicKey) -> bool) -> Vec<&DecodingKey> {
        let name = format!("{algorithm:?}");
        let fits = |key: &&PublicKey| {
            key.is_for_signatures && key.algorithm.as_deref().is_none_or(|own| own == name) && is_meant(key)
        };
        let keys = self.keys.iter().filter(fits).filter_map(|key| key.key.as_ref());
        keys.filter(|key| signature::can_check(algorithm, key)).collect()
    }
}

impl PublicKey {
    fn read(jwk: &Value) -> Option<Self> {
        let text = |key: &str| jwk.get(key)?.as_str();
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        let members = |names: &[&str]| -> Map<String, Value> {
            let given = names.iter().filter_map(|name| Some(((*name).to_owned(), jwk.get(name)?.clone())));
            given.collect()
        };
        // Only what makes the key: members that are odd must not cost it.
        let bare = members(&PUBLIC);
        let mut published = members(&DESCRIBING);
        published.extend(bare.clone());
        let parsed: Option<Jwk> = serde_json::from_value(bare.into()).ok();
        let key = parsed.and_then(|jwk| DecodingKey::from_jwk(&jwk).ok());
        jwk.is_object().then(|| Self {
            id: text("kid").map(Box::from),
            algorithm: text("alg").map(Box::from),
            is_for_signatures: text("use").is_none_or(|purpose| purpose == "sig")
                && operations.is_none_or(|all| all.iter().any(|one| one == "verify")),
            published,
            key: key.filter(|key| key.family() != AlgorithmFamily::Hmac),
        })
    }
}
