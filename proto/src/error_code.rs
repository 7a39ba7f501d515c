//! Stable names of failures, for programs: the C suite's texts are for people and differ between its versions.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What went wrong, as the field `error_code` of a failure names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire: snake case, never changed once released.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

error_codes! {
    /// The request lacks a field, or is no request at all.
    BadRequest = "bad_request";
    /// No request has this name.
    UnknownRequest = "unknown_request";
    /// A known request that this agent does not serve.
    NotSupportedYet = "not_supported_yet";
    /// Only `check` and `unlock` are answered while the agent is locked.
    AgentLocked = "agent_locked";
    /// `unlock` of an agent that is not locked.
    AgentNotLocked = "agent_not_locked";
    /// Of the lock, or of an account file.
    WrongPassword = "wrong_password";
    /// Neither loaded nor on disk.
    AccountNotFound = "account_not_found";
    /// Not loaded, and nothing loaded it.
    AccountNotLoaded = "account_not_loaded";
    /// An account of that name is loaded.
    AccountAlreadyLoaded = "account_already_loaded";
    /// The caller's user may not make this request: it is of the agent's group only.
    NotPermitted = "not_permitted";
    /// The person said no.
    OperationForbidden = "operation_forbidden";
    /// The refresh token is dead; only a login helps.
    LoginNeeded = "login_needed";
    /// RFC 6749 section 5.2: the provider does not know the client.
    InvalidClient = "invalid_client";
    /// RFC 6749 section 5.2: the provider does not grant the scope.
    InvalidScope = "invalid_scope";
    /// Any other OAuth error of the provider.
    ProviderRefused = "provider_refused";
    /// No connection to the provider.
    ProviderUnreachable = "provider_unreachable";
    /// The provider did not answer in time.
    ProviderTimeout = "provider_timeout";
    /// The provider's certificate is not trusted, or no TLS version fits.
    ProviderTls = "provider_tls";
    /// The provider answered something that is no OAuth response.
    ProviderBadResponse = "provider_bad_response";
    /// The provider claims another issuer.
    ProviderMismatch = "provider_mismatch";
    /// No account and no issuer data name this issuer, so it is not connected to.
    UnknownIssuer = "unknown_issuer";
    /// A token is from another issuer than the account, whose provider is not shown it.
    OtherIssuer = "other_issuer";
    /// The provider has no such endpoint or grant.
    NotSupportedByProvider = "not_supported_by_provider";
    /// The provider registers no clients, or none for the person.
    RegistrationClosed = "registration_closed";
    /// The provider registers clients for those only who have an initial access token (RFC 7591 section 3).
    RegistrationTokenNeeded = "registration_token_needed";
    /// A file could not be written.
    WriteFailed = "write_failed";
    /// The person cannot be asked: no prompt program, no display, or asking was not wanted.
    PromptUnavailable = "prompt_unavailable";
    /// The person closed the prompt, or its time ran out.
    PromptCancelled = "prompt_cancelled";
    /// RFC 8628 section 3.5: poll again.
    AuthorizationPending = "authorization_pending";
    /// RFC 8628 section 3.5: poll again, more slowly.
    SlowDown = "slow_down";
    /// No login with this `state` is open.
    WrongState = "wrong_state";
    /// No login with this device code is open.
    WrongDeviceCode = "wrong_device_code";
    /// The account has none, or the provider sent none.
    NoRefreshToken = "no_refresh_token";
    /// The token that the account exchanges for its own could not be had.
    SubjectTokenUnavailable = "subject_token_unavailable";
    /// A service refuses the account's tokens, also one that was got anew.
    TokenRefused = "token_refused";
    /// Nobody logs in with the account: its tokens are the client's own.
    NoPerson = "no_person";
    /// A security token service gives no credentials for the token.
    StsRefused = "sts_refused";
    /// A security token service cannot be reached, or is not able to answer.
    StsUnavailable = "sts_unavailable";
    /// `file_read` of a name that was not written.
    FileNotFound = "file_not_found";
    /// No managed file has this name.
    FileNotManaged = "file_not_managed";
    /// A managed file has not become fresh in time.
    FileNotReady = "file_not_ready";
    /// The configuration of managed files is not as it should be.
    FilesConfiguration = "files_configuration";
    /// Something is under way that no other version could go on with.
    UpgradeBusy = "upgrade_busy";
    /// No other version can take over; the one that answers goes on.
    UpgradeRefused = "upgrade_refused";
    /// Try again later.
    TooManyRequests = "too_many_requests";
    /// A sealed message did not open.
    DecryptionFailed = "decryption_failed";
    /// A defect of the agent.
    Internal = "internal";
    /// A failure of an agent that sends no code, with a text that is not known; or a code of a later version.
    Other = "other";
}

impl ErrorCode {
    /// The code of a name; [`ErrorCode::Other`] for names of later versions.
    pub fn parse(name: &str) -> Self {
        Self::ALL.iter().copied().find(|code| code.as_str() == name).unwrap_or(Self::Other)
    }

    /// What a failure of the C suite's agent means, which sends only a text (both versions' texts).
    pub fn of_text(error: &str) -> Self {
        let by_text = TEXTS.iter().find(|(text, _)| *text == error);
        let by_prefix = || PREFIXES.iter().find(|(prefix, _)| error.starts_with(prefix));
        by_text.or_else(by_prefix).map_or(Self::Other, |(_, code)| *code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const TEXTS: &[(&str, ErrorCode)] = &[
    ("Agent locked", ErrorCode::AgentLocked),
    ("Agent not locked", ErrorCode::AgentNotLocked),
    ("wrong password", ErrorCode::WrongPassword),
    ("account not loaded", ErrorCode::AccountNotLoaded),
    ("No account configured with that short name", ErrorCode::AccountNotFound),
    ("operation forbidden", ErrorCode::OperationForbidden),
    ("authorization_pending", ErrorCode::AuthorizationPending),
    ("slow_down", ErrorCode::SlowDown),
    ("wrong state", ErrorCode::WrongState),
    ("wrong device code", ErrorCode::WrongDeviceCode),
    ("File not found", ErrorCode::FileNotFound),
    ("decryption failed", ErrorCode::DecryptionFailed),
    ("Bad Request: Unknown request type.", ErrorCode::UnknownRequest),
    ("Not yet implemented", ErrorCode::BadRequest),
    ("state malformed", ErrorCode::BadRequest),
    ("received suspicious public key", ErrorCode::BadRequest),
    ("internal error: ipc encrypted message malformed", ErrorCode::BadRequest),
    ("No or malformed refresh token", ErrorCode::NoRefreshToken),
    ("OIDP response does not contain a refresh token", ErrorCode::NoRefreshToken),
    ("Could not get a refresh token", ErrorCode::NoRefreshToken),
    ("could not connect to url", ErrorCode::ProviderUnreachable),
    ("error with ssl cert", ErrorCode::ProviderTls),
    ("could not parse json", ErrorCode::ProviderBadResponse),
    ("oidcd died", ErrorCode::Internal),
];

const PREFIXES: &[(&str, ErrorCode)] = &[
    ("Bad Request", ErrorCode::BadRequest),
    ("Bad request", ErrorCode::BadRequest),
    ("Argument is NULL", ErrorCode::BadRequest),
    ("An account with this shortname is already loaded.", ErrorCode::AccountAlreadyLoaded),
    ("invalid_grant", ErrorCode::LoginNeeded),
    ("invalid_token", ErrorCode::LoginNeeded),
    ("invalid_client", ErrorCode::InvalidClient),
    ("invalid_scope", ErrorCode::InvalidScope),
    ("Could not get token endpoint from the configuration endpoint.", ErrorCode::ProviderUnreachable),
    ("Received Http Status Code", ErrorCode::ProviderBadResponse),
    ("Provider answered with unexpected response", ErrorCode::ProviderBadResponse),
    ("Provider uses another issuer url", ErrorCode::ProviderMismatch),
    ("Dynamic registration is not supported", ErrorCode::RegistrationClosed),
    ("Device Flow not Supported", ErrorCode::NotSupportedByProvider),
    ("Could not revoke token:", ErrorCode::ProviderRefused),
    ("Could not delete client:", ErrorCode::ProviderRefused),
    ("request currently not acceptable", ErrorCode::TooManyRequests),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case_and_come_back() {
        for code in ErrorCode::ALL {
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert_eq!(ErrorCode::parse(code.as_str()), *code);
        }
        assert_eq!(ErrorCode::parse("of_a_later_version"), ErrorCode::Other);
    }

    #[test]
    fn texts_of_the_c_suite_are_understood() {
        assert_eq!(ErrorCode::of_text("account not loaded"), ErrorCode::AccountNotLoaded);
        assert_eq!(ErrorCode::of_text("invalid_grant: Token is not active"), ErrorCode::LoginNeeded);
        assert_eq!(ErrorCode::of_text("Bad Request: Unknown request type."), ErrorCode::UnknownRequest);
        assert_eq!(ErrorCode::of_text("Bad Request: No request type."), ErrorCode::BadRequest);
        assert_eq!(ErrorCode::of_text("who knows"), ErrorCode::Other);
    }
}
