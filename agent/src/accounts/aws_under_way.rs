//! One request to a security token service at a time for the same credentials.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use oidc_proto::shortname::Shortname;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};

use super::aws_cache::For;

/// Held by whoever asks a service.
type Gate = tokio::sync::Mutex<()>;

/// What is being asked for.
#[derive(Default)]
pub(super) struct AwsUnderWay(Mutex<HashMap<(Shortname, For), Weak<Gate>>>);

impl AwsUnderWay {
    /// Waits until nobody else asks for them; `None`: not before the deadline.
    pub(super) async fn only_one(
        &self,
        account: &Shortname,
        what: &For,
        deadline: Instant,
    ) -> Option<OwnedMutexGuard<()>> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            gates.retain(|_, gate| gate.strong_count() > 0);
            let key = (account.clone(), what.clone());
            let gate = gates.get(&key).and_then(Weak::upgrade).unwrap_or_default();
            gates.insert(key, Arc::downgrade(&gate));
            gate
        };
        timeout_at(deadline, gate.lock_owned()).await.ok()
    }
}
