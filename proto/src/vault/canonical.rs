//! One byte sequence for one JSON value: what the native format authenticates.
//!
//! As RFC 8785 for the values that occur there (text and whole numbers, keys in ASCII): members sorted by key, no
//! white space, the shortest escapes.

use std::collections::BTreeMap;

use serde_json::Value;

/// The canonical text of an object's members.
pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a String, &'a Value)>) -> String {
    let sorted: BTreeMap<&String, &Value> = members.into_iter().collect();
    let members: Vec<String> =
        sorted.into_iter().map(|(key, value)| format!("{}:{}", text(key), self::value(value))).collect();
    format!("{{{}}}", members.join(","))
}

/// The canonical text of a value.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Object(members) => object(members),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_white_space_do_not_matter() {
        let one: Value =
            serde_json::from_str(r#"{"b": [1, {"y": "é\n", "x": null}], "a": "\u0041"}"#).expect("JSON");
        assert_eq!(value(&one), r#"{"a":"A","b":[1,{"x":null,"y":"é\n"}]}"#);
    }
}
