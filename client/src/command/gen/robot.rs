//! Accounts of robots: nobody logs in, and no browser is needed. The client asks for itself, or a token from elsewhere is
//! exchanged each time that one is needed.

use std::env;

use oidc_proto::{
    account::{
        AccountConfig,
        subject_token::{Place, SubjectSource, SubjectToken, SubjectUrl},
    },
    message::Flow,
    program,
};

use super::{client_key, dialogue::Question, flows::Choice, session::Session};
use crate::{agent::absolute_path, context::error::Error, say::exit::Exit};

/// Where a job of GitHub Actions gets its token, and with what, where the workflow has the permission `id-token: write`.
const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const GITHUB_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// How a robot gets its tokens; `None`: the account is a person's. Two ways are tried where a token from elsewhere is to be
/// exchanged and nobody says how.
pub fn chosen(session: &Session, account: &AccountConfig) -> Result<Option<Choice>, Error> {
    let (flows, robot) = (&session.args.login.flow, &session.args.robot);
    let given: Vec<Flow> = flows.iter().map(|flow| flow.wire()).collect();
    let is_robot = |flow: &Flow| flow.robot_grant().is_some();
    let choice = |flows| Ok(Some(Choice { flows, reason: None }));
    if given.iter().any(is_robot) {
        if !given.iter().all(is_robot) {
            return Err(session.wrong_options(
                "a login and an account without one exclude each other: give one kind of --flow",
            ));
        }
        return choice(given);
    }
    let exchanges = robot.from.is_some() || robot.subject_token.is_some();
    match (given.is_empty(), exchanges) {
        (false, true) => {
            Err(session
                .wrong_options("a token from elsewhere needs --flow=token_exchange or --flow=jwt_bearer"))
        }
        (false, false) => Ok(None),
        (true, true) if robot.from.is_some() => choice(vec![Flow::TokenExchange]),
        (true, true) => choice(vec![Flow::TokenExchange, Flow::JwtBearer]),
        (true, false) => Ok(Flow::of_robot(account).map(|flow| Choice { flows: vec![flow], reason: None })),
    }
}

/// Fills in what the options say, and asks for what is missing.
pub fn complete(session: &mut Session, account: &mut AccountConfig, choice: &Choice) -> Result<(), Error> {
    let robot = &session.args.robot;
    if let Some(source) = source(session)? {
        account.subject_token = Some(Box::new(SubjectToken { source, token_type: None }));
    }
    if let (Some(subject), Some(token_type)) = (&mut account.subject_token, &robot.subject_token_type) {
        subject.token_type = Some(token_type.clone());
    }
    account.requested_token_type = robot.requested_token_type.clone().or(account.requested_token_type.take());
    if !robot.resource.is_empty() {
        account.resource = Some(robot.resource.join(" "));
    }
    account.scope = None;
    account.auth_scope = scope(session)?.or(account.auth_scope.take());
    (account.refresh_token, account.refresh_scope) = (None, None);
    if choice.flows.contains(&Flow::ClientCredentials) {
        account.subject_token = None;
        return complete_client(session, account);
    }
    if account.subject_token.is_none() {
        return Err(session.wrong_options("--from or --subject-token has to say where the token comes from"));
    }
    Ok(())
}

/// Nothing is asked for that the options leave out: the provider has its own scopes for robots.
fn scope(session: &Session) -> Result<Option<String>, Error> {
    let client = &session.args.client;
    let given = client.scope.join(" ");
    if client.scope_all || given.split_whitespace().any(|scope| scope == "max") {
        return Err(session.wrong_options("an account without a login needs its scopes by name"));
    }
    let given: Vec<_> = given.split_whitespace().collect();
    Ok(Some(given.join(" ")).filter(|scope| !scope.is_empty()))
}

fn complete_client(session: &mut Session, account: &mut AccountConfig) -> Result<(), Error> {
    if account.client_id.is_none() {
        let question = Question { label: "Client id", option: "client-id", default: None };
        let id = session.dialogue.ask(session.context, &question, |answer| Ok(answer.to_owned()))?;
        account.client_id = Some(id);
    }
    if account.client_secret.is_none() && !client_key::wanted(session, account) {
        let question = Question { label: "Client secret", option: "client-secret-file", default: None };
        let secret = session.dialogue.ask_secret(session.context, &question)?;
        if secret.is_empty() {
            let text = "a client without a secret cannot ask for itself".to_owned();
            return Err(Error::Other(Exit::Failure, text));
        }
        account.client_secret = Some(secret.expose().into());
    }
    Ok(())
}

/// Where the options say that the token comes from.
fn source(session: &Session) -> Result<Option<SubjectSource>, Error> {
    let robot = &session.args.robot;
    if let Some(account) = &robot.from {
        return Ok(Some(SubjectSource::Account(account.clone())));
    }
    let Some(given) = &robot.subject_token else { return Ok(None) };
    let bearer = match robot.subject_bearer.as_deref() {
        Some(given) => Some(place(given).ok_or_else(|| wrong("--subject-bearer", "env:NAME or file:PATH"))?),
        None => None,
    };
    let url = |address, bearer| {
        SubjectSource::Url(SubjectUrl { address, bearer, audience: robot.subject_audience.clone() })
    };
    if given == "github-actions" {
        let bearer = bearer.unwrap_or_else(|| Place::Variable(GITHUB_TOKEN.to_owned()));
        return Ok(Some(url(Place::Variable(GITHUB_URL.to_owned()), Some(bearer))));
    }
    let what = "file:PATH, env:NAME, command:WORDS, url:ADDRESS, url-env:NAME or github-actions";
    let (kind, rest) = given.split_once(':').unwrap_or_default();
    let source = match kind {
        _ if rest.is_empty() => None,
        "file" => absolute_path(rest).map(SubjectSource::File),
        "env" => Some(SubjectSource::Variable(rest.to_owned())),
        "command" => command(rest).map(SubjectSource::Command),
        "url" => Some(url(Place::Text(rest.to_owned()), bearer)),
        "url-env" => Some(url(Place::Variable(rest.to_owned()), bearer)),
        _ => None,
    };
    source.map(Some).ok_or_else(|| wrong("--subject-token", what))
}

fn place(given: &str) -> Option<Place> {
    match given.split_once(':')? {
        (_, "") => None,
        ("env", name) => Some(Place::Variable(name.to_owned())),
        ("file", path) => absolute_path(path).map(Place::File),
        _ => None,
    }
}

/// Words separated by blanks, or a JSON array of them; the first one is a program that is there.
fn command(text: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = match serde_json::from_str(text) {
        Ok(words) => words,
        Err(_) => text.split_whitespace().map(str::to_owned).collect(),
    };
    let program = words.first_mut()?;
    *program = if program.contains('/') { absolute_path(program)? } else { on_path(program)? };
    Some(words)
}

/// Found now, so that it does not depend on the agent's `PATH` which one is run.
fn on_path(program: &str) -> Option<String> {
    absolute_path(program::find(env::split_paths(&env::var_os("PATH")?), program)?.to_str()?)
}

/// What was given is not repeated: it may be the token itself.
fn wrong(option: &str, expected: &str) -> Error {
    let text = format!("{option}: {expected} is expected, and what it names has to be there");
    Error::Other(Exit::Failure, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_once_and_for_all() {
        let words = command("sh -c x").expect("a program");
        assert!(words[0].starts_with('/') && words[0].ends_with("/sh"), "{words:?}");
        assert_eq!(words[1..], ["-c", "x"]);
        assert_eq!(command(r#"["/bin/sh","a b"]"#), Some(vec!["/bin/sh".to_owned(), "a b".to_owned()]));
        assert_eq!(command("no-program-of-this-name"), None);
        assert_eq!(command(" "), None);
    }

    #[test]
    fn a_bearer_is_never_on_the_command_line() {
        assert_eq!(place("env:TOKEN"), Some(Place::Variable("TOKEN".to_owned())));
        assert_eq!(place("file:/run/t"), Some(Place::File("/run/t".to_owned())));
        for given in ["secret", "env:", "text:secret"] {
            assert_eq!(place(given), None, "{given}");
        }
    }
}
