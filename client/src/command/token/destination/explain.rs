//! What a token for a destination has to hold, and why, for people and for programs.

use std::fmt::Write;

use oidc_proto::destination::{Derived, Step, Topic};
use serde_json::{Value, json};

/// As a text: the address, then each thing that was derived with where it is from.
pub fn text(derived: &[Derived]) -> String {
    derived.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(derived: &Derived) -> String {
    let mut text = derived.address.to_string();
    for step in &derived.steps {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:<9} {}", step.topic.as_str(), step.result);
        let _ = write!(text, "\n            {}", why(step));
    }
    if derived.scopes.is_empty() {
        text.push_str("\n  scope     that of the account: nothing was said of what is to be done (--read, --create, ...)");
    }
    for remark in &derived.remarks {
        let _ = write!(text, "\n  note      {remark}");
    }
    text
}

fn why(step: &Step) -> String {
    if step.how.is_empty() { format!("({})", step.source) } else { format!("{} ({})", step.how, step.source) }
}

/// As a JSON object.
pub fn object(derived: &Derived) -> Value {
    let steps = derived.steps.iter().filter(|step| step.topic != Topic::Address || !step.result.is_empty());
    let steps = steps.map(|step| {
        json!({"topic": step.topic.as_str(), "result": step.result, "how": step.how, "source": step.source})
    });
    json!({
        "url": derived.address.to_string(),
        "audience": derived.audience,
        "scope": derived.scopes,
        "steps": steps.collect::<Vec<_>>(),
        "remarks": derived.remarks,
    })
}

#[cfg(test)]
mod tests {
    use oidc_proto::destination::{Operation, derive};

    use super::*;

    #[test]
    fn every_line_says_where_it_is_from() {
        let derived =
            derive("davs://se.example:8443/store/x", &[Operation::Read.into()], &[]).expect("derived");
        assert_eq!(
            text(std::slice::from_ref(&derived)),
            "davs://se.example:8443/store/x\n\
             \x20 audience  https://se.example:8443\n\
             \x20           HTTPS and WebDAV (WLCG profile 2.1.1: https://, host, and the port if it is another than 443)\n\
             \x20 path      /store/x\n\
             \x20           no rule of the issuer shortens it (WLCG profile 2.2.1: relative to what the issuer grants at \
             the storage)\n\
             \x20 scope     storage.read:/store/x\n\
             \x20           (WLCG profile 2.2.1)"
        );
        assert_eq!(object(&derived)["scope"], json!(["storage.read:/store/x"]));
        let derived = derive("root://se.example", &[], &[]).expect("derived");
        assert!(text(&[derived]).contains("nothing was said of what is to be done"));
    }
}
