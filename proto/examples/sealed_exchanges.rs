//! How many sealed exchanges one core does: both sides, from the request to the parsed reply.
//!
//!     cargo run --release -p oidc-proto --example sealed_exchanges

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use oidc_proto::{
    channel::{AgentChannel, AgentStep, ClientChannel, ClientStep},
    message::{Reply, Request, Target, TokenReply, TokenRequest},
    secret::AccessToken,
};

const TIME: Duration = Duration::from_secs(2);

/// Bytes of an access token as IAM issues them.
const TOKEN_LEN: usize = 900;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = Request::AccessToken(TokenRequest::new(Target::Account("wlcg".into())));
    let reply = Reply::Token(TokenReply {
        access_token: AccessToken::new("t".repeat(TOKEN_LEN)),
        issuer: "https://op.example/".into(),
        expires_at: Some(1_800_000_000),
        scope: None,
        warnings: Vec::new(),
        refresh_token: None,
    });
    let (mut exchanges, mut in_agent, start) = (0_u32, Duration::ZERO, Instant::now());
    while start.elapsed() < TIME {
        in_agent += exchange(&request, &reply)?;
        exchanges += 1;
    }
    let took = start.elapsed();
    println!(
        "{:.0} sealed exchanges per second on one core, both sides",
        f64::from(exchanges) / took.as_secs_f64()
    );
    println!("{:.0} per second in the agent alone", f64::from(exchanges) / in_agent.as_secs_f64());
    Ok(())
}

/// One exchange without a socket. Returns the agent's share of the time.
fn exchange(request: &Request, reply: &Reply) -> Result<Duration, Box<dyn std::error::Error>> {
    let (mut client, public_key) = ClientChannel::sealed(request.to_json());
    let start = Instant::now();
    let mut agent = AgentChannel::new();
    let AgentStep::Send(agent_key) = agent.receive(&public_key) else { return Err("no key".into()) };
    let mut in_agent = start.elapsed();

    let ClientStep::Send(sealed) = client.receive(&agent_key)? else { return Err("no request".into()) };

    let start = Instant::now();
    let AgentStep::Request(payload) = agent.receive(&sealed) else { return Err("refused".into()) };
    Request::parse(&payload)?;
    let sealed = agent.reply(reply.to_json());
    in_agent += start.elapsed();

    let ClientStep::Reply(payload) = client.receive(&sealed)? else { return Err("no reply".into()) };
    Reply::parse(&payload)?;
    Ok(in_agent)
}
