//! What there is to reset: the file, what is known of it without a password, and what the agent can do.

use std::{io, path::PathBuf};

use oidc_proto::{
    home::{Home, HomeError},
    issuers::Issuers,
    message::AgentStatus,
    shell,
    shortname::Shortname,
    vault::{self, Format, PublicHeader},
};
use serde_json::{Value, json};

use crate::{
    account::{error::AccountError, file::format_name},
    context::{
        agent_state::{self, AgentState},
        error::Error,
    },
};

/// An account that is to be reset.
#[derive(Debug)]
pub struct Plan {
    /// The account.
    pub name: Shortname,
    /// Its file, whether it is there or not.
    pub path: PathBuf,
    /// What is to be said about the file.
    pub file: FileState,
    /// Issuer URL, where known.
    pub issuer: Option<String>,
    /// The client, where known.
    pub client_id: Option<String>,
    /// Where the client is managed (RFC 7592 section 3), where known.
    pub registration_client_uri: Option<String>,
    /// The file can be opened without its password.
    pub is_recoverable: bool,
    /// What the agent can do.
    pub agent: AgentState,
    /// Whether somebody may have logged in: there is more than a registration whose login was not finished.
    pub has_login: bool,
}

/// The state of an account file.
#[derive(Debug, PartialEq, Eq)]
pub enum FileState {
    /// A file of this format; it may be damaged further in.
    Encrypted(Format),
    /// A file that no password opens, or that cannot be read, for this reason.
    Unusable(String),
    /// No file, but something kept beside it or in the agent.
    Missing,
}

impl Plan {
    /// Looks at the account. Refuses names that are no account's, and directories.
    pub fn of(home: &Home, name: Shortname, agent: &Result<AgentStatus, AgentState>) -> Result<Self, Error> {
        if !name.is_listed() {
            return Err(HomeError::Reserved(name).into());
        }
        let path = home.file(&name);
        let (file, header) = examine(home, &name)?;
        let known =
            agent.as_ref().ok().and_then(|status| status.accounts.iter().find(|a| a.name == name.as_str()));
        let agent = agent_state::of(agent, name.as_str());
        let is_there = |path: PathBuf| path.symlink_metadata().is_ok();
        let has_login =
            file != FileState::Missing || agent == AgentState::Loaded || is_there(home.rotated_path(&name));
        let has_leftovers =
            has_login || is_there(home.pending_path(&name)) || is_there(home.certificates_path(&name));
        if !has_leftovers {
            return Err(AccountError::NoSuchAccount(name).into());
        }
        let known_issuer = known.map(|account| account.issuer.clone()).filter(|issuer| !issuer.is_empty());
        let issuer = header.issuer.or(known_issuer).or_else(|| listed_issuer(home, &name));
        let is_recoverable = header.has_recovery_phrase || header.has_recovery_key;
        let PublicHeader { client_id, registration_client_uri, .. } = header;
        Ok(Self {
            name,
            path,
            file,
            issuer,
            client_id,
            registration_client_uri,
            is_recoverable,
            agent,
            has_login,
        })
    }

    /// The plan for people.
    pub fn text(&self, keep_remote: bool) -> String {
        let unknown = "unknown (the file is encrypted)";
        let mut lines = vec![
            format!("Account    {}", self.name),
            format!("File       {} ({})", self.path.display(), self.file.text()),
            format!("Issuer     {}", self.issuer.as_deref().unwrap_or(unknown)),
            format!("Client id  {}", self.client_id.as_deref().unwrap_or(unknown)),
            format!("Agent      {}", self.agent_text(keep_remote)),
        ];
        if self.is_recoverable {
            lines.push(format!(
                "There is a recovery phrase or key: `{}` sets a new password, and nothing is lost.",
                shell::command("oidc passwd --recover", self.name.as_str())
            ));
        }
        lines.push(match self.file {
            FileState::Missing => "What is kept of this account will be deleted.".to_owned(),
            _ => {
                "The file will be deleted. Without a backup of it, only a new login brings the account back."
                    .to_owned()
            }
        });
        lines.join("\n")
    }

    fn agent_text(&self, keep_remote: bool) -> String {
        match &self.agent {
            AgentState::None => "none runs, so nothing can be done at the provider".to_owned(),
            AgentState::Locked => {
                "locked, so nothing can be done at the provider; an account that it holds will be dropped".to_owned()
            }
            AgentState::NotLoaded => "does not hold the account, so nothing can be done at the provider".to_owned(),
            AgentState::Loaded if keep_remote => "will unload the account".to_owned(),
            AgentState::Loaded => {
                "will revoke the refresh token, delete a dynamically registered client, and unload the account".to_owned()
            }
            AgentState::Unknown(reason) => format!("cannot be asked ({reason})"),
        }
    }

    /// The plan for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "account": self.name,
            "file": self.path,
            "file_state": self.file.code(),
            "issuer": self.issuer,
            "client_id": self.client_id,
            "registration_client_uri": self.registration_client_uri,
            "agent": self.agent.code(),
        })
    }
}

impl FileState {
    fn text(&self) -> String {
        match self {
            Self::Encrypted(format) => format!("encrypted, format {}", format_name(*format)),
            Self::Unusable(reason) => reason.clone(),
            Self::Missing => "does not exist".to_owned(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Encrypted(format) => format_name(*format),
            Self::Unusable(_) => "unusable",
            Self::Missing => "missing",
        }
    }
}

/// The state of the file and what its public header tells. Unreadable is no obstacle: deleting needs the directory.
fn examine(home: &Home, name: &Shortname) -> Result<(FileState, PublicHeader), Error> {
    let path = home.file(name);
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A registration whose login was not finished tells the same.
            let pending = home.read_pending(name).ok().flatten();
            let header = pending.and_then(|bytes| vault::header(&bytes)).unwrap_or_default();
            return Ok((FileState::Missing, header));
        }
        Err(error) => return Err(HomeError::Io(error).into()),
        Ok(metadata) if !metadata.is_file() && !metadata.is_symlink() => {
            return Err(HomeError::NotARegularFile(path).into());
        }
        Ok(_) => {}
    }
    let bytes = match home.read(name) {
        Ok(bytes) => bytes,
        Err(error) => return Ok((FileState::Unusable(error.to_string()), PublicHeader::default())),
    };
    let header = vault::header(&bytes).unwrap_or_default();
    let state = vault::format_of(&bytes)
        .map_or_else(|error| FileState::Unusable(error.to_string()), FileState::Encrypted);
    Ok((state, header))
}

/// The issuer that lists the account.
fn listed_issuer(home: &Home, name: &Shortname) -> Option<String> {
    let issuers = Issuers::load(Some(home));
    issuers.iter().find(|issuer| issuer.accounts.contains(name)).map(|issuer| issuer.issuer.clone())
}
