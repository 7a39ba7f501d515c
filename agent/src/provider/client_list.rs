//! The clients that a provider says a person has: no specification has that, INDIGO IAM does. Where, is data.

use oidc_proto::{message::ListedClient, secret::AccessToken};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Provider,
    error::{ProviderError, ProviderErrorKind, Unsupported},
};

/// How many are asked for at once: the most that INDIGO IAM gives.
const PAGE: usize = 100;
/// How often is asked at most.
const MOST_PAGES: usize = 10;

impl Provider {
    /// Whether the provider tells, as far as its data say.
    pub async fn lists_clients(&self, deadline: Instant) -> Result<bool, ProviderError> {
        Ok(self.known(deadline).await?.quirks.client_list.is_some())
    }

    /// The person's clients, and whether there are more than were read.
    pub async fn clients(
        &self,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<(Vec<ListedClient>, bool), ProviderError> {
        let known = self.known(deadline).await?;
        let path = known.quirks.client_list.as_deref();
        let path = self.endpoint(path, Unsupported::ClientList)?;
        let base = format!("{}/{}", self.issuer.trim_end_matches('/'), path.trim_start_matches('/'));
        let mut clients: Vec<ListedClient> = Vec::new();
        let mut seen = 0;
        for _ in 0..MOST_PAGES {
            let url = format!("{base}?startIndex={}&count={PAGE}", seen + 1);
            let answer = self.ask_with(&url, token, deadline).await?;
            let object = self.object(answer, token)?;
            let what = "a list of clients";
            let page = object.get("Resources").and_then(Value::as_array);
            let page = page.ok_or_else(|| self.http.error(ProviderErrorKind::BadResponse { what }))?;
            seen += page.len();
            for client in page.iter().filter_map(Value::as_object).filter_map(listed) {
                if clients.iter().all(|other| other.client_id != client.client_id) {
                    clients.push(client);
                }
            }
            let total = object.get("totalResults").and_then(Value::as_u64);
            let is_all = total.is_none_or(|total| usize::try_from(total).is_ok_and(|total| total <= seen));
            if page.is_empty() || is_all {
                return Ok((clients, false));
            }
        }
        Ok((clients, true))
    }
}

fn listed(client: &Map<String, Value>) -> Option<ListedClient> {
    let text = |key: &str| client.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(ListedClient {
        client_id: text("client_id")?.to_owned(),
        client_name: text("client_name").map(str::to_owned),
    })
}
