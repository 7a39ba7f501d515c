//! What holds for the options of all commands.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::Path};

use proptest::prelude::*;

use super::parse::{Invocation, parse, run, run_by_library};
use crate::{command::TABLE, say::dialect::Dialect};

/// Options whose values are no secrets. Any other that takes a text has to hide it.
const PUBLIC: &[&str] = &[
    "account",
    "at-env",
    "at-file",
    "aud",
    "audience",
    "aws-endpoint",
    "aws-region",
    "aws-role",
    "aws-session",
    "claim",
    "client-id",
    "client-key-env",
    "client-key-file",
    "client-secret-env",
    "client-secret-file",
    "cnid",
    "configuration-endpoint",
    "cp",
    "dae",
    "env",
    "expires-at",
    "file",
    "forget",
    "format",
    "from",
    "gpg",
    "handle",
    "host",
    "issuer",
    "jwks",
    "min-lifetime",
    "mode",
    "mytoken",
    "mytoken-url",
    "name",
    "new-pw-env",
    "new-pw-file",
    "oidc",
    "op-password-env",
    "op-password-file",
    "op-username",
    "outfile",
    "phrase-file",
    "print",
    "program",
    "pw-credential",
    "pw-env",
    "pw-file",
    "pw-gpg",
    "reader",
    "recovery-gpg",
    "redirect-uri",
    "rename",
    "requested-token-type",
    "resource",
    "rt-env",
    "rt-file",
    "scope",
    "scopes",
    "subject-token",
    "subject-token-type",
    "token",
    "update",
];
const CANARY: &str = "canary_7";

#[test]
fn no_secret_is_in_a_debug_text() {
    let mut hidden = Vec::new();
    let in_groups = TABLE.groups.iter().flat_map(|group| group.commands);
    for entry in TABLE.c_suite.iter().chain(TABLE.commands).chain(in_groups) {
        for option in entry.command().get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let Some(name) = option.get_long() else { continue };
            let line = [entry.name.to_owned(), format!("--{name}={CANARY}"), "acc".to_owned()];
            let arguments = line[1..].iter().map(OsString::from).collect();
            let Ok(Invocation::Run(run)) = run(entry, entry.name, arguments, Dialect::Ours) else {
                continue;
            };
            if format!("{:?}", run.command).contains(CANARY) {
                assert!(PUBLIC.contains(&name), "{} --{name} shows what it was given", entry.name);
            } else {
                hidden.push(name.to_owned());
            }
        }
    }
    for secret in
        ["client-secret", "at", "rt", "op-password", "pw-cmd", "new-pw-cmd", "codeExchange", "state"]
    {
        assert!(hidden.iter().any(|name| name == secret), "--{secret} was not tried: {hidden:?}");
    }
}

/// Words as they are typed behind `token`: names, issuers, options, what is neither, what is no text.
fn words() -> impl Strategy<Value = OsString> {
    prop_oneof![
        "[a-z][a-z0-9._-]{0,12}".prop_map(OsString::from),
        "https?://[a-z.]{1,12}(/[a-z]{0,5})?".prop_map(OsString::from),
        "-{0,3}[a-zA-Z?=-]{0,8}".prop_map(OsString::from),
        prop::sample::select(vec![
            "", "-", "--", "--help", "-h", "-?", "--json", "help", "token", "--name", "-t1", "\u{e4}"
        ])
        .prop_map(OsString::from),
        any::<String>().prop_map(|text| text.replace('\0', "").into()),
        prop::collection::vec(1_u8.., 0..8).prop_map(OsString::from_vec),
    ]
}

/// What a command line comes to, with and without what is read without the library.
fn both_ways(called: &str, arguments: &[OsString]) -> (String, String) {
    let line = std::iter::once(OsString::from(called)).chain(arguments.iter().cloned());
    let quick = parse(&TABLE, line);
    let is_c_suite = Path::new(called).file_name() == Some("oidc-token".as_ref());
    let (entry, own) = match (is_c_suite, arguments) {
        (true, own) => (&TABLE.c_suite[0], own),
        (false, [_, own @ ..]) => (&TABLE.commands[0], own),
        (false, []) => unreachable!("the command is named"),
    };
    let (name, dialect) =
        if is_c_suite { ("oidc-token", Dialect::CSuite) } else { ("oidc token", Dialect::Ours) };
    let by_library = run_by_library(entry, name, own.to_vec(), dialect);
    (format!("{quick:?}"), format!("{by_library:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_single_word_means_what_the_library_makes_of_it(words in prop::collection::vec(words(), 1..3)) {
        let behind_token: Vec<_> = std::iter::once("token".into()).chain(words.iter().cloned()).collect();
        for (called, arguments) in
            [("oidc", &behind_token), ("oidc-token", &words), ("/usr/bin/oidc-token", &words)]
        {
            let (quick, by_library) = both_ways(called, arguments);
            prop_assert_eq!(quick, by_library, "{} {:?}", called, arguments);
        }
    }
}

#[test]
fn the_words_that_matter_are_read_without_the_library() {
    for entry in [&TABLE.commands[0], &TABLE.c_suite[0]] {
        assert!(entry.name.ends_with("token") && entry.one_word.is_some(), "{}", entry.name);
    }
}
