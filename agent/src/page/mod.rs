//! The agent's own web page: what its person does with tokens, in a browser of this computer.
//!
//! It is there only while it is asked for, at an ephemeral port of 127.0.0.1, for programs of the agent's user. Whoever
//! opens it with a one-time secret ([`sessions`]) may do what a program at the agent's socket may: get tokens of loaded
//! accounts, by the same way and under the same consent. Nothing that a web page elsewhere, another user or another name
//! for this computer can do gets past [`gate`].

mod account;
mod documents;
mod facts;
mod gate;
mod inspect;
mod open;
mod sessions;
mod site;
mod token;

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, PageReply, PageRequest, Reply},
    secret::SecretText,
};

use self::{open::Open, site::PageSite};
use crate::{
    accounts::Accounts,
    clock::{Clock, Expiry},
    web::{self, listen},
};

/// How long the page stays when it was asked for.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The page; clones share it.
#[derive(Clone)]
pub struct Page {
    accounts: Accounts,
    running: Arc<Mutex<Option<Running>>>,
}

/// While it is there.
struct Running {
    port: u16,
    open: Arc<Open>,
}

impl Page {
    /// One that is not there yet.
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts, running: Arc::default() }
    }

    /// `page`.
    pub fn page(&self, request: PageRequest) -> Result<Reply, Failure> {
        if request.stop {
            let info = if self.stop() { "The page has ended." } else { "There was no page." };
            return Ok(Reply::success_with(info));
        }
        self.accounts.require_unlocked()?;
        self.start().map(Reply::Page).map_err(|error| {
            let text = format!("the page cannot be served at 127.0.0.1: {error}");
            Failure::new(ErrorCode::Internal, text)
        })
    }

    /// Begins, or stays for another while; in both cases with a new secret, the only one that opens it.
    fn start(&self) -> io::Result<PageReply> {
        let now = self.clock().now();
        let ends = Expiry::after(now, LIFETIME);
        let mut running = lock(&self.running);
        let (port, open) = match &*running {
            Some(Running { port, open }) if !open.stop.is_cancelled() => {
                open.stay_until(ends);
                (*port, Arc::clone(open))
            }
            _ => {
                let (listeners, port) = listen::listen_at_free_port(&[Ipv4Addr::LOCALHOST.into()])?;
                let open = Arc::new(Open::until(ends));
                self.serve(listeners, port, &open);
                *running = Some(Running { port, open: Arc::clone(&open) });
                tracing::info!(port, "the page begins");
                (port, open)
            }
        };
        let (secret, opens_until) = open.sessions().invite(now);
        Ok(PageReply {
            address: SecretText::new(format!("http://127.0.0.1:{port}/#{}", secret.expose())),
            opens_until: opens_until.at(now),
            ends_at: ends.at(now),
            host: account::host(),
        })
    }

    fn serve(&self, listeners: Vec<TcpListener>, port: u16, open: &Arc<Open>) {
        let site = Arc::new(PageSite::new(self.accounts.clone(), port, Arc::clone(open)));
        tokio::spawn(web::serve(listeners, site, site::LIMITS, open.stop.clone()));
        let (clock, open) = (self.clock().clone(), Arc::clone(open));
        tokio::spawn(async move {
            let stop = open.stop.clone();
            stop.run_until_cancelled(open.over(&clock)).await;
            stop.cancel();
            tracing::info!(port, "the page has ended");
        });
    }

    /// Ends it. Whether it was there.
    pub fn stop(&self) -> bool {
        let running = lock(&self.running).take();
        running.is_some_and(|running| {
            let was_there = !running.open.stop.is_cancelled();
            running.open.stop.cancel();
            was_there
        })
    }

    fn clock(&self) -> &Clock {
        &self.accounts.deps().clock
    }
}

/// Nothing panics while it is held; it would still be whole.
fn lock(running: &Mutex<Option<Running>>) -> MutexGuard<'_, Option<Running>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
