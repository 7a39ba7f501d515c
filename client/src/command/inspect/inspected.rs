//! A token with everything that was found out about it.

use oidc_proto::{
    message::Introspection,
    token::{Class, FoundToken, Kind, Problem},
};
use serde_json::{Value, json};

use crate::say::exit::Exit;

/// A token with everything that was found out about it.
pub struct Inspected {
    /// The token.
    pub found: FoundToken,
    /// What it is.
    pub kind: Kind,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Whether the issuer signed it and nothing is wrong; `None` where that was not asked for, or cannot be told.
    pub verified: Option<bool>,
    /// When it expires, in seconds since the epoch: as it says itself, else as the agent or the provider says.
    pub expires_at: Option<u64>,
    /// What the provider says of it.
    pub introspection: Option<Introspection>,
    /// Whether the services that were named would take it.
    pub taken_at: Vec<TakenAt>,
    /// Why it could not be verified, where that is not the token's fault.
    pub failure: Option<Exit>,
}

/// Whether a service would take a token.
pub struct TakenAt {
    /// The service.
    pub address: String,
    /// As far as can be told here.
    pub is_taken: bool,
}

impl Inspected {
    /// How long it is valid still, in seconds; negative: it has been over for so long.
    pub fn remaining(&self, now: u64) -> Option<i64> {
        let (end, now) = (i64::try_from(self.expires_at?).ok()?, i64::try_from(now).ok()?);
        Some(end - now)
    }

    /// How a command ends that judges it.
    pub fn exit(&self) -> Exit {
        if let Some(exit) = self.failure {
            return exit;
        }
        let refusals = self.problems.iter().filter(|problem| problem.refuses());
        refusals.map(|problem| exit_of(problem.code)).min_by_key(|exit| rank(*exit)).unwrap_or(Exit::Success)
    }

    /// Everything, for scripts.
    pub fn to_json(&self, now: u64) -> Value {
        let token = &self.found.token;
        let object = |members: Option<&oidc_proto::token::Members>| {
            members.map(|members| Value::Object(members.object().members().clone()))
        };
        let problems = self.problems.iter().map(|problem| {
            json!({"code": problem.code, "severity": problem.severity.name(), "text": problem.text})
        });
        json!({
            "kind": self.kind.name(),
            "version": self.kind.version,
            "found_as": self.found.found_as,
            "also_as": self.found.also_as,
            "header": object(token.header()),
            "claims": object(token.signed().map(|jwt| &jwt.claims)),
            "expires_at": self.expires_at,
            "remaining": self.remaining(now),
            "size": token.size(),
            "verified": self.verified,
            "problems": problems.collect::<Vec<_>>(),
            "introspection": self.introspection.as_ref().map(Introspection::to_info),
            "taken_at": self.taken_at.iter().map(|at| json!({"url": at.address, "taken": at.is_taken})).collect::<Vec<_>>(),
        })
    }

    /// Whether nobody but its issuer, or its pool, can verify it.
    pub fn cannot_be_verified(&self) -> bool {
        self.found.token.signed().is_none() || self.kind.class == Class::Condor
    }
}

/// Of several problems the first in this order counts.
/// Which of several is told: a wrong signature first.
pub fn rank(exit: Exit) -> usize {
    const ORDER: [Exit; 3] = [Exit::BadSignature, Exit::TokenExpired, Exit::TokenNotYetValid];
    ORDER.iter().position(|other| *other == exit).unwrap_or(ORDER.len())
}

fn exit_of(code: &str) -> Exit {
    match code {
        "signature"
        | "alg_none"
        | "alg_hmac"
        | "alg_missing"
        | "alg_unknown"
        | "not_signed"
        | "key_unknown"
        | "key_not_for_signatures"
        | "key_of_another_type" => Exit::BadSignature,
        "expired" => Exit::TokenExpired,
        "not_yet_valid" | "issued_in_the_future" => Exit::TokenNotYetValid,
        _ => Exit::TokenRefused,
    }
}
