//! Where the provider registers no client: the public one that is known, or one that the person has from elsewhere, or
//! another try with an initial access token.

use oidc_proto::{account::AccountConfig, error_code::ErrorCode, message::Failure, secret::SecretText};

use super::{
    dialogue::Question,
    draft,
    public_client::{self, Known},
    redirect,
    session::Session,
};
use crate::context::error::Error;

/// How it goes on.
pub enum GoesOn {
    /// With a client that need not be registered. It is in the account.
    WithClient(Known),
    /// With another registration, for which there is an initial access token (RFC 7591 section 3) now.
    WithToken(SecretText),
}

/// Finds a way on, or ends with what the provider said and the options that would help.
pub fn go_on(session: &mut Session, account: &mut AccountConfig, failure: Failure) -> Result<GoesOn, Error> {
    let wants_token = failure.code == ErrorCode::RegistrationTokenNeeded;
    let help = how_to_get_a_client(session, account);
    if let Some(known) = public_client::known(session, account) {
        let said = Error::from(failure);
        session.context.output.note(&format!("The provider registers no client: {said}"));
        session.progress("Try using a public client ...")?;
        return Ok(GoesOn::WithClient(known));
    }
    if !session.dialogue.can_ask(session.context) {
        return Err(with_options(failure, &help, wants_token));
    }
    tell(session, failure, &help, wants_token)?;
    if wants_token {
        let label = "Initial access token (Enter to give a client instead)";
        let question = Question { label, option: "at-file", default: None };
        let token = session.dialogue.ask_secret(session.context, &question)?;
        if !token.expose().trim().is_empty() {
            return Ok(GoesOn::WithToken(SecretText::from(token.expose().trim())));
        }
    }
    draft::complete_client(session, account)?;
    redirect::complete(session, account)?;
    Ok(GoesOn::WithClient(Known::default()))
}

/// What the issuer data say about it.
fn how_to_get_a_client(session: &Session, account: &AccountConfig) -> Vec<String> {
    let issuer = account.issuer_url.as_deref().and_then(|issuer| session.issuers.get(issuer));
    let issuer = issuer.unwrap_or_default();
    let page = issuer.register.map(|page| format!("Clients are registered by hand at {page}"));
    page.into_iter().chain(issuer.contact.map(|contact| format!("Contact: {contact}"))).collect()
}

/// Why a question follows that nobody expects.
fn tell(session: &mut Session, failure: Failure, help: &[String], wants_token: bool) -> Result<(), Error> {
    let error = Error::from(failure);
    let mut lines = vec![format!("The provider registers no client: {error}")];
    lines.extend(error.hint());
    lines.extend_from_slice(help);
    let what = if wants_token { "an initial access token or a client" } else { "a client" };
    lines.push(format!(
        "It goes on here with {what} from elsewhere; nothing was made at the provider so far."
    ));
    Ok(session.context.asker.tell(&lines.join("\n"))?)
}

/// The failure with the options that answer what cannot be asked here.
fn with_options(failure: Failure, help: &[String], wants_token: bool) -> Error {
    let token = if wants_token { "an initial access token with `--at-file`, or " } else { "" };
    let mut lines: Vec<_> = failure.info.iter().map(|info| info.trim_end().to_owned()).collect();
    lines.extend_from_slice(help);
    // The agent may have named them.
    let is_named = |option: &str| lines.iter().any(|line| line.contains(option));
    if !is_named("`--client-id`") || (wants_token && !is_named("`--at`")) {
        lines.push(format!("Give {token}a client from elsewhere with `--client-id`."));
    }
    failure.with_info(lines.join("\n")).into()
}
