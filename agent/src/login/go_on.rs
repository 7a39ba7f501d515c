//! What becomes of an account when its login has succeeded.

use oidc_proto::{account::AccountConfig, message::Failure, shortname::Shortname};

use super::{Login, purpose::Purpose};
use crate::provider::TokenResponse;

impl Login {
    /// Has the account loaded, or go on.
    pub(super) async fn go_on_with(
        &self,
        purpose: &Purpose,
        config: AccountConfig,
        token: Option<TokenResponse>,
    ) -> Result<(), Failure> {
        match purpose {
            Purpose::Account => self.0.accounts.admit(config, token).await,
            Purpose::Renewal(account) => self.0.accounts.renew_login(account, config, token).await,
        }
    }

    /// The account as it is after that.
    pub(super) fn config_of(&self, purpose: &Purpose, name: &Shortname) -> Result<AccountConfig, Failure> {
        match purpose {
            Purpose::Account => self.0.accounts.held_config(name),
            Purpose::Renewal(account) => account.with_open(|open| open.whole_config()),
        }
    }
}
