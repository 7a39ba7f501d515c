//! `oidc provider show|probe`: what is known of a provider, and what it answers before anybody logs in.

use std::collections::BTreeMap;

use clap::{Parser, ValueEnum};
use oidc_proto::message::{
    Finding, ProviderFact, ProviderQuery, ProviderReport, ProviderRequest, Reply, Request,
};
use serde_json::{Value, json};

use crate::{
    account::issuer_url,
    agent::absolute_path,
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
};

/// What says by which words a provider refuses something: of little use to people.
const WORDS: [&str; 4] =
    ["dead_token_errors", "dead_token_texts", "living_token_texts", "offline_refusal_texts"];
/// What is told in sentences, before the rest.
const TOLD: [&str; 2] = ["get_client", "remarks"];

/// Show what is known of a provider, or try what it answers, before anybody logs in
#[derive(Debug, Clone, Parser)]
pub struct ProviderArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: ProviderAction,

    /// The provider's issuer URL
    #[arg(value_name = "ISSUER")]
    pub issuer: String,

    /// Say which file and row each value comes from (show)
    #[arg(long)]
    pub why: bool,

    /// Certificates to trust instead of the system's
    #[arg(long = "cp", value_name = "FILE")]
    pub cert_path: Option<String>,

    #[command(flatten)]
    pub common: Common,
}

/// What to do with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProviderAction {
    /// Show in what it differs from others
    Show,
    /// Try what it answers, and say what `oidc gen` will do there
    Probe,
}

impl Command for ProviderArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let probe = self.action == ProviderAction::Probe;
        if probe && self.why {
            return Err(UsageError::new("`--why` belongs to `oidc provider show`").into());
        }
        let issuer =
            issuer_url::read(&self.issuer).map_err(|reason| Error::NoIssuer(self.issuer.clone(), reason))?;
        let query = ProviderQuery {
            issuer: Some(issuer),
            config_endpoint: None,
            cert_path: self.absolute_cert_path(),
        };
        let request = Request::Provider(ProviderRequest { query, probe, ..ProviderRequest::default() });
        let Reply::Success { info: Some(info) } = context.call_or_start(&request)? else {
            return Err(Error::UnexpectedReply(request.name()));
        };
        let report = ProviderReport::from_info(&info).ok_or(Error::UnexpectedReply(request.name()))?;
        for problem in &report.problems {
            context.output.warning(&format!("provider data are left out: {problem}"));
        }
        if context.output.json {
            return Ok(context.output.json(&to_json(info))?);
        }
        if let Some(reason) = &report.without_metadata {
            context.output.warning(&format!(
                "the provider does not answer, so what depends on its metadata is missing: {reason}"
            ));
        }
        let text = if probe { probed(&report) } else { shown(&report, self.why) };
        Ok(context.output.line(&text)?)
    }
}

impl ProviderArgs {
    fn absolute_cert_path(&self) -> Option<String> {
        let given = self.cert_path.as_deref()?;
        Some(absolute_path(given).unwrap_or_else(|| given.to_owned()))
    }
}

/// The agent's own object, and that it could be had.
fn to_json(info: Value) -> Value {
    let mut object = json!({"status": "success"});
    if let (Some(object), Value::Object(info)) = (object.as_object_mut(), info) {
        object.extend(info);
    }
    object
}

/// The findings, a line each; what stands in the way is marked. The last one says what `oidc gen` does.
fn probed(report: &ProviderReport) -> String {
    let (last, others) = match report.findings.split_last() {
        Some((last, others)) if last.topic == "gen" => (Some(last), others),
        _ => (None, report.findings.as_slice()),
    };
    let width = others.iter().map(|finding| finding.topic.len()).max().unwrap_or(0);
    let mark = |finding: &Finding| if finding.is_problem { '!' } else { ' ' };
    let line = |finding: &Finding| format!("{} {:width$}  {}", mark(finding), finding.topic, finding.text);
    let mut lines: Vec<_> = others.iter().map(line).collect();
    if let Some(last) = last {
        lines.push(String::new());
        lines.push(if last.is_problem { format!("! {}", last.text) } else { last.text.clone() });
    }
    lines.join("\n")
}

/// The values that count; with `why` where they come from, and all of them.
fn shown(report: &ProviderReport, why: bool) -> String {
    let mut lines = vec![report.issuer.clone()];
    let told = |key: &str| report.effective.get(key).map(sentences).unwrap_or_default();
    lines.extend(TOLD.into_iter().flat_map(told).map(|sentence| format!("  {sentence}")));
    let is_listed = |key: &str| why || !(WORDS.contains(&key) || TOLD.contains(&key));
    let listed: Vec<_> =
        report.effective.iter().filter(|(key, value)| is_listed(key) && !is_nothing(value)).collect();
    let width = listed.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let sources = sources(&report.facts);
    for (key, value) in listed {
        lines.push(format!("  {key:width$}  {}", sentences(value).join(", ")));
        if why {
            let own = sources.get(key.as_str()).map_or("unless somebody says otherwise", String::as_str);
            lines.push(format!("  {:width$}    ({own})", ""));
        }
    }
    lines.join("\n")
}

/// By key, who says something of it, in the order in which it applies.
fn sources(facts: &[ProviderFact]) -> BTreeMap<&str, String> {
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    for fact in facts {
        let all = sources.entry(&fact.key).or_default();
        if !all.is_empty() {
            all.push_str("; then ");
        }
        all.push_str(&fact.source);
    }
    sources
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The items of a list, or the one that is no list.
fn sentences(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(one).collect(),
        other => vec![one(other)],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn report() -> ProviderReport {
        let fact = |key: &str, value: Value, source: &str| ProviderFact {
            key: key.into(),
            value,
            source: source.into(),
        };
        let finding = |topic: &str, text: &str, is_problem| Finding {
            topic: topic.into(),
            text: text.into(),
            is_problem,
        };
        ProviderReport {
            issuer: "https://op".into(),
            facts: vec![
                fact("audience", "none".into(), "built in: every provider"),
                fact("audience", "resource".into(), "/etc/x: ours"),
            ],
            effective: members(json!({
                "audience": "resource", "device_pkce": true, "get_client": "Ask Ada.", "remarks": ["Slow.", "Old."],
                "dead_token_texts": ["gone", "past"], "client_authentication": [], "client_name_length": null,
            })),
            findings: vec![
                finding("tls", "its certificate is trusted", false),
                finding("clock", "this computer is 400 s ahead", true),
                finding("gen", "`oidc gen` registers a client", false),
            ],
            ..ProviderReport::default()
        }
    }

    fn members(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("no object: {other}"),
        }
    }

    #[test]
    fn people_read_what_matters_to_them() {
        assert_eq!(
            shown(&report(), false),
            "https://op\n  Ask Ada.\n  Slow.\n  Old.\n  audience     resource\n  device_pkce  true"
        );
        let why = shown(&report(), true);
        for line in [
            "gone, past",
            "(built in: every provider; then /etc/x: ours)",
            "(unless somebody says otherwise)",
        ] {
            assert!(why.contains(line), "{why}");
        }
    }

    #[test]
    fn what_stands_in_the_way_is_marked_and_gen_comes_last() {
        assert_eq!(
            probed(&report()),
            "  tls    its certificate is trusted\n! clock  this computer is 400 s ahead\n\n\
             `oidc gen` registers a client"
        );
        assert_eq!(probed(&ProviderReport::default()), "");
    }
}
