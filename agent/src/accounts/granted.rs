//! What was asked for against what was granted.

use oidc_proto::{jwt::Claims, scope::not_granted, secret::AccessToken, shell, shortname::Shortname};

use super::token_cache::Purpose;

/// The scopes a token has, as the provider's answer names them (RFC 6749 section 5.1: left out when identical to
/// the request), else as the token itself does.
pub fn scope(answered: Option<&str>, token: &AccessToken) -> Option<String> {
    answered.map(str::to_owned).or_else(|| Claims::of(token.expose())?.scope())
}

/// A sentence for each thing that was asked for and is missing.
pub fn warnings(purpose: &Purpose, granted: Option<&str>, token: &AccessToken) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (Some(asked), Some(granted)) = (purpose.scope(), granted) {
        push(&mut warnings, "scope", &not_granted(asked, granted));
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

/// What a person is told whose login has lost scopes, and how to get them back.
pub fn login_scope_refused(account: &Shortname) -> String {
    format!(
        "the provider does not grant all scopes of the login of account '{account}' any more; this token has those that are \
         left. To get the others back, run `{}`",
        shell::command("oidc gen --reauthenticate", account.as_str())
    )
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
    fn sees_scopes_in_every_shape_they_come_in() {
        let purpose = Purpose::new(Some("openid profile"), None);
        let opaque = AccessToken::from("opaque");
        for answered in ["openid profile", "openid,profile", "profile, openid"] {
            assert!(warnings(&purpose, Some(answered), &opaque).is_empty(), "{answered}");
        }
        for claims in [r#"{"scp":["openid","profile"]}"#, r#"{"scope":"openid,profile"}"#] {
            let token = token(claims);
            let granted = scope(None, &token).expect("scopes");
            assert!(warnings(&purpose, Some(&granted), &token).is_empty(), "{claims}");
        }
    }

    #[test]
    fn says_nothing_when_nothing_is_known() {
        let purpose = Purpose::new(Some("a"), Some("b"));
        assert!(warnings(&purpose, None, &AccessToken::from("opaque")).is_empty());
        assert!(warnings(&Purpose::default(), Some(""), &token(r#"{"aud":[]}"#)).is_empty());
    }
}
