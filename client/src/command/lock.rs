//! `oidc lock`, and `oidc-add -x`.

use clap::Parser;
use oidc_proto::message::Request;
use serde_json::json;

use crate::{
    cli::options::{Common, PasswordArgs},
    context::{Command, Context, error::Error},
};

/// Lock the agent: it gives out nothing until it is unlocked
#[derive(Debug, Clone, Parser)]
pub struct LockArgs {
    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub common: Common,
}

impl Command for LockArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        lock(&self.password, context)
    }
}

/// Locks the agent with a password typed twice, or with one from a source.
pub fn lock(args: &PasswordArgs, context: &mut Context) -> Result<(), Error> {
    let sources = args.sources();
    let given = sources.read()?;
    let was_given = given.is_some();
    let password = match given {
        Some(password) => password,
        None => sources.ask(context.asker.as_mut(), "Enter lock password")?,
    };
    if !was_given && sources.ask(context.asker.as_mut(), "Confirm lock password")? != password {
        return Err(Error::PasswordsDiffer);
    }
    if password.is_empty() {
        return Err(Error::EmptyPassword);
    }
    send(&Request::Lock { password }, context)
}

/// Asks the agent for it, and prints that it is done.
pub fn send(request: &Request, context: &mut Context) -> Result<(), Error> {
    let info = context.expect_success(request)?;
    if context.output.json {
        return Ok(context.output.json(&json!({"status": "success", "info": info}))?);
    }
    context.output.line("success")?;
    if let Some(info) = info {
        context.output.note(&info);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::{Failure, Reply};

    use super::*;
    use crate::{say::exit::Exit, testing::Bench};

    fn bench(answers: &[&str]) -> Bench {
        let answer = |request: &Request| match request {
            Request::Lock { password } if password.expose() == "pw" => Reply::success_with("Agent locked"),
            Request::Unlock { password } if password.expose() == "pw" => {
                Reply::success_with("Agent unlocked")
            }
            _ => Failure::wrong_password().into(),
        };
        Bench::new().with_agent(answer).with_person(answers)
    }

    #[test]
    fn locks_with_a_password_typed_twice() {
        let ran = bench(&["pw", "pw"]).run(&["oidc-add", "-x"]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("success\n", "Agent locked\n"));
        assert_eq!(ran.asked, ["Enter lock password", "Confirm lock password"]);
        let ran = bench(&["pw", "wp"]).run(&["oidc", "lock"]);
        assert_eq!(ran.result.expect_err("they differ").to_string(), "Passwords do not match.");
        let ran = bench(&["", ""]).run(&["oidc", "lock"]);
        assert_eq!(ran.result.expect_err("nothing typed").exit(), Exit::Password);
    }

    #[test]
    fn nobody_to_ask_is_no_wrong_password() {
        let nobody = || Bench::new().with_agent(|_| Reply::success());
        for (bench, options, code, text) in [
            (nobody(), &[][..], "prompt_unavailable", "there is no terminal to ask on"),
            (nobody(), &["--pw-prompt=none"], "prompt_unavailable", "asking is switched off"),
            (nobody(), &["--pw-env=OIDC_TEST_SURELY_UNSET"], "prompt_unavailable", "OIDC_TEST_SURELY_UNSET"),
            (bench(&[]), &[], "prompt_cancelled", "user cancelled password prompt"),
        ] {
            let line = [&["oidc", "unlock"], options].concat();
            let error = bench.run(&line).result.expect_err("no password");
            assert_eq!((error.exit(), error.code()), (Exit::Refused, code), "{error}");
            assert!(error.to_string().contains(text), "{error}");
        }
        let error = nobody().run(&["oidc", "unlock", "--pw-file=/nonexistent"]).result.expect_err("no file");
        assert_eq!((error.exit(), error.code()), (Exit::Password, "no_password"));
    }

    #[test]
    fn unlocks() {
        let ran = bench(&["pw"]).run(&["oidc-add", "--unlock"]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("success\n", "Agent unlocked\n"));
        let error = bench(&["no"]).run(&["oidc", "unlock"]).result.expect_err("wrong");
        assert_eq!((error.to_string().as_str(), error.exit()), ("wrong password", Exit::Password));
        let ran = bench(&[]).run(&["oidc", "unlock", "--pw-cmd=echo pw"]);
        assert_eq!(ran.stdout, "success\n");
    }
}
