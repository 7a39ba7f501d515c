//! What is wrong with a new entry, as whoever typed it reads it: by options, not by the keys of a file that nobody has written.

use oidc_proto::files::{Problem, Problems};

use crate::cli::usage::UsageError;

/// Each key that `oidc files add` writes, and what it is written from.
const OPTIONS: [(&str, &str); 15] = [
    ("account", "ACCOUNT"),
    ("path", "PATH"),
    ("name", "--name"),
    ("for", "--for"),
    ("operations", "--for"),
    ("scope", "--scope"),
    ("audience", "--aud"),
    ("token", "--id-token"),
    ("readers", "--reader"),
    ("format", "--format"),
    ("host", "--host"),
    ("newline", "--no-newline"),
    ("mode", "--mode"),
    ("min_lifetime", "--min-lifetime"),
    ("create_dirs", "--create-dirs"),
];

/// All of it, a line each.
pub fn wrong(problems: &Problems) -> UsageError {
    UsageError::new(problems.0.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn line(problem: &Problem) -> String {
    // The table comes before the key.
    let key = problem.key.rsplit(": ").next().unwrap_or_default();
    match OPTIONS.iter().find(|(known, _)| *known == key) {
        Some((_, option)) => format!("{option}: {}", problem.what),
        None => problem.what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::files::keys::{KEYS, Table};

    use super::*;

    #[test]
    fn each_option_is_one_of_a_key_that_there_is() {
        for (name, _) in OPTIONS {
            assert!(KEYS.iter().any(|key| key.name == name && key.tables.contains(&Table::File)), "{name}");
        }
    }

    #[test]
    fn a_problem_is_told_by_its_option() {
        let problem = |key: &str| Problem {
            path: "/x".into(),
            line: Some(3),
            key: key.into(),
            what: "must be y".into(),
        };
        for (key, expected) in [
            ("file a: mode", "--mode: must be y"),
            ("file \"a: path\": min_lifetime", "--min-lifetime: must be y"),
            ("defaults: mode", "--mode: must be y"),
            ("file number 1", "must be y"),
        ] {
            assert_eq!(wrong(&Problems(vec![problem(key)])).text, expected);
        }
    }
}
