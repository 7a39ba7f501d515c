//! See `oidc_tests::decoders::account`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::account(bytes));
