//! Reading and writing single fields of a request. A failure always names the field.

use serde_json::Value;

use super::Failure;
use crate::json::Object;

/// A text that must be there.
pub(super) fn required(object: &Object, field: &str) -> Result<String, Failure> {
    object.string(field).ok_or_else(|| Failure::missing_field(field))
}

/// A nested object, or a text that holds one. Absent is `None`; anything else is a failure, where the C agent crashes.
pub(super) fn optional_object(object: &mut Object, field: &str) -> Result<Option<Object>, Failure> {
    if is_absent(object, field) {
        return Ok(None);
    }
    let nested = match object.members().get(field) {
        Some(Value::Object(_)) => object.remove(field).and_then(Object::from_value),
        _ => object.object(field),
    };
    nested.map(Some).ok_or_else(|| Failure::wrong_field(field, "an object"))
}

/// As [`optional_object`], but it must be there.
pub(super) fn required_object(object: &mut Object, field: &str) -> Result<Object, Failure> {
    optional_object(object, field)?.ok_or_else(|| Failure::missing_field(field))
}

/// A text exactly as given: for secrets, of which `null` may be one. Numbers count as their digits.
pub(super) fn verbatim(object: &Object, field: &str) -> Option<String> {
    match object.members().get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number of seconds, or a time in seconds since the epoch; negative counts as 0.
pub(super) fn seconds(object: &Object, field: &str) -> Option<u64> {
    object.integer(field).map(|number| u64::try_from(number).unwrap_or(0))
}

/// Writes a text field if there is one.
pub(super) fn put(object: &mut Object, field: &str, text: Option<&str>) {
    if let Some(text) = text {
        object.insert(field, text);
    }
}

/// Writes a switch as the number C clients send, and only when it is set.
pub(super) fn put_flag(object: &mut Object, field: &str, set: bool) {
    if set {
        object.insert(field, 1);
    }
}

fn is_absent(object: &Object, field: &str) -> bool {
    match object.members().get(field) {
        None | Some(Value::Null) => true,
        Some(Value::String(_)) => object.text(field).is_none(),
        Some(_) => false,
    }
}
