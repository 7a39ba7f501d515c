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
        obtain::{Access, Offer, Token, TokenQuery, Wanted, obtain},
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
    match ask(&query, wanted, context) {
        Ok(token) => handed(&chosen.token, token, context),
        Err(error) => Err(chosen.told(error, context)),
    }
}

fn ask(query: &TokenQuery, wanted: For<'_>, context: &mut Context) -> Result<Token, Error> {
    let answer = match wanted.sign {
        Some(sign) => told(query, wanted.destination, &sign, context)?,
        None => None,
    };
    match answer {
        Some(token) => Ok(token),
        None => obtain(query, context),
    }
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
        let query = token.query(chosen.target.clone(), token.wanted());
        return Ok(by_agent(query));
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
            (false, scope.clone(), audience.clone(), seconds(*validity))
        }
        Wanted::IdToken { validity } => (true, None, None, seconds(*validity)),
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

fn seconds(validity: Validity) -> u64 {
    match validity {
        Validity::AtLeast(seconds) => seconds,
        Validity::ForceNew => 0,
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

/// Whoever calls a helper may have the terminal for itself.
fn by_agent(mut query: TokenQuery) -> TokenQuery {
    if query.offer == Offer::Here {
        query.offer = Offer::ByAgent;
    }
    query
}

fn forced(query: &TokenQuery) -> TokenQuery {
    let mut query = query.clone();
    if let Wanted::AccessToken { validity, .. } | Wanted::IdToken { validity } = &mut query.wanted {
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
            for warning in &reply.warnings {
                context.output.warning(warning);
            }
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

#[cfg(test)]
mod tests {
    use oidc_proto::{message::Failure, secret::AccessToken, token::TokenDigest};

    use super::*;
    use crate::{
        say::{dialect::Dialect, exit::Exit},
        testing::{Bench, PASSWORD, loaded},
    };

    fn token(text: &str) -> Reply {
        Reply::Token(TokenReply {
            access_token: AccessToken::from(text),
            issuer: "https://op.example/".into(),
            expires_at: Some(4_000_000_000),
            scope: None,
            warnings: Vec::new(),
            refresh_token: None,
        })
    }

    fn wanted(sign: Option<Sign>, may_ask: bool) -> For<'static> {
        For { program: "test", destination: "https://service.example", sign, may_ask }
    }

    fn handed(bench: &Bench, sign: Option<Sign>, may_ask: bool) -> Result<String, Error> {
        let args = HelperArgs { account: Some("acc".into()), time: 60, ..HelperArgs::default() };
        let mut handed = None;
        let ran = bench.run_as(Dialect::Ours, false, |context| {
            let chosen = args.require(None, context)?;
            handed = Some(hand_over(&args, &chosen, wanted(sign, may_ask), context)?);
            Ok(())
        });
        ran.result.map(|()| handed.expect("a token").token.to_string())
    }

    /// An agent that holds nothing yet.
    fn empty() -> impl FnMut(&Request) -> Reply {
        let mut is_loaded = false;
        move |request| match request {
            Request::LoadedAccounts => loaded(if is_loaded { &["acc"] } else { &[] }),
            Request::Add(_) => {
                is_loaded = true;
                Reply::success()
            }
            Request::AccessToken(_) | Request::Refused(_) if is_loaded => token("tok"),
            _ => Failure::account_not_loaded().into(),
        }
    }

    #[test]
    fn the_person_is_asked_only_on_a_terminal_and_where_the_program_wants_that() {
        let process = || Some(Sign::Process("17.1".into()));
        for sign in [None, process()] {
            let bench = || Bench::new().with_account("acc").with_agent(empty());
            let there = bench().with_person(&[PASSWORD]);
            assert_eq!(handed(&there, sign.clone(), true).expect("loaded"), "tok");
            let unwanted = bench().with_person(&[PASSWORD]);
            for bench in [unwanted, bench()] {
                let error = handed(&bench, sign.clone(), false).expect_err("not loaded");
                assert_eq!(error.exit(), Exit::NotLoaded);
                let prompts = bench.requests().into_iter().any(|request| match request {
                    Request::AccessToken(request) => request.prompt,
                    Request::Refused(request) => request.prompt,
                    _ => false,
                });
                assert!(!prompts, "the agent shall ask nobody either");
            }
        }
    }

    #[test]
    fn an_account_that_helpers_toml_names_is_told_with_its_line() {
        let hosts = "# mine\n[[host]]\nhost = \"git.example\"\naccount = \"gone\"\n";
        for (options, is_told) in [(&[][..], true), (&["--account", "gone"], false)] {
            let bench = Bench::new()
                .with_file("helpers.toml", hosts.as_bytes())
                .with_agent(|_| Failure::account_not_found().into());
            let args = HelperArgs {
                account: options.get(1).map(|account| (*account).to_owned()),
                time: 60,
                ..HelperArgs::default()
            };
            let ran = bench.run_as(Dialect::Ours, false, |context| {
                let chosen = args.require(Some("git.example"), context)?;
                hand_over(&args, &chosen, wanted(None, false), context).map(drop)
            });
            let error = ran.result.expect_err("no such account");
            let place = format!("(named in {}, line 2)", bench.file("helpers.toml").display());
            assert_eq!(error.to_string().contains(&place), is_told, "{error}");
            assert!(matches!(error.exit(), Exit::UnknownAccount | Exit::NotLoaded), "{error}");
        }
    }

    #[test]
    fn an_agent_that_knows_no_refusals_replaces_what_was_refused() {
        for (sign, validity) in [
            (Sign::Token(TokenDigest::of("old")), Validity::ForceNew),
            (Sign::Process("17.1".into()), Validity::AtLeast(60)),
        ] {
            let bench = Bench::new().with_agent(|request| match request {
                Request::AccessToken(_) => token("tok"),
                _ => Failure::unknown_request().into(),
            });
            assert_eq!(handed(&bench, Some(sign), true).expect("a token"), "tok");
            let Some(Request::AccessToken(asked)) = bench.requests().pop() else { panic!("no request") };
            assert_eq!(asked.validity, validity);
        }
    }

    #[test]
    fn what_is_to_be_done_needs_a_place() {
        for option in ["--read", "--explain"] {
            let bench = Bench::new().with_agent(|_| token("tok"));
            let ran = bench.run(&["oidc", "helper", "rclone", "--account", "acc", option]);
            assert_eq!(ran.result.expect_err("no place").exit(), Exit::Usage, "{option}");
            assert_eq!(ran.stdout, "");
        }
    }

    #[test]
    fn a_token_that_breaks_out_of_its_text_is_none() {
        for text in ["a\nb", "a\"b", "a b", ""] {
            let bench = Bench::new().with_agent(move |_| token(text));
            assert!(handed(&bench, None, true).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_process_that_asks_is_told_from_others() {
        let Some(Sign::Process(process)) = asking_process() else { return };
        assert_eq!(asking_process(), Some(Sign::Process(process.clone())));
        assert!(process.split('.').all(|number| number.parse::<u64>().is_ok()), "{process}");
    }
}
