//! See `oidc_tests::decoders::agent_state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oidc_tests::decoders::agent_state(bytes));
