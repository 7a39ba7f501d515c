//! The text of a request or reply: any bytes parse or are refused, what is written is strict JSON and reads back the
//! same, and a reply has `error` exactly when it is a failure.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oidc_proto::message::{AgentStatus, IssuerInfos, Reply, Request, ResetReport};

fuzz_target!(|text: &[u8]| {
    match Request::parse(text) {
        Ok(request) => {
            assert_eq!(Request::parse(request.to_json().as_bytes()).as_ref(), Ok(&request));
            let _ = format!("{request:?}");
        }
        Err(failure) => check(&failure.into()),
    }
    if let Ok(reply) = Reply::parse(text) {
        check(&reply);
    }
});

fn check(reply: &Reply) {
    let json = reply.to_json();
    let strict: serde_json::Value = serde_json::from_str(&json).expect("strict JSON");
    assert_eq!(strict.get("error").is_some(), matches!(reply, Reply::Failure(_)));
    assert_eq!(Reply::parse(json.as_bytes()).as_ref(), Ok(reply));
    if let Reply::Success { info: Some(info) } = reply {
        let _ = (AgentStatus::from_info(info), IssuerInfos::from_info(info), ResetReport::from_info(info));
    }
    let _ = format!("{reply:?}");
}
