//! The clients that providers know: asked with accounts that the agent holds, without a question to the person.

use oidc_proto::{
    account::same_issuer,
    error_code::ErrorCode,
    home::RegisteredClient,
    message::{ClientList, PersonRequest, Reply, Request},
};

use super::{
    accounts::Accounts,
    show::{Listed, ListedBy},
};
use crate::context::{Context, agent_state, error::Error};

/// What each provider of a loaded account tells whose issuer `is_of` takes. One that tells nothing is no error: most have no
/// such list.
pub fn ask(context: &mut Context, is_of: impl Fn(&str) -> bool) -> Vec<ClientList> {
    let status = agent_state::ask(context).unwrap_or_default();
    let mut lists: Vec<ClientList> = Vec::new();
    let mut away: Vec<String> = Vec::new();
    for account in status.accounts.iter().filter(|account| is_of(&account.issuer)) {
        let is_here = |issuer: &str| same_issuer(issuer, &account.issuer);
        if lists.iter().any(|list| is_here(&list.issuer)) || away.iter().any(|issuer| is_here(issuer)) {
            continue;
        }
        let request = PersonRequest { prompt: false, ..PersonRequest::new(&account.name) };
        match told(context, request) {
            Ok(list) => {
                if list.is_cut {
                    let text = format!("{} knows more clients than are listed here", list.issuer);
                    context.output.warning(&text);
                }
                lists.push(list);
            }
            Err(error) => match error.failure_code() {
                // Another account may be a person's.
                Some(ErrorCode::NoPerson | ErrorCode::OperationForbidden | ErrorCode::PromptUnavailable) => {}
                Some(ErrorCode::NotSupportedByProvider | ErrorCode::UnknownRequest) => {
                    away.push(account.issuer.clone());
                }
                _ => {
                    let text = format!("{} does not tell which clients you have: {error}", account.issuer);
                    context.output.warning(&text);
                    away.push(account.issuer.clone());
                }
            },
        }
    }
    lists
}

fn told(context: &mut Context, request: PersonRequest) -> Result<ClientList, Error> {
    let Reply::Success { info: Some(info) } = context.call(&Request::Clients(request))? else {
        return Err(Error::UnexpectedReply("clients"));
    };
    ClientList::from_info(&info).ok_or(Error::UnexpectedReply("clients"))
}

/// Puts together what journal and providers know.
pub fn merge(listed: &mut Vec<Listed>, told: Vec<ClientList>, accounts: &Accounts) {
    for list in told {
        for client in list.clients {
            let known = listed.iter_mut().find(|one| one.client.is(&list.issuer, &client.client_id));
            if let Some(known) = known {
                known.by = ListedBy::Both;
                continue;
            }
            let used_by = accounts.user_of(&list.issuer, &client.client_id, "");
            let client = RegisteredClient {
                issuer: list.issuer.clone(),
                client_id: client.client_id,
                client_name: client.client_name,
                ..RegisteredClient::default()
            };
            listed.push(Listed { client, used_by, by: ListedBy::Provider });
        }
    }
}
