//! What the agent tells of itself when it is asked which accounts it holds; that none runs, or that it is locked, is an
//! answer too.

use oidc_proto::{
    error_code::ErrorCode,
    message::{AgentStatus, Reply, Request},
};

use super::Context;

/// What is known of an account in the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentState {
    /// No agent runs.
    None,
    /// It is locked, and may hold the account.
    Locked,
    /// It does not hold the account.
    NotLoaded,
    /// It holds the account unlocked.
    Loaded,
    /// It could not be asked, for this reason.
    Unknown(String),
}

impl AgentState {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Locked => "locked",
            Self::NotLoaded => "not_loaded",
            Self::Loaded => "loaded",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Asks the agent once. The error is the same for all accounts.
pub fn ask(context: &mut Context) -> Result<AgentStatus, AgentState> {
    let unexpected = || AgentState::Unknown("unexpected answer".to_owned());
    match context.call(&Request::StatusJson) {
        Ok(Reply::Success { info: Some(info) }) => AgentStatus::from_info(&info).ok_or_else(unexpected),
        Ok(_) => Err(unexpected()),
        Err(error) if error.is_no_agent() => Err(AgentState::None),
        Err(error) if error.failure_code() == Some(ErrorCode::AgentLocked) => Err(AgentState::Locked),
        Err(error) => Err(AgentState::Unknown(error.to_string())),
    }
}

/// What is known of one account, after [`ask`].
pub fn of(status: &Result<AgentStatus, AgentState>, name: &str) -> AgentState {
    match status {
        Ok(status) if status.loaded_accounts.iter().any(|other| other == name) => AgentState::Loaded,
        Ok(_) => AgentState::NotLoaded,
        Err(state) => state.clone(),
    }
}
