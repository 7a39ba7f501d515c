//! `oidc token` and `oidc-token`: one request, one reply, one write.

mod granted;
mod print;

use std::env;

use oidc_proto::{
    error_code::ErrorCode,
    message::{
        Failure, IdTokenRequest, MytokenProfile, MytokenRequest, Reply, Request, Target, TokenReply,
        TokenRequest, Validity,
    },
    shortname::Shortname,
};

use super::{Context, add, expect_usable, loaded_names};
use crate::{
    account_file::Sealed,
    agent::Agent,
    cli::{add::AddArgs, token::TokenArgs},
    error::Error,
    issuer_url::{self, is_issuer},
};

/// Gets the token and prints it.
pub fn run(args: &TokenArgs, context: &mut Context) -> Result<(), Error> {
    if is_issuer(&args.account) {
        issuer_url::read(&args.account).map_err(|reason| Error::NoIssuer(args.account.clone(), reason))?;
    } else {
        expect_usable(&args.account.parse::<Shortname>()?)?;
    }
    match obtain(args, context)? {
        Reply::Token(reply) => {
            report_shortfall(args, &reply, context)?;
            print::token(&args.format, &reply, &mut context.output)
        }
        Reply::IdToken(reply) => print::id_token(&reply, &mut context.output),
        Reply::Mytoken(answer) => print::mytoken(&answer, &mut context.output),
        _ => Err(Error::UnexpectedReply("access_token")),
    }
}

/// Asks the agent, loads the account on the terminal if that is what is missing, and asks again.
fn obtain(args: &TokenArgs, context: &mut Context) -> Result<Reply, Error> {
    // The agent shall not open a window while there is a terminal to ask on.
    let first = request(args, false);
    // Where a second agent can be asked, none is started.
    let answer =
        if context.agent.has_remote() { context.call(&first) } else { context.call_or_start(&first) };
    let error = match answer {
        Err(error) => error,
        answer => return answer,
    };
    if may_be_elsewhere(&error)
        && let Some(answer) = ask_remote(args)
    {
        return Ok(answer);
    }
    let failure = match error {
        Error::Failure(failure) if wants_account(failure.code) => failure,
        error => return Err(error),
    };
    // Where consent can be asked for is known to the agent: it may have a display, a terminal or a program for that.
    let may_ask = failure.code == ErrorCode::PromptUnavailable || has_display();
    if load_on_terminal(args, &failure, context)? {
        return context.call(&request(args, true));
    }
    if failure.code != ErrorCode::AccountNotFound && may_ask {
        return context.call(&request(args, true)).map_err(|error| not_loaded(args, error));
    }
    Err(not_loaded(args, Error::Failure(failure)))
}

/// Whether another agent may have the account.
fn may_be_elsewhere(error: &Error) -> bool {
    matches!(error, Error::Agent(_)) || error.failure_code() == Some(ErrorCode::AccountNotFound)
}

/// Whether an account that is not loaded may be what the agent means.
fn wants_account(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AccountNotLoaded | ErrorCode::AccountNotFound | ErrorCode::PromptUnavailable)
}

/// The second try of the C suite: the agent at `OIDC_REMOTE_SOCK`, for short names only. Its failures are not shown,
/// the local one is.
fn ask_remote(args: &TokenArgs) -> Option<Reply> {
    if is_issuer(&args.account) {
        return None;
    }
    let answer = Agent::remote().ok()?.call(&request(args, true)).ok()?;
    (!matches!(answer, Reply::Failure(_))).then_some(answer)
}

/// Asks for the password on the terminal and loads the account. Whether that was possible at all.
fn load_on_terminal(args: &TokenArgs, failure: &Failure, context: &mut Context) -> Result<bool, Error> {
    if !context.asker.is_there() {
        return Ok(false);
    }
    let name = context.account(&args.account)?;
    let loaded = loaded_names(context.call(&Request::LoadedAccounts)?)?;
    if loaded.iter().any(|other| other == name.as_str()) {
        // It is loaded: the agent needs an answer of another kind, in a window.
        return Ok(false);
    }
    let home = context.home()?;
    let sealed = match Sealed::read(&home, &name) {
        // The agent's own directory may be another one; what it said counts.
        Err(Error::NoSuchAccount(_)) if failure.code != ErrorCode::AccountNotFound => return Ok(false),
        sealed => sealed?,
    };
    let info = add::load(&sealed, &home, &AddArgs::default(), context)?;
    if let Some(info) = info {
        context.output.note(&info);
    }
    Ok(true)
}

/// A program in a desktop session can be served by the agent's prompt.
fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn not_loaded(args: &TokenArgs, error: Error) -> Error {
    match error {
        // Also where only a prompt could have loaded it, which was not wanted.
        Error::Failure(failure)
            if failure.code == ErrorCode::AccountNotLoaded
                || failure.error == Failure::account_not_loaded().error =>
        {
            Error::NotLoaded { failure, account: args.account.clone() }
        }
        other => other,
    }
}

fn request(args: &TokenArgs, prompt: bool) -> Request {
    let name = args.account.clone();
    let issuer = Some(&name).filter(|name| is_issuer(name)).and_then(|name| issuer_url::read(name).ok());
    let target = issuer.map_or(Target::Account(name), Target::Issuer);
    let application_hint = Some(args.name.clone().unwrap_or_else(|| "oidc-token".to_owned()));
    if args.id_token {
        return Request::IdToken(IdTokenRequest { target, scope: None, application_hint, prompt });
    }
    if let Some(profile) = &args.mytoken {
        let profile = profile.clone().map(MytokenProfile::Name);
        return Request::Mytoken(MytokenRequest { account: args.account.clone(), profile, application_hint });
    }
    let validity = if args.force_new { Validity::ForceNew } else { Validity::AtLeast(args.time) };
    let scope = args.scope();
    let audience = args.audience();
    Request::AccessToken(TokenRequest { target, validity, scope, audience, application_hint, prompt })
}

/// Warns of a token that is not what was asked for, or refuses it.
fn report_shortfall(args: &TokenArgs, reply: &TokenReply, context: &mut Context) -> Result<(), Error> {
    let mut shortfall = granted::shortfall(args.scope().as_deref(), args.audience().as_deref(), reply);
    if args.strict {
        shortfall.extend(granted::lifetime_shortfall(args.time, reply));
    }
    if args.strict && !shortfall.is_empty() {
        return Err(Error::NotGranted(shortfall.join("; ")));
    }
    for warning in &shortfall {
        context.output.warning(warning);
    }
    Ok(())
}

impl TokenArgs {
    /// The scopes as one text; a blank one means the provider's default.
    fn scope(&self) -> Option<String> {
        Some(self.scope.join(" ").trim().to_owned()).filter(|scope| !scope.is_empty())
    }

    /// The audiences as one text.
    fn audience(&self) -> Option<String> {
        self.aud.as_deref().map(str::trim).filter(|audience| !audience.is_empty()).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use oidc_proto::{message::TokenReply, secret::AccessToken};

    use super::*;
    use crate::{
        exit::Exit,
        testing::{Bench, PASSWORD, loaded},
    };

    fn token(scope: Option<&str>) -> Reply {
        Reply::Token(TokenReply {
            access_token: AccessToken::from("tok"),
            issuer: "https://op.example/".into(),
            expires_at: Some(4_000_000_000),
            scope: scope.map(str::to_owned),
            warnings: Vec::new(),
            refresh_token: None,
        })
    }

    /// An agent to which accounts must be added first.
    fn empty_agent() -> impl FnMut(&Request) -> Reply {
        let mut is_loaded = false;
        move |request| match request {
            Request::LoadedAccounts => loaded(if is_loaded { &["acc"] } else { &[] }),
            Request::Add(_) => {
                is_loaded = true;
                Reply::success()
            }
            Request::AccessToken(_) if is_loaded => token(None),
            _ => Failure::account_not_loaded().into(),
        }
    }

    #[test]
    fn prints_the_token_and_nothing_else() {
        let bench = Bench::new().with_agent(|_| token(None));
        for program in
            [&["oidc", "token", "acc"][..], &["oidc-token", "acc"], &["oidc-token", "-t60", "--", "acc"]]
        {
            let ran = bench.run(program);
            assert!(ran.result.is_ok(), "{ran:?}");
            assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("tok\n", ""));
        }
        assert_eq!(bench.requests().len(), 3, "one request a token");
    }

    #[test]
    fn asks_for_what_the_options_say() {
        let bench = Bench::new().with_agent(|_| token(Some("a b c")));
        bench.run(&[
            "oidc-token",
            "-s",
            "a b",
            "--scope=c",
            "--aud=x",
            "--aud",
            "y z",
            "--name=app",
            "-f",
            "acc",
        ]);
        bench.run(&["oidc-token", "--scope", " ", "-t", "90", "https://op.example"]);
        let expected = [
            TokenRequest {
                target: Target::Account("acc".into()),
                validity: Validity::ForceNew,
                scope: Some("a b c".into()),
                audience: Some("y z".into()),
                application_hint: Some("app".into()),
                prompt: false,
            },
            TokenRequest {
                target: Target::Issuer("https://op.example".into()),
                validity: Validity::AtLeast(90),
                scope: None,
                audience: None,
                application_hint: Some("oidc-token".into()),
                prompt: false,
            },
        ];
        assert_eq!(bench.requests(), expected.map(Request::AccessToken));
    }

    #[test]
    fn an_issuer_may_be_given_as_it_was_pasted() {
        let bench = Bench::new().with_agent(|_| token(None));
        for pasted in [
            "https://op.example/x/.well-known/openid-configuration",
            " HTTPS://OP.example/x ",
            "op.example/x",
            "https://op.example/x",
        ] {
            let ran = bench.run(&["oidc", "token", pasted]);
            assert!(ran.result.is_ok(), "{pasted}: {ran:?}");
        }
        for request in bench.requests() {
            let Request::AccessToken(request) = request else { panic!("{request:?}") };
            assert_eq!(request.target, Target::Issuer("https://op.example/x".into()));
        }
        let error = bench.run(&["oidc", "token", "http://op.example/x"]).result.expect_err("no TLS");
        assert!(error.to_string().contains("Is https://op.example/x meant?"), "{error}");
        assert_eq!(error.exit(), Exit::UnknownAccount);
    }

    #[test]
    fn json_has_everything() {
        let bench = Bench::new().with_agent(|_| token(Some("a")));
        let value: serde_json::Value =
            serde_json::from_str(&bench.run(&["oidc", "token", "--json", "acc"]).stdout).expect("JSON");
        assert_eq!((&value["access_token"], &value["scope"]), (&"tok".into(), &"a".into()));
    }

    #[test]
    fn a_missing_scope_is_a_warning_or_with_strict_an_error() {
        let bench = Bench::new().with_agent(|_| token(Some("a")));
        let ran = bench.run(&["oidc", "token", "-s", "a b", "acc"]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("tok\n", "Warning: scope not granted: b\n"));
        let ran = bench.run(&["oidc", "token", "--strict", "-s", "a b", "acc"]);
        assert_eq!(ran.stdout, "");
        assert_eq!(ran.result.expect_err("not granted").exit(), Exit::NotGranted);
    }

    #[test]
    fn strict_covers_the_lifetime_of_a_new_token_too() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let bench = Bench::new().with_agent(move |_| {
            let Reply::Token(reply) = token(None) else { unreachable!("a token") };
            Reply::Token(TokenReply { expires_at: Some(now + 3600), ..reply })
        });
        for (options, good) in [
            (&["--strict", "--time=7200"][..], false),
            (&["--strict", "-f", "--time=7200"], false),
            (&["--strict", "-f"], true),
            (&["--strict", "-f", "--time=60"], true),
            (&["-f", "--time=7200"], true),
        ] {
            let ran = bench.run(&[&["oidc", "token"], options, &["acc"]].concat());
            assert_eq!(ran.result.is_ok(), good, "{options:?} {ran:?}");
        }
    }

    #[test]
    fn loads_the_account_on_the_terminal_and_goes_on() {
        let bench =
            Bench::new().with_account("acc").with_agent(empty_agent()).with_person(&["wrong", PASSWORD]);
        let ran = bench.run(&["oidc", "token", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert_eq!(ran.stdout, "tok\n");
        assert_eq!(ran.asked[1], "Wrong password.");
    }

    #[test]
    fn without_a_terminal_it_says_what_to_run() {
        let bench = Bench::new().with_account("acc").with_agent(empty_agent());
        let error = bench.run(&["oidc", "token", "acc"]).result.expect_err("not loaded");
        assert_eq!(error.to_string(), "account not loaded");
        assert_eq!(error.exit(), Exit::NotLoaded);
        assert!(error.hint().is_some_and(|hint| hint.contains("oidc add acc")));
    }

    #[test]
    fn an_account_the_agent_holds_is_not_asked_for_again() {
        let bench =
            Bench::new().with_account("acc").with_person(&[PASSWORD]).with_agent(|request| match request {
                Request::LoadedAccounts => loaded(&["acc"]),
                _ => Failure::new(ErrorCode::PromptUnavailable, "cannot ask").into(),
            });
        let ran = bench.run(&["oidc", "token", "acc"]);
        assert!(ran.asked.is_empty(), "{ran:?}");
        assert_eq!(
            ran.result.expect_err("nobody to confirm").failure_code(),
            Some(ErrorCode::PromptUnavailable)
        );
    }

    #[test]
    fn other_failures_keep_their_text_and_have_codes() {
        let bench = Bench::new().with_agent(|_| {
            Failure::new(ErrorCode::LoginNeeded, "invalid_grant: gone").with_info("run\\n\\tthis").into()
        });
        let error = bench.run(&["oidc", "token", "acc"]).result.expect_err("a failure");
        assert_eq!((error.to_string().as_str(), error.exit()), ("invalid_grant: gone", Exit::LoginNeeded));
        assert_eq!(error.hint().as_deref(), Some("run\n\tthis"));
    }

    #[test]
    fn names_that_are_none_never_reach_the_agent() {
        let bench = Bench::new().with_agent(|_| token(None));
        let error = bench.run(&["oidc-token", "../acc"]).result.expect_err("no name");
        assert_eq!(error.exit(), Exit::UnknownAccount);
        assert!(bench.requests().is_empty());
    }

    #[test]
    fn no_agent_is_an_error_of_its_own() {
        let error = Bench::new().run(&["oidc-token", "acc"]).result.expect_err("no agent");
        assert_eq!(error.exit(), Exit::NoAgent);
        assert!(
            error.to_string().starts_with("Could not connect to oidc-agent: nothing answers at"),
            "{error}"
        );
    }
}
