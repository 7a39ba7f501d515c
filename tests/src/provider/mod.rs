//! An `OpenID` provider inside the test: strict, scriptable, on a port of its own on 127.0.0.1.
//!
//! It runs on its own thread, so synchronous tests that start real programs can use it as well as asynchronous
//! ones. [`Quirks`] say how it differs from the specifications, [`Fault`]s what goes wrong, the [`Log`] what was
//! asked. Requests that break a rule of the RFCs are answered where possible and noted; a provider that is dropped
//! with such notes fails its test, unless they were taken out or [`Provider::tolerate_violations`] was called.

mod admin;
mod audience;
mod authorization;
mod client_assertion;
mod client_authentication;
mod device;
mod discovery;
mod endpoint;
mod exchange;
mod fault;
mod iam;
mod incoming;
mod issue;
mod keys;
mod log;
mod params;
mod quirks;
mod refresh;
mod registration;
mod reply;
mod seed;
mod server;
mod state;
mod token;
mod tokens_in_use;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    panic::resume_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use oidc_proto::{account::AccountConfig, secret::RefreshToken};
use tokio_util::sync::CancellationToken;

use state::State;

pub use endpoint::Endpoint;
pub use fault::{Fault, Faults};
pub use log::{Authorization, Log, Recorded};
pub use params::Params;
pub use quirks::{
    AccessTokenFormat, Algorithm, AssertionAudience, AudienceParameter, AuthorizationResponseIss,
    ClientAuthentication, Consent, DeadToken, ExpiresIn, Keys, MetadataPlace, OfflineAccess, Quirks,
    RedirectPolicy, Refusal, Registration, RegistrationRefusal, Rotation, ScopeForm, Userinfo,
};
pub use seed::Seed;
pub use token::PERSON;

/// A running provider; stops when dropped.
#[derive(Debug)]
pub struct Provider {
    shared: Arc<Shared>,
    address: SocketAddr,
    running: Option<Running>,
    tolerant: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    faults: Faults,
    log: Log,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Provider {
    /// A provider without quirks.
    pub fn start() -> Self {
        Self::with(Quirks::default())
    }

    /// A provider with these quirks, on a free port.
    pub fn with(quirks: Quirks) -> Self {
        Self::on_port(0, quirks).expect("a free port on 127.0.0.1")
    }

    /// A provider on a given port; 0 for any free one.
    pub fn on_port(port: u16, quirks: Quirks) -> io::Result<Self> {
        Self::listening((Ipv4Addr::LOCALHOST, port).into(), None, quirks)
    }

    /// A provider that listens at one loopback address only, and is called `host` in URLs.
    pub fn at(address: IpAddr, host: &str, quirks: Quirks) -> io::Result<Self> {
        Self::listening((address, 0).into(), Some(host), quirks)
    }

    fn listening(address: SocketAddr, host: Option<&str>, quirks: Quirks) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let authority = host.map_or(address.to_string(), |host| format!("{host}:{}", address.port()));
        let state = State {
            origin: format!("http://{authority}"),
            base: format!("{}/", quirks.issuer_path.trim_end_matches('/')),
            key: keys::SigningKey::new(quirks.algorithm),
            quirks,
            clients: HashMap::new(),
            families: Vec::new(),
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            codes: HashMap::new(),
            device_grants: HashMap::new(),
            trusted: HashSet::new(),
            assertions: HashSet::new(),
            reuses: 0,
            violations: Vec::new(),
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), faults: Faults::default(), log: Log::default() });
        let running = Some(run(listener, shared.clone())?);
        Ok(Self { shared, address, running, tolerant: AtomicBool::new(false) })
    }

    /// The issuer URL to configure.
    pub fn issuer(&self) -> String {
        self.shared.state().true_issuer()
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.shared.state().origin.clone()
    }

    /// The absolute URL of an endpoint.
    pub fn url(&self, endpoint: Endpoint) -> String {
        self.shared.state().url(endpoint.path())
    }

    /// What was asked so far.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Changes the quirks of the running provider.
    pub fn change(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut self.shared.state().quirks);
    }

    /// A client with a login: the account of somebody who has used this provider before.
    pub fn seed_account(&self, name: &str) -> AccountConfig {
        self.seed(&Seed::named(name))
    }

    /// As [`Provider::seed_account`], with choices.
    pub fn seed(&self, seed: &Seed) -> AccountConfig {
        seed::seed(&mut self.shared.state(), seed)
    }

    /// User codes that wait for somebody.
    pub fn user_codes(&self) -> Vec<String> {
        self.shared.state().device_grants.values().map(|grant| grant.user_code.clone()).collect()
    }

    /// What the person does with a user code; `false` when there is no such code.
    pub fn decide_device(&self, user_code: &str, approve: bool) -> bool {
        device::decide(&mut self.shared.state(), user_code, approve)
    }

    /// Ends every login: all refresh tokens are dead from now on.
    pub fn revoke_logins(&self) {
        self.shared.state().families.iter_mut().for_each(|family| family.revoked = true);
    }

    /// Whether a refresh with this token would work.
    pub fn is_live(&self, token: &RefreshToken) -> bool {
        let state = self.shared.state();
        state.refresh_tokens.get(token.expose()).is_some_and(|token| {
            token.successor.is_none()
                && !state.families[token.family].revoked
                && token.expires_at.is_none_or(|expires_at| expires_at > state::now())
        })
    }

    /// Gives a client another secret, as an administrator does.
    pub fn change_secret(&self, client_id: &str, secret: &str) {
        if let Some(client) = self.shared.state().clients.get_mut(client_id) {
            client.secret = Some(secret.to_owned());
        }
    }

    /// Believes a token of elsewhere from now on, until [`Provider::distrust`].
    pub fn trust(&self, token: &str) {
        self.shared.state().trusted.insert(token.to_owned());
    }

    /// Registers the public keys of a client (RFC 7591 section 2 `jwks`), which has to sign from now on and has no secret.
    ///
    /// # Panics
    /// When there is no such client.
    pub fn register_keys(&self, client_id: &str, jwks: serde_json::Value) {
        let mut state = self.shared.state();
        let client = state.clients.get_mut(client_id).expect("a client");
        client.secret = None;
        client.metadata.insert("jwks".into(), jwks);
    }

    /// Believes a token of elsewhere no longer.
    pub fn distrust(&self, token: &str) {
        self.shared.state().trusted.remove(token);
    }

    /// Whether a client is registered.
    pub fn has_client(&self, client_id: &str) -> bool {
        self.shared.state().clients.contains_key(client_id)
    }

    /// How many clients are registered.
    pub fn client_count(&self) -> usize {
        self.shared.state().clients.len()
    }

    /// Forgets every client, as a server does that was set up anew.
    pub fn forget_clients(&self) {
        self.shared.state().clients.clear();
    }

    /// How often a spent refresh token came back: with [`Rotation::Always`] each time killed a login.
    pub fn reuses(&self) -> usize {
        self.shared.state().reuses
    }

    /// Breaches of protocol do not fail the test: the clients are not ours.
    pub fn tolerate_violations(&self) {
        self.tolerant.store(true, Ordering::Relaxed);
    }

    /// Stops listening and cuts all connections; what it remembers stays.
    ///
    /// # Panics
    /// When the provider panicked, be it while it answered, and the test has not failed by itself.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            stop.cancel();
            if let Err(panic) = thread.join()
                && !thread::panicking()
            {
                resume_unwind(panic);
            }
        }
    }

    /// Listens again, at the same address and with everything it remembered.
    pub fn resume(&mut self) -> io::Result<()> {
        if self.running.is_none() {
            self.running = Some(run(TcpListener::bind(self.address)?, self.shared.clone())?);
        }
        Ok(())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
        let violations = self.shared.log.take_violations();
        let accepted = violations.is_empty() || self.tolerant.load(Ordering::Relaxed) || thread::panicking();
        assert!(accepted, "the provider was asked against the rules:\n  {}", violations.join("\n  "));
    }
}

fn run(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Running> {
    listener.set_nonblocking(true)?;
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = stop.clone();
    let thread = thread::Builder::new().name("provider".into()).spawn(move || {
        runtime.block_on(async {
            let listener =
                tokio::net::TcpListener::from_std(listener).expect("a listener that does not block");
            server::serve(listener, shared, stopped).await;
        });
    })?;
    Ok(Running { stop, thread })
}
