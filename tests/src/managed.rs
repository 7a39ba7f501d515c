//! Managed token files in tests: their configuration, and what the agent tells of them.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{agent::Agent, environment::Environment, scene::ACCOUNT};

/// For anything that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The file that an entry of this name is for.
pub fn file(environment: &Environment, name: &str) -> PathBuf {
    environment.path(&format!("tokens/{name}"))
}

/// An entry, with further lines.
pub fn entry(environment: &Environment, name: &str, further: &str) -> String {
    let path = file(environment, name);
    format!("[[file]]\nname = {name:?}\naccount = {ACCOUNT:?}\npath = \"{}\"\n{further}\n", path.display())
}

/// Writes a configuration; the directory of the files is made.
///
/// # Panics
/// When that fails.
pub fn configure(environment: &Environment, text: &str) {
    fs_err::create_dir_all(environment.path("tokens")).expect("a directory");
    let path = environment.accounts().join("files.toml");
    fs_err::write(path, format!("version = 1\n{text}")).expect("written");
}

/// A request and its reply.
///
/// # Panics
/// When there is none.
pub fn ask(agent: &Agent, request: impl Into<Value>) -> Value {
    agent.request(&request.into()).expect("a reply")
}

/// Has the configuration read again.
pub fn reload(agent: &Agent) -> Value {
    ask(agent, json!({"request": "files_reload"}))
}

/// An entry as the agent tells it.
///
/// # Panics
/// When that fails.
pub fn state(agent: &Agent, name: &str) -> Value {
    let reply = ask(agent, json!({"request": "files_status", "name": name}));
    assert_eq!(reply["status"], "success", "{reply}");
    reply["info"]["entries"][0].clone()
}

/// Waits until an entry is in a state.
///
/// # Panics
/// When that fails.
pub fn wait_for(agent: &Agent, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let found = state(agent, name);
        if wanted(&found) {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{found}\n{}", agent.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether an entry is in this state.
pub fn is(wanted: &str) -> impl Fn(&Value) -> bool {
    move |state| state["state"] == wanted
}

/// Waits until an entry is fresh.
///
/// # Panics
/// When it does not become so.
pub fn fresh(agent: &Agent, name: &str) -> Value {
    let reply = ask(agent, json!({"request": "files_wait", "name": name, "timeout": 60}));
    assert_eq!(reply["status"], "success", "{reply}\n{}", agent.log());
    let entry = reply["info"]["entries"][0].clone();
    assert_eq!(entry["state"], "fresh", "{entry}");
    entry
}

/// The token in a file.
///
/// # Panics
/// When there is no file.
pub fn token(path: &Path) -> String {
    fs_err::read_to_string(path).expect("a token").trim().to_owned()
}
