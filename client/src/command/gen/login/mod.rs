//! The login itself: handing the account to the agent and seeing the person through what comes back.

pub mod code;
mod device;
pub mod outcome;
mod qr;

use oidc_proto::{
    account::AccountConfig,
    message::{Flow, GenRequest, PasswordEntry, Reply, Request},
};

use super::{flows::Choice, session::Session};
use crate::context::error::Error;
use outcome::{Outcome, finished};

const NO_DEVICE_LOGIN: &str =
    "A login by a code for another device is not to be had here; it goes on in a browser.";

/// Logs in. The agent's web server is ended and the terminal restored however it ends.
pub fn log_in(
    session: &mut Session,
    account: &AccountConfig,
    choice: &Choice,
    pw_entry: Option<PasswordEntry>,
) -> Result<Outcome, Error> {
    if session.args.instead.reauthenticate {
        session.context.output.note("Logging in anew ...");
    } else if !session.args.login.only_at {
        session.progress("Generating account configuration ...")?;
    }
    let paste = code::wants_paste(session);
    let login = &session.args.login;
    let request = Request::Gen(Box::new(GenRequest {
        config: session.for_agent(account),
        flows: choice.flows.clone(),
        pw_entry,
        no_webserver: login.no_webserver || paste,
        no_scheme: login.no_scheme || paste,
        only_at: login.only_at,
    }));
    match session.context.call(&request)? {
        Reply::AcceptedCode { uri, state } => {
            session.accepted()?;
            if choice.flows.first() == Some(&Flow::Device) {
                session.context.output.note(NO_DEVICE_LOGIN);
            }
            code::log_in(session, &uri, &state)
        }
        Reply::AcceptedDevice(device) => {
            session.accepted()?;
            if let Some(reason) = choice.reason {
                session.context.output.note(&format!("Logging in by a code for another device: {reason}."));
            }
            session.by_device = true;
            device::log_in(session, &device)
        }
        reply => finished(reply, "gen"),
    }
}
