//! See `oidc_tests::decoders::client_key`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::client_key(bytes));
