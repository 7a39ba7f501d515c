//! The whole program: what answers the requests at the socket that was started.

use std::{path::Path, process::ExitCode};

use oidc_proto::{
    home::{Home, on_remark},
    json::Object,
};

use crate::{
    accounts::{Accounts, Deps},
    clock::Clock,
    files::Files,
    handed_on::Unreadable,
    login::Login,
    page::Page,
    process::start,
    prompt::Queue,
    provider::{Providers, issuer_data::IssuerData},
    server::dispatch::{Dispatch, home_of},
    settings::options::Options,
};

/// A directory that does not exist.
const NOWHERE: &str = "/nonexistent/oidc-agent";

/// `oidc-agent`, with the arguments of this process.
pub fn main() -> ExitCode {
    start::main(std::env::args_os(), dispatch)
}

/// What answers at `socket`; with what another process has held, if it goes on from that.
fn dispatch(options: Options, socket: &Path, held: Option<Object>) -> Result<Dispatch, Unreadable> {
    on_remark(remark);
    let home = held.as_ref().map(home_of).transpose()?;
    let home = home.map_or_else(Home::find_or_create, Ok).unwrap_or_else(|error| {
        // Clients may still bring accounts, which then live in memory only. Nobody shall find that out at the end.
        remark(&format!("no account file can be read or written: {error}"));
        Home::at(NOWHERE)
    });
    let issuers = IssuerData::read(&home, options.cert_path.clone());
    let settings = issuers.clone();
    let (prompts, clock) = (Queue::default(), Clock::system());
    let providers = Providers::new(clock.clone(), move |issuer| settings.settings(issuer));
    let accounts = Accounts::start(Deps { home, issuers, providers, options, prompts, clock });
    let login = Login::new(accounts.clone(), socket.to_owned());
    let page = Page::new(accounts.clone());
    let files = Files::start(accounts.clone());
    let dispatch = Dispatch::new(accounts, login, page, files);
    if let Some(held) = held {
        dispatch.take_over(held)?;
    }
    Ok(dispatch)
}

/// To the log, which is on the terminal as long as this process has one.
fn remark(text: &str) {
    tracing::warn!("{text}");
}
