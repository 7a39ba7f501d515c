//! A provider's failure, as the answer to somebody who logs in.

use oidc_proto::{account::AccountConfig, error_code::ErrorCode, message::Failure};

use crate::provider::{ProviderError, ProviderErrorKind};

/// A provider's error as the reply about an account: it says whose answer it is.
///
/// The C suite's help goes with it, but not where it is about an account that gets tokens: this one does not yet.
pub fn failure_of(config: &AccountConfig) -> impl Fn(ProviderError) -> Failure + '_ {
    |error| explained(config, &error, help(&error))
}

/// A provider's error as the reply about a registration: there is neither a client nor an account that help could be about.
pub fn failure_at_registration(config: &AccountConfig) -> impl Fn(ProviderError) -> Failure + '_ {
    |error| {
        let is_refusal = matches!(error.kind(), ProviderErrorKind::Refused(_));
        let failure = explained(config, &error, is_refusal.then_some(""));
        match error.kind() {
            // Not all say so in the words of OAuth.
            ProviderErrorKind::Status { status: 400..=428, .. } => {
                Failure { code: ErrorCode::ProviderRefused, ..failure }
            }
            _ => failure,
        }
    }
}

/// `help`: instead of the C suite's.
fn explained(config: &AccountConfig, error: &ProviderError, help: Option<&str>) -> Failure {
    let name = config.name.as_deref().unwrap_or_default();
    let mut failure = error.to_failure(name, config.issuer_url.as_deref().unwrap_or_default());
    let info = failure.info.take();
    let help = match help {
        Some(help) => help.to_owned(),
        None => info.filter(|info| !info.contains("--reauthenticate")).unwrap_or_default(),
    };
    let is_named = failure.error.contains(error.provider()) || help.contains(error.provider());
    let origin = if is_named { String::new() } else { answer_of(error.provider()) };
    failure.info = Some(format!("{origin}{help}")).filter(|info| !info.is_empty());
    failure
}

/// What a refusal means before there is a login.
fn help(error: &ProviderError) -> Option<&'static str> {
    let ProviderErrorKind::Refused(refusal) = error.kind() else { return None };
    Some(match refusal.error.as_str() {
        "invalid_client" => {
            "The provider does not take this client: it is not known there, or its secret is wrong.\n"
        }
        "invalid_scope" => {
            "This client does not get all of these scopes here: ask for others with `--scope`.\n"
        }
        "unauthorized_client" => "This client may not log in this way: `--flow` chooses another one.\n",
        _ => return None,
    })
}

/// Whose words an error text is.
pub fn answer_of(provider: &str) -> String {
    format!("This is the answer of the provider {provider}.\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{OAuthError, ProviderErrorKind};

    #[test]
    fn a_refused_registration_is_about_no_client_and_no_account() {
        let config = AccountConfig { name: Some("acc".to_owned()), ..AccountConfig::default() };
        for code in
            ["invalid_client", "invalid_scope", "invalid_request", "invalid_grant", "invalid_client_metadata"]
        {
            let kind = ProviderErrorKind::Refused(OAuthError::new(400, code, Some("offline_access"), &[]));
            let failure = failure_at_registration(&config)(ProviderError::new("op.example".into(), kind));
            assert_eq!(
                failure.info.as_deref(),
                Some("This is the answer of the provider op.example.\n"),
                "{code}"
            );
        }
    }

    #[test]
    fn every_refusal_of_a_login_says_whose_it_is() {
        let config = AccountConfig { name: Some("acc".to_owned()), ..AccountConfig::default() };
        for code in [
            "invalid_grant",
            "invalid_client",
            "invalid_scope",
            "invalid_request",
            "slow_down",
            "access_denied",
        ] {
            let refusal = OAuthError::new(400, code, Some("why"), &[]);
            for kind in [ProviderErrorKind::Refused(refusal.clone()), ProviderErrorKind::LoginNeeded(refusal)]
            {
                let failure = failure_of(&config)(ProviderError::new("op.example/x".into(), kind));
                assert!(failure.error.starts_with(code), "what C programs compare stays as it is");
                let info = failure.info.unwrap_or_default();
                assert_eq!(info.matches("op.example/x").count(), 1, "{code}: {info}");
                assert!(!info.contains("--reauthenticate") && !info.contains("oidc-gen"), "{info}");
            }
        }
    }
}
