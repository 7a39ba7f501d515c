//! A token that somebody has pasted: what it says, and whether it can be believed.

use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, IssuerKeysRequest},
    secret::SecretText,
    token::{Class, Expected, Found, FoundToken, KeySet, Kind, Problem, check_signature, find, judge},
};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::facts::{details, facts, plain};
use crate::accounts::Accounts;

/// Most tokens of one text that are told.
const MAX_TOKENS: usize = 8;

/// What was pasted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pasted {
    text: SecretText,
}

/// Tells everything of the tokens in a text. Only issuers that are known are asked for keys.
pub async fn inspect(accounts: &Accounts, pasted: Pasted) -> Result<Value, Failure> {
    let Found { tokens, has_refresh_token, .. } =
        find(pasted.text.expose().as_bytes()).map_err(|instead| {
            Failure::new(ErrorCode::BadRequest, plain(&format!("this is no token, it is {instead}")))
        })?;
    let mut told = Vec::new();
    for found in tokens.iter().take(MAX_TOKENS) {
        told.push(told_of(accounts, found).await);
    }
    Ok(json!({
        "now": accounts.deps().clock.now().wall,
        "tokens": told,
        "has_refresh_token": has_refresh_token,
        "left_out": tokens.len().saturating_sub(MAX_TOKENS),
    }))
}

async fn told_of(accounts: &Accounts, found: &FoundToken) -> Value {
    let (token, kind) = (&found.token, Kind::of(&found.token, found.found_as));
    let now = accounts.deps().clock.now().wall;
    let mut problems = judge(token, &kind, Expected { now, issuer: None, audiences: &[] });
    let verdict = if problems.iter().any(|problem| problem.code == "alg_none") {
        Verdict::Refused
    } else {
        match signature(accounts, found, &kind).await {
            Signature::Good if problems.iter().any(Problem::refuses) => Verdict::Refused,
            Signature::Good => Verdict::Believed,
            Signature::Bad(problem) => {
                problems.insert(0, problem);
                Verdict::Refused
            }
            Signature::Unknown(why) => Verdict::Unknown(why),
        }
    };
    let problems = problems.iter().map(|problem| {
        json!({"severity": problem.severity.name(), "code": problem.code, "text": plain(&problem.text)})
    });
    let (verdict, why) = match verdict {
        Verdict::Believed => ("good", "The issuer signed it, and nothing is wrong with it.".to_owned()),
        Verdict::Refused => ("bad", "A service has to refuse it.".to_owned()),
        Verdict::Unknown(why) => ("unknown", plain(&why)),
    };
    json!({
        "verdict": verdict,
        "why": why,
        "problems": problems.collect::<Vec<_>>(),
        "facts": facts(token, &kind),
        "details": details(token),
    })
}

enum Verdict {
    Believed,
    Refused,
    /// Nobody can tell, for this reason.
    Unknown(String),
}

enum Signature {
    Good,
    Bad(Problem),
    /// It cannot be checked here, for this reason.
    Unknown(String),
}

async fn signature(accounts: &Accounts, found: &FoundToken, kind: &Kind) -> Signature {
    let Some(jwt) = found.token.signed().filter(|_| kind.class != Class::Condor) else {
        return Signature::Unknown("It cannot be verified here.".to_owned());
    };
    let Some(issuer) = jwt.issuer() else {
        return Signature::Unknown("It names no issuer, so nobody can be asked for keys.".to_owned());
    };
    let request = IssuerKeysRequest {
        issuer: issuer.to_owned(),
        kid: jwt.key_id().map(str::to_owned),
        // The person has named nobody: what is pasted does not decide whom the agent connects to.
        named: false,
        cert_path: None,
    };
    let document = match accounts.issuer_keys(request).await {
        Ok(document) => Zeroizing::new(document.to_string()),
        Err(failure) if failure.code == ErrorCode::UnknownIssuer => {
            let text = format!(
                "Not verified: nobody here knows the issuer {issuer}, so it is not asked for its keys."
            );
            return Signature::Unknown(text);
        }
        Err(failure) => {
            return Signature::Unknown(format!(
                "Not verified: the issuer's keys cannot be had: {}.",
                failure.error
            ));
        }
    };
    let Some(keys) = KeySet::parse(document.as_bytes()) else {
        return Signature::Unknown("Not verified: the issuer's keys cannot be read.".to_owned());
    };
    check_signature(&found.token, &keys).map_or(Signature::Good, Signature::Bad)
}
