//! Making an account: questions, the client, the login, the file. In this order, so that nothing is made at the
//! provider before everything is known, and nothing that was made there is forgotten.

use oidc_proto::{account::AccountConfig, error_code::ErrorCode, shell, shortname::Shortname};

use super::{
    certificates, client_key,
    dialogue::Question,
    draft, files,
    flows::{self, Choice},
    login::{self, outcome::Outcome},
    mytoken, pending,
    public_client::{self, Known},
    redirect,
    registration::{self, Difference, Registered},
    registration_refused::{self, GoesOn},
    robot,
    save::{self, Storage},
    scopes,
    seal::{Seal, is_recoverable},
    session::{Session, account_name},
};
use crate::{
    account::{
        file::{Opened, Sealed},
        issuer_url,
    },
    context::error::Error,
    say::exit::Exit,
};

/// The name of a login that nothing is kept of.
pub const NAMELESS: &str = "only-at";

/// An account that is about to log in.
pub struct Beginning {
    /// The account's name.
    pub name: Shortname,
    /// What is known of it.
    pub account: AccountConfig,
    /// Where it will be kept.
    pub storage: Storage,
    /// Where its client comes from.
    pub client: ClientOrigin,
}

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOrigin {
    /// From elsewhere, or from the account as it was.
    Given,
    /// It was registered for this login, and would be left behind if that fails.
    Registered,
    /// It was registered for an earlier login that failed, and may be gone at the provider by now.
    RegisteredBefore,
}

/// Makes an account.
pub fn run(session: &mut Session) -> Result<(), Error> {
    let mut asked = None;
    match prepare(session, &mut asked) {
        Ok((beginning, choice)) => finish(session, beginning, &choice),
        Err(error) => {
            if error.is_by_the_person() {
                pending::after_break(session, asked.as_ref());
            }
            Err(error)
        }
    }
}

/// Everything up to the login. `asked`: the account's name, as soon as it is known.
fn prepare(session: &mut Session, asked: &mut Option<Shortname>) -> Result<(Beginning, Choice), Error> {
    let name = asked.insert(name(session)?).clone();
    let mut beginning = begin(session, name)?;
    draft::apply(session, &beginning.name, &mut beginning.account)?;
    if beginning.account.mytoken_url.is_some() {
        (beginning.account.grant_type, beginning.account.subject_token) = (None, None);
        let choice = mytoken::complete(session, &mut beginning.account)?;
        beginning.storage = storage(session, &beginning.name, beginning.storage)?;
        return Ok((beginning, choice));
    }
    draft::complete_issuer(session, &beginning.name, &mut beginning.account)?;
    if let Some(choice) = robot::chosen(session, &beginning.account)? {
        robot::complete(session, &mut beginning.account, &choice)?;
        beginning.storage = robot_storage(session, &beginning.name, &beginning.account, beginning.storage)?;
        complete_key(session, &mut beginning, &choice)?;
        return Ok((beginning, choice));
    }
    (beginning.account.grant_type, beginning.account.subject_token) = (None, None);
    let known = client(session, &mut beginning.account)?;
    let choice = flows(session, known.as_ref());
    let client_scope = known.as_ref().and_then(|known| known.scope.as_deref());
    let scope = scopes::wanted(session, &beginning.account, client_scope)?;
    beginning.account.auth_scope = Some(scope);
    if beginning.account.client_id.is_some() {
        redirect::complete(session, &mut beginning.account)?;
    }
    draft::complete_credentials(session, &mut beginning.account)?;
    beginning.storage = storage(session, &beginning.name, beginning.storage)?;
    complete_key(session, &mut beginning, &choice)?;
    let choice = register_if_needed(session, &mut beginning, choice)?;
    Ok((beginning, choice))
}

/// A key that was made for a client is not forgotten, as a client that was registered is not.
fn complete_key(session: &mut Session, beginning: &mut Beginning, choice: &Choice) -> Result<(), Error> {
    let Beginning { name, account, storage, client } = beginning;
    if client_key::complete(session, name, account, storage, choice)? {
        *client = ClientOrigin::Registered;
    }
    Ok(())
}

/// Logs in and stores the account; whatever fails, the client is not forgotten.
pub fn finish(session: &mut Session, beginning: Beginning, choice: &Choice) -> Result<(), Error> {
    let Beginning { name, mut account, storage, client } = beginning;
    let registered = account.clone();
    let kept = certificates::keep(session, &name, &mut account, &storage)?;
    session.hold_interrupts(true)?;
    let result = log_in(session, &name, &account, &storage, choice);
    session.hold_interrupts(false)?;
    if let Some(kept) = kept.filter(|_| result.is_err()) {
        // What failed is worse than a file too many.
        drop(session.home().map(|home| certificates::put_back(&home, &name, &kept)));
    }
    match (&result, client) {
        (_, ClientOrigin::Given) => {}
        (Err(error), ClientOrigin::RegisteredBefore)
            if error.failure_code() == Some(ErrorCode::InvalidClient)
                && !pending::is_registered_by_hand(&account) =>
        {
            if session.dialogue.can_ask(session.context) {
                return register_anew(session, &name, registered, storage, choice);
            }
            pending::tell_unknown(session, &name, &account);
        }
        (Err(_), _) => pending::after_failure(session, &name, &account, &storage),
        (Ok(()), _) => pending::after_success(session, &name, &account, &storage),
    }
    result
}

/// The client of an earlier login is gone at the provider: it is forgotten, and the login begins with another one.
fn register_anew(
    session: &mut Session,
    name: &Shortname,
    gone: AccountConfig,
    storage: Storage,
    choice: &Choice,
) -> Result<(), Error> {
    let id = gone.client_id.as_deref().unwrap_or_default();
    let text = format!("The provider does not take the client {id} any more. Another one is registered.");
    session.context.output.note(&text);
    let home = session.home()?;
    pending::discard(session, &home, name, &gone)?;
    let mut account = AccountConfig {
        issuer_url: gone.issuer_url,
        config_endpoint: gone.config_endpoint,
        cert_path: gone.cert_path,
        auth_scope: gone.auth_scope,
        audience: gone.audience,
        device_authorization_endpoint: gone.device_authorization_endpoint,
        device_authorization_endpoint_set_by_user: gone.device_authorization_endpoint_set_by_user,
        oauth: gone.oauth,
        client_name: gone.client_name,
        client_key: gone.client_key,
        ..AccountConfig::default()
    };
    draft::apply(session, name, &mut account)?;
    draft::apply_issuer_data(session, &mut account);
    let mut beginning = Beginning { name: name.clone(), account, storage, client: ClientOrigin::Given };
    let choice = register_if_needed(session, &mut beginning, choice.clone())?;
    finish(session, beginning, &choice)
}

fn log_in(
    session: &mut Session,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
    choice: &Choice,
) -> Result<(), Error> {
    let entry = save::password_entry(session, name, storage);
    match login::log_in(session, account, choice, Some(entry))? {
        Outcome::Account(reply) => {
            let merged = save::merged(account, &reply);
            scopes::tell_granted(session, account, &merged);
            save::save(session, name, &merged, storage)
        }
        Outcome::Token(token) => save::print_token(session, name, &token, storage),
        Outcome::HandedOver => session.handed_over(),
    }
}

/// The account's name: given or asked for.
fn name(session: &mut Session) -> Result<Shortname, Error> {
    if let Some(name) = &session.args.account {
        return account_name(name);
    }
    if session.args.login.only_at {
        return account_name(NAMELESS);
    }
    if !session.dialogue.can_ask(session.context) {
        return Err(Error::Other(Exit::Failure, "No account short name given.".to_owned()));
    }
    let question =
        Question { label: "Enter short name for the account to configure", option: "ACCOUNT", default: None };
    let home = session.context.home().ok();
    let edits = session.args.client.manual;
    session.dialogue.ask(session.context, &question, |answer| {
        let name = account_name(answer).map_err(|error| error.to_string())?;
        let exists = home.as_ref().is_some_and(|home| home.file(&name).exists());
        if exists && !edits { Err(exists_already(&name)) } else { Ok(name) }
    })
}

fn exists_already(name: &Shortname) -> String {
    format!(
        "An account with that shortname is already configured. `{}` logs in anew, `{}` changes it, `{}` deletes it.",
        shell::command("oidc gen --reauthenticate", name.as_str()),
        shell::command("oidc gen -m", name.as_str()),
        shell::command("oidc gen --delete", name.as_str()),
    )
}

/// What there is to begin with: an existing account, a pending registration, a file, or nothing.
fn begin(session: &mut Session, name: Shortname) -> Result<Beginning, Error> {
    let home = session.home()?;
    let file = home.file(&name);
    let is_manual = is_manual(session);
    if file.exists() {
        if !is_manual && !session.args.login.only_at {
            return Err(Error::Other(Exit::Failure, exists_already(&name)));
        }
        let sources = session.args.sources();
        let sealed = Sealed::read(&home, &name)?;
        let opened = sealed.open(&home, &sources, session.context.asker.as_mut())?;
        let account = opened.account.clone();
        let storage = existing(session, opened, is_recoverable(&sealed.bytes));
        return Ok(Beginning { name, account, storage, client: ClientOrigin::Given });
    }
    if let Some(pending) = pending::resume(session, &home, &name)? {
        expect_same_issuer(session, &pending.account, &name)?;
        let storage = Storage::New(pending.seal);
        return Ok(Beginning {
            name,
            account: pending.account,
            storage,
            client: ClientOrigin::RegisteredBefore,
        });
    }
    if is_manual && !session.args.login.only_at {
        session.progress("No account exists with this short name. Creating new configuration ...")?;
    }
    let account = match &session.args.client.file {
        Some(file) => files::start_values(session, &home, file)?,
        None => AccountConfig::default(),
    };
    Ok(Beginning { name, account, storage: Storage::Undecided, client: ClientOrigin::Given })
}

fn expect_same_issuer(session: &Session, account: &AccountConfig, name: &Shortname) -> Result<(), Error> {
    let given = session.args.client.issuer.as_deref().and_then(|issuer| issuer_url::read(issuer).ok());
    let differs = given.is_some_and(|issuer| !account.has_issuer(&issuer));
    if !differs {
        return Ok(());
    }
    let issuer = account.issuer_url.as_deref().unwrap_or_default();
    let text = format!(
        "the unfinished registration for '{name}' is one at {issuer}; finish it without --issuer, or remove it with `{}`",
        shell::command("oidc gen --delete", name.as_str())
    );
    Err(Error::Other(Exit::Failure, text))
}

/// Whether a client is given instead of registered.
fn is_manual(session: &Session) -> bool {
    let client = &session.args.client;
    client.manual
        || client.file.is_some()
        || client.client_id.is_some()
        || client.mytoken_url.is_some()
        || client.mytoken_profile.is_some()
        || (flows::has_refresh_token(session.args) && !client.public)
}

/// Finds the client that is used without registering one; without one, `account.client_id` stays empty.
fn client(session: &mut Session, account: &mut AccountConfig) -> Result<Option<Known>, Error> {
    if is_manual(session) && !session.args.client.public {
        draft::complete_client(session, account)?;
    }
    if account.client_id.is_some() && !session.args.client.public {
        return Ok(None);
    }
    public_client::chosen(session, account)
}

fn flows(session: &Session, known: Option<&Known>) -> Choice {
    let client = known.map(|known| known.flow.as_slice()).unwrap_or_default();
    flows::choose(session.args, client, false, session.desk.has_display())
}

/// An existing file keeps its password, unless another protection is asked for.
fn existing(session: &mut Session, opened: Opened, is_recoverable: bool) -> Storage {
    if session.args.login.only_at || session.args.store.no_save {
        return Storage::Nowhere(Some(Box::new(opened)));
    }
    if session.args.store.wants_recovery() {
        session.context.output.hint(
            "The account has a file already: `oidc passwd --add-recovery` or --recovery-gpg gives it another way in.",
        );
    }
    let new_seal = match (&session.args.store, opened.password.clone()) {
        (store, _) if store.gpg.is_some() => store.gpg.clone().map(Seal::Gpg),
        (store, Some(password)) if store.format.is_some() => Some(Seal::with(session, password)),
        _ => None,
    };
    let new_seal = match new_seal {
        Some(seal) if is_recoverable => Some(seal.in_place_of_recoverable(session)),
        new_seal => new_seal,
    };
    Storage::Existing { opened: Box::new(opened), new_seal }
}

/// Where the account will be kept. Asks for the password: now, before anything is made at the provider.
fn storage(session: &mut Session, name: &Shortname, so_far: Storage) -> Result<Storage, Error> {
    match so_far {
        Storage::Undecided if session.args.login.only_at || session.args.store.no_save => {
            Ok(Storage::Nowhere(None))
        }
        Storage::Undecided => Seal::choose(session, name).map(Storage::New),
        decided => Ok(decided),
    }
}

/// Where the account of a robot will be kept: one that holds no secret needs no password, unless one is given.
fn robot_storage(
    session: &mut Session,
    name: &Shortname,
    account: &AccountConfig,
    so_far: Storage,
) -> Result<Storage, Error> {
    let (args, hides) = (session.args, account.holds_secret());
    match so_far {
        Storage::Undecided if args.login.only_at || args.store.no_save => Ok(Storage::Nowhere(None)),
        Storage::Undecided if !hides && !is_protection_given(session) => Ok(Storage::New(Seal::Clear)),
        Storage::Undecided => Ok(Storage::New(Seal::choose(session, name)?.for_robot(session))),
        Storage::Existing { opened, new_seal: None } if opened.is_clear && hides => {
            let seal = Seal::choose(session, name)?.for_robot(session);
            Ok(Storage::Existing { opened, new_seal: Some(seal) })
        }
        decided => Ok(decided),
    }
}

fn is_protection_given(session: &Session) -> bool {
    let (store, password) = (&session.args.store, &session.args.password);
    let has_source = password.pw_env.is_some() || password.pw_cmd.is_some() || password.pw_file.is_some();
    store.gpg.is_some() || store.wants_recovery() || store.format.is_some() || has_source
}

/// Registers a client where none is known, and keeps it at once.
fn register_if_needed(
    session: &mut Session,
    beginning: &mut Beginning,
    choice: Choice,
) -> Result<Choice, Error> {
    if beginning.account.client_id.is_some() {
        return Ok(choice);
    }
    let home = session.home()?;
    let mut token = session.args.client.at.clone();
    loop {
        // From here until the registration is kept, Ctrl-C has to wait.
        session.hold_interrupts(true)?;
        match registration::register(session, &beginning.account, &choice.flows, token.as_ref())? {
            Registered::Client { client, left_out } => {
                let difference = Difference::between(beginning.account.login_scope(), &choice.flows, &client);
                beginning.account = registration::merge(std::mem::take(&mut beginning.account), &client);
                beginning.client = ClientOrigin::Registered;
                pending::keep(session, &home, &beginning.name, &beginning.account, &beginning.storage)?;
                let usable = difference.usable(&choice.flows);
                difference.besides(&left_out).show(session);
                return Ok(Choice { flows: usable, ..choice });
            }
            Registered::Refused(failure) => {
                session.hold_interrupts(false)?;
                match registration_refused::go_on(session, &mut beginning.account, *failure)? {
                    GoesOn::WithClient(known) => return Ok(flows(session, Some(&known))),
                    GoesOn::WithToken(given) => token = Some(given),
                }
            }
        }
    }
}

impl Session<'_> {
    fn hold_interrupts(&mut self, hold: bool) -> Result<(), Error> {
        self.desk
            .hold_interrupts(hold)
            .map_err(|error| Error::Other(Exit::Failure, format!("signals: {error}")))
    }
}
