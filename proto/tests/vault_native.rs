//! The native format: what is sealed opens again, and nothing else does.

#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use oidc_proto::{
    account::AccountConfig,
    secret::{Password, RefreshToken, SecretText},
    vault::{self, FileKey, Format, Protection, VaultError},
};
use proptest::prelude::*;
use serde_json::Value;

const PASSWORD: &str = "correct horse";

fn account(text: &str) -> AccountConfig {
    AccountConfig::parse(text.as_bytes()).unwrap()
}

fn sample() -> AccountConfig {
    account(
        r#"{"name":"demo","issuer_url":"https://op.example/","client_id":"c1","client_secret":"s","refresh_token":"rt1",
            "registration_client_uri":"https://op.example/reg/c1","registration_access_token":"rat","future":[1,{"x":null}]}"#,
    )
}

/// One file for all tests, and its key as text: each key derivation counts.
static FILE: LazyLock<(Vec<u8>, SecretText)> = LazyLock::new(|| {
    let (file, key) = vault::seal_new(&sample(), &Protection::Native(&Password::from(PASSWORD))).unwrap();
    (file, key.to_text())
});

/// The file's key, as it was when the file was written.
fn key() -> FileKey {
    FileKey::from_text(&FILE.1).unwrap()
}

fn unlock(bytes: &[u8], password: &str) -> Result<AccountConfig, VaultError> {
    vault::unlock(bytes, &Password::from(password)).map(|unlocked| unlocked.account)
}

/// The file with one change to its JSON.
fn edited(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(&FILE.0).unwrap();
    change(&mut document);
    serde_json::to_vec(&document).unwrap()
}

#[test]
fn opens_with_its_password_only() {
    let (file, key) = (&FILE.0, key());
    assert_eq!(vault::inspect(file), Ok(Format::Native));
    assert_eq!(unlock(file, PASSWORD), Ok(sample()));
    assert_eq!(unlock(file, "correct hors"), Err(VaultError::WrongPassword));
    assert_eq!(key.open(file), Ok(sample()));
}

#[test]
fn shows_what_is_no_secret_and_nothing_else() {
    let header = vault::header(&FILE.0).unwrap();
    assert_eq!(header.name.as_deref(), Some("demo"));
    assert_eq!(header.issuer.as_deref(), Some("https://op.example/"));
    assert_eq!(header.client_id.as_deref(), Some("c1"));
    assert_eq!(header.registration_client_uri.as_deref(), Some("https://op.example/reg/c1"));
    assert_eq!(header.generation, 1);

    let text = std::str::from_utf8(&FILE.0).unwrap();
    assert!(["rt1", "\"rat\"", "future", PASSWORD].iter().all(|secret| !text.contains(secret)), "{text}");
    let slot = &serde_json::from_str::<Value>(text).unwrap()["slots"][0];
    assert_eq!((&slot["m_kib"], &slot["t"], &slot["p"]), (&65536.into(), &3.into(), &4.into()));
}

#[test]
fn a_changed_header_is_damage_and_no_wrong_password() {
    for change in [
        |document: &mut Value| document["issuer"] = "https://evil.example/".into(),
        |document: &mut Value| document["name"] = "other".into(),
        |document: &mut Value| document["generation"] = 2.into(),
        |document: &mut Value| document["added"] = true.into(),
        |document: &mut Value| drop(document.as_object_mut().unwrap().remove("client_id")),
        |document: &mut Value| {
            document["slots"].as_array_mut().unwrap().push(serde_json::json!({ "type": "x" }));
        },
        |document: &mut Value| document["nonce"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
    ] {
        let file = edited(change);
        assert!(matches!(unlock(&file, PASSWORD), Err(VaultError::Damaged(_))));
        assert!(key().open(&file).is_err());
    }
}

#[test]
fn white_space_and_order_of_the_document_do_not_matter() {
    let mut document: Value = serde_json::from_slice(&FILE.0).unwrap();
    let mut members: Vec<(String, Value)> =
        std::mem::take(document.as_object_mut().unwrap()).into_iter().collect();
    members.reverse();
    let reordered = serde_json::to_vec(&members.into_iter().collect::<serde_json::Map<_, _>>()).unwrap();
    assert_eq!(key().open(&reordered), Ok(sample()));
}

#[test]
fn a_costly_or_senseless_derivation_is_refused_before_it_begins() {
    for (cost, error) in [
        ((1024 * 1024 + 1, 3, 4), Some(VaultError::TooExpensive)),
        ((65536, 17, 4), Some(VaultError::TooExpensive)),
        ((65536, 3, 17), Some(VaultError::TooExpensive)),
        ((u64::MAX, 3, 4), Some(VaultError::TooExpensive)),
        ((65536, 0, 4), None),
        ((65536, 3, 0), None),
        ((8, 3, 4), None),
    ] {
        let file = edited(|document| {
            let slot = &mut document["slots"][0];
            (slot["m_kib"], slot["t"], slot["p"]) = (cost.0.into(), cost.1.into(), cost.2.into());
        });
        let refused = unlock(&file, PASSWORD).unwrap_err();
        assert!(
            matches!(refused, VaultError::Damaged(_)) || Some(&refused) == error.as_ref(),
            "{cost:?}: {refused}"
        );
    }
    let file = edited(|document| {
        let slot = document["slots"][0].clone();
        document["slots"] = vec![slot; 5].into();
    });
    assert_eq!(unlock(&file, PASSWORD), Err(VaultError::TooExpensive));
}

#[test]
fn later_versions_are_told_from_damage() {
    let file = edited(|document| document["format"] = "oidc-account/2".into());
    assert_eq!(unlock(&file, PASSWORD), Err(VaultError::NewerFormat));
    let file = edited(|document| document["slots"] = serde_json::json!([{ "type": "keyring" }]));
    assert_eq!(unlock(&file, PASSWORD), Err(VaultError::NewerFormat));
}

#[test]
fn a_rewrite_needs_no_password_and_keeps_the_ways_in() {
    let (file, key) = (&FILE.0, key());
    let mut changed = sample();
    changed.refresh_token = Some(RefreshToken::from("rt2"));
    changed.client_id = None;
    let rewritten = key.seal(&changed, file).unwrap();
    assert_eq!(unlock(&rewritten, PASSWORD), Ok(changed.clone()));
    let header = vault::header(&rewritten).unwrap();
    assert_eq!((header.generation, header.client_id), (2, None));
    let nonce = |file: &[u8]| serde_json::from_slice::<Value>(file).unwrap()["nonce"].clone();
    assert_ne!(nonce(file), nonce(&rewritten));

    let again = FileKey::from_text(&key.to_text()).unwrap();
    assert_eq!(again.open(&rewritten), Ok(changed));
    assert!(!again.is_rollback(&rewritten));
    assert!(again.is_rollback(file));
}

#[test]
fn another_password_is_another_key() {
    let (file, key) = (&FILE.0, key());
    let (changed, new_key) =
        vault::seal_next(&sample(), &Protection::Native(&Password::from("new")), 7).unwrap();
    assert_eq!(vault::header(&changed).unwrap().generation, 8);
    assert_eq!(key.open(&changed), Err(VaultError::OtherKey));
    assert_eq!(key.seal(&sample(), &changed), Err(VaultError::OtherKey));
    assert_eq!(new_key.open(file), Err(VaultError::OtherKey));
    assert_eq!(unlock(&changed, PASSWORD), Err(VaultError::WrongPassword));
}

#[test]
fn a_cut_file_never_opens() {
    let whole = FILE.0.trim_ascii_end();
    for len in 0..whole.len() {
        assert!(key().open(&whole[..len]).is_err(), "{len} bytes");
        assert!(vault::header(&whole[..len]).is_none(), "{len} bytes");
    }
}

#[test]
fn too_large_is_refused_both_ways() {
    let mut huge = sample();
    huge.other.insert("x", "y".repeat(vault::MAX_FILE_LEN));
    assert_eq!(key().seal(&huge, &FILE.0), Err(VaultError::TooLarge));
    assert_eq!(vault::format_of(&vec![b'{'; vault::MAX_FILE_LEN + 1]), Err(VaultError::TooLarge));
}

/// JSON values as they may occur in an account.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".*", inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn any_account() -> impl Strategy<Value = AccountConfig> {
    let known =
        prop_oneof![Just("name"), Just("issuer_url"), Just("scope"), Just("redirect_uris"), Just("oauth")];
    let key = prop_oneof![known.prop_map(str::to_owned), ".*"];
    prop::collection::hash_map(key, any_value(), 0..6).prop_map(|members| {
        let text = Value::Object(members.into_iter().collect()).to_string();
        AccountConfig::parse(text.as_bytes()).unwrap()
    })
}

proptest! {
    #[test]
    fn every_account_survives_a_rewrite(account in any_account()) {
        let file = key().seal(&account, &FILE.0).unwrap();
        prop_assert_eq!(key().open(&file).unwrap(), account);
    }

    #[test]
    fn no_changed_byte_opens_as_something_else(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut file = FILE.0.clone();
        file[at.index(FILE.0.len())] ^= flip;
        if let Ok(opened) = key().open(&file) {
            // White space for white space.
            prop_assert_eq!(opened, sample());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = vault::inspect(&bytes);
        let _ = key().open(&bytes);
    }
}

/// With the password, where each try costs a key derivation: every region of the file once.
#[test]
fn a_changed_byte_is_damage_or_a_wrong_password() {
    let step = FILE.0.len() / 24;
    for at in (0..FILE.0.len()).step_by(step) {
        let mut file = FILE.0.clone();
        file[at] ^= 1;
        match unlock(&file, PASSWORD) {
            Ok(opened) => assert_eq!(opened, sample(), "{at}"),
            Err(
                VaultError::Damaged(_)
                | VaultError::WrongPassword
                | VaultError::NotAnAccountFile(_)
                | VaultError::TooExpensive
                | VaultError::NewerFormat,
            ) => {}
            Err(other) => panic!("{at}: {other}"),
        }
    }
}

#[test]
fn only_what_hides_nothing_goes_without_a_password() {
    let open = br#"{"name":"pod","issuer_url":"https://op","client_id":"c","subject_token":{"file":"/t"}}"#;
    let open = AccountConfig::parse(open).expect("an account");
    let (bytes, key) = vault::seal_new(&open, &Protection::Clear).expect("sealed");
    let unlocked = vault::unlock_clear(&bytes).expect("whole").expect("without a password");
    assert_eq!(unlocked.account, open);
    assert_eq!(vault::inspect(&bytes), Ok(Format::Native));
    let secret = AccountConfig { client_secret: Some("s".into()), ..open.clone() };
    assert_eq!(vault::seal_new(&secret, &Protection::Clear).err(), Some(VaultError::NeedsProtection));
    assert_eq!(key.seal(&secret, &bytes).err(), Some(VaultError::NeedsProtection));
    let changed = AccountConfig { client_id: Some("other".into()), ..open.clone() };
    let next = key.seal(&changed, &bytes).expect("sealed");
    assert_eq!(key.open(&next).expect("opened"), changed);
    let (hidden, _) = vault::seal_new(&open, &Protection::Native(&"pw".into())).expect("sealed");
    assert!(vault::unlock_clear(&hidden).expect("whole").is_none());
}
