//! Which account a request means.

use std::sync::Arc;

use oidc_proto::{account::same_issuer, message::Failure, shortname::Shortname};

use super::{Accounts, account::Account};

impl Accounts {
    /// The loaded account that an issuer URL means: the only one of that issuer; of several the issuer's default
    /// account, else the one loaded last. With none loaded, the name of the issuer's default account.
    pub(super) async fn by_issuer(&self, issuer: &str) -> Result<ByIssuer, Failure> {
        let mut loaded = self.loaded();
        loaded.retain(|account| same_issuer(&account.issuer, issuer));
        if let [only] = loaded.as_slice() {
            return Ok(ByIssuer::Loaded(Arc::clone(only)));
        }
        let default = self.issuers().await.default_account(issuer);
        let loaded_default = loaded.iter().find(|account| Some(&account.name) == default.as_ref());
        match (loaded_default.or(loaded.last()), default) {
            (Some(account), _) => Ok(ByIssuer::Loaded(Arc::clone(account))),
            (None, Some(name)) => Ok(ByIssuer::Default(name)),
            (None, None) => Err(Failure::account_not_loaded().with_info(format!(
                "No account of the issuer {issuer} is loaded, and none is known as its default. Run 'oidc list' to see \
                 the accounts there are, then 'oidc add NAME'."
            ))),
        }
    }
}

/// What an issuer URL means.
pub enum ByIssuer {
    /// A loaded account.
    Loaded(Arc<Account>),
    /// The issuer's default account, which is not loaded.
    Default(Shortname),
}
