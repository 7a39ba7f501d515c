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
    Provider,
    error::{ProviderError, ProviderErrorKind},
    metadata::{ProviderMetadata, lists},
    scope,
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

impl Provider {
    /// Whether a login of this client was refused for this scope.
    pub fn has_refused_offline_access(&self, client_id: &str) -> bool {
        self.offline_refusals.0.lock().unwrap_or_else(PoisonError::into_inner).get(client_id).is_some()
    }

    /// Whether an error refuses a login that asked for `scope` because of `offline_access`. If so, it is remembered.
    pub fn notes_offline_refusal(
        &self,
        client_id: &str,
        scope: &str,
        error: &ProviderError,
        metadata: &ProviderMetadata,
    ) -> bool {
        let ProviderErrorKind::Refused(refusal) = error.kind() else { return false };
        let said = refusal.description.as_deref().unwrap_or_default().to_lowercase();
        let names_it =
            || self.quirks(metadata).offline_refusal_texts.iter().any(|text| said.contains(text.as_str()));
        // Of a list with one scope that the provider does not know, that one is meant.
        let is_likely = || {
            let listed = &metadata.scopes_supported;
            let unknown: Vec<_> = scope.split_whitespace().filter(|scope| !lists(listed, scope)).collect();
            refusal.error == "invalid_scope" && !listed.is_empty() && unknown == [scope::OFFLINE_ACCESS]
        };
        let is_it = refusal.status < 500
            && scope::contains(scope, scope::OFFLINE_ACCESS)
            && (names_it() || is_likely());
        if is_it {
            let mut refusals = self.offline_refusals.0.lock().unwrap_or_else(PoisonError::into_inner);
            refusals.put(client_id.into(), ());
        }
        is_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{
        OAuthError,
        testing::{Reply, Scripted},
    };

    #[tokio::test]
    async fn a_refusal_of_this_scope_is_told_from_others() {
        let op = Scripted::provider(|_| Reply::json("{}")).await;
        let lists = ProviderMetadata::parse(br#"{"scopes_supported":["openid","offline_access"]}"#);
        let lists_not = ProviderMetadata::parse(br#"{"scopes_supported":["openid"]}"#);
        let (lists, lists_not) = (lists.expect("metadata"), lists_not.expect("metadata"));
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
            let provider = op.open();
            let refusal = OAuthError::new(400, error, Some(description), &[]);
            let refused = ProviderError::new("op".into(), ProviderErrorKind::Refused(refusal));
            let shown = format!("{scope}: {error}: {description}");
            assert_eq!(provider.notes_offline_refusal("c", scope, &refused, metadata), is_it, "{shown}");
            assert_eq!(provider.has_refused_offline_access("c"), is_it, "{shown}");
            assert!(!provider.has_refused_offline_access("other"));
        }
    }
}
