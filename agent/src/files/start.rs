//! How managed files begin with an agent.

use oidc_proto::files::Surroundings;

use super::{driver, handle::Files};
use crate::accounts::Accounts;

impl Files {
    /// Those of the configuration, if there is one: it is read before long. Must be called within a runtime.
    pub fn start(accounts: Accounts) -> Self {
        let files = Self::new(accounts, Surroundings::of_process(), |files| Box::pin(driver::run(files)));
        if files.is_configured() {
            let files = files.clone();
            tokio::spawn(async move { files.read().await });
        } else {
            files.0.ready.cancel();
        }
        files
    }
}
