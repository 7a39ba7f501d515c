//! What a browser sees that comes back from the provider.

use std::sync::Arc;

use oidc_proto::{error_code::ErrorCode, message::Failure, shell};

use super::{
    Login,
    code_login::{CameBack, CodeLogin, may_pass},
    page::{Page, Tone},
    redirected::{NotRedirected, Redirected},
    table::Entry,
    web::Visited,
};

/// The web server's view of one login.
pub struct Visit {
    /// Who goes on with it.
    pub login: Login,
    /// The only login that this server answers for.
    pub code_login: Arc<CodeLogin>,
    /// The path of the redirect URI.
    pub path: String,
}

impl Visited for Visit {
    fn path(&self) -> &str {
        &self.path
    }

    async fn answer(self: Arc<Self>, query: String) -> Page {
        let redirected = match Redirected::parse_query(&query) {
            Ok(redirected) => redirected,
            Err(error) => return incomplete(error),
        };
        if !self.code_login.is(redirected.state.expose()) {
            return foreign();
        }
        let account = self.code_login.account.to_string();
        // In a task of its own: a browser that goes away does not stop what has begun.
        let done = tokio::spawn(async move { self.go_on(redirected).await }).await;
        done.unwrap_or_else(|_| failed(&account, &Failure::new(ErrorCode::Internal, "internal error")))
    }
}

impl Visit {
    async fn go_on(&self, redirected: Redirected) -> Page {
        let login = &self.code_login;
        match self.login.come_back(login, redirected).await {
            Ok(CameBack::Done) => logged_in(login),
            Ok(CameBack::Again { url, .. }) => Page::sent_on(url),
            Err(failure) => {
                if !may_pass(&failure) {
                    login.note(&failure);
                }
                failed(login.account.as_str(), &failure)
            }
        }
    }
}

fn logged_in(login: &CodeLogin) -> Page {
    let text = format!("The account '{}' at {} is ready.", login.account, login.provider);
    let page = Page::new(200, Tone::Good, "You are logged in", text);
    if login.is_renewal() {
        return page.and("You can close this page: whatever waits for the account goes on.");
    }
    page.and("You can close this page and go back to your terminal.").folded(
        "Nothing waits there any more?",
        format!("oidc-gen --state={}", shell::quoted(login.state.as_str())),
    )
}

fn failed(account: &str, failure: &Failure) -> Page {
    if failure.code == ErrorCode::AgentLocked {
        let text = format!("The login for the account '{account}' is not lost, but the agent is locked.");
        return Page::new(503, Tone::Bad, "The agent is locked", text)
            .and("Unlock it, with this command for instance, and load this page again.")
            .verbatim("oidc unlock");
    }
    let text = format!("The account '{account}' was not set up. This is the reason:");
    let page = Page::new(if may_pass(failure) { 502 } else { 400 }, Tone::Bad, "The login failed", text)
        .verbatim(failure.to_string());
    if may_pass(failure) {
        page.and("That may pass: load this page again in a moment.")
    } else {
        page.and("You can close this page. To try again, start once more from your terminal.")
    }
}

/// Not the answer of a provider: a page opened by hand, in advance, or by somebody who guesses.
fn incomplete(error: NotRedirected) -> Page {
    let text = match error {
        NotRedirected::NoState | NotRedirected::NoCode => {
            "A login's answer is expected here, and none is in this address."
        }
        NotRedirected::Repeated => "This address names something twice, so it is not used.",
    };
    Page::new(400, Tone::Neutral, "No answer to a login", text)
        .and("The login that waits here goes on waiting.")
}

fn foreign() -> Page {
    let text = "This answer does not belong to the login that waits here, so it is not used.";
    Page::new(400, Tone::Neutral, "Another login", text)
        .and("If you did not begin a login yourself just now, close this page.")
        .and("Otherwise use the newest address that your terminal shows.")
}
