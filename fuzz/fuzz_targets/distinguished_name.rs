//! See `oidc_tests::decoders::distinguished_name`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::distinguished_name(bytes));
