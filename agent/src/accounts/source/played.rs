//! A source that answers from a script: for tests of what is around it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::question::{Question, Unanswered};
use crate::provider::TokenResponse;

/// What the script does about a question: the secret that was sent, and what the token is for.
type Script = dyn Fn(&Question<'_>) -> Result<TokenResponse, Unanswered> + Send + Sync;

/// Those that accounts can name in `grant_type`.
static ALL: Mutex<Option<HashMap<String, Played>>> = Mutex::new(None);

/// A script, and what it was asked.
#[derive(Clone)]
pub struct Played(Arc<Inner>);

struct Inner {
    kind: String,
    renews_its_secret: bool,
    script: Box<Script>,
    asked: Mutex<VecDeque<String>>,
    /// Answers wait for one of these.
    gate: tokio::sync::Semaphore,
}

impl Played {
    /// A new kind of account. `renews_its_secret` as [`super::Source::renews_its_secret`].
    pub fn new(
        renews_its_secret: bool,
        script: impl Fn(&Question<'_>) -> Result<TokenResponse, Unanswered> + Send + Sync + 'static,
    ) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let kind = format!("played:{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let played = Self(Arc::new(Inner {
            kind: kind.clone(),
            renews_its_secret,
            script: Box::new(script),
            asked: Mutex::default(),
            gate: tokio::sync::Semaphore::new(tokio::sync::Semaphore::MAX_PERMITS),
        }));
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_or_insert_default().insert(kind, played.clone());
        played
    }

    /// The one of that name.
    pub fn find(kind: &str) -> Option<Self> {
        ALL.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(kind).cloned()
    }

    /// What an account says in `grant_type`.
    pub fn kind(&self) -> String {
        self.0.kind.clone()
    }

    pub fn renews_its_secret(&self) -> bool {
        self.0.renews_its_secret
    }

    /// The secrets that were sent so far, an empty text for none.
    pub fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// No answer is given from now on.
    pub fn hold(&self) {
        self.0.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    }

    /// That many are.
    pub fn release(&self, count: usize) {
        self.0.gate.add_permits(count);
    }

    pub async fn ask(&self, question: Question<'_>) -> Result<TokenResponse, Unanswered> {
        let secret = question.secret.map(|secret| secret.expose().to_owned()).unwrap_or_default();
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).push_back(secret);
        self.0.gate.acquire().await.expect("never closed").forget();
        (self.0.script)(&question)
    }
}

impl PartialEq for Played {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Played {}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.kind)
    }
}
