//! What kind of request it is: for whoever decides who may make it, and how it is served.

use super::Request;

/// The four kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wants a token of an account, or what only such a token tells. Nobody needs the answer when the client is gone.
    Token,
    /// Wants to know how the agent is and what it holds. Changes nothing, shows no secret.
    State,
    /// Part of a login, a registration, or what comes before them.
    Login,
    /// Changes what the agent holds: accounts, their files, the lock, who else is let in.
    Management,
}

impl Class {
    /// Whether the agent may hold more secrets after such a request than before.
    pub const fn may_store_secrets(self) -> bool {
        matches!(self, Self::Login | Self::Management)
    }
}

impl Request {
    /// What kind of request it is.
    pub const fn class(&self) -> Class {
        match self {
            Self::AccessToken(_)
            | Self::IdToken(_)
            | Self::Mytoken(_)
            | Self::Refused(_)
            | Self::Userinfo(_)
            | Self::Clients(_)
            | Self::AwsCredentials(_) => Class::Token,
            Self::Check
            | Self::Status
            | Self::StatusJson
            | Self::Reminder { .. }
            | Self::LoadedAccounts
            | Self::AccountInfo
            | Self::FilesStatus(_)
            | Self::FilesWait(_) => Class::State,
            Self::Gen(_)
            | Self::Register(_)
            | Self::CodeExchange(_)
            | Self::StateLookup { .. }
            | Self::Device(_)
            | Self::TermHttpServer { .. }
            | Self::Scopes(_)
            | Self::Provider(_)
            | Self::IssuerKeys(_)
            | Self::Introspect(_)
            | Self::MytokenSupportedProviders(_)
            | Self::Reauthenticate { .. }
            | Self::FileWrite(_)
            | Self::FileRead { .. }
            | Self::FileRemove { .. } => Class::Login,
            Self::Add(_)
            | Self::Remove { .. }
            | Self::RemoveAll
            | Self::Lock { .. }
            | Self::Unlock { .. }
            | Self::Delete(_)
            | Self::DeleteClient(_)
            | Self::Reset(_)
            | Self::Passwd(_)
            // It may store a registration access token that the provider has replaced.
            | Self::Examine { .. }
            | Self::Page(_)
            | Self::FilesRenew { .. }
            | Self::FilesReload
            | Self::Upgrade(_) => Class::Management,
        }
    }

    /// Whether it has no effect but its reply: given up when its client is gone. So are those whose effect comes about
    /// by itself, so that the reply can be asked for again.
    pub const fn only_asks(&self) -> bool {
        matches!(self.class(), Class::Token)
            || matches!(self, Self::Scopes(_) | Self::Provider(_) | Self::MytokenSupportedProviders(_))
            || matches!(self, Self::IssuerKeys(_) | Self::Introspect(_))
            || matches!(self, Self::CodeExchange(_) | Self::Device(_) | Self::FilesWait(_))
    }

    /// Whether a locked agent answers it: what tells that it is there, what issuers there are, how its files are (which other
    /// programs read meanwhile) and what is wanted of them, the ways out of the lock, what closes a way in, and a change of version,
    /// which opens nothing.
    pub const fn is_answered_while_locked(&self) -> bool {
        matches!(self, Self::Check | Self::AccountInfo | Self::Unlock { .. } | Self::Reset(_))
            || matches!(
                self,
                Self::FilesStatus(_) | Self::FilesWait(_) | Self::FilesReload | Self::Upgrade(_)
            )
            || matches!(self, Self::Page(request) if request.stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Request {
        Request::parse(text.as_bytes()).expect("a request")
    }

    #[test]
    fn requests_have_their_class() {
        for (request, class, only_asks, while_locked) in [
            (r#"{"request":"access_token","account":"a"}"#, Class::Token, true, false),
            (r#"{"request":"id_token","account":"a"}"#, Class::Token, true, false),
            (r#"{"request":"mytoken","account":"a"}"#, Class::Token, true, false),
            (
                r#"{"request":"refused","account":"a","destination":"d","process":"1"}"#,
                Class::Token,
                true,
                false,
            ),
            (r#"{"request":"userinfo","account":"a"}"#, Class::Token, true, false),
            (r#"{"request":"clients","account":"a"}"#, Class::Token, true, false),
            (r#"{"request":"aws_credentials","account":"a","role":"r"}"#, Class::Token, true, false),
            (r#"{"request":"check"}"#, Class::State, false, true),
            (r#"{"request":"status_json"}"#, Class::State, false, false),
            (r#"{"request":"account_info"}"#, Class::State, false, true),
            (r#"{"request":"scopes","issuer":"https://example.org"}"#, Class::Login, true, false),
            (r#"{"request":"issuer_keys","issuer":"https://example.org"}"#, Class::Login, true, false),
            (r#"{"request":"introspect","account":"a","token":"t"}"#, Class::Login, true, false),
            (r#"{"request":"code_exchange","redirect_uri":"x"}"#, Class::Login, true, false),
            (r#"{"request":"file_read","filename":"x"}"#, Class::Login, false, false),
            (r#"{"request":"reauthenticate","account":"a"}"#, Class::Login, false, false),
            (r#"{"request":"lock","password":"p"}"#, Class::Management, false, false),
            (r#"{"request":"examine","account":"a"}"#, Class::Management, false, false),
            (r#"{"request":"unlock","password":"p"}"#, Class::Management, false, true),
            (r#"{"request":"reset","account":"a"}"#, Class::Management, false, true),
            (r#"{"request":"page"}"#, Class::Management, false, false),
            (r#"{"request":"page","stop":1}"#, Class::Management, false, true),
            (r#"{"request":"files_status"}"#, Class::State, false, true),
            (r#"{"request":"files_wait","name":"x"}"#, Class::State, true, true),
            (r#"{"request":"files_renew"}"#, Class::Management, false, false),
            (r#"{"request":"files_reload"}"#, Class::Management, false, true),
            (r#"{"request":"upgrade"}"#, Class::Management, false, true),
        ] {
            let parsed = parse(request);
            assert_eq!(parsed.class(), class, "{request}");
            assert_eq!(parsed.only_asks(), only_asks, "{request}");
            assert_eq!(parsed.is_answered_while_locked(), while_locked, "{request}");
        }
    }
}
