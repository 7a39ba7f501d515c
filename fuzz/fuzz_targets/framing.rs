//! Bytes from a socket: where a message ends does not depend on how they were cut, and both sides of a channel survive
//! whatever comes. The first byte says where to cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oidc_proto::{
    channel::{AgentChannel, AgentStep, ClientChannel, ClientStep},
    framing::{Expected, Frame, Scanner},
    message::Request,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let at = usize::from(*cut).min(stream.len());
    for expected in [Expected::Opening, Expected::Sealed, Expected::SealedOrObject] {
        let whole = Scanner::new(expected, 0).scan(stream);
        let mut scanner = Scanner::new(expected, 0);
        let in_parts = match scanner.scan(&stream[..at]) {
            Ok(None) => scanner.scan(stream),
            done => done,
        };
        assert_eq!(in_parts, whole);
        if let Ok(Some(frame)) = whole {
            let (Frame::Object(range) | Frame::PublicKey(range) | Frame::Sealed { cipher: range, .. }) = frame;
            assert!(range.end <= stream.len());
        }
    }
    let chunks = [&stream[..at], &stream[at..]];
    agent(AgentChannel::new(), &chunks);
    let mut keyed = AgentChannel::new();
    keyed.receive(&ClientChannel::sealed(Request::Check.to_json()).1);
    agent(keyed, &chunks);
    client(ClientChannel::sealed(Request::Check.to_json()).0, &chunks);
    client(ClientChannel::in_clear(Request::Check.to_json()).0, &chunks);
});

fn agent(mut channel: AgentChannel, chunks: &[&[u8]]) {
    for chunk in chunks {
        if let AgentStep::Send(_) = channel.receive(chunk) {
            channel.receive(b"");
        }
    }
    let _ = channel.end_of_stream();
}

fn client(mut channel: ClientChannel, chunks: &[&[u8]]) {
    for chunk in chunks {
        if let Ok(ClientStep::Send(_)) = channel.receive(chunk) {
            let _ = channel.receive(b"");
        }
    }
    let _ = channel.end_of_stream();
}
