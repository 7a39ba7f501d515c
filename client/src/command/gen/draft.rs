//! The account as far as options, a file and answers tell, before anything is asked at the provider.

use oidc_proto::{account::AccountConfig, shortname::Shortname};

use super::{
    arguments::ClientArgs, certificates, client_key, dialogue::Question, flows, issuer, mytoken, redirect,
    session::Session,
};
use crate::{
    account::issuer_url,
    cli::options::FormatArg,
    context::error::Error,
    say::{dialect::Dialect, exit::Exit},
};

/// Fills in what the options say; what they do not mention stays.
pub fn apply(session: &mut Session, name: &Shortname, account: &mut AccountConfig) -> Result<(), Error> {
    let args = session.args;
    account.name = Some(name.to_string());
    let client = &args.client;
    if let Some(issuer) = &client.issuer {
        account.issuer_url = Some(issuer_url::read(issuer).map_err(|reason| wrong("--issuer", &reason))?);
    }
    set(&mut account.config_endpoint, client.config_endpoint.as_ref());
    if let Some(path) = &client.cert_path {
        account.cert_path = Some(certificates::given(path)?);
    }
    set(&mut account.audience, client.aud.as_ref());
    mytoken::apply(client, account)?;
    if let Some(endpoint) = &client.device_authorization_endpoint {
        account.device_authorization_endpoint = Some(endpoint.clone());
        account.device_authorization_endpoint_set_by_user = true;
    }
    account.oauth |= client.oauth2;
    apply_client(client, account)?;
    client_key::apply(client, account)?;
    if account.client_name.is_none() {
        account.client_name = Some(client_name(name, client.cnid.as_deref()));
    }
    account.refresh_token = args.login.rt.clone().or(account.refresh_token.take());
    set(&mut account.username, args.login.op_username.as_ref());
    if let Some(password) = &args.login.op_password {
        account.password = Some(password.clone());
    }
    Ok(())
}

fn apply_client(client: &ClientArgs, account: &mut AccountConfig) -> Result<(), Error> {
    set(&mut account.client_id, client.client_id.as_ref());
    if let Some(secret) = &client.client_secret {
        account.client_secret = Some(secret.clone()).filter(|secret| !secret.is_empty());
    }
    let uris = redirect::given(client).map_err(|text| Error::Other(Exit::Failure, text))?;
    if !uris.is_empty() {
        account.redirect_uris = uris;
    }
    Ok(())
}

/// Fills in what the issuer data says and nothing else has said.
pub fn apply_issuer_data(session: &Session, account: &mut AccountConfig) {
    let Some(known) = account.issuer_url.as_deref().and_then(|issuer| session.issuers.get(issuer)) else {
        return;
    };
    account.oauth |= known.oauth;
    if account.config_endpoint.is_none() {
        account.config_endpoint = known.config_endpoint;
    }
    if account.cert_path.is_none() {
        account.cert_path = known.cert_path.and_then(|path| path.to_str().map(str::to_owned));
    }
    if account.device_authorization_endpoint.is_none()
        && let Some(endpoint) = known.device_authorization_endpoint
    {
        account.device_authorization_endpoint = Some(endpoint);
        account.device_authorization_endpoint_set_by_user = true;
    }
}

/// Asks for the issuer if nothing tells it, until there is a provider at the address.
pub fn complete_issuer(
    session: &mut Session,
    name: &Shortname,
    account: &mut AccountConfig,
) -> Result<(), Error> {
    if account.issuer_url.is_none() {
        account.issuer_url = account.config_endpoint.as_deref().and_then(issuer_of);
    }
    if account.issuer_url.is_some() {
        apply_issuer_data(session, account);
        spell_for_the_c_suite(session, account);
        return Ok(());
    }
    let mut is_first = true;
    loop {
        let mut tried = account.clone();
        tried.issuer_url = Some(issuer::ask(session, name.as_str(), std::mem::take(&mut is_first))?);
        apply_issuer_data(session, &mut tried);
        // A provider that cannot be asked for its scopes cannot be asked for a client either.
        match session.provider(&tried) {
            Ok(_) => {
                *account = tried;
                spell_for_the_c_suite(session, account);
                return Ok(());
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!("\n{hint}")).unwrap_or_default();
                let error = error.to_string();
                session.context.asker.tell(&format!("{}.{hint}", error.trim_end_matches('.')))?;
            }
        }
    }
}

/// As both `oidc-gen` of the C suite and its account files spell it: 4.x appends to it without a slash between. From
/// the beginning, so that the account has one spelling.
fn spell_for_the_c_suite(session: &Session, account: &mut AccountConfig) {
    let for_the_c_suite = match session.args.store.format {
        Some(format) => format == FormatArg::OidcAgent,
        None => session.context.output.dialect == Dialect::CSuite,
    };
    if let Some(issuer) = &mut account.issuer_url
        && for_the_c_suite
        && !issuer.ends_with('/')
    {
        issuer.push('/');
    }
}

/// The issuer that the address of its metadata begins with.
fn issuer_of(config_endpoint: &str) -> Option<String> {
    let (issuer, _) = config_endpoint.split_once("/.well-known/")?;
    issuer_url::read(issuer).ok()
}

/// Asks for the client that was registered by hand.
pub fn complete_client(session: &mut Session, account: &mut AccountConfig) -> Result<(), Error> {
    let was_known = account.client_id.is_some();
    if !was_known {
        let question = Question { label: "Client id", option: "client-id", default: None };
        let id = session.dialogue.ask(session.context, &question, |answer| Ok(answer.to_owned()))?;
        account.client_id = Some(id);
    }
    let secret_is_given = session.args.client.client_secret.is_some()
        || account.client_secret.is_some()
        || client_key::wanted(session, account);
    if !secret_is_given && !was_known {
        let label = "Client secret (Enter for a public client)";
        let question = Question { label, option: "client-secret", default: None };
        let secret = session.dialogue.ask_secret(session.context, &question)?;
        account.client_secret = Some(secret).filter(|text| !text.is_empty()).map(|text| text.expose().into());
    }
    Ok(())
}

/// Asks for what the password grant needs.
pub fn complete_credentials(session: &mut Session, account: &mut AccountConfig) -> Result<(), Error> {
    if !flows::wants_password(session.args) {
        return Ok(());
    }
    if account.username.is_none() {
        let question = Question { label: "Username", option: "op-username", default: None };
        account.username =
            Some(session.dialogue.ask(session.context, &question, |answer| Ok(answer.to_owned()))?);
    }
    if account.password.is_none() {
        let question = Question { label: "Password", option: "op-password", default: None };
        account.password = Some(session.dialogue.ask_needed_secret(session.context, &question)?);
    }
    Ok(())
}

/// `oidc-agent:<name>-<cnid>`: INDIGO IAM shows clients of such a name to the person who approved them.
fn client_name(name: &Shortname, identifier: Option<&str>) -> String {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let identifier = identifier.map_or_else(host, str::to_owned);
    format!("oidc-agent:{name}-{identifier}")
}

fn set(field: &mut Option<String>, given: Option<&String>) {
    if let Some(text) = given.filter(|text| !text.is_empty()) {
        *field = Some(text.clone());
    }
}

fn wrong(option: &str, reason: &str) -> Error {
    Error::Other(Exit::Failure, format!("{option}: {reason}"))
}
