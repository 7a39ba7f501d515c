//! The npm package `oidc-provider`, as [`crate::npm_provider`] runs it: everything is kept in memory.

use std::path::{Path, PathBuf};

use super::{Audience, GivenClient, Missing, NotOffered, Offer, Server};
use crate::{
    browser::{Browser, BrowserError},
    npm_provider::NpmProvider,
    programs::workspace,
    require::on_path,
};

const NO_CLIENTS: NotOffered =
    NotOffered("oidc-provider registers its clients; it is set up without a given one.");
const IN_MEMORY: NotOffered =
    NotOffered("oidc-provider is set up without a database and without an administrator.");

/// A running `oidc-provider`.
#[derive(Debug)]
pub struct NodeOidcProvider {
    provider: NpmProvider,
    authority: PathBuf,
}

impl NodeOidcProvider {
    /// Starts it.
    ///
    /// # Errors
    /// When Node.js or the package is not there.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Result<Self, Missing> {
        let missing =
            || Missing("node and `npm ci` in tests/node; scripts/fetch-test-tools.sh does it".into());
        let installed = workspace().join("tests/node/node_modules/oidc-provider").exists();
        let node = on_path("node").filter(|_| installed).ok_or_else(missing)?;
        let provider = NpmProvider::start(&node);
        let authority = provider.authority();
        Ok(Self { provider, authority })
    }
}

impl Server for NodeOidcProvider {
    fn name(&self) -> &'static str {
        "oidc-provider"
    }

    fn issuer(&self) -> &str {
        self.provider.issuer()
    }

    fn authority(&self) -> &Path {
        &self.authority
    }

    fn scope(&self) -> &'static str {
        "openid profile offline_access"
    }

    fn narrower_scope(&self) -> Offer<&'static str> {
        Ok("openid offline_access")
    }

    fn audience(&self) -> Offer<Audience> {
        Err(NotOffered("oidc-provider wants the resource to be named at the login."))
    }

    fn public_client(&self) -> Offer<GivenClient> {
        Err(NO_CLIENTS)
    }

    fn confidential_client(&self) -> Offer<GivenClient> {
        Err(NO_CLIENTS)
    }

    fn registration(&self) -> Offer<Option<String>> {
        Ok(None)
    }

    fn device_flow(&self) -> Offer<()> {
        Ok(())
    }

    fn revocation(&self) -> Offer<()> {
        Ok(())
    }

    fn log_in(&self, browser: &Browser) -> Result<(), BrowserError> {
        self.provider.log_in(browser)
    }

    fn confirm_device(&self, browser: &Browser, code: &str) -> Result<(), BrowserError> {
        browser.type_into("[name=user_code]", code)?;
        browser.click("button[type=submit]")?;
        browser.wait_for_text(code)?;
        browser.click("button[autofocus]")?;
        self.log_in(browser)
    }

    fn revoke_logins(&mut self) -> Offer<()> {
        Err(IN_MEMORY)
    }

    fn rotate_keys(&mut self) -> Offer<()> {
        Err(IN_MEMORY)
    }

    fn has_client(&self, _id: &str) -> Offer<bool> {
        Err(IN_MEMORY)
    }

    fn restart(&mut self, _while_down: &mut dyn FnMut()) -> Offer<()> {
        Err(IN_MEMORY)
    }

    fn reuse_ends_login(&self) -> Offer<()> {
        Ok(())
    }
}
