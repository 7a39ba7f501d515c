//! Refresh tokens that an account has gone on from. A file that holds one of them is an older one, such as a restored
//! backup: a provider that rotates takes a second use of such a token for theft.

use std::collections::VecDeque;

use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::secret::RefreshToken;

/// How many are remembered.
const CAPACITY: usize = 64;

/// The newest spent tokens, by the beginning of their SHA-256: enough to know them again, useless otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent(VecDeque<u64>);

impl Spent {
    /// None.
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Remembers a token; the oldest one makes room.
    pub fn note(&mut self, token: &RefreshToken) {
        if self.contains(token) {
            return;
        }
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(fingerprint(token));
    }

    /// Whether a token was gone on from.
    pub fn contains(&self, token: &RefreshToken) -> bool {
        self.0.contains(&fingerprint(token))
    }

    /// For sealing under the agent's lock.
    pub fn to_value(&self) -> Value {
        self.0.iter().copied().collect()
    }

    /// What [`Spent::to_value`] gave.
    pub fn from_value(value: &Value) -> Self {
        Self(value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect())
    }
}

fn fingerprint(token: &RefreshToken) -> u64 {
    let digest = digest(&SHA256, token.expose().as_bytes());
    digest.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_newest() {
        let token = |number: usize| RefreshToken::new(format!("rt{number}"));
        let mut spent = Spent::default();
        (0..=CAPACITY).for_each(|number| spent.note(&token(number)));
        spent.note(&token(CAPACITY));
        assert!(!spent.contains(&token(0)));
        assert!((1..=CAPACITY).all(|number| spent.contains(&token(number))));
        assert_eq!(Spent::from_value(&spent.to_value()), spent);
    }
}
