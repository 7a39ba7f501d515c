//! What is known of destinations of one issuer's users: from the agent's provider data.

use oidc_proto::{
    destination::rule::Rule,
    issuers::Issuers,
    message::{ProviderQuery, ProviderReport, ProviderRequest, Reply, Request, Target},
    shortname::Shortname,
    vault,
};

use crate::context::{Context, agent_state};

/// The key of the provider data.
const DESTINATIONS: &str = "destinations";

/// The issuer that is meant, where it is known before the agent gave a token.
pub fn issuer_of(target: &Target, context: &mut Context) -> Option<String> {
    match target {
        Target::Issuer(issuer) => Some(issuer.clone()),
        Target::Account(name) => issuer_of_account(name, context),
    }
}

/// The rules for an issuer; none where they are not known, as with an agent of the C suite: then the profile alone counts.
/// Nobody waits for the provider.
pub fn of(issuer: &str, context: &mut Context) -> Vec<Rule> {
    let query = ProviderQuery { issuer: Some(issuer.to_owned()), ..ProviderQuery::default() };
    let request = Request::Provider(ProviderRequest { query, at_hand: true, ..ProviderRequest::default() });
    match context.call(&request) {
        Ok(Reply::Success { info: Some(info) }) => {
            ProviderReport::from_info(&info).map(rules).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The rules of a report, in the order in which they apply. Those that this program does not understand are left out.
fn rules(report: ProviderReport) -> Vec<Rule> {
    let facts = report.facts.into_iter().filter(|fact| fact.key == DESTINATIONS);
    let rules = facts.flat_map(|fact| {
        let rows = fact.value.as_array().cloned().unwrap_or_default();
        rows.into_iter().filter_map(move |row| {
            let rule: Rule = serde_json::from_value(row).ok()?;
            let source = if rule.source.is_empty() { fact.source.clone() } else { rule.source.clone() };
            Some(Rule { source, ..rule })
        })
    });
    rules.collect()
}

/// The issuer of an account: as the agent holds it, as its file says, or as `issuer.config` lists it.
fn issuer_of_account(name: &str, context: &mut Context) -> Option<String> {
    let held = agent_state::ask(context).ok().and_then(|status| {
        status.accounts.into_iter().find(|account| account.name == name).map(|account| account.issuer)
    });
    if let Some(issuer) = held.filter(|issuer| !issuer.is_empty()) {
        return Some(issuer);
    }
    let home = context.home().ok()?;
    let name: Shortname = name.parse().ok()?;
    let header = home.read(&name).ok().and_then(|bytes| vault::header(&bytes));
    header.and_then(|header| header.issuer).or_else(|| {
        let issuers = Issuers::load(Some(&home));
        issuers.iter().find(|issuer| issuer.accounts.contains(&name)).map(|issuer| issuer.issuer.clone())
    })
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::ProviderFact;
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_come_with_their_source() {
        let fact =
            |key: &str, value, source: &str| ProviderFact { key: key.into(), value, source: source.into() };
        let report = ProviderReport {
            facts: vec![
                fact("audience", "none".into(), "x"),
                fact(DESTINATIONS, json!([{"path_begins_at": "/store"}, {"later": 1}]), "built in: CMS"),
                fact(DESTINATIONS, json!([{"prefix": "/eos", "source": "a ticket"}]), "/etc/x: ours"),
                fact(DESTINATIONS, json!("nonsense"), "y"),
            ],
            ..ProviderReport::default()
        };
        let sources: Vec<_> = rules(report).into_iter().map(|rule| rule.source).collect();
        assert_eq!(sources, ["built in: CMS", "a ticket"]);
    }
}
