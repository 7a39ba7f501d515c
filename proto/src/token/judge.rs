//! What is wrong with a token, all of it at once: everything but its signature, which [`super::check_signature`] checks.

use serde_json::Value;

use super::{
    claims::Claim,
    compact::{Signed, Token},
    date::Date,
    kind::{Class, Kind, is_hmac, is_unsigned},
    problem::{Problem, quoted},
};
use crate::account::same_issuer;

/// How far `nbf` and `iat` may lie ahead, in seconds: clocks differ (WLCG profile section 4.3.1). `exp` has none.
pub const NOT_BEFORE_LEEWAY: u64 = 60;
/// Longest `sub` of the WLCG profile (section 2.1.1), in characters.
const MAX_SUBJECT: usize = 255;
/// The audience of the WLCG profile (section 2.1.1) that every service accepts; and what `SciTokens` writes for it.
pub const ANY_AUDIENCE: [&str; 2] = ["https://wlcg.cern.ch/jwt/v1/any", "ANY"];

/// What a token has to fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The time to judge for, in seconds since the epoch.
    pub now: u64,
    /// The issuer that it has to be from, where one is expected.
    pub issuer: Option<&'a str>,
    /// Audiences of which it has to have one. Empty: any will do.
    pub audiences: &'a [String],
}

/// Judges what a token says. An opaque or encrypted one says nothing, so nothing is wrong with that.
pub fn judge(token: &Token, kind: &Kind, expected: Expected<'_>) -> Vec<Problem> {
    let Some(jwt) = token.signed() else { return Vec::new() };
    let mut problems = Vec::new();
    written(jwt, &mut problems);
    header(jwt, kind, &mut problems);
    times(jwt, kind, expected.now, &mut problems);
    issuer(jwt, expected.issuer, &mut problems);
    audience(jwt, expected.audiences, &mut problems);
    profile(jwt, kind, &mut problems);
    problems
}

/// How it is written down.
fn written(jwt: &Signed, problems: &mut Vec<Problem>) {
    if jwt.in_standard_base64 {
        problems.push(Problem::error(
            "base64",
            "it is written in padded or standard base64: services want base64url without '=' and refuse this",
        ));
    }
    for (part, members) in [("header", &jwt.header), ("claims", &jwt.claims)] {
        for name in members.repeated() {
            problems.push(Problem::error(
                "duplicate_member",
                format!(
                    "{} stands more than once in the {part}: which one counts is anybody's guess",
                    quoted(name)
                ),
            ));
        }
        for (name, _) in members.unreadable().filter(|(name, _)| !matches!(*name, "exp" | "nbf" | "iat")) {
            problems.push(Problem::error(
                "unreadable_member",
                format!("{} in the {part} is nested too deep, or a number that is too large", quoted(name)),
            ));
        }
    }
}

fn header(jwt: &Signed, kind: &Kind, problems: &mut Vec<Problem>) {
    match jwt.algorithm() {
        None => problems.push(Problem::error("alg_missing", "the header would have to name an algorithm ('alg')")),
        Some(_) if is_unsigned(jwt) => problems.push(Problem::error(
            "alg_none",
            "it is not signed ('alg' is none): anybody can have written it",
        )),
        Some(name) if is_hmac(jwt) && kind.class != Class::Condor => problems.push(Problem::error(
            "alg_hmac",
            format!("{} is HMAC: whoever can verify it can make such a token; it would have to be signed with a key pair", quoted(name)),
        )),
        Some(_) => {}
    }
    match jwt.header.get("crit") {
        None => {}
        Some(Value::Array(names)) if !names.is_empty() && names.iter().all(Value::is_string) => {
            for name in names.iter().filter_map(Value::as_str) {
                problems.push(Problem::error(
                    "crit",
                    format!(
                        "the header demands that {} be understood ('crit'), which is not known here",
                        quoted(name)
                    ),
                ));
            }
        }
        Some(_) => {
            problems.push(Problem::error("crit", "'crit' in the header would have to be a list of names"));
        }
    }
    if jwt.header.get("typ").is_some_and(|name| !name.is_string()) {
        problems.push(Problem::error("typ", "'typ' in the header would have to be a text"));
    }
    if let Some(name) = jwt.media_type().filter(|name| !matches!(name.as_str(), "jwt" | "at+jwt" | "jose")) {
        problems.push(Problem::warning(
            "typ",
            format!("the type {} in the header is none of an access token", quoted(&name)),
        ));
    }
}

fn times(jwt: &Signed, kind: &Kind, now: u64, problems: &mut Vec<Problem>) {
    let now = seconds(now);
    let latest = now + seconds(NOT_BEFORE_LEEWAY);
    for claim in ["exp", "nbf", "iat"] {
        match jwt.claims.date(claim) {
            Date::Absent if claim == "exp" && !may_last(kind) => {
                problems.push(Problem::error("exp_missing", "it would have to say when it expires ('exp')"));
            }
            Date::NotANumber => problems.push(Problem::error(
                not_a_number(claim),
                format!("'{claim}' is no number: it would have to be a time in seconds since 1970"),
            )),
            Date::OutOfRange => problems.push(Problem::error(
                out_of_range(claim),
                format!("'{claim}' is out of range: it would have to be a time in seconds since 1970"),
            )),
            Date::At(time) if claim == "exp" && time <= now => {
                problems.push(Problem::error("expired", "it has expired: a new one is needed"));
            }
            Date::At(time) if claim == "nbf" && time > latest => problems.push(Problem::error(
                "not_yet_valid",
                "it is not valid yet ('nbf'): it is too early, or this computer's clock is behind",
            )),
            Date::At(time) if claim == "iat" && time > latest => problems.push(Problem::error(
                "issued_in_the_future",
                "it was issued in the future ('iat'): the clock of the issuer or of this computer is wrong",
            )),
            Date::Absent | Date::At(_) => {}
        }
    }
}

/// Kinds that need not expire.
fn may_last(kind: &Kind) -> bool {
    matches!(kind.class, Class::Condor | Class::IamRefresh | Class::KeycloakRefresh | Class::Mytoken)
}

const fn not_a_number(claim: &str) -> &'static str {
    match claim.as_bytes()[0] {
        b'e' => "exp_not_a_number",
        b'n' => "nbf_not_a_number",
        _ => "iat_not_a_number",
    }
}

const fn out_of_range(claim: &str) -> &'static str {
    match claim.as_bytes()[0] {
        b'e' => "exp_out_of_range",
        b'n' => "nbf_out_of_range",
        _ => "iat_out_of_range",
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact for millions of years")]
fn seconds(time: u64) -> f64 {
    time as f64
}

fn issuer(jwt: &Signed, expected: Option<&str>, problems: &mut Vec<Problem>) {
    match (jwt.issuer(), expected) {
        (None, _) => {
            problems.push(Problem::error("issuer_missing", "it would have to name its issuer ('iss')"));
        }
        (Some(found), Some(expected)) if !same_issuer(found, expected) => problems.push(Problem::error(
            "issuer",
            format!("it is from {}: it would have to be from {}", quoted(found), quoted(expected)),
        )),
        _ => {}
    }
}

fn audience(jwt: &Signed, expected: &[String], problems: &mut Vec<Problem>) {
    let found = match jwt.audience() {
        Claim::Other => {
            problems.push(Problem::error(
                "audience_malformed",
                "'aud' would have to be a text or a list of texts",
            ));
            return;
        }
        Claim::Absent if expected.is_empty() => return,
        claim => claim.texts(),
    };
    let fits = |found: &&str| ANY_AUDIENCE.contains(found) || expected.iter().any(|one| one == found);
    if expected.is_empty() || found.iter().any(fits) {
        return;
    }
    let wanted: Vec<_> = expected.iter().map(|one| quoted(one)).collect();
    let found = match &found[..] {
        [] => "nobody by name".to_owned(),
        found => found.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", "),
    };
    problems.push(Problem::error(
        "audience",
        format!("it is meant for {found}: it would have to be for {}", wanted.join(" or ")),
    ));
}

/// What the profile of its kind demands.
fn profile(jwt: &Signed, kind: &Kind, problems: &mut Vec<Problem>) {
    let required: &[&str] = match kind.class {
        // Section 2.1.1 of the WLCG profile.
        Class::Wlcg => &["sub", "aud", "iat", "jti"],
        // RFC 9068 section 2.2 (client_id and jti as well, which services hardly ever miss); OpenID Connect Core section 2.
        Class::AccessTokenJwt | Class::Id => &["sub", "aud", "iat"],
        Class::SciToken => &["aud", "scope"],
        _ => &[],
    };
    for claim in required.iter().filter(|claim| is_nothing(jwt.claims.get(claim))) {
        problems.push(Problem::error(
            "claim_missing",
            format!("the claim '{claim}' would have to be there in every {kind}"),
        ));
    }
    for claim in ["sub", "jti"].iter().filter(|claim| required.contains(claim)) {
        match jwt.claims.get(claim) {
            Some(Value::String(text)) => {
                if kind.class == Class::Wlcg
                    && *claim == "sub"
                    && !(text.is_ascii() && text.len() <= MAX_SUBJECT)
                {
                    let text = "the WLCG profile wants a 'sub' of at most 255 ASCII characters";
                    problems.push(Problem::warning("claim_malformed", text));
                }
            }
            value if is_nothing(value) => {}
            _ => {
                problems
                    .push(Problem::error("claim_malformed", format!("'{claim}' would have to be a text")));
            }
        }
    }
    if kind.class == Class::AccessTokenJwt {
        for claim in ["client_id", "jti"].iter().filter(|claim| jwt.claims.get(claim).is_none()) {
            problems.push(Problem::warning("claim_missing", format!("RFC 9068 demands the claim '{claim}'")));
        }
    }
    if kind.class == Class::Wlcg {
        version(jwt, problems);
        if jwt.key_id().is_none() {
            problems.push(Problem::warning(
                "kid_missing",
                "the WLCG profile demands that the header name the key ('kid')",
            ));
        }
    }
    if kind.class == Class::SciToken
        && !kind.version.as_deref().is_some_and(|version| version.starts_with("2."))
    {
        problems.push(Problem::error("version", "services know version 2 of SciTokens"));
    }
    if matches!(jwt.scope(), Claim::Other) {
        problems.push(Problem::error("scope_malformed", "'scope' would have to be a text of scopes"));
    } else if matches!(jwt.scope(), Claim::Array(_))
        && matches!(kind.class, Class::Wlcg | Class::AccessTokenJwt)
    {
        problems.push(Problem::warning(
            "scope_malformed",
            "'scope' is a list: the profile demands one text with blanks",
        ));
    }
}

/// Not there, or empty.
fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    }
}

/// `wlcg.ver` (section 4.3.3): a newer minor version is accepted, another major one is not.
fn version(jwt: &Signed, problems: &mut Vec<Problem>) {
    let parts = jwt.claims.text("wlcg.ver").and_then(|version| version.split_once('.'));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.filter(|(major, minor)| is_number(major) && is_number(minor)) {
        Some(("1", _)) => {}
        Some((major, _)) => problems.push(Problem::error(
            "version",
            format!(
                "services do not know version {major} of the WLCG profile ('wlcg.ver'): it would have to be 1"
            ),
        )),
        None => {
            problems.push(Problem::error("version", "'wlcg.ver' would have to be a version such as '1.0'"));
        }
    }
}
