//! How long agent and client wait for what: a client that gives up earlier than its agent would leave people with a
//! question on the screen whose answer nobody takes.

use std::time::Duration;

/// How long a question to the person stays open, all tries to type a password included; the C suite's.
pub const QUESTION: Duration = Duration::from_secs(300);

/// How long a request waits for a token from the account's source, whoever has asked for it first. It is also until when
/// a provider may be sent anything for it.
pub const TOKEN: Duration = Duration::from_secs(30);

/// How long a login that the agent has offered may take, from the person's yes to its end; the C suite's.
pub const LOGIN: Duration = Duration::from_secs(300);

/// How long one request of a client waits for a provider's answers, other than to a request for a token.
pub const PROVIDER: Duration = Duration::from_secs(30);

/// How long a request waits for another one that loads the same account: about as long as that may take. No load waits for
/// a person.
pub const LOAD: Duration = Duration::from_secs(60);

/// How long a client waits for a reply: longer than the longest way to one in the agent. That is an account that somebody
/// else loads, a password that somebody else is asked for, the same account loaded by a third, its first token, then
/// consent, a token that is refused, the question whether to log in anew, that login, and a token.
pub const REPLY: Duration = Duration::from_secs(
    2 * (LOAD.as_secs() + QUESTION.as_secs() + TOKEN.as_secs())
        + (QUESTION.as_secs() + LOGIN.as_secs() + TOKEN.as_secs())
        + SLACK.as_secs(),
);

/// How long a client waits for what the agent knows without asking anybody.
pub const STATE: Duration = SLACK;

/// For what takes moments: files, key derivations, a busy machine.
const SLACK: Duration = Duration::from_secs(30);
