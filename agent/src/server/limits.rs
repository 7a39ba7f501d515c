//! Bounds of a listener.

use std::time::Duration;

/// Bounds that keep one client from using up what all need.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections served at the same time; further ones wait to be accepted.
    pub connections: usize,
    /// How many of them may be of members of the agent's group, so that these cannot keep its owner out.
    pub members: usize,
    /// What all connections of the owner together may hold of messages, in bytes, beyond a little for each; those of
    /// members a quarter as much.
    pub memory: usize,
    /// How long a client may take for its first message. Scripts type slowly.
    pub first_message: Duration,
    /// How long a client may take for its request after the keys were exchanged.
    pub request: Duration,
    /// How long a client may take to accept its reply.
    pub reply: Duration,
    /// How long a silent connection is safe from being closed when no further one can be accepted.
    pub patience: Duration,
    /// How long requests in hand may go on after the end was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            members: 512,
            memory: 64 << 20,
            first_message: Duration::from_secs(30),
            request: Duration::from_secs(10),
            reply: Duration::from_secs(10),
            patience: Duration::from_millis(500),
            grace: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// How often deadlines of silent connections are looked at: they may be overrun by as much.
    pub(super) fn tick(&self) -> Duration {
        const COARSE: Duration = Duration::from_secs(1);
        COARSE.min(self.first_message).min(self.request)
    }
}
