//! What answers the requests that sessions read: implemented by [`super::dispatch`], and by tests.

use oidc_proto::{
    json::Object,
    message::{Failure, Reply, Request},
};

use crate::caller::Caller;

/// Keeps something from beginning.
pub trait AtRest {}

impl<T> AtRest for T {}

/// Answers requests. One handler serves all connections at once.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// The future of a request that only asks (tokens, scopes) is dropped at whatever it waits for when its client
    /// goes away. What must be completed once it began, above all storing a rotated refresh token, has to go on
    /// elsewhere. The future of every other request is awaited to its end, whether or not the client is still there.
    fn handle(&self, request: Request, caller: Caller<'_>) -> impl Future<Output = Reply> + Send;

    /// The reply to bytes that are no request, given what is wrong with them.
    fn refuse(&self, failure: Failure) -> Reply {
        failure.into()
    }

    /// A hang-up signal came, which asks a daemon to read its configuration again.
    fn hang_up(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Sees to it that nothing is under way that another process could not go on with, and that nothing begins as long as the
    /// guard lives; otherwise what is.
    fn at_rest(&self) -> Result<Box<dyn AtRest + '_>, String> {
        Ok(Box::new(()))
    }

    /// What is held, as JSON, for another process of the agent.
    fn hand_on(&self) -> Object {
        Object::default()
    }

    /// Called at the end, perhaps more than once: completes what outlives requests, and begins nothing that might not
    /// be completed. Bounded by the caller.
    fn finish(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
