//! OpenPGP files, with the real `gpg` and keyrings of their own.
//!
//! Which keyring `gpg` uses is a matter of the environment, which a test must not change under the feet of others. So
//! each test here runs itself again as a process of its own, with `GNUPGHOME` set.

#![allow(clippy::print_stderr, clippy::unwrap_used)]

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use oidc_proto::{
    account::AccountConfig,
    secret::{Password, RefreshToken},
    vault::{self, FileKey, Format, GpgError, Protection, Recovery, VaultError},
};
use tempfile::TempDir;

/// The primary key of `secret-key.asc`; messages are encrypted to its subkey.
const FINGERPRINT: &str = "E554D44E36586FFFE818BFF3F8B2894778ED44AA";
const IN_KEYRING: &str = "OIDC_TEST_IN_KEYRING";

fn fixture(name: &str) -> Vec<u8> {
    fs_err::read(path(name)).unwrap()
}

fn path(name: &str) -> String {
    format!("{}/../tests/fixtures/accounts/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn expected(name: &str) -> AccountConfig {
    let all: serde_json::Value = serde_json::from_slice(&fixture("expected.json")).unwrap();
    AccountConfig::parse(all["files"][name]["plaintext"].as_str().unwrap().as_bytes()).unwrap()
}

/// A keyring that goes away with its agent.
struct Keyring(TempDir);

impl Keyring {
    fn with(key: &str) -> Self {
        let keyring = Self::empty();
        keyring.run("gpg", &["--import", &path(key)]);
        keyring
    }

    fn empty() -> Self {
        let private = std::fs::Permissions::from_mode(0o700);
        Self(tempfile::Builder::new().prefix("gpg-").permissions(private).tempdir().unwrap())
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", self.0.path()).stdin(Stdio::null());
        if program == "gpg" {
            command.args(["--batch", "--quiet", "--no-tty"]);
        }
        assert!(command.args(arguments).status().unwrap().success(), "{arguments:?}");
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.run("gpgconf", &["--kill", "all"]);
    }
}

/// Runs `body` of the test `name` in a process whose gpg uses the keyring.
fn in_keyring(name: &str, keyring: impl FnOnce() -> Keyring, body: impl FnOnce()) {
    if std::env::var_os(IN_KEYRING).is_some() {
        return body();
    }
    if Command::new("gpg").arg("--version").stdout(Stdio::null()).status().is_err() {
        let line = format!("NOT RUN: {name} needs gpg; scripts/fetch-test-tools.sh fetches it\n");
        eprint!("{line}");
        // Counted by `scripts/test.sh`.
        if let Some(path) = std::env::var_os("OIDC_TESTS_NOT_RUN") {
            let noted = std::fs::OpenOptions::new().append(true).create(true).open(path);
            noted.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
        }
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "CI has to run this test: it needs gpg"
        );
        return;
    }
    let keyring = keyring();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("GNUPGHOME", keyring.0.path())
        .env(IN_KEYRING, "1")
        .env_remove("DISPLAY")
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn files_of_the_c_suite_open() {
    in_keyring(
        "files_of_the_c_suite_open",
        || Keyring::with("gpg/secret-key.asc"),
        || {
            for name in ["gpg-4.2.6", "gpg-5.3.3", "gpg-no-version-line"] {
                let opened = vault::unlock_with_gpg(&fixture(&format!("gpg/{name}"))).unwrap();
                assert_eq!((opened.account, opened.format), (expected(name), Format::OpenPgp), "{name}");
            }
            // The C suite crashes on this one; the message is whole.
            assert!(vault::unlock_with_gpg(&fixture("gpg/gpg-no-newline-after-end")).is_ok());
            for name in ["gpg-tampered", "gpg-truncated"] {
                let refused = vault::unlock_with_gpg(&fixture(&format!("gpg/{name}")));
                assert!(matches!(refused, Err(VaultError::Damaged(_))), "{name}: {refused:?}");
            }
        },
    );
}

#[test]
fn what_is_sealed_opens_again() {
    in_keyring(
        "what_is_sealed_opens_again",
        || Keyring::with("gpg/secret-key.asc"),
        || {
            let mut account = expected("gpg-5.3.3");
            account.client_name = Some("it's `a` $(name) \\n with \" everything; rm -rf".into());
            let (file, key) = vault::seal_new(&account, &Protection::Gpg(FINGERPRINT)).unwrap();
            // 4.x looks for its scopes in `scope`.
            account.scope.clone_from(&account.auth_scope);
            let text = std::str::from_utf8(&file).unwrap();
            assert!(text.ends_with("-----END PGP MESSAGE-----\nGenerated using version: 5.3.3"), "{text}");
            assert_eq!(key.open(&file).unwrap(), account);

            let old = fixture("gpg/gpg-4.2.6");
            let opened = vault::unlock_with_gpg(&old).unwrap();
            let key = FileKey::from_text(&opened.key.to_text()).unwrap();
            let rotated = AccountConfig { refresh_token: Some(RefreshToken::from("rt-2")), ..opened.account };
            assert_eq!(key.open(&key.seal(&rotated, &old).unwrap()).unwrap(), rotated);
        },
    );
}

#[test]
fn recipients_are_never_options() {
    in_keyring(
        "recipients_are_never_options",
        || Keyring::with("gpg/secret-key.asc"),
        || {
            for recipient in ["--yes", "nobody@example.org", "", "F8B2894778ED44AA"] {
                // The last one is there, but nobody vouches for it.
                let refused = vault::seal_new(&AccountConfig::default(), &Protection::Gpg(recipient));
                assert_eq!(refused.err(), Some(GpgError::NoPublicKey.into()), "{recipient}");
            }
        },
    );
}

#[test]
fn without_the_secret_key() {
    in_keyring(
        "without_the_secret_key",
        || Keyring::with("gpg/public-key.asc"),
        || {
            let refused = vault::unlock_with_gpg(&fixture("gpg/gpg-4.2.6"));
            assert_eq!(refused.err(), Some(GpgError::NoSecretKey.into()));
        },
    );
}

#[test]
fn an_openpgp_key_recovers_a_file_that_has_a_password() {
    in_keyring(
        "an_openpgp_key_recovers_a_file_that_has_a_password",
        || Keyring::with("gpg/secret-key.asc"),
        || {
            let (account, password) = (expected("gpg-5.3.3"), Password::from("pw"));
            let recovery = Recovery::default().with_gpg(FINGERPRINT.to_owned());
            let (file, key) =
                vault::seal_new(&account, &Protection::Recoverable(&password, &recovery)).unwrap();
            assert_eq!(vault::inspect(&file), Ok(Format::Native));
            assert!(vault::header(&file).unwrap().has_recovery_key);
            assert_eq!(vault::unlock_with_recovery_key(&file).unwrap().account, account);

            // A new password, for which nobody names the key again.
            let recovery = key.recovery(&file).unwrap();
            let password = Password::from("new");
            let (changed, _) =
                vault::seal_next(&account, &Protection::Recoverable(&password, &recovery), 1).unwrap();
            let opened = vault::unlock_with_recovery_key(&changed).unwrap();
            assert_eq!((opened.account, key.open(&changed)), (account.clone(), Err(VaultError::OtherKey)));

            let nobody = Recovery::default().with_gpg("nobody@example.org".to_owned());
            let refused = vault::seal_new(&account, &Protection::Recoverable(&password, &nobody));
            let error = VaultError::RecoveryKey {
                recipient: "nobody@example.org".into(),
                error: GpgError::NoPublicKey,
            };
            assert_eq!(refused.err(), Some(error));
        },
    );
}

#[test]
fn nobody_is_asked_for_a_passphrase_when_an_agent_rewrites() {
    let user = "locked@example.org";
    let locked = || {
        let keyring = Keyring::empty();
        let generate = [
            "--pinentry-mode=loopback",
            "--passphrase=sesame",
            "--quick-generate-key",
            user,
            "future-default",
        ];
        keyring.run("gpg", &generate);
        keyring.run("gpgconf", &["--kill", "all"]);
        keyring
    };
    in_keyring("nobody_is_asked_for_a_passphrase_when_an_agent_rewrites", locked, || {
        let (file, key) = vault::seal_new(&AccountConfig::default(), &Protection::Gpg(user)).unwrap();
        assert_eq!(key.open(&file), Err(GpgError::Locked.into()));
        assert_eq!(key.seal(&AccountConfig::default(), &file), Err(GpgError::Locked.into()));
    });
}

#[test]
fn an_openpgp_file_has_no_password() {
    let refused = vault::unlock(&fixture("gpg/gpg-4.2.6"), &Password::from("x"));
    assert_eq!(refused.err(), Some(VaultError::NeedsGpg));
    let refused = vault::unlock_with_gpg(&fixture("ok/basic-4.2.6"));
    assert_eq!(refused.err(), Some(GpgError::NotAMessage.into()));
}
