//! Keycloak: a realm imported from `tests/interop/keycloak/realm.json`, which asks for PKCE, replaces refresh tokens at every
//! use and takes a reused one for a theft, and registers clients for who has an initial access token.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Audience, GivenClient, ImpatientClient, Missing, Offer, Server, fetched,
    process::{ServerProcess, free_ports},
    robots::Robots,
};
use crate::{
    browser::{Browser, BrowserError},
    certificates::Certificates,
    http::{self, Request, Response},
    programs::workspace,
    require::on_path,
};

/// The version that `scripts/fetch-interop-servers.sh` fetches.
const DIRECTORY: &str = "keycloak-26.7.3";
/// What is in there.
const FIRST_DATABASE: &str = "first-database/database.mv.db";
/// The database of a run; H2 leaves the ending to itself.
const DATABASE: &str = "database.mv.db";
/// A busy machine takes its time to import a realm into a server that has just started.
const PATIENCE: Duration = Duration::from_secs(120);
const REALM: &str = "lab";
const PERSON: (&str, &str) = ("ada", "analytical engine");
/// Of the database that the script makes; the server is one that only this machine reaches.
const ADMINISTRATOR: (&str, &str) = ("admin", "of this run only");
/// The alias of the platform whose JWTs are believed.
const PLATFORM: &str = "platform";
/// A key with a higher priority than the realm's first one signs.
const FIRST_PRIORITY: u32 = 200;

/// A running Keycloak.
#[derive(Debug)]
pub struct Keycloak {
    process: ServerProcess,
    program: PathBuf,
    /// Without TLS, for the administrator.
    plain: String,
    ports: [u16; 3],
    issuer: String,
    certificates: Certificates,
    keys_added: u32,
    directory: TempDir,
}

impl Keycloak {
    /// Starts it and makes the realm.
    ///
    /// # Errors
    /// When Keycloak or Java is not there.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Result<Self, Missing> {
        let fetched = fetched(DIRECTORY)?;
        let program = fetched.join("bin/kc.sh");
        on_path("java").ok_or_else(|| Missing("java (17 or later), for Keycloak".into()))?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = fetched.join(FIRST_DATABASE);
        fs_err::copy(database, directory.path().join(DATABASE)).expect("a database of its own");
        let certificates = Certificates::make_old(directory.path());
        let ports = free_ports();
        let [plain, secure, _] = ports;
        let process = launch(&program, directory.path(), &certificates, ports);
        let mut keycloak = Self {
            process,
            program,
            plain: format!("http://127.0.0.1:{plain}"),
            ports,
            issuer: format!("https://localhost:{secure}/realms/{REALM}"),
            certificates,
            keys_added: 0,
            directory,
        };
        keycloak.wait();
        let realm = fs_err::read(workspace().join("tests/interop/keycloak/realm.json")).expect("a realm");
        let realm: Value = serde_json::from_slice(&realm).expect("a realm in JSON");
        keycloak.administer("POST", "", &realm);
        Ok(keycloak)
    }

    fn wait(&mut self) {
        self.process.wait_until_ready(&format!("{}/realms/master", self.plain));
    }

    /// A request to the admin REST API below `/admin/realms`; `null` is no body.
    ///
    /// # Panics
    /// When it is refused.
    fn administer(&self, method: &'static str, path: &str, body: &Value) -> Value {
        let url = format!("{}/admin/realms{path}", self.plain);
        let request = http::request(method, url)
            .header("authorization", &format!("Bearer {}", self.administrators_token()));
        let request = if body.is_null() { request } else { request.json(body) };
        let response = sent(request);
        assert!(response.status < 300, "{method} {path}: {} {}", response.status, response.text());
        response.json()
    }

    fn administrators_token(&self) -> String {
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", ADMINISTRATOR.0),
            ("password", ADMINISTRATOR.1),
        ];
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.plain);
        let answer = sent(http::post(url).form(&form)).json();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// Keycloak's own id of the one object that a query finds.
    fn id_of(&self, query: &str) -> Option<String> {
        let found = self.administer("GET", &format!("/{REALM}/{query}"), &Value::Null);
        Some(found[0]["id"].as_str()?.to_owned())
    }
}

impl Robots for Keycloak {
    fn by_secret(&self) -> GivenClient {
        GivenClient { id: "lab-robot", secret: Some("jacquard-loom") }
    }

    fn by_key(&self) -> &'static str {
        "lab-robot-jwt"
    }

    fn register_keys(&self, client: &str, jwks: &Value) {
        let id = self.id_of(&format!("clients?clientId={client}")).expect("the client");
        let mut description = self.administer("GET", &format!("/{REALM}/clients/{id}"), &Value::Null);
        description["attributes"]["jwks.string"] = jwks.to_string().into();
        self.administer("PUT", &format!("/{REALM}/clients/{id}"), &description);
    }

    fn exchanging(&self) -> GivenClient {
        GivenClient { id: "lab-exchange", secret: Some("punched-cards") }
    }

    fn federated(&self) -> GivenClient {
        GivenClient { id: "lab-federated", secret: Some("note-g") }
    }

    /// What it has for this is called a JWT authorization grant: an identity provider whose JWTs are taken as assertions,
    /// more than once each where it says so, for the person that they are linked to.
    fn trust(&self, platform: &str, jwks: &Value, subject: &str) {
        let provider = json!({
            "alias": PLATFORM,
            "providerId": "oidc",
            "enabled": true,
            "config": {
                "issuer": platform,
                "clientId": "lab",
                "clientSecret": "unused",
                "clientAuthMethod": "client_secret_post",
                "authorizationUrl": format!("{platform}/authorize"),
                "tokenUrl": format!("{platform}/token"),
                "validateSignature": "true",
                "useJwksUrl": "false",
                "publicKeySignatureVerifier": jwks.to_string(),
                "jwtAuthorizationGrantEnabled": "true",
                "jwtAuthorizationGrantAssertionReuseAllowed": "true",
                "jwtAuthorizationGrantMaxAllowedAssertionExpiration": "3600",
            },
        });
        self.administer("POST", &format!("/{REALM}/identity-provider/instances"), &provider);
        let person = self.id_of(&format!("users?exact=true&username={}", PERSON.0)).expect("the person");
        let link = json!({"identityProvider": PLATFORM, "userId": subject, "userName": subject});
        self.administer("POST", &format!("/{REALM}/users/{person}/federated-identity/{PLATFORM}"), &link);
    }

    fn scope(&self) -> &'static str {
        "storage"
    }

    fn requests_of(&self, client: &str) -> usize {
        let events =
            self.administer("GET", &format!("/{REALM}/events?client={client}&max=10000"), &Value::Null);
        events.as_array().map_or(0, Vec::len)
    }
}

fn sent(request: Request) -> Response {
    request.within(PATIENCE).send().expect("an answer from Keycloak")
}

fn launch(
    program: &Path,
    directory: &Path,
    certificates: &Certificates,
    [plain, secure, management]: [u16; 3],
) -> ServerProcess {
    let mut command = Command::new(program);
    let database = directory.join(DATABASE.trim_end_matches(".mv.db"));
    command
        .args(["start", "--optimized", "--log-level=info", "--http-enabled=true", "--http-host=127.0.0.1"])
        // Without companions in the network, for which it would listen everywhere.
        .arg("--cache=local")
        // `VALUE` is a column of Keycloak's and a word of H2's.
        .arg(format!(
            "--db-url=jdbc:h2:file:{};NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE",
            database.display()
        ))
        .arg(format!("--http-port={plain}"))
        .arg(format!("--https-port={secure}"))
        .arg(format!("--http-management-port={management}"))
        .arg(format!("--hostname=https://localhost:{secure}"))
        .arg(format!("--https-certificate-file={}", certificates.certificate.display()))
        .arg(format!("--https-certificate-key-file={}", certificates.key.display()))
        .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m")
        // It lives for minutes, of which code that is compiled thoroughly would take more than it saves.
        .env("JAVA_OPTS_APPEND", "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC");
    ServerProcess::start(&command, directory.join("keycloak.log"))
}

impl Server for Keycloak {
    fn name(&self) -> &'static str {
        "Keycloak"
    }

    fn issuer(&self) -> &str {
        &self.issuer
    }

    fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    fn scope(&self) -> &'static str {
        "openid profile offline_access storage"
    }

    fn narrower_scope(&self) -> Offer<&'static str> {
        Ok("openid storage")
    }

    /// It has no parameter for an audience: an optional client scope brings it.
    fn audience(&self) -> Offer<Audience> {
        Ok(Audience { audience: "https://storage.example", scope: Some("openid storage") })
    }

    fn registration(&self) -> Offer<Option<String>> {
        let wanted = json!({"count": 1, "expiration": 600});
        let answer = self.administer("POST", &format!("/{REALM}/clients-initial-access"), &wanted);
        Ok(answer["token"].as_str().map(str::to_owned))
    }

    fn device_flow(&self) -> Offer<()> {
        Ok(())
    }

    fn revocation(&self) -> Offer<()> {
        Ok(())
    }

    fn log_in(&self, browser: &Browser) -> Result<(), BrowserError> {
        browser.type_into("#username", PERSON.0)?;
        browser.type_into("#password", PERSON.1)?;
        browser.click("#kc-login")?;
        // Registered clients need no consent, except in a login by device.
        browser.click_unless("[name=accept]", "You are logged in")
    }

    fn confirm_device(&self, browser: &Browser, code: &str) -> Result<(), BrowserError> {
        browser.type_into("input[name=device_user_code]", code)?;
        browser.click("#kc-login")?;
        self.log_in(browser)
    }

    fn revoke_logins(&mut self) -> Offer<()> {
        let person = self.id_of(&format!("users?exact=true&username={}", PERSON.0)).expect("the person");
        let consents = self.administer("GET", &format!("/{REALM}/users/{person}/consents"), &Value::Null);
        for consent in consents.as_array().into_iter().flatten() {
            let client = consent["clientId"].as_str().expect("a client id");
            self.administer("DELETE", &format!("/{REALM}/users/{person}/consents/{client}"), &Value::Null);
        }
        self.administer("POST", &format!("/{REALM}/users/{person}/logout"), &Value::Null);
        Ok(())
    }

    fn rotate_keys(&mut self) -> Offer<()> {
        self.keys_added += 1;
        let realm = self.administer("GET", &format!("/{REALM}"), &Value::Null);
        let priority = (FIRST_PRIORITY + self.keys_added).to_string();
        let key = json!({
            "name": format!("key-{}", self.keys_added),
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "parentId": realm["id"],
            "config": {"priority": [priority], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]},
        });
        self.administer("POST", &format!("/{REALM}/components"), &key);
        Ok(())
    }

    fn robots(&self) -> Offer<&dyn Robots> {
        Ok(self)
    }

    fn has_client(&self, id: &str) -> Offer<bool> {
        Ok(self.id_of(&format!("clients?clientId={id}")).is_some())
    }

    fn restart(&mut self, while_down: &mut dyn FnMut()) -> Offer<()> {
        self.process.stop();
        while_down();
        self.process = launch(&self.program, self.directory.path(), &self.certificates, self.ports);
        self.wait();
        Ok(())
    }

    fn reuse_ends_login(&self) -> Offer<()> {
        Ok(())
    }

    fn tells_time(&self) -> bool {
        false
    }

    fn impatient_client(&self) -> Offer<ImpatientClient> {
        let client = GivenClient { id: "lab-impatient", secret: None };
        Ok(ImpatientClient { client, idle: Duration::from_secs(5) })
    }
}
