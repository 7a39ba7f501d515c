//! Getting the token that an account exchanges for its own: from another account, a file, a variable, a program, or an
//! address.
//!
//! A variable is one of the agent's environment: a request tells nothing of the environment of the program that makes it,
//! and what the kernel shows of other processes is not read. So an agent that is to use one is started where it is set.
//!
//! Whoever can write an account's file could have any program run for its user, where the file needs no password. So a
//! program is run only if nobody else can write that file.

use std::{future::Future, os::unix::fs::MetadataExt, pin::Pin, process::Command, time::Duration};

use oidc_proto::{
    account::{
        AccountConfig,
        subject_token::{Place, SubjectSource, SubjectToken, SubjectUrl},
    },
    environment::without_secrets,
    error_code::ErrorCode,
    home::Home,
    json::Object,
    jwt::Claims,
    message::Failure,
    secret::SecretText,
    shell,
    shortname::Shortname,
    trust::Judge,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use url::Url;
use zeroize::Zeroizing;

use super::{
    super::{
        off_thread::off_thread,
        password_source::{command, file},
        token_cache::Purpose,
    },
    question::{Question, Unanswered},
};

/// How long a file, a program or an address may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest token, with whatever is around it, in bytes.
const MAX_LENGTH: usize = 64 * 1024;
/// How long the token of another account has to be valid still, in seconds.
const MIN_VALID: u64 = 30;
/// By how much this machine's clock may be ahead of whoever made a token, in seconds.
const SKEW: u64 = 60;
/// In which members of JSON a token is looked for, in this order: GitHub's, then those of others.
const MEMBERS: [&str; 4] = ["value", "id_token", "access_token", "token"];

/// Files and programs that are waited for at the same time.
static WAITING: Semaphore = Semaphore::const_new(8);

/// The token that is to be exchanged.
pub async fn get(question: &Question<'_>, subject: &SubjectToken) -> Result<SecretText, Unanswered> {
    let why = |reason: &str| unavailable(question.name, &subject.source, reason);
    let found = match &subject.source {
        SubjectSource::Account(name) => return Ok(of_account(question, name).await?),
        SubjectSource::File(path) => {
            let path = path.clone();
            let reading = move || file::content(&path, MAX_LENGTH as u64, DEADLINE);
            waited_for(question.deadline, reading).await.map_err(|reason| why(&reason))?
        }
        SubjectSource::Variable(name) => variable(name).map_err(|reason| why(&reason))?,
        SubjectSource::Command(words) => {
            let (home, account, words) =
                (question.accounts.deps().home.clone(), question.name.clone(), words.clone());
            let running = move || {
                require_own_file(&home, &account)?;
                let (program, arguments) = words.split_first().ok_or_else(|| "it is empty".to_owned())?;
                let mut program = Command::new(program);
                let run = without_secrets(program.args(arguments));
                command::output(run, MAX_LENGTH, DEADLINE).map_err(|error| error.to_string())
            };
            waited_for(question.deadline, running).await.map_err(|reason| why(&reason))?
        }
        SubjectSource::Url(url) => of_address(question, subject, url).await?,
    };
    let token = token_in(&found).map_err(|reason| why(&reason))?;
    let now = question.accounts.deps().clock.now().wall;
    let end = Claims::of(token.expose()).and_then(|claims| claims.expires_at());
    match end.filter(|end| end.saturating_add(SKEW) <= now) {
        Some(end) => Err(why(&format!("it has expired {} s ago", now - end)).into()),
        None => Ok(token),
    }
}

/// The access token of another account of this agent. Boxed, for that one may get its own in the same way.
fn of_account<'a>(
    question: &'a Question<'_>,
    name: &'a str,
) -> Pin<Box<dyn Future<Output = Result<SecretText, Failure>> + Send + 'a>> {
    Box::pin(async move {
        let accounts = question.accounts;
        accounts.require_no_ring(question.name, question.config).await?;
        let other = name.parse().map_err(|_| Failure::account_not_found())?;
        let account = accounts.loaded_or_in_clear(&other).await.map_err(|failure| {
            let hint = format!(
                "The account '{}' gets its tokens from '{name}', which has to be loaded: run `{}`.",
                question.name,
                shell::command("oidc add", name)
            );
            Failure { error: format!("account '{name}': {}", failure.error), ..failure }.with_info(hint)
        })?;
        if account.confirm {
            let text = format!(
                "account '{name}' asks before each use, and cannot give tokens to '{}'",
                question.name
            );
            return Err(Failure::new(ErrorCode::OperationForbidden, text));
        }
        let token = accounts.token_of(&account, Purpose::default(), MIN_VALID).await;
        let token = token.map_err(|failure| {
            let text = format!(
                "account '{name}', from which '{}' gets its tokens: {}",
                question.name, failure.error
            );
            Failure { error: text, ..failure }
        })?;
        Ok(SecretText::from(token.access_token.expose()))
    })
}

async fn of_address(
    question: &Question<'_>,
    subject: &SubjectToken,
    url: &SubjectUrl,
) -> Result<Zeroizing<Vec<u8>>, Unanswered> {
    let why = |reason: &str| unavailable(question.name, &subject.source, reason);
    let address = text_at(question.deadline, &url.address).await.map_err(|reason| why(&reason))?;
    let mut parsed =
        Url::parse(address.expose()).map_err(|error| why(&format!("it is no address: {error}")))?;
    if let Some(audience) = &url.audience {
        parsed.query_pairs_mut().append_pair("audience", audience);
    }
    let bearer = match &url.bearer {
        Some(place) => Some(text_at(question.deadline, place).await.map_err(|reason| why(&reason))?),
        None => None,
    };
    // Its own site, with its own metadata if any: only how HTTP is spoken is the same.
    let site = AccountConfig {
        issuer_url: Some(parsed.origin().ascii_serialization()),
        cert_path: question.config.cert_path.clone(),
        ..AccountConfig::default()
    };
    // So that the answer is about the address, whoever waits, and not about the provider.
    let deadline = question.deadline.min(Instant::now() + DEADLINE);
    let asked = match question.accounts.deps().providers.provider(&site) {
        Ok(site) => site.subject_token(parsed.as_str(), bearer.as_ref(), deadline).await,
        Err(error) => Err(error),
    };
    Ok(asked.map_err(|error| why(&error.to_string()))?)
}

/// A text, from where it stands.
async fn text_at(deadline: Instant, place: &Place) -> Result<SecretText, String> {
    let found = match place {
        Place::Text(text) => return Ok(SecretText::from(text.as_str())),
        Place::Variable(name) => variable(name)?,
        Place::File(path) => {
            let path = path.clone();
            waited_for(deadline, move || file::content(&path, MAX_LENGTH as u64, DEADLINE)).await?
        }
    };
    let text = std::str::from_utf8(&found).map_err(|_| "it is no text".to_owned())?.trim();
    if text.is_empty() { Err(format!("{} is empty", place_name(place))) } else { Ok(SecretText::from(text)) }
}

fn place_name(place: &Place) -> String {
    match place {
        Place::Text(_) => "it".to_owned(),
        Place::Variable(name) => format!("the variable {name}"),
        Place::File(path) => format!("the file {path}"),
    }
}

fn variable(name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let value = std::env::var_os(name).ok_or_else(|| {
        format!("the variable {name} is not set where the agent was started; start an agent where it is")
    })?;
    Ok(Zeroizing::new(value.into_encoded_bytes()))
}

/// Runs what may block, unless too many are waited for.
async fn waited_for<E: ToString + Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E> + Send + 'static,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let busy = || "too many files and programs are waited for already".to_owned();
    let permit = timeout_at(deadline, WAITING.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?;
    let done = off_thread(work).await;
    drop(permit);
    done.map_err(|error| error.to_string())
}

/// Whether the account's file, if it has one, is written by nobody but its user and root.
fn require_own_file(home: &Home, name: &Shortname) -> Result<(), String> {
    let path = home.file(name);
    let Ok(found) = path.metadata() else { return Ok(()) };
    let own = rustix::process::geteuid().as_raw();
    if (found.uid() != own && found.uid() != 0) || found.mode() & 0o022 != 0 {
        return Err(format!(
            "others can write {}, and with it what is run; run `{}`",
            path.display(),
            shell::command("chmod 600", &path.display().to_string())
        ));
    }
    Judge::this_process().directory(home.path()).map(drop).map_err(|error| error.to_string())
}

/// The token in what was found: alone, or as a member of JSON.
fn token_in(found: &[u8]) -> Result<SecretText, String> {
    let text = std::str::from_utf8(found).map_err(|_| "it is no text".to_owned())?.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.starts_with('{') {
        let object = Object::parse(text.as_bytes()).map_err(|_| "its JSON is broken".to_owned())?;
        let member = MEMBERS.iter().find_map(|member| object.string(member));
        return member.map(SecretText::new).ok_or_else(|| "its JSON has no token in it".to_owned());
    }
    // VSCHAR of RFC 6749 appendix A.12, without blanks, which no token has.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("what is there is no token".to_owned());
    }
    Ok(SecretText::from(text))
}

fn unavailable(name: &Shortname, source: &SubjectSource, reason: &str) -> Failure {
    let text = format!("no token for account '{name}' from the {source}: {reason}");
    Failure::new(ErrorCode::SubjectTokenUnavailable, text).with_info(
        "The account exchanges that token for its own. It is looked for again at the next request.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_alone_or_in_json() {
        for (found, token) in [
            ("a.b.c\n", Some("a.b.c")),
            (r#" {"count":1,"value":"v"} "#, Some("v")),
            (r#"{"token":"t","access_token":"a"}"#, Some("a")),
            (r#"{"error":"x"}"#, None),
            ("{", None),
            (" \n", None),
            ("<html> no", None),
        ] {
            let read = token_in(found.as_bytes()).ok();
            assert_eq!(read.as_ref().map(SecretText::expose), token, "{found}");
        }
        assert!(token_in(b"\xff").is_err());
    }

    #[test]
    fn nothing_is_run_for_a_file_that_others_write() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let name: Shortname = "acc".parse().expect("a name");
        assert_eq!(require_own_file(&home, &name), Ok(()), "kept in memory only");
        fs_err::write(home.file(&name), "x").expect("written");
        for (mode, may) in [(0o600, true), (0o644, true), (0o664, false), (0o602, false)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            fs_err::set_permissions(home.file(&name), permissions).expect("changed");
            let judged = require_own_file(&home, &name);
            assert_eq!(judged.is_ok(), may, "{mode:o}: {judged:?}");
        }
    }
}
