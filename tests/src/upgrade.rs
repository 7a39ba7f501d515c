//! An agent that is installed somewhere, and new versions of it.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    agent::Agent,
    environment::{Environment, FileFormat},
    programs::program,
    provider::{Provider, Quirks, Rotation},
    scene::{ACCOUNT, Scene},
};

/// Where it is installed, below the environment's root.
const PLACE: &str = "bin/oidc-agent";

/// Puts a program there, as a package manager does: the old file lives on in whatever runs it.
///
/// # Panics
/// When that fails.
pub fn install(environment: &Environment, program: &Path) -> PathBuf {
    let place = environment.path(PLACE);
    fs_err::create_dir_all(place.parent().expect("a directory")).expect("made");
    let new = place.with_extension("new");
    fs_err::copy(program, &new).expect("copied");
    fs_err::rename(&new, &place).expect("renamed");
    place
}

/// Puts a program of a few lines of shell there.
///
/// # Panics
/// When that fails.
pub fn install_script(environment: &Environment, name: &str, script: &str) -> PathBuf {
    let path = environment.path(name);
    fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
    path
}

/// A scene whose agent is installed, with the account loaded, at a provider that takes a second use of a refresh token for theft.
///
/// # Panics
/// When it does not come about.
pub fn installed() -> Scene {
    installed_with(&[], &[])
}

/// The same with options and variables.
///
/// # Panics
/// When it does not come about.
pub fn installed_with(options: &[&str], variables: &[(&str, &str)]) -> Scene {
    let provider = Provider::with(Quirks { rotation: Rotation::Always, ..Quirks::default() });
    let environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let place = install(&environment, &program("oidc-agent"));
    let mut command = environment.command_at(&place);
    command.args(options).envs(variables.iter().copied());
    let agent = Agent::spawn(&environment, command, "agent");
    let scene = Scene { agent, environment, provider };
    scene.load(ACCOUNT);
    scene
}

/// Asks an agent to go on as the program at `path`, or as what lies where it was started from.
///
/// # Panics
/// When it does not answer.
pub fn upgrade(agent: &Agent, path: Option<&Path>) -> Value {
    let path = path.map(|path| path.to_str().expect("UTF-8"));
    agent.request(&json!({"request": "upgrade", "program": path})).expect("a reply")
}

/// The same, which has to succeed; `info` of the reply.
///
/// # Panics
/// When it does not.
pub fn upgraded(agent: &Agent) -> Value {
    let reply = upgrade(agent, None);
    assert_eq!(reply["status"], "success", "{reply}\n{}", agent.log());
    reply["info"].clone()
}

/// What an agent says of itself.
///
/// # Panics
/// When it does not.
pub fn status(agent: &Agent) -> Value {
    let reply = agent.request(&json!({"request": "status_json"})).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
    reply["info"].clone()
}

/// How often a program began to serve in this process, by its log.
pub fn began(agent: &Agent) -> usize {
    agent.log().lines().filter(|line| line.ends_with("serving")).count()
}
