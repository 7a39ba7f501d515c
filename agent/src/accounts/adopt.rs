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
                self.stamp = stamp;
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
            (self.cache, self.id_tokens) = (TokenCache::default(), TokenCache::default());
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

#[cfg(test)]
mod tests {
    use oidc_proto::secret::RefreshToken;

    use super::{
        super::{
            refresh_tokens::Kept,
            source::played::Played,
            testing::{Bench, File, START, granted},
            token_cache::{
                Purpose,
                tests::{at, token},
            },
        },
        *,
    };

    fn current(open: &Open) -> &str {
        open.tokens.current().map_or("", |token| token.expose())
    }

    /// An account that has gone on from `rt-1` to `rt-2`, which is in its file, with an access token.
    fn gone_on(file: &File, home: &Home, name: &Shortname) -> Open {
        let mut open = Open::new(file.account());
        open.tokens.rotated("rt-2".into());
        file.set_token("rt-2");
        open.tokens.written();
        open.file_key = Some(file.key().clone());
        open.stamp = look::stamp(home, name);
        open.cache.keep(Purpose::default(), token("at-1", at(START), 3600));
        open
    }

    /// What happens to the file; the refresh token afterwards and where it is kept, and whether access tokens are still
    /// the account's.
    #[tokio::test]
    async fn a_newer_token_is_taken_over_and_an_older_one_is_not() {
        type Row = (&'static str, fn(&File), &'static str, Kept, bool);
        fn another_client(file: &File, token: &str) {
            file.change(|account| account.client_id = Some("d".into()));
            file.set_token(token);
        }
        let rows: &[Row] = &[
            ("nothing", |_| {}, "rt-2", Kept::Home, true),
            ("another program's token", |file| file.set_token("rt-7"), "rt-7", Kept::Home, true),
            ("the same beside the file", |file| file.put_beside("rt-7"), "rt-7", Kept::Beside, true),
            ("a spent one is put back", |file| file.set_token("rt-1"), "rt-2", Kept::Nowhere, true),
            ("the token is taken out", |file| file.set_token(""), "rt-2", Kept::Nowhere, true),
            ("another client's login", |file| another_client(file, "rt-1"), "rt-1", Kept::Home, false),
            ("another client, no login", |file| another_client(file, ""), "", Kept::Home, false),
            (
                "copied from another file",
                |file| file.change(|a| a.name = Some("b".into())),
                "rt-2",
                Kept::Home,
                true,
            ),
            ("another password", File::rekey, "rt-2", Kept::Home, true),
            ("damaged", |file| file.put(b"{\"format\":\"oidc-account/1\"}"), "rt-2", Kept::Home, true),
            ("deleted", File::delete, "rt-2", Kept::Home, true),
        ];
        for (what, happens, expected, kept, keeps_tokens) in rows {
            let bench = Bench::new();
            let file = bench.write_file(&Played::new(true, |_| Ok(granted("at", ""))));
            let (home, name): (_, Shortname) = (&bench.accounts.deps().home, "acc".parse().expect("a name"));
            let mut open = gone_on(&file, home, &name);
            happens(&file);
            let found = look::look(home, &name, &open.known(at(START)));
            let is_other = open.adopt(&name, found);
            assert_eq!(is_other, *expected != "rt-2", "{what}");
            assert_eq!((current(&open), open.tokens.kept()), (*expected, *kept), "{what}");
            assert_eq!(open.cache.find(&Purpose::default()).is_some(), *keeps_tokens, "{what}");
            assert_eq!(open.standing.is_rekeyed(), *what == "another password", "{what}");
            assert_eq!(open.config.name.as_deref(), Some("acc"), "{what}");
            if *what != "deleted" {
                assert_eq!(open.stamp, look::stamp(home, &name), "{what}: it is not read twice");
            }
        }
    }

    /// What there was no memory for is not taken for another key for good.
    #[tokio::test]
    async fn a_file_that_could_not_be_opened_for_now_is_looked_at_again() {
        let bench = Bench::new();
        let file = bench.write_file(&Played::new(true, |_| Ok(granted("at", ""))));
        let (home, name): (_, Shortname) = (&bench.accounts.deps().home, "acc".parse().expect("a name"));
        let mut open = gone_on(&file, home, &name);
        open.adopt(&name, Found::Rekeyed(None));
        assert!(open.standing.is_rekeyed());
        let found = look::look(home, &name, &open.known(at(START)));
        open.adopt(&name, found);
        assert!(!open.standing.is_rekeyed() && open.stamp == look::stamp(home, &name));
        assert_eq!(current(&open), "rt-2");
    }

    /// The client and the token of an account that is loaded again, and the token it goes on with: an earlier load has
    /// gone on from `rt-1` to `rt-2`, and could not save that.
    #[test]
    fn an_earlier_load_that_was_not_saved_is_gone_on_from() {
        let account = |client: &str, token: &str| {
            let AccountConfig { issuer_url, .. } =
                super::super::testing::add_request("https://op", "acc").config;
            Open::new(AccountConfig {
                client_id: Some(client.into()),
                issuer_url,
                refresh_token: Some(RefreshToken::from(token)),
                ..AccountConfig::default()
            })
        };
        let mut earlier = account("c", "rt-1");
        earlier.tokens.rotated("rt-2".into());
        earlier.tokens.not_stored(true);
        for (client, came, expected) in
            [("c", "rt-1", "rt-2"), ("c", "rt-2", "rt-2"), ("c", "rt-9", "rt-9"), ("d", "rt-1", "rt-1")]
        {
            let mut open = account(client, came);
            open.take_over(&earlier);
            assert_eq!(current(&open), expected, "client {client}, came with {came}");
        }
    }
}
