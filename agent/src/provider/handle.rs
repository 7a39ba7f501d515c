//! One provider: what is known of it, and what everything that is asked of it has in common.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use oidc_proto::{custom_parameters::CustomParameters, json::Object, token::KeySet};
use tokio::time::Instant;

use super::{
    audience::WorkingStyles,
    auth_method::AuthMethod,
    cached::Cached,
    client_assertion::ProviderClock,
    client_authentication::{Way, WorkingWays},
    discovery::Discovery,
    error::ProviderError,
    file::Readers,
    http::{Http, HttpClients, allowed_url, is_loopback},
    metadata::ProviderMetadata,
    offline_access::{self, OfflineRefusals},
    provider_data::{Fact, ProviderData},
    quirks::{Changes, Quirks},
    text,
};
use crate::clock::Clock;

/// How long metadata are believed: longer than most access tokens live, so that a refresh is one request and not two.
/// An endpoint that has moved away makes them be fetched earlier.
const METADATA_MAX_AGE: Duration = Duration::from_secs(6 * 3600);

/// What the issuer data say about a provider, beyond its accounts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssuerSettings {
    /// Where the metadata are, when not at a well-known address: `http`, `https` or `file`.
    pub config_endpoint: Option<String>,
    /// The CA bundle, when not the system's.
    pub cert_path: Option<String>,
    /// A plain OAuth 2 provider.
    pub oauth: bool,
    /// `legacy_aud_mode`, where the issuer data name it: audience as `audience`, or as `resource`.
    pub legacy_aud_mode: Option<bool>,
    /// Goes before the one of the metadata.
    pub device_authorization_endpoint: Option<String>,
    /// Our own override object: see [`Changes::of_issuer_data`].
    pub quirks: Option<Object>,
    /// What is known of providers.
    pub data: Arc<ProviderData>,
    /// What a site adds to requests.
    pub parameters: Arc<CustomParameters>,
}

/// One OpenID or OAuth 2 provider.
pub struct Provider {
    pub(super) issuer: String,
    pub(super) config_endpoint: Option<String>,
    pub(super) oauth: bool,
    pub(super) settings: IssuerSettings,
    pub(super) http: Http,
    pub(super) readers: Readers,
    pub(super) metadata: Cached<ProviderMetadata>,
    pub(super) key_set: Cached<KeySet>,
    pub(super) working_ways: WorkingWays,
    pub(super) working_styles: WorkingStyles,
    pub(super) offline_refusals: OfflineRefusals,
    pub(super) clock: ProviderClock,
}

impl Provider {
    /// Nothing is sent yet. `oauth` and `config_endpoint` are those of the account, or else of `settings`.
    pub(super) fn new(
        issuer: &str,
        config_endpoint: Option<String>,
        cert_path: Option<PathBuf>,
        oauth: bool,
        settings: IssuerSettings,
        (clients, clock): (&HttpClients, &Clock),
    ) -> Result<Self, ProviderError> {
        let name: Arc<str> = name_of(issuer).into();
        let url = allowed_url(issuer, true).map_err(|kind| ProviderError::new(name.clone(), kind))?;
        Ok(Self {
            issuer: issuer.to_owned(),
            config_endpoint,
            oauth,
            settings,
            http: clients.http(name, cert_path, is_loopback(&url)),
            readers: clients.readers().clone(),
            metadata: Cached::default(),
            key_set: Cached::default(),
            working_ways: WorkingWays::default(),
            working_styles: WorkingStyles::default(),
            offline_refusals: OfflineRefusals::default(),
            clock: ProviderClock::new(clock.clone()),
        })
    }

    /// The issuer as it was asked for; [`ProviderMetadata::issuer`] is the provider's own spelling.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How error texts call it: host, port and path.
    pub fn name(&self) -> &str {
        self.http.provider()
    }

    /// What the provider says about itself; fetched when needed, kept for six hours.
    pub async fn metadata(&self, deadline: Instant) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let discovery = Discovery {
            issuer: &self.issuer,
            config_endpoint: self.config_endpoint.as_deref(),
            oauth: self.oauth,
            readers: &self.readers,
        };
        let fetch = discovery.fetch(&self.http, deadline);
        self.metadata.get(&self.http, METADATA_MAX_AGE, deadline, fetch).await
    }

    /// What it said about itself earlier; nothing is sent. `None`: nothing, or more than a day ago.
    pub fn metadata_at_hand(&self) -> Option<Arc<ProviderMetadata>> {
        self.metadata.newest()
    }

    /// How this provider differs from others.
    pub fn quirks(&self, metadata: &ProviderMetadata) -> Quirks {
        let mut quirks = self.settings.data.quirks(&self.issuer, metadata);
        self.changes().iter().for_each(|changes| quirks.apply(changes));
        quirks
    }

    /// What is said of this provider, and by whom: see [`ProviderData::facts`].
    pub fn facts(&self, metadata: &ProviderMetadata) -> Vec<Fact> {
        self.settings.data.facts(&self.issuer, metadata, &self.changes())
    }

    fn changes(&self) -> Vec<Changes> {
        Changes::of_issuer_data(self.settings.legacy_aud_mode, self.settings.quirks.as_ref())
    }

    /// Whether a login of this client was refused for the scope `offline_access`.
    pub fn has_refused_offline_access(&self, client_id: &str) -> bool {
        self.offline_refusals.has(client_id)
    }

    /// Whether an error refuses a login that asked for `scope` because of `offline_access`. If so, it is remembered.
    pub fn notes_offline_refusal(
        &self,
        client_id: &str,
        scope: &str,
        error: &ProviderError,
        metadata: &ProviderMetadata,
    ) -> bool {
        let is_it = offline_access::is_refused(scope, error, metadata, &self.quirks(metadata));
        if is_it {
            self.offline_refusals.remember(client_id);
        }
        is_it
    }

    /// The way by which a client was found to authenticate, by its registered name.
    pub fn working_method(&self, client_id: &str) -> Option<AuthMethod> {
        self.working_ways.of(client_id).map(Way::method)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The issuer without what goes without saying.
fn name_of(issuer: &str) -> String {
    let bare = issuer.trim_end_matches('/');
    let name = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    // Credentials have no place in an issuer, and none in an error text.
    text::presentable(name.rsplit('@').next().unwrap_or(name), &[])
}
