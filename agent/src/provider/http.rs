//! HTTP as the agent speaks it to providers: bounded in time and size, never following a redirect, repeating only
//! what may be repeated.
//!
//! **Repeating.** A request without side effects is tried up to three times on every failure that may pass. A token
//! request is not: a provider that rotates refresh tokens takes a second use of the same token for theft and ends
//! the session, and after a timeout, a broken connection or the 502 and 504 of a proxy nobody knows whether the first
//! use went through, or still is being worked on. Such a request is repeated only if it was certainly not processed: no
//! connection came about, or the answer says so (429, or 503 with `Retry-After`).

mod client;
mod failure;
mod pinned;
mod proxy;
mod request;
mod resolve;
mod response;
mod retry_after;
mod roots;
mod sending;
mod slot;
#[cfg(test)]
mod tests;

pub use self::sending::SPENDING_TIMEOUT;
pub(crate) use self::{
    client::HttpClients,
    request::{Content, Repeat, Request, allowed_url},
    resolve::is_loopback,
    response::Answer,
    roots::is_system_bundle,
    sending::Http,
};
