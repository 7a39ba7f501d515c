//! Joining entries of several sources, the C suite's way: by the exact text of the issuer, key by key, the higher source
//! wins, lists are not joined.

use serde_json::{Map, Value};

use super::issuer::url;
use crate::json::Object;

/// One entry for each issuer text; `entries` come with the highest priority first.
pub(super) fn by_issuer(entries: Vec<Object>) -> Vec<Object> {
    let mut merged: Vec<Object> = Vec::new();
    for entry in entries {
        let issuer = url(&entry);
        match merged.iter_mut().find(|known| url(known) == issuer) {
            Some(known) => fill(known, &entry),
            None if issuer.is_empty() => {}
            None => merged.push(entry),
        }
    }
    merged
}

/// Adds to `high` what only `low` has.
pub(super) fn fill(high: &mut Object, low: &Object) {
    for (key, value) in low.members() {
        let mut value = value.clone();
        if let Some(mine) = high.members().get(key) {
            value = filled(mine.clone(), &value);
        }
        high.insert(key.clone(), value);
    }
}

fn filled(mut high: Value, low: &Value) -> Value {
    if let (Value::Object(high), Value::Object(low)) = (&mut high, low)
        && !are_different_clients(high, low)
    {
        for (key, value) in low {
            let mine = high.shift_remove(key);
            high.insert(key.clone(), mine.map_or_else(|| value.clone(), |mine| filled(mine, value)));
        }
    }
    high
}

/// A client's secret must not be sent with the id of another one.
fn are_different_clients(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    matches!((one.get("client_id"), other.get("client_id")), (Some(one), Some(other)) if one != other)
}
