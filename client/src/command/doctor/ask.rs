//! What only the agent can find out: asked of it, and its answers told apart.

use oidc_proto::{
    error_code::ErrorCode,
    message::{AccountReport, Failure, ProviderQuery, ProviderReport, ProviderRequest, Reply, Request},
};

use super::{agent::Silence, providers};
use crate::agent::{Agent, AgentError};

/// What it finds at a provider; with `account` as that loaded account reaches it.
pub fn provider(agent: &Agent, query: ProviderQuery, account: Option<String>) -> providers::Report {
    let request = Request::Provider(ProviderRequest {
        query,
        probe: true,
        spare_registration: true,
        account,
        ..ProviderRequest::default()
    });
    match agent.call(&request) {
        Ok(Reply::Success { info: Some(info) }) => ProviderReport::from_info(&info)
            .map_or(providers::Report::NotKnown, |report| providers::Report::Found(Box::new(report))),
        Ok(Reply::Failure(failure)) if is_unknown(&failure) => providers::Report::NotKnown,
        Ok(Reply::Failure(failure)) => providers::Report::Failed(Box::new(failure)),
        Ok(_) => providers::Report::NotKnown,
        Err(AgentError::Timeout) => providers::Report::NoAnswer,
        Err(_) => providers::Report::NotAsked(Silence::NoAnswer),
    }
}

/// What it knows of a loaded account, or why it does not tell.
pub fn account(agent: &Agent, account: String) -> Result<AccountReport, String> {
    match agent.call(&Request::Examine { account }) {
        Ok(Reply::Success { info: Some(info) }) => {
            AccountReport::from_info(&info).ok_or_else(|| "it answers something else".to_owned())
        }
        Ok(Reply::Failure(failure)) if is_unknown(&failure) => Err("it does not know the request".to_owned()),
        Ok(Reply::Failure(failure)) => Err(failure.to_string()),
        Ok(_) => Err("it answers something else".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn is_unknown(failure: &Failure) -> bool {
    matches!(failure.code, ErrorCode::UnknownRequest | ErrorCode::NotSupportedYet)
}
