//! Which provider: given, or chosen among those that are known, or typed.

use oidc_proto::{account::same_issuer, issuers::Issuers};

use super::{dialogue::Question, session::Session};
use crate::{account::issuer_url, context::error::Error};

/// Asks for the issuer, with those that are known as suggestions: they are listed the first time only, so that the
/// reason for asking again does not scroll away.
pub fn ask(session: &mut Session, name: &str, is_first: bool) -> Result<String, Error> {
    let known = known(&session.issuers);
    if is_first && session.dialogue.can_ask(session.context) {
        for (number, issuer) in known.iter().enumerate() {
            session.context.asker.tell(&format!("[{}] {issuer}", number + 1))?;
        }
    }
    let question = Question { label: "Issuer", option: "issuer", default: suggested(&known, name) };
    session.dialogue.ask(session.context, &question, |answer| choose(answer, &known))
}

/// The issuers that are known, each once.
fn known(issuers: &Issuers) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for issuer in issuers.iter() {
        if !known.iter().any(|other| same_issuer(other, &issuer.issuer)) {
            known.push(issuer.issuer.clone());
        }
    }
    known
}

/// The first whose URL holds the account's name, else the first: the C suite's rule.
fn suggested<'a>(known: &'a [String], name: &str) -> Option<&'a str> {
    let named = known.iter().find(|issuer| issuer.to_ascii_lowercase().contains(&name.to_ascii_lowercase()));
    named.or(known.first()).map(String::as_str)
}

/// A number of the list, or a URL.
fn choose(answer: &str, known: &[String]) -> Result<String, String> {
    if let Ok(number) = answer.parse::<usize>() {
        let chosen = number.checked_sub(1).and_then(|index| known.get(index));
        return chosen.cloned().ok_or_else(|| format!("There is no number {number} in the list."));
    }
    issuer_url::read(answer)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_answer_is_a_number_or_a_url() {
        let known = ["https://one.example/".to_owned(), "https://two.example".to_owned()];
        assert_eq!(choose("2", &known).as_deref(), Ok("https://two.example"));
        assert_eq!(choose("wlcg.example/realm", &known).as_deref(), Ok("https://wlcg.example/realm"));
        assert_eq!(choose("http://127.0.0.1:8080", &known).as_deref(), Ok("http://127.0.0.1:8080"));
        for wrong in
            ["0", "3", "http://op.example", "ftp://op", "https://op?x=1", "https://op#x", "https://", "a b"]
        {
            assert!(choose(wrong, &known).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_name_picks_the_suggestion() {
        let known = ["https://one.example/".to_owned(), "https://WLCG.example".to_owned()];
        assert_eq!(suggested(&known, "wlcg"), Some("https://WLCG.example"));
        assert_eq!(suggested(&known, "other"), Some("https://one.example/"));
        assert_eq!(suggested(&[], "other"), None);
    }

    #[test]
    fn the_shipped_issuer_data_is_whole() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib");
        let issuers = Issuers::load_from(None, &shipped);
        assert!(issuers.problems().is_empty(), "{:?}", issuers.problems());
        let known = known(&issuers);
        assert!(
            known.len() > 20 && known.iter().all(|issuer| issuer_url::read(issuer).as_ref() == Ok(issuer)),
            "{known:?}"
        );
        assert!(issuers.get("https://wlcg.cloud.cnaf.infn.it").is_some_and(|issuer| issuer.legacy_aud_mode));
    }
}
