//! What is known of services, as data: the rows that come along, and those that somebody adds for an issuer
//! (`destinations` in the provider data), in the same form.

use serde::{Deserialize, Serialize};

use super::address::Address;
use crate::{scope::path::ScopePath, wildcard};

const SERVICES: &str = include_str!("services.json");

/// A row. Of the rows that fit an address, the last one that has a field counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// What the row is about, for the person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it is from: a section of a specification, or a file. For the person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// It fits addresses with one of these schemes, in lower case; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<String>,
    /// It fits addresses with one of these hosts, in lower case; `*` stands for any text. Empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The audience, with `{scheme}`, `{host}`, `{port}` (always) and `{:port}` (where it is not the default one) filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Further ones that such services take where their administrators want that, of the same form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_taken: Vec<String>,
    /// The port where the address names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_port: Option<u16>,
    /// It fits addresses with a path below this one, which is taken away: scopes name the path that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<ScopePath>,
    /// It fits addresses in whose path these components stand: scopes name the path that begins there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_begins_at: Option<ScopePath>,
    /// What can be done there; empty: anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub takes: Vec<Kind>,
    /// Set: no token is taken there, with the reason and what to do instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuses: Option<String>,
    /// What else the person should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// Kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// On files.
    Storage,
    /// On jobs.
    Compute,
}

impl Rule {
    /// The rows that come along.
    pub fn known() -> Vec<Self> {
        serde_json::from_str(SERVICES).expect("the services that come along are rows")
    }

    /// Whether the row is about addresses with this scheme at this host.
    pub fn fits_place(&self, address: &Address) -> bool {
        let any = |list: &[String], fits: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(fits);
        any(&self.schemes, &|scheme| *scheme == address.scheme)
            && any(&self.hosts, &|pattern| wildcard::fits(pattern, &address.host))
    }

    /// Whether the row is about this path.
    pub fn fits_path(&self, path: &ScopePath) -> bool {
        (self.prefix.is_none() && self.path_begins_at.is_none()) || self.shortened(path).is_some()
    }

    /// What is taken away from a path, and what is left; `None` where the row says nothing of it.
    pub fn shortened(&self, path: &ScopePath) -> Option<(ScopePath, ScopePath)> {
        let below = |prefix: &ScopePath| Some((prefix.clone(), path.below(prefix)?));
        match (&self.prefix, &self.path_begins_at) {
            (Some(prefix), None) => below(prefix),
            (None, Some(start)) => path.from_where(start),
            (Some(prefix), Some(start)) => path.below(prefix).and_then(|_| path.from_where(start)),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits_all(rule: &Rule, address: &str) -> bool {
        let address: Address = address.parse().expect("an address");
        rule.fits_place(&address) && rule.fits_path(&address.path)
    }

    #[test]
    fn the_rows_that_come_along_are_whole() {
        let rules = Rule::known();
        for rule in &rules {
            assert!(!rule.name.is_empty() && !rule.source.is_empty(), "{rule:?}");
            let again: Rule =
                serde_json::from_value(serde_json::to_value(rule).expect("JSON")).expect("a row");
            assert_eq!(again, *rule);
        }
        assert!(rules[0].schemes.is_empty() && rules[0].audience.is_some(), "every address has an audience");
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, host, fits) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("*.b", "a.b", true),
            ("*.b", ".bc", false),
            ("fts*", "fts3.x", true),
            ("*rucio*", "cms-rucio.x", true),
            ("*rucio*", "cms.x", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(wildcard::fits(pattern, host), fits, "{pattern} {host}");
        }
    }

    #[test]
    fn a_row_fits_by_everything_it_names() {
        let rule: Rule = serde_json::from_str(
            r#"{"schemes":["root","davs"],"hosts":["eoscms.cern.ch","*.cms.example"],"prefix":"/eos/cms"}"#,
        )
        .expect("a row");
        for (address, fits) in [
            ("root://eoscms.cern.ch//eos/cms/store/x", true),
            ("davs://a.cms.example/eos/cms", true),
            ("https://eoscms.cern.ch/eos/cms/x", false),
            ("root://eosatlas.cern.ch//eos/cms/x", false),
            ("root://cms.example//eos/cms/x", false),
            ("root://eoscms.cern.ch//eos/cmsx", false),
        ] {
            assert_eq!(fits_all(&rule, address), fits, "{address}");
        }
        let rule: Rule = serde_json::from_str(r#"{"path_begins_at":"/store"}"#).expect("a row");
        assert!(fits_all(&rule, "davs://se.example/dpm/cms/store/x"));
        assert!(!fits_all(&rule, "davs://se.example/restore/x"));
        assert!(serde_json::from_str::<Rule>(r#"{"prefix":"eos"}"#).is_err(), "no path");
        assert!(serde_json::from_str::<Rule>(r#"{"prefixes":"/eos"}"#).is_err(), "no such key");
    }
}
