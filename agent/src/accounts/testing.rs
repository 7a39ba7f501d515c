//! Accounts for the tests of this room: on a directory of their own, a clock that is set, and a source that is played.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home, Room},
    message::{AddRequest, Failure, Target, TokenRequest},
    rotation::{self, Rotation},
    secret::{RefreshToken, SecretText},
    shortname::Shortname,
    vault::{self, FileKey, Protection},
};
use tempfile::TempDir;

use super::{
    deps::Deps,
    held::Open,
    loaded::Accounts,
    source::{Unanswered, played::Played},
    token_cache::CachedToken,
};
use crate::{
    caller::Caller,
    clock::Clock,
    provider::{
        OAuthError, ProviderError, ProviderErrorKind, Providers, TokenResponse, issuer_data::IssuerData,
    },
    settings::options::Options,
};

/// What the wall clock shows at first.
pub const START: u64 = 1_800_000_000;

/// The runtime directory, in the other one.
const RUNTIME: &str = ".runtime";

/// An agent's accounts.
pub struct Bench {
    /// Theirs.
    pub clock: Clock,
    /// Those.
    pub accounts: Accounts,
    directory: TempDir,
}

impl Bench {
    /// No account.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// The same, told how to behave.
    pub fn with(options: Options) -> Self {
        Self::at(options, |directory| Home::at(directory))
    }

    /// The same, with a runtime directory.
    pub fn with_runtime_directory() -> Self {
        Self::at(Options::default(), |directory| {
            let runtime = directory.join(RUNTIME);
            fs_err::create_dir(&runtime).expect("a directory");
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs_err::set_permissions(&runtime, private).expect("private");
            Home::at(directory).with_runtime(runtime)
        })
    }

    /// How many successors lie in the runtime directory.
    pub fn in_runtime_directory(&self) -> usize {
        let unsaved = self.directory.path().join(RUNTIME).join("oidc-agent-unsaved");
        let entries = fs_err::read_dir(unsaved).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".rotated")).count()
    }

    /// Another agent, on a directory of its own, at the same time by the same clock.
    pub fn after(other: &Self) -> Self {
        Self::on(Options::default(), |directory| Home::at(directory), other.clock.clone())
    }

    fn at(options: Options, home: impl FnOnce(&Path) -> Home) -> Self {
        Self::on(options, home, Clock::simulated(START))
    }

    fn on(options: Options, home: impl FnOnce(&Path) -> Home, clock: Clock) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let home = home(directory.path());
        let issuers = IssuerData::read(&home, None);
        let settings = issuers.clone();
        let providers = Providers::new(clock.clone(), move |issuer| settings.settings(issuer));
        let prompts = crate::prompt::Queue::default();
        let accounts =
            Accounts::start(Deps { home, issuers, providers, options, prompts, clock: clock.clone() });
        Self { clock, accounts, directory }
    }

    /// Loads an account without asking for a first token.
    pub async fn add(&self, issuer: &str, name: &str) {
        self.try_add(AddRequest { plain_add: true, ..add_request(issuer, name) }).await.expect("loaded");
    }

    /// Loads an account.
    pub async fn try_add(&self, request: AddRequest) -> Result<(), Failure> {
        self.accounts.add(request).await.map(drop)
    }

    /// A token of an account that may be served from the cache.
    pub async fn token(&self, name: &str) -> Result<Arc<CachedToken>, Failure> {
        self.accounts.access_token(token_request(name), Caller::unseen()).await
    }
}

/// A request to load an account of an issuer.
pub fn add_request(issuer: &str, name: &str) -> AddRequest {
    let config = AccountConfig {
        name: Some(name.into()),
        issuer_url: Some(issuer.into()),
        client_id: Some("c".into()),
        refresh_token: Some("rt-1".into()),
        ..AccountConfig::default()
    };
    AddRequest { config, ..AddRequest::default() }
}

/// A request for a token of an account, by a program that wants no prompt.
pub fn token_request(name: &str) -> TokenRequest {
    TokenRequest { prompt: false, ..TokenRequest::new(Target::Account(name.into())) }
}

/// The file of an account, as other programs see it.
pub struct File {
    home: Home,
    name: Shortname,
    key: FileKey,
}

impl Bench {
    /// An account with a file in our format, loaded with the file's key. It holds `rt-1`.
    pub async fn add_played(&self, played: &Played) -> File {
        let file = self.write_file(played);
        let request = AddRequest {
            config: file.account(),
            file_key: Some(file.key.to_text()),
            plain_add: true,
            ..AddRequest::default()
        };
        self.try_add(request).await.expect("loaded");
        file
    }

    /// The file alone.
    pub fn write_file(&self, played: &Played) -> File {
        // One key derivation for all tests, which must not share what a key learns of generations.
        static SEALED: LazyLock<(Vec<u8>, SecretText)> = LazyLock::new(|| {
            let AddRequest { config, .. } = add_request("https://op.example", "acc");
            let (bytes, key) = vault::seal_new(&config, &Protection::Native(&"p".into())).expect("sealed");
            (bytes, key.to_text())
        });
        let key = FileKey::from_text(&SEALED.1).expect("a key");
        let file =
            File { home: self.accounts.deps().home.clone(), name: "acc".parse().expect("a name"), key };
        file.put(&SEALED.0);
        file.change(|account| account.grant_type = Some(played.kind()));
        file
    }

    /// What the account is in the open.
    pub fn held<T>(&self, look: impl FnOnce(&mut Open) -> T) -> T {
        let account = self.accounts.find(&"acc".parse().expect("a name")).expect("loaded");
        account.with_open(look).expect("not locked")
    }
}

impl File {
    /// What opens it.
    pub fn key(&self) -> &FileKey {
        &self.key
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.home.read(&self.name).expect("a file").to_vec()
    }

    /// The account in it.
    pub fn account(&self) -> AccountConfig {
        self.key.open(&self.bytes()).expect("it opens")
    }

    /// The refresh token in it; an empty text for none, or no file.
    pub fn token(&self) -> String {
        let is_there = self.home.file(&self.name).exists();
        let token = is_there.then(|| self.account().refresh_token).flatten();
        token.map(|token| token.expose().to_owned()).unwrap_or_default()
    }

    /// A program that takes no lock writes other bytes.
    pub fn put(&self, bytes: &[u8]) {
        fs_err::write(self.home.file(&self.name), bytes).expect("written");
    }

    /// Another program changes the account.
    pub fn change(&self, change: impl FnOnce(&mut AccountConfig)) {
        let mut account = self.account();
        change(&mut account);
        self.put(&self.key.seal(&account, &self.bytes()).expect("sealed"));
    }

    /// Another program stores a refresh token.
    pub fn set_token(&self, token: &str) {
        self.change(|account| account.refresh_token = some(token));
    }

    /// The file as `oidc passwd` leaves it: under a password that nobody has told the agent.
    pub fn rekey(&self) {
        let (bytes, _) =
            vault::seal_new(&self.account(), &Protection::OidcAgent(&"q".into())).expect("sealed");
        self.put(&bytes);
    }

    /// An agent without the file's key puts a successor beside the file.
    pub fn put_beside(&self, token: &str) {
        let (in_file, new) = (RefreshToken::new(self.token()), RefreshToken::new(token.to_owned()));
        let lock = self.lock();
        rotation::store(&self.home, &lock, None, &Rotation::of(&in_file, &new), &mut Room::default())
            .expect("stored");
    }

    /// Something that is no file stands where a successor would go.
    pub fn block_successors(&self) {
        fs_err::create_dir_all(self.home.file(&self.name).with_file_name(".acc.rotated"))
            .expect("a directory");
    }

    /// Something that is no file, and cannot be written, stands where the account's file was.
    pub fn replace_by_directory(&self) {
        self.delete();
        fs_err::create_dir(self.home.file(&self.name)).expect("a directory");
    }

    /// Undoes that; the file holds these bytes.
    pub fn put_back(&self, bytes: &[u8]) {
        fs_err::remove_dir(self.home.file(&self.name)).expect("removed");
        self.put(bytes);
    }

    /// The file is gone.
    pub fn delete(&self) {
        fs_err::remove_file(self.home.file(&self.name)).expect("deleted");
    }

    /// Another program uses the account.
    pub fn lock(&self) -> AccountLock {
        self.home.lock(&self.name, Duration::ZERO).expect("the lock")
    }
}

fn some(token: &str) -> Option<RefreshToken> {
    (!token.is_empty()).then(|| token.into())
}

/// An answer with an access token that lives for an hour, and a refresh token if any.
pub fn granted(access_token: &str, refresh_token: &str) -> TokenResponse {
    TokenResponse {
        access_token: access_token.into(),
        expires_in: Some(Duration::from_secs(3600)),
        refresh_token: some(refresh_token),
        refresh_expires_in: None,
        id_token: None,
        scope: None,
        issued_token_type: None,
        login_scope_refused: false,
    }
}

/// A provider's refusal: a dead refresh token for `invalid_grant`.
pub fn refused(status: u16, error: &str) -> Unanswered {
    let refusal = OAuthError::new(status, error, None, &[]);
    let kind = match error {
        "invalid_grant" => ProviderErrorKind::LoginNeeded(refusal),
        _ => ProviderErrorKind::Refused(refusal),
    };
    ProviderError::new("op.example".into(), kind).into()
}
