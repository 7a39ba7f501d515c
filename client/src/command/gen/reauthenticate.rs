//! `--reauthenticate`: a new login with what is stored.

use super::{
    create::{self, Beginning},
    draft, flows, robot,
    save::Storage,
    session::{Session, account_name},
};
use crate::{
    account::{error::AccountError, file::Sealed},
    context::error::Error,
    say::exit::Exit,
};

/// Logs in anew. The file keeps its password and its format.
pub fn run(session: &mut Session) -> Result<(), Error> {
    let name = session.named("You have to specify a shortname to update the refresh token for it")?;
    let name = account_name(name)?;
    let home = session.context.home()?;
    let sealed = Sealed::read(&home, &name).map_err(|error| match error {
        AccountError::NoSuchAccount(_) => Error::Other(
            Exit::UnknownAccount,
            "No account configuration found with that shortname".to_owned(),
        ),
        error => error.into(),
    })?;
    let sources = session.args.password.sources();
    let opened = sealed.open(&home, &sources, session.context.asker.as_mut())?;
    let mut account = opened.account.clone();
    account.refresh_token = None;
    draft::apply(session, &name, &mut account)?;
    draft::complete_credentials(session, &mut account)?;
    let choice = if let Some(choice) = robot::chosen(session, &account)? {
        choice
    } else {
        // A robot's account that somebody logs in with is none any more.
        (account.grant_type, account.subject_token) = (None, None);
        let is_mytoken = account.mytoken_url.is_some();
        flows::choose(session.args, &[], is_mytoken, session.desk.has_display())
    };
    let storage = Storage::Existing { opened: Box::new(opened), new_seal: None };
    let beginning = Beginning { name, account, storage, was_registered: false };
    create::finish(session, beginning, &choice)
}
