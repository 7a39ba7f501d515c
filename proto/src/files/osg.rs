//! The OSG token renewer's configuration (opensciencegrid/osg-token-renewer), read as it stands: an INI file in the syntax of
//! Python's `configparser` with its default settings, with sections `[account NAME]` and `[token NAME]`.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

/// Where the OSG renewer looks for it.
pub const CONFIG_INI: &str = "/etc/osg/token-renewer/config.ini";

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsgConfig {
    /// Its accounts, in order.
    pub accounts: Vec<OsgAccount>,
    /// Its tokens, in order.
    pub tokens: Vec<OsgToken>,
}

/// `[account NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsgAccount {
    /// The account's name.
    pub name: String,
    /// The file with its password. `None`: the account has client credentials instead, which our agent keeps in an account of
    /// its own.
    pub password_file: Option<PathBuf>,
    /// The line of its header, from 1.
    pub line: usize,
}

/// `[token NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsgToken {
    /// The token's name.
    pub name: String,
    /// The account that gives it.
    pub account: String,
    /// The file in which it goes.
    pub token_path: PathBuf,
    /// Its audience.
    pub audience: Option<String>,
    /// Its scopes; `None` for the provider's default.
    pub scope: Option<String>,
    /// For how many seconds it must still be good.
    pub min_lifetime: Option<u64>,
    /// The line of its header, from 1.
    pub line: usize,
}

/// Something that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsgProblem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub what: String,
}

/// A section: its header's line, and its options with theirs.
#[derive(Debug, Default)]
struct IniSection {
    name: String,
    line: usize,
    options: BTreeMap<String, (String, usize)>,
}

const ACCOUNT_KEYS: [&str; 4] = ["password_file", "token_request_url", "client_id", "client_secret"];
const TOKEN_KEYS: [&str; 5] = ["account", "token_path", "audience", "scope", "min_lifetime"];

/// Reads a file's text; on any problem all of them.
pub fn parse(text: &str) -> Result<OsgConfig, Vec<OsgProblem>> {
    let mut problems = Vec::new();
    let sections = sections(text, &mut problems);
    let mut config = OsgConfig::default();
    for section in &sections {
        let words: Vec<_> = section.name.split_whitespace().collect();
        match words.as_slice() {
            ["account", name] => config.accounts.push(account(section, name, &mut problems)),
            ["token", name] => config.tokens.extend(token(section, name, &mut problems)),
            _ => problems.push(OsgProblem {
                line: section.line,
                what: "a section must be [account NAME] or [token NAME], with a name of one word".into(),
            }),
        }
    }
    for token in &config.tokens {
        if !config.accounts.iter().any(|account| account.name == token.account) {
            let what = format!(
                "there is no section [account NAME] for the account of the token {}",
                shown(&token.name)
            );
            problems.push(OsgProblem { line: token.line, what });
        }
    }
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn account(section: &IniSection, name: &str, problems: &mut Vec<OsgProblem>) -> OsgAccount {
    tell_unknown(section, &ACCOUNT_KEYS, problems);
    let password_file = section.options.get("password_file").filter(|(path, _)| !path.is_empty());
    let is_client = section.options.contains_key("client_id");
    if password_file.is_none() && !is_client {
        let what = format!("the account {} has no password_file", shown(name));
        problems.push(OsgProblem { line: section.line, what });
    }
    OsgAccount {
        name: name.to_owned(),
        password_file: password_file.filter(|_| !is_client).map(|(path, _)| path.into()),
        line: section.line,
    }
}

fn token(section: &IniSection, name: &str, problems: &mut Vec<OsgProblem>) -> Option<OsgToken> {
    tell_unknown(section, &TOKEN_KEYS, problems);
    let given = |key: &str| {
        section.options.get(key).map(|(value, _)| value.clone()).filter(|value| !value.is_empty())
    };
    for key in ["account", "token_path"] {
        if given(key).is_none() {
            let what = format!("the token {} has no {key}", shown(name));
            problems.push(OsgProblem { line: section.line, what });
        }
    }
    let min_lifetime = given("min_lifetime").and_then(|seconds| {
        let number = seconds.parse::<u64>().ok().filter(|seconds| *seconds <= 30 * 24 * 60 * 60);
        if number.is_none() {
            let line = section.options["min_lifetime"].1;
            problems.push(OsgProblem {
                line,
                what: "min_lifetime must be a number of seconds, at most 30 days".into(),
            });
        }
        number
    });
    Some(OsgToken {
        name: name.to_owned(),
        account: given("account")?,
        token_path: given("token_path")?.into(),
        audience: given("audience"),
        scope: given("scope"),
        min_lifetime,
        line: section.line,
    })
}

fn tell_unknown(section: &IniSection, known: &[&str], problems: &mut Vec<OsgProblem>) {
    for (key, (_, line)) in section.options.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
        let what = format!("{} is no option here; there are {}", shown(key), known.join(", "));
        problems.push(OsgProblem { line: *line, what });
    }
}

/// Never the whole of a long one, and no control characters.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(100).collect::<String>())
}

/// The sections, with what `[DEFAULT]` says filled in.
fn sections(text: &str, problems: &mut Vec<OsgProblem>) -> Vec<IniSection> {
    let mut sections: Vec<IniSection> = Vec::new();
    let mut names = HashSet::new();
    let mut option: Option<String> = None;
    for (raw, line) in text.lines().zip(1..) {
        let content = raw.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let mut tell = |what: &str| problems.push(OsgProblem { line, what: what.into() });
        if raw.starts_with([' ', '\t'])
            && let (Some(section), Some(key)) = (sections.last_mut(), &option)
        {
            if let Some((value, _)) = section.options.get_mut(key) {
                // A long value goes on. Paths and lists of scopes are lines of words.
                value.push(' ');
                value.push_str(content);
            }
            continue;
        }
        option = None;
        if let Some(name) =
            content.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name)
        {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            if !names.insert(name.clone()) {
                tell("there is such a section already");
            }
            sections.push(IniSection { name, line, ..IniSection::default() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            tell("this is before the first section");
            continue;
        };
        let Some((key, value)) = content.split_once(['=', ':']) else {
            tell("this is neither [SECTION] nor KEY = VALUE");
            continue;
        };
        let key = key.trim().to_lowercase();
        let value = value.trim();
        if value.replace("%%", "").contains('%') {
            tell(
                "% stands for another value in this kind of file, which is not done here: write %% for a percent sign",
            );
        }
        if section.options.insert(key.clone(), (value.replace("%%", "%"), line)).is_some() {
            tell("this section has that option already");
        }
        option = Some(key);
    }
    let defaults =
        sections.iter().position(|section| section.name == "DEFAULT").map(|at| sections.remove(at));
    for (key, value) in defaults.into_iter().flat_map(|defaults| defaults.options) {
        // The defaults of one kind of section stand in the other one too, where nobody looks at them.
        for section in &mut sections {
            let keys: &[&str] = if section.name.starts_with("token") { &TOKEN_KEYS } else { &ACCOUNT_KEYS };
            if keys.contains(&key.as_str()) {
                section.options.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "\
# the site's
[account demo]
password_file = /etc/osg/tokens/demo.pw

[token write]
account = demo
Token_Path: /etc/osg/tokens/demo.write.token
audience = https://storage.example
scope = storage.read:/
    storage.create:/
min_lifetime = 1200
[token plain]
account = demo
token_path = /t
scope =
";

    #[test]
    fn the_renewers_own_file_is_understood() {
        let config = parse(EXAMPLE).expect("a configuration");
        assert_eq!(
            config.accounts,
            [OsgAccount {
                name: "demo".into(),
                password_file: Some("/etc/osg/tokens/demo.pw".into()),
                line: 2
            }]
        );
        let [write, plain] = config.tokens.as_slice() else { panic!("{config:?}") };
        assert_eq!(write.scope.as_deref(), Some("storage.read:/ storage.create:/"));
        assert_eq!((write.min_lifetime, write.line), (Some(1200), 5));
        assert_eq!(write.token_path, PathBuf::from("/etc/osg/tokens/demo.write.token"));
        assert_eq!((plain.scope.as_deref(), plain.audience.as_deref()), (None, None));
    }

    #[test]
    fn defaults_and_client_credentials() {
        let text = "[DEFAULT]\nmin_lifetime = 60\nclient_secret = canary\n[account c]\nclient_id = x\n\
                    token_request_url = https://op.example\n[token t]\naccount = c\ntoken_path = /t\n";
        let config = parse(text).expect("a configuration");
        assert_eq!(config.accounts[0].password_file, None);
        assert_eq!(config.tokens[0].min_lifetime, Some(60));
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn problems_have_a_line() {
        for (text, line, what) in [
            ("x = 1\n", 1, "before the first section"),
            ("[account a]\npassword_file = /p\nnonsense\n", 3, "neither"),
            ("[account a b]\n", 1, "[account NAME]"),
            ("[account a]\n", 1, "no password_file"),
            ("[account a]\npassword_file = /p\n[account a]\npassword_file = /p\n", 3, "already"),
            ("[account a]\npassword_file = /p\npassword_file = /p\n", 3, "already"),
            ("[account a]\npassword_file = /%(x)s\n", 2, "%%"),
            ("[account a]\npassword_file = /p\ncolour = red\n", 3, "no option here"),
            ("[token t]\ntoken_path = /t\n", 1, "no account"),
            ("[token t]\naccount = a\ntoken_path = /t\n", 1, "no section [account NAME]"),
            (
                "[account a]\npassword_file=/p\n[token t]\naccount=a\ntoken_path=/t\nmin_lifetime=soon\n",
                6,
                "seconds",
            ),
        ] {
            let problems = parse(text).expect_err(text);
            assert!(
                problems.iter().any(|problem| problem.line == line && problem.what.contains(what)),
                "{text}\n{problems:?}"
            );
        }
        assert_eq!(parse(""), Ok(OsgConfig::default()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\[(account|token|DEFAULT) ?a?\\]\n|(account|token_path|scope|client_id) ?[=:] ?.{0,8}\n| .{0,6}\n|.{0,10}\n){0,12}") {
            if let Ok(config) = parse(&text) {
                for token in &config.tokens {
                    prop_assert!(config.accounts.iter().any(|account| account.name == token.account));
                }
            }
        }
    }
}
