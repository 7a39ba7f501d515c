//! Deleting clients at their providers: only what is in the journal, with what was sealed when it was registered.

use oidc_proto::{
    account::AccountConfig,
    home::{Home, RegisteredClient},
    message::{DeleteClientRequest, Request},
    secret::Password,
    shell, vault,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{OrphansArgs, show::day};
use crate::{
    account::file::Sealed,
    context::{Context, account_name, error::Error},
    process::clock,
    say::exit::Exit,
};

impl OrphansArgs {
    /// Deletes those that no account uses, each after a question.
    pub(super) fn delete_orphans(
        &self,
        context: &mut Context,
        home: &Home,
        orphans: Vec<RegisteredClient>,
    ) -> Result<(), Error> {
        let mut passwords = Vec::new();
        let (mut deleted, mut left) = (Vec::new(), Vec::new());
        for client in orphans {
            let question = format!(
                "Delete the client {} at {}, registered on {} for '{}'?",
                client.client_id,
                client.issuer,
                day(client.registered_at),
                client.account
            );
            if !self.force && !context.confirm(&question, "deleting clients")? {
                continue;
            }
            match self.delete(context, home, &client, &mut passwords) {
                Ok(()) => {
                    if !context.output.json {
                        context.output.line(&format!("Deleted the client {}", client.client_id))?;
                    }
                    deleted.push(client.client_id);
                }
                Err(error) if error.is_no_agent() => return Err(error),
                Err(error) => left.push((client, error)),
            }
        }
        for (client, error) in &left {
            context.output.warning(&left_text(client, error));
        }
        if context.output.json {
            let left: Vec<_> = left
                .iter()
                .map(|(client, error)| json!({"client_id": client.client_id, "error": error.to_string()}))
                .collect();
            let status = if left.is_empty() { "success" } else { "failure" };
            context.output.json(&json!({"status": status, "deleted": deleted, "left": left}))?;
        } else if deleted.is_empty() && left.is_empty() {
            context.output.line("Nothing was deleted.")?;
        }
        if left.is_empty() {
            return Ok(());
        }
        let text = format!("{} of the clients could not be deleted", left.len());
        Err(Error::Other(Exit::Failure, text))
    }

    /// Deletes a client at its provider. The agent marks it in the journal.
    fn delete(
        &self,
        context: &mut Context,
        home: &Home,
        client: &RegisteredClient,
        passwords: &mut Vec<Password>,
    ) -> Result<(), Error> {
        let account = self.open(context, home, client, passwords)?;
        let (Some(uri), Some(token)) = (account.registration_client_uri, account.registration_access_token)
        else {
            return Err(cannot_delete());
        };
        let request = Request::DeleteClient(DeleteClientRequest {
            registration_client_uri: uri,
            registration_access_token: token,
            cert_path: account.cert_path,
        });
        context.call_or_start(&request).map(drop)?;
        // For an agent that keeps no journal.
        let now = clock::now();
        home.change_registrations(|own| {
            if own.is(&client.issuer, &client.client_id) {
                own.mark_deleted(now);
            }
            true
        })?;
        Ok(())
    }

    /// What is sealed of a registration: one of the passwords that opened another one may open it as well.
    fn open(
        &self,
        context: &mut Context,
        home: &Home,
        client: &RegisteredClient,
        passwords: &mut Vec<Password>,
    ) -> Result<AccountConfig, Error> {
        let Some(bytes) = client.sealed().map(Zeroizing::new) else {
            return Err(cannot_delete());
        };
        let known = passwords.iter().find_map(|password| vault::unlock(&bytes, password).ok());
        let account = if let Some(unlocked) = known {
            unlocked.account
        } else {
            let format = vault::format_of(&bytes).map_err(|_| cannot_delete())?;
            let name = account_name(&client.account)?;
            let sealed = Sealed { name, path: home.registrations_path(), bytes, format };
            if context.asker.is_there() {
                context.asker.tell(&format!(
                    "The client {} was registered for '{}': the password is the one that this account had then.",
                    client.client_id, client.account
                ))?;
            }
            let opened = sealed.open(home, &self.password.sources(), context.asker.as_mut())?;
            passwords.extend(opened.password);
            opened.account
        };
        // The journal itself is not proven; what is sealed is.
        let is_it = account.client_id.as_deref() == Some(client.client_id.as_str())
            && account.has_issuer(&client.issuer);
        if is_it { Ok(account) } else { Err(cannot_delete()) }
    }
}

fn cannot_delete() -> Error {
    let text = "its registration access token is not kept here, or cannot be read";
    Error::Other(Exit::Failure, text.to_owned())
}

fn left_text(client: &RegisteredClient, error: &Error) -> String {
    let place = match &client.registration_client_uri {
        Some(uri) => format!("it is managed at {uri}"),
        None => "the provider's account page or its administrators can".to_owned(),
    };
    let forget = shell::command("oidc orphans --forget", &client.client_id);
    format!(
        "the client {} stays registered at {}: {error}; {place}. `{forget}` takes it off the list",
        client.client_id, client.issuer
    )
}
