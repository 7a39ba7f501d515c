//! The certified npm `oidc-provider` over TLS: a provider that somebody else wrote.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use oidc_proto::account::AccountConfig;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    browser::{Browser, BrowserError},
    certificates::Certificates,
    programs::workspace,
};

/// A running `oidc-provider`; ends when dropped.
#[derive(Debug)]
pub struct NpmProvider {
    child: Child,
    issuer: String,
    account: Value,
    certificates: Certificates,
    _directory: TempDir,
}

impl NpmProvider {
    /// Starts it with Node.js; `node` comes from [`crate::require::node`].
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(node: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::make_old(directory.path());
        let folder = workspace().join("tests/node");
        let mut child = Command::new(node)
            .arg(folder.join("provider.mjs"))
            .arg(&certificates.key)
            .arg(&certificates.certificate)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).expect("a line from the provider");
        // Nobody reads on, but a provider whose output is closed would end at its next notice.
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(drop));
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let issuer = ready["issuer"].as_str().expect("an issuer").to_owned();
        let account = ready["account"].clone();
        Self { child, issuer, account, certificates, _directory: directory }
    }

    /// The issuer URL.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The certificate of the authority to trust.
    pub fn authority(&self) -> PathBuf {
        self.certificates.authority.clone()
    }

    /// An account with a login, named `name`, that trusts the authority.
    ///
    /// # Panics
    /// When the provider's data are not an account config.
    pub fn account(&self, name: &str) -> AccountConfig {
        let mut account =
            AccountConfig::parse(self.account.to_string().as_bytes()).expect("an account config");
        account.name = Some(name.into());
        account.cert_path = Some(self.authority().display().to_string());
        account
    }

    /// What a person does on its pages: logs in as anybody, then agrees. The browser is at the first page.
    pub fn log_in(&self, browser: &Browser) -> Result<(), BrowserError> {
        browser.type_into("input[name=login]", "ada")?;
        browser.type_into("input[name=password]", "any")?;
        browser.click("button[type=submit]")?;
        browser.wait_for_text("Authorize")?;
        browser.click("button[type=submit]")
    }
}

impl Drop for NpmProvider {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
