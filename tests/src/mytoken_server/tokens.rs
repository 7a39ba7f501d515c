//! What the server keeps: its login at the provider, mytokens with what they are for, and logins that wait for a person.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::answer::{Answer, error};
use crate::{
    http,
    provider::{Endpoint, Provider},
};

/// How long a mytoken with an end lives, in seconds.
const LIFE: u64 = 86_400;

/// What the person does with a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polling {
    /// Agrees, between this poll and the one before it, counted from 1.
    AgreesAtPoll(u32),
    /// As before; the first poll came too early for the server.
    AgreesAfterSlowDown,
    /// Declines.
    Declines,
    /// Nothing, until the code has expired.
    LetsItExpire,
}

/// The server's own login at the provider.
#[derive(Debug)]
pub(super) struct Login {
    endpoint: String,
    client_id: String,
    client_secret: String,
    refresh_token: String,
}

#[derive(Debug)]
struct Mytoken {
    sequence: u32,
    profile: Value,
    capabilities: Vec<String>,
    uses: u64,
    is_revoked: bool,
}

#[derive(Debug)]
struct Waiting {
    profile: Value,
    polls: u32,
    is_over: bool,
}

#[derive(Debug)]
pub(super) struct Tokens {
    login: Login,
    pub(super) polling: Polling,
    mytokens: Vec<Mytoken>,
    waiting: HashMap<String, Waiting>,
}

impl Login {
    pub(super) fn at(provider: &Provider) -> Self {
        let account = provider.seed_account("mytoken-server");
        Self {
            endpoint: provider.url(Endpoint::Token),
            client_id: account.client_id.expect("a client"),
            client_secret: account.client_secret.expect("a secret").expose().to_owned(),
            refresh_token: account.refresh_token.expect("a login").expose().to_owned(),
        }
    }

    /// Refreshes as every client does. The error is the provider's own answer.
    fn refresh(&mut self, scope: &str, audience: &str) -> Result<Value, Value> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let basic = BASE64_STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret));
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", &self.refresh_token)];
        form.extend(
            [("scope", scope), ("audience", audience)].into_iter().filter(|(_, text)| !text.is_empty()),
        );
        let request = http::post(&self.endpoint).header("authorization", &format!("Basic {basic}"));
        let answer = request.form(&form).send().expect("the provider answers");
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status != 200 {
            return Err(body);
        }
        if let Some(successor) = body["refresh_token"].as_str() {
            successor.clone_into(&mut self.refresh_token);
        }
        Ok(body)
    }
}

impl Tokens {
    pub(super) fn new(login: Login) -> Self {
        Self { login, polling: Polling::AgreesAtPoll(1), mytokens: Vec::new(), waiting: HashMap::new() }
    }

    pub(super) fn begin(&mut self, profile: &Value) -> String {
        let code = format!("polling-code-{}", self.waiting.len());
        self.waiting.insert(code.clone(), Waiting { profile: profile.clone(), polls: 0, is_over: false });
        code
    }

    pub(super) fn poll(&mut self, code: &str) -> Answer {
        let polling = self.polling;
        let Some(waiting) = self.waiting.get_mut(code).filter(|waiting| !waiting.is_over) else {
            return error(401, "invalid_token", "Bad polling or transfer code");
        };
        waiting.polls += 1;
        let agrees_at = match polling {
            Polling::Declines => return error(401, "access_denied", "user declined consent"),
            Polling::LetsItExpire => {
                return error(401, "expired_token", "polling or transfer code is expired");
            }
            Polling::AgreesAfterSlowDown if waiting.polls == 1 => return error(400, "slow_down", ""),
            Polling::AgreesAfterSlowDown => 2,
            Polling::AgreesAtPoll(poll) => poll,
        };
        if waiting.polls < agrees_at {
            return (428, json!({"error": "authorization_pending"}));
        }
        // It is given out once.
        waiting.is_over = true;
        let profile = waiting.profile.clone();
        let mytoken = self.mint(&profile);
        (200, self.shown(&mytoken))
    }

    pub(super) fn mint(&mut self, profile: &Value) -> String {
        let listed = |value: &Value| {
            value.as_array().map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let included: &[&str] = match profile["include"].as_str() {
            Some("agent") => &["AT", "tokeninfo", "create_mytoken"],
            _ => &["AT", "tokeninfo"],
        };
        let included = || included.iter().map(|one| (*one).to_owned()).collect();
        let capabilities = listed(&profile["capabilities"]).unwrap_or_else(included);
        let mytoken =
            Mytoken { sequence: 0, profile: profile.clone(), capabilities, uses: 0, is_revoked: false };
        self.mytokens.push(mytoken);
        self.text_of(self.mytokens.len() - 1)
    }

    fn text_of(&self, id: usize) -> String {
        format!("mytoken-{id}-{}", self.mytokens[id].sequence)
    }

    /// The one of a text, if that is its newest one. Whoever uses an older one ends it.
    fn find(&mut self, text: &str) -> Result<usize, Answer> {
        let refused = || error(401, "invalid_token", "");
        let mut parts = text.strip_prefix("mytoken-").ok_or_else(refused)?.splitn(2, '-');
        let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok());
        let (id, sequence) = number().zip(number()).ok_or_else(refused)?;
        let mytoken = self.mytokens.get_mut(id).ok_or_else(refused)?;
        if usize::try_from(mytoken.sequence).ok() != Some(sequence) {
            mytoken.is_revoked = true;
        }
        if mytoken.is_revoked { Err(refused()) } else { Ok(id) }
    }

    pub(super) fn is_live(&self, text: &str) -> bool {
        (0..self.mytokens.len()).any(|id| self.text_of(id) == text && !self.mytokens[id].is_revoked)
    }

    pub(super) fn revoke(&mut self, text: &str) {
        if let Ok(id) = self.find(text) {
            self.mytokens[id].is_revoked = true;
        }
    }

    pub(super) fn revoke_all(&mut self) {
        self.mytokens.iter_mut().for_each(|mytoken| mytoken.is_revoked = true);
    }

    pub(super) fn access_token(&mut self, mytoken: &str, scope: &str, audience: &str) -> Answer {
        let id = match self.find(mytoken) {
            Ok(id) => id,
            Err(refused) => return refused,
        };
        if let Err(refused) = self.allowed(id, "AT", scope) {
            return refused;
        }
        let restricted = self.mytokens[id].profile["restrictions"][0]["scope"].as_str().unwrap_or_default();
        let scope = if scope.is_empty() { restricted.to_owned() } else { scope.to_owned() };
        let granted = match self.login.refresh(&scope, audience) {
            Ok(granted) => granted,
            Err(said) => {
                let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
                return error(
                    400,
                    "oidc_error",
                    &format!("{}: {}", text("error"), text("error_description")),
                );
            }
        };
        self.mytokens[id].uses += 1;
        let mut answer = json!({
            "access_token": granted["access_token"],
            "token_type": "Bearer",
            "expires_in": granted["expires_in"],
            "scope": granted["scope"],
        });
        self.rotate(id, "on_AT", &mut answer);
        (200, answer)
    }

    pub(super) fn make_another(&mut self, request: &Value) -> Answer {
        let id = match self.find(request["mytoken"].as_str().unwrap_or_default()) {
            Ok(id) => id,
            Err(refused) => return refused,
        };
        if let Err(refused) = self.allowed(id, "create_mytoken", "") {
            return refused;
        }
        let made = self.mint(request);
        let mut answer = self.shown(&made);
        self.rotate(id, "on_other", &mut answer);
        (200, answer)
    }

    fn allowed(&self, id: usize, capability: &str, scope: &str) -> Result<(), Answer> {
        let mytoken = &self.mytokens[id];
        if !mytoken.capabilities.iter().any(|one| one == capability) {
            let text = "The provided token does not have the required capability for this operation";
            return Err(error(403, "insufficient_capabilities", text));
        }
        let restriction = &mytoken.profile["restrictions"][0];
        let is_used_up = restriction["usages_AT"].as_u64().is_some_and(|most| mytoken.uses >= most);
        let allowed = restriction["scope"].as_str();
        let is_beyond = |wanted: &str| allowed.is_some_and(|all| !all.split(' ').any(|one| one == wanted));
        if is_used_up || scope.split_whitespace().any(is_beyond) {
            return Err(error(
                403,
                "usage_restricted",
                "The restrictions of this token does not allow this usage",
            ));
        }
        Ok(())
    }

    /// Replaces a mytoken that was used for that.
    fn rotate(&mut self, id: usize, occasion: &str, answer: &mut Value) {
        if self.mytokens[id].profile["rotation"][occasion] == true {
            self.mytokens[id].sequence += 1;
            answer["token_update"] = json!({
                "mytoken": self.text_of(id), "mytoken_type": "token", "expires_in": LIFE,
            });
        }
    }

    fn shown(&self, text: &str) -> Value {
        let mytoken =
            (0..self.mytokens.len()).find(|id| self.text_of(*id) == text).map(|id| &self.mytokens[id]);
        json!({
            "mytoken": text,
            "mytoken_type": "token",
            "expires_in": LIFE,
            "capabilities": mytoken.map(|mytoken| mytoken.capabilities.clone()),
        })
    }
}
