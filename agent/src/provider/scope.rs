//! Lists of scopes to ask for (RFC 6749 section 3.3): words separated by blanks, in no particular order.

pub(crate) use oidc_proto::scope::OFFLINE_ACCESS;

/// The scope that makes a request an OpenID Connect one.
pub(crate) const OPENID: &str = "openid";

/// The list without one scope; `None` when nothing is left.
pub(crate) fn without(scopes: &str, scope: &str) -> Option<String> {
    let left: Vec<_> = scopes.split_whitespace().filter(|word| *word != scope).collect();
    (!left.is_empty()).then(|| left.join(" "))
}

/// The list with one scope more, unless it is there.
pub(crate) fn with(scopes: &str, scope: &str) -> String {
    let mut all: Vec<_> = scopes.split_whitespace().collect();
    if !all.contains(&scope) {
        all.push(scope);
    }
    all.join(" ")
}

/// Whether the list has that scope.
pub(crate) fn contains(scopes: &str, scope: &str) -> bool {
    scopes.split_whitespace().any(|word| word == scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_on_whole_words() {
        assert_eq!(without("openid  offline_access", OFFLINE_ACCESS).as_deref(), Some("openid"));
        assert_eq!(without("offline_access", OFFLINE_ACCESS), None);
        assert_eq!(without("xoffline_access", OFFLINE_ACCESS).as_deref(), Some("xoffline_access"));
        assert_eq!(with("a b", "b"), "a b");
        assert_eq!(with("", "b"), "b");
        assert!(contains("a b", "b") && !contains("ab", "b"));
    }
}
