//! The end of a login: the account goes into its file, and the agent learns how to write that file.

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home},
    issuers,
    message::{NewProtection, PasswdRequest, PasswordEntry, PasswordSources, Request, TokenReply},
    secret::Password,
    shortname::Shortname,
    vault::{self, FileKey},
};
use serde_json::json;

use super::{Session, seal::Seal};
use crate::{
    account_file::LOCK_TIMEOUT,
    cli::Dialect,
    command::{add, is_unknown_request},
    error::Error,
    exit::Exit,
};

/// Where an account is kept.
pub enum Storage {
    /// Not decided yet.
    Undecided,
    /// In a new file.
    New(Seal),
    /// In the file it has.
    Existing {
        /// What rewrites the file.
        key: FileKey,
        /// What opened it.
        password: Option<Password>,
        /// What protects it from now on, if something else.
        new_seal: Option<Seal>,
    },
    /// In the agent at most.
    Nowhere,
}

/// What is known of the account, with what the login brought.
pub fn merged(account: &AccountConfig, reply: &AccountConfig) -> AccountConfig {
    let mut object = account.to_object();
    for (key, value) in reply.to_object().members() {
        if key != "name" {
            object.insert(key.clone(), value.clone());
        }
    }
    let mut merged = AccountConfig::from_object(object);
    // The person's own credentials are for one login (RFC 6749 section 4.3.2 wants them discarded).
    (merged.username, merged.password) = (None, None);
    merged
}

/// How an agent of the C suite may get the file's password; ours is given the file key afterwards.
pub fn password_entry(session: &Session, name: &Shortname, storage: &Storage) -> PasswordEntry {
    let (password, gpg_key) = match storage {
        Storage::New(seal) | Storage::Existing { new_seal: Some(seal), .. } => match seal {
            Seal::Gpg(key) => (None, Some(key.clone())),
            Seal::Native(_) | Seal::OidcAgent(_) => (seal.password().cloned(), None),
        },
        Storage::Existing { password, .. } => (password.clone(), None),
        Storage::Undecided | Storage::Nowhere => (None, None),
    };
    let mut entry = add::password_entry(name, password, &session.args.password.sources(), None);
    if gpg_key.is_some() {
        entry.sources = entry.sources.with(PasswordSources::GPG);
        entry.gpg_key = gpg_key;
    }
    entry
}

/// Writes the account's file and says so.
pub fn save(
    session: &mut Session,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
) -> Result<(), Error> {
    if !matches!(storage, Storage::Nowhere) && !session.args.store.no_save {
        let home = session.home()?;
        let key = write(&home, name, account, storage)?;
        give_key(session, name, &key);
        list(session, &home, name, account);
    }
    report(session, name, account, storage)
}

fn write(
    home: &Home,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
) -> Result<FileKey, Error> {
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    let key = match storage {
        Storage::Existing { key, new_seal, .. } => rewrite(home, &lock, account, key, new_seal.as_ref())?,
        Storage::New(seal) => {
            if home.file(name).exists() {
                let text =
                    format!("{} has been written by another program meanwhile", home.file(name).display());
                return Err(Error::Other(Exit::File, text));
            }
            let (bytes, key) = seal.seal(home, name, account, 0)?;
            home.write(&lock, &bytes)?;
            key
        }
        Storage::Undecided | Storage::Nowhere => return Err(Error::UnexpectedReply("gen")),
    };
    home.remove_pending(&lock)?;
    Ok(key)
}

fn rewrite(
    home: &Home,
    lock: &AccountLock,
    account: &AccountConfig,
    key: &FileKey,
    new_seal: Option<&Seal>,
) -> Result<FileKey, Error> {
    let name = lock.name();
    let failed = |error| Error::Vault { name: name.clone(), file: home.file(name), error };
    let previous = home.read(name)?;
    // A key that does not open the file any more must not overwrite what somebody else wrote.
    key.open(&previous).map_err(failed)?;
    let (bytes, key) = match new_seal {
        Some(seal) => {
            let generation = vault::header(&previous).map_or(0, |header| header.generation);
            seal.seal(home, name, account, generation)?
        }
        None => (key.seal(account, &previous).map_err(failed)?, key.clone()),
    };
    home.replace(lock, &previous, &bytes)?;
    Ok(key)
}

/// Lets the agent write the file when a refresh token is replaced. One of the C suite has the password entry instead.
pub fn give_key(session: &mut Session, name: &Shortname, key: &FileKey) {
    let protection = NewProtection::FileKey(key.to_text());
    let request = Request::Passwd(PasswdRequest { account: name.to_string(), protection });
    match session.context.call(&request) {
        Err(error) if !is_unknown_request(&error) => session.context.output.warning(&format!(
            "the agent could not be told how to write the account file ({error}); run `oidc add --force {name}`"
        )),
        _ => {}
    }
}

/// Lists the account under its issuer, so that tokens can be asked for by the issuer's URL.
pub fn list(session: &mut Session, home: &Home, name: &Shortname, account: &AccountConfig) {
    let Some(issuer) = &account.issuer_url else { return };
    if let Err(error) = issuers::add_account(home, issuer, name) {
        session.context.output.warning(&format!("issuer.config is left as it was: {error}"));
    }
}

fn report(
    session: &mut Session,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
) -> Result<(), Error> {
    let is_saved = !matches!(storage, Storage::Nowhere);
    let file = session.context.home()?.file(name);
    let output = &mut session.context.output;
    if output.json {
        return Ok(output.json(&json!({
            "status": "success",
            "account": name,
            "issuer": account.issuer_url,
            "client_id": account.client_id,
            "scope": account.granted_scope(),
            "file": is_saved.then_some(&file),
        }))?);
    }
    output.line("success")?;
    if output.dialect == Dialect::CSuite {
        output.line(
            "The generated account config was successfully added to oidc-agent. You don't have to run oidc-add.",
        )?;
        let is_whole_login =
            session.args.instead.code_exchange.is_none() && session.args.instead.state.is_none();
        if is_whole_login {
            output.line("Everything setup correctly!")?;
        }
        return Ok(());
    }
    let place =
        if is_saved { format!("stored in {} and ", file.display()) } else { "not stored, but ".to_owned() };
    output.note(&format!(
        "The account is {place}loaded in the agent; `oidc token {name}` prints an access token."
    ));
    Ok(())
}

/// `--only-at`: the token and nothing else.
pub fn print_token(session: &mut Session, token: &TokenReply) -> Result<(), Error> {
    let output = &mut session.context.output;
    for warning in &token.warnings {
        output.warning(warning);
    }
    if output.json {
        return Ok(output.json(&json!({
            "access_token": token.access_token.expose(),
            "issuer": token.issuer,
            "expires_at": token.expires_at,
            "scope": token.scope,
        }))?);
    }
    Ok(output.line(token.access_token.expose())?)
}
