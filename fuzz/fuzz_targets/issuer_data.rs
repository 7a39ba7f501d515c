//! See `oidc_tests::decoders::issuer_data`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::issuer_data(bytes));
