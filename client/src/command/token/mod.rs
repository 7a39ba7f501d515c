//! `oidc token` and `oidc-token`: one request, one reply, one write; several for a destination.

pub mod arguments;
pub mod destination;
pub mod granted;
pub mod missing;
pub mod obtain;
mod print;
pub mod purpose;
pub mod report;

use arguments::{TokenArgs, TokenCommand};
use obtain::Token;

use crate::{
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
};

impl Command for TokenCommand {
    fn common(&self) -> &Common {
        &self.token.common
    }

    /// Gets the token and prints it.
    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let Self { token: args, destinations } = self;
        if destinations.lacks_place {
            return Err(UsageError::new("what is to be done needs a place: --for URL").into());
        }
        if destinations.explain && destinations.wanted.is_empty() {
            return Err(UsageError::new("`--explain` belongs to `--for URL`").into());
        }
        let args = &args.configured(context);
        if destinations.wanted.is_empty() {
            print_one(args, context)?;
        } else {
            destination::run(args, destinations, context)?;
        }
        report::reminder(args, context);
        Ok(())
    }
}

fn print_one(args: &TokenArgs, context: &mut Context) -> Result<(), Error> {
    match obtain::obtain(&args.query(args.target()?, args.wanted()), context)? {
        Token::Access(access) => {
            report::shortfall(args, &access, context)?;
            print::token(&args.format, &access, &mut context.output)
        }
        Token::Id(reply) => print::id_token(&reply, &mut context.output),
        Token::Mytoken(answer) => print::mytoken(&answer, &mut context.output),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use oidc_proto::{
        error_code::ErrorCode,
        message::{Failure, Reply, Request, Target, TokenReply, TokenRequest, Validity},
        secret::AccessToken,
    };

    use crate::{
        say::exit::Exit,
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
    fn a_scope_that_came_unasked_is_a_remark_even_with_strict() {
        let bench = Bench::new().with_agent(|_| token(Some("a b")));
        let ran = bench.run(&["oidc", "token", "--strict", "-s", "a", "-t", "0", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("tok\n", "the provider granted more than was asked for: b\n")
        );
        let ran = bench.run(&["oidc", "token", "--json", "-s", "a", "acc"]);
        let value: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(value["remarks"][0], "the provider granted more than was asked for: b");
        assert_eq!(bench.run(&["oidc-token", "-s", "a", "acc"]).stderr, "");
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
