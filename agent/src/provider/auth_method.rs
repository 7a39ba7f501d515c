//! The ways to authenticate a client that have a registered name (RFC 7591 section 2, `token_endpoint_auth_method`).

use serde::{Deserialize, Serialize};

/// The member of a registration, and of an account, that names the method.
pub const TOKEN_ENDPOINT_AUTH_METHOD: &str = "token_endpoint_auth_method";

/// The methods the agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Id and secret in the `Authorization` header.
    ClientSecretBasic,
    /// Id and secret in the body.
    ClientSecretPost,
    /// An assertion that is signed with the client's private key (RFC 7523 section 2.2).
    PrivateKeyJwt,
    /// The id in the body; nothing is proved.
    None,
}

impl AuthMethod {
    /// Its registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// The registered name's method; `None` for methods the agent does not speak.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "client_secret_basic" => Some(Self::ClientSecretBasic),
            "client_secret_post" => Some(Self::ClientSecretPost),
            "private_key_jwt" => Some(Self::PrivateKeyJwt),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}
