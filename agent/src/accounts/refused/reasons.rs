//! Why a service may refuse a token that is new: what can be seen of it here, and what its provider says.

use oidc_proto::{
    destination::{self, rule::Rule},
    jwt::Claims,
    scope::not_granted,
    token::{Expected, Kind, Token, judge},
};

use crate::{accounts::token_cache::Purpose, clock::Moment};

/// How far clocks may be apart, in seconds, before services mind.
const SKEW: u64 = 60;
/// Problems of a token whose time is over, or has not come: no service takes it.
const TIMES: [&str; 3] = ["expired", "not_yet_valid", "issued_in_the_future"];

/// Which token: what for, and of which kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it is an ID token.
    pub is_id: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons {
    /// A sentence each.
    pub texts: Vec<String>,
    /// Whether one of them says why by itself: no service of any kind would take the token.
    pub is_certain: bool,
}

impl Reasons {
    /// One more. Whether it says why by itself.
    pub fn add(&mut self, text: String, is_certain: bool) {
        self.is_certain |= is_certain;
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }
}

/// What is looked at.
pub struct Looked<'a> {
    /// The token.
    pub token: &'a str,
    /// When it was got.
    pub obtained: Moment,
    /// The scopes that the provider says it granted.
    pub granted: Option<&'a str>,
    /// What it was asked for.
    pub which: &'a Which,
    /// The service.
    pub destination: &'a str,
    /// What is known of the issuer's destinations.
    pub rules: &'a [Rule],
}

/// What the token itself tells, without asking anybody.
pub fn look(looked: &Looked<'_>, now: Moment) -> Reasons {
    let mut reasons = Reasons::default();
    let claims = Claims::of(looked.token);
    if let Some(made_at) = claims.as_ref().and_then(|claims| claims.time("iat")) {
        clocks(made_at, looked.obtained.wall, &mut reasons);
    }
    if let Ok(token) = Token::parse(looked.token) {
        let expected = Expected { now: now.wall, issuer: None, audiences: &[] };
        for problem in judge(&token, &Kind::of(&token, None), expected) {
            if TIMES.contains(&problem.code) {
                reasons.add(problem.text, true);
            }
        }
    }
    let Some(claims) = claims else { return reasons };
    if looked.which.is_id {
        let clients = claims.audiences().join(" ");
        reasons.add(
            format!(
                "An ID token is for the client that it was issued to, {clients}: the service has to know this client and the issuer, or wants \
                 an access token."
            ),
            false,
        );
        return reasons;
    }
    let scope = looked.granted.map(str::to_owned).or_else(|| claims.scope());
    if let (Some(asked), Some(granted)) = (looked.which.purpose.scope(), &scope) {
        let missing = not_granted(asked, granted);
        if !missing.is_empty() {
            reasons.add(format!("The provider did not grant the scope {}.", missing.join(" ")), false);
        }
    }
    audience(&claims, looked, &mut reasons);
    reasons
}

fn clocks(made_at: u64, obtained: u64, reasons: &mut Reasons) {
    if made_at.abs_diff(obtained) <= SKEW {
        return;
    }
    let apart = made_at.abs_diff(obtained);
    let how = if made_at > obtained { "behind" } else { "ahead of" };
    reasons.add(
        format!("This computer's clock is {apart} seconds {how} the provider's: one of them is wrong, or the service's is."),
        false,
    );
}

/// The audience that was asked for, or that services of this kind want.
fn audience(claims: &Claims, looked: &Looked<'_>, reasons: &mut Reasons) {
    let has = claims.audiences();
    let told = if has.is_empty() { "none".to_owned() } else { has.join(" ") };
    if let Some(asked) = looked.which.purpose.audience() {
        let missing: Vec<_> = asked.split_whitespace().filter(|audience| !has.contains(audience)).collect();
        if !missing.is_empty() {
            reasons.add(
                format!(
                    "The token is not for the audience {} that was asked for: it has {told}.",
                    missing.join(" ")
                ),
                false,
            );
        }
        return;
    }
    let Ok(derived) = destination::derive(looked.destination, &[], looked.rules) else { return };
    let wanted = derived.audiences();
    let is_for_it = |audience: &&str| {
        wanted.iter().any(|wanted| wanted == audience) || oidc_proto::token::ANY_AUDIENCE.contains(audience)
    };
    if !has.iter().any(is_for_it) {
        reasons.add(
            format!(
                "The token's audience is {told}; services of this kind want {}: ask for it with --aud, or as the service says.",
                derived.audience
            ),
            false,
        );
    }
}
