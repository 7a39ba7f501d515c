//! `add`: an account that a client has decrypted.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    message::{AddRequest, Failure},
    shortname::Shortname,
    vault::FileKey,
};

use super::{
    account::{Account, Flags},
    consent::Asking,
    held::Open,
    loaded::Accounts,
    look,
    obtain::{self, cached_token},
    off_thread::off_thread,
    offer_login::{Subject, is_mended_by_login},
    password_source::PasswordSource,
    token_cache::{CachedToken, Purpose},
};
use crate::{caller::Caller, clock::Expiry, provider::TokenResponse};

/// How an account was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// Loaded; `lifetime` in seconds if it has one.
    Loaded {
        /// 0 when it has none.
        lifetime: u64,
    },
    /// It was loaded before; `lifetime` is set when that changed.
    Already {
        /// 0 for "no lifetime any more".
        lifetime: Option<u64>,
    },
}

impl Accounts {
    /// Loads a decrypted account. Unless told otherwise a first token is fetched, so that a dead refresh token is
    /// noticed now; an account for which that fails is not loaded, and the one it would have replaced stays.
    pub async fn add(&self, request: AddRequest) -> Result<Added, Failure> {
        self.try_add(request).await.map_err(|refused| refused.failure)
    }

    /// The same for a client: where the account needs a new login, the person may be offered one, and it is loaded after that.
    pub async fn add_for(&self, request: AddRequest, caller: Caller<'_>) -> Result<Added, Failure> {
        let asks_itself = request.asks_itself;
        let lifetime = self.lifetime(&request);
        match self.try_add(request).await {
            Err(Refused { failure, account: Some(account) }) if is_mended_by_login(&failure) => {
                let asking = Asking::new(caller, None, !asks_itself);
                Box::pin(self.offer_login(&account, &asking, failure, Subject::ToBeLoaded)).await?;
                Ok(Added::Loaded { lifetime })
            }
            added => added.map_err(|refused| refused.failure),
        }
    }

    /// For how many seconds an account is loaded; 0 for ever.
    fn lifetime(&self, request: &AddRequest) -> u64 {
        let default = self.deps().options.lifetime.map(|lifetime| lifetime.as_secs());
        request.lifetime.or(default).unwrap_or(0)
    }

    async fn try_add(&self, request: AddRequest) -> Result<Added, Refused> {
        let name = account_name(&request.config)?;
        let _only_one = self.loading(&name).await?;
        self.require_unlocked()?;

        let lifetime = self.lifetime(&request);
        let unload_at = (lifetime > 0).then(|| Expiry::after(self.now(), Duration::from_secs(lifetime)));
        let loaded = self.find(&name);
        if let Some(account) = &loaded
            && !request.replace
            && account.is_usable()?
        {
            return Ok(self.add_again(account, request, lifetime, unload_at));
        }
        // A refresh of the one that is replaced spends the token that the new one would begin with.
        let _no_refresh = match &loaded {
            Some(account) => Some(account.at_rest().await?),
            None => None,
        };

        let flags = Flags { confirm: request.confirm, always_allow_id_token: request.always_allow_id_token };
        let plain_add = request.plain_add;
        let open = self.prepare(name.clone(), request).await;
        self.try_load(name, open, flags, unload_at, plain_add).await?;
        Ok(Added::Loaded { lifetime })
    }

    /// Puts an account on the list that has just logged in, in the place of one of the same name. It stays until it is
    /// removed, is asked for as before, and the token of its login goes to the cache.
    pub async fn admit(&self, config: AccountConfig, token: Option<TokenResponse>) -> Result<(), Failure> {
        let name = account_name(&config)?;
        // Whatever else loads it: the refresh token that was just got must not be lost.
        let _only_one = self.loading(&name).await.ok();
        let flags = self.find(&name).map(|replaced| replaced.flags()).unwrap_or_default();
        let mut open = Open::new(config);
        if let (Some(token), Some(issuer)) = (token, open.config.issuer_url.as_deref()) {
            let purpose = Purpose::default();
            let token = cached_token(&purpose, None, issuer.into(), &token, self.now());
            open.cache.keep(purpose, Arc::new(token));
        }
        self.load(name, open, flags, None, true).await.map(drop)
    }

    /// Puts the account of a robot on the list, after a token was got with it.
    pub async fn admit_robot(&self, config: AccountConfig) -> Result<(), Failure> {
        let name = account_name(&config)?;
        let _only_one = self.loading(&name).await?;
        self.require_unlocked()?;
        let loaded = self.find(&name);
        // A refresh of the one that is replaced is not interrupted.
        let _no_refresh = match &loaded {
            Some(account) => Some(account.at_rest().await?),
            None => None,
        };
        let flags = loaded.map(|replaced| replaced.flags()).unwrap_or_default();
        self.load(name, Open::new(config), flags, None, false).await.map(drop)
    }

    /// A token of an account that is not put on the list.
    pub async fn token_once(&self, config: AccountConfig) -> Result<Arc<CachedToken>, Failure> {
        let name = account_name(&config)?;
        self.require_unlocked()?;
        let account = Arc::new(Account::new(name, Open::new(config), Flags::default(), None));
        obtain::source_of(&account)?;
        Ok(self.obtained(&account, Purpose::default(), None).await?.token)
    }

    /// A copy of what a loaded account holds.
    pub fn held_config(&self, name: &Shortname) -> Result<AccountConfig, Failure> {
        self.find(name).ok_or_else(Failure::account_not_loaded)?.with_open(|open| open.whole_config())
    }

    /// Puts an account on the list, after a first token was fetched.
    pub(super) async fn load(
        &self,
        name: Shortname,
        open: Open,
        flags: Flags,
        unload_at: Option<Expiry>,
        without_token: bool,
    ) -> Result<Arc<Account>, Failure> {
        let loaded = self.try_load(name, open, flags, unload_at, without_token).await;
        loaded.map_err(|refused| refused.failure)
    }

    async fn try_load(
        &self,
        name: Shortname,
        open: Open,
        flags: Flags,
        unload_at: Option<Expiry>,
        without_token: bool,
    ) -> Result<Arc<Account>, Refused> {
        if open.config.issuer_url.is_none() && open.config.config_endpoint.is_none() {
            return Err(Failure::missing_field("issuer_url").into());
        }
        let account = Arc::new(Account::new(name, open, flags, unload_at));
        obtain::source_of(&account)?;
        let config = account.with_open(|open| open.config.clone())?;
        self.require_no_ring(&account.name, &config).await?;
        if !without_token && let Err(failure) = self.obtained(&account, Purpose::default(), None).await {
            return Err(Refused { failure, account: Some(account) });
        }
        self.insert(Arc::clone(&account))?;
        Ok(account)
    }

    /// As the C agent does: nothing of a loaded account changes but its lifetime.
    fn add_again(
        &self,
        account: &Account,
        request: AddRequest,
        lifetime: u64,
        unload_at: Option<Expiry>,
    ) -> Added {
        let had_lifetime = account.unload_at().is_some();
        let key = request.file_key.and_then(|text| FileKey::from_text(&text).ok());
        let source = request.pw_entry.and_then(|entry| PasswordSource::new(entry, self.now()));
        // An account that a C client loaded came without a key; one that knows it is welcome.
        let _ = account.with_open(|open| {
            open.password_source = source.map(Box::new).or(open.password_source.take());
            if let Some(key) = open.file_key.take().or(key) {
                open.take_key(key);
            }
            // The person says so: what the provider refused is asked for once more.
            open.refusals.clear();
        });
        account.refused.clear();
        // There may be a password to forget.
        self.0.lifetimes_changed.notify_one();
        if request.lifetime.is_none() || (unload_at.is_none() && !had_lifetime) {
            return Added::Already { lifetime: None };
        }
        account.set_unload_at(unload_at);
        self.0.lifetimes_changed.notify_one();
        Added::Already { lifetime: Some(lifetime) }
    }

    /// Everything about the file that the request does not say.
    async fn prepare(&self, name: Shortname, request: AddRequest) -> Open {
        self.issuers().await;
        let (accounts, home) = (self.clone(), self.deps().home.clone());
        off_thread(move || {
            let mut open = Open::new(request.config);
            let now = accounts.now();
            open.password_source =
                request.pw_entry.and_then(|entry| PasswordSource::new(entry, now)).map(Box::new);
            let password = || open.password_source.as_deref().and_then(PasswordSource::password);
            let key = request.file_key.and_then(|text| FileKey::from_text(&text).ok());
            let key = key.or_else(|| look::key_of(&home, &name, &password()?));
            if let Some(key) = key {
                open.take_key(key);
            }
            open.catch_up(&home, &name, now);
            accounts.take_over_unsaved(&name, &mut open);
            open
        })
        .await
    }
}

/// Why an account was not loaded, and the account as it would have been, where it is for want of a first token.
struct Refused {
    failure: Failure,
    account: Option<Arc<Account>>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, account: None }
    }
}

/// The name to load an account under.
pub fn account_name(config: &AccountConfig) -> Result<Shortname, Failure> {
    let name = config.name.as_deref().ok_or_else(|| Failure::missing_field("name"))?;
    name.parse().map_err(|error| Failure::new(ErrorCode::BadRequest, format!("Bad request. {error}.")))
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{Bench, START, add_request},
        *,
    };
    use crate::provider::testing::{Reply, Scripted};

    const HOUR: u64 = 3600;

    #[tokio::test]
    async fn an_account_whose_first_token_fails_is_not_loaded() {
        let op = Scripted::provider(|asked| match asked.path.as_str() {
            "/token" if asked.body.contains("rt-dead") => Reply::status(400, r#"{"error":"invalid_grant"}"#),
            _ => Reply::json(r#"{"access_token":"at-1","expires_in":3600}"#),
        })
        .await;
        for (refresh_token, plain_add, code) in [
            (Some("rt-1"), false, None),
            (Some("rt-dead"), false, Some(ErrorCode::LoginNeeded)),
            (Some("rt-dead"), true, None),
            (None, false, Some(ErrorCode::NoRefreshToken)),
        ] {
            let bench = Bench::new();
            let mut request = AddRequest { plain_add, ..add_request(&op.issuer(), "acc") };
            request.config.refresh_token = refresh_token.map(Into::into);
            let added = bench.try_add(request).await;
            assert_eq!(added.err().map(|failure| failure.code), code, "{refresh_token:?}");
            assert_eq!(bench.accounts.names().is_empty(), code.is_some(), "{refresh_token:?}");
        }
    }

    #[tokio::test]
    async fn a_dead_login_is_loaded_again() {
        let op = Scripted::provider(|asked| {
            if asked.body.contains("rt-1") {
                return Reply::status(400, r#"{"error":"invalid_grant"}"#);
            }
            Reply::json(r#"{"access_token":"at-2","expires_in":3600}"#)
        })
        .await;
        let bench = Bench::new();
        bench.add(&op.issuer(), "acc").await;
        assert_eq!(bench.token("acc").await.expect_err("dead").code, ErrorCode::LoginNeeded);
        let mut again = add_request(&op.issuer(), "acc");
        again.config.refresh_token = Some("rt-2".into());
        assert_eq!(bench.accounts.add(again).await, Ok(Added::Loaded { lifetime: 0 }));
        bench.token("acc").await.expect("a token");
    }

    #[tokio::test]
    async fn the_token_of_a_login_is_kept_for_as_long_as_it_lives() {
        let op = Scripted::provider(|_| Reply::json(r#"{"access_token":"at-2","expires_in":3600}"#)).await;
        let bench = Bench::new();
        for (expires_in, expires_at) in [
            (Some(HOUR), Some(START + HOUR)),
            (Some(u64::MAX), Some(START + crate::clock::LONGEST.as_secs())),
        ] {
            let granted = TokenResponse {
                access_token: "at-1".into(),
                expires_in: expires_in.map(Duration::from_secs),
                refresh_token: None,
                refresh_expires_in: None,
                id_token: None,
                scope: None,
                issued_token_type: None,
                login_scope_refused: false,
            };
            let config = add_request(&op.issuer(), "acc").config;
            bench.accounts.admit(config, Some(granted)).await.expect("loaded");
            let token = bench.token("acc").await.expect("a token");
            assert_eq!(token.access_token, "at-1".into());
            let told = token.expires_at(bench.clock.now()).zip(expires_at);
            assert!(told.is_some_and(|(told, expected)| told.abs_diff(expected) <= 60), "{told:?}");
        }
        assert!(op.asked("/token").is_empty());
    }

    #[tokio::test]
    async fn an_account_needs_an_issuer_and_a_name() {
        let bench = Bench::new();
        for (name, issuer) in
            [(None, Some("https://op")), (Some("../x"), Some("https://op")), (Some("acc"), None)]
        {
            let mut request = AddRequest { plain_add: true, ..add_request("", "") };
            request.config.name = name.map(str::to_owned);
            request.config.issuer_url = issuer.map(str::to_owned);
            let refused = bench.try_add(request).await.expect_err("incomplete");
            assert_eq!(refused.code, ErrorCode::BadRequest, "{name:?} {issuer:?}");
        }
        assert!(bench.accounts.names().is_empty());
    }
}
