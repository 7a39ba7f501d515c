//! The secret of an account that is used up by asking: a refresh token that the provider may replace.
//!
//! The order is what keeps accounts alive: the account's file lock is taken, a newer refresh token that another program
//! left in the file is adopted, an earlier one that is not where it belongs is put there, room is made for the next, and
//! only then is the secret sent. What replaces it is on the disk before anything is handed out. The file lock is held
//! throughout, so that two agents that share a directory never spend the same refresh token.

use oidc_proto::{
    account::{AccountConfig, login_end},
    error_code::ErrorCode,
    fault_point,
    home::{HomeError, Room},
    message::Failure,
    rotation::{RotationError, Stored},
    secret::RefreshToken,
    vault::FileKey,
};

use super::{
    account::Account,
    deps::Deps,
    disk::AccountFile,
    held::{Held, Open},
    look::Stamp,
    refresh_tokens::{Kept, Owed, RefreshTokens},
};
use crate::clock::Moment;

/// The account's file, under its lock, from before the secret is sent until its successor is kept.
pub struct Renewal {
    file: AccountFile,
    room: Room,
    /// What was sent, and what it takes to make its successor durable: also when the agent was locked meanwhile.
    sent: Option<(RefreshTokens, Option<FileKey>)>,
}

/// What replaced a secret, and what became of it on the disk.
pub struct Successor {
    new: RefreshToken,
    stored: StoreResult,
    /// What the person has to know, where it lies somewhere else.
    pub warning: Option<String>,
}

impl Renewal {
    /// Takes the lock of the account's file, and takes over what another program put into it.
    pub async fn begin(account: &Account, deps: &Deps) -> Result<Self, Failure> {
        let file = look_at_file(account, deps).await?;
        Ok(Self { file, room: Room::default(), sent: None })
    }

    /// Puts an earlier successor where it belongs.
    pub async fn settle(&self, account: &Account) -> Result<(), Failure> {
        save_what_is_unsaved(account, &self.file).await
    }

    /// Makes room for a successor.
    pub async fn make_room(&mut self, account: &Account) -> Result<(), Failure> {
        self.room = make_room(account, &self.file).await?;
        Ok(())
    }

    /// The secret that is about to be sent.
    pub fn send(&mut self, account: &Account) -> Result<Option<RefreshToken>, Failure> {
        let (tokens, key) = account.with_open(|open| (open.tokens.clone(), open.file_key.clone()))?;
        let secret = tokens.current().cloned();
        self.sent = Some((tokens, key));
        Ok(secret)
    }

    /// The secret is dead: whether there is another one by now. A program that knows nothing of our lock may have spent
    /// it in between, and left a newer one.
    pub async fn look_again(&self, account: &Account, now: Moment) -> Result<bool, Failure> {
        let found = self.file.look(account.with_open(|open| open.known(now))?).await;
        account.with_open(|open| open.adopt(&account.name, found))
    }

    /// Makes what came with an answer durable, if that replaces what was sent. `ends_at`: when that ends, in seconds since the
    /// epoch, where the provider says so.
    pub async fn keep(
        self,
        account: &Account,
        came: Option<RefreshToken>,
        ends_at: Option<u64>,
    ) -> Option<Successor> {
        let (mut tokens, key) = self.sent?;
        let Some(new) = came.filter(|new| tokens.current() != Some(new)) else {
            note(account, RefreshTokens::not_rotated);
            return None;
        };
        // Before it is stored.
        note(account, |tokens| tokens.rotated(new.clone()));
        tokens.rotated(new.clone());
        let stored = match tokens.owed() {
            Some(owed) => self.file.store(key, Owed { ends_at, ..owed }, self.room).await,
            None => Ok((Stored::Gone, None)),
        };
        fault_point::reached("stored");
        let warning = warning(account, &stored);
        Some(Successor { new, stored, warning })
    }
}

impl Renewal {
    /// Makes durable what a new login brought, whatever stood before: the refresh token of `login` and, where the file can be
    /// written, what else it changed. `ends_at` as in [`Renewal::keep`].
    pub async fn keep_login(
        mut self,
        account: &Account,
        new: RefreshToken,
        login: AccountConfig,
        ends_at: Option<u64>,
    ) -> Result<Successor, Failure> {
        self.send(account)?;
        let (mut tokens, key) = self.sent.unwrap_or_default();
        note(account, |tokens| tokens.logged_in(new.clone()));
        tokens.logged_in(new.clone());
        let mut stored = match tokens.owed() {
            Some(owed) => self.file.store(key.clone(), Owed { ends_at, ..owed }, self.room).await,
            None => Ok((Stored::Gone, None)),
        };
        if let (Ok((Stored::InFile { .. }, stamp)), Some(key)) = (&mut stored, key) {
            match self.file.change(key, move |config| take_login(config, &login)).await {
                Ok(newer) => *stamp = newer,
                // The token is what counts; the rest is found out again.
                Err(error) => {
                    tracing::warn!(account = %account.name, %error, "the scopes of the new login were not saved");
                }
            }
        }
        fault_point::reached("stored");
        let warning = warning(account, &stored);
        Ok(Successor { new, stored, warning })
    }
}

/// What a new login says of an account besides its refresh token.
pub fn take_login(config: &mut AccountConfig, login: &AccountConfig) {
    config.scope.clone_from(&login.scope);
    config.auth_scope.clone_from(&login.auth_scope);
    config.refresh_scope.clone_from(&login.refresh_scope);
    for (key, value) in login.other.members() {
        config.other.insert(key.clone(), value.clone());
    }
}

impl Successor {
    /// Whether the account has no file: nothing but memory holds it.
    pub fn has_no_file(&self) -> bool {
        matches!(self.stored, Ok((Stored::Gone, _)))
    }

    /// What became of a token, for tests.
    #[cfg(test)]
    pub fn played(new: RefreshToken, stored: Result<Stored, RotationError>) -> Self {
        Self { new, stored: stored.map(|stored| (stored, None)), warning: None }
    }

    /// Notes it in memory: an account in the open goes on with it.
    ///
    /// The agent may have been locked when the answer came, and been unlocked while the token was stored: what is in the
    /// open then still holds the token that was spent.
    pub fn note(&self, account: &Account, open: &mut Open) {
        open.tokens.rotated(self.new.clone());
        note_stored(open, account, &self.new, &self.stored);
    }

    /// The same for an account that was sealed meanwhile: the token, and where it is.
    pub fn to_put_away(&self) -> (&RefreshToken, Option<&Stored>) {
        (&self.new, self.stored.as_ref().ok().map(|(stored, _)| stored))
    }

    /// Fails where nothing may be handed out before it is saved.
    pub fn must_be_safe(self, account: &Account) -> Result<(), Failure> {
        match self.stored {
            Err(error) if !may_go_on_without(&error) => Err(not_saved(account, &error)),
            _ => Ok(()),
        }
    }
}

/// Makes room for a successor before the refresh token is spent.
///
/// Where none can be made, what happens is decided here and not afterwards. Files that may not be written (a read-only
/// file system, a mounted secret) are how the person set things up: the account goes on, with a warning, in memory and in
/// the runtime directory. Anything else, above all a full disk, stops an account whose provider replaces the refresh
/// token. While it is not known whether that does, a full disk is no obstacle if there is a place in the runtime
/// directory.
async fn make_room(account: &Account, file: &AccountFile) -> Result<Room, Failure> {
    let rotates = account.with_open(|open| open.tokens.rotates())?;
    let error = match file.make_room(rotates != Some(false)).await {
        Ok(room) => return Ok(room),
        Err(error) => error,
    };
    if may_be_spent_without_room(&error, rotates, file.has_stand_in().await) {
        tracing::warn!(account = %account.name, %error, "a new refresh token could not be written to the account file");
        return Ok(Room::default());
    }
    tracing::error!(account = %account.name, %error, "no refresh: a new refresh token could not be stored");
    let (name, text) = (&account.name, format!("could not save account '{}': {error}", account.name));
    Err(Failure::new(ErrorCode::WriteFailed, text).with_info(format!(
        "The provider was not asked: it replaces the refresh token of '{name}' each time, and the new one could not be \
         stored. Nothing is lost. Mend the cause and ask again."
    )))
}

/// Whether a refresh token may be sent although no room can be made for its successor, for this reason.
fn may_be_spent_without_room(error: &HomeError, rotates: Option<bool>, has_stand_in: bool) -> bool {
    let is_no_room = matches!(error, HomeError::NoSpace(_) | HomeError::Io(_));
    let may_be_kept = is_no_room && rotates.is_none() && has_stand_in;
    is_lasting(error) || rotates == Some(false) || may_be_kept
}

/// Whether an obstacle to writing is how things were set up, and will not pass.
fn is_lasting(error: &HomeError) -> bool {
    matches!(
        error,
        HomeError::PermissionDenied(_)
            | HomeError::CannotReplace(_)
            | HomeError::NotFound(_)
            | HomeError::NotADirectory(_)
            | HomeError::NoDirectory
    )
}

/// Takes the lock of the account's file, and takes over what another program put into it.
pub async fn look_at_file(account: &Account, deps: &Deps) -> Result<AccountFile, Failure> {
    let known = account.with_open(|open| open.known(deps.clock.now()))?;
    let in_use = || in_use(account, deps);
    let (file, found) = AccountFile::lock(&deps.home, &account.name, &known, || account.hold_up(in_use()))
        .await
        .map_err(|error| {
            tracing::warn!(account = %account.name, %error, "the account's file is in use");
            in_use()
        })?;
    account.with_open(|open| open.adopt(&account.name, found))?;
    Ok(file)
}

/// What became of a refresh token, and the stamp of the account's file after that.
type StoreResult = Result<(Stored, Option<Stamp>), RotationError>;

/// An earlier rotation that is not where it belongs is put there before anything else is handed out. One that lies safe
/// elsewhere is no obstacle.
pub async fn save_what_is_unsaved(account: &Account, file: &AccountFile) -> Result<(), Failure> {
    let owed = account.with_open(|open| {
        // Beside the file is as good as it gets without its key.
        let is_settled = open.tokens.kept() == Kept::Beside && open.file_key.is_none();
        open.tokens.owed().filter(|_| !is_settled).map(|owed| (open.file_key.clone(), owed))
    })?;
    let Some((key, owed)) = owed else { return Ok(()) };
    let ends_at = account.with_open(|open| login_end::of(&open.config, &owed.new))?;
    let owed = Owed { ends_at, ..owed };
    let new = owed.new.clone();
    let stored = file.store(key, owed, Room::default()).await;
    let must_be_stored = account.with_open(|open| {
        note_stored(open, account, &new, &stored);
        open.tokens.must_be_stored()
    })?;
    match stored {
        Err(error) if must_be_stored => Err(not_saved(account, &error)),
        _ => Ok(()),
    }
}

/// Notes something of the tokens in memory, where they are in the open.
fn note(account: &Account, change: impl FnOnce(&mut RefreshTokens)) {
    account.with_held(|held| {
        if let Held::Open(open) = held {
            change(&mut open.tokens);
        }
    });
}

/// What is to be said about a refresh token that was not stored where it belongs.
fn warning(account: &Account, stored: &StoreResult) -> Option<String> {
    let name = &account.name;
    match stored {
        Ok((Stored::InRuntimeDirectory(reason), _)) => Some(format!(
            "the new refresh token of account '{name}' could not be saved in its file ({reason}); it lies in the runtime \
             directory until it can be, and is gone with the next start of this machine"
        )),
        Err(error) if may_go_on_without(error) => Some(format!(
            "the new refresh token of account '{name}' could not be saved ({error}); only the running agent holds it, and \
             the login is lost when the agent ends"
        )),
        _ => None,
    }
}

fn may_go_on_without(error: &RotationError) -> bool {
    matches!(error, RotationError::Home(error) if is_lasting(error))
}

/// Notes in memory what became of a refresh token on disk.
fn note_stored(open: &mut Open, account: &Account, new: &RefreshToken, stored: &StoreResult) {
    let (stored, stamp) = match stored {
        Ok(stored) => stored,
        Err(error) => return open.tokens.not_stored(may_go_on_without(error)),
    };
    open.kept_at_hand = matches!(stored, Stored::InRuntimeDirectory(_));
    if open.tokens.stored(stored) {
        open.has_another_token();
    }
    match stored {
        Stored::InFile { rolled_back } => {
            open.stamp = *stamp;
            if *rolled_back {
                tracing::warn!(account = %account.name, "the account file had been replaced by an older one");
            }
        }
        Stored::Beside(Some(reason)) => {
            tracing::warn!(account = %account.name, reason, "the rotated refresh token lies beside the account file");
        }
        Stored::InRuntimeDirectory(reason) => {
            tracing::warn!(account = %account.name, reason, "the rotated refresh token lies in the runtime directory");
        }
        Stored::Adopted { token, .. } => {
            let newer = token != new;
            tracing::info!(account = %account.name, newer, "another program stored a refresh token meanwhile");
        }
        // Loaded into memory only, or reset meanwhile.
        Stored::Beside(None) | Stored::Gone => {}
    }
}

/// Another program has the lock of the account's file.
fn in_use(account: &Account, deps: &Deps) -> Failure {
    let (name, path) = (&account.name, deps.home.file(&account.name));
    let error = format!("account '{name}' is in use: another program holds the lock of {}", path.display());
    Failure::new(ErrorCode::WriteFailed, error).with_info(
        "That is another agent that uses the same directory, perhaps on another machine, and is getting a new token, or an \
         'oidc' command that is changing the account and may have been stopped. The provider was not asked. Ask again when \
         that program is done, or end it: 'lsof' tells which one on this machine has a file open in that directory.",
    )
}

fn not_saved(account: &Account, error: &RotationError) -> Failure {
    tracing::error!(account = %account.name, %error, "a rotated refresh token could not be saved");
    Failure::new(ErrorCode::WriteFailed, format!("could not save account '{}': {error}", account.name)).with_info(
        "The provider replaced the refresh token. The agent holds the new one in memory and hands out no access token \
         before it is saved. Mend the cause and ask again; do not stop the agent until then.",
    )
}

#[cfg(test)]
mod tests;
