//! The C suite's format, written and rewritten.

#![allow(clippy::unwrap_used)]

use oidc_proto::{
    account::AccountConfig,
    secret::{Password, RefreshToken},
    vault::{self, FileKey, Format, Protection, VaultError},
};

const PASSWORD: &str = "test1234";

fn fixture(name: &str) -> Vec<u8> {
    fs_err::read(format!("{}/../tests/fixtures/accounts/ok/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn unlock(bytes: &[u8]) -> vault::Unlocked {
    vault::unlock(bytes, &Password::from(PASSWORD)).unwrap()
}

/// The account with another refresh token.
fn rotated(account: &AccountConfig, token: &str) -> AccountConfig {
    AccountConfig { refresh_token: Some(RefreshToken::from(token)), ..account.clone() }
}

#[test]
fn a_new_file_has_the_c_suites_seven_lines() {
    let account =
        AccountConfig::parse(br#"{"name":"a","issuer_url":"https://op/","auth_scope":"openid x"}"#).unwrap();
    let (file, key) = vault::seal_new(&account, &Protection::OidcAgent(&Password::from(PASSWORD))).unwrap();
    let text = std::str::from_utf8(&file).unwrap();
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.iter().map(|line| line.len()).skip(1).collect::<Vec<_>>()[..2], [32, 24]);
    assert_eq!(lines[3], "24:16:16:32:1:2:67108864:2");
    assert_eq!((lines[5].len(), lines[6], lines.len()), (44, "Generated using version: 5.3.3", 7));

    // 4.x looks for its scopes in `scope`.
    let opened = unlock(&file).account;
    assert_eq!((opened.scope.as_deref(), opened.auth_scope.as_deref()), (Some("openid x"), Some("openid x")));
    assert_eq!(key.open(&file), Ok(opened));
    assert!(vault::header(&file).is_none());
}

#[test]
fn a_rewrite_changes_the_refresh_token_only() {
    for name in
        ["flow-dynreg-device-4.2.6", "flow-rotated-5.3.3", "mytoken-5.3.3", "oauth2-public-client-5.3.3"]
    {
        let file = fixture(name);
        let opened = unlock(&file);
        let rewritten = opened.key.seal(&rotated(&opened.account, "rt-new"), &file).unwrap();
        assert_eq!(vault::inspect(&rewritten), Ok(Format::OidcAgent));
        assert_eq!(rewritten.split(|b| *b == b'\n').nth(2), file.split(|b| *b == b'\n').nth(2), "same salt");
        assert_ne!(rewritten.split(|b| *b == b'\n').nth(1), file.split(|b| *b == b'\n').nth(1), "new nonce");
        assert_eq!(unlock(&rewritten).account, rotated(&opened.account, "rt-new"), "{name}");
    }
}

#[test]
fn an_old_hex_file_is_rewritten_in_the_current_format() {
    let file = fixture("hex-libsodium18-pre-2.1.0");
    let opened = unlock(&file);
    let key = FileKey::from_text(&opened.key.to_text()).unwrap();
    let first = key.seal(&rotated(&opened.account, "rt-1"), &file).unwrap();
    assert_eq!(vault::format_of(&first), Ok(Format::OidcAgent));
    let second = key.seal(&rotated(&opened.account, "rt-2"), &first).unwrap();
    assert_eq!(unlock(&second).account, rotated(&opened.account, "rt-2"));
}

#[test]
fn a_file_the_c_suite_has_rewritten_is_under_another_key() {
    let (one, other) = (fixture("basic-4.2.6"), fixture("flow-rotated-4.2.6"));
    let key = unlock(&one).key;
    let again = FileKey::from_text(&key.to_text()).unwrap();
    for key in [&key, &again] {
        assert_eq!(key.open(&other), Err(VaultError::OtherKey));
        assert_eq!(key.seal(&AccountConfig::default(), &other), Err(VaultError::OtherKey));
    }
    let mut damaged = one.clone();
    damaged[200] = if damaged[200] == b'A' { b'B' } else { b'A' };
    assert!(matches!(key.open(&damaged), Err(VaultError::Damaged(_))));
}

#[test]
fn texts_that_are_no_keys_are_refused() {
    for text in ["", "{}", "[]", r#"{"kind":"native"}"#, r#"{"kind":"gpg","recipients":["--output=/tmp/x"]}"#]
    {
        assert!(matches!(FileKey::from_text(&text.into()), Err(VaultError::Damaged(_))), "{text}");
    }
}
