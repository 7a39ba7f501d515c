//! The words of errors: the C suite's where its programs or people's scripts know them, followed by whom it is about.

use std::fmt;

use oidc_proto::{message::Failure, shell};

use super::error::{Closed, OAuthError, ProviderError, ProviderErrorKind, Unsupported};

impl ProviderError {
    /// The reply to a client, with the C suite's texts: what C programs compare stays as it is, and the help says
    /// what to run. `account` is the short name, `issuer` its issuer URL.
    pub fn to_failure(&self, account: &str, issuer: &str) -> Failure {
        let error = self.wire_text();
        let info = match self.kind() {
            ProviderErrorKind::LoginNeeded(_) => Some(self.origin() + &login_help(account)),
            ProviderErrorKind::LoginProbablyNeeded { .. } => Some(login_help(account)),
            ProviderErrorKind::WouldNarrow { .. } => Some(NARROW_HELP.to_owned()),
            ProviderErrorKind::IssuerMismatch { found: Some(found), .. } => Some(format!(
                "If that is the provider that you mean and you trust it, use `--issuer {}`.\n",
                shell::quoted(found)
            )),
            ProviderErrorKind::NoMetadata { looked }
                if looked.iter().any(|(address, _)| address.ends_with("/mytoken-configuration")) =>
            {
                Some(
                    "Most likely --mytoken-url is not correct: it is the address of a mytoken server, below which that has its \
                     .well-known/mytoken-configuration, without that.\n"
                        .to_owned(),
                )
            }
            ProviderErrorKind::NoMetadata { .. } => Some(
                "Most likely the issuer is not correct: it is the address below which the provider has its \
                 .well-known/openid-configuration, without that.\n"
                    .to_owned(),
            ),
            ProviderErrorKind::Refused(refusal) => {
                Some(self.origin() + &refusal_help(&refusal.error, account, issuer).unwrap_or_default())
            }
            ProviderErrorKind::Unsupported(_) => Some(self.by_metadata()),
            ProviderErrorKind::NoRegistration { closed, get_client } => {
                let origin = if *closed == Closed::NoEndpoint { self.by_metadata() } else { self.origin() };
                Some(origin + &registration_help(closed, get_client.as_deref()))
            }
            _ => None,
        };
        let info = match (info, self.when_to_ask_again()) {
            (info, None) => info,
            (info, when) => Some(info.unwrap_or_default() + &when.unwrap_or_default()),
        };
        Failure { info, ..Failure::new(self.code(), error) }
    }

    /// Whose words the error text is, where it does not say so itself.
    fn origin(&self) -> String {
        format!("This is the answer of the provider {}.\n", self.provider())
    }

    /// The same for what was not asked, because there is nowhere to.
    fn by_metadata(&self) -> String {
        format!("The metadata of the provider {} name no endpoint for that.\n", self.provider())
    }

    /// What the provider asked for, where it did.
    fn when_to_ask_again(&self) -> Option<String> {
        let wait = self.retry_after()?;
        Some(format!("The provider asks to be left alone for {} s; try again then.\n", wait.as_secs().max(1)))
    }

    /// As [`fmt::Display`], but where C programs compare the text, it stands alone.
    fn wire_text(&self) -> String {
        match self.kind() {
            ProviderErrorKind::Refused(refusal) if refusal.is_poll_status() => refusal.error.clone(),
            ProviderErrorKind::Refused(refusal) | ProviderErrorKind::LoginNeeded(refusal) => {
                refusal.to_string()
            }
            ProviderErrorKind::Unsupported(what) => what.to_string(),
            ProviderErrorKind::NoRegistration { closed, .. } => closed.to_string(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        self.description.iter().try_for_each(|description| write!(f, ": {description}"))
    }
}

impl fmt::Display for Unsupported {
    /// The texts of the C suite; its tools compare the one about registration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientList => "The issuer does not tell which clients a person has.",
            Self::Authorization => "Authorization code flow is not supported by this issuer.",
            Self::DeviceAuthorization => "Device Flow not Supported by OpenID Provider",
            Self::Mytoken => "This is no mytoken server: its metadata name no mytoken_endpoint.",
            Self::Keys => "The issuer publishes no keys to check ID tokens with.",
            Self::Introspection => "The issuer tells nobody about tokens (it has no introspection endpoint).",
            Self::UserInfo => "The issuer has no userinfo endpoint.",
            Self::Revocation => "Token revocation is not supported by this issuer.",
            Self::Token => {
                "Could not get token endpoint from the configuration endpoint. This could be because of a network \
                 issue. But it's more likely that your issuer is not correct."
            }
        })
    }
}

impl fmt::Display for Closed {
    /// The first one is the C suite's text, which its tools compare; the others begin with the provider's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoint => f.write_str(
                "Dynamic registration is not supported by this issuer. \
                 Please register a client manually and then run oidc-gen with the -m flag.",
            ),
            Self::TokenNeeded { said } | Self::TokenRefused { said } | Self::Refused { said } => {
                f.write_str(said)
            }
        }
    }
}

/// What to do where a client cannot be registered.
fn registration_help(closed: &Closed, get_client: Option<&str>) -> String {
    let meaning = match closed {
        Closed::NoEndpoint => "",
        Closed::TokenNeeded { .. } => {
            "Clients are registered here only for who has an initial access token (`--at`).\n"
        }
        Closed::TokenRefused { .. } => "The initial access token was not accepted: ask for a new one.\n",
        Closed::Refused { .. } => "The provider registers no client for you, or not from here.\n",
    };
    get_client.map_or_else(|| meaning.to_owned(), |otherwise| format!("{meaning}{otherwise}\n"))
}

impl OAuthError {
    /// Device polling forwards these bare, even when the provider adds a description (RFC 8628 section 3.5).
    fn is_poll_status(&self) -> bool {
        matches!(self.error.as_str(), "authorization_pending" | "slow_down")
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = self.provider();
        match self.kind() {
            ProviderErrorKind::Unreachable { reason } => {
                write!(f, "could not connect to url: {provider}: {reason}")
            }
            ProviderErrorKind::Timeout { after } => {
                write!(
                    f,
                    "reached timeout: no answer from {provider} within {} s",
                    after.as_secs_f32().ceil()
                )
            }
            ProviderErrorKind::Tls { reason } => write!(f, "error with ssl cert: {provider}: {reason}"),
            ProviderErrorKind::Interrupted => {
                write!(
                    f,
                    "could not connect to url: {provider}: connection ended before the answer was complete"
                )
            }
            ProviderErrorKind::Refused(refusal) | ProviderErrorKind::LoginNeeded(refusal) => {
                write!(f, "{provider}: {refusal}")
            }
            ProviderErrorKind::Status { status, said, .. } => {
                write!(f, "Received Http Status Code {status} from {provider}")?;
                said.iter().try_for_each(|said| write!(f, ": {said}"))
            }
            ProviderErrorKind::LoginProbablyNeeded { status, said } => {
                write!(f, "Received Http Status Code {status} from {provider} for the refresh token")?;
                said.iter().try_for_each(|said| write!(f, ": {said}"))
            }
            ProviderErrorKind::WouldNarrow { lost } => write!(
                f,
                "{provider} was not asked: with fewer scopes it gives a refresh token that has lost the others for good ({lost})"
            ),
            ProviderErrorKind::Redirect { to } => {
                write!(f, "Provider answered with unexpected response: {provider} redirects")?;
                to.iter().try_for_each(|to| write!(f, " to {to}"))
            }
            ProviderErrorKind::TooLarge => {
                write!(f, "Provider answered with unexpected response: {provider} sends more than 1 MiB")
            }
            ProviderErrorKind::NotJson { found } => {
                write!(
                    f,
                    "Provider answered with unexpected response, JSON expected: {provider} sent {found}"
                )
            }
            ProviderErrorKind::NotXml { found } => {
                write!(f, "{provider} sent {found}, and not the XML of a security token service")
            }
            ProviderErrorKind::BadResponse { what } => {
                write!(f, "Provider answered with unexpected response, {what} expected ({provider})")
            }
            ProviderErrorKind::NoMetadata { looked } => {
                write!(
                    f,
                    "Provider answered with unexpected response, metadata at one of the well-known addresses expected \
                     ({provider})"
                )?;
                looked.iter().try_for_each(|(address, came)| write!(f, "; {address}: {came}"))
            }
            ProviderErrorKind::IssuerMismatch { expected, found } => write!(
                f,
                "Provider uses another issuer url than expected. Something is fishy. Expected {expected}, found {}.",
                found.as_deref().unwrap_or("none")
            ),
            ProviderErrorKind::Unsupported(what) => write!(f, "{provider}: {what}"),
            ProviderErrorKind::NoRegistration { closed, .. } => write!(f, "{provider}: {closed}"),
            ProviderErrorKind::InsecureUrl { url } => {
                write!(f, "{provider}: {url} is neither https nor on this machine")
            }
            ProviderErrorKind::StrayUrl { url } => write!(
                f,
                "{provider} is not on this machine but names {url}, which is: nothing is sent there"
            ),
            ProviderErrorKind::IdToken { reason } => write!(f, "{provider}: ID token refused: {reason}"),
            ProviderErrorKind::Userinfo { reason } => write!(f, "{provider}: userinfo refused: {reason}"),
            ProviderErrorKind::Configuration { reason } => write!(f, "{provider}: {reason}"),
        }
    }
}

/// What to do instead of asking for fewer scopes.
const NARROW_HELP: &str =
    "Ask for a token without naming scopes, or make a further account with these scopes only.\n";

/// The C suite's help for a refresh token that is gone.
fn login_help(account: &str) -> String {
    format!(
        "Most likely the refresh token expired. To create a new one, just run:\n\
         \t$ {}\n",
        shell::command_then("oidc-gen", account, "--reauthenticate")
    )
}

/// The C suite's help for other refusals, chosen by the code: others begin as these do and mean something else.
fn refusal_help(code: &str, account: &str, issuer: &str) -> Option<String> {
    if matches!(code, "invalid_grant" | "invalid_token") {
        return Some(login_help(account));
    }
    if code == "invalid_scope" {
        return Some(format!(
            "We cannot get these scopes with the current configuration. To get these scopes you might need to adapt \
             the account configuration with\n\t$ {}\n\
             but it also might be necessary to change the client configuration with the OpenID provider.\n",
            shell::command("oidc-gen -m", account)
        ));
    }
    if code == "invalid_request" {
        return Some("This is most likely a bug. Please hand in a bug report.\n".to_owned());
    }
    if code == "insufficient_capabilities" {
        return Some(format!(
            "The account's mytoken lacks a capability that this needs ('AT' for access tokens, 'create_mytoken' for further \
             mytokens). Log in anew with a profile that has it:\n\t$ {}\n",
            shell::command_then("oidc gen --reauthenticate", account, "--mytoken=PROFILE")
        ));
    }
    if code == "usage_restricted" {
        return Some(format!(
            "The restrictions of the account's mytoken do not allow this: a scope, an audience, a place or a time that is none of \
             them, or it was used as often as it may be. Log in anew with other restrictions:\n\t$ {}\n",
            shell::command_then("oidc gen --reauthenticate", account, "--mytoken=PROFILE")
        ));
    }
    if code == "invalid_client" {
        return Some(format!(
            "Probably the OIDC client has been deleted. You must register a new client with the OpenID Provider \
             manually and then use \n\t$ {}\n\
             to update this account configuration, or you delete this account configuration and create a new one \
             using dynamic client configuration (if supported):\n\
             \t $ {}\n\t $ {}\n\
             Where the provider does not let it be deleted any more, forget it with\n\t $ {}\n",
            shell::command("oidc-gen -m", account),
            shell::command("oidc-gen -d", account),
            shell::command_then("oidc-gen", account, &format!("--iss={}", shell::quoted(issuer))),
            shell::command("oidc reset", account)
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oidc_proto::error_code::ErrorCode;

    use super::*;

    fn error(kind: ProviderErrorKind) -> ProviderError {
        ProviderError::new("op.example/path".into(), kind)
    }

    fn refused(error_text: &str, description: Option<&str>) -> ProviderError {
        error(ProviderErrorKind::Refused(OAuthError::new(400, error_text, description, &[])))
    }

    #[test]
    fn forwards_what_c_programs_compare() {
        for (error, text) in [
            (refused("invalid_client", Some("who")), "invalid_client: who"),
            (refused("authorization_pending", Some("wait")), "authorization_pending"),
            (refused("server_error", None), "server_error"),
            (
                error(ProviderErrorKind::NoRegistration { closed: Closed::NoEndpoint, get_client: None }),
                "Dynamic registration is not supported by this issuer. \
                 Please register a client manually and then run oidc-gen with the -m flag.",
            ),
        ] {
            assert_eq!(error.to_failure("acc", "https://op").error, text);
        }
    }

    #[test]
    fn helps_as_the_c_suite_does() {
        let dead = OAuthError::new(400, "invalid_grant", Some("Token is not active"), &[]);
        let failure = error(ProviderErrorKind::LoginNeeded(dead)).to_failure("acc", "https://op");
        assert_eq!(
            (failure.code, failure.error.as_str()),
            (ErrorCode::LoginNeeded, "invalid_grant: Token is not active")
        );
        assert_eq!(
            failure.info.as_deref(),
            Some(
                "This is the answer of the provider op.example/path.\nMost likely the refresh token expired. To create a new one, just run:\n\t$ oidc-gen acc --reauthenticate\n"
            )
        );
        for (code, words) in [
            ("invalid_scope", vec!["\t$ oidc-gen -m acc\n"]),
            (
                "invalid_client",
                vec!["$ oidc-gen -m acc", "$ oidc-gen -d acc", "$ oidc-gen acc --iss=https://op"],
            ),
            ("invalid_request", vec!["bug report"]),
            ("invalid_client", vec!["$ oidc reset acc"]),
            ("server_error", vec!["op.example/path"]),
        ] {
            let info = refused(code, Some("x")).to_failure("acc", "https://op").info.unwrap_or_default();
            assert!(words.iter().all(|word| info.contains(word)), "{info}");
        }
    }

    #[test]
    fn codes_that_begin_alike_are_told_apart() {
        for code in ["invalid_client_metadata", "invalid_request_uri", "invalid_scopes"] {
            let info = refused(code, Some("x")).to_failure("acc", "https://op").info.unwrap_or_default();
            assert_eq!(info, "This is the answer of the provider op.example/path.\n", "{code}");
        }
    }

    #[test]
    fn every_message_names_the_provider() {
        let reason = || "why".to_owned();
        for kind in [
            ProviderErrorKind::Unreachable { reason: reason() },
            ProviderErrorKind::Timeout { after: Duration::from_millis(1500) },
            ProviderErrorKind::Tls { reason: reason() },
            ProviderErrorKind::Interrupted,
            ProviderErrorKind::Status { status: 500, retry_after: None, said: None },
            ProviderErrorKind::LoginProbablyNeeded { status: 400, said: Some("no".into()) },
            ProviderErrorKind::WouldNarrow { lost: "a".into() },
            ProviderErrorKind::NotJson { found: "a web page".into() },
            ProviderErrorKind::NotXml { found: "a web page".into() },
            ProviderErrorKind::NoMetadata { looked: vec![("https://x".into(), "a web page".into())] },
            ProviderErrorKind::Redirect { to: None },
            ProviderErrorKind::TooLarge,
            ProviderErrorKind::BadResponse { what: "JSON" },
            ProviderErrorKind::IssuerMismatch { expected: "https://op.example/path".into(), found: None },
            ProviderErrorKind::Unsupported(Unsupported::Token),
            ProviderErrorKind::InsecureUrl { url: "http://x".into() },
            ProviderErrorKind::IdToken { reason: reason() },
            ProviderErrorKind::Configuration { reason: reason() },
        ] {
            let failure = error(kind.clone()).to_failure("acc", "https://op");
            let told = format!("{}\n{}", failure.error, failure.info.unwrap_or_default());
            assert!(told.contains("op.example/path"), "{told}");
            assert!(error(kind).to_string().contains("op.example/path"));
        }
    }
}
