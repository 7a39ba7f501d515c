//! What holds for every message and every way to cut it.

use oidc_proto::{
    channel::{AgentChannel, AgentStep, ClientChannel, ClientStep},
    framing::{Expected, Frame, Scanner},
    message::{Reply, Request},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use zeroize::Zeroizing;

use crate::{exchanges::run_agent, strategies};

/// The stream in parts, cut at any places.
fn cut<'a>(stream: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    places.sort_unstable();
    places.push(stream.len());
    let mut from = 0;
    let part = |to: usize| &stream[std::mem::replace(&mut from, to)..to];
    places.into_iter().map(part).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..6)
}

/// Feeds a growing buffer to one scanner, as a channel does.
fn scan(expected: Expected, chunks: &[&[u8]]) -> Result<Option<Frame>, oidc_proto::framing::FramingError> {
    let (mut scanner, mut buffer) = (Scanner::new(expected, 0), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        match scanner.scan(&buffer) {
            Ok(None) => {}
            done => return done,
        }
    }
    Ok(None)
}

proptest! {
    #[test]
    fn requests_come_back(request in strategies::request()) {
        prop_assert_eq!(Request::parse(request.to_json().as_bytes()), Ok(request));
    }

    #[test]
    fn replies_come_back(reply in strategies::reply()) {
        let json = reply.to_json();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        prop_assert!(!json.contains('\n'));
        prop_assert_eq!(Reply::parse(json.as_bytes()), Ok(reply));
    }

    #[test]
    fn an_object_ends_where_it_ends(
        request in strategies::request(), before in "[ \t\r\n]{0,3}", after in any::<Vec<u8>>(), cuts in cuts(),
    ) {
        let json = request.to_json();
        let stream = [before.as_bytes(), json.as_bytes(), &after].concat();
        let frame = scan(Expected::Opening, &cut(&stream, &cuts));
        prop_assert_eq!(frame, Ok(Some(Frame::Object(before.len()..before.len() + json.len()))));
    }

    #[test]
    fn cutting_changes_nothing(stream in framed_bytes(), cuts in cuts()) {
        for expected in [Expected::Opening, Expected::Sealed, Expected::SealedOrObject] {
            prop_assert_eq!(scan(expected, &cut(&stream, &cuts)), scan(expected, &[&stream]));
        }
    }

    #[test]
    fn any_bytes_are_survived(stream in framed_bytes(), more in framed_bytes(), cuts in cuts()) {
        let stream = [stream, more].concat();
        run_agent(&mut AgentChannel::new(), &cut(&stream, &cuts));
        for (mut client, _) in [ClientChannel::sealed(Request::Check.to_json()), ClientChannel::in_clear(Request::Check.to_json())] {
            for chunk in cut(&stream, &cuts) {
                if client.receive(chunk).is_err() {
                    break;
                }
            }
        }
        let _ = (Request::parse(&stream), Reply::parse(&stream));
    }

    #[test]
    fn a_sealed_exchange_carries_any_text(
        request in any::<String>(), reply in any::<String>(), cuts in cuts(), other_cuts in cuts(),
    ) {
        let (mut client, first) = ClientChannel::sealed(Zeroizing::new(request.clone()));
        let mut agent = AgentChannel::new();
        let run = run_agent(&mut agent, &cut(&first, &cuts));
        let Ok(ClientStep::Send(sealed)) = client.receive(&run.sent[0]) else { panic!() };
        let run = run_agent(&mut agent, &cut(&sealed, &cuts));
        prop_assert_eq!(run.request, Some(request.into_bytes()));
        let sealed = agent.reply(Zeroizing::new(reply.clone()));
        let mut opened = None;
        for chunk in cut(&sealed, &other_cuts) {
            if let ClientStep::Reply(payload) = client.receive(chunk).unwrap() {
                opened = Some(payload.to_vec());
            }
        }
        prop_assert_eq!(opened, Some(reply.into_bytes()));
    }

    #[test]
    fn another_process_goes_on_wherever_the_exchange_is(
        request in any::<String>(), reply in any::<String>(), cuts in cuts(), sealed in any::<bool>(), blanks in " {0,3}",
    ) {
        let request = format!("{{{request:?}:0}}");
        let begin = if sealed { ClientChannel::sealed } else { ClientChannel::in_clear };
        let (mut client, first) = begin(Zeroizing::new(request.clone()));
        let mut agent = AgentChannel::new();
        let mut seen = None;
        let mut stream = [blanks.as_bytes(), &first].concat();
        while seen.is_none() {
            let mut answer = None;
            for chunk in cut(&stream, &cuts) {
                let text = agent.hand_on().expect("it goes on").to_json();
                let object = oidc_proto::json::Object::parse(text.as_bytes()).expect("an object");
                agent = AgentChannel::handed_on(&object).expect("its own state");
                let run = run_agent(&mut agent, &[chunk]);
                prop_assert_eq!(run.refused, None);
                answer = answer.or(run.sent.into_iter().next());
                seen = seen.or(run.request);
            }
            if let Some(key) = answer {
                let Ok(ClientStep::Send(message)) = client.receive(&key) else { panic!() };
                stream = message.to_vec();
            }
        }
        prop_assert_eq!(seen, Some(request.into_bytes()));
        let object = agent.hand_on().expect("it goes on");
        let reply = format!("{{{reply:?}:0}}");
        let sent = AgentChannel::handed_on(&object).expect("its own state").reply(Zeroizing::new(reply.clone()));
        let Ok(ClientStep::Reply(payload)) = client.receive(&sent) else { panic!() };
        prop_assert_eq!(payload.to_vec(), reply.into_bytes());
    }

    #[test]
    fn key_and_request_may_come_in_one_piece(request in strategies::request(), cuts in cuts()) {
        use oidc_proto::secret::Key;
        let (client_secret, agent_secret) = (Key::random(), Key::random());
        let nonce = [7; 24];
        let (mut client, first) = ClientChannel::sealed_with(request.to_json(), client_secret, nonce);
        let AgentStep::Send(agent_key) = AgentChannel::with_secret_key(agent_secret.clone()).receive(&first) else { panic!() };
        let Ok(ClientStep::Send(sealed)) = client.receive(&agent_key) else { panic!() };
        let stream = [&*first, b"\n", &sealed, b"\0\n"].concat();
        let run = run_agent(&mut AgentChannel::with_secret_key(agent_secret), &cut(&stream, &cuts));
        prop_assert_eq!(run.sent, [agent_key]);
        prop_assert_eq!(run.request, Some(request.to_json().as_bytes().to_vec()));
    }
}

/// Bytes that come close to messages: runs of the characters that matter.
fn framed_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[{}\\[\\]\"\\\\a ]{0,12}",
        "[0-9]{1,8}:",
        "[A-Za-z0-9+/]{32}:",
        "[A-Za-z0-9+/]{43}=",
        "[A-Za-z0-9+/]{0,60}={0,2}",
        any::<String>(),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat().into_bytes())
}
