//! Who is answered what.

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use oidc_proto::{deadlines, message::Failure, secret::SecretText};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{
    account,
    documents::guarded,
    gate::{Call, Gate, Refusal, Wanted},
    inspect,
    open::Open,
    sessions::Opened,
    token,
};
use crate::{
    accounts::Accounts,
    web::{Limits, Site, body, neighbour, response::response},
};

/// A question to the person and a provider lie between a request and its answer, as for clients at the socket.
pub const LIMITS: Limits = Limits { connection: deadlines::REPLY };
/// The longest body, in bytes: room for a token that somebody pastes, and for what stands around it.
const MAX_BODY: usize = 64 * 1024;
/// How long a body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The page's web server.
pub struct PageSite {
    accounts: Accounts,
    gate: Gate,
    open: Arc<Open>,
}

impl PageSite {
    /// At this port.
    pub fn new(accounts: Accounts, port: u16, open: Arc<Open>) -> Self {
        Self { accounts, gate: Gate::new(port), open }
    }
}

impl Site for PageSite {
    async fn admits(&self, connection: &TcpStream) -> bool {
        neighbour::is_own(connection).await
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        // Nothing is given out any more from the moment on in which it ends.
        let answered = self.open.stop.run_until_cancelled(self.answer(request)).await;
        answered.unwrap_or(Err(Refusal::Ended)).unwrap_or_else(|refusal| {
            tracing::warn!(reason = %refusal, "a request to the page got nothing");
            guarded(response(refusal.status(), "text/plain; charset=utf-8", ""))
        })
    }
}

/// What opens a page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    /// Absent where the page is loaded again.
    secret: Option<SecretText>,
}

/// Nothing is to be said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl PageSite {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refusal> {
        let (head, body) = request.into_parts();
        match self.gate.judge(&head)? {
            Wanted::Document(document) => Ok(document.to_response()),
            Wanted::Open { cookies } => {
                let opening: Opening = read(body).await?;
                // Before the secret is spent.
                if self.accounts.is_locked() {
                    return Ok(locked());
                }
                self.open(&cookies, opening).ok_or(Refusal::Session)
            }
            Wanted::Call { call, cookies, word } => {
                if !self.open.sessions().admits(&cookies, &word) {
                    return Err(Refusal::Session);
                }
                if self.accounts.is_locked() {
                    return Ok(locked());
                }
                self.call(call, body).await
            }
        }
    }

    fn open(&self, cookies: &[String], opening: Opening) -> Option<Response<Full<Bytes>>> {
        let mut sessions = self.open.sessions();
        let Opened { cookie, word } = match opening.secret {
            Some(secret) => sessions.open(secret.expose(), self.accounts.deps().clock.now())?,
            None => sessions.reopen(cookies)?,
        };
        let mut response = to_response(200, &json!({"word": word.expose()}));
        if let Some(cookie) = cookie {
            let (name, value) = (self.gate.cookie(), cookie.expose());
            let set = Zeroizing::new(format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/"));
            let mut set = HeaderValue::from_str(&set).ok()?;
            set.set_sensitive(true);
            response.headers_mut().insert(header::SET_COOKIE, set);
        }
        Some(response)
    }

    async fn call(&self, call: Call, body: Incoming) -> Result<Response<Full<Bytes>>, Refusal> {
        let answered = match call {
            Call::State => {
                let Nothing {} = read(body).await?;
                account::state(&self.accounts, self.open.ends())
            }
            Call::Token => token::token(&self.accounts, read(body).await?).await,
            Call::Inspect => inspect::inspect(&self.accounts, read(body).await?).await,
            Call::End => {
                let Nothing {} = read(body).await?;
                self.open.stop.cancel();
                Ok(json!({}))
            }
        };
        Ok(match answered {
            // It may have been locked while the provider or the person was asked.
            Ok(_) if self.accounts.is_locked() => locked(),
            Ok(answer) => to_response(200, &answer),
            Err(failure) => to_response(200, &failed(&failure)),
        })
    }
}

async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Refusal> {
    let bytes = body::read(body, MAX_BODY, BODY_DEADLINE).await.ok_or(Refusal::Body)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Body)
}

fn locked() -> Response<Full<Bytes>> {
    to_response(423, &failed(&Failure::agent_locked()))
}

fn failed(failure: &Failure) -> Value {
    json!({
        "error": failure.error,
        "error_code": failure.code.as_str(),
        "description": failure.description,
        "info": failure.info,
    })
}

fn to_response(status: u16, answer: &Value) -> Response<Full<Bytes>> {
    guarded(response(status, "application/json", answer.to_string()))
}
