//! Programs that other people wrote read a token's file as we write it: xrootd 5.5 with `ztn`, scitokens for Python and for C++.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_proto::private_file::{self, Target};
use oidc_tests::{
    environment::FileFormat,
    http,
    programs::{Finished, run},
    provider::{Endpoint, Seed},
    require,
    scene::{ACCOUNT, Scene},
};
use serde_json::{Value, json};

const SCOPE: &str = "openid offline_access storage.read:/";
/// What a token without an audience of its own is for (WLCG profile).
const ANY: &str = "https://wlcg.cern.ch/jwt/v1/any";

struct Reading {
    scene: Scene,
    token: String,
}

impl Reading {
    /// A token in the discovery file of the runtime directory, as managed files are written.
    fn new() -> Self {
        let scene = Scene::new();
        let seed = Seed { scope: SCOPE.to_owned(), ..Seed::named(ACCOUNT) };
        scene.environment.add_account(&scene.provider.seed(&seed), FileFormat::Native);
        scene.load(ACCOUNT);
        let token = scene.ask(json!({}))["access_token"].as_str().expect("a token").to_owned();
        let reading = Self { scene, token };
        private_file::write(&Target::private(&reading.file()), format!("{}\n", reading.token).as_bytes())
            .expect("written");
        reading
    }

    fn file(&self) -> PathBuf {
        self.scene.environment.runtime().join(format!("bt_u{}", rustix::process::geteuid().as_raw()))
    }

    /// A program that finds the file by itself.
    fn reader(&self, program: &Path) -> Command {
        let mut command = self.scene.environment.command_at(program);
        command.env_remove("BEARER_TOKEN").env_remove("BEARER_TOKEN_FILE");
        command
    }

    /// What scitokens-cpp would have fetched from an issuer that has TLS, below a cache directory.
    fn fill_key_cache(&self, cache: &Path) {
        let keys = http::get(self.scene.provider.url(Endpoint::Jwks)).send().expect("keys");
        let keys: Value = serde_json::from_slice(&keys.body).expect("JSON");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_secs();
        let entry = json!({"jwks": keys, "expires": now + 86_400, "next_update": now + 3600}).to_string();
        fs_err::create_dir_all(cache.join("scitokens")).expect("a directory");
        let script = "import sqlite3, sys\n\
                      db = sqlite3.connect(sys.argv[1] + '/scitokens/scitokens_cpp.sqllite')\n\
                      db.execute('CREATE TABLE keycache (issuer text UNIQUE PRIMARY KEY NOT NULL, keys text NOT NULL)')\n\
                      db.execute('INSERT INTO keycache VALUES (?, ?)', sys.argv[2:4])\n\
                      db.commit()\n";
        let python = require::python().expect("python3");
        let mut command = Command::new(python);
        command.args(["-c", script]).arg(cache).args([&self.scene.provider.issuer(), &entry]);
        run(command).success();
    }
}

#[test]
fn scitokens_for_python_discovers_and_verifies_it() {
    let Some(python) = require::python_packages() else { return };
    let reading = Reading::new();
    let mut command = reading.reader(&python);
    let script = format!(
        "import scitokens\n\
         token = scitokens.SciToken.discover(audience='{ANY}', insecure=True)\n\
         print(token['iss'], token['scope'])\n"
    );
    command.args(["-c", &script]);
    let told = run(command).success();
    assert!(told.starts_with(&reading.scene.provider.issuer()) && told.contains("storage.read:/"), "{told}");
}

#[test]
fn scitokens_for_cpp_verifies_it() {
    let Some((programs, libraries)) = require::xrootd() else { return };
    let reading = Reading::new();
    let cache = reading.scene.environment.path("cache");
    reading.fill_key_cache(&cache);
    let verify = |token: &str| -> Finished {
        let mut command = reading.reader(&programs.join("scitokens-verify"));
        command.env("LD_LIBRARY_PATH", &libraries).env("XDG_CACHE_HOME", &cache);
        command.args(["--profile", "wlcg", token]);
        run(command)
    };
    let token = fs_err::read_to_string(reading.file()).expect("the file");
    let verified = verify(token.trim());
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let damaged = verify(&token.trim().replace(&reading.token[reading.token.len() - 8..], "AAAAAAAA"));
    assert_ne!(damaged.code, Some(0), "it does look at the signature");
}

/// A server with TLS; ended when dropped.
struct Server {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(reading: &Reading, programs: &Path, libraries: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for name in ["data/store", "admin", "ca", "cache"] {
            fs_err::create_dir_all(at(name)).expect("a directory");
        }
        fs_err::write(at("data/store/file"), "hello\n").expect("written");
        certificates(directory.path());
        reading.fill_key_cache(&at("cache"));
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port")
            .port();
        let root = directory.path().display();
        let issuer = reading.scene.provider.issuer();
        fs_err::write(
            at("scitokens.cfg"),
            format!(
                "[Global]\naudience = {ANY}\n[Issuer Demo]\nissuer = {issuer}\nbase_path = /store\nmap_subject = False\n\
                 default_user = nobody\n"
            ),
        )
        .expect("written");
        fs_err::write(
            at("xrootd.cfg"),
            format!(
                "xrd.port {port}\nxrd.tls {root}/host.pem {root}/host.key\nxrd.tlsca noverify\nxrootd.tls capable all\n\
                 xrd.network nodnr\nall.export /store r/o\noss.localroot {root}/data\nall.adminpath {root}/admin\n\
                 all.pidpath {root}/admin\nxrootd.seclib libXrdSec.so\nsec.protocol ztn\nsec.protbind * only ztn\n\
                 ofs.authorize 1\nofs.authlib libXrdAccSciTokens.so config={root}/scitokens.cfg\n"
            ),
        )
        .expect("written");
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            // The server refuses to be root, and gives up what belongs to root.
            run(shell(&format!("chown -R nobody '{root}' && chmod 755 '{root}'"))).success();
        }
        let log = fs_err::File::create(at("log")).expect("a log").into_parts().0;
        let mut command = reading.scene.environment.command_at(&programs.join("xrootd"));
        command
            .env("LD_LIBRARY_PATH", libraries)
            .env("XDG_CACHE_HOME", at("cache"))
            .arg("-c")
            .arg(at("xrootd.cfg"))
            .args(if is_root { &["-R", "nobody"][..] } else { &[] })
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        let child = command.spawn().expect("started");
        let mut server = Self { child, directory, port };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < end, "{ended:?}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs_err::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn stat(&self, mut client: Command, libraries: &Path) -> Finished {
        client
            .env("LD_LIBRARY_PATH", libraries)
            .env("X509_CERT_DIR", self.directory.path().join("ca"))
            .env("XrdSecPROTOCOL", "ztn")
            .env("XRD_CONNECTIONRETRY", "1")
            .arg(format!("roots://localhost:{}", self.port))
            .args(["stat", "/store/file"]);
        run(client)
    }
}

/// An authority, hashed as clients look for it, and a certificate for this machine.
fn certificates(directory: &Path) {
    run(shell(&format!(
        "set -e; cd '{}'; exec 2>/dev/null\n\
         openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj '/CN=Test authority' -days 2\n\
         openssl req -newkey rsa:2048 -nodes -keyout host.key -out host.csr -subj /CN=localhost\n\
         echo subjectAltName=DNS:localhost,IP:127.0.0.1 >extensions\n\
         openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out host.pem -days 2 -extfile extensions\n\
         chmod 600 host.key; cp ca.pem ca/$(openssl x509 -noout -hash -in ca.pem).0\n",
        directory.display()
    )))
    .success();
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn xrootd_takes_it_by_ztn_and_refuses_a_file_that_others_may_read() {
    let Some((programs, libraries)) = require::xrootd() else { return };
    let reading = Reading::new();
    let server = Server::start(&reading, &programs, &libraries);
    let client = || reading.reader(&programs.join("xrdfs"));
    let taken = server.stat(client(), &libraries);
    assert_eq!(taken.code, Some(0), "{taken:?}\n{}", server.log());
    assert!(taken.stdout.contains("/store/file"), "{taken:?}");
    let mut named = client();
    let elsewhere = reading.scene.environment.path("token");
    fs_err::copy(reading.file(), &elsewhere).expect("copied");
    fs_err::set_permissions(&elsewhere, Permissions::from_mode(0o600)).expect("set");
    named.env("BEARER_TOKEN_FILE", &elsewhere).env_remove("XDG_RUNTIME_DIR");
    assert_eq!(server.stat(named, &libraries).code, Some(0), "by its name");
    fs_err::set_permissions(reading.file(), Permissions::from_mode(0o640)).expect("set");
    assert_ne!(server.stat(client(), &libraries).code, Some(0), "its mode lets others read it");
    fs_err::set_permissions(reading.file(), Permissions::from_mode(0o600)).expect("set");
    let refused = json!({"scope": "openid"});
    let without_scope = reading.scene.ask(refused)["access_token"].as_str().expect("a token").to_owned();
    private_file::write(&Target::private(&reading.file()), format!("{without_scope}\n").as_bytes())
        .expect("written");
    assert_ne!(server.stat(client(), &libraries).code, Some(0), "the server looks at its scope");
}
