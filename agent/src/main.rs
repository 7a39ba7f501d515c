//! `oidc-agent`: see the library for everything but the choice of what answers.

use std::{alloc::System, path::Path, process::ExitCode};

use oidc_agent::{
    accounts::{Accounts, Deps},
    clock::Clock,
    issuer_data::IssuerData,
    login::Login,
    options::Options,
    prompt::Queue,
    provider::Providers,
    server::dispatch::Dispatch,
    start,
};
use oidc_proto::home::Home;
use zeroizing_alloc::ZeroAlloc;

/// What is freed is overwritten first: libraries keep secrets in buffers of their own (HTTP, TLS, JSON), which end here.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    start::main(std::env::args_os(), dispatch)
}

fn dispatch(options: Options, socket: &Path) -> Dispatch {
    // Where no directory can be made there are no files; clients may still bring accounts that live in memory only.
    let home = Home::find_or_create().unwrap_or_else(|_| Home::at("/nonexistent"));
    let issuers = IssuerData::read(&home, options.cert_path.clone());
    let settings = issuers.clone();
    let providers = Providers::new(move |issuer| settings.settings(issuer));
    let (prompts, clock) = (Queue::default(), Clock::system());
    let accounts = Accounts::new(Deps { home, issuers, providers, options, prompts, clock });
    let login = Login::new(accounts.clone(), socket.to_owned());
    Dispatch::new(accounts, login)
}
