//! Text that a person will paste into a shell, or that a shell evaluates.

use std::borrow::Cow;

/// One word for a POSIX shell, bash or zsh, also as the value of an assignment: as it stands where that is safe, else
/// in single quotes.
pub fn quoted(text: &str) -> Cow<'_, str> {
    // No `~`: in an assignment it is expanded after every `:`, by bash also after `=`. A `=` in front is zsh's.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&byte);
    if !text.is_empty() && !text.starts_with('=') && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A command line that ends in an argument of somebody's choice, such as an account's name. `words` are ours: the
/// command with its options.
pub fn command(words: &str, argument: &str) -> String {
    let end_of_options = if argument.starts_with('-') { " --" } else { "" };
    format!("{words}{end_of_options} {}", quoted(argument))
}

/// As [`command`], with further options of ours behind the argument, where people of the C suite write them.
pub fn command_then(words: &str, argument: &str, options: &str) -> String {
    if argument.starts_with('-') {
        command(&format!("{words} {options}"), argument)
    } else {
        format!("{words} {} {options}", quoted(argument))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const NASTY: &[&str] = &[
        "plain",
        "two words",
        " ",
        "-dash",
        "--delete",
        "--",
        "~",
        "~root",
        ":~",
        "a:~:b",
        "x=~",
        "=ls",
        "$HOME",
        "$(id)",
        "`id`",
        "a'b",
        "'",
        "''",
        "\"",
        "a\"b",
        "\\",
        "a\\",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "#x",
        "!!",
        "a!b",
        "a;b",
        "a&b",
        "a|b",
        "a>b",
        "<b",
        "(a)",
        "%1",
        "@",
        "ä ö",
        "日本語",
        "é",
        "-ü",
        "a\tb",
        "a\nb",
        "\u{a0}",
        "😀",
    ];

    /// What each installed shell makes of a script, in a directory with a file that patterns could match.
    fn shells(script: &str) -> Vec<(&'static str, Vec<u8>)> {
        let directory = tempfile::tempdir().expect("a directory");
        fs_err::write(directory.path().join("a"), "").expect("a file");
        ["sh", "bash", "zsh"]
            .into_iter()
            .filter_map(|shell| {
                let output =
                    Command::new(shell).arg("-c").arg(script).current_dir(&directory).output().ok()?;
                Some((shell, output.stdout))
            })
            .collect()
    }

    fn each_ends_in_nul(texts: &[&str]) -> Vec<u8> {
        texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect()
    }

    fn survive_the_shell(texts: &[&str]) {
        let words: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
        let assigned: Vec<_> =
            words.iter().map(|word| format!("v={word}; printf '%s\\0' \"$v\"\n")).collect();
        let script = format!("printf '%s\\0' {}\n{}", words.join(" "), assigned.concat());
        let found = shells(&script);
        assert!(!found.is_empty(), "no shell");
        for (shell, said) in found {
            let expected = each_ends_in_nul(&[texts, texts].concat());
            assert_eq!(
                String::from_utf8_lossy(&said),
                String::from_utf8_lossy(&expected),
                "{shell}: {script}"
            );
        }
    }

    #[test]
    fn what_is_safe_stays_readable() {
        for text in ["eyJh.b-c_d/e+f==", "https://op.example:443/realm", "wlcg", "a@b", "-dash"] {
            assert_eq!(quoted(text), text);
        }
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a'b"), r"'a'\''b'");
    }

    #[test]
    fn nothing_is_expanded() {
        survive_the_shell(NASTY);
        survive_the_shell(&[""]);
    }

    #[test]
    fn a_suggested_command_gets_its_argument() {
        assert_eq!(command("oidc add", "wlcg"), "oidc add wlcg");
        assert_eq!(command_then("oidc-gen", "a b", "--reauthenticate"), "oidc-gen 'a b' --reauthenticate");
        assert_eq!(command_then("oidc-gen", "-a", "--reauthenticate"), "oidc-gen --reauthenticate -- -a");
        let words = "oidc gen --reauthenticate";
        for name in NASTY {
            let script = format!("oidc() {{ printf '%s\\0' \"$@\"; }}\n{}", command(words, name));
            let mut expected = vec!["gen", "--reauthenticate", name];
            if name.starts_with('-') {
                expected.insert(2, "--");
            }
            for (shell, said) in shells(&script) {
                assert_eq!(said, each_ends_in_nul(&expected), "{shell}: {script}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn any_texts_survive(texts in prop::collection::vec("[^\0]{0,12}", 1..60)) {
            survive_the_shell(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
