//! What a reset did, and what it left.

use oidc_proto::{
    message::{RemoteOutcome, ResetReport},
    shell,
};
use serde_json::{Value, json};

use super::plan::Plan;
use crate::context::{agent_state::AgentState, error::Error};

/// What a reset did.
pub struct Outcome {
    /// What was found before.
    pub plan: Plan,
    /// What the agent did; nothing if it did not hold the account.
    pub remote: ResetReport,
    /// The account file was there and is gone.
    pub file_deleted: bool,
    /// How many other files of the account were deleted.
    pub leftovers_deleted: usize,
    /// The keyring had the file's password, and has it no more.
    pub keyring_cleared: bool,
    /// `--keep-remote`.
    pub keep_remote: bool,
    /// What did not go as it should.
    pub remarks: Vec<String>,
    /// Why not everything of the account is deleted, if it is not.
    pub error: Option<Error>,
}

impl Outcome {
    fn issuer(&self) -> Option<&str> {
        self.remote.issuer.as_deref().or(self.plan.issuer.as_deref())
    }

    fn client_id(&self) -> Option<&str> {
        self.remote.client_id.as_deref().or(self.plan.client_id.as_deref())
    }

    fn registration_client_uri(&self) -> Option<&str> {
        self.remote.registration_client_uri.as_deref().or(self.plan.registration_client_uri.as_deref())
    }

    /// The outcome for people.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        let path = self.plan.path.display();
        lines.push(match &self.error {
            Some(error) => format!("Not all of {path} is deleted: {error}"),
            None if self.file_deleted => format!("Deleted {path}"),
            None if !self.plan.has_login => {
                format!("Deleted the unfinished registration of '{}'", self.plan.name)
            }
            None => format!("Deleted what was kept beside {path}"),
        });
        if self.keyring_cleared {
            lines.push("Removed the password from the keyring".to_owned());
        }
        if self.remote.refresh_token == RemoteOutcome::Done {
            lines.push("Revoked the refresh token".to_owned());
        }
        if self.remote.client == RemoteOutcome::Done {
            lines.push("Deleted the client at the provider".to_owned());
        }
        lines.extend(self.left_at_the_provider());
        lines.extend(self.remarks.iter().map(|remark| format!("Note: {remark}")));
        let name = self.plan.name.as_str();
        if matches!(self.plan.agent, AgentState::Unknown(_)) {
            let remove = shell::command("oidc remove", name);
            lines.push(format!("Note: the agent may still hold the account; `{remove}` unloads it"));
        }
        if self.error.is_none() {
            lines.push(format!("`{}` makes the account anew.", shell::command("oidc gen", name)));
        }
        lines.join("\n")
    }

    /// What still exists there, and where the person can delete it.
    fn left_at_the_provider(&self) -> Vec<String> {
        let left = |outcome: &RemoteOutcome| match outcome {
            RemoteOutcome::Done | RemoteOutcome::NothingToDo => None,
            RemoteOutcome::Skipped => Some(String::new()),
            RemoteOutcome::Failed { reason } => Some(format!(" ({reason})")),
        };
        let mut lines = Vec::new();
        if let Some(reason) = left(&self.remote.refresh_token).filter(|_| self.plan.has_login) {
            lines.push(format!("  a refresh token, until it expires or is revoked{reason}"));
        }
        if let Some(reason) = left(&self.remote.client) {
            let client =
                self.client_id().map_or_else(|| "a client".to_owned(), |id| format!("the client {id}"));
            lines.push(format!("  {client}{reason}"));
        }
        if lines.is_empty() {
            return lines;
        }
        let issuer = self.issuer().unwrap_or("the provider (not known: the file was encrypted)");
        lines.insert(0, format!("Left at {issuer}:"));
        lines.push(match self.registration_client_uri() {
            Some(uri) => {
                format!("  delete them on the provider's account page; the client is managed at {uri}")
            }
            None => "  delete them on the provider's account page, or let them expire".to_owned(),
        });
        lines
    }

    /// The outcome for programs.
    pub fn to_json(&self) -> Value {
        let mut object = self.plan.to_json();
        let results = json!({
            "issuer": self.issuer(),
            "client_id": self.client_id(),
            "registration_client_uri": self.registration_client_uri(),
            "file_deleted": self.file_deleted,
            "leftovers_deleted": self.leftovers_deleted,
            "keyring_cleared": self.keyring_cleared,
            "keep_remote": self.keep_remote,
            "refresh_token": self.remote.refresh_token,
            "client": self.remote.client,
            "remarks": self.remarks,
            "error": self.error.as_ref().map(ToString::to_string),
        });
        if let (Some(object), Value::Object(results)) = (object.as_object_mut(), results) {
            object.extend(results);
        }
        object
    }
}
