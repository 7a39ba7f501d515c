//! All that a process of the agent hands on to the next: a document that says in which format and by which version it was written.

use std::path::PathBuf;

use oidc_proto::json::Object;
use serde_json::Value;

use crate::handed_on::{self, Unreadable};

/// What this version writes. Members that are added without harm to who ignores them need no other format.
const FORMAT: &str = "oidc-agent-state/1";
/// What a reader must know to take over without loss, beyond what is in the format: names of additions, in `needs`.
const KNOWN: &[&str] = &[];

/// Why a state is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// No document at all.
    #[error("what was handed over is no state of an agent")]
    Nonsense,
    /// Of another kind.
    #[error("the state is written as '{0}', which is not known here")]
    Format(String),
    /// It holds something that would be lost here.
    #[error("the state holds something that is not known here: '{0}'")]
    Needs(String),
    /// Something in it.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// What a process hands on besides its descriptors.
#[derive(Debug, Default, PartialEq)]
pub struct State {
    /// The version that wrote it.
    pub version: String,
    /// The file that version was started from.
    pub program: PathBuf,
    /// How the agent was told to behave: [`crate::settings::options::Options::hand_on`].
    pub options: Object,
    /// Holds the process id, and is removed at the end.
    pub pid_file: Option<PathBuf>,
    /// Links to the socket, which are removed at the end.
    pub links: Vec<PathBuf>,
    /// The directory of the socket was made for it; `None` where the socket is a service manager's.
    pub own_directory: Option<bool>,
    /// Where the socket is; empty for one without a file.
    pub socket: PathBuf,
    /// The agent ends after this process, its parent.
    pub parent: Option<i32>,
    /// The filter of system calls that is in place: [`crate::hardening::confine::filter_in_place`].
    pub filter: Option<String>,
    /// What answers requests: [`crate::server::handler::Handler::hand_on`].
    pub handler: Object,
    /// Connections, in the order of their descriptors: [`crate::server::gate::Stopped::hand_on`].
    pub connections: Vec<Object>,
    /// A later version did not come to serve, for this reason, and has handed everything back.
    pub returned: Option<String>,
}

impl State {
    /// The document, with all secrets in it.
    pub fn into_object(self) -> Object {
        let Self {
            version,
            program,
            options,
            pid_file,
            links,
            own_directory,
            socket,
            parent,
            filter,
            handler,
            connections,
            returned,
        } = self;
        let mut object = Object::default();
        object.insert("format", FORMAT);
        object.insert("needs", KNOWN.iter().copied().collect::<Value>());
        object.insert("version", version);
        object.insert("program", handed_on::path_to_value(&program));
        object.insert("options", options.into_value());
        object.insert("pid_file", pid_file.map_or(Value::Null, |path| handed_on::path_to_value(&path)));
        object.insert("links", links.iter().map(|path| handed_on::path_to_value(path)).collect::<Value>());
        object.insert("own_directory", own_directory);
        object.insert("socket", handed_on::path_to_value(&socket));
        object.insert("parent", parent);
        object.insert("filter", filter);
        object.insert("handler", handler.into_value());
        object.insert("connections", connections.into_iter().map(Object::into_value).collect::<Value>());
        object.insert("returned", returned);
        object
    }

    /// Reads a document.
    pub fn parse(text: &[u8]) -> Result<Self, StateError> {
        let mut object = Object::parse(text).map_err(|_| StateError::Nonsense)?;
        let format = handed_on::text(&object, "format")?;
        if format != FORMAT {
            return Err(StateError::Format(format));
        }
        let needs = handed_on::texts(&object, "needs")?;
        if let Some(unknown) = needs.into_iter().find(|need| !KNOWN.contains(&need.as_str())) {
            return Err(StateError::Needs(unknown));
        }
        let own_directory = match object.members().get("own_directory") {
            None | Some(Value::Null) => None,
            Some(_) => Some(handed_on::flag(&object, "own_directory")?),
        };
        let parent = match object.members().get("parent") {
            None | Some(Value::Null) => None,
            Some(parent) => {
                let parent = parent.as_i64().and_then(|parent| i32::try_from(parent).ok());
                Some(parent.ok_or_else(|| Unreadable::new("parent"))?)
            }
        };
        Ok(Self {
            version: handed_on::text(&object, "version")?,
            program: handed_on::optional_path(&object, "program")?.unwrap_or_default(),
            options: handed_on::object(&mut object, "options")?,
            pid_file: handed_on::optional_path(&object, "pid_file")?,
            links: handed_on::paths(&object, "links")?,
            own_directory,
            socket: handed_on::optional_path(&object, "socket")?.unwrap_or_default(),
            parent,
            filter: handed_on::optional_text(&object, "filter")?,
            handler: handed_on::object(&mut object, "handler")?,
            connections: handed_on::objects(&mut object, "connections")?,
            returned: handed_on::optional_text(&object, "returned")?,
        })
    }
}

/// A state with the reason why its reader did not come to serve, for the version that wrote it. `None` where that one could not go on
/// from it either: it went back there before, or cannot be read at all.
pub fn returned(text: &[u8], reason: &str) -> Option<Object> {
    let mut object = Object::parse(text).ok()?;
    if object.text("returned").is_some() {
        return None;
    }
    object.insert("returned", reason);
    Some(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state() -> State {
        let object = |value| Object::from_value(value).expect("an object");
        State {
            version: "1.2.3".into(),
            program: "/usr/bin/oidc-agent".into(),
            options: object(json!({"confirm": true})),
            pid_file: Some("/run/pid".into()),
            links: vec!["/run/link".into()],
            own_directory: Some(true),
            socket: "/run/x/sock".into(),
            parent: Some(7),
            filter: Some("1 2".into()),
            handler: object(json!({"accounts": {}})),
            connections: vec![object(json!({"patience": 3}))],
            returned: Some("it did not start".into()),
        }
    }

    #[test]
    fn a_state_comes_back() {
        for state in [state, State::default] {
            let text = state().into_object().to_json();
            assert_eq!(State::parse(text.as_bytes()), Ok(state()));
        }
        let text = State { returned: None, ..state() }.into_object().to_json();
        let again = returned(text.as_bytes(), "why").expect("an object").to_json();
        assert_eq!(State::parse(again.as_bytes()).expect("a state").returned.as_deref(), Some("why"));
        assert_eq!(returned(again.as_bytes(), "why"), None, "once only");
        assert_eq!(returned(b"nonsense", "why"), None);
    }

    #[test]
    fn what_a_later_version_adds_is_ignored_unless_it_would_be_lost() {
        let text = state().into_object().to_json();
        let more = text.replacen('{', "{\"later\":[{}],", 1);
        assert_eq!(State::parse(more.as_bytes()), Ok(state()));
        for (part, instead, expected) in [
            (FORMAT, "oidc-agent-state/2", StateError::Format("oidc-agent-state/2".into())),
            ("\"needs\":[]", "\"needs\":[\"hats\"]", StateError::Needs("hats".into())),
            ("\"links\":", "\"links\":[7],\"x\":", Unreadable::new("links").into()),
            ("\"parent\":7", "\"parent\":\"7\"", Unreadable::new("parent").into()),
        ] {
            assert!(text.contains(part), "{part}");
            let changed = text.replacen(part, instead, 1);
            assert_eq!(State::parse(changed.as_bytes()), Err(expected));
        }
        assert_eq!(State::parse(b"[]"), Err(StateError::Nonsense));
    }
}
