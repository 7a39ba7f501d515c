//! What a person reads of a token. Every text of the token is on one line and escaped.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};
use oidc_proto::{
    message::AccountStatus,
    shortname::{is_control, is_format},
    token::{
        Date, Severity, Signed,
        discovery::{Discovery, ZTN_LIMIT},
        in_words,
    },
};
use serde_json::Value;

use super::{inspected::Inspected, moment, source};
use crate::context::expiry;

/// Longest text of a claim that is shown, in characters.
const MAX_SHOWN: usize = 300;
const BOLD: &str = "1";
const RED: &str = "31";
const YELLOW: &str = "33";
const GREEN: &str = "32";

/// Writes what a person reads.
pub struct Sheet {
    text: String,
    colour: bool,
    now: Timestamp,
    zone: TimeZone,
}

impl Sheet {
    /// An empty one; times are told from `now` on.
    pub fn new(now: Timestamp, zone: TimeZone, colour: bool) -> Self {
        Self { text: String::new(), colour, now, zone }
    }

    /// All that was written.
    pub fn finish(self) -> String {
        self.text
    }

    /// A token with all that is known of it.
    pub fn token(&mut self, inspected: &Inspected, number: Option<usize>) {
        let mut title = inspected.kind.to_string();
        if let Some(name) =
            inspected.found.found_as.filter(|name| number.is_some() || *name == "refresh_token")
        {
            let _ = write!(title, " (as {name})");
        }
        if let Some(number) = number {
            title = format!("{number}. {title}");
        }
        let title = self.coloured(BOLD, &one_line(&title));
        let _ = writeln!(self.text, "{title}");
        if let Some(remark) = inspected.kind.remark() {
            let _ = writeln!(self.text, "  {remark}");
        }
        if !inspected.found.also_as.is_empty() {
            let _ = writeln!(self.text, "  the same stands there as {}", inspected.found.also_as.join(", "));
        }
        if let Some(jwt) = inspected.found.token.signed() {
            self.facts(jwt);
        }
        self.end(inspected);
        self.row("signed", &signature(inspected));
        self.row("size", &size(inspected.found.token.size()));
        if let Some(jwt) = inspected.found.token.signed() {
            self.other_claims(jwt);
        }
        self.introspection(inspected);
        self.problems(inspected);
    }

    fn facts(&mut self, jwt: &Signed) {
        self.row("issuer", &jwt.issuer().map_or_else(|| "not named".to_owned(), one_line));
        if let Some(subject) = jwt.subject() {
            self.row("subject", &one_line(subject));
        }
        self.list("audience", jwt.audiences().into_iter().map(one_line));
        let scopes = jwt.scopes();
        let width = scopes.iter().map(|scope| scope.chars().count()).max().unwrap_or(0).min(40);
        self.list(
            "scopes",
            scopes.into_iter().map(|scope| match in_words(scope) {
                Some(words) => format!("{:width$}  {}", one_line(scope), one_line(&words)),
                None => one_line(scope),
            }),
        );
        self.list("groups", jwt.groups().into_iter().map(one_line));
        for (label, claim) in [("issued", "iat"), ("valid from", "nbf")] {
            if let Date::At(_) = jwt.claims.date(claim) {
                self.time(label, jwt.claims.date(claim).seconds());
            }
        }
    }

    fn end(&mut self, inspected: &Inspected) {
        match inspected.expires_at {
            Some(end) => self.time("expires", Some(end)),
            None => self.row("expires", "not said"),
        }
    }

    fn other_claims(&mut self, jwt: &Signed) {
        let members = jwt.claims.object().members();
        let mut others: Vec<_> = members.iter().filter(|(name, _)| !jwt.is_shown_by_itself(name)).collect();
        others.sort_by_key(|(name, _)| name.as_str());
        if others.is_empty() {
            return;
        }
        self.text.push('\n');
        let width = others.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(30);
        for (name, value) in others {
            let _ = writeln!(self.text, "  {:width$}  {}", one_line(name), one_line(&shown(value)));
        }
    }

    fn introspection(&mut self, inspected: &Inspected) {
        let Some(said) = &inspected.introspection else { return };
        let active = match said.active {
            Some(true) => ": the token is valid",
            Some(false) => ": the token is not valid",
            None => "",
        };
        let who = match said.source.as_str() {
            "introspection" => "the provider says (introspection)",
            "userinfo" => "the provider says of who has it (userinfo)",
            _ if said.claims.is_empty() => "nobody says anything of it",
            _ => "the agent remembers",
        };
        let _ = writeln!(self.text, "\n  {who}{active}");
        let mut claims: Vec<_> = said.claims.iter().filter(|(name, _)| *name != "active").collect();
        claims.sort_by_key(|(name, _)| name.as_str());
        let width = claims.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(30);
        for (name, value) in claims {
            let _ = writeln!(self.text, "    {:width$}  {}", one_line(name), one_line(&shown(value)));
        }
        for remark in &said.remarks {
            let _ = writeln!(self.text, "    {}", one_line(remark));
        }
    }

    fn problems(&mut self, inspected: &Inspected) {
        if inspected.problems.is_empty() && inspected.verified == Some(true) {
            let fine = self.coloured(GREEN, "verified: the issuer signed it, and nothing is wrong with it");
            let _ = writeln!(self.text, "\n{fine}");
            return;
        }
        if !inspected.problems.is_empty() {
            self.text.push('\n');
        }
        for problem in &inspected.problems {
            let (mark, colour) = match problem.severity {
                Severity::Error => ('!', RED),
                Severity::Warning => ('~', YELLOW),
            };
            let line = self.coloured(colour, &format!("{mark} {}", one_line(&problem.text)));
            let _ = writeln!(self.text, "{line} ({})", problem.code);
        }
    }

    /// The places where programs look, and which programs find something else there.
    pub fn discovery(&mut self, discovery: &Discovery) {
        let used = discovery.used().map(|used| &used.place);
        for candidate in &discovery.candidates {
            let mark = if used == Some(&candidate.place) { "used" } else { "" };
            let holds = source::in_words(&candidate.holds);
            let place = one_line(&candidate.place.to_string());
            let _ = writeln!(self.text, "  {mark:4}  {place} {}", one_line(&holds));
        }
        for name in discovery.unset() {
            let _ = writeln!(self.text, "        {name} is not set");
        }
        for reader in discovery.readers() {
            let place = reader.uses.map(|at| &discovery.candidates[at].place);
            let differs = place != used;
            let Some(words) = (match (place, reader.remark) {
                (_, Some(remark)) if differs || remark.starts_with("refuses") => Some(remark.to_owned()),
                (Some(place), None) if differs => Some(format!("uses {}", one_line(&place.to_string()))),
                (None, None) if differs => Some("finds none".to_owned()),
                _ => None,
            }) else {
                continue;
            };
            let _ = writeln!(self.text, "  {}: {words}", reader.programs);
        }
        self.text.push('\n');
    }

    /// What ends after an account's token: the login that gets the next one, and the client.
    pub fn account(&mut self, account: &AccountStatus) {
        let lines = expiry::chain(account, Timestamp::now());
        let mut ends = lines
            .iter()
            .filter_map(|line| line.split_once(' '))
            .filter(|(link, _)| *link != "token")
            .peekable();
        if ends.peek().is_some() || account.mytoken_url.is_some() {
            self.gap();
        }
        if let Some(server) = &account.mytoken_url {
            self.row("mytoken", &one_line(&format!("the account holds one of {server}")));
        }
        for (link, end) in ends {
            self.row(link, &one_line(end));
        }
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    fn row(&mut self, label: &str, text: &str) {
        let _ = writeln!(self.text, "  {label:<11}  {text}");
    }

    fn list(&mut self, label: &str, texts: impl Iterator<Item = String>) {
        for (number, text) in texts.enumerate() {
            self.row(if number == 0 { label } else { "" }, &text);
        }
    }

    fn time(&mut self, label: &str, seconds: Option<u64>) {
        let words = seconds.map(|seconds| moment::in_words(seconds, self.now, &self.zone));
        self.row(label, &words.unwrap_or_else(|| "at no time".to_owned()));
    }

    fn coloured(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn signature(inspected: &Inspected) -> String {
    let Some(jwt) = inspected.found.token.signed() else {
        return if inspected.found.token.is_encrypted() {
            "encrypted".to_owned()
        } else {
            "cannot be seen".to_owned()
        };
    };
    let by = match (jwt.algorithm(), jwt.key_id()) {
        (None, _) => "by no algorithm".to_owned(),
        (Some(algorithm), None) => one_line(algorithm),
        (Some(algorithm), Some(kid)) => format!("{}, key {}", one_line(algorithm), one_line(kid)),
    };
    if inspected.verified.is_none() { format!("{by} (not verified)") } else { by }
}

fn size(size: usize) -> String {
    if size as u64 >= ZTN_LIMIT {
        return format!("{size} bytes: too large for xrootd's `ztn` limit of {ZTN_LIMIT}");
    }
    format!("{size} bytes")
}

/// A value in a line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A text of a token for a terminal: nothing in it ends the line, moves the cursor or reorders it.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(2 * MAX_SHOWN));
    for (number, c) in text.chars().enumerate() {
        if number == MAX_SHOWN {
            let _ = write!(line, "… ({} characters)", text.chars().count());
            break;
        }
        if is_control(c) || is_format(c) {
            line.extend(c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_token_moves_the_cursor() {
        assert_eq!(one_line("a\u{1b}]0;x\u{7}\u{202e}\n\tb"), "a\\u{1b}]0;x\\u{7}\\u{202e}\\u{a}\\u{9}b");
        assert!(one_line(&"x".repeat(1000)).ends_with("… (1000 characters)"));
    }

    #[test]
    fn a_token_that_xrootd_refuses_is_pointed_out() {
        assert_eq!(size(4095), "4095 bytes");
        assert!(size(4096).contains("`ztn` limit of 4096"));
    }
}
