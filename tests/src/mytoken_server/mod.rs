//! A mytoken server inside the test: it keeps a login at the embedded provider and gives mytokens for it, with the endpoints,
//! members and errors of the real server's API, version 0.
//!
//! Faults are put in line for an endpoint and used up one by one; what was asked is remembered.

mod answer;
mod connection;
mod tokens;

use std::{
    collections::{HashMap, VecDeque},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::Value;

pub use self::tokens::Polling;
use self::tokens::{Login, Tokens};
use crate::provider::Provider;

/// A path of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The metadata, at both of their addresses.
    Metadata,
    /// Where mytokens are got.
    Mytoken,
    /// Where access tokens are got.
    AccessToken,
    /// Where mytokens are given back.
    Revocation,
    /// Anything else.
    Other,
}

/// What goes wrong, once.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A proxy answers in the server's place.
    Html(u16),
    /// The request is carried out, and the connection ends without an answer.
    LostAnswer,
    /// An error of the server.
    Error(u16, &'static str, &'static str),
    /// Members in the place of the answer's, or beside them.
    With(Value),
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where it went.
    pub place: Place,
    /// The body: an object, or a form as an object of texts.
    pub body: Value,
    /// The header `Authorization`.
    pub authorization: String,
}

impl Asked {
    /// A member of the body; empty where there is none.
    pub fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap_or_default()
    }
}

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct MytokenServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    origin: String,
    issuer: String,
    is_over: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: Tokens,
    faults: HashMap<Place, VecDeque<Fault>>,
    asked: Vec<Asked>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MytokenServer {
    /// One that has a login at this provider.
    ///
    /// # Panics
    /// When there is no port.
    pub fn beside(provider: &Provider) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let login = Login::at(provider);
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            issuer: provider.issuer(),
            is_over: AtomicBool::new(false),
            state: Mutex::new(State {
                tokens: Tokens::new(login),
                faults: HashMap::new(),
                asked: Vec::new(),
            }),
        });
        let serving = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&serving);
                thread::spawn(move || connection::serve(&stream, &shared));
            }
        }));
        Self { shared, address, thread }
    }

    /// Its address, as `mytoken_url` has it.
    pub fn url(&self) -> String {
        self.shared.origin.clone()
    }

    /// Something goes wrong at the next request there.
    pub fn fail_next(&self, place: Place, fault: Fault) {
        self.shared.state().faults.entry(place).or_default().push_back(fault);
    }

    /// What was asked there so far.
    pub fn asked(&self, place: Place) -> Vec<Asked> {
        self.shared.state().asked.iter().filter(|asked| asked.place == place).cloned().collect()
    }

    /// What the person does with logins from now on.
    pub fn polling(&self, polling: Polling) {
        self.shared.state().tokens.polling = polling;
    }

    /// A mytoken that exists already.
    pub fn seed(&self, profile: &Value) -> String {
        self.shared.state().tokens.mint(profile)
    }

    /// Whether an access token would be given for it.
    pub fn is_live(&self, mytoken: &str) -> bool {
        self.shared.state().tokens.is_live(mytoken)
    }

    /// Ends all of them.
    pub fn revoke_all(&self) {
        self.shared.state().tokens.revoke_all();
    }
}

impl Drop for MytokenServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the one that accepts.
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}
