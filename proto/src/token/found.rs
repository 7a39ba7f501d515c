//! The tokens of a text, as they are found.

use super::compact::{Malformed, Token};

/// Most tokens that are told of one text.
const MAX_TOKENS: usize = 64;

/// What a text holds: at least one token.
#[derive(Debug, Default)]
pub struct Found {
    /// The tokens in the order of the text, each once.
    pub tokens: Vec<FoundToken>,
    /// Whether a refresh token stands beside them, which is not among them.
    pub has_refresh_token: bool,
    /// What looks like a token beside them and is none.
    pub malformed: Vec<Malformed>,
    /// How many tokens there are beyond those that are told.
    pub left_out: usize,
}

/// A token and what the text calls it.
#[derive(Debug)]
pub struct FoundToken {
    /// The token.
    pub token: Token,
    /// Its name in the text as RFC 6749 and OpenID Connect write it: `access_token`, `id_token`, `refresh_token`.
    pub found_as: Option<&'static str>,
    /// Other names under which the same token stands there.
    pub also_as: Vec<&'static str>,
}

impl Found {
    /// Adds a candidate; one that is there already is only named again.
    pub(super) fn add(&mut self, text: &str, found_as: Option<&'static str>) {
        if let Some(known) = self.tokens.iter_mut().find(|known| known.token.expose() == text) {
            if let Some(name) = found_as.filter(|name| known.found_as != Some(*name)) {
                match known.found_as {
                    None => known.found_as = Some(name),
                    Some(_) if !known.also_as.contains(&name) => known.also_as.push(name),
                    Some(_) => {}
                }
            }
            return;
        }
        if self.tokens.len() >= MAX_TOKENS {
            self.left_out += 1;
            return;
        }
        match Token::parse(text) {
            Ok(token) => self.tokens.push(FoundToken { token, found_as, also_as: Vec::new() }),
            Err(malformed) if self.malformed.len() < MAX_TOKENS => self.malformed.push(malformed),
            Err(_) => {}
        }
    }
}
