//! What was asked for against what was granted.

use oidc_proto::secret::AccessToken;

use super::{claims::Claims, token_cache::Purpose};

/// The scopes a token has, as the provider's answer names them (RFC 6749 section 5.1: left out when identical to
/// the request), else as the token itself does.
pub fn scope(answered: Option<&str>, token: &AccessToken) -> Option<String> {
    let claimed =
        || Claims::of(token.expose()).and_then(|claims| claims.scopes().map(|scopes| scopes.join(" ")));
    answered.map(str::to_owned).or_else(claimed)
}

/// A sentence for each thing that was asked for and is missing.
pub fn warnings(purpose: &Purpose, granted: Option<&str>, token: &AccessToken) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (Some(asked), Some(granted)) = (purpose.scope(), granted) {
        let granted: Vec<&str> = granted.split_ascii_whitespace().collect();
        // `offline_access` asks for a refresh token, not for something in the access token.
        let missing = |scope: &&str| *scope != "offline_access" && !granted.contains(scope);
        push(&mut warnings, "scope", &asked.split_ascii_whitespace().filter(missing).collect::<Vec<_>>());
    }
    if let (Some(asked), Some(claims)) = (purpose.audience(), Claims::of(token.expose())) {
        let granted = claims.audiences();
        push(
            &mut warnings,
            "audience",
            &asked.split_ascii_whitespace().filter(|word| !granted.contains(word)).collect::<Vec<_>>(),
        );
    }
    warnings
}

fn push(warnings: &mut Vec<String>, what: &str, missing: &[&str]) {
    if !missing.is_empty() {
        warnings.push(format!("the provider did not grant the {what} {}", missing.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn token(claims: &str) -> AccessToken {
        AccessToken::new(format!("e30.{}.c", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn names_what_is_missing() {
        let purpose = Purpose::new(Some("openid storage.read:/ offline_access"), Some("https://a https://b"));
        let token = token(r#"{"aud":"https://a","scope":"openid"}"#);
        let granted = scope(None, &token);
        assert_eq!(
            warnings(&purpose, granted.as_deref(), &token),
            [
                "the provider did not grant the scope storage.read:/",
                "the provider did not grant the audience https://b"
            ]
        );
    }

    #[test]
    fn says_nothing_when_nothing_is_known() {
        let purpose = Purpose::new(Some("a"), Some("b"));
        assert!(warnings(&purpose, None, &AccessToken::from("opaque")).is_empty());
        assert!(warnings(&Purpose::default(), Some(""), &token(r#"{"aud":[]}"#)).is_empty());
    }
}
