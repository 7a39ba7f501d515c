//! The ways to a native file beside its password.

#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use oidc_proto::{
    account::AccountConfig,
    secret::{Password, RefreshToken},
    vault::{self, FileKey, Phrase, Protection, Recovery, RecoveryKind, VaultError},
};
use proptest::prelude::*;
use serde_json::Value;

const PASSWORD: &str = "correct horse";
/// The phrase of the fixture.
const WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

fn account() -> AccountConfig {
    AccountConfig::parse(br#"{"name":"demo","issuer_url":"https://op.example/","refresh_token":"rt1"}"#)
        .unwrap()
}

fn phrase() -> Phrase {
    Phrase::parse(WORDS).unwrap()
}

fn seal(recovery: &Recovery, generation: u64) -> (Vec<u8>, FileKey) {
    let password = Password::from(PASSWORD);
    vault::seal_next(&account(), &Protection::Recoverable(&password, recovery), generation).unwrap()
}

/// One file for all tests: each key derivation counts.
static FILE: LazyLock<(Vec<u8>, FileKey)> =
    LazyLock::new(|| seal(&Recovery::default().with_phrase(&phrase()), 0));

fn edited(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(&FILE.0).unwrap();
    change(&mut document);
    serde_json::to_vec(&document).unwrap()
}

#[test]
fn the_fixture_opens_with_either() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/decoders/vault/recovery-phrase");
    let file = fs_err::read(path).unwrap();
    vault::inspect(&file).unwrap();
    assert_eq!(vault::unlock_with_phrase(&file, &phrase()).unwrap().account, account());
    assert_eq!(vault::unlock(&file, &Password::from(PASSWORD)).unwrap().account, account());
}

#[test]
fn a_phrase_opens_its_file_and_no_other() {
    let (file, key) = &*FILE;
    let opened = vault::unlock_with_phrase(file, &phrase()).unwrap();
    assert_eq!((opened.account, opened.key.open(file)), (account(), Ok(account())));
    assert_eq!(vault::unlock(file, &Password::from(PASSWORD)).unwrap().account, account());
    let header = vault::header(file).unwrap();
    assert_eq!((header.has_recovery_phrase, header.has_recovery_key), (true, false));
    assert_eq!(vault::unlock_with_phrase(file, &Phrase::random()).err(), Some(VaultError::WrongPhrase));
    let text = std::str::from_utf8(file).unwrap();
    assert!(WORDS.split(' ').all(|word| !text.contains(word)), "{text}");

    let none = key.recovery(&seal(&Recovery::default(), 0).0).err();
    assert_eq!(none, Some(VaultError::OtherKey));
    let (plain, key) = seal(&Recovery::default(), 0);
    assert!(key.recovery(&plain).unwrap().is_empty());
    let refused = vault::unlock_with_phrase(&plain, &phrase()).err();
    assert_eq!(refused, Some(VaultError::NoRecovery(RecoveryKind::Phrase)));
}

#[test]
fn a_rewrite_and_a_new_password_keep_the_phrase_under_another_data_key() {
    let (file, key) = &*FILE;
    let rotated = AccountConfig { refresh_token: Some(RefreshToken::from("rt2")), ..account() };
    let rewritten = key.seal(&rotated, file).unwrap();
    assert_eq!(vault::unlock_with_phrase(&rewritten, &phrase()).unwrap().account, rotated);

    let recovery = key.recovery(&rewritten).unwrap();
    assert!(recovery.has_phrase() && !recovery.has_gpg());
    let (changed, _) = seal(&recovery, 2);
    assert_eq!(key.open(&changed), Err(VaultError::OtherKey));
    let opened = vault::unlock_with_phrase(&changed, &phrase()).unwrap();
    assert_eq!(opened.account, account());
    assert_eq!(vault::header(&changed).unwrap().generation, 3);
}

/// Whoever can write the file could wait for the next password with a phrase of his own.
#[test]
fn a_way_in_that_somebody_else_put_there_is_damage_and_goes_nowhere() {
    let theirs = seal(&Recovery::default().with_phrase(&Phrase::random()), 0).0;
    let theirs: Value = serde_json::from_slice(&theirs).unwrap();
    let replaced = edited(|document| document["slots"][1] = theirs["slots"][1].clone());
    let added = edited(|document| document["slots"].as_array_mut().unwrap().push(theirs["slots"][1].clone()));
    let public = edited(|document| {
        document["slots"][1]["public_key"] = theirs["slots"][1]["public_key"].clone();
    });
    for file in [replaced, added, public] {
        assert!(FILE.1.recovery(&file).is_err());
        let opened = vault::unlock(&file, &Password::from(PASSWORD));
        assert!(matches!(opened, Err(VaultError::Damaged(_))), "{opened:?}");
    }
}

#[test]
fn a_slot_that_is_none_is_refused() {
    let changes: &[fn(&mut Value)] = &[
        |slot| slot["public_key"] = "AAAA".into(),
        |slot| slot["public_key"] = "*".into(),
        |slot| slot["wrapped_key"] = "AAAA".into(),
        |slot| drop(slot.as_object_mut().unwrap().remove("wrapped_key")),
        |slot| *slot = serde_json::json!({"type": "gpg", "wrapped_key": "AAAA"}),
        |slot| *slot = serde_json::json!({"type": "gpg"}),
    ];
    for change in changes {
        let file = edited(|document| change(&mut document["slots"][1]));
        assert!(matches!(vault::inspect(&file), Err(VaultError::Damaged(_))));
    }
    // A derivation of a later version is left alone.
    let later = edited(|document| document["slots"][1]["kdf"] = "later".into());
    assert!(vault::inspect(&later).is_ok());
    let refused = vault::unlock_with_phrase(&later, &phrase()).err();
    assert_eq!(refused, Some(VaultError::NoRecovery(RecoveryKind::Phrase)));
}

proptest! {
    #[test]
    fn no_changed_byte_opens_as_something_else(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut file = FILE.0.clone();
        file[at.index(FILE.0.len())] ^= flip;
        if let Ok(opened) = vault::unlock_with_phrase(&file, &phrase()) {
            // White space for white space.
            prop_assert_eq!(opened.account, account());
        }
    }
}

/// How the fixture was made: `cargo test -p oidc-proto --test vault_recovery -- --ignored` prints another one.
#[test]
#[ignore = "prints a fixture"]
#[allow(clippy::print_stdout)]
fn print_the_fixture() {
    print!("{}", std::str::from_utf8(&FILE.0).unwrap());
}
