//! A provider's failure, as the answer to somebody who logs in.

use oidc_proto::{account::AccountConfig, message::Failure};

use crate::provider::ProviderError;

/// A provider's error as the reply about an account: it says whose answer it is.
///
/// The C suite's help goes with it, but not the advice to log in: that is what is being done.
pub fn failure_of(config: &AccountConfig) -> impl Fn(ProviderError) -> Failure + '_ {
    |error| {
        let name = config.name.as_deref().unwrap_or_default();
        let mut failure = error.to_failure(name, config.issuer_url.as_deref().unwrap_or_default());
        let help = failure.info.take().filter(|info| !info.contains("--reauthenticate")).unwrap_or_default();
        let is_named = failure.error.contains(error.provider()) || help.contains(error.provider());
        let origin = if is_named { String::new() } else { answer_of(error.provider()) };
        failure.info = Some(format!("{help}{origin}")).filter(|info| !info.is_empty());
        failure
    }
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
                assert!(!info.contains("--reauthenticate"), "{info}");
            }
        }
    }
}
