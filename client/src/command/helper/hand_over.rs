//! The token that a helper hands over, whatever its program; and what the agent is told of tokens that were refused.

use oidc_proto::{
    error_code::ErrorCode,
    jwt::Claims,
    message::{RefusedRequest, Reply, Request, Sign, TokenReply, Validity},
    proc_stat::ProcStat,
    token::is_b64token,
};
use zeroize::Zeroizing;

use super::arguments::{Chosen, HelperArgs};
use crate::{
    command::token::{
        arguments::TokenArgs,
        destination::{self, explain, rules},
        granted::{Asked, Grant},
        obtain::{Access, Token, TokenQuery, Wanted, obtain},
        report,
    },
    context::{Context, error::Error},
    process::kinship::Kinship,
};

/// Where the start time of a process stands in proc(5).
const START_TIME: usize = 22;

/// For whom a token is wanted.
#[derive(Debug)]
pub struct For<'a> {
    /// The program, which a person is shown who is asked.
    pub program: &'static str,
    /// The service: its address as far as it is known, else the program.
    pub destination: &'a str,
    /// What tells that a token was refused.
    pub sign: Option<Sign>,
    /// Whether the person may be asked on the terminal, if there is one.
    pub may_ask: bool,
}

/// A token that can be written where headers and JSON are.
#[derive(Debug)]
pub struct HandedOver {
    /// Letters, digits and `-._~+/=` only.
    pub token: Zeroizing<String>,
    /// Seconds since the epoch; `None` where nobody knows.
    pub expires_at: Option<u64>,
}

/// Gets the token. Where the agent knows nothing of refusals, or may not be told, what it has is handed over.
pub fn hand_over(
    args: &HelperArgs,
    chosen: &Chosen,
    wanted: For<'_>,
    context: &mut Context,
) -> Result<HandedOver, Error> {
    let mut query = query(args, chosen, wanted.program, context)?;
    query.autoload = wanted.may_ask && context.asker.is_there();
    let answer = match wanted.sign {
        Some(sign) => told(&query, wanted.destination, &sign, context)?,
        None => None,
    };
    let token = match answer {
        Some(token) => token,
        None => obtain(&query, context)?,
    };
    handed(&chosen.token, token, context)
}

/// The process that started this one: where it asks again for what it has, that was refused. `None` where it cannot be told from
/// others.
pub fn asking_process() -> Option<Sign> {
    let parent = Kinship::own()?.parent;
    let started = ProcStat::read(&parent.to_string()).ok()?.number::<u64>(START_TIME)?;
    (parent > 1).then(|| Sign::Process(format!("{parent}.{started}")))
}

fn query(
    args: &HelperArgs,
    chosen: &Chosen,
    program: &str,
    context: &mut Context,
) -> Result<TokenQuery, Error> {
    let mut token = chosen.token.clone();
    token.name = Some(program.to_owned());
    if args.destinations.wanted.is_empty() {
        return Ok(token.query(chosen.target.clone(), token.wanted()));
    }
    destination::refuse_what_does_not_fit(&token, &args.destinations)?;
    let issuer = rules::issuer_of(&chosen.target, context);
    let known = issuer.map(|issuer| rules::of(&issuer, context)).unwrap_or_default();
    let derived = destination::derive(&args.destinations, &known)?;
    if args.destinations.explain {
        context.output.note(&explain::text(&derived));
    }
    Ok(destination::query(&token, &chosen.target, &derived[0]))
}

/// Tells the agent that a token was refused. `None`: it has to be asked as usual.
fn told(
    query: &TokenQuery,
    destination: &str,
    sign: &Sign,
    context: &mut Context,
) -> Result<Option<Token>, Error> {
    let (id_token, scope, audience, min_valid) = match &query.wanted {
        Wanted::AccessToken { scope, audience, validity } => {
            let min_valid = match validity {
                Validity::AtLeast(seconds) => *seconds,
                Validity::ForceNew => 0,
            };
            (false, scope.clone(), audience.clone(), min_valid)
        }
        Wanted::IdToken => (true, None, None, 0),
        Wanted::Mytoken { .. } => return Ok(None),
    };
    let request = Request::Refused(RefusedRequest {
        target: query.target.clone(),
        id_token,
        scope: scope.clone(),
        audience: audience.clone(),
        min_valid,
        destination: destination.to_owned(),
        sign: sign.clone(),
        application_hint: Some(query.application_hint.clone()),
        prompt: false,
    });
    match context.call_or_start(&request) {
        Ok(Reply::Token(reply)) => Ok(Some(Token::Access(access(Asked { scope, audience }, reply)))),
        Ok(Reply::IdToken(reply)) => Ok(Some(Token::Id(reply))),
        Ok(_) => Err(Error::UnexpectedReply(request.name())),
        Err(error) if error.is_unknown_request() && matches!(sign, Sign::Token(_)) => {
            // An agent of the C suite remembers nothing: the token that was refused is replaced.
            Ok(Some(obtain(&forced(query), context)?))
        }
        Err(error) if error.is_unknown_request() || is_asked_as_usual(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn access(asked: Asked, reply: TokenReply) -> Access {
    Access { grant: Grant::of(asked, &reply), reply }
}

/// Whether the agent would have to load the account first, or this user only gets tokens.
fn is_asked_as_usual(error: &Error) -> bool {
    use ErrorCode::{AccountNotFound, AccountNotLoaded, NotPermitted, PromptUnavailable};
    matches!(
        error.failure_code(),
        Some(AccountNotFound | AccountNotLoaded | NotPermitted | PromptUnavailable)
    )
}

fn forced(query: &TokenQuery) -> TokenQuery {
    let mut query = query.clone();
    if let Wanted::AccessToken { validity, .. } = &mut query.wanted {
        *validity = Validity::ForceNew;
    }
    query
}

fn handed(args: &TokenArgs, token: Token, context: &mut Context) -> Result<HandedOver, Error> {
    let (text, expires_at) = match token {
        Token::Access(access) => {
            report::shortfall(args, &access, context)?;
            (Zeroizing::new(access.reply.access_token.expose().to_owned()), access.reply.expires_at)
        }
        Token::Id(reply) => {
            let token = Zeroizing::new(reply.id_token.expose().to_owned());
            let expires_at = Claims::of(&token).and_then(|claims| claims.expires_at());
            (token, expires_at)
        }
        Token::Mytoken(_) => return Err(Error::UnexpectedReply("access_token")),
    };
    // A line feed would be another header, a quotation mark the end of a JSON text.
    if is_b64token(&text) {
        Ok(HandedOver { token: text, expires_at })
    } else {
        Err(Error::UnexpectedReply("access_token"))
    }
}
