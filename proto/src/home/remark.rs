//! What goes on without something that it should have had: said once for each thing, to whoever wants to hear it.

use std::{
    collections::HashSet,
    sync::{Mutex, OnceLock, PoisonError},
};

static LISTENER: OnceLock<fn(&str)> = OnceLock::new();
static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);
/// More different remarks than a directory gives occasion for.
const MOST: usize = 1000;

/// Names who hears remarks on directories and file systems that lack something, such as locks; each is one sentence that
/// names the path. The first call counts; without any, nobody hears them.
pub fn on_remark(listener: fn(&str)) {
    let _ = LISTENER.set(listener);
}

/// Says something, if it was not said before.
pub(crate) fn remark(text: String) {
    let Some(listener) = LISTENER.get() else { return };
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let said = said.get_or_insert_default();
    if said.len() < MOST && !said.contains(&text) {
        listener(&text);
        said.insert(text);
    }
}
