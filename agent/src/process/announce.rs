//! What `oidc-agent` prints so that a shell learns where the agent is.
//!
//! The Bourne and JSON forms are the C suite's byte for byte, except that an unusual path is quoted: the text is
//! made to be evaluated by a shell.

use std::{fmt::Write, path::Path};

use oidc_proto::shell;

/// The shell, or not a shell, that will read what is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `sh`, `bash`, `zsh`, `ksh`.
    #[default]
    Bourne,
    /// `csh`, `tcsh`.
    Csh,
    /// `fish`.
    Fish,
    /// An object with tabs and newlines between tokens, without a final newline.
    Json,
}

/// What to print after the start. `quiet` leaves out the line that speaks to the person.
pub fn started(dialect: Dialect, quiet: bool, socket: &Path, pid: u32) -> String {
    let path = socket.to_string_lossy();
    let quoted = quote(dialect, &path);
    let mut text = match dialect {
        Dialect::Bourne => {
            format!("OIDC_SOCK={quoted}; export OIDC_SOCK;\nOIDCD_PID={pid}; export OIDCD_PID;\n")
        }
        Dialect::Csh => format!("setenv OIDC_SOCK {quoted};\nsetenv OIDCD_PID {pid};\n"),
        Dialect::Fish => format!("set -gx OIDC_SOCK {quoted};\nset -gx OIDCD_PID {pid};\n"),
        Dialect::Json => {
            let path = serde_json::Value::from(path.as_ref());
            return format!("{{\n\t\"socket\":\t{path},\n\t\"dpid\":\t\"{pid}\"\n}}");
        }
    };
    if !quiet {
        text.push_str("echo Agent pid $OIDCD_PID\n");
    }
    text
}

/// What to print after the agent was ended.
pub fn killed(dialect: Dialect, quiet: bool, pid: &str) -> String {
    let mut text = String::new();
    for name in ["OIDC_SOCK", "OIDCD_PID"] {
        let written = match dialect {
            Dialect::Bourne | Dialect::Json => writeln!(text, "unset {name};"),
            Dialect::Csh => writeln!(text, "unsetenv {name};"),
            Dialect::Fish => writeln!(text, "set -e {name};"),
        };
        written.expect("writing to a string");
    }
    if !quiet {
        writeln!(text, "echo Agent pid {pid} killed;").expect("writing to a string");
    }
    text
}

/// Leaves plain paths as the C suite prints them; quotes the others.
fn quote(dialect: Dialect, text: &str) -> String {
    let bourne = shell::quoted(text);
    match dialect {
        Dialect::Bourne | Dialect::Json => bourne.into_owned(),
        _ if bourne == text => bourne.into_owned(),
        Dialect::Fish => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        // csh expands `!` even within single quotes.
        Dialect::Csh => bourne.replace('!', "\\!"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started_at(dialect: Dialect, quiet: bool) -> String {
        started(dialect, quiet, Path::new("/tmp/oidc-V6XG4z/oidc-agent.12039"), 12045)
    }

    #[test]
    fn bourne_as_the_c_suite_prints_it() {
        let variables = "OIDC_SOCK=/tmp/oidc-V6XG4z/oidc-agent.12039; export OIDC_SOCK;\n\
                         OIDCD_PID=12045; export OIDCD_PID;\n";
        assert_eq!(started_at(Dialect::Bourne, true), variables);
        assert_eq!(started_at(Dialect::Bourne, false), format!("{variables}echo Agent pid $OIDCD_PID\n"));
    }

    #[test]
    fn json_as_the_c_suite_prints_it() {
        assert_eq!(
            started_at(Dialect::Json, false),
            "{\n\t\"socket\":\t\"/tmp/oidc-V6XG4z/oidc-agent.12039\",\n\t\"dpid\":\t\"12045\"\n}"
        );
    }

    #[test]
    fn csh_and_fish_set_variables_their_way() {
        assert!(started_at(Dialect::Csh, true).starts_with("setenv OIDC_SOCK /tmp/"));
        assert!(started_at(Dialect::Fish, true).starts_with("set -gx OIDC_SOCK /tmp/"));
    }

    #[test]
    fn the_end_is_announced_as_in_the_c_suite() {
        assert_eq!(
            killed(Dialect::Bourne, false, "7"),
            "unset OIDC_SOCK;\nunset OIDCD_PID;\necho Agent pid 7 killed;\n"
        );
        assert_eq!(killed(Dialect::Csh, true, "7"), "unsetenv OIDC_SOCK;\nunsetenv OIDCD_PID;\n");
    }

    #[test]
    fn a_path_cannot_become_a_command() {
        assert_eq!(quote(Dialect::Bourne, "/a b/$(id)'"), r"'/a b/$(id)'\'''");
        assert_eq!(quote(Dialect::Fish, r"/a\b'"), r"'/a\\b\''");
        assert_eq!(quote(Dialect::Csh, "/a!b"), r"'/a\!b'");
    }
}
