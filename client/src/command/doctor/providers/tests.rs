use oidc_proto::message::Prediction;

use super::*;
use crate::command::doctor::check::{State, state_of};

fn facts(report: Report) -> Facts {
    Facts { issuer: "https://op.example".into(), host: None, report }
}

fn failed(code: ErrorCode) -> Facts {
    facts(Report::Failed(Box::new(Failure::new(code, "in words"))))
}

fn found(change: impl FnOnce(&mut ProviderReport)) -> Facts {
    let mut report = ProviderReport { issuer: "https://op.example".into(), ..ProviderReport::default() };
    change(&mut report);
    facts(Report::Found(Box::new(report)))
}

fn at(ahead: Option<i64>) -> Facts {
    found(|report| report.prediction = Some(Prediction { clock_ahead: ahead, ..Prediction::default() }))
}

fn finding(topic: &str, is_problem: bool) -> Facts {
    found(|report| report.findings = vec![Finding { topic: topic.into(), text: "x".into(), is_problem }])
}

#[test]
fn each_fault_is_told() {
    for (facts, code, expected) in [
        (found(|_| ()), "provider", Some(State::Ok)),
        (facts(Report::NoAnswer), "provider", Some(State::Problem)),
        (facts(Report::NotAsked(Silence::NoAgent)), "provider", Some(State::Unchecked)),
        (facts(Report::NotKnown), "provider", Some(State::Unchecked)),
        (failed(ErrorCode::ProviderUnreachable), "provider", Some(State::Problem)),
        (failed(ErrorCode::ProviderTimeout), "provider", Some(State::Problem)),
        (failed(ErrorCode::ProviderTls), "provider", Some(State::Ok)),
        (failed(ErrorCode::AgentLocked), "provider", Some(State::Unchecked)),
        (failed(ErrorCode::Internal), "provider", Some(State::Problem)),
        (failed(ErrorCode::ProviderTls), "provider_tls", Some(State::Problem)),
        (finding("tls", false), "provider_tls", Some(State::Ok)),
        (failed(ErrorCode::ProviderMismatch), "provider_issuer", Some(State::Problem)),
        (found(|_| ()), "provider_issuer", Some(State::Ok)),
        (found(|report| report.issuer.push('/')), "provider_issuer", Some(State::Ok)),
        (found(|report| report.issuer.push_str("/x")), "provider_issuer", Some(State::Warning)),
        (failed(ErrorCode::ProviderBadResponse), "provider_metadata", Some(State::Problem)),
        (finding("endpoints", true), "provider_metadata", Some(State::Problem)),
        (finding("endpoints", false), "provider_metadata", None),
        (finding("registration", true), "provider_metadata", None),
        (at(Some(0)), "clock", Some(State::Ok)),
        (at(Some(-90)), "clock", Some(State::Warning)),
        (at(Some(301)), "clock", Some(State::Problem)),
        (at(None), "clock", Some(State::Unchecked)),
        (found(|report| report.problems = vec!["x".into()]), "provider_data", Some(State::Warning)),
        (found(|_| ()), "provider_data", None),
    ] {
        assert_eq!(state_of(CHECKS, code, &facts), expected, "{code}: {facts:?}");
    }
}

#[test]
fn a_name_that_has_no_address_is_told() {
    let with = |lookup, base: Facts| Facts { host: Some(("op.example".into(), lookup)), ..base };
    for (facts, expected) in [
        (facts(Report::NoAnswer), None),
        (with(Lookup::Found(2), facts(Report::NoAnswer)), Some(State::Ok)),
        (with(Lookup::Failed("no".into()), facts(Report::NoAnswer)), Some(State::Problem)),
        (with(Lookup::TimedOut, facts(Report::NoAnswer)), Some(State::Problem)),
        (with(Lookup::TimedOut, found(|_| ())), Some(State::Warning)),
    ] {
        assert_eq!(state_of(CHECKS, "dns", &facts), expected, "{facts:?}");
    }
    assert!(matches!(Facts::look_up("no-such-host.invalid", 1), Lookup::Failed(_)));
    assert_eq!(Facts::host_of("https://127.0.0.1:1/x"), None);
    assert_eq!(Facts::host_of("https://op.example/x"), Some(("op.example".into(), 443)));
    assert!(matches!(Facts::look_up("localhost", 1), Lookup::Found(_)));
}
