//! A token from elsewhere, for one of the account's provider: exchanged (RFC 8693), or brought as an assertion (RFC 7523
//! section 2.1). It is got anew each time, so nothing is stored and nothing is rotated.

use oidc_proto::{account::subject_token::SubjectToken, message::Failure};

use super::{
    question::{Question, Unanswered},
    subject,
};
use crate::provider::{Client, JwtBearer, TokenExchange, TokenResponse};

/// Exchanges the subject token.
pub async fn ask(question: Question<'_>) -> Result<TokenResponse, Unanswered> {
    let Question { accounts, config, purpose, deadline, .. } = question;
    let subject = subject_of(&question)?;
    let subject_token = subject::get(&question, subject).await?;
    let grant = TokenExchange {
        client: Client::of(config),
        subject_token: &subject_token,
        subject_token_type: &subject.token_type(),
        requested_token_type: config.requested_token_type.as_deref(),
        scope: purpose.scope().or(config.login_scope()),
        audience: purpose.audience().or(config.audience.as_deref()),
        resource: config.resource.as_deref(),
    };
    let provider = accounts.deps().providers.provider(config)?;
    Ok(provider.token_exchange(grant, deadline).await?)
}

/// Brings the subject token as an assertion.
pub async fn assert(question: Question<'_>) -> Result<TokenResponse, Unanswered> {
    let Question { accounts, config, purpose, deadline, .. } = question;
    let assertion = subject::get(&question, subject_of(&question)?).await?;
    let grant = JwtBearer {
        client: Client::of(config),
        assertion: &assertion,
        scope: purpose.scope().or(config.login_scope()),
        audience: purpose.audience().or(config.audience.as_deref()),
    };
    let provider = accounts.deps().providers.provider(config)?;
    Ok(provider.jwt_bearer(grant, deadline).await?)
}

fn subject_of<'a>(question: &Question<'a>) -> Result<&'a SubjectToken, Failure> {
    question.config.subject_token.as_deref().ok_or_else(|| Failure::missing_field("subject_token"))
}
