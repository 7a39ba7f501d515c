//! The OSG token renewer's tokens and accounts as entries of ours: by the same parser, from the TOML that says the same.

use std::{fmt::Write, path::Path};

use super::{
    configuration::{Gathered, gather},
    osg::{self, OsgConfig},
    problem::Problem,
    sources::Text,
    surroundings::Surroundings,
};

/// Reads a configuration of the renewer.
pub(super) fn gather_osg(path: &Path, text: &str, surroundings: &Surroundings, gathered: &mut Gathered) {
    let config = match osg::parse(text) {
        Ok(config) => config,
        Err(problems) => {
            let at = |problem: osg::OsgProblem| Problem {
                path: path.into(),
                line: Some(problem.line),
                key: String::new(),
                what: problem.what,
            };
            return gathered.problems.extend(problems.into_iter().map(at));
        }
    };
    for account in config.accounts.iter().filter(|account| account.password_file.is_none()) {
        gathered.remarks.push(Problem {
            path: path.into(),
            line: Some(account.line),
            key: format!("account {}", super::document::quoted(&account.name)),
            what: client_credentials(&account.name),
        });
    }
    // What is told of a line is told of the section that it came from.
    let (content, lines) = to_toml_with_lines(&config);
    let mut read = Gathered::default();
    let texts = [Text { path: path.into(), content, is_system: false }];
    gather(&texts, path, surroundings, &mut read);
    let line_of = |line: usize| lines.get(line.saturating_sub(1)).copied().unwrap_or(1);
    for origin in &mut read.origins {
        origin.line = line_of(origin.line);
        for value in &mut origin.values {
            if let super::values::Source::Entry(_, line) = &mut value.from {
                *line = line_of(*line);
            }
        }
    }
    for account in &mut read.accounts {
        account.line = line_of(account.line);
    }
    for problem in read.problems.iter_mut().chain(&mut read.remarks) {
        problem.line = problem.line.map(line_of);
    }
    gathered.entries.append(&mut read.entries);
    gathered.origins.append(&mut read.origins);
    gathered.accounts.append(&mut read.accounts);
    gathered.problems.append(&mut read.problems);
    gathered.remarks.append(&mut read.remarks);
}

/// What is to be done about an account with client credentials, which our agent keeps in an account of its own.
pub fn client_credentials(name: &str) -> String {
    format!(
        "its client credentials are not read from here: create the account once, `{} --flow client-credentials`, and give \
         its password under [accounts.NAME]",
        crate::shell::command("oidc gen", name)
    )
}

/// The same configuration as `files.toml` has it.
pub fn to_toml(config: &OsgConfig) -> String {
    to_toml_with_lines(config).0
}

/// [`to_toml`], and for each of its lines that of the section from which it comes.
fn to_toml_with_lines(config: &OsgConfig) -> (String, Vec<usize>) {
    let mut text = String::new();
    let mut lines = Vec::new();
    // Writing to a string cannot fail.
    let mut put = |line: String, from: usize| {
        let _ = writeln!(text, "{line}");
        lines.push(from);
    };
    for token in &config.tokens {
        put("[[file]]".into(), token.line);
        let mut pairs = vec![("name", token.name.as_str()), ("account", token.account.as_str())];
        let path = token.token_path.to_string_lossy();
        pairs.push(("path", &path));
        pairs.extend(token.audience.as_deref().map(|audience| ("audience", audience)));
        pairs.extend(token.scope.as_deref().map(|scope| ("scope", scope)));
        for (key, value) in pairs {
            put(format!("{key} = {}", quoted(value)), token.line);
        }
        if let Some(seconds) = token.min_lifetime.filter(|seconds| *seconds > 0) {
            put(format!("min_lifetime = {seconds}"), token.line);
        }
        put(String::new(), token.line);
    }
    for account in &config.accounts {
        let Some(path) = &account.password_file else { continue };
        put(format!("[accounts.{}]", quoted(&account.name)), account.line);
        put(format!("password_file = {}", quoted(&path.to_string_lossy())), account.line);
        put(String::new(), account.line);
    }
    (text, lines)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::entry::Sink;

    fn read(text: &str) -> Gathered {
        let surroundings = Surroundings {
            uid: 1000,
            user: None,
            home: None,
            runtime_dir: None,
            system: "/nonexistent".into(),
        };
        let mut gathered = Gathered::default();
        gather_osg(Path::new("/etc/osg/config.ini"), text, &surroundings, &mut gathered);
        gathered
    }

    #[test]
    fn the_renewers_file_becomes_entries_and_passwords() {
        let text = "[account demo]\npassword_file = /demo.pw\n\n[token write]\naccount = demo\n\
                    token_path = /t/demo.write\nscope = storage.read:/ openid\nmin_lifetime = 1200\n";
        let gathered = read(text);
        assert!(gathered.problems.is_empty(), "{:?}", gathered.problems);
        let [entry] = gathered.entries.as_slice() else { panic!("one entry") };
        assert_eq!(
            (entry.name.as_str(), entry.token.scope.as_deref()),
            ("write", Some("openid storage.read:/"))
        );
        assert_eq!(entry.timing.min_lifetime.as_secs(), 1200);
        assert!(matches!(&entry.sink, Sink::File(file) if file.path == Path::new("/t/demo.write")));
        assert_eq!((gathered.origins[0].line, gathered.accounts[0].line), (4, 1));
    }

    #[test]
    fn what_we_do_not_take_is_told_with_its_section() {
        let text =
            "[account demo]\npassword_file = demo.pw\n[token a\u{1b}]\naccount = demo\ntoken_path = t\n";
        let lines: Vec<_> = read(text).problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [Some(3), Some(3), Some(1)]);
        let text = "[account robot]\nclient_id = x\n[token t]\naccount = robot\ntoken_path = /t\n";
        let gathered = read(text);
        assert!(gathered.problems.is_empty() && gathered.accounts.is_empty());
        assert!(gathered.remarks[0].what.contains("oidc gen robot --flow client-credentials"));
        assert_eq!(read("[x]").problems[0].line, Some(1));
    }
}
