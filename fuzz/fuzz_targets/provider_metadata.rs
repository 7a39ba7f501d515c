//! See `oidc_tests::decoders::provider_metadata`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::provider_metadata(bytes));
