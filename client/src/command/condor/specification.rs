//! What is stored for a service: which token of which account, under which name.

use oidc_proto::{files::entry::CondorSink, shortname::Shortname};

use crate::cli::usage::UsageError;

/// What is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specification {
    /// The account that gives the token.
    pub account: Shortname,
    /// Where it goes.
    pub sink: CondorSink,
    /// Scopes, separated by blanks, sorted; `None` for those of the account.
    pub scope: Option<String>,
    /// Audiences, separated by blanks, sorted.
    pub audience: Option<String>,
}

impl Specification {
    /// The name of the entry that keeps it fresh.
    pub fn entry(&self) -> String {
        entry_of(&self.sink)
    }
}

/// The name of the entry for a service and a handle.
pub fn entry_of(sink: &CondorSink) -> String {
    format!("condor-{}", sink.credential())
}

/// A service and perhaps a handle, as people and HTCondor name them.
pub fn sink(service: &str, handle: Option<&str>) -> Result<CondorSink, UsageError> {
    for name in [Some(service), handle].into_iter().flatten() {
        if !CondorSink::is_name(name) {
            return Err(UsageError::new(format!(
                "'{name}' names no service or handle: letters, digits, '.', '_' and '-' do, a letter or a digit first"
            )));
        }
    }
    Ok(CondorSink { service: service.to_owned(), handle: handle.map(str::to_owned), ..CondorSink::default() })
}

/// A list of scopes or audiences as it is compared: sorted, each once, `None` for an empty one. HTCondor separates with commas,
/// everybody else with blanks.
pub fn list(texts: &[String]) -> Option<String> {
    let mut words: Vec<&str> =
        texts.iter().flat_map(|text| text.split([',', ' ', '\t'])).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.dedup();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Refuses what cannot stand in a list of scopes (RFC 6749 section 3.3) or audiences: the provider would say so in worse words.
pub fn checked(list: Option<String>, what: &str) -> Result<Option<String>, UsageError> {
    let fits = |byte: u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    match list {
        Some(text) if !text.bytes().all(fits) => Err(UsageError::new(format!(
            "'{text}' is no {what}: printable ASCII characters without quotation marks and backslashes are"
        ))),
        list => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_compared_as_sets() {
        let of = |texts: &[&str]| list(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["b,a", " a  c"]).as_deref(), Some("a b c"));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[" ,"]), None);
    }

    #[test]
    fn names_become_names_of_files_and_entries() {
        let with_handle = sink("cms_crab", Some("read")).expect("fine");
        assert_eq!(entry_of(&with_handle), "condor-cms_crab_read");
        for (service, handle) in [("../x", None), ("-s", None), ("a", Some("b/c")), ("a&b", None)] {
            sink(service, handle).expect_err(service);
        }
    }
}
