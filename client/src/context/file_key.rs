//! Telling the agent that the file of an account it holds has a new key: without it the agent could not write the next
//! refresh token there.

use oidc_proto::{
    message::{NewProtection, PasswdRequest, Request},
    shell,
    shortname::Shortname,
    vault::FileKey,
};

use super::{Context, error::Error};

/// Gives the key to the agent if it holds the account. Without an agent there is nobody to tell; one that cannot be
/// told is worth a warning. `new_password` says that an agent of the C suite cannot help itself with the old one.
pub fn give_if_loaded(context: &mut Context, name: &Shortname, key: &FileKey, new_password: bool) {
    let given = match context.loaded_accounts() {
        Ok(loaded) if loaded.iter().any(|other| other == name.as_str()) => give(context, name, key),
        Err(error) if !error.is_no_agent() => Err(error),
        _ => return,
    };
    match given {
        Err(error) if new_password || !error.is_unknown_request() => warn(context, name, &error),
        _ => {}
    }
}

/// Gives the key to the agent, which holds the account.
pub fn give(context: &mut Context, name: &Shortname, key: &FileKey) -> Result<(), Error> {
    let protection = NewProtection::FileKey(key.to_text());
    context.call(&Request::Passwd(PasswdRequest { account: name.to_string(), protection })).map(drop)
}

/// The agent holds the account, or may hold it, and does not know the key.
pub fn warn(context: &mut Context, name: &Shortname, error: &Error) {
    context.output.warning(&format!(
        "the agent could not be told how to write the account file ({error}); run `{}`",
        shell::command("oidc add --force", name.as_str())
    ));
}
