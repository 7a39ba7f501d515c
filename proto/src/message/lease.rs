//! `lease` (ours): token files for the life of the process that asks.

use serde_json::Value;

use super::Failure;
use crate::{error_code::ErrorCode, files::entry::Entry, json::Object};

/// The most files of one request.
const MOST: usize = 64;

/// `lease`: keep these files fresh, and remove them when the process that asks has ended. The agent knows which one that is
/// from the kernel; it stays the same through execve(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The files, and which tokens are in them.
    pub entries: Vec<Entry>,
}

impl LeaseRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let entries = object.members().get("entries").cloned().unwrap_or(Value::Null);
        match serde_json::from_value::<Vec<Entry>>(entries) {
            Ok(entries) if !entries.is_empty() && entries.len() <= MOST => Ok(Self { entries }),
            _ => Err(Failure::new(
                ErrorCode::BadRequest,
                format!("Bad request. 'entries' must be 1 to {MOST} entries of managed files."),
            )),
        }
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("entries", serde_json::to_value(&self.entries).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use crate::message::{Class, Request};

    #[test]
    fn entries_come_through_and_nonsense_does_not() {
        let entry = r#"{"name":"x","token":{"account":"demo","scope":null,"audience":"a","kind":"access","services":[]},
            "sink":{"file":{"path":"/run/x","format":"raw","newline":true,"mode":384,"group":null,"create_dirs":false,
            "write":"rename","host":null}},"timing":{"min_lifetime":{"secs":60,"nanos":0},"renew_before":{"percent":33},
            "jitter":0,"min_backoff":{"secs":5,"nanos":0},"max_backoff":{"secs":300,"nanos":0}},"require":"warn",
            "on_expiry":"remove","hook":null}"#;
        let text = |entries: &str| format!(r#"{{"request":"lease","entries":{entries}}}"#);
        let request = Request::parse(text(&format!("[{entry}]")).as_bytes()).expect("a request");
        assert_eq!(request.class(), Class::Management);
        assert_eq!(Request::parse(request.to_json().as_bytes()).expect("a request"), request);
        let many = format!("[{}]", vec![entry; 65].join(","));
        for entries in ["[]", "{}", "7", r#"[{"name":"x"}]"#, &many] {
            assert!(Request::parse(text(entries).as_bytes()).is_err(), "{entries}");
        }
        assert!(Request::parse(br#"{"request":"lease"}"#).is_err());
    }
}
