//! What most tests start from: a provider, an account with a login there, its encrypted file, and a running agent.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use oidc_proto::secret::RefreshToken;
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    environment::{Environment, FileFormat},
    programs::{Finished, run},
    provider::{Provider, Quirks},
};

/// The account every scene starts with.
pub const ACCOUNT: &str = "demo";

/// A provider, an account and an agent. Dropped in this order: the agent first.
#[derive(Debug)]
pub struct Scene {
    /// Our agent.
    pub agent: Agent,
    /// Where it runs.
    pub environment: Environment,
    /// Where the account has its login.
    pub provider: Provider,
}

impl Scene {
    /// A provider without quirks, and an account file in our format that is not loaded.
    pub fn new() -> Self {
        Self::with(Quirks::default(), FileFormat::Native)
    }

    /// As [`Scene::new`], with the account loaded.
    pub fn loaded() -> Self {
        Self::loaded_with(Quirks::default())
    }

    /// As [`Scene::loaded`], at a provider with quirks.
    pub fn loaded_with(quirks: Quirks) -> Self {
        let scene = Self::with(quirks, FileFormat::Native);
        scene.load(ACCOUNT);
        scene
    }

    /// A provider with quirks, and an account file in the given format that is not loaded.
    pub fn with(quirks: Quirks, format: FileFormat) -> Self {
        let provider = Provider::with(quirks);
        let environment = Environment::new();
        environment.add_account(&provider.seed_account(ACCOUNT), format);
        let agent = Agent::start(&environment);
        Self { agent, environment, provider }
    }

    /// A provider with quirks, and no account.
    pub fn empty(quirks: Quirks) -> Self {
        let environment = Environment::new();
        Self { agent: Agent::start(&environment), environment, provider: Provider::with(quirks) }
    }

    /// Ends the agent at once, and starts another one.
    pub fn restart(&mut self) {
        self.agent.kill();
        self.agent = Agent::start(&self.environment);
    }

    /// Makes another account and loads it without a file and without asking for a token.
    ///
    /// # Panics
    /// When the agent refuses.
    pub fn add_unsaved(&self, name: &str) {
        let account = self.provider.seed_account(name);
        let request = json!({"request": "add", "config": account.to_object().members(), "plain_add": 1});
        let reply = self.agent.request(&request).expect("a reply");
        assert_eq!(reply["status"], "success", "{reply}");
    }

    /// Loads an account as a client does: decrypts its file and hands it over with the file key.
    ///
    /// # Panics
    /// When the agent refuses.
    pub fn load(&self, name: &str) {
        load_into(&self.agent, &self.environment, name);
    }

    /// Asks the agent for a token of [`ACCOUNT`], with further fields for the request.
    ///
    /// # Panics
    /// When the agent does not answer.
    pub fn ask(&self, fields: Value) -> Value {
        self.agent.token(ACCOUNT, fields)
    }

    /// The refresh token that the file of [`ACCOUNT`] holds.
    ///
    /// # Panics
    /// When it holds none.
    pub fn stored_refresh_token(&self) -> RefreshToken {
        self.environment.read_account(ACCOUNT).refresh_token.expect("a refresh token in the file")
    }

    /// `oidc` with arguments, without an agent being started on demand.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.agent.command(&self.environment, "oidc");
        command.args(arguments).env("OIDC_NO_AUTOSTART", "1");
        command
    }

    /// Runs it.
    pub fn oidc(&self, arguments: &[&str]) -> Finished {
        run(self.command(arguments))
    }

    /// Runs it with further variables.
    pub fn oidc_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        run(command)
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// Loads an account of `environment` into any agent of ours.
///
/// # Panics
/// When the agent refuses.
pub fn load_into(agent: &Agent, environment: &Environment, name: &str) {
    let (account, key) = environment.unlock_account(name);
    let request = json!({
        "request": "add",
        "config": account.to_object().members(),
        "lifetime": 0,
        "file_key": key.to_text().expose(),
    });
    let reply = agent.request(&request).expect("a reply");
    assert_eq!(reply["status"], "success", "{reply}");
}

impl Agent {
    /// Asks for a token of any account, with further fields for the request.
    ///
    /// # Panics
    /// When the agent does not answer.
    pub fn token(&self, account: &str, fields: Value) -> Value {
        let mut request = json!({"request": "access_token", "account": account, "min_valid_period": 0});
        if let (Some(request), Value::Object(fields)) = (request.as_object_mut(), fields) {
            request.extend(fields);
        }
        self.request(&request).expect("a reply to a token request")
    }
}

/// The access token in a reply.
///
/// # Panics
/// When the reply is a failure.
pub fn access_token(reply: &Value) -> &str {
    reply["access_token"].as_str().unwrap_or_else(|| panic!("no token: {reply}"))
}

/// The claims of a JWT, unverified.
///
/// # Panics
/// When it is none.
pub fn claims(token: &str) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).expect("a JWT has three parts");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("claims are JSON")
}

/// What `work` returns, and how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// Whether any file below `directory` holds `text`; its path.
pub fn find_in_files(directory: &Path, text: &str) -> Option<std::path::PathBuf> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for entry in fs_err::read_dir(directory).ok()?.flatten() {
        let (path, kind) = (entry.path(), entry.file_type().ok()?);
        if kind.is_dir() {
            if let Some(found) = find_in_files(&path, text) {
                return Some(found);
            }
        } else if kind.is_file() && fs_err::read(&path).is_ok_and(|bytes| holds(&bytes)) {
            return Some(path);
        }
    }
    None
}
