//! OpenID providers: discovery, registration, grants, revocation, keys, and how providers differ.
//!
//! One grant or endpoint a file, all as methods of [`Provider`]. What differs between providers is data
//! ([`provider_data`]); how HTTP is spoken is in one place ([`http`]). Nothing here knows accounts, files or clients of the
//! agent.

mod answer;
mod audience;
mod auth_method;
mod authorization;
mod body;
mod cached;
mod client_assertion;
mod client_authentication;
mod client_configuration;
mod client_credentials;
mod client_list;
mod code;
mod custom_values;
mod device;
mod discovery;
mod error;
mod file;
mod form;
mod handle;
mod http;
mod id_token;
mod introspection;
pub mod issuer_data;
mod jwt_bearer;
mod keys;
mod metadata;
mod mytoken;
mod offline_access;
mod password;
mod pattern;
mod person;
mod pkce;
mod probe;
mod provider_data;
mod providers;
mod quirks;
mod refresh;
mod registration;
mod registration_attempt;
mod revocation;
mod scope;
mod sts;
mod sts_answer;
mod subject_endpoint;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod token_endpoint;
mod token_exchange;
mod token_response;
mod wording;

pub use self::{
    auth_method::{AuthMethod, TOKEN_ENDPOINT_AUTH_METHOD},
    authorization::{Authorization, AuthorizationRequest},
    client_authentication::{Client, PrivateKey},
    client_configuration::{ClientConfiguration, ClientDeletion, ClientState, OUT_OF_REACH},
    client_credentials::ClientCredentials,
    device::{DEFAULT_INTERVAL, DeviceAuthorization, DevicePoll, SLOW_DOWN},
    error::{Closed, OAuthError, ProviderError, ProviderErrorKind, Unsupported},
    handle::{IssuerSettings, Provider},
    http::SPENDING_TIMEOUT,
    id_token::{Expected, ReceivedIdToken},
    jwt_bearer::JwtBearer,
    metadata::ProviderMetadata,
    mytoken::{Minted, Mytoken, MytokenLogin, MytokenUse, Subtoken},
    password::PasswordGrant,
    probe::Probed,
    provider_data::{Fact, Problem, ProviderData},
    providers::Providers,
    quirks::{Changes, Part, Quirks, Registering},
    refresh::Refresh,
    registration::{Missing, Registered, Registration},
    registration_attempt::tell as tell_left_out,
    sts::{AssumeRole, Assumed, Refusal, StsError},
    token_exchange::TokenExchange,
    token_response::TokenResponse,
};
