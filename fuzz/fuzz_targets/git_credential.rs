//! See `oidc_tests::decoders::git_credential`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::git_credential(bytes));
