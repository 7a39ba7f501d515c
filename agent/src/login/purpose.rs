//! Who goes on with what a login brings.

use std::sync::Arc;

use crate::accounts::account::Account;

/// Who goes on with what a login brings.
#[derive(Clone)]
pub enum Purpose {
    /// A client, which stores it: the account is loaded as the login has it.
    Account,
    /// The account that needed it, here and in its file.
    Renewal(Arc<Account>),
}
