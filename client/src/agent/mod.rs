//! One call to the agent: connect, one request, one reply, close. Blocking, with deadlines.

mod call;
mod error;
mod exchange;
mod remote;
pub mod start;

pub use call::Agent;
pub use error::AgentError;
pub use remote::{NoAddress, OIDC_REMOTE_SOCK, RemoteAddress};

/// A path as a request names it: absolute, since the agent has a working directory of its own. `None` for one that is empty or not
/// UTF-8.
pub fn absolute_path(path: &str) -> Option<String> {
    std::path::absolute(path).ok()?.to_str().map(str::to_owned)
}
