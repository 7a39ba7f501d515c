//! The refresh token of a login (RFC 6749 section 6).

use oidc_proto::{message::Failure, shell, shortname::Shortname};

use super::question::{Question, Unanswered};
use crate::provider::{Client, Refresh, TokenResponse};

/// Spends the refresh token.
pub async fn ask(question: Question<'_>) -> Result<TokenResponse, Unanswered> {
    let Question { accounts, name, config, secret, purpose, deadline } = question;
    let refresh = Refresh {
        client: Client::of(config),
        refresh_token: secret.ok_or_else(|| no_refresh_token(name))?,
        scope: purpose.scope(),
        granted_scope: config.granted_scope(),
        audience: purpose.audience(),
    };
    let provider = accounts.deps().providers.provider(config)?;
    Ok(provider.refresh(refresh, deadline).await?)
}

pub(super) fn no_refresh_token(name: &Shortname) -> Failure {
    Failure::no_refresh_token().with_info(format!(
        "The account '{name}' holds no refresh token. Run `{}`.",
        shell::command("oidc gen --reauthenticate", name.as_str())
    ))
}
