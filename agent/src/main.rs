//! `oidc-agent`: see the library for everything but the choice of who answers.

use std::process::ExitCode;

use oidc_agent::{
    server::{Handler, Peer},
    start,
};
use oidc_proto::message::{Failure, Reply, Request};

/// Answers that it is there.
struct Presence;

impl Handler for Presence {
    async fn handle(&self, request: Request, _: Peer) -> Reply {
        match request {
            Request::Check => Reply::success(),
            other => Failure::not_supported_yet(other.name()).into(),
        }
    }
}

fn main() -> ExitCode {
    start::main(std::env::args_os(), |_| Presence)
}
