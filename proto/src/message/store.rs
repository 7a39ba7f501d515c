//! `file_write`: a store in the agent's memory, where `oidc-gen` keeps a registration until the account file is there.

use super::{
    Failure,
    field::{required, verbatim},
};
use crate::{json::Object, secret::SecretText};

/// `file_write`.
#[derive(Debug, Clone, PartialEq)]
pub struct FileWriteRequest {
    /// A name, not a path; C clients send `/tmp/oidc-gen:<shortname>`.
    pub filename: String,
    /// Unpadded base64url of the JSON text of a client, with its secrets.
    pub data: SecretText,
}

impl FileWriteRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let data = verbatim(object, "data").map(SecretText::new);
        Ok(Self {
            filename: required(object, "filename")?,
            data: data.ok_or_else(|| Failure::missing_field("data"))?,
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("filename", self.filename.as_str());
        object.insert("data", self.data.expose());
    }
}
