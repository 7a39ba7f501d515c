//! See `oidc_tests::decoders::helper_hosts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::helper_hosts(bytes));
