//! What an account makes of its file: a newer refresh token is taken over, an older one is not.

use oidc_proto::{account::AccountConfig, home::Home, shortname::Shortname};

use super::{
    held::Open,
    look::{self, Changed, Found},
    refresh_tokens::OnDisk,
    token_cache::TokenCache,
};
use crate::clock::Moment;

impl Open {
    /// Takes over what a look at the file found. Whether the account now has another refresh token.
    pub fn adopt(&mut self, name: &Shortname, found: Found) -> bool {
        match found {
            Found::Nothing | Found::Unchanged => false,
            Found::FirstSeen(stamp) => {
                self.stamp = Some(stamp);
                self.tokens.appeared();
                false
            }
            Found::Damaged(stamp) => {
                self.stamp = Some(stamp);
                false
            }
            Found::Rekeyed(stamp) => {
                self.stamp = Some(stamp);
                self.standing.rekeyed(name);
                false
            }
            Found::Beside { in_file, token } => {
                if self.standing.is_rekeyed() || self.tokens.is_spent(&token) {
                    return false;
                }
                self.go_on_from(OnDisk {
                    in_file: Some(in_file),
                    beside: Some(token),
                    same_login: true,
                    rolled_back: false,
                })
            }
            Found::Changed(changed) => self.adopt_changed(*changed),
        }
    }

    /// Reads an account's file for the first time. One that does not open with our key is another account's, as when
    /// the client has another oidc-agent directory; it is watched, and otherwise left alone. Blocks.
    pub fn catch_up(&mut self, home: &Home, name: &Shortname, now: Moment) {
        match look::look(home, name, &self.known(now)) {
            found @ (Found::Changed(_) | Found::FirstSeen(_)) => drop(self.adopt(name, found)),
            _ => self.stamp = look::stamp(home, name),
        }
        // The C suite's clients do not know what may lie beside the file.
        let found = look::look_beside(home, name, &self.known(now));
        self.adopt(name, found);
    }

    /// Goes on from what another agent, or an earlier load of the account, holds and could not save: the refresh token
    /// that came with the account is spent.
    pub fn take_over(&mut self, earlier: &Self) {
        if self.is_login_of(&earlier.config) && self.tokens.take_over(&earlier.tokens) {
            self.has_another_token();
        }
    }

    fn adopt_changed(&mut self, changed: Changed) -> bool {
        let Changed { mut config, token_in_file, key, stamp, rolled_back } = changed;
        // Whoever changed it may have mended what the provider refuses.
        self.refusals.clear();
        self.stamp = Some(stamp);
        self.take_key(key);
        self.standing.opened();
        let same_login = self.is_login_of(&config);
        if !same_login {
            self.cache = TokenCache::default();
        }
        // The file's name is the account's; the copy inside it may be that of a file it was copied from.
        config.name.clone_from(&self.config.name);
        let newest = config.refresh_token.take();
        self.config = config;
        let (in_file, beside) = match token_in_file {
            Some(in_file) => (Some(in_file), newest),
            None => (newest, None),
        };
        self.go_on_from(OnDisk { in_file, beside, same_login, rolled_back })
    }

    fn go_on_from(&mut self, disk: OnDisk) -> bool {
        let is_other = self.tokens.found(disk);
        if is_other {
            self.has_another_token();
        }
        is_other
    }

    /// Whether this account and another configuration have client and issuer in common.
    fn is_login_of(&self, other: &AccountConfig) -> bool {
        self.config.client_id == other.client_id
            && self.config.issuer_url.as_deref().is_some_and(|issuer| other.has_issuer(issuer))
    }
}
