//! What an account makes of its file: a newer refresh token is taken over, an older one is not.

use oidc_proto::{
    account::AccountConfig, error_code::ErrorCode, home::Home, message::Failure, secret::RefreshToken, shell,
    shortname::Shortname,
};

use super::{
    held::Open,
    look::{self, Changed, Found},
    token_cache::TokenCache,
};

impl Open {
    /// Takes over what a look at the file found. Whether the account now has another refresh token.
    pub fn adopt(&mut self, name: &Shortname, found: Found) -> bool {
        match found {
            Found::Nothing | Found::Unchanged => false,
            Found::FirstSeen(stamp) => {
                self.stamp = Some(stamp);
                // A file that appeared after a rotation: it can only hold the token we started with.
                self.unsaved |= self.token_in_file.is_some();
                false
            }
            Found::Damaged(stamp) => {
                self.stamp = Some(stamp);
                false
            }
            Found::Rekeyed(stamp) => {
                self.stamp = Some(stamp);
                self.refused = Some(rekeyed(name));
                false
            }
            Found::Beside { in_file, token } => self.adopt_beside(in_file, token),
            Found::Changed(changed) => self.adopt_changed(*changed),
        }
    }

    /// Reads an account's file for the first time. One that does not open with our key is another account's, as when
    /// the client has another oidc-agent directory; it is watched, and otherwise left alone. Blocks.
    pub fn catch_up(&mut self, home: &Home, name: &Shortname) {
        match look::look(home, name, &self.known()) {
            found @ (Found::Changed(_) | Found::FirstSeen(_)) => drop(self.adopt(name, found)),
            _ => self.stamp = look::stamp(home, name),
        }
        // The C suite's clients do not know what may lie beside the file.
        let found = look::look_beside(home, name, &self.known());
        self.adopt(name, found);
    }

    /// Goes on from what another agent, or an earlier load of the account, holds and could not save: the refresh token
    /// that came with the account is spent.
    pub fn succeed(&mut self, earlier: &Self) {
        let has_spent = |token| earlier.spent.contains(token);
        if !self.config.refresh_token.as_ref().is_some_and(has_spent) || !self.is_login_of(&earlier.config) {
            return;
        }
        if let Some(token) = earlier.config.refresh_token.clone() {
            self.rotate(token);
        }
    }

    fn adopt_beside(&mut self, in_file: RefreshToken, token: RefreshToken) -> bool {
        if self.is_rekeyed() || self.spent.contains(&token) {
            return false;
        }
        self.token_in_file = Some(in_file);
        // With a key the file itself is brought up to date before anything is handed out.
        self.unsaved = self.file_key.is_some();
        self.go_on_with(token)
    }

    fn adopt_changed(&mut self, changed: Changed) -> bool {
        let Changed { mut config, token_in_file, key, stamp, rolled_back } = changed;
        // Whoever changed it may have mended what the provider refuses.
        self.refusals.clear();
        (self.stamp, self.file_key) = (Some(stamp), Some(key));
        let is_spent = |token| rolled_back || self.spent.contains(token);
        let is_older = self.is_login_of(&config) && config.refresh_token.as_ref().is_some_and(is_spent);
        if is_older {
            // Ours is a successor of the token in the file, and never got there or was overwritten.
            self.token_in_file = token_in_file.or(config.refresh_token.take());
            config.refresh_token.clone_from(&self.config.refresh_token);
        } else {
            self.token_in_file = token_in_file;
        }
        self.token_in_file.take_if(|in_file| Some(&*in_file) == config.refresh_token.as_ref());
        self.unsaved = self.token_in_file.is_some();

        if !self.is_login_of(&config) {
            self.cache = TokenCache::default();
        }
        if self.is_rekeyed() {
            self.refused = None;
        }
        // The file's name is the account's; the copy inside it may be that of a file it was copied from.
        config.name.clone_from(&self.config.name);
        let newest = config.refresh_token.take();
        config.refresh_token = self.config.refresh_token.take();
        self.config = config;
        match newest {
            Some(token) => self.go_on_with(token),
            None => self.config.refresh_token.take().is_some(),
        }
    }

    /// Whether this account and another configuration have client and issuer in common.
    fn is_login_of(&self, other: &AccountConfig) -> bool {
        self.config.client_id == other.client_id
            && self.config.issuer_url.as_deref().is_some_and(|issuer| other.has_issuer(issuer))
    }

    fn is_rekeyed(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.code == ErrorCode::AccountNotLoaded)
    }
}

fn rekeyed(name: &Shortname) -> Failure {
    Failure::account_not_loaded().with_info(format!(
        "The file of account '{name}' was changed by another program since it was loaded, and may hold a newer refresh \
         token. Run `{}` to load it again.",
        shell::command("oidc add", name.as_str())
    ))
}
