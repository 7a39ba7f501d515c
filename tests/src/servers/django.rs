//! Django with django-oauth-toolkit, as many a laboratory's own web application is set up: `tests/interop/django`. Its
//! discovery document names neither the registration nor the device endpoint, nor one to revoke tokens at.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    Audience, CONFIDENTIAL, Missing, NotOffered, Offer, Server, fetched,
    process::{ServerProcess, free_ports},
};
use crate::{
    browser::{Browser, BrowserError},
    certificates::Certificates,
    programs::{run, workspace},
};

const PERSON: (&str, &str) = ("ada", "analytical engine");
const REDIRECT_URIS: &str = "http://localhost:4242 http://localhost:8080 http://localhost:43985";

/// A running Django.
#[derive(Debug)]
pub struct Django {
    process: ServerProcess,
    environment: PathBuf,
    port: u16,
    issuer: String,
    certificates: Certificates,
    directory: TempDir,
}

impl Django {
    /// Makes the database with the person and the clients and starts the server.
    ///
    /// # Errors
    /// When Django is not there.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Result<Self, Missing> {
        let environment = fetched("django")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::make_old(directory.path());
        let [port] = free_ports();
        let issuer = format!("https://localhost:{port}/o");
        let mut furnish = program(&environment, "python", directory.path(), &issuer);
        furnish.arg(workspace().join("tests/interop/django/furnish.py")).args([
            PERSON.0,
            REDIRECT_URIS,
            CONFIDENTIAL.secret.unwrap_or_default(),
        ]);
        run(furnish).success();
        let process = launch(&environment, directory.path(), &issuer, &certificates, port);
        let mut django = Self { process, environment, port, issuer, certificates, directory };
        django.process.wait_until_listening(port);
        Ok(django)
    }

    fn start_again(&mut self) {
        self.process =
            launch(&self.environment, self.directory.path(), &self.issuer, &self.certificates, self.port);
        self.process.wait_until_listening(self.port);
    }
}

/// A program of the virtual environment, with the project's settings.
fn program(environment: &Path, name: &str, directory: &Path, issuer: &str) -> Command {
    let mut command = Command::new(environment.join("bin").join(name));
    command
        .env("PYTHONPATH", workspace().join("tests/interop/django"))
        // Nothing is left beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("DJANGO_SETTINGS_MODULE", "settings")
        .env("DJANGO_SUPERUSER_PASSWORD", PERSON.1)
        .env("LAB_DIRECTORY", directory)
        .env("LAB_ISSUER", issuer);
    command
}

fn launch(
    environment: &Path,
    directory: &Path,
    issuer: &str,
    certificates: &Certificates,
    port: u16,
) -> ServerProcess {
    let mut command = program(environment, "gunicorn", directory, issuer);
    command
        .arg(format!("--bind=127.0.0.1:{port}"))
        .arg(format!("--certfile={}", certificates.certificate.display()))
        .arg(format!("--keyfile={}", certificates.key.display()))
        // Loaded before it listens; not held up by a browser that keeps its connection when it ends.
        .args([
            "--preload",
            "--threads=4",
            "--graceful-timeout=1",
            "--no-control-socket",
            "--access-logfile=-",
            "django.core.wsgi:get_wsgi_application()",
        ]);
    ServerProcess::start(&command, directory.join("django.log"))
}

impl Server for Django {
    fn name(&self) -> &'static str {
        "Django"
    }

    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    fn scope(&self) -> &'static str {
        "openid profile storage"
    }

    fn narrower_scope(&self) -> Offer<&'static str> {
        Ok("openid storage")
    }

    fn narrows_on_refresh(&self) -> bool {
        true
    }

    fn audience(&self) -> Offer<Audience> {
        Err(NotOffered("django-oauth-toolkit fixes the resource at the login."))
    }

    fn registration(&self) -> Offer<Option<String>> {
        Err(NotOffered("django-oauth-toolkit names no registration endpoint in its discovery document."))
    }

    fn device_flow(&self) -> Offer<()> {
        Err(NotOffered("django-oauth-toolkit names no device endpoint in its discovery document."))
    }

    fn revocation(&self) -> Offer<()> {
        Err(NotOffered("django-oauth-toolkit names no revocation endpoint in its discovery document."))
    }

    fn log_in(&self, browser: &Browser) -> Result<(), BrowserError> {
        browser.type_into("#id_username", PERSON.0)?;
        browser.type_into("#id_password", PERSON.1)?;
        browser.click("input[type=submit]")?;
        browser.click_unless("input[name=allow]", "The login failed")
    }

    fn confirm_device(&self, _browser: &Browser, _code: &str) -> Result<(), BrowserError> {
        unreachable!("there is no device flow")
    }

    fn revoke_logins(&mut self) -> Offer<()> {
        let statement = "from oauth2_provider.models import AccessToken, RefreshToken
RefreshToken.objects.all().delete()
AccessToken.objects.all().delete()";
        let mut command = program(&self.environment, "django-admin", self.directory.path(), &self.issuer);
        command.args(["shell", "--command", statement]);
        run(command).success();
        Ok(())
    }

    fn rotate_keys(&mut self) -> Offer<()> {
        self.process.stop();
        let key = |name: &str| self.directory.path().join(name);
        fs_err::rename(key("key.pem"), key("former-key.pem")).expect("a former key");
        self.start_again();
        Ok(())
    }

    fn has_client(&self, _id: &str) -> Offer<bool> {
        Err(NotOffered("django-oauth-toolkit registers no clients here."))
    }

    fn restart(&mut self, while_down: &mut dyn FnMut()) -> Offer<()> {
        self.process.stop();
        while_down();
        self.start_again();
        Ok(())
    }

    fn reuse_ends_login(&self) -> Offer<()> {
        Ok(())
    }
}
