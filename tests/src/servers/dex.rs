//! Dex 2.41.1: a small server with a list of users and clients in its configuration and a database in a file. It registers
//! nobody, has no endpoint to revoke tokens at, and does not say in its metadata that public clients do without a secret.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use tempfile::TempDir;

use super::{
    Audience, CONFIDENTIAL, Missing, NotOffered, Offer, PUBLIC, Server, fetched,
    process::{ServerProcess, free_ports},
};
use crate::{
    browser::{Browser, BrowserError},
    certificates::Certificates,
    programs::run,
    require::on_path,
};

const PERSON: (&str, &str) = ("ada@lab.example", "analytical engine");
/// Of that password (bcrypt).
const PASSWORD_HASH: &str = "$2b$10$4fCFMngG7q3i5Rfo0YjsJu34WbecIQF.VwwBqK4QNrLHHrTY90AIy";
/// For clients with a secret every redirect URI is listed; a public one may use any port of `localhost`.
const REDIRECT_URIS: [&str; 4] =
    ["http://localhost:4242", "http://localhost:8080", "http://localhost:43985", "/device/callback"];
/// Changes the database as an administrator would.
const STATEMENT: &str = "import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=10) as database: database.execute(sys.argv[2])";

/// A running Dex.
#[derive(Debug)]
pub struct Dex {
    process: ServerProcess,
    program: PathBuf,
    python: PathBuf,
    plain: u16,
    issuer: String,
    certificates: Certificates,
    directory: TempDir,
}

impl Dex {
    /// Starts it.
    ///
    /// # Errors
    /// When Dex or Python (for the administrator's work in its database) is not there.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Result<Self, Missing> {
        let program = fetched("dex")?;
        let python = on_path("python3").ok_or_else(|| Missing("python3, for Dex's database".into()))?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::make_old(directory.path());
        let [plain, secure] = free_ports();
        let issuer = format!("https://localhost:{secure}");
        let configuration = json!({
            "issuer": issuer,
            "storage": {"type": "sqlite3", "config": {"file": directory.path().join("dex.db")}},
            "web": {
                "http": format!("127.0.0.1:{plain}"),
                "https": format!("127.0.0.1:{secure}"),
                "tlsCert": certificates.certificate,
                "tlsKey": certificates.key,
            },
            "enablePasswordDB": true,
            "staticPasswords": [
                {"email": PERSON.0, "hash": PASSWORD_HASH, "username": "ada", "userID": "1815"},
            ],
            "staticClients": [
                {"id": PUBLIC.id, "name": "A public client", "public": true},
                {
                    "id": CONFIDENTIAL.id,
                    "name": "A client with a secret",
                    "secret": CONFIDENTIAL.secret,
                    "redirectURIs": REDIRECT_URIS,
                },
            ],
        });
        // JSON is YAML.
        fs_err::write(directory.path().join("dex.yaml"), configuration.to_string()).expect("a configuration");
        let process = launch(&program, directory.path());
        let mut dex = Self { process, program, python, plain, issuer, certificates, directory };
        dex.wait();
        Ok(dex)
    }

    fn wait(&mut self) {
        let url = format!("http://127.0.0.1:{}/.well-known/openid-configuration", self.plain);
        self.process.wait_until_ready(&url);
    }

    fn execute(&self, statement: &str) {
        let mut command = Command::new(&self.python);
        command.args(["-c", STATEMENT]).arg(self.directory.path().join("dex.db")).arg(statement);
        run(command).success();
    }
}

fn launch(program: &Path, directory: &Path) -> ServerProcess {
    let mut command = Command::new(program);
    command.arg("serve").arg(directory.join("dex.yaml"));
    ServerProcess::start(&command, directory.join("dex.log"))
}

impl Server for Dex {
    fn name(&self) -> &'static str {
        "Dex"
    }

    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    fn scope(&self) -> &'static str {
        "openid profile email offline_access"
    }

    fn narrower_scope(&self) -> Offer<&'static str> {
        Ok("openid profile offline_access")
    }

    fn audience(&self) -> Offer<Audience> {
        Err(NotOffered("Dex names as audience the client only."))
    }

    fn registration(&self) -> Offer<Option<String>> {
        Err(NotOffered("Dex has no dynamic client registration."))
    }

    fn device_flow(&self) -> Offer<()> {
        Ok(())
    }

    fn revocation(&self) -> Offer<()> {
        Err(NotOffered("Dex has no revocation endpoint."))
    }

    fn log_in(&self, browser: &Browser) -> Result<(), BrowserError> {
        browser.type_into("#login", PERSON.0)?;
        browser.type_into("#password", PERSON.1)?;
        browser.click("#submit-login")?;
        browser.wait_for_text("Grant Access")?;
        browser.click("button.theme-btn--success")
    }

    fn confirm_device(&self, browser: &Browser, code: &str) -> Result<(), BrowserError> {
        browser.type_into("#user_code", code)?;
        browser.click("#submit-login")?;
        self.log_in(browser)
    }

    fn revoke_logins(&mut self) -> Offer<()> {
        self.execute("delete from refresh_token");
        self.execute("delete from offline_session");
        Ok(())
    }

    /// It looks at the date of the next rotation when it starts.
    fn rotate_keys(&mut self) -> Offer<()> {
        self.process.stop();
        self.execute("update keys set next_rotation = '2001-01-01 00:00:00+00:00'");
        self.process = launch(&self.program, self.directory.path());
        self.wait();
        Ok(())
    }

    fn has_client(&self, _id: &str) -> Offer<bool> {
        Err(NotOffered("Dex has no dynamic client registration."))
    }

    fn restart(&mut self, while_down: &mut dyn FnMut()) -> Offer<()> {
        self.process.stop();
        while_down();
        self.process = launch(&self.program, self.directory.path());
        self.wait();
        Ok(())
    }

    fn reuse_ends_login(&self) -> Offer<()> {
        Err(NotOffered("Dex refuses a refresh token that was replaced, and lets the login live."))
    }
}
