//! `oidc gen` and `oidc-gen`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, ValueEnum};
use oidc_proto::{
    environment::REFRESH_TOKEN_VARIABLE,
    secret::{ClientSecret, Password, RefreshToken, SecretText},
};

use crate::{
    account::password::sources::Sources,
    cli::{
        getopt::EXTENSIONS,
        options::{Common, FormatArg, KeyringArgs, PasswordArgs, PromptArg, WithoutEffect},
    },
};

/// The mytoken server that is meant where none is named, as the C suite ships it.
pub const MYTOKEN_SERVER: &str = "https://mytoken.data.kit.edu";

/// Make an account: register a client, log in, and store the account in an encrypted file
#[derive(Debug, Clone, Default, Parser)]
#[command(after_help = "\
What is not given by options is asked on the terminal. A client that was registered for a login that failed is kept, \
encrypted: the next `oidc gen ACCOUNT` goes on with it, `oidc gen --delete ACCOUNT` removes it at the provider.

In one command, without a question:
  oidc gen ACCOUNT --issuer URL --scope 'openid profile offline_access' --flow device --prompt=none --pw-env")]
pub struct GenArgs {
    /// Short name of the account
    #[arg(value_name = "ACCOUNT")]
    pub account: Option<String>,

    #[command(flatten)]
    pub instead: ManageArgs,

    #[command(flatten)]
    pub client: ClientArgs,

    #[command(flatten)]
    pub login: LoginArgs,

    #[command(flatten)]
    pub store: StoreArgs,

    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub keyring: KeyringArgs,

    #[command(flatten)]
    pub elsewhere: ElsewhereArgs,

    #[command(flatten)]
    pub robot: RobotArgs,

    #[command(flatten)]
    pub answers: AnswerArgs,

    #[command(flatten)]
    pub common: Common,
}

impl GenArgs {
    /// Where the password of an account file comes from.
    pub fn sources(&self) -> Sources {
        self.keyring.with(self.password.sources())
    }
}

/// What to do instead of making an account.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Instead of making an account")]
pub struct ManageArgs {
    /// List the account files
    #[arg(short = 'l', long)]
    pub accounts: bool,

    /// Decrypt an account file and print it; FILE is an account, or a path if it begins with / or ~
    #[arg(short, long, value_name = "FILE")]
    pub print: Option<PathBuf>,

    /// Print the public key of the account's client, as a JWK set to be registered with the provider
    #[arg(long, help_heading = EXTENSIONS)]
    pub print_jwks: bool,

    /// Encrypt an account file anew, also one that is plain JSON; FILE as for --print
    #[arg(short, long, value_name = "FILE")]
    pub update: Option<PathBuf>,

    /// Give the account another short name
    #[arg(long, value_name = "NEW_NAME")]
    pub rename: Option<String>,

    /// Log in anew with what is stored
    #[arg(long)]
    pub reauthenticate: bool,

    /// Revoke the refresh token, delete a dynamically registered client, and delete the account
    #[arg(short, long)]
    pub delete: bool,

    /// Finish a login: the address that the browser was sent to; - reads it from standard input
    #[arg(long = "codeExchange", alias = "code-exchange", value_name = "URI")]
    pub code_exchange: Option<SecretText>,

    /// Fetch the account of a finished login; - reads its state from standard input
    #[arg(long, value_name = "STATE")]
    pub state: Option<SecretText>,
}

/// The provider and the client.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Provider and client")]
pub struct ClientArgs {
    /// URL of the provider
    #[arg(long, visible_alias = "iss", value_name = "URL")]
    pub issuer: Option<String>,

    /// Scope to ask for, `max` for all that are supported; may be repeated, or several separated by blanks
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,

    /// Ask for all supported scopes
    #[arg(long, visible_alias = "scope-max")]
    pub scope_all: bool,

    /// Audience to ask for; several separated by blanks
    #[arg(long, visible_alias = "audience", value_name = "AUDIENCE")]
    pub aud: Option<String>,

    /// Register no client: use one that was registered by hand, or edit an existing account
    #[arg(short, long)]
    pub manual: bool,

    /// Begin with the values of a file, plain or encrypted; implies --manual
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Use the public client that is known for the issuer
    #[arg(long = "pub")]
    pub public: bool,

    /// Client id; implies --manual
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,

    /// Client secret; an empty one makes the client a public one
    #[arg(long, value_name = "SECRET")]
    pub client_secret: Option<ClientSecret>,

    /// The private key that `--client-key-file` or `--client-key-env` gives.
    #[arg(skip)]
    pub client_key: Option<SecretText>,

    /// How the client authenticates; `private_key_jwt` makes a key where none is given
    #[arg(long, value_name = "METHOD", ignore_case = true, help_heading = EXTENSIONS)]
    pub auth_method: Option<AuthMethodArg>,

    /// Redirect URI; may be repeated, or several separated by blanks
    #[arg(long, visible_alias = "redirect-url", value_name = "URI")]
    pub redirect_uri: Vec<String>,

    /// Use the redirect URI http://localhost:PORT; may be repeated
    #[arg(long, value_name = "PORT")]
    pub port: Vec<u32>,

    /// Access token for a registration endpoint that asks for one
    #[arg(long, visible_alias = "access-token", value_name = "TOKEN")]
    pub at: Option<SecretText>,

    /// Part of the name under which the client is registered, instead of the host's name
    #[arg(long, visible_alias = "client-name-identifier", value_name = "ID")]
    pub cnid: Option<String>,

    /// CA certificates to trust instead of the system's
    #[arg(long = "cp", visible_aliases = ["cert-path", "cert-file"], value_name = "FILE")]
    pub cert_path: Option<String>,

    /// Where to begin a device login, instead of where the provider's metadata says
    #[arg(long = "dae", visible_alias = "device-authorization-endpoint", value_name = "URI")]
    pub device_authorization_endpoint: Option<String>,

    /// Where the provider's metadata is (https, http or file)
    #[arg(long = "configuration-endpoint", visible_aliases = ["config-endpoint", "discovery-endpoint"],
          value_name = "URI")]
    pub config_endpoint: Option<String>,

    /// The provider speaks OAuth 2 without OpenID Connect
    #[arg(long, visible_alias = "oauth")]
    pub oauth2: bool,

    /// Log in at a mytoken server, which keeps the refresh token; the account holds a mytoken
    #[arg(long, visible_alias = "mytoken-issuer", value_name = "URL", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    pub mytoken_url: Option<String>,

    /// The server that is meant where none is named, if the configuration says so.
    #[arg(skip)]
    pub default_mytoken_server: Option<String>,

    /// The profile where none is named, if the configuration says so.
    #[arg(skip)]
    pub default_mytoken_profile: Option<String>,

    /// The same with a profile, which says what the mytoken may do: its name there, or a JSON object; `agent` without one
    #[arg(long = "mytoken", visible_alias = "mytoken-profile", value_name = "PROFILE")]
    pub mytoken_profile: Option<String>,
}

/// How the person logs in.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// Way to log in; may be repeated, the best first
    #[arg(short = 'w', long, value_name = "FLOW", ignore_case = true)]
    pub flow: Vec<FlowArg>,

    /// Use this refresh token instead of a login
    #[arg(long, visible_alias = "refresh-token", value_name = "TOKEN")]
    pub rt: Option<RefreshToken>,

    /// Use the refresh token in an environment variable
    #[arg(long, visible_alias = "refresh-token-env", value_name = "NAME", num_args = 0..=1, require_equals = true,
          default_missing_value = REFRESH_TOKEN_VARIABLE)]
    pub rt_env: Option<OsString>,

    /// User name at the provider, for --flow=password
    #[arg(long, value_name = "NAME")]
    pub op_username: Option<String>,

    /// Password at the provider, for --flow=password
    #[arg(long, value_name = "PASSWORD")]
    pub op_password: Option<Password>,

    /// Print an access token and save nothing
    #[arg(long)]
    pub only_at: bool,

    /// Open no browser
    #[arg(long)]
    pub no_url_call: bool,

    /// Wait for no browser on this machine; the address it is sent to is pasted instead
    #[arg(long)]
    pub no_webserver: bool,

    /// Use no redirect URI that starts another program
    #[arg(long)]
    pub no_scheme: bool,
}

/// Where the account is kept.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Account file")]
pub struct StoreArgs {
    /// Keep the account in the agent only
    #[arg(long)]
    pub no_save: bool,

    /// Encrypt the account file with OpenPGP instead of a password
    #[arg(long = "gpg", visible_aliases = ["pw-gpg", "pw-pgp", "pgp"], value_name = "KEY_ID")]
    pub gpg: Option<String>,

    /// Format of a new account file; `oidc gen` writes native, `oidc-gen` what the C suite reads
    #[arg(long, value_enum, help_heading = EXTENSIONS)]
    pub format: Option<FormatArg>,

    /// Make a recovery phrase for a new account file, and show it once
    #[arg(long, help_heading = EXTENSIONS, conflicts_with_all = ["gpg", "no_save"])]
    pub recovery: bool,

    /// Let an OpenPGP key recover a new account file, beside the password
    #[arg(long, value_name = "KEY_ID", help_heading = EXTENSIONS, conflicts_with_all = ["gpg", "no_save"])]
    pub recovery_gpg: Option<String>,
}

impl StoreArgs {
    /// Whether a new file is to have another way in than its password.
    pub fn wants_recovery(&self) -> bool {
        self.recovery || self.recovery_gpg.is_some()
    }
}

/// Where the secrets are that a command line would show to everybody on the machine.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = EXTENSIONS)]
pub struct ElsewhereArgs {
    /// Use the client secret in an environment variable
    #[arg(long, value_name = "NAME")]
    pub client_secret_env: Option<OsString>,

    /// Use the first line of a file or pipe as client secret; - is standard input
    #[arg(long, value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,

    /// Use the private key of the client, PEM or JWK, in an environment variable
    #[arg(long, value_name = "NAME")]
    pub client_key_env: Option<OsString>,

    /// Use the private key of the client, PEM or JWK, in a file or pipe; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "client_key_env")]
    pub client_key_file: Option<PathBuf>,

    /// Use the access token for registration in an environment variable
    #[arg(long, value_name = "NAME")]
    pub at_env: Option<OsString>,

    /// Use the first line of a file or pipe as access token for registration; - is standard input
    #[arg(long, value_name = "FILE")]
    pub at_file: Option<PathBuf>,

    /// Use the first line of a file or pipe as refresh token; - is standard input
    #[arg(long, value_name = "FILE")]
    pub rt_file: Option<PathBuf>,

    /// Use the password at the provider in an environment variable
    #[arg(long, value_name = "NAME")]
    pub op_password_env: Option<OsString>,

    /// Use the first line of a file or pipe as password at the provider; - is standard input
    #[arg(long, value_name = "FILE")]
    pub op_password_file: Option<PathBuf>,
}

/// Accounts of robots: what their tokens are got with, since nobody logs in.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = EXTENSIONS)]
pub struct RobotArgs {
    /// Exchange the tokens of another account of the agent
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "subject_token")]
    pub from: Option<String>,

    /// Exchange a token from `file:PATH`, `env:NAME`, `command:WORDS`, `url:ADDRESS`, `url-env:NAME` or `github-actions`
    #[arg(long, value_name = "SOURCE")]
    pub subject_token: Option<String>,

    /// Type of the token that is exchanged, such as `jwt`, `id_token` or `access_token`
    #[arg(long, value_name = "TYPE")]
    pub subject_token_type: Option<String>,

    /// What authorizes asking an address for a token: `env:NAME` or `file:PATH`
    #[arg(long, value_name = "SOURCE", requires = "subject_token")]
    pub subject_bearer: Option<String>,

    /// Audience of the token that an address is asked for
    #[arg(long, value_name = "AUDIENCE", requires = "subject_token")]
    pub subject_audience: Option<String>,

    /// Type of token to ask for
    #[arg(long, value_name = "TYPE")]
    pub requested_token_type: Option<String>,

    /// Resource that the tokens are for (RFC 8707); may be repeated
    #[arg(long, value_name = "URI")]
    pub resource: Vec<String>,
}

/// A secret that stands on the command line.
pub struct Given<'a> {
    /// The option, which has one with `-env` and one with `-file` beside it.
    pub option: &'static str,
    /// Its value.
    pub value: &'a str,
}

impl GenArgs {
    /// The secrets that stand on the command line.
    pub fn secrets_given(&self) -> impl Iterator<Item = Given<'_>> {
        let (client, login) = (&self.client, &self.login);
        [
            ("client-secret", client.client_secret.as_ref().map(ClientSecret::expose)),
            ("at", client.at.as_ref().map(SecretText::expose)),
            ("rt", login.rt.as_ref().map(RefreshToken::expose)),
            ("op-password", login.op_password.as_ref().map(Password::expose)),
        ]
        .into_iter()
        .filter_map(|(option, value)| Some(Given { option, value: value.filter(|value| !value.is_empty())? }))
    }
}

/// How questions are answered.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Questions")]
pub struct AnswerArgs {
    /// How to ask for what is not given [default: cli]
    #[arg(long, value_name = "MODE")]
    pub prompt: Option<PromptArg>,

    /// Answer yes-or-no questions with their defaults
    #[arg(long)]
    pub confirm_default: bool,

    /// Answer yes-or-no questions with yes
    #[arg(long)]
    pub confirm_yes: bool,

    /// Answer yes-or-no questions with no
    #[arg(long)]
    pub confirm_no: bool,
}

/// The words of `--auth-method`: `token_endpoint_auth_method` of RFC 7591 section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum AuthMethodArg {
    /// With its secret in a header
    ClientSecretBasic,
    /// With its secret in the body
    ClientSecretPost,
    /// With an assertion signed with its private key
    PrivateKeyJwt,
    /// Not at all
    None,
}

impl AuthMethodArg {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// The words of `--flow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FlowArg {
    /// In a browser on this machine
    Code,
    /// In a browser on any machine
    Device,
    /// With user name and password
    Password,
    /// With a refresh token
    Refresh,
    /// Nobody logs in: the client asks for itself
    #[value(name = "client_credentials", alias = "client-credentials")]
    ClientCredentials,
    /// Nobody logs in: a token from elsewhere is exchanged
    #[value(name = "token_exchange", alias = "token-exchange")]
    TokenExchange,
    /// Nobody logs in: a JWT from elsewhere is brought
    #[value(name = "jwt_bearer", alias = "jwt-bearer")]
    JwtBearer,
}

/// `oidc-gen`: the same, and what the C suite's takes besides.
#[derive(Debug, Clone, Parser)]
#[command(
    about = "Make an account, or see to its file",
    override_usage = "oidc-gen [OPTION...] [ACCOUNT_SHORTNAME]"
)]
pub struct CSuiteGenArgs {
    #[command(flatten)]
    pub gen_args: GenArgs,

    #[command(flatten)]
    without_effect: WithoutEffect,
}

impl From<CSuiteGenArgs> for GenArgs {
    fn from(args: CSuiteGenArgs) -> Self {
        args.gen_args
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::{command::r#gen::testing::arguments, context::Command};

    #[test]
    fn every_secret_has_a_form_that_nobody_else_sees() {
        let command = GenArgs::command();
        let names: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
        let line =
            ["--client-secret=a", "--at=b", "--rt=c", "--op-password=d", "--state=e", "--codeExchange=f"];
        let args = arguments(["oidc", "gen"].into_iter().chain(line));
        assert_eq!(args.secrets(), ["a", "b", "c", "d", "f", "e"]);
        for given in args.secrets_given() {
            for form in ["env", "file"] {
                let option = format!("{}-{form}", given.option);
                assert!(names.contains(&option.as_str()), "--{option}");
            }
        }
    }
}
