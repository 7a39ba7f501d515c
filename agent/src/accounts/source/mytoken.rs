//! The mytoken of an account, which its mytoken server takes in a refresh token's place.

use super::{
    question::{Question, Unanswered},
    refresh::no_refresh_token,
};
use crate::provider::{MytokenUse, TokenResponse};

/// Uses the mytoken, which may be replaced by that.
pub async fn ask(question: Question<'_>) -> Result<TokenResponse, Unanswered> {
    let Question { accounts, name, config, secret, purpose, deadline } = question;
    let wanted = MytokenUse {
        mytoken: secret.ok_or_else(|| no_refresh_token(name))?,
        scope: purpose.scope(),
        usual_scope: config.granted_scope(),
        audience: purpose.audience(),
    };
    let server = accounts.deps().providers.keeper(config)?;
    Ok(server.use_mytoken(wanted, deadline).await?)
}
