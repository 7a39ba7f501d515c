//! Logins that are offered by the agent, in a window.

mod by_agent;
mod stage;
