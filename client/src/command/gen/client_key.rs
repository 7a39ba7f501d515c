//! The key by which a client authenticates (`private_key_jwt`): given or made, kept before anybody registers it, and its
//! public part shown.

use oidc_proto::{
    account::{AccountConfig, TOKEN_ENDPOINT_AUTH_METHOD},
    client_key::ClientKey,
    secret::SecretText,
    shell,
    shortname::Shortname,
};
use serde_json::{Value, json};

use super::{
    arguments::{AuthMethodArg, ClientArgs},
    flows::Choice,
    pending,
    save::Storage,
    session::{Session, account_name},
};
use crate::{account::file::Sealed, context::error::Error, say::exit::Exit};

/// Fills in what the options say of the key and of the method.
pub fn apply(client: &ClientArgs, account: &mut AccountConfig) -> Result<(), Error> {
    if let Some(key) = &client.client_key {
        ClientKey::parse(key).map_err(|error| {
            Error::Other(Exit::Failure, format!("the client's key cannot be used: {error}"))
        })?;
        account.client_key = Some(key.clone());
    }
    let method = match (client.auth_method, &client.client_key) {
        (None, Some(_)) => Some(AuthMethodArg::PrivateKeyJwt),
        (method, _) => method,
    };
    if let Some(method) = method {
        account.other.insert(TOKEN_ENDPOINT_AUTH_METHOD, method.name());
        if method != AuthMethodArg::PrivateKeyJwt {
            account.client_key = None;
        }
    }
    Ok(())
}

/// Whether the client authenticates with a key, be it one that is not made yet: it needs no secret.
pub fn wanted(session: &Session, account: &AccountConfig) -> bool {
    account.client_key.is_some() || session.args.client.auth_method == Some(AuthMethodArg::PrivateKeyJwt)
}

/// Makes the key where one is wanted and none is there. What a person has to register by hand is kept before it is shown,
/// and waited for; then the answer is `true`.
pub fn complete(
    session: &mut Session,
    name: &Shortname,
    account: &mut AccountConfig,
    storage: &Storage,
    choice: &Choice,
) -> Result<bool, Error> {
    if account.client_key.is_some() || !wanted(session, account) {
        return Ok(false);
    }
    let key = ClientKey::generate();
    let jwks = public_jwks(&key)?;
    account.client_key = Some(key);
    // One that is registered dynamically gets its key on that way.
    let Some(client) = account.client_id.clone() else { return Ok(false) };
    if !matches!(storage, Storage::New(_)) {
        return Err(session.wrong_options(
            "a key that is made has to be kept in a new account file: give one with --client-key-file",
        ));
    }
    // So that it is known what to go on with.
    account.grant_type = choice.flows.first().and_then(|flow| flow.robot_grant()).map(str::to_owned);
    let home = session.home()?;
    pending::keep(session, &home, name, account, storage)?;
    let issuer = account.issuer_url.as_deref().unwrap_or("the provider");
    let text = format!("Register this public key, a JWK set, for the client {client} at {issuer}:\n{jwks}");
    let shown = json!({"client_id": client, "jwks": jwks});
    session.context.output.instruction(&text, &shown);
    if session.dialogue.can_ask(session.context)
        && !session.dialogue.confirm(session.context, "Is it registered?", true)?
    {
        pending::after_failure(session, name, account, storage);
        return Err(Error::Declined);
    }
    Ok(true)
}

/// `--print-jwks`: the public key of an account, or of one that is not finished yet. Asks no agent.
pub fn print(session: &mut Session) -> Result<(), Error> {
    let name = account_name(session.named("--print-jwks needs the name of an account")?)?;
    let home = session.context.home()?;
    let account = if home.file(&name).exists() {
        let sources = session.args.sources();
        Sealed::read(&home, &name)?.open(&home, &sources, session.context.asker.as_mut())?.account
    } else if let Some(pending) = pending::open(session, &home, &name)? {
        pending.account
    } else {
        let text = format!("no account '{name}' is configured");
        return Err(Error::Other(Exit::UnknownAccount, text));
    };
    let Some(key) = &account.client_key else {
        let text = format!(
            "the client of account '{name}' has no key; `{} --auth-method=private_key_jwt` makes an account whose client \
             has one",
            shell::command("oidc gen", "NAME")
        );
        return Err(Error::Other(Exit::Failure, text));
    };
    let jwks = public_jwks(key)?;
    let output = &mut session.context.output;
    if output.json { Ok(output.json(&jwks)?) } else { Ok(output.line(&jwks.to_string())?) }
}

fn public_jwks(key: &SecretText) -> Result<Value, Error> {
    let key = ClientKey::parse(key)
        .map_err(|error| Error::Other(Exit::Failure, format!("the client's key cannot be used: {error}")))?;
    Ok(key.public_jwks())
}
