//! Why the agent could not be asked.

use std::{io, path::PathBuf};

use oidc_proto::{
    channel::ChannelError,
    connect::{ConnectError, OIDC_SOCK_UID},
    message::ReplyError,
    process::EndError,
    socket::{OIDC_SOCK, SocketError},
    trust::{Reason, TrustError},
};

use super::remote::{NoAddress, OIDC_REMOTE_SOCK, RemoteAddress};

/// Why the agent could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Nobody answers at the socket, or somebody whom this user does not trust.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The remote agent cannot be reached. The text begins with the C suite's.
    #[error(
        "Could not connect to oidc-agent: nothing answers at {address}, which {OIDC_REMOTE_SOCK} names ({reason})"
    )]
    NoAnswer {
        /// Where.
        address: RemoteAddress,
        /// Why not.
        reason: io::Error,
    },
    /// What answers there gives no reply.
    #[error("{error} (at {address}, which {OIDC_REMOTE_SOCK} names)")]
    Remote {
        /// Where.
        address: RemoteAddress,
        /// What happened.
        error: Box<AgentError>,
    },
    /// `--remote` without an address.
    #[error("Could not get the socket path from env var '{OIDC_REMOTE_SOCK}'. Have you set the env var?")]
    NoRemote,
    /// `OIDC_REMOTE_SOCK` names no address.
    #[error(transparent)]
    BadRemote(#[from] NoAddress),
    /// Something listens, but does not answer in time.
    #[error("the agent does not answer: reached timeout")]
    Timeout,
    /// The connection broke.
    #[error("the connection to the agent broke: {0}")]
    Io(#[source] io::Error),
    /// What came is no message.
    #[error("did not receive any response: {0}")]
    Channel(#[from] ChannelError),
    /// What came is no reply.
    #[error("{0}")]
    Reply(#[from] ReplyError),
    /// `oidc-agent` could not be started.
    #[error("could not start oidc-agent: {0}")]
    Start(String),
    /// `OIDC_SOCK` names another place than those where an agent may be started.
    #[error(
        "no agent is started, because {OIDC_SOCK} names '{}', where nothing answers", .0.display()
    )]
    StartElsewhere(PathBuf),
    /// The agent did not end.
    #[error("the agent at {} was not ended: {error}", path.display())]
    End {
        /// Where it listens.
        path: PathBuf,
        /// Why not.
        error: EndError,
    },
}

impl From<SocketError> for AgentError {
    fn from(error: SocketError) -> Self {
        ConnectError::from(error).into()
    }
}

impl AgentError {
    /// Whether nothing listens at all.
    pub fn is_not_running(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_not_running(),
            Self::NoAnswer { .. } => true,
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(ConnectError::NotRunning { path, reason, refused }) => {
                let refused = refused.as_ref().map(|error| format!(" {error}.")).unwrap_or_default();
                Some(format!(
                    "Nothing answers at {} ({reason}).{refused} Start an agent with `oidc agent start`, or set \
                     {OIDC_SOCK}.",
                    path.display()
                ))
            }
            Self::Connect(ConnectError::Dead { .. }) => Some(format!(
                "{OIDC_SOCK} names that socket, so no agent is started. If it was forwarded, connect again; if its agent \
                 has ended, set {OIDC_SOCK} to another one's, or unset it to use the one at the default place."
            )),
            Self::StartElsewhere(_) => Some(format!(
                "Unset {OIDC_SOCK} to start an agent at the default place, where commands find it without variables; \
                 or start one there with `oidc-agent --socket-path=PATH`."
            )),
            Self::Connect(
                ConnectError::Foreign { uid, .. }
                | ConnectError::Untrusted(TrustError::Untrusted { reason: Reason::Owner(uid), .. }),
            ) => Some(format!(
                "If that user shares the agent with you, set {OIDC_SOCK_UID}={uid} beside {OIDC_SOCK}."
            )),
            Self::Connect(ConnectError::Untrusted(_)) => Some(format!(
                "If the socket has to be there, set {OIDC_SOCK_UID} to your own number beside {OIDC_SOCK}: then only \
                 whose agent answers counts."
            )),
            Self::NoAnswer { .. } => Some(format!("Set {OIDC_REMOTE_SOCK} to host[:port] of an agent that runs.")),
            Self::Remote { error, .. } => Some(match **error {
                Self::Timeout | Self::Channel(ChannelError::Closed) | Self::Io(_) => format!(
                    "Something answers there, and no agent behind it: does the relay lead to an agent's socket, and does that \
                     agent run? If not, set {OIDC_REMOTE_SOCK} to another host[:port]."
                ),
                Self::Channel(ChannelError::Truncated) => {
                    "The relay ended in the middle of the reply: ask again.".to_owned()
                }
                _ => format!("Set {OIDC_REMOTE_SOCK} to host[:port] of an agent: something else listens there."),
            }),
            Self::NoRemote | Self::BadRemote(_) => Some(format!(
                "Set {OIDC_REMOTE_SOCK} to host[:port] of an agent, such as agent.example:42424 or [2001:db8::1]:42424."
            )),
            Self::End { error: EndError::Gone, .. } => Some(
                "Its process cannot be seen from here. If it runs in a container, end it there; if it is a systemd \
                 service, run `systemctl --user stop oidc-agent`."
                    .to_owned(),
            ),
            Self::End { error: EndError::NotAnAgent { .. }, .. } => Some(
                "If systemd holds the socket, run `systemctl --user stop oidc-agent.socket oidc-agent.service`."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
