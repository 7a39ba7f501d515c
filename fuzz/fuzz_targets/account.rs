//! The JSON text of an account: any bytes parse or are refused, and what is written reads back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oidc_proto::account::AccountConfig;

fuzz_target!(|text: &[u8]| {
    let Ok(account) = AccountConfig::parse(text) else { return };
    let again = AccountConfig::parse(account.to_json().as_bytes()).expect("our own text parses");
    assert_eq!(again, account);
    let _ = format!("{account:?}");
});
