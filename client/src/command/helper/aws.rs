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
use url::Url;
use zeroize::Zeroizing;

use super::pasted;
use crate::{
    account::issuer_url::is_loopback,
    cli::{options::Common, usage::UsageError},
    command::token::{
        obtain::{Offer, TokenQuery, Wanted, obtain},
        purpose::PurposeArgs,
    },
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

    #[command(flatten)]
    pub purpose: PurposeArgs,

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
        self.check()?;
        if self.print_config {
            return Ok(context.output.result(&self.profile()?)?);
        }
        let credentials = self.credentials(context)?;
        Ok(context.output.result(&line(&credentials)?)?)
    }
}

impl AwsArgs {
    fn request(&self, prompt: bool) -> Result<Request, Error> {
        Ok(Request::AwsCredentials(Box::new(AwsCredentialsRequest {
            scope: self.purpose.scope(),
            audience: self.purpose.audience(),
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

    /// What the agent would refuse, told also where it is not asked: what is pasted is looked at by nobody until it fails.
    fn check(&self) -> Result<(), Error> {
        if let Request::AwsCredentials(request) = self.request(false)? {
            request.check().map_err(|wrong| UsageError::new(format!("--{wrong}")))?;
        }
        let is_safe = |endpoint: &str| {
            Url::parse(endpoint).is_ok_and(|url| {
                let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
                is_private && url.username().is_empty() && url.password().is_none()
            })
        };
        if self.endpoint.as_deref().is_some_and(|endpoint| !is_safe(endpoint)) {
            let text =
                "--endpoint is not an https address (http on this computer only) without a password in it";
            return Err(UsageError::new(text).into());
        }
        Ok(())
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
            offer: Offer::ByAgent,
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
            ("--aud", self.purpose.aud.as_deref()),
            ("--ca-bundle", certificates.as_deref()),
        ];
        for (option, value) in options.iter().filter_map(|(option, value)| Some((*option, (*value)?))) {
            words.extend([option.to_owned(), shell::quoted(value).into()]);
        }
        for scope in &self.purpose.scope {
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
mod tests;
