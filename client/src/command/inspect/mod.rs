//! `oidc inspect`: what a token is and says, and what is wrong with it.

pub mod arguments;
mod claim;
mod destination;
mod inspected;
mod moment;
mod person;
mod source;
#[cfg(test)]
mod tests;
mod verify;

use arguments::InspectArgs;
use inspected::{Inspected, rank};
use jiff::{Timestamp, tz::TimeZone};
use oidc_proto::{
    message::{IntrospectRequest, Introspection, Reply, Request},
    secret::SecretText,
    token::{Expected, FoundToken, Kind, Problem, Signed, check_signature, discovery::Discovery, judge},
};
use person::Sheet;
use serde_json::{Value, json};
use source::Source;
use verify::Keys;

use crate::{
    account::issuer_url,
    cli::{options::Common, usage::UsageError},
    command::token::destination::explain,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

impl Command for InspectArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    /// It may be a token.
    fn secrets(&self) -> Vec<&str> {
        self.what().filter(|what| what.len() > 16).into_iter().collect()
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        self.check()?;
        context.output.quiet = self.only.quiet;
        let mut args = self.with_whole_issuer()?;
        destination::ask_for_it(&mut args, context)?;
        let mut source = Source::look(&args, context)?;
        let now = args.at.unwrap_or_else(Timestamp::now);
        let tokens = std::mem::take(&mut source.found.tokens);
        let keys = Keys::new(&args, source.account.as_ref().map(|account| account.issuer.as_str()))?;
        let mut inspected = Vec::with_capacity(tokens.len());
        for token in tokens {
            inspected.push(args.inspect(token, &source, &keys, now, context)?);
        }
        args.show(&inspected, &source, now, context)?;
        args.show_where_taken(&inspected, context)?;
        args.verdict(&inspected, &source)
    }
}

impl InspectArgs {
    fn check(&self) -> Result<(), Error> {
        let wrong = |text: &str| Err(UsageError::new(text).into());
        if self.what.is_some() && self.account.is_some() && !self.introspect {
            return wrong("give WHAT or `--account`, not both (but with `--introspect`)");
        }
        if self.only.claim.is_some() && self.common.json {
            return wrong("`--claim` prints a value as it stands; with `--json` it is in `claims`");
        }
        if !self.verify && self.jwks.is_some() {
            return wrong("`--jwks` belongs to `--verify`");
        }
        let destinations = &self.destinations;
        if destinations.wanted.is_empty() && (destinations.lacks_place || destinations.explain) {
            return wrong("what is to be done needs a place: --for URL");
        }
        Ok(())
    }

    /// The issuer as people paste it, put right.
    fn with_whole_issuer(&self) -> Result<Self, Error> {
        let mut args = self.clone();
        if let Some(given) = &self.issuer {
            let issuer = issuer_url::read(given).map_err(|reason| Error::NoIssuer(given.clone(), reason))?;
            args.issuer = Some(issuer);
        }
        Ok(args)
    }

    fn inspect(
        &self,
        found: FoundToken,
        source: &Source,
        keys: &Keys<'_>,
        now: Timestamp,
        context: &mut Context,
    ) -> Result<Inspected, Error> {
        let kind = Kind::of(&found.token, found.found_as);
        let audiences: Vec<_> =
            self.aud.iter().flat_map(|aud| aud.split_whitespace()).map(str::to_owned).collect();
        let expected = Expected {
            now: moment::seconds(now),
            issuer: if self.verify { keys.expected_issuer() } else { self.issuer.as_deref() },
            audiences: &audiences,
        };
        let mut problems = judge(&found.token, &kind, expected);
        let introspection = match &self.account {
            Some(account) if self.introspect => Some(introspect(account, &found, context)?),
            _ => None,
        };
        let said = introspection.as_ref().and_then(|said| said.claims.get("exp")?.as_u64());
        let of_agent = source.account.as_ref().and_then(|account| account.expires_at);
        let own = found.token.signed().and_then(|jwt| jwt.claims.date("exp").seconds());
        let is_read = found.token.signed().is_some();
        let expires_at = if is_read { own } else { said.or(of_agent) };
        let issuer = found.token.signed().and_then(Signed::issuer).map(str::to_owned);
        let issuer = issuer.or_else(|| source.account.as_ref().map(|account| account.issuer.clone()));
        let derived = destination::derived(self, issuer.as_deref(), context)?;
        if self.destinations.explain {
            context.output.note(&explain::text(&derived));
        }
        let place = destination::place(self, source);
        let (mut there, taken_at) =
            destination::judge_at(&derived, &found, &kind, place, expected.now, &problems);
        there.retain(|one| one.code != "audience" || !problems.iter().any(|known| known.code == "audience"));
        problems.append(&mut there);
        let mut inspected = Inspected {
            found,
            kind,
            problems,
            verified: None,
            expires_at,
            introspection,
            taken_at,
            failure: None,
        };
        inspected.judge_from_outside(expected.now);
        if self.verify {
            verify(&mut inspected, keys, context);
        }
        inspected.refuse_everywhere();
        Ok(inspected)
    }

    fn show(
        &self,
        tokens: &[Inspected],
        source: &Source,
        now: Timestamp,
        context: &mut Context,
    ) -> Result<(), Error> {
        if self.only.quiet {
            return Ok(());
        }
        if let Some(lines) = self.one_thing(tokens, now)? {
            let shown = lines.join("\n");
            // A terminal gets it escaped, a program as it stands.
            if context.output.to_terminal {
                return Ok(context.output.line(&shown)?);
            }
            return Ok(context.output.result(&format!("{shown}\n"))?);
        }
        for warning in source.warnings.iter().chain(&unread(source)) {
            context.output.warning(warning);
        }
        if context.output.json {
            return Ok(context.output.json(&to_json(tokens, source, moment::seconds(now)))?);
        }
        let mut sheet = Sheet::new(now, TimeZone::system(), context.output.has_result_colour());
        if let Some(discovery) = &source.discovery {
            sheet.discovery(discovery);
        }
        for (number, token) in tokens.iter().enumerate() {
            if number > 0 {
                sheet.gap();
            }
            sheet.token(token, (tokens.len() > 1).then_some(number + 1));
        }
        if let Some(status) = source.account.as_ref().and_then(|account| account.status.as_ref()) {
            sheet.account(status);
        }
        Ok(context.output.result(&sheet.finish())?).map(|()| {
            if source.found.has_refresh_token {
                context.output.note("There is a refresh token as well, which is not shown: it gets access tokens, so keep it to yourself.");
            }
        })
    }

    /// Whether the services take it, where somebody asked and reads on.
    fn show_where_taken(&self, tokens: &[Inspected], context: &mut Context) -> Result<(), Error> {
        let is_asked_for_one_thing = self.only.claim.is_some() || self.only.exp || self.only.remaining;
        if self.only.quiet || is_asked_for_one_thing || context.output.json {
            return Ok(());
        }
        for at in tokens.iter().flat_map(|token| &token.taken_at) {
            let would = if at.is_taken { "would be taken" } else { "would be refused" };
            context.output.line(&format!("{would} at {}", at.address))?;
        }
        Ok(())
    }

    /// What an option asks for instead of all, of each token.
    fn one_thing(&self, tokens: &[Inspected], now: Timestamp) -> Result<Option<Vec<String>>, Error> {
        let only = &self.only;
        if let Some(name) = &only.claim {
            let claim = |(number, token): (usize, &Inspected)| {
                let value = claim::raw(&token.found.token, name).map(std::borrow::Cow::into_owned);
                let which = match tokens.len() {
                    1 => "the token".to_owned(),
                    count => format!("token {} of {count} ({})", number + 1, token.kind),
                };
                value.ok_or_else(|| Error::Other(Exit::Failure, format!("{which} has no claim '{name}'")))
            };
            return tokens.iter().enumerate().map(claim).collect::<Result<_, _>>().map(Some);
        }
        let unknown = || Error::Other(Exit::Failure, "the token does not say when it expires".to_owned());
        if only.exp {
            let end = |token: &Inspected| token.expires_at.map(|end| end.to_string()).ok_or_else(unknown);
            return tokens.iter().map(end).collect::<Result<_, _>>().map(Some);
        }
        if only.remaining {
            let now = moment::seconds(now);
            let left =
                |token: &Inspected| token.remaining(now).map(|left| left.to_string()).ok_or_else(unknown);
            return tokens.iter().map(left).collect::<Result<_, _>>().map(Some);
        }
        Ok(None)
    }

    /// What is wrong is the exit status where somebody asked for a judgement.
    fn verdict(&self, tokens: &[Inspected], source: &Source) -> Result<(), Error> {
        let is_asked = self.verify || self.only.quiet || !self.destinations.wanted.is_empty();
        if !is_asked {
            return Ok(());
        }
        let bad = tokens.iter().filter(|token| token.exit() != Exit::Success);
        let Some(worst) = bad.min_by_key(|token| rank(token.exit())) else {
            // What was not judged does not count as good.
            let unread = unread(source);
            return unread.first().map_or(Ok(()), |text| Err(Error::Other(Exit::TokenRefused, text.clone())));
        };
        let refusals: Vec<_> =
            worst.problems.iter().filter(|problem| problem.refuses()).map(|problem| problem.code).collect();
        Err(Error::Other(worst.exit(), format!("the token has to be refused ({})", refusals.join(", "))))
    }
}

impl Inspected {
    /// What others say of it; of one that says nothing itself also when it ends.
    fn judge_from_outside(&mut self, now: u64) {
        let is_read = self.found.token.signed().is_some();
        if !is_read && self.expires_at.is_some_and(|end| end <= now) {
            self.problems.push(Problem::error("expired", "it has expired: a new one is needed"));
        }
        if self.introspection.as_ref().is_some_and(|said| said.active == Some(false)) {
            self.problems.push(Problem::error("inactive", "the provider says that it is not valid"));
        }
    }

    /// No service takes a token that has to be refused whatever it is for.
    fn refuse_everywhere(&mut self) {
        let is_general =
            |problem: &Problem| problem.code != "audience" && !problem.code.starts_with("destination_");
        if self.problems.iter().any(|problem| problem.refuses() && is_general(problem)) {
            self.taken_at.iter_mut().for_each(|at| at.is_taken = false);
        }
    }
}

/// What the text holds beside the tokens that were judged.
fn unread(source: &Source) -> Vec<String> {
    let mut texts = Vec::new();
    if source.found.left_out > 0 {
        texts.push(format!("there are more tokens, of which nothing is said: {}", source.found.left_out));
    }
    if let Some(malformed) = source.found.malformed.first() {
        texts.push(format!("something beside them looks like a token and is none: {malformed}"));
    }
    texts
}

fn verify(inspected: &mut Inspected, keys: &Keys<'_>, context: &mut Context) {
    if inspected.cannot_be_verified() {
        let text = "it cannot be verified here: only who made it can tell whether it is good";
        inspected.problems.push(Problem::error("cannot_be_verified", text));
        return;
    }
    let token = &inspected.found.token;
    let Some(jwt) = token.signed() else { return };
    match keys.with(jwt, context, |keys| check_signature(token, keys)) {
        Ok(problem) => {
            inspected.problems.extend(problem);
            inspected.verified = Some(!inspected.problems.iter().any(Problem::refuses));
        }
        Err(missing) => {
            inspected.problems.push(missing.problem);
            inspected.failure = Some(missing.exit);
        }
    }
}

/// Asks the agent, which asks the provider.
fn introspect(account: &str, found: &FoundToken, context: &mut Context) -> Result<Introspection, Error> {
    let account = context.account(account)?.to_string();
    let token = SecretText::new(found.token.expose().to_owned());
    let request = Request::Introspect(IntrospectRequest { account, token });
    let answer = context.call_or_start(&request).map_err(|error| {
        if error.is_unknown_request() {
            let text = format!("this agent cannot ask the provider about a token: {}", source::OTHER_AGENT);
            return Error::Other(Exit::Failure, text);
        }
        error
    })?;
    match answer {
        Reply::Success { info: Some(info) } => {
            Introspection::from_info(&info).ok_or(Error::UnexpectedReply(request.name()))
        }
        _ => Err(Error::UnexpectedReply(request.name())),
    }
}

fn to_json(tokens: &[Inspected], source: &Source, now: u64) -> Value {
    let mut object = json!({
        "tokens": tokens.iter().map(|token| token.to_json(now)).collect::<Vec<_>>(),
        "has_refresh_token": source.found.has_refresh_token,
    });
    if let Some(discovery) = &source.discovery {
        object["places"] = places(discovery);
        object["readers"] = readers(discovery);
    }
    if let Some(status) = source.account.as_ref().and_then(|account| account.status.as_ref()) {
        object["account"] = json!({
            "name": status.name,
            "refresh_token_expires_at": status.refresh_token_expires_at,
            "refresh_token_expires_as": status.refresh_token_expires_as,
            "client_expires_at": status.client_expires_at,
            "mytoken_url": status.mytoken_url,
        });
    }
    object
}

fn places(discovery: &Discovery) -> Value {
    let used = discovery.used().map(|used| &used.place);
    let place = |candidate: &oidc_proto::token::discovery::Candidate| {
        json!({
            "place": candidate.place.name(),
            "path": candidate.place.path().filter(|_| !candidate.place.is_token_by_mistake()).map(|path| path.display().to_string()),
            "holds": candidate.holds.name(),
            "used": used == Some(&candidate.place),
        })
    };
    discovery.candidates.iter().map(place).collect()
}

fn readers(discovery: &Discovery) -> Value {
    let reader = |reader: &oidc_proto::token::discovery::Reader| {
        let place = reader.uses.map(|at| discovery.candidates[at].place.name());
        json!({"programs": reader.programs, "place": place, "remark": reader.remark})
    };
    discovery.readers().iter().map(reader).collect()
}
