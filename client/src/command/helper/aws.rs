//! `oidc helper aws`: `credential_process` of the AWS SDKs. The agent shows a token of an account to a security token service and
//! keeps the credentials; the SDKs run this again a quarter of an hour before they end.

use std::{fmt::Write, path::PathBuf};

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::{
    error_code::ErrorCode,
    json::Object,
    message::{AwsCredentials, AwsCredentialsRequest, Failure, Reply, Request, Target, Validity},
    shell,
    timespan::seconds,
};
use zeroize::Zeroizing;

use super::pasted;
use crate::{
    cli::{options::Common, usage::UsageError},
    command::token::obtain::{TokenQuery, Wanted, obtain},
    context::{Command, Context, account_name, error::Error},
    say::exit::Exit,
};

/// The program that a person is told asks.
const PROGRAM: &str = "aws";

/// Give AWS SDKs temporary credentials of a role: what they call `credential_process`
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example: what this prints belongs into ~/.aws/config:
  oidc helper aws --account ACCOUNT --role arn:aws:iam::123456789012:role/NAME --print-config

The agent shows a token of the account to the service (AssumeRoleWithWebIdentity) and keeps the credentials until 20 minutes are \
left. Programs that read a web identity file need no helper: `oidc exec --aws-role ARN`, or a managed file without a newline.")]
pub struct AwsArgs {
    /// The account whose token is shown
    #[arg(long, value_name = "ACCOUNT")]
    pub account: String,

    /// The role that is wanted
    #[arg(long, value_name = "ARN")]
    pub role: String,

    /// The service, where it is not AWS's own: that of Ceph or MinIO
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,

    /// The region whose service at AWS is asked
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// What the service's log calls this session
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,

    /// How long the credentials last: 1h to 12h, as far as the role allows
    #[arg(long, value_name = "SECONDS", default_value = "1h", value_parser = seconds)]
    pub duration: u64,

    /// Scope of the token; may be repeated, or several separated by blanks
    #[arg(short, long, value_name = "SCOPE")]
    pub scope: Vec<String>,

    /// Audience of the token; several separated by blanks
    #[arg(long, visible_alias = "audience", value_name = "AUDIENCE")]
    pub aud: Option<String>,

    /// Show an ID token instead of an access token
    #[arg(long)]
    pub id_token: bool,

    /// Certificates to trust at the service instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,

    /// Print what to paste into ~/.aws/config
    #[arg(long)]
    pub print_config: bool,

    /// The profile's name there; the account's without this
    #[arg(long, value_name = "NAME", requires = "print_config")]
    pub profile: Option<String>,

    #[command(flatten)]
    pub common: Common,
}

impl Command for AwsArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        account_name(&self.account)?;
        if self.print_config {
            return Ok(context.output.result(&self.profile()?)?);
        }
        let credentials = self.credentials(context)?;
        Ok(context.output.result(&line(&credentials)?)?)
    }
}

impl AwsArgs {
    fn request(&self, prompt: bool) -> Result<Request, Error> {
        let scope = self.scope.join(" ").trim().to_owned();
        Ok(Request::AwsCredentials(Box::new(AwsCredentialsRequest {
            scope: (!scope.is_empty()).then_some(scope),
            audience: self.aud.clone(),
            id_token: self.id_token,
            session: self.session.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            duration: Some(self.duration),
            cert_path: self.certificates()?,
            application_hint: Some(PROGRAM.to_owned()),
            prompt,
            ..AwsCredentialsRequest::new(self.account.as_str(), self.role.as_str())
        })))
    }

    /// The agent is in another directory.
    fn certificates(&self) -> Result<Option<String>, Error> {
        let Some(path) = &self.ca_bundle else { return Ok(None) };
        let absolute = std::path::absolute(path).map_err(|error| {
            Error::Other(Exit::File, format!("{} cannot be found: {error}", path.display()))
        })?;
        let text = absolute.into_os_string().into_string();
        text.map(Some).map_err(|_| UsageError::new("the path after --ca-bundle is not UTF-8").into())
    }

    fn credentials(&self, context: &mut Context) -> Result<AwsCredentials, Error> {
        let request = self.request(false)?;
        let answer = match context.call_or_start(&request) {
            Err(error) if wants_account(&error) && context.asker.is_there() => {
                // Loads it, as for any token, with the person at the terminal.
                obtain(&self.token(), context)?;
                context.call(&self.request(true)?)
            }
            answer => answer,
        };
        match answer.map_err(|error| self.told(error))? {
            Reply::AwsCredentials(credentials) => Ok(credentials),
            _ => Err(Error::UnexpectedReply(request.name())),
        }
    }

    /// In a helper's words: agents of the C suite know nothing of it.
    fn told(&self, error: Error) -> Error {
        match error {
            error if error.is_unknown_request() => without_service(),
            Error::Failure(failure) if failure.code == ErrorCode::BadRequest => as_option(*failure),
            // Also where only a prompt could have loaded it.
            Error::Failure(failure) if failure.error == Failure::account_not_loaded().error => {
                Error::NotLoaded { failure, account: self.account.clone() }
            }
            error => error,
        }
    }

    /// Whatever token loads the account.
    fn token(&self) -> TokenQuery {
        TokenQuery {
            target: Target::Account(self.account.clone()),
            wanted: Wanted::AccessToken { scope: None, audience: None, validity: Validity::AtLeast(0) },
            application_hint: PROGRAM.to_owned(),
            autoload: true,
            remote: false,
        }
    }

    fn profile(&self) -> Result<String, Error> {
        let name = self.profile.as_deref().unwrap_or(&self.account);
        if name.chars().any(|c| c.is_control() || c == ']') {
            return Err(
                UsageError::new("the name of a profile has neither ']' nor control characters").into()
            );
        }
        let mut words = vec![pasted::program()?];
        words.extend(["helper", "aws"].map(str::to_owned));
        let duration = self.duration.to_string();
        let certificates = self.certificates()?;
        let options = [
            ("--account", Some(self.account.as_str())),
            ("--role", Some(&self.role)),
            ("--endpoint", self.endpoint.as_deref()),
            ("--region", self.region.as_deref()),
            ("--session", self.session.as_deref()),
            ("--duration", (self.duration != 3600).then_some(duration.as_str())),
            ("--aud", self.aud.as_deref()),
            ("--ca-bundle", certificates.as_deref()),
        ];
        for (option, value) in options.iter().filter_map(|(option, value)| Some((*option, (*value)?))) {
            words.extend([option.to_owned(), shell::quoted(value).into()]);
        }
        for scope in &self.scope {
            words.extend(["--scope".to_owned(), shell::quoted(scope).into()]);
        }
        if self.id_token {
            words.push("--id-token".to_owned());
        }
        if words.iter().any(|word| word.contains(char::is_control)) {
            return Err(UsageError::new("what goes into the profile has control characters").into());
        }
        words[0] = shell::quoted(&words[0]).into();
        let mut lines = format!("[profile {name}]\ncredential_process = {}\n", words.join(" "));
        let mut add = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = writeln!(lines, "{key} = {value}");
            }
        };
        add("region", self.region.as_deref());
        // Ceph and MinIO answer for objects where they answer for tokens.
        add("endpoint_url", self.endpoint.as_deref());
        add("ca_bundle", certificates.as_deref());
        Ok(lines)
    }
}

/// What `credential_process` prints, in one line; holds secrets.
fn line(credentials: &AwsCredentials) -> Result<Zeroizing<String>, Error> {
    let expiration =
        i64::try_from(credentials.expires_at).ok().and_then(|at| Timestamp::from_second(at).ok());
    let expiration = expiration.ok_or(Error::UnexpectedReply("aws_credentials"))?;
    let mut object = Object::default();
    object.insert("Version", 1);
    object.insert("AccessKeyId", credentials.access_key_id.as_str());
    object.insert("SecretAccessKey", credentials.secret_access_key.expose());
    object.insert("SessionToken", credentials.session_token.expose());
    object.insert("Expiration", expiration.to_string());
    Ok(Zeroizing::new(format!("{}\n", *object.to_json())))
}

fn wants_account(error: &Error) -> bool {
    use ErrorCode::{AccountNotFound, AccountNotLoaded, PromptUnavailable};
    matches!(error.failure_code(), Some(AccountNotFound | AccountNotLoaded | PromptUnavailable))
}

/// The fields are called as the options.
fn as_option(failure: Failure) -> Error {
    let wrong = failure.error.strip_prefix("Bad request. Field '").and_then(|wrong| wrong.split_once("' "));
    match wrong {
        Some((field, what)) => Error::Other(Exit::Usage, format!("--{field} {what}")),
        None => failure.into(),
    }
}

fn without_service() -> Error {
    let text =
        "the agent that answers gets no credentials of AWS: it is of the C suite, or of an older release";
    Failure::new(ErrorCode::UnknownRequest, text)
        .with_info(
            "The SDKs get them by themselves from a file with a token: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN. \
             `oidc agent stop` and `oidc agent start` take another agent.",
        )
        .into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::Bench;

    const ROLE: &str = "arn:aws:iam::1:role/r";

    fn given() -> Reply {
        Reply::AwsCredentials(AwsCredentials {
            access_key_id: "ASIA".to_owned(),
            secret_access_key: "s/+".into(),
            session_token: "t==".into(),
            expires_at: 1_800_000_000,
        })
    }

    #[test]
    fn credentials_are_printed_as_sdks_read_them() {
        let bench = Bench::new().with_agent(|_| given());
        let ran =
            bench.run(&["oidc", "helper", "aws", "--account", "acc", "--role", ROLE, "--duration", "2h"]);
        ran.result.expect("done");
        let object: Value = serde_json::from_str(&ran.stdout).expect("an object");
        assert_eq!(object["Version"], 1);
        assert_eq!(object["Expiration"], "2027-01-15T08:00:00Z");
        assert_eq!(
            (&object["AccessKeyId"], &object["SecretAccessKey"], &object["SessionToken"]),
            (&"ASIA".into(), &"s/+".into(), &"t==".into())
        );
        let Some(Request::AwsCredentials(request)) = bench.requests().pop() else { panic!("no request") };
        assert_eq!((request.role.as_str(), request.duration, request.prompt), (ROLE, Some(7200), false));
    }

    #[test]
    fn nothing_is_printed_where_there_are_none() {
        for failure in
            [Failure::unknown_request(), Failure::new(ErrorCode::StsRefused, "no"), Failure::agent_locked()]
        {
            let expected = failure.code;
            let bench = Bench::new().with_agent(move |_| failure.clone().into());
            let ran = bench.run(&["oidc", "helper", "aws", "--account", "acc", "--role", ROLE]);
            assert_eq!(ran.stdout, "");
            let error = ran.result.expect_err("refused");
            assert_eq!(error.failure_code(), Some(expected));
            assert!(expected != ErrorCode::UnknownRequest || error.to_string().contains("C suite"));
        }
    }

    #[test]
    fn an_option_that_the_agent_refuses_is_an_error_of_usage() {
        let bench = Bench::new().with_agent(|_| {
            Failure::new(ErrorCode::BadRequest, "Bad request. Field 'role' is not a role's ARN.").into()
        });
        let ran = bench.run(&["oidc", "helper", "aws", "--account", "acc", "--role", "bogus"]);
        let error = ran.result.expect_err("no role");
        assert_eq!((error.exit(), error.to_string().as_str()), (Exit::Usage, "--role is not a role's ARN."));
    }

    #[test]
    fn the_profile_names_this_program_and_every_option() {
        let ran = Bench::new().run(&[
            "oidc",
            "helper",
            "aws",
            "--account",
            "acc",
            "--role",
            ROLE,
            "--endpoint",
            "https://rgw.example",
            "--scope",
            "openid a",
            "--session",
            "me",
            "--id-token",
            "--print-config",
            "--profile",
            "ceph",
        ]);
        ran.result.expect("done");
        let program = std::env::current_exe().expect("this program");
        assert_eq!(
            ran.stdout,
            format!(
                "[profile ceph]\ncredential_process = {} helper aws --account acc --role {ROLE} --endpoint https://rgw.example \
                 --session me --scope 'openid a' --id-token\nendpoint_url = https://rgw.example\n",
                program.display()
            )
        );
        let ran = Bench::new().run(&[
            "oidc",
            "helper",
            "aws",
            "--account",
            "acc",
            "--role",
            "arn:\nx = y",
            "--print-config",
        ]);
        ran.result.expect_err("a line of its own");
    }
}
