//! Whether a login may ask for the scope `offline_access` (OpenID Connect Core section 11).
//!
//! Some providers allow it to some people or clients only, and say so after the person has logged in (Keycloak) or instead
//! of letting them log in (Hydra). Such a refusal is remembered for the client, and the next login does without.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;

use super::{
    error::{ProviderError, ProviderErrorKind},
    metadata::{ProviderMetadata, lists},
    quirks::Quirks,
    scope::{OFFLINE_ACCESS, contains},
};

/// Most clients of one provider of which a refusal is remembered.
const MOST_CLIENTS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// The clients whose logins were refused for this scope.
pub(crate) struct OfflineRefusals(Mutex<LruCache<Box<str>, ()>>);

impl Default for OfflineRefusals {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_CLIENTS)))
    }
}

impl OfflineRefusals {
    /// Whether a login of this client was refused.
    pub(crate) fn has(&self, client_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(client_id).is_some()
    }

    /// Remembers a refusal.
    pub(crate) fn remember(&self, client_id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(client_id.into(), ());
    }
}

/// Whether an error refuses a login that asked for `scope` because of `offline_access`.
pub(crate) fn is_refused(
    scope: &str,
    error: &ProviderError,
    metadata: &ProviderMetadata,
    quirks: &Quirks,
) -> bool {
    let ProviderErrorKind::Refused(refusal) = error.kind() else { return false };
    let said = refusal.description.as_deref().unwrap_or_default().to_lowercase();
    let names_it = || quirks.offline_refusal_texts.iter().any(|text| said.contains(text.as_str()));
    // Of a list with one scope that the provider does not know, that one is meant.
    let is_likely = || {
        let listed = &metadata.scopes_supported;
        let unknown: Vec<_> = scope.split_whitespace().filter(|scope| !lists(listed, scope)).collect();
        refusal.error == "invalid_scope" && !listed.is_empty() && unknown == [OFFLINE_ACCESS]
    };
    refusal.status < 500 && contains(scope, OFFLINE_ACCESS) && (names_it() || is_likely())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{error::OAuthError, quirks::Changes},
        *,
    };

    #[test]
    fn a_refusal_of_this_scope_is_told_from_others() {
        let metadata = |json: &str| ProviderMetadata::parse(json.as_bytes()).expect("metadata");
        let lists = metadata(r#"{"scopes_supported":["openid","offline_access"]}"#);
        let lists_not = metadata(r#"{"scopes_supported":["openid"]}"#);
        let mut quirks = Quirks::default();
        let words = r#"{"offline_refusal_texts":["offline_access","offline token"]}"#;
        quirks.apply(&serde_json::from_str::<Changes>(words).expect("a row"));
        for (scope, error, description, metadata, is_it) in [
            (
                "openid offline_access",
                "not_allowed",
                "Offline tokens not allowed for the user or client",
                &lists,
                true,
            ),
            (
                "openid offline_access",
                "invalid_scope",
                "The OAuth 2.0 Client is not allowed to request scope 'offline_access'.",
                &lists,
                true,
            ),
            ("openid offline_access", "invalid_scope", "", &lists_not, true),
            ("openid offline_access", "invalid_scope", "", &lists, false),
            ("openid offline_access odd", "invalid_scope", "", &lists_not, false),
            ("openid", "not_allowed", "Offline tokens not allowed for the user or client", &lists, false),
            ("openid offline_access", "access_denied", "the person said no", &lists_not, false),
        ] {
            let refusal = OAuthError::new(400, error, Some(description), &[]);
            let refused = ProviderError::new("op".into(), ProviderErrorKind::Refused(refusal));
            assert_eq!(
                is_refused(scope, &refused, metadata, &quirks),
                is_it,
                "{scope}: {error}: {description}"
            );
        }
    }

    #[test]
    fn a_refusal_is_remembered_for_its_client() {
        let refusals = OfflineRefusals::default();
        refusals.remember("c");
        assert!(refusals.has("c") && !refusals.has("other"));
    }
}
