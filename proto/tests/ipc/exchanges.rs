//! Sealed exchanges replay byte by byte, however they are cut.

use oidc_proto::{
    channel::{AgentChannel, AgentStep, ClientChannel, ClientStep, StreamEnd},
    message::Reply,
};
use zeroize::Zeroizing;

use crate::fixture::Fixture;

/// What an agent does with a stream of bytes cut at the given places, and the reply to send when there is a request.
#[derive(Debug, Default, PartialEq)]
pub struct AgentRun {
    pub sent: Vec<Vec<u8>>,
    pub request: Option<Vec<u8>>,
    pub refused: Option<Vec<u8>>,
}

pub fn run_agent(channel: &mut AgentChannel, chunks: &[&[u8]]) -> AgentRun {
    let mut run = AgentRun::default();
    for chunk in chunks {
        let mut step = channel.receive(chunk);
        while let AgentStep::Send(bytes) = step {
            run.sent.push(bytes);
            step = channel.receive(b"");
        }
        match step {
            AgentStep::Request(payload) => run.request = Some(payload.to_vec()),
            AgentStep::Refuse(payload) => run.refused = Some(payload.to_vec()),
            _ => {}
        }
    }
    run
}

/// The stream in two parts, for each place to cut it (of long ones, a sample), and in single bytes.
pub fn all_cuts(stream: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let step = stream.len() / 100 + 1;
    let halves = (0..=stream.len()).step_by(step).map(move |at| vec![&stream[..at], &stream[at..]]);
    halves.chain([stream.chunks(1).collect()])
}

#[test]
fn agent_opens_requests_and_seals_replies_as_the_c_agent() {
    for fixture in Fixture::all() {
        let Some(secret) = fixture.agent_secret() else { continue };
        let (name, client, agent) =
            (&fixture.name, fixture.written_by("client"), fixture.written_by("agent"));
        for chunks in all_cuts(&client.concat()) {
            let mut channel = AgentChannel::with_secret_key(secret.clone());
            let run = run_agent(&mut channel, &chunks);
            assert_eq!(run.sent, [agent[0].clone()], "{name}");
            assert_eq!(run.request, Some(fixture.request_text()), "{name}");
            assert_eq!((run.refused, channel.end_of_stream()), (None, StreamEnd::Complete), "{name}");
            let reply = fixture.reply.as_ref().unwrap();
            let sealed =
                channel.reply_with_nonce(Zeroizing::new(reply.plaintext.clone()), &reply.nonce().unwrap());
            assert_eq!(*sealed, *agent[1], "{name}");
        }
    }
}

#[test]
fn client_seals_requests_and_opens_replies_as_recorded() {
    for fixture in Fixture::all() {
        let (Some(secret), Some(request)) = (fixture.client_secret(), &fixture.request) else { continue };
        let (name, client, agent) =
            (&fixture.name, fixture.written_by("client"), fixture.written_by("agent"));
        for chunks in all_cuts(&agent.concat()) {
            let text = Zeroizing::new(request.plaintext.clone());
            let nonce = request.nonce().unwrap();
            let (mut channel, first) = ClientChannel::sealed_with(text, secret.clone(), nonce);
            let mut sent = vec![first.to_vec()];
            let mut reply = None;
            for chunk in chunks {
                let mut step = channel.receive(chunk).unwrap();
                if let ClientStep::Send(bytes) = step {
                    sent.push(bytes.to_vec());
                    step = channel.receive(b"").unwrap();
                }
                if let ClientStep::Reply(payload) = step {
                    reply = Some(payload.to_vec());
                }
            }
            assert_eq!(sent, client, "{name}");
            assert_eq!(reply, fixture.reply_text(), "{name}");
        }
    }
}

/// The key of an exchange is the same from either end, so the client's secret key opens its own request.
#[test]
fn recorded_requests_open_with_the_client_secret() {
    let mut opened = 0;
    for fixture in Fixture::all() {
        let (Some(secret), Some(request)) = (fixture.client_secret(), &fixture.request) else { continue };
        let agent_key = fixture.written_by("agent").swap_remove(0);
        let mut channel = AgentChannel::with_secret_key(secret);
        let run = run_agent(&mut channel, &[&agent_key, &fixture.written_by("client")[1]]);
        assert_eq!(run.request.as_deref(), Some(request.plaintext.as_bytes()), "{}", fixture.name);
        assert!(
            fixture.reply_is_sealed()
                || matches!(Reply::parse(&fixture.reply_text().unwrap()), Ok(Reply::Failure(_)))
        );
        opened += 1;
    }
    assert!(opened > 30);
}

#[test]
fn exchanges_in_clear_replay_however_they_are_cut() {
    for fixture in Fixture::all().iter().filter(|fixture| fixture.encrypted == Some(false)) {
        let stream = fixture.written_by("client").concat();
        if stream.starts_with(b"/*") || !stream.trim_ascii_start().starts_with(b"{") {
            continue; // Accepted by accident, or no object: see `malformed`.
        }
        for chunks in all_cuts(&stream) {
            let mut channel = AgentChannel::new();
            let run = run_agent(&mut channel, &chunks);
            let request = run.request.unwrap_or_else(|| panic!("{}", fixture.name));
            assert!(stream.trim_ascii_start().starts_with(&request), "{}", fixture.name);
            assert_eq!(*channel.reply(Zeroizing::new("{}".into())), *b"{}", "{}", fixture.name);
        }
    }
}
