//! Asking the agent who somebody is: one account, or all of them at the same time.

use std::{collections::VecDeque, sync::Mutex, thread};

use oidc_proto::{
    message::{PersonReport, PersonRequest, Reply, Request},
    shell,
};

use crate::{agent::Agent, context::error::Error};

/// Most requests at a time.
const AT_A_TIME: usize = 16;

/// What the agent was told of one account.
pub fn ask(agent: &Agent, account: &str) -> Result<PersonReport, Error> {
    let request =
        PersonRequest { application_hint: Some("oidc whoami".to_owned()), ..PersonRequest::new(account) };
    let request = Request::Userinfo(request);
    match agent.call(&request)? {
        Reply::Success { info: Some(info) } => {
            PersonReport::from_info(&info).ok_or(Error::UnexpectedReply(request.name()))
        }
        Reply::Failure(failure) => Err(failure.into()),
        _ => Err(Error::UnexpectedReply(request.name())),
    }
}

/// The same for several accounts; one that takes long holds up no other.
pub fn ask_all(agent: &Agent, accounts: &[String]) -> Vec<Result<PersonReport, Error>> {
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..accounts.len()).collect());
    let next = || waiting.lock().ok()?.pop_front();
    let mut answers: Vec<Option<Result<PersonReport, Error>>> = Vec::new();
    answers.resize_with(accounts.len(), || None);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..accounts.len().min(AT_A_TIME))
            .map(|_| {
                // Each has a connection of its own.
                let agent = agent.clone();
                scope.spawn(move || {
                    let mut done = Vec::new();
                    while let Some(at) = next() {
                        done.push((at, ask(&agent, &accounts[at])));
                    }
                    done
                })
            })
            .collect();
        for (at, answer) in workers.into_iter().filter_map(|worker| worker.join().ok()).flatten() {
            answers[at] = Some(answer);
        }
    });
    answers.into_iter().map(|answer| answer.unwrap_or(Err(Error::UnexpectedReply("userinfo")))).collect()
}

/// How to get a scope that the account's tokens lack.
pub fn how_to_get(scope: &str, account: &str, report: &PersonReport) -> String {
    let login_scope = report.login_scope.as_deref().unwrap_or("openid");
    let wanted: Vec<_> = login_scope.split_whitespace().filter(|own| *own != scope).chain([scope]).collect();
    let command = format!(
        "{} --scope {}",
        shell::command("oidc gen --reauthenticate", account),
        shell::quoted(&wanted.join(" "))
    );
    format!(
        "The tokens of '{account}' lack the scope {scope}: `{command}` asks for it. Where the client does not get it, the \
         administrators of the provider can allow it."
    )
}
