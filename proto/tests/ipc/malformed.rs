//! What is no proper exchange is answered as the C agent does, or better; never with a hang or a crash.

use oidc_proto::{
    channel::{AgentChannel, AgentStep, ChannelError, ClientChannel, ClientStep, StreamEnd},
    framing::MAX_MESSAGE,
    message::{Failure, Reply, Request},
    secret::Key,
};
use zeroize::Zeroizing;

use crate::{exchanges::run_agent, fixture::Fixture};

/// Captures that show the C agent taking a fragment or garbage for a message. Ours waits for the rest or refuses.
const NOT_TO_IMITATE: &[&str] = &[
    "malformed-array",
    "malformed-enc-request-in-two-writes",
    "malformed-json-in-two-writes",
    "malformed-plain-comment",
    "malformed-public-key-in-two-writes",
    "malformed-text",
    "malformed-truncated-json",
];

/// How our agent answers a recorded client: the text of its failure, or `None` after a proper request.
/// The recorded agent's secret key is unknown, but the client's serves as well (see `exchanges`).
fn answer(fixture: &Fixture) -> Option<String> {
    let writes = fixture.written_by("client");
    let mut channel = fixture.client_secret().map_or_else(AgentChannel::new, AgentChannel::with_secret_key);
    let opening = fixture.client_secret().map(|_| fixture.written_by("agent").swap_remove(0));
    let mut chunks: Vec<&[u8]> = writes.iter().map(Vec::as_slice).collect();
    if let Some(agent_key) = &opening {
        chunks[0] = agent_key;
    }
    let run = run_agent(&mut channel, &chunks);
    let failure = match (run.request, run.refused, channel.end_of_stream()) {
        (Some(request), ..) => return Request::parse(&request).err().map(|failure| failure.error),
        (None, Some(refused), _) => refused,
        (None, None, StreamEnd::Incomplete(reply)) => reply.to_vec(),
        (None, None, end) => panic!("{}: {end:?}", fixture.name),
    };
    match Reply::parse(&failure) {
        Ok(Reply::Failure(failure)) => Some(failure.error),
        other => panic!("{}: {other:?}", fixture.name),
    }
}

#[test]
fn recorded_malformed_messages_are_answered_as_by_the_c_agent() {
    let mut compared = 0;
    for fixture in Fixture::all() {
        if !fixture.name.starts_with("malformed-") || NOT_TO_IMITATE.contains(&fixture.name.as_str()) {
            continue;
        }
        let recorded =
            match Reply::parse(&fixture.reply_text().unwrap_or_else(|| b"{\"status\":\"success\"}".to_vec()))
            {
                Ok(Reply::Failure(failure)) => Some(failure.error),
                _ => None,
            };
        assert_eq!(answer(&fixture), recorded, "{}", fixture.name);
        compared += 1;
    }
    assert!(compared >= 34, "{compared}");
}

#[test]
fn fragments_are_waited_for_and_garbage_is_refused() {
    let not_json = Some("Bad Request: could not parse json".to_owned());
    for fixture in Fixture::all() {
        let expected = match fixture.name.as_str() {
            "malformed-json-in-two-writes" => None,
            "malformed-array" | "malformed-plain-comment" | "malformed-text" | "malformed-truncated-json" => {
                not_json.clone()
            }
            _ => continue,
        };
        assert_eq!(answer(&fixture), expected, "{}", fixture.name);
    }
}

#[test]
fn a_public_key_in_two_writes_is_one_key() {
    let writes = Fixture::all()
        .into_iter()
        .find(|fixture| fixture.name == "malformed-public-key-in-two-writes")
        .map(|fixture| fixture.written_by("client"))
        .unwrap();
    let mut channel = AgentChannel::new();
    assert_eq!(channel.receive(&writes[0]), AgentStep::NeedMore);
    assert!(matches!(channel.receive(&writes[1]), AgentStep::Send(key) if key.len() == 44));
}

#[test]
fn points_of_small_order_are_refused() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    // Of order 8 (RFC 7748 curve25519), 4, 2 and 1: all give a shared point of zero.
    let order_8 = *b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00";
    let mut one = [0; 32];
    one[0] = 1;
    for point in [order_8, one, [0; 32]] {
        let key = STANDARD.encode(point);
        let AgentStep::Refuse(reply) = AgentChannel::new().receive(key.as_bytes()) else { panic!("{key}") };
        assert_eq!(Reply::parse(&reply), Ok(Failure::suspicious_public_key().into()));
        let (mut client, _) = ClientChannel::sealed(Request::Check.to_json());
        assert_eq!(client.receive(key.as_bytes()), Err(ChannelError::SuspiciousPublicKey));
    }
}

#[test]
fn messages_are_bounded_before_memory_is_taken() {
    let too_large = Reply::from(Failure::message_too_large());
    let keyed = || {
        let mut channel = AgentChannel::new();
        let (_, client_key) = ClientChannel::sealed(Request::Check.to_json());
        assert!(matches!(channel.receive(&client_key), AgentStep::Send(_)));
        channel
    };
    for length in ["1048577:", "99999999999999999999999:", "00000000"] {
        let AgentStep::Refuse(reply) = keyed().receive(length.as_bytes()) else { panic!("{length}") };
        assert_eq!(Reply::parse(&reply).as_ref(), Ok(&too_large), "{length}");
    }
    let mut channel = AgentChannel::new();
    let mut step = channel.receive(b"{\"request\":\"");
    let mut received = 0;
    while step == AgentStep::NeedMore {
        assert!(received <= MAX_MESSAGE);
        step = channel.receive(&[b'x'; 4096]);
        received += 4096;
    }
    assert!(matches!(step, AgentStep::Refuse(reply) if Reply::parse(&reply).as_ref() == Ok(&too_large)));
}

#[test]
fn an_empty_connection_is_normal() {
    let mut channel = AgentChannel::new();
    assert_eq!(channel.end_of_stream(), StreamEnd::Empty);
    assert_eq!(channel.receive(b"\n"), AgentStep::NeedMore);
    assert_eq!(channel.end_of_stream(), StreamEnd::Empty);
    assert_eq!(channel.receive(b"{"), AgentStep::NeedMore);
    assert!(matches!(channel.end_of_stream(), StreamEnd::Incomplete(_)));
}

#[test]
fn bytes_after_the_request_are_ignored() {
    let mut channel = AgentChannel::new();
    let step = channel.receive(b"{\"request\":\"check\"}{\"request\":\"status\"}");
    assert!(matches!(step, AgentStep::Request(payload) if *payload == *b"{\"request\":\"check\"}"));
    assert_eq!(channel.receive(b"{\"request\":\"remove_all\"}"), AgentStep::NeedMore);
}

#[test]
fn a_sealed_request_takes_only_failures_in_clear() {
    let keyed = || {
        let (mut client, first) = ClientChannel::sealed(Request::Check.to_json());
        let AgentStep::Send(key) = AgentChannel::new().receive(&first) else { panic!() };
        assert!(matches!(client.receive(&key), Ok(ClientStep::Send(_))));
        client
    };
    for text in
        [&br#"{"status":"success","access_token":"t","issuer":"https://op","expires_at":1}"#[..], b"{}"]
    {
        assert_eq!(keyed().receive(text), Err(ChannelError::NotSealed));
        let (mut before_keys, _) = ClientChannel::sealed(Request::Check.to_json());
        assert_eq!(before_keys.receive(text), Err(ChannelError::NotSealed));
    }
    let failure = br#"{"status":"failure","error":"decryption failed"}"#;
    assert!(matches!(keyed().receive(failure), Ok(ClientStep::Reply(reply)) if *reply == failure[..]));
}

#[test]
fn the_end_of_the_stream_is_an_error_for_the_client() {
    for (mut client, _) in
        [ClientChannel::sealed(Request::Check.to_json()), ClientChannel::in_clear(Request::Check.to_json())]
    {
        assert_eq!(client.end_of_stream(), ChannelError::Closed);
        assert_eq!(client.receive(b"{\"status\":"), Ok(ClientStep::NeedMore));
        assert_eq!(client.end_of_stream(), ChannelError::Truncated);
    }
}

#[test]
fn a_reply_sealed_with_another_key_does_not_open() {
    let (mut client, first) = ClientChannel::sealed(Request::Check.to_json());
    let mut other = AgentChannel::with_secret_key(Key::random());
    let AgentStep::Send(other_key) = other.receive(&first) else { panic!() };
    let Ok(ClientStep::Send(request)) = client.receive(&other_key) else { panic!() };
    let mut agent = AgentChannel::new();
    assert!(matches!(agent.receive(&first), AgentStep::Send(_)));
    let AgentStep::Refuse(refused) = agent.receive(&request) else { panic!() };
    assert_eq!(Reply::parse(&refused), Ok(Failure::decryption_failed().into()));
    assert!(matches!(other.receive(&request), AgentStep::Request(_)));
    let mut reply = other.reply(Reply::success().to_json()).to_vec();
    let last = reply.len() - 3;
    reply[last] = if reply[last] == b'A' { b'B' } else { b'A' };
    assert_eq!(client.receive(&reply), Err(ChannelError::DecryptionFailed));
}

/// The Go and Python libraries read chunks of 4096 bytes and wait for another one after a full one. With 36 or 40
/// bytes before the cipher, a wire length can be such a multiple only where `len` has two or six digits.
#[test]
fn no_sealed_reply_is_a_multiple_of_4096_bytes_long() {
    let mut padded = 0;
    for len in 101_310..101_322 {
        let (mut client, first) = ClientChannel::sealed(Request::Check.to_json());
        let mut agent = AgentChannel::new();
        let AgentStep::Send(key) = agent.receive(&first) else { panic!() };
        let Ok(ClientStep::Send(request)) = client.receive(&key) else { panic!() };
        assert!(matches!(agent.receive(&request), AgentStep::Request(_)));
        let json = format!("{{\"status\":\"{}\"}}", "s".repeat(len));
        let reply = agent.reply(Zeroizing::new(json.clone()));
        assert_ne!(reply.len() % 4096, 0, "{len}");
        let Ok(ClientStep::Reply(opened)) = client.receive(&reply) else { panic!() };
        assert_eq!(opened.trim_ascii_end(), json.as_bytes());
        padded += usize::from(opened.len() > json.len());
    }
    assert!(padded > 0);
}
