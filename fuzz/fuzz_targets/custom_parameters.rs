//! See `oidc_tests::decoders::custom_parameters`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::custom_parameters(bytes));
