//! Secrets that options give: what they are, or where they are to be had.
//!
//! A command line is seen by everybody on the machine, so each secret has an option for a variable and one for a file
//! beside the C suite's, which goes on to work.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    path::Path,
};

use oidc_proto::secret::{ClientSecret, Password, RefreshToken, SecretText};
use zeroize::Zeroizing;

use super::arguments::{GenArgs, Given};
use crate::{
    account::password::{
        SOURCE_DEADLINE,
        file::{STANDARD_INPUT, content, first_line},
        sources::utf8,
    },
    cli::options::PromptArg,
    context::{Context, error::Error},
    say::dialect::Dialect,
    say::exit::Exit,
};

/// The options with every secret in its own field, and nothing left to be looked up.
pub fn looked_up(args: &GenArgs, context: &mut Context) -> Result<GenArgs, Error> {
    let mut args = args.clone();
    warn(&args, context);
    if args.answers.prompt == Some(PromptArg::None) && args.password.pw_prompt.is_none() {
        args.password.pw_prompt = Some(PromptArg::None);
    }
    let elsewhere = args.elsewhere.clone();
    if args.client.client_secret.is_none() {
        let source = Source::new("--client-secret-env", elsewhere.client_secret_env, "--client-secret-file");
        let secret = source.read(elsewhere.client_secret_file.as_deref(), "Client secret", context)?;
        args.client.client_secret = secret.map(|secret| ClientSecret::from(secret.expose()));
    }
    if let Some(name) = elsewhere.client_key_env {
        let option = "--client-key-env";
        args.client.client_key = Some(not_empty(option, variable(option, &name)?)?);
    } else if let Some(path) = elsewhere.client_key_file {
        let option = "--client-key-file";
        args.client.client_key =
            Some(not_empty(option, text(option, content(option, &path, SOURCE_DEADLINE)?)?)?);
    }
    if args.client.at.is_none() {
        let source = Source::new("--at-env", elsewhere.at_env, "--at-file");
        args.client.at = source.read(elsewhere.at_file.as_deref(), "Access token", context)?;
    }
    if args.login.rt.is_none() {
        let source = Source::new("--rt-env", args.login.rt_env.take(), "--rt-file");
        let token = source.read(elsewhere.rt_file.as_deref(), "Refresh token", context)?;
        args.login.rt = token.map(|token| RefreshToken::from(token.expose().trim()));
    }
    if args.login.op_password.is_none() {
        let source = Source::new("--op-password-env", elsewhere.op_password_env, "--op-password-file");
        let password = source.read(elsewhere.op_password_file.as_deref(), "Password", context)?;
        args.login.op_password = password.map(|password| Password::from(password.expose()));
    }
    for given in [&mut args.instead.code_exchange, &mut args.instead.state] {
        if given.as_ref().is_some_and(|given| given.expose() == STANDARD_INPUT) {
            *given = Some(pasted(context)?);
        }
    }
    Ok(args)
}

/// Says what everybody could see. The C suite's users know; their scripts read what is printed.
fn warn(args: &GenArgs, context: &mut Context) {
    let output = &mut context.output;
    if output.dialect != Dialect::Ours || output.json {
        return;
    }
    for Given { option, .. } in args.secrets_given() {
        output.warning(&format!(
            "everybody on this machine could see the value of --{option} in the list of processes; --{option}-env and \
             --{option}-file keep it to yourself"
        ));
    }
}

/// Where one secret is.
struct Source {
    variable_option: &'static str,
    variable: Option<OsString>,
    file_option: &'static str,
}

impl Source {
    fn new(variable_option: &'static str, variable: Option<OsString>, file_option: &'static str) -> Self {
        Self { variable_option, variable, file_option }
    }

    fn read(
        self,
        file: Option<&Path>,
        label: &str,
        context: &mut Context,
    ) -> Result<Option<SecretText>, Error> {
        if let Some(name) = self.variable {
            return not_empty(self.variable_option, variable(self.variable_option, &name)?).map(Some);
        }
        let Some(path) = file else { return Ok(None) };
        if path.as_os_str() == STANDARD_INPUT && io::stdin().is_terminal() {
            return Ok(Some(SecretText::from(context.asker.secret(label)?.expose())));
        }
        let line = first_line(self.file_option, path, SOURCE_DEADLINE)?;
        not_empty(self.file_option, text(self.file_option, line)?).map(Some)
    }
}

fn variable(option: &'static str, name: &OsString) -> Result<SecretText, Error> {
    match env::var_os(name) {
        Some(value) => text(option, Zeroizing::new(value.into_encoded_bytes())),
        // The C suite's sentence, and the option.
        None => Err(Error::Other(Exit::Failure, format!("{option}: {} not set!", name.to_string_lossy()))),
    }
}

fn text(option: &'static str, bytes: Zeroizing<Vec<u8>>) -> Result<SecretText, Error> {
    Ok(SecretText::from(utf8(option, bytes)?.expose()))
}

/// Nothing is no secret: it would be taken for one that was left out on purpose.
fn not_empty(option: &'static str, secret: SecretText) -> Result<SecretText, Error> {
    if secret.expose().trim().is_empty() {
        return Err(Error::Other(Exit::Failure, format!("{option}: there is nothing in it")));
    }
    Ok(secret)
}

/// What `-` stands for where a line is given that people paste.
fn pasted(context: &mut Context) -> Result<SecretText, Error> {
    if io::stdin().is_terminal() {
        return Ok(SecretText::new(context.asker.long_line("Paste it here:")?));
    }
    let line = first_line("-", Path::new(STANDARD_INPUT), SOURCE_DEADLINE)?;
    text("-", line).map(|line| SecretText::from(line.expose().trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::r#gen::testing::arguments, process::signals, testing::Bench};

    fn look_up(line: &[&str]) -> Result<GenArgs, Error> {
        let _alone = signals::alone();
        let args = arguments(line.iter().copied());
        let mut found = None;
        let ran = Bench::new().run_as(Dialect::Ours, false, |context| {
            found = Some(looked_up(&args, context)?);
            Ok(())
        });
        ran.result.map(|()| found.expect("looked up"))
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs_err::write(file.path(), "secret \nmore\n").expect("written");
        let path = file.path().to_str().expect("a path");
        let option = |name: &str| format!("--{name}-file={path}");
        let (secret, at) = (option("client-secret"), option("at"));
        let (rt, password) = (option("rt"), option("op-password"));
        let args = look_up(&["oidc", "gen", "acc", &secret, &at, &rt, &password]).expect("a file");
        assert_eq!(args.client.client_secret, Some("secret ".into()));
        assert_eq!(args.client.at, Some("secret ".into()));
        assert_eq!(args.login.rt, Some("secret".into()));
        assert_eq!(args.login.op_password, Some("secret ".into()));
    }

    #[test]
    fn a_secret_may_be_in_a_variable_and_what_is_missing_is_named() {
        // Cargo sets this one for its tests.
        let args = look_up(&["oidc", "gen", "acc", "--client-secret-env=CARGO_PKG_NAME"]).expect("set");
        assert_eq!(args.client.client_secret, Some("oidc-client".into()));
        let missing =
            ["client-secret", "at", "rt", "op-password"].map(|name| format!("--{name}-env=OIDC_NOT_SET"));
        for option in &missing {
            let text = look_up(&["oidc", "gen", "acc", option]).expect_err("not set").to_string();
            let name = option.split('=').next().expect("an option");
            assert_eq!(text, format!("{name}: OIDC_NOT_SET not set!"));
        }
        let text =
            look_up(&["oidc", "gen", "acc", "--rt-file=/nonexistent"]).expect_err("no file").to_string();
        assert!(text.contains("--rt-file") && text.contains("/nonexistent"), "{text}");
    }

    #[test]
    fn what_is_on_the_command_line_wins() {
        let line = ["oidc", "gen", "acc", "--rt=given", "--rt-env=OIDC_NOT_SET"];
        assert_eq!(look_up(&line).expect("given").login.rt, Some("given".into()));
    }
}
