//! Asking for an audience: `audience`, `resource` (RFC 8707), or both.
//!
//! Which of them is decided by the provider data, and by what the provider refused: after `invalid_target` the request goes
//! out once more the other way. An error response brings no tokens (RFC 6749 section 5.2), so nothing was spent by it that
//! could be had back.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;
use url::Url;

use super::{
    error::{ProviderError, ProviderErrorKind},
    form::Form,
    quirks::AudienceStyle,
};

/// Most clients of one provider whose style is remembered.
const MOST_CLIENTS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// Adds what asks for `audience`, a list separated by blanks.
pub(crate) fn with_audience<'a>(form: Form<'a>, audience: Option<&'a str>, style: AudienceStyle) -> Form<'a> {
    parameters(audience, style).into_iter().fold(form, |form, (name, value)| form.with(name, value))
}

/// The parameters, for a form or for a URL.
pub(crate) fn parameters(audience: Option<&str>, style: AudienceStyle) -> Vec<(&'static str, &str)> {
    let Some(audience) = audience.map(str::trim).filter(|audience| !audience.is_empty()) else {
        return Vec::new();
    };
    let can_be_resources = || audience.split_whitespace().all(is_resource);
    let (as_audience, as_resources) = match style {
        AudienceStyle::Both => (true, can_be_resources()),
        AudienceStyle::Audience => (true, false),
        AudienceStyle::Resource => (false, true),
        AudienceStyle::ByValue => (!can_be_resources(), can_be_resources()),
        AudienceStyle::None => (false, false),
    };
    let resources = audience.split_whitespace().filter(|_| as_resources).map(|one| ("resource", one));
    as_audience.then_some(("audience", audience)).into_iter().chain(resources).collect()
}

/// How to ask once more after a refusal; `None`: not at all.
///
/// `invalid_target` is the error of RFC 8707 section 2; providers that are older than it say `invalid_request` and name the
/// parameter.
pub(crate) fn retreat(
    audience: Option<&str>,
    style: AudienceStyle,
    error: &ProviderError,
) -> Option<AudienceStyle> {
    let ProviderErrorKind::Refused(refusal) = error.kind() else { return None };
    let said = refusal.to_string().to_lowercase();
    let is_about_it = refusal.error == "invalid_target"
        || (refusal.error == "invalid_request" && (said.contains("resource") || said.contains("audience")));
    if !is_about_it || refusal.status >= 500 {
        return None;
    }
    let sent = parameters(audience, style);
    let has = |name| sent.iter().any(|(sent, _)| *sent == name);
    match (has("audience"), has("resource")) {
        (_, true) => Some(AudienceStyle::Audience),
        (true, false) => Some(AudienceStyle::Resource),
        (false, false) => None,
    }
}

/// The style that a provider was found to take, by client.
pub(crate) struct WorkingStyles(Mutex<LruCache<Box<str>, AudienceStyle>>);

impl Default for WorkingStyles {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_CLIENTS)))
    }
}

impl WorkingStyles {
    pub(crate) fn of(&self, client_id: &str) -> Option<AudienceStyle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(client_id).copied()
    }

    pub(crate) fn remember(&self, client_id: &str, style: AudienceStyle) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(client_id.into(), style);
    }
}

/// RFC 8707 section 2: an absolute URI without a fragment.
fn is_resource(audience: &str) -> bool {
    audience.contains("://") && Url::parse(audience).is_ok_and(|url| url.fragment().is_none())
}

#[cfg(test)]
mod tests {
    use super::{super::error::OAuthError, *};

    #[test]
    fn follows_the_data() {
        use AudienceStyle::{Audience, Both, ByValue, None as Not, Resource};
        let (uris, names) = ("https://a https://b", "cms-go https://b");
        let both = [("audience", uris), ("resource", "https://a"), ("resource", "https://b")];
        assert_eq!(parameters(Some(uris), Both), both);
        assert_eq!(parameters(Some(names), Both), [("audience", names)]);
        assert_eq!(parameters(Some("host:9619"), Both), [("audience", "host:9619")]);
        assert_eq!(parameters(Some(uris), ByValue), both[1..]);
        assert_eq!(parameters(Some(names), ByValue), [("audience", names)]);
        assert_eq!(parameters(Some(names), Resource), [("resource", "cms-go"), ("resource", "https://b")]);
        assert_eq!(parameters(Some(uris), Audience), [("audience", uris)]);
        assert!(parameters(Some(uris), Not).is_empty());
        assert!(parameters(Some(" "), Audience).is_empty() && parameters(None, Resource).is_empty());
    }

    #[test]
    fn gives_in_once_and_only_where_the_answer_says_so() {
        use AudienceStyle::{Audience, Both, None as Not, Resource};
        let refused = |status, error: &str, description: &str| {
            let refusal = OAuthError::new(status, error, Some(description), &[]);
            ProviderError::new("op".into(), ProviderErrorKind::Refused(refusal))
        };
        let (uri, name) = (Some("https://a"), Some("cms-go"));
        let target = refused(400, "invalid_target", "");
        assert_eq!(retreat(uri, Both, &target), Some(Audience));
        assert_eq!(retreat(uri, Resource, &target), Some(Audience));
        assert_eq!(retreat(name, Both, &target), Some(Resource), "no `resource` was sent");
        assert_eq!(retreat(uri, Audience, &target), Some(Resource));
        assert_eq!(retreat(uri, Not, &target), None);
        assert_eq!(retreat(None, Both, &target), None);
        assert_eq!(
            retreat(uri, Both, &refused(400, "invalid_request", "unknown parameter resource")),
            Some(Audience)
        );
        for error in [
            refused(400, "invalid_request", "no such thing"),
            refused(400, "invalid_scope", "resource"),
            refused(503, "invalid_target", ""),
        ] {
            assert_eq!(retreat(uri, Both, &error), None, "{error}");
        }
    }
}
