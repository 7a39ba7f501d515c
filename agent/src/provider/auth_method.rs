//! The ways to authenticate a client that have a registered name (RFC 7591 section 2, `token_endpoint_auth_method`).

/// The methods the agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Id and secret in the `Authorization` header.
    ClientSecretBasic,
    /// Id and secret in the body.
    ClientSecretPost,
    /// The id in the body; nothing is proved.
    None,
}

impl AuthMethod {
    /// The registered name's method; `None` for methods the agent does not speak.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "client_secret_basic" => Some(Self::ClientSecretBasic),
            "client_secret_post" => Some(Self::ClientSecretPost),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}
