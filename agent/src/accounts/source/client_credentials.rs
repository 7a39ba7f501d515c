//! The client's own credentials (RFC 6749 section 4.4): for robots, where nobody logs in.

use super::question::{Question, Unanswered};
use crate::provider::{Client, ClientCredentials, TokenResponse};

/// Asks with the client's secret. The scopes and audiences of the account are those of its tokens, since no login has
/// settled them before.
pub async fn ask(question: Question<'_>) -> Result<TokenResponse, Unanswered> {
    let Question { accounts, config, purpose, deadline, .. } = question;
    let grant = ClientCredentials {
        client: Client::of(config),
        scope: purpose.scope().or(config.login_scope()),
        audience: purpose.audience().or(config.audience.as_deref()),
    };
    let provider = accounts.deps().providers.provider(config)?;
    Ok(provider.client_credentials(grant, deadline).await?)
}
