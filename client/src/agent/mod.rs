//! One call to the agent: connect, one request, one reply, close. Blocking, with deadlines.

mod call;
mod error;
mod exchange;
pub mod start;

pub use call::Agent;
pub use error::AgentError;
