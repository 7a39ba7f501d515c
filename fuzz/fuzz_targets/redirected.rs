//! See `oidc_tests::decoders::redirected`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::redirected(bytes));
