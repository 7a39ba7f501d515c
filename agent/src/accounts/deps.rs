//! What accounts need from the outside.

use oidc_proto::home::Home;

use crate::{
    clock::Clock,
    prompt,
    provider::{Providers, issuer_data::IssuerData},
    settings::options::Options,
};

/// What accounts need from the outside.
pub struct Deps {
    /// The oidc-agent directory.
    pub home: Home,
    /// What is known about issuers.
    pub issuers: IssuerData,
    /// Everything that talks to providers.
    pub providers: Providers,
    /// How the agent was told to behave.
    pub options: Options,
    /// Questions to the person.
    pub prompts: prompt::Queue,
    /// What time it is.
    pub clock: Clock,
}
