//! Keeps the journal of registrations: see [`oidc_proto::home::RegisteredClient`]. It is there so that no client is forgotten;
//! where it cannot be written, nothing else fails for that.

use oidc_proto::{
    account::AccountConfig,
    home::{Home, HomeError, RegisteredClient},
    json::Object,
};
use tokio::task::spawn_blocking;

use super::deps::Deps;

impl Deps {
    /// A client was registered for an account: `answer` is what the provider said of it.
    pub async fn note_registered(&self, config: &AccountConfig, answer: &Object) {
        let Some(client_id) = answer.text("client_id") else { return };
        let client = RegisteredClient {
            issuer: config.issuer_url.clone().unwrap_or_default(),
            client_id: client_id.into_owned(),
            client_name: answer.string("client_name").or_else(|| config.client_name.clone()),
            registration_client_uri: answer.string("registration_client_uri"),
            account: config.name.clone().unwrap_or_default(),
            registered_at: self.clock.now().wall,
            ..RegisteredClient::default()
        };
        self.write_down(move |home| home.note_registration(&client)).await;
    }

    /// The client that is managed there was deleted.
    pub async fn note_deleted(&self, registration_client_uri: &str) {
        let (uri, now) = (registration_client_uri.to_owned(), self.clock.now().wall);
        let change = move |home: &Home| {
            home.change_registrations(|client| {
                if client.registration_client_uri.as_deref() == Some(uri.as_str()) {
                    client.mark_deleted(now);
                }
                true
            })
            .map(drop)
        };
        self.write_down(change).await;
    }

    async fn write_down(&self, write: impl FnOnce(&Home) -> Result<(), HomeError> + Send + 'static) {
        let home = self.home.clone();
        let written = spawn_blocking(move || write(&home)).await;
        let reason = match written {
            // Nothing can be registered from here on either.
            Ok(Ok(()) | Err(HomeError::NoDirectory)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error = reason, "the journal of registrations could not be written");
    }
}
