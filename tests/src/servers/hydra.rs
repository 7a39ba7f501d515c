//! Ory Hydra: registers everybody, gives opaque access tokens, and leaves login and consent to an application of the operator,
//! which is here the least that will do: whoever comes is the person and agrees.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::{
    Audience, CONFIDENTIAL, GivenClient, Missing, NotOffered, Offer, PUBLIC, Server, fetched,
    process::{ServerProcess, free_ports},
};
use crate::{
    browser::{Browser, BrowserError},
    certificates::Certificates,
    http,
    programs::run,
};

const PERSON: &str = "ada";
const SCOPE: &str = "openid profile offline_access storage";
const REDIRECT_URIS: [&str; 3] = ["http://localhost:4242", "http://localhost:8080", "http://localhost:43985"];

/// A running Hydra.
#[derive(Debug)]
pub struct Hydra {
    process: ServerProcess,
    program: PathBuf,
    admin: String,
    issuer: String,
    certificates: Certificates,
    directory: TempDir,
}

impl Hydra {
    /// Makes the database, starts the server and adds the clients.
    ///
    /// # Errors
    /// When Hydra is not there.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Result<Self, Missing> {
        let program = fetched("hydra")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::make_old(directory.path());
        let [secure, plain] = free_ports();
        // Hydra ends its issuer with a slash.
        let issuer = format!("https://localhost:{secure}/");
        let admin = format!("http://127.0.0.1:{plain}");
        let pages = Pages::serve(admin.clone());
        let configuration = json!({
            "dsn": format!("sqlite://{}?_fk=true", directory.path().join("hydra.db").display()),
            "serve": {
                "public": {
                    "host": "127.0.0.1",
                    "port": secure,
                    "tls": {
                        "enabled": true,
                        "cert": {"path": certificates.certificate},
                        "key": {"path": certificates.key},
                    },
                },
                "admin": {"host": "127.0.0.1", "port": plain, "tls": {"enabled": false}},
            },
            "urls": {
                "self": {"issuer": issuer},
                "login": format!("{pages}/login"),
                "consent": format!("{pages}/consent"),
            },
            "secrets": {"system": ["of this run of the tests only"]},
            "oidc": {"dynamic_client_registration": {"enabled": true, "default_scope": SCOPE.split(' ').collect::<Vec<_>>()}},
            "webfinger": {
                "oidc_discovery": {
                    "client_registration_url": format!("{issuer}oauth2/register"),
                    "supported_scope": ["profile", "storage"],
                },
            },
            "oauth2": {"expose_internal_errors": true, "pkce": {"enforced_for_public_clients": true}},
            "sqa": {"opt_out": true},
        });
        // JSON is YAML.
        fs_err::write(directory.path().join("hydra.yml"), configuration.to_string())
            .expect("a configuration");
        let mut migration = hydra(&program, directory.path());
        migration.args(["migrate", "sql", "--read-from-env", "--yes"]);
        run(migration).success();
        let process = launch(&program, directory.path());
        let mut hydra = Self { process, program, admin, issuer, certificates, directory };
        hydra.wait();
        for GivenClient { id, secret } in [PUBLIC, CONFIDENTIAL] {
            hydra.add_client(id, secret);
        }
        Ok(hydra)
    }

    fn wait(&mut self) {
        self.process.wait_until_ready(&format!("{}/health/ready", self.admin));
    }

    fn add_client(&self, id: &str, secret: Option<&str>) {
        let client = json!({
            "client_id": id,
            "client_secret": secret,
            "token_endpoint_auth_method": if secret.is_some() { "client_secret_basic" } else { "none" },
            "redirect_uris": REDIRECT_URIS,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": SCOPE,
        });
        administer(&self.admin, "POST", "/clients", &client);
    }
}

/// A request to the admin API; `null` is no body.
///
/// # Panics
/// When it is refused.
fn administer(admin: &str, method: &'static str, path: &str, body: &Value) -> Value {
    let request = http::request(method, format!("{admin}/admin{path}"));
    let request = if body.is_null() { request } else { request.json(body) };
    let response = request.send().expect("an answer from Hydra");
    assert!(response.status < 300, "{method} {path}: {} {}", response.status, response.text());
    response.json()
}

fn hydra(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(directory.join("hydra.yml")).env("HOME", directory);
    command
}

fn launch(program: &Path, directory: &Path) -> ServerProcess {
    let mut command = hydra(program, directory);
    command.args(["serve", "all"]);
    ServerProcess::start(&command, directory.join("hydra.log"))
}

/// The operator's application: login and consent.
struct Pages {
    admin: String,
}

impl Pages {
    /// Serves them until the process ends; their address.
    fn serve(admin: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let pages = Arc::new(Self { admin });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = Arc::clone(&pages);
                // Chromium opens connections that it says nothing on: none may hold up another one. A browser that hangs up
                // is no matter of the server's.
                thread::spawn(move || drop(pages.answer(stream)));
            }
        });
        format!("http://{address}")
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone()?);
        reader.read_line(&mut line)?;
        while reader.read_line(&mut String::new())? > 2 {}
        let target = line.split(' ').nth(1).unwrap_or_default();
        let url =
            Url::parse("http://localhost/").and_then(|base| base.join(target)).map_err(io::Error::other)?;
        let next = match url.query_pairs().next() {
            Some((name, challenge)) if name == "login_challenge" => self.accept("login", &challenge),
            Some((name, challenge)) if name == "consent_challenge" => self.accept("consent", &challenge),
            _ => {
                // Chromium asks for an icon.
                return stream
                    .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        };
        let answer = format!(
            "HTTP/1.1 302 Found\r\nlocation: {next}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(answer.as_bytes())
    }

    /// Agrees to everything; where the browser goes next.
    fn accept(&self, kind: &str, challenge: &str) -> String {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair(&format!("{kind}_challenge"), challenge)
            .finish();
        let path = format!("/oauth2/auth/requests/{kind}");
        let body = if kind == "login" {
            json!({"subject": PERSON})
        } else {
            let asked = administer(&self.admin, "GET", &format!("{path}?{query}"), &Value::Null);
            json!({
                "grant_scope": asked["requested_scope"],
                "grant_access_token_audience": asked["requested_access_token_audience"],
            })
        };
        let answer = administer(&self.admin, "PUT", &format!("{path}/accept?{query}"), &body);
        answer["redirect_to"].as_str().unwrap_or_else(|| panic!("no way on: {answer}")).to_owned()
    }
}

impl Server for Hydra {
    fn name(&self) -> &'static str {
        "Hydra"
    }

    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    fn scope(&self) -> &'static str {
        SCOPE
    }

    fn narrower_scope(&self) -> Offer<&'static str> {
        Ok("openid storage")
    }

    fn audience(&self) -> Offer<Audience> {
        Err(NotOffered("Hydra fixes the audience at the login."))
    }

    fn registration(&self) -> Offer<Option<String>> {
        Ok(None)
    }

    fn device_flow(&self) -> Offer<()> {
        Err(NotOffered("Hydra 2.3 has no device authorization grant."))
    }

    fn revocation(&self) -> Offer<()> {
        Ok(())
    }

    /// The pages send the browser on by themselves.
    fn log_in(&self, browser: &Browser) -> Result<(), BrowserError> {
        browser.wait_for_text("You are logged in").map(drop)
    }

    fn confirm_device(&self, browser: &Browser, _code: &str) -> Result<(), BrowserError> {
        self.log_in(browser)
    }

    fn revoke_logins(&mut self) -> Offer<()> {
        let path = format!("/oauth2/auth/sessions/consent?subject={PERSON}&all=true");
        administer(&self.admin, "DELETE", &path, &Value::Null);
        Ok(())
    }

    fn rotate_keys(&mut self) -> Offer<()> {
        let key = json!({"alg": "RS256", "use": "sig", "kid": "of the administrator"});
        administer(&self.admin, "POST", "/keys/hydra.openid.id-token", &key);
        Ok(())
    }

    fn has_client(&self, id: &str) -> Offer<bool> {
        let answer = http::get(format!("{}/admin/clients/{id}", self.admin)).send();
        Ok(answer.expect("an answer from Hydra").status == 200)
    }

    fn restart(&mut self, while_down: &mut dyn FnMut()) -> Offer<()> {
        self.process.stop();
        while_down();
        self.process = launch(&self.program, self.directory.path());
        self.wait();
        Ok(())
    }

    fn reuse_ends_login(&self) -> Offer<()> {
        Ok(())
    }
}
