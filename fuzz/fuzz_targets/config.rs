//! See `oidc_tests::decoders::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::config(bytes));
