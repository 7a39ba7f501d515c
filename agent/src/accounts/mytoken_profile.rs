//! What a mytoken shall be allowed, in a few words for the question whether it may be made.

use serde_json::{Map, Value};

/// In the words of the server's own API, which the person knows from its pages. Not bounded: that is for whoever shows it.
pub fn described(profile: &Value) -> String {
    let members = match profile {
        Value::Object(members) => members,
        other => return named(other),
    };
    let mut words: Vec<String> = Vec::new();
    if let Some(include) = members.get("include") {
        words.push(named(include));
    }
    // First what it may do: that is what the person decides on.
    let capabilities = members.get("capabilities").map(list);
    words.push(match capabilities {
        Some(capabilities) if !capabilities.is_empty() => format!("may {capabilities}"),
        _ => "may what the server gives by default".to_owned(),
    });
    words.push(match members.get("restrictions").and_then(Value::as_array) {
        Some(restrictions) if !restrictions.is_empty() => {
            let clauses: Vec<_> = restrictions.iter().map(clause).collect();
            format!("only {}", clauses.join(" or "))
        }
        _ if members.contains_key("include") => "no restrictions of its own".to_owned(),
        _ => "no restrictions".to_owned(),
    });
    words.join("; ")
}

fn named(names: &Value) -> String {
    format!("as {}", list(names))
}

fn list(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(list).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn clause(restriction: &Value) -> String {
    match restriction {
        Value::Object(members) => clause_of(members),
        other => list(other),
    }
}

fn clause_of(members: &Map<String, Value>) -> String {
    let claims: Vec<_> = members.iter().map(|(claim, value)| format!("{claim}={}", list(value))).collect();
    claims.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_it_may_do_comes_first() {
        for (profile, expected) in [
            (json!("web-default"), "as web-default"),
            (json!(["a", "b"]), "as a b"),
            (json!({}), "may what the server gives by default; no restrictions"),
            (
                json!({"name": "x".repeat(500), "capabilities": ["AT", "create_mytoken"]}),
                "may AT create_mytoken; no restrictions",
            ),
            (
                json!({"include": "agent", "restrictions": [{"exp": 17, "scope": "a b"}, {"usages_AT": 1}]}),
                "as agent; may what the server gives by default; only exp=17 scope=a b or usages_AT=1",
            ),
            (json!({"capabilities": 7, "restrictions": "1d"}), "may 7; no restrictions"),
        ] {
            assert_eq!(described(&profile), expected, "{profile}");
        }
    }
}
