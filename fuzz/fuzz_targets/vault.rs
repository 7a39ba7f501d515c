//! Account files of every format, without key derivations: telling the format, all parsers, and opening with kept keys.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oidc_proto::{
    secret::SecretText,
    vault::{self, FileKey, VaultError},
};

/// Keys that no file in the seeds has.
const KEYS: [&str; 3] = [
    r#"{"kind":"native","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","slots":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","generation":1}"#,
    r#"{"kind":"oidc-agent","salt":"AAAAAAAAAAAAAAAAAAAAAA","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
    r#"{"kind":"oidc-agent-hex","hex_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","salt":"AAAAAAAAAAAAAAAAAAAAAA","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
];

fuzz_target!(|bytes: &[u8]| {
    let format = vault::format_of(bytes);
    let inspected = vault::inspect(bytes);
    if let (Ok(format), Ok(inspected)) = (&format, &inspected) {
        assert_eq!(format, inspected);
    }
    if vault::header(bytes).is_some() {
        assert_eq!(format, Ok(vault::Format::Native));
    }
    for text in KEYS {
        let key = FileKey::from_text(&SecretText::from(text)).expect("a key");
        if let Ok(account) = key.open(bytes) {
            panic!("opened by chance: {account:?}");
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        match FileKey::from_text(&SecretText::from(text)) {
            Ok(key) => assert!(FileKey::from_text(&key.to_text()).is_ok()),
            Err(error) => assert!(matches!(error, VaultError::Damaged(_))),
        }
    }
});
