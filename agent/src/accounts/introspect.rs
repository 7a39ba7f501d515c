//! `introspect`: what is known of a token that says nothing itself, from the one who knows most.

use oidc_proto::{
    account::{AccountConfig, same_issuer},
    deadlines,
    error_code::ErrorCode,
    jwt::Claims,
    message::{Failure, IntrospectRequest, Introspection},
    secret::{AccessToken, SecretText},
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{account::Account, loaded::Accounts};
use crate::provider::{Client, Provider};

impl Accounts {
    /// Asks the account's provider about the token as its client (RFC 7662), else as whoever brings the token
    /// (userinfo), else the agent's own memory.
    pub async fn introspect(&self, request: IntrospectRequest) -> Result<Introspection, Failure> {
        let name = request.account.parse().map_err(|_| Failure::account_not_found())?;
        let account = self.find(&name).ok_or_else(Failure::account_not_loaded)?;
        let config = account.with_open(|open| open.config.clone())?;
        refuse_foreign(&request.token, &account.issuer)?;
        let kept = self.kept(&account, &request.token)?;
        let mut remarks = Vec::new();
        let deadline = Instant::now() + deadlines::TOKEN;
        match self.deps().providers.provider(&config) {
            Ok(provider) => {
                if let Some(said) = ask(&provider, &config, &request.token, &mut remarks, deadline).await {
                    return Ok(Introspection { remarks, ..said });
                }
            }
            Err(error) => remarks.push(error.to_string()),
        }
        if kept.is_none() {
            remarks.push(format!("The agent holds no such token of the account '{name}'."));
        }
        Ok(Introspection {
            source: "agent".to_owned(),
            active: None,
            claims: kept.unwrap_or_default(),
            remarks,
        })
    }

    /// What the agent remembers of a token that it gave out.
    fn kept(&self, account: &Account, token: &SecretText) -> Result<Option<Map<String, Value>>, Failure> {
        let now = self.now();
        account.with_open(|open| {
            let kept = open.cache.of_text(token.expose())?;
            let said = json!({"iss": &*kept.issuer, "exp": kept.expires_at(now), "scope": kept.scope});
            let said = said.as_object()?.iter().filter(|(_, value)| !value.is_null());
            Some(said.map(|(name, value)| (name.clone(), value.clone())).collect())
        })
    }
}

/// A provider that is shown a token of another one could use it there.
fn refuse_foreign(token: &SecretText, issuer: &str) -> Result<(), Failure> {
    let claims = Claims::of(token.expose());
    match claims.as_ref().and_then(|claims| claims.text("iss")) {
        Some(other) if !same_issuer(other, issuer) => {
            let text = format!(
                "the token is from '{other}' and the account's provider is '{issuer}', which is not shown it"
            );
            Err(Failure::new(ErrorCode::OtherIssuer, text))
        }
        _ => Ok(()),
    }
}

async fn ask(
    provider: &Provider,
    config: &AccountConfig,
    token: &SecretText,
    remarks: &mut Vec<String>,
    deadline: Instant,
) -> Option<Introspection> {
    match provider.introspect(Client::of(config), token, deadline).await {
        Ok(answer) => {
            let active = answer.contains("active").then(|| answer.flag("active"));
            return Some(said("introspection", active, answer.members().clone()));
        }
        Err(error) => remarks.push(error.to_string()),
    }
    let client_id = config.client_id.as_deref().unwrap_or_default();
    match provider.userinfo(&AccessToken::from(token.expose()), client_id, deadline).await {
        Ok(claims) => Some(said("userinfo", Some(true), claims)),
        Err(error) => {
            remarks.push(error.to_string());
            None
        }
    }
}

fn said(source: &str, active: Option<bool>, claims: Map<String, Value>) -> Introspection {
    Introspection { source: source.to_owned(), active, claims, remarks: Vec::new() }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

    use super::{super::testing::Bench, *};
    use crate::provider::testing::{Reply, Scripted};

    const HELD: &str = "at-held";

    /// A provider that answers what the path says, and everything else with 404.
    async fn asked(path: &'static str, answer: &'static str, token: &str) -> Introspection {
        let op = Scripted::provider(move |asked| match asked.path.as_str() {
            "/token" => Reply::json(format!(r#"{{"access_token":"{HELD}","expires_in":600,"scope":"a b"}}"#)),
            asked if asked == path => Reply::json(answer),
            _ => Reply::status(404, "{}"),
        })
        .await;
        let bench = Bench::new();
        bench.add(&op.issuer(), "acc").await;
        bench.token("acc").await.expect("a token");
        let request = IntrospectRequest { account: "acc".to_owned(), token: SecretText::from(token) };
        bench.accounts.introspect(request).await.expect("something")
    }

    #[tokio::test]
    async fn a_provider_is_shown_no_token_of_another() {
        let op = Scripted::provider(|_| Reply::json(r#"{"active":true}"#)).await;
        let bench = Bench::new();
        bench.add(&op.issuer(), "acc").await;
        let of = |issuer: &str| {
            let payload = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{issuer}"}}"#));
            let token = SecretText::new(format!("e30.{payload}.c2ln"));
            bench.accounts.introspect(IntrospectRequest { account: "acc".to_owned(), token })
        };
        let refused = of("https://other.example/").await.expect_err("another issuer's");
        assert_eq!(refused.code, ErrorCode::OtherIssuer);
        assert!(op.asked("/introspect").is_empty() && op.asked("/userinfo").is_empty());
        assert_eq!(of(&format!("{}/", op.issuer())).await.expect("its own").active, Some(true));
    }

    #[tokio::test]
    async fn who_knows_most_is_asked_first() {
        let said = asked("/introspect", r#"{"active":false}"#, "other").await;
        assert_eq!((said.source.as_str(), said.active), ("introspection", Some(false)));
        let said = asked("/userinfo", r#"{"sub":"me"}"#, "other").await;
        assert_eq!((said.source.as_str(), said.active), ("userinfo", Some(true)));
        assert_eq!(said.claims["sub"], "me");
        assert_eq!(said.remarks.len(), 1);
        let said = asked("/nothing", "{}", HELD).await;
        assert_eq!((said.source.as_str(), said.active), ("agent", None));
        assert_eq!(said.claims["scope"], "a b");
        assert!(said.claims["exp"].is_u64(), "{said:?}");
        let said = asked("/nothing", "{}", "other-canary").await;
        assert!(said.claims.is_empty() && said.remarks.len() == 3, "{said:?}");
        assert!(!format!("{said:?}").contains("canary"));
    }
}
