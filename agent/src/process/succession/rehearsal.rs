//! The rehearsal: another program, as a child of the agent, does with a copy of everything what it would do when it took over, but
//! for serving and for whatever leaves the process, and says whether it could go on.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};

use oidc_proto::{environment::without_secrets, fault_point, json::Object};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, process::Command, runtime, time::timeout};

use super::{
    super::arguments::inheriting,
    carrier,
    memory::{self, Memory},
    refusal::Refusal,
    state::State,
};
use crate::{
    handed_on::{self, Unreadable},
    hardening::{confine, harden},
    output,
    server::handler::Handler,
    settings::{cli::Inherited, options::Options},
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What an answer calls itself.
const FORMAT: &str = "oidc-agent-rehearsal/1";
/// How long a rehearsal may take: nothing in it waits for anybody.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer, in bytes.
const LONGEST: u64 = 4 << 20;

/// What a program says that could take over.
#[derive(Debug, PartialEq, Eq)]
pub struct Able {
    /// Its version.
    pub version: String,
}

/// Has `program` rehearse with this state. `own` is this process's command line; `accounts` are the names of those that there are.
pub async fn rehearse(
    program: &Path,
    own: &[OsString],
    state: &Object,
    accounts: &[String],
) -> Result<Able, Refusal> {
    let system = Refusal::system("hand the state over");
    let hand_over = || {
        let memory = Memory::sealed(state)?;
        let (ours, theirs) = UnixStream::pair()?;
        carrier::send_state(&ours, memory.as_fd())?;
        Ok((memory, OwnedFd::from(theirs)))
    };
    let (_memory, theirs) = hand_over().map_err(system)?;
    let (name, options) = inheriting(own, Inherited::Rehearsal);
    let mut command = Command::new(program);
    without_secrets(command.as_std_mut());
    command.arg0(name).args(options).stdin(Stdio::from(theirs)).stdout(Stdio::piped()).kill_on_drop(true);
    let unstarted = |source| Refusal::Start { program: program.to_owned(), source };
    let mut child = command.spawn().map_err(unstarted)?;
    // Its copy of what it was given.
    drop(command);
    let mut stdout =
        child.stdout.take().ok_or_else(|| unstarted(io::Error::other("nothing to read from")))?;
    let listening = async {
        let mut answer = Vec::new();
        (&mut stdout).take(LONGEST).read_to_end(&mut answer).await?;
        // One that says more is not waited for.
        drop(stdout);
        Ok((answer, child.wait().await?))
    };
    let (answer, status) = match timeout(PATIENCE, listening).await {
        Ok(answered) => answered.map_err(Refusal::system("listen to the rehearsal"))?,
        Err(_) => return Err(Refusal::Silence { program: program.to_owned(), patience: PATIENCE }),
    };
    if answer.is_empty() {
        return Err(Refusal::NoAnswer { program: program.to_owned(), status });
    }
    judge(&answer, accounts).ok_or_else(|| Refusal::Nonsense(program.to_owned()))?
}

/// What an answer means; `None`: it is none.
fn judge(answer: &[u8], accounts: &[String]) -> Option<Result<Able, Refusal>> {
    let answer = Object::parse(answer).ok()?;
    if handed_on::text(&answer, "format").ok()? != FORMAT {
        return None;
    }
    let version = handed_on::text(&answer, "version").ok()?;
    if let Some(reason) = handed_on::optional_text(&answer, "refused").ok()? {
        return Some(Err(Refusal::Declined { version, reason }));
    }
    let kept = handed_on::texts(&answer, "accounts").ok()?;
    Some(match accounts.iter().find(|name| !kept.contains(name)) {
        Some(missing) => Err(Refusal::Loses { version, missing: format!("'{missing}'") }),
        None => Ok(Able { version }),
    })
}

/// The names of the accounts in what a handler hands on.
pub fn accounts_of(handler: &Object) -> Vec<String> {
    let accounts = handler.members().get("accounts").and_then(|accounts| accounts.get("loaded"));
    let accounts = accounts.and_then(Value::as_array).into_iter().flatten();
    accounts.filter_map(|account| account.get("name")?.as_str().map(str::to_owned)).collect()
}

/// The other side: this process says whether it could take over.
pub fn perform<H: Handler>(
    channel: &UnixStream,
    options: Options,
    handler: impl FnOnce(Options, &Path, Option<Object>) -> Result<H, Unreadable>,
) -> ExitCode {
    // Before anything secret is here.
    harden::apply();
    fault_point::reached("rehearsal-began");
    let mut answer = json!({ "format": FORMAT, "version": VERSION });
    match try_all(channel, options, handler) {
        Ok(accounts) => answer["accounts"] = accounts.into(),
        Err(reason) => answer["refused"] = reason.into(),
    }
    fault_point::reached("rehearsal-ends");
    output::result(&answer.to_string());
    ExitCode::SUCCESS
}

fn try_all<H: Handler>(
    channel: &UnixStream,
    options: Options,
    handler: impl FnOnce(Options, &Path, Option<Object>) -> Result<H, Unreadable>,
) -> Result<Vec<String>, String> {
    let unread = |error: io::Error| error.to_string();
    let memory = carrier::receive_state(channel).map_err(unread)?;
    let state = State::parse(&memory::read(&memory).map_err(unread)?).map_err(|error| error.to_string())?;
    drop(memory);
    fault_point::reached("rehearsal-received");
    let options = options.handed_on(&state.options).map_err(|error| error.to_string())?;
    confine::apply(options.seccomp, state.filter.as_deref());
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(unread)?;
    // No task that it starts runs: whatever is asked of others or written begins with one.
    runtime.block_on(async {
        let handler =
            handler(options, &state.socket, Some(state.handler)).map_err(|error| error.to_string())?;
        fault_point::reached("rehearsal-built");
        Ok(accounts_of(&handler.hand_on()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answer: &Value) -> Option<Result<Able, String>> {
        let accounts = ["a".to_owned(), "b".to_owned()];
        judge(answer.to_string().as_bytes(), &accounts)
            .map(|judged| judged.map_err(|refusal| refusal.to_string()))
    }

    #[test]
    fn only_an_answer_that_keeps_everything_is_a_yes() {
        let able = || Some(Ok(Able { version: "2".into() }));
        for (answer, expected) in [
            (json!({"format": FORMAT, "version": "2", "accounts": ["b", "a", "c"]}), able()),
            (json!({"format": FORMAT, "version": "2", "accounts": ["a", "b"], "later": {}}), able()),
            (
                json!({"format": FORMAT, "version": "2", "accounts": ["a"]}),
                Some(Err("version 2 would not keep every account: 'b' would be lost".into())),
            ),
            (
                json!({"format": FORMAT, "version": "2", "refused": "no room", "accounts": ["a", "b"]}),
                Some(Err("version 2 cannot take over: no room".into())),
            ),
            (json!({"format": "oidc-agent-rehearsal/2", "version": "2", "accounts": ["a", "b"]}), None),
            (json!({"format": FORMAT, "accounts": ["a", "b"]}), None),
            (json!({"format": FORMAT, "version": "2", "accounts": "all"}), None),
            (json!(["a", "b"]), None),
        ] {
            assert_eq!(judged(&answer), expected, "{answer}");
        }
        assert!(judge(b"yes", &[]).is_none());
    }
}
