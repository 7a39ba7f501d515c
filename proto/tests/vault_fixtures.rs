//! Files of the C suite, good and bad, as its real programs wrote them: `tests/fixtures/accounts/`.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use oidc_proto::{
    account::AccountConfig,
    json::Object,
    secret::Password,
    vault::{self, Format, VaultError},
};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/accounts")
}

fn bytes(file: &str) -> Vec<u8> {
    fs_err::read(folder().join(file)).expect("a fixture")
}

fn expected() -> BTreeMap<String, Value> {
    let all: Value = serde_json::from_slice(&bytes("expected.json")).expect("JSON");
    serde_json::from_value(all["files"].clone()).expect("an entry for each file")
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("{key} in {entry}"))
}

fn below<'a>(all: &'a BTreeMap<String, Value>, folder: &str) -> Vec<(&'a str, &'a Value)> {
    let inside = |entry: &&Value| text(entry, "file").starts_with(folder);
    all.iter().filter(|(_, entry)| inside(entry)).map(|(name, entry)| (name.as_str(), entry)).collect()
}

#[test]
fn every_good_file_opens_to_what_the_c_suite_reads() {
    let all = expected();
    let good = below(&all, "ok/");
    assert_eq!(good.len(), 33);
    for (name, entry) in good {
        let file = bytes(text(entry, "file"));
        let format = if entry["format"] == "hex" { Format::OidcAgentHex } else { Format::OidcAgent };
        assert_eq!(vault::inspect(&file), Ok(format), "{name}");

        let opened = vault::unlock(&file, &Password::from(text(entry, "password"))).expect(name);
        assert_eq!(opened.format, format, "{name}");
        assert_eq!(
            opened.account,
            AccountConfig::parse(text(entry, "plaintext").as_bytes()).expect(name),
            "{name}"
        );
        let parsed = Object::from_value(entry["json"].clone()).expect("an object");
        assert_eq!(opened.account, AccountConfig::from_object(parsed), "{name}");
        assert_eq!(opened.key.open(&file).expect(name), opened.account, "{name}");
    }
}

#[test]
fn a_wrong_password_is_called_that() {
    for file in ["ok/basic-4.2.6", "ok/basic-5.3.3", "ok/hex-libsodium23-pre-2.1.0"] {
        for password in ["test1235", "", "test1234\0"] {
            let refused = vault::unlock(&bytes(file), &Password::from(password));
            assert_eq!(refused.err(), Some(VaultError::WrongPassword), "{file} {password:?}");
        }
    }
}

/// What each bad file is called, with the password that was right before it was broken.
#[test]
fn every_bad_file_is_refused_with_its_reason() {
    #[derive(Debug, PartialEq)]
    enum Called {
        NotAnAccountFile,
        Damaged,
        WrongPassword,
    }
    use Called::{Damaged, NotAnAccountFile, WrongPassword};

    let reasons = [
        (NotAnAccountFile, vec!["binary-garbage", "empty-file", "only-newlines", "plaintext-json"]),
        // What tells a wrong password is broken itself: nothing else can be said about these.
        (WrongPassword, vec!["hex-tampered", "tampered-hash", "tampered-salt"]),
        (
            Damaged,
            vec![
                "cipher-bad-base64",
                "cipher-missing-line",
                "cipher-truncated",
                "crlf",
                "extra-line-after-version",
                "hash-missing-line",
                "hash-truncated",
                "hex-missing-field",
                "hex-truncated",
                "leading-space-lines",
                "length-minus-one",
                "length-not-a-number",
                "length-plus-one",
                "length-too-small-8",
                "length-zero",
                "params-garbage",
                "params-keylen16",
                "tampered-ciphertext",
                "tampered-nonce",
                "truncated-after-line1",
                "truncated-after-params",
                "truncated-in-version",
                "truncated-in-version2",
                "truncated-mid-cipher",
                "two-lines-with-version",
                "version-2.0.9",
                "version-garbage",
                "version-missing",
                "version-short-5.1",
            ],
        ),
    ];
    let all = expected();
    let bad = below(&all, "bad/");
    assert_eq!(bad.len(), reasons.iter().map(|(_, names)| names.len()).sum::<usize>());
    for (name, entry) in bad {
        let reason =
            match vault::unlock(&bytes(text(entry, "file")), &Password::from(text(entry, "password"))) {
                Err(VaultError::NotAnAccountFile(_)) => NotAnAccountFile,
                Err(VaultError::Damaged(_)) => Damaged,
                Err(VaultError::WrongPassword) => WrongPassword,
                other => panic!("{name}: {other:?}"),
            };
        let (wanted, _) = reasons.iter().find(|(_, names)| names.contains(&name)).expect(name);
        assert_eq!(reason, *wanted, "{name}");
    }
}

#[test]
fn no_cut_of_a_file_opens_or_panics() {
    for file in ["ok/basic-5.3.3", "ok/hex-libsodium18-pre-2.1.0", "gpg/gpg-4.2.6"] {
        let whole = bytes(file);
        let armour_end = 919;
        for len in 0..whole.len() {
            let whole_message = file.starts_with("gpg/") && len >= armour_end - 1;
            let inspected = vault::inspect(&whole[..len]);
            // A cut within the last line may leave a shorter version that is still one.
            let still_versioned = file.starts_with("ok/basic") && len >= whole.len() - 1;
            if !whole_message && !still_versioned {
                assert!(inspected.is_err(), "{len} bytes of {file}: {inspected:?}");
            }
        }
    }
}
