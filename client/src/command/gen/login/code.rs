//! The authorization code flow (RFC 6749 section 4.1) as the person sees it: a browser, here or elsewhere.

use std::{borrow::Cow, time::Duration};

use oidc_proto::{
    error_code::ErrorCode,
    message::{CodeExchangeRequest, LookupStatus, Reply, Request},
    secret::SecretText,
};
use serde_json::json;
use url::Url;

use super::{
    super::{redirect::is_loopback, session::Session},
    outcome::{Outcome, finished},
};
use crate::{context::error::Error, say::exit::Exit};

/// How long a person may take to log in.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// How often the agent is asked whether the browser has come back.
const POLL: Duration = Duration::from_secs(1);
/// Why there is another address to visit.
const WITHOUT_OFFLINE_ACCESS: &str =
    "The provider does not allow the scope offline_access here, so the login goes on without it.";

/// Whether the address that the browser is sent to will be pasted here, because no browser of this machine is used.
pub fn wants_paste(session: &mut Session) -> bool {
    let elsewhere = session.args.login.no_webserver || !session.desk.has_display();
    elsewhere && session.dialogue.can_ask(session.context)
}

/// Sees the person through the login.
pub fn log_in(session: &mut Session, uri: &str, state: &str) -> Result<Outcome, Error> {
    let result = wait_for_login(session, uri, state);
    if result.is_err() {
        // Ends the agent's web server; it would end by itself, later.
        let request = Request::TermHttpServer { state: Some(state.to_owned()) };
        drop(session.context.call(&request));
    }
    result
}

fn wait_for_login(session: &mut Session, uri: &str, state: &str) -> Result<Outcome, Error> {
    let url = show(session, uri, state)?;
    if wants_paste(session) {
        return paste(session, state);
    }
    open(session, &url);
    if session.args.login.no_webserver || !comes_back_here(&url) {
        return Ok(hand_over(session));
    }
    poll(session, state)
}

/// Shows where to log in.
fn show(session: &mut Session, uri: &str, state: &str) -> Result<Url, Error> {
    let url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| other("the provider's login address is no http or https URL"))?;
    session.context.output.instruction(
        &format!(
            "To continue and approve the registered client visit the following URL in a Browser of your choice:\n{url}"
        ),
        &json!({"status": "accepted", "uri": url.as_str(), "state": state}),
    );
    Ok(url)
}

/// Shows where the login goes on that the provider refused at first, and opens it in a browser of this machine.
pub fn go_on_elsewhere(session: &mut Session, uri: &str, state: &str) -> Result<Outcome, Error> {
    session.context.output.note(WITHOUT_OFFLINE_ACCESS);
    let url = show(session, uri, state)?;
    open(session, &url);
    Ok(hand_over(session))
}

fn open(session: &mut Session, url: &Url) {
    if session.args.login.no_url_call || !session.desk.has_display() {
        return;
    }
    if let Err(error) = session.desk.open(url) {
        session
            .context
            .output
            .note(&format!("No browser could be opened ({error}); please open the address yourself."));
    }
}

/// Whether the browser will be sent to the agent's web server. A URL that hides it (RFC 9126) is given the benefit.
fn comes_back_here(url: &Url) -> bool {
    let redirect =
        url.query_pairs().find(|(key, _)| key == "redirect_uri").map(|(_, value)| Url::parse(&value));
    redirect.is_none_or(|redirect| redirect.is_ok_and(|redirect| is_loopback(&redirect)))
}

/// Nobody here can be asked for the address, so another run of this program has to bring it.
fn hand_over(session: &mut Session) -> Outcome {
    session.context.output.note(
        "After the login the browser is sent to an address with a code in it. If that starts no program, finish with:\n\
         oidc-gen --codeExchange='<url>'",
    );
    Outcome::HandedOver
}

fn poll(session: &mut Session, state: &str) -> Result<Outcome, Error> {
    let deadline = session.desk.now() + DEADLINE;
    session.context.output.transient("Waiting for the login in the browser; Ctrl-C cancels.");
    while session.desk.now() < deadline {
        session.desk.wait(POLL)?;
        if let Some(outcome) = look_up(session, state)? {
            session.context.output.end_transient();
            return Ok(outcome);
        }
    }
    Err(Error::Other(Exit::Refused, "nobody has logged in within 15 minutes".to_owned()))
}

/// Asks the agent once; `None` while the login is not done.
pub fn look_up(session: &mut Session, state: &str) -> Result<Option<Outcome>, Error> {
    match session.context.call(&Request::StateLookup { state: state.to_owned() })? {
        Reply::StateLookup { status: LookupStatus::NotFound, .. } => Ok(None),
        Reply::StateLookup { status: LookupStatus::FoundButReceived, .. } => {
            Err(other("another program has fetched this login"))
        }
        reply => finished(reply, "state_lookup").map(Some),
    }
}

fn paste(session: &mut Session, state: &str) -> Result<Outcome, Error> {
    let mut state = state.to_owned();
    session.context.asker.tell(
        "\nAfter the login the browser goes to an address that it may fail to show. Copy that address from the \
         browser's address bar and paste it here.",
    )?;
    loop {
        // Nothing is left to be undone here: a client that was registered is on disk.
        session.desk.hold_interrupts(false)?;
        let pasted =
            session.context.asker.long_line("Address (Enter looks whether the login is done already):");
        session.desk.hold_interrupts(true)?;
        let pasted = pasted?;
        if pasted.is_empty() {
            match look_up(session, &state)? {
                Some(outcome) => return Ok(outcome),
                None => session.context.asker.tell("The login is not done yet.")?,
            }
            continue;
        }
        match read_redirect(&pasted) {
            Ok(redirect) if redirect.state == state => match exchange(session, redirect.uri) {
                // The answer may come yet, or the next try may work: the login goes on waiting.
                Err(error) if error.failure_code().is_some_and(may_pass) => {
                    session.context.asker.tell(&format!("{error}."))?;
                }
                Ok(Exchanged::Done(outcome)) => return Ok(outcome),
                Ok(Exchanged::Again { uri, state: next }) => {
                    session.context.output.note(WITHOUT_OFFLINE_ACCESS);
                    show(session, &uri, &next)?;
                    state = next;
                }
                Err(error) => return Err(error),
            },
            Ok(_) => session.context.asker.tell("This address belongs to another login.")?,
            Err(reason) => session.context.asker.tell(&reason)?,
        }
    }
}

/// What a redirected address led to.
pub enum Exchanged {
    /// The login is done.
    Done(Outcome),
    /// The provider wants to be asked once more, for less.
    Again {
        /// Where the browser has to go.
        uri: String,
        /// Ties its answer to the login.
        state: String,
    },
}

/// Has the agent exchange the code of a redirected address.
pub fn exchange(session: &mut Session, redirect_uri: SecretText) -> Result<Exchanged, Error> {
    let request = Request::CodeExchange(CodeExchangeRequest { redirect_uri, from_gen: true });
    match session.context.call(&request)? {
        Reply::AcceptedCode { uri, state } => Ok(Exchanged::Again { uri, state }),
        reply => finished(reply, "code_exchange").map(Exchanged::Done),
    }
}

/// The address that the browser was sent to (RFC 6749 section 4.1.2).
pub struct Redirect {
    /// The address as the agent needs it.
    pub uri: SecretText,
    /// Which login it belongs to.
    pub state: String,
}

/// Reads a redirected address; the error says why it is none. Whether the provider refused is for the agent to judge,
/// which knows who may (RFC 9207 section 2.4).
pub fn read_redirect(text: &str) -> Result<Redirect, String> {
    let url = Url::parse(text.trim()).map_err(|_| "This is no address.".to_owned())?;
    let value =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let refusal = value("error").map(|error| {
        let description = value("error_description").map(|text| format!(": {text}")).unwrap_or_default();
        format!("; it says {error}{description}")
    });
    let Some(state) = value("state") else {
        return Err(format!("Uri does not contain a state{}", refusal.unwrap_or_default()));
    };
    if value("code").is_none() && refusal.is_none() {
        return Err("Uri does not contain a code".to_owned());
    }
    Ok(Redirect { uri: SecretText::new(with_registered_slash(text.trim(), &state).into_owned()), state })
}

fn may_pass(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ProviderTimeout | ErrorCode::ProviderUnreachable)
}

/// Browsers and shells add or drop a slash before the `?`; the first character of our states tells which is right.
fn with_registered_slash<'a>(uri: &'a str, state: &str) -> Cow<'a, str> {
    let Some((base, query)) = uri.split_once('?') else { return Cow::Borrowed(uri) };
    match (state.as_bytes(), base.strip_suffix('/')) {
        ([b'1', b':', ..], None) => Cow::Owned(format!("{base}/?{query}")),
        ([b'0', b':', ..], Some(bare)) => Cow::Owned(format!("{bare}?{query}")),
        _ => Cow::Borrowed(uri),
    }
}

fn other(text: &str) -> Error {
    Error::Other(Exit::Failure, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirected_address_has_code_and_state() {
        let good = read_redirect(" http://localhost:4242/?code=c%2Bd&state=0:0xyz&iss=https%3A%2F%2Fop ");
        let good = good.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(good.state, "0:0xyz");
        assert!(good.uri.expose().starts_with("http://localhost:4242?code=c%2Bd&"));
        for (text, reason) in [
            ("nonsense", "This is no address."),
            ("http://localhost:4242/?code=c", "Uri does not contain a state"),
            ("http://localhost:4242/?state=s", "Uri does not contain a code"),
        ] {
            assert_eq!(read_redirect(text).err().as_deref(), Some(reason));
        }
        let refusal = "http://localhost:4242/?error=access_denied&error_description=no+way";
        let refused = read_redirect(&format!("{refusal}&state=s")).expect("for the agent to judge");
        assert_eq!(refused.state, "s");
        assert_eq!(
            read_redirect(refusal).err().as_deref(),
            Some("Uri does not contain a state; it says access_denied: no way")
        );
    }

    #[test]
    fn the_slash_is_as_registered() {
        assert_eq!(with_registered_slash("http://localhost:1?code=c", "1:0x"), "http://localhost:1/?code=c");
        assert_eq!(with_registered_slash("http://localhost:1/?code=c", "0:0x"), "http://localhost:1?code=c");
        assert_eq!(
            with_registered_slash("http://localhost:1/?code=c", "other"),
            "http://localhost:1/?code=c"
        );
    }

    #[test]
    fn only_a_browser_that_comes_back_here_is_waited_for() {
        let comes_back = |text: &str| comes_back_here(&Url::parse(text).expect("a URL"));
        assert!(comes_back("https://op/auth?redirect_uri=http%3A%2F%2Flocalhost%3A4242&state=s"));
        assert!(comes_back("https://op/auth?request_uri=urn:x"));
        assert!(!comes_back("https://op/auth?redirect_uri=edu.kit.data.oidc-agent%3A%2Fredirect"));
    }
}
