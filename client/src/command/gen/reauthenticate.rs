//! `--reauthenticate`: a new login with what is stored.

use oidc_proto::{
    account::{AccountConfig, same_issuer},
    message::Flow,
    shell,
    shortname::Shortname,
};

use super::{
    arguments::{FlowArg, GenArgs},
    create::{self, Beginning, ClientOrigin},
    draft,
    flows::{self, Choice},
    mytoken, redirect, robot,
    save::Storage,
    scopes,
    session::{Session, account_name},
};
use crate::{
    account::{error::AccountError, file::Sealed, issuer_url},
    context::error::Error,
    say::exit::Exit,
};

/// Logs in anew. The file keeps its password and its format.
pub fn run(session: &mut Session) -> Result<(), Error> {
    let result = log_in(session);
    if result.as_ref().is_err_and(Error::is_by_the_person) {
        session.context.output.hint("Nothing was changed: the account keeps the login that it had.");
    }
    result
}

fn log_in(session: &mut Session) -> Result<(), Error> {
    let name = session.named("You have to specify a shortname to update the refresh token for it")?;
    let name = account_name(name)?;
    if let Some(reason) = refused(session.args, &name) {
        return Err(session.wrong_options(&reason));
    }
    let home = session.context.home()?;
    let sealed = Sealed::read(&home, &name).map_err(|error| match error {
        AccountError::NoSuchAccount(_) => Error::Other(
            Exit::UnknownAccount,
            "No account configuration found with that shortname".to_owned(),
        ),
        error => error.into(),
    })?;
    let sources = session.args.sources();
    let opened = sealed.open(&home, &sources, session.context.asker.as_mut())?;
    let mut account = opened.account.clone();
    account.refresh_token = None;
    expect_same_issuer(session, &account, &name)?;
    let server = account.mytoken_url.clone();
    draft::apply(session, &name, &mut account)?;
    expect_same_server(session, server.as_deref(), &account, &name)?;
    draft::complete_credentials(session, &mut account)?;
    let choice = if account.mytoken_url.is_some() {
        mytoken::renew(session, &mut account)?
    } else if let Some(choice) = robot::chosen(session, &account)? {
        choice
    } else {
        // A robot's account that somebody logs in with is none any more.
        (account.grant_type, account.subject_token) = (None, None);
        take_scopes(session, &mut account)?;
        let choice = flows::choose(session.args, &[], false, session.desk.has_display());
        complete_redirects(session, &mut account, &choice)?;
        choice
    };
    let storage = Storage::Existing { opened: Box::new(opened), new_seal: None };
    let beginning = Beginning { name, account, storage, client: ClientOrigin::Given };
    create::finish(session, beginning, &choice)
}

/// Options that mean something else than a new login of the same account.
fn refused(args: &GenArgs, name: &Shortname) -> Option<String> {
    let (client, login, store) = (&args.client, &args.login, &args.store);
    let edit = shell::command("oidc gen -m", name.as_str());
    let keeps_client = format!("the account keeps its client; `{edit}` gives it another one");
    let registers_none = "no client is registered";
    let stores = "the new login is stored, because the one before may end with it";
    let takes_one = "it takes a new refresh token, by --rt-file or --rt-env";
    let wants_refresh = login.flow.contains(&FlowArg::Refresh) && !flows::has_refresh_token(args);
    [
        (client.manual, "--manual", keeps_client.as_str()),
        (client.file.is_some(), "--file", &keeps_client),
        (client.client_id.is_some(), "--client-id", &keeps_client),
        (client.public, "--pub", &keeps_client),
        (client.at.is_some(), "--at", registers_none),
        (client.cnid.is_some(), "--cnid", registers_none),
        (login.only_at, "--only-at", stores),
        (store.no_save, "--no-save", stores),
        (wants_refresh, "--flow=refresh", takes_one),
    ]
    .into_iter()
    .find(|(is_given, ..)| *is_given)
    .map(|(_, option, reason)| format!("--reauthenticate does not go with {option}: {reason}"))
}

fn expect_same_issuer(session: &Session, account: &AccountConfig, name: &Shortname) -> Result<(), Error> {
    let Some(given) = &session.args.client.issuer else { return Ok(()) };
    let given = issuer_url::read(given).map_err(|reason| Error::NoIssuer(given.clone(), reason))?;
    if account.has_issuer(&given) {
        return Ok(());
    }
    let issuer = account.issuer_url.as_deref().unwrap_or_default();
    Err(session.wrong_options(&format!("--issuer: the account '{name}' is one at {issuer} and stays there")))
}

/// A login elsewhere would leave the one before good there, and nobody would know of it any more.
fn expect_same_server(
    session: &Session,
    before: Option<&str>,
    account: &AccountConfig,
    name: &Shortname,
) -> Result<(), Error> {
    let same = |one: &str, other: &str| same_issuer(one, other);
    let text = match (before, account.mytoken_url.as_deref()) {
        (None, None) => return Ok(()),
        (Some(before), Some(now)) if same(before, now) => return Ok(()),
        (Some(before), _) => {
            format!("--mytoken-url: the account '{name}' is one at {before} and stays there")
        }
        (None, _) => {
            format!("--mytoken: the account '{name}' has no mytoken server; make another account for that")
        }
    };
    Err(session.wrong_options(&text))
}

/// Other scopes than those of the login before, if they are asked for.
fn take_scopes(session: &mut Session, account: &mut AccountConfig) -> Result<(), Error> {
    let client = &session.args.client;
    if client.scope.is_empty() && !client.scope_all {
        return Ok(());
    }
    account.auth_scope = Some(scopes::wanted(session, account, None)?);
    account.scope = None;
    // Those that the login before was granted.
    account.refresh_scope = None;
    Ok(())
}

/// An account that was made from a refresh token knows no redirect URI.
fn complete_redirects(
    session: &mut Session,
    account: &mut AccountConfig,
    choice: &Choice,
) -> Result<(), Error> {
    if !account.redirect_uris.is_empty() || !choice.flows.contains(&Flow::Code) {
        return Ok(());
    }
    if choice.flows.first() == Some(&Flow::Code) {
        return redirect::complete(session, account);
    }
    account.redirect_uris = redirect::USUAL.map(str::to_owned).into();
    Ok(())
}
