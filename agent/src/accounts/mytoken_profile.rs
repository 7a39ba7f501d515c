//! What a mytoken shall be allowed, in a few words for the question whether it may be made.

use serde_json::{Map, Value};

/// In the words of the server's own API, which the person knows from its pages. Not bounded: that is for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Names of profiles of the server's. What is in them is not known here.
    profiles: Vec<String>,
    /// First what it may do: that is what the person decides on.
    capabilities: Vec<String>,
    /// One of them is enough for the mytoken to be used.
    restrictions: Vec<String>,
}

impl Described {
    /// What to show, one after the other: what it is, and its lines.
    pub fn sections(&self) -> [(&'static str, &[String]); 3] {
        [
            ("By profiles of the server, whose content is not known here", &self.profiles),
            ("It may", &self.capabilities),
            ("Restricted to one of", &self.restrictions),
        ]
    }
}

/// What a profile asks for.
pub fn described(profile: &Value) -> Described {
    let Value::Object(members) = profile else {
        return Described { profiles: words(profile), capabilities: Vec::new(), restrictions: Vec::new() };
    };
    let texts = |key: &str| members.get(key).map(words).unwrap_or_default();
    let by_default = |lines: Vec<String>, default: &str| {
        if lines.is_empty() { vec![default.to_owned()] } else { lines }
    };
    let profiles = texts("include");
    let unrestricted = if profiles.is_empty() { "no restriction" } else { "no restriction of its own" };
    let restrictions = members.get("restrictions").and_then(Value::as_array);
    Described {
        capabilities: by_default(texts("capabilities"), "do what the server gives by default"),
        restrictions: by_default(
            restrictions.into_iter().flatten().map(|restriction| clause(restriction, unrestricted)).collect(),
            unrestricted,
        ),
        profiles,
    }
}

/// One word a line.
fn words(value: &Value) -> Vec<String> {
    list(value).split_ascii_whitespace().map(str::to_owned).collect()
}

fn list(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(list).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// One without content allows everything, whatever stands beside it.
fn clause(restriction: &Value, unrestricted: &str) -> String {
    match restriction {
        Value::Object(members) if members.is_empty() => unrestricted.to_owned(),
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
    fn each_part_has_its_lines() {
        let cases: [(Value, [&[&str]; 3]); 7] = [
            (json!("web-default"), [&["web-default"], &[], &[]]),
            (json!(["a", "b"]), [&["a", "b"], &[], &[]]),
            (json!({}), [&[], &["do what the server gives by default"], &["no restriction"]]),
            (
                json!({"name": "x".repeat(500), "capabilities": ["AT", "create_mytoken"]}),
                [&[], &["AT", "create_mytoken"], &["no restriction"]],
            ),
            (
                json!({"include": "agent", "restrictions": [{"exp": 17, "scope": "a b"}, {"usages_AT": 1}]}),
                [&["agent"], &["do what the server gives by default"], &["exp=17 scope=a b", "usages_AT=1"]],
            ),
            (
                json!({"capabilities": "AT", "restrictions": [{"exp": 17}, {}]}),
                [&[], &["AT"], &["exp=17", "no restriction"]],
            ),
            (json!({"capabilities": 7, "restrictions": "1d"}), [&[], &["7"], &["no restriction"]]),
        ];
        for (profile, expected) in cases {
            let described = described(&profile);
            for ((label, lines), expected) in described.sections().into_iter().zip(expected) {
                assert_eq!(lines, expected, "{profile}: {label}");
            }
        }
    }
}
