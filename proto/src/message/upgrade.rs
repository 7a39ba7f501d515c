//! `upgrade` (ours): another version of the program takes over from the one that answers, with all it holds.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::put;
use crate::json::Object;

/// `upgrade`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpgradeRequest {
    /// The program to go on with, an absolute path; `None` is the file that the agent was started from.
    pub program: Option<String>,
}

/// `info` of the reply, which comes from the version that has taken over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpgradeReport {
    /// The version that answers now.
    pub version: String,
    /// The one before it.
    pub previous_version: String,
    /// The file that it was started from.
    pub program: String,
    /// Short names of the accounts that were handed over, in load order.
    pub accounts: Vec<String>,
    /// The agent was locked, and is.
    pub locked: bool,
}

impl UpgradeRequest {
    pub(super) fn read(object: &Object) -> Self {
        Self { program: object.string("program") }
    }

    pub(super) fn write(&self, object: &mut Object) {
        put(object, "program", self.program.as_deref());
    }
}

impl UpgradeReport {
    /// Reads the `info` of a reply; `None` when it is something else.
    pub fn from_info(info: &Value) -> Option<Self> {
        // A list would be taken for the members in their order.
        info.is_object().then(|| Self::deserialize(info).ok()).flatten()
    }

    /// The `info` of a reply.
    pub fn to_info(&self) -> Value {
        serde_json::to_value(self).expect("texts serialise")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_comes_back() {
        let report = UpgradeReport {
            version: "2.0.0".into(),
            previous_version: "1.0.0".into(),
            program: "/usr/bin/oidc-agent".into(),
            accounts: vec!["a".into()],
            locked: true,
        };
        assert_eq!(UpgradeReport::from_info(&report.to_info()), Some(report));
        assert_eq!(UpgradeReport::from_info(&json!(["2.0.0"])), None);
    }
}
