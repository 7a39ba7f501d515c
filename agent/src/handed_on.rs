//! What one process of the agent hands on to the next: how single members of that JSON are read. Each room writes and reads what
//! it holds itself.
//!
//! A member that is not known is ignored, so that a later version can say more; one that is missing or makes no sense is an
//! error, for whoever takes over keeps everything or nothing.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use oidc_proto::json::Object;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::{BootTime, Expiry, Moment};

/// Something that was handed on cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}'{member}' is not as it should be", owner.as_ref().map(|owner| format!("{owner}: ")).unwrap_or_default())]
pub struct Unreadable {
    /// Whose.
    owner: Option<String>,
    member: String,
}

impl Unreadable {
    /// This member.
    pub fn new(member: &str) -> Self {
        Self { owner: None, member: member.to_owned() }
    }

    /// The same, and whose it is.
    #[must_use]
    pub fn of(self, owner: impl Into<String>) -> Self {
        Self { owner: self.owner.or(Some(owner.into())), ..self }
    }
}

/// A text as it stands, whatever it says.
pub fn text(object: &Object, member: &str) -> Result<String, Unreadable> {
    optional_text(object, member)?.ok_or_else(|| Unreadable::new(member))
}

/// The same; `None` where there is none.
pub fn optional_text(object: &Object, member: &str) -> Result<Option<String>, Unreadable> {
    match object.members().get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Unreadable::new(member)),
    }
}

/// Yes or no.
pub fn flag(object: &Object, member: &str) -> Result<bool, Unreadable> {
    object.members().get(member).and_then(Value::as_bool).ok_or_else(|| Unreadable::new(member))
}

/// A number.
pub fn number(object: &Object, member: &str) -> Result<u64, Unreadable> {
    object.members().get(member).and_then(Value::as_u64).ok_or_else(|| Unreadable::new(member))
}

/// An object, taken out.
pub fn object(object: &mut Object, member: &str) -> Result<Object, Unreadable> {
    optional_object(object, member)?.ok_or_else(|| Unreadable::new(member))
}

/// The same; `None` where there is none.
pub fn optional_object(object: &mut Object, member: &str) -> Result<Option<Object>, Unreadable> {
    match object.remove(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Object::from_value(value).map(Some).ok_or_else(|| Unreadable::new(member)),
    }
}

/// A list of objects, taken out; empty where there is none.
pub fn objects(object: &mut Object, member: &str) -> Result<Vec<Object>, Unreadable> {
    match object.remove(member) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let mut objects = Vec::with_capacity(items.len());
            objects.extend(items.into_iter().map(Object::from_value));
            objects.into_iter().collect::<Option<_>>().ok_or_else(|| Unreadable::new(member))
        }
        Some(_) => Err(Unreadable::new(member)),
    }
}

/// A list of texts; empty where there is none.
pub fn texts(object: &Object, member: &str) -> Result<Vec<String>, Unreadable> {
    let unreadable = || Unreadable::new(member);
    let Some(value) = object.members().get(member) else { return Ok(Vec::new()) };
    let texts = value.as_array().ok_or_else(unreadable)?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(unreadable)
}

/// Bytes as text.
pub fn encoded(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

/// What [`encoded`] gave.
pub fn bytes(object: &Object, member: &str) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    decode(&Zeroizing::new(text(object, member)?), member)
}

/// The same, of a known length.
pub fn array<const LEN: usize>(object: &Object, member: &str) -> Result<Zeroizing<[u8; LEN]>, Unreadable> {
    let bytes = bytes(object, member)?;
    let array = <[u8; LEN]>::try_from(bytes.as_slice()).map_err(|_| Unreadable::new(member))?;
    Ok(Zeroizing::new(array))
}

/// A list of what [`encoded`] gave.
pub fn list_of_bytes(object: &Object, member: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, Unreadable> {
    texts(object, member)?.into_iter().map(|text| decode(&Zeroizing::new(text), member)).collect()
}

fn decode(text: &str, member: &str) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    STANDARD.decode(text).map(Zeroizing::new).map_err(|_| Unreadable::new(member))
}

/// A path, whatever bytes it is made of.
pub fn path_to_value(path: &Path) -> Value {
    encoded(path.as_os_str().as_bytes())
}

/// What [`path_to_value`] gave; `None` where there is none.
pub fn optional_path(object: &Object, member: &str) -> Result<Option<PathBuf>, Unreadable> {
    match optional_text(object, member)? {
        Some(text) => decode(&text, member).map(|path| Some(path_of(&path))),
        None => Ok(None),
    }
}

/// A list of what [`path_to_value`] gave.
pub fn paths(object: &Object, member: &str) -> Result<Vec<PathBuf>, Unreadable> {
    Ok(list_of_bytes(object, member)?.iter().map(|path| path_of(path)).collect())
}

fn path_of(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

/// A moment by both clocks.
pub fn moment_to_value(moment: Moment) -> Value {
    json!({ "wall": moment.wall, "boot": moment.boot.as_millis() })
}

/// What [`moment_to_value`] gave.
pub fn moment(within: &mut Object, member: &str) -> Result<Moment, Unreadable> {
    optional_moment(within, member)?.ok_or_else(|| Unreadable::new(member))
}

fn optional_moment(within: &mut Object, member: &str) -> Result<Option<Moment>, Unreadable> {
    let Some(moment) = optional_object(within, member)? else { return Ok(None) };
    let read = |name| number(&moment, name).map_err(|_| Unreadable::new(member));
    Ok(Some(Moment { wall: read("wall")?, boot: BootTime::from_millis(read("boot")?) }))
}

/// When something ends. Both clocks go on as they are: the next process runs on the same machine.
pub fn expiry_to_value(end: Option<Expiry>) -> Value {
    end.map_or(Value::Null, |end| moment_to_value(Moment { wall: end.wall(), boot: end.boot() }))
}

/// What [`expiry_to_value`] gave.
pub fn expiry(within: &mut Object, member: &str) -> Result<Option<Expiry>, Unreadable> {
    Ok(optional_moment(within, member)?.map(|end| Expiry::after(end, Duration::ZERO)))
}

/// A time by the boot clock.
pub fn boot_to_value(time: Option<BootTime>) -> Value {
    time.map(BootTime::as_millis).into()
}

/// What [`boot_to_value`] gave.
pub fn boot(object: &Object, member: &str) -> Result<Option<BootTime>, Unreadable> {
    match object.members().get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => number(object, member).map(BootTime::from_millis).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_of_another_kind_is_said_by_name() {
        let mut state =
            Object::from_value(json!({"n": "7", "t": 7, "o": [], "l": {}, "b": "%", "m": {"wall": 1}}))
                .expect("an object");
        let errors = [
            number(&state, "n").err(),
            text(&state, "t").err(),
            text(&state, "absent").err(),
            texts(&state, "l").err(),
            bytes(&state, "b").err(),
            object(&mut state, "o").err(),
            moment(&mut state, "m").err(),
            expiry(&mut state, "absent").err(),
        ];
        let names: Vec<_> = errors.map(|error| error.map(|error| error.member)).into();
        let expected = ["n", "t", "absent", "l", "b", "o", "m"].map(|name| Some(name.to_owned()));
        assert_eq!(names[..7], expected);
        assert_eq!(names[7], None, "no end is one");
        assert_eq!(
            Unreadable::new("tokens").of("account 'a'").of("accounts").to_string(),
            "account 'a': 'tokens' is not as it should be"
        );
    }

    #[test]
    fn times_come_back() {
        let moment_of = |wall| Moment { wall, boot: BootTime::from_millis(wall * 7) };
        let end = Some(Expiry::after(moment_of(5), Duration::from_secs(9)));
        let mut state = Object::default();
        state.insert("m", moment_to_value(moment_of(5)));
        state.insert("e", expiry_to_value(end));
        state.insert("b", boot_to_value(Some(BootTime::from_millis(3))));
        let mut state = Object::parse(state.to_json().as_bytes()).expect("an object");
        assert_eq!(moment(&mut state, "m"), Ok(moment_of(5)));
        assert_eq!(expiry(&mut state, "e"), Ok(end));
        assert_eq!(boot(&state, "b"), Ok(Some(BootTime::from_millis(3))));
    }
}
