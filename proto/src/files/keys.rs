//! Every key of `files.toml`, as data: where it may stand, what it may hold, what holds without it. The parser knows no other
//! keys, its messages quote this table, and the documentation is compared with it.

/// A kind of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The file itself.
    Top,
    /// `[defaults]`.
    Defaults,
    /// `[[file]]`.
    File,
    /// `[[condor]]`.
    Condor,
    /// `[file.hook]`, `[condor.hook]` and `[defaults.hook]`.
    Hook,
    /// `[accounts.NAME]`.
    Account,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// In which tables it may stand.
    pub tables: &'static [Table],
    /// What it may hold; follows "must be".
    pub allowed: &'static str,
    /// What holds without it; empty: nothing.
    pub default: &'static str,
}

use Table::{Account, Condor, Defaults, File, Hook, Top};

const SINKS: &[Table] = &[File, Condor];
const SINKS_AND_DEFAULTS: &[Table] = &[File, Condor, Defaults];
const FILE_AND_DEFAULTS: &[Table] = &[File, Defaults];

const fn key(
    name: &'static str,
    tables: &'static [Table],
    default: &'static str,
    allowed: &'static str,
) -> Key {
    Key { name, tables, allowed, default }
}

/// All of them.
pub const KEYS: &[Key] = &[
    key("version", &[Top], "1", "1, which is the only one so far"),
    key("user", &[Top], "", "a user's name or number"),
    key("defaults", &[Top], "", "a table"),
    key("file", &[Top], "", "a list of tables, each begun by [[file]]"),
    key("condor", &[Top], "", "a list of tables, each begun by [[condor]]"),
    key(
        "osg",
        &[Top],
        "[]",
        "a list of files of the OSG token renewer, such as \"/etc/osg/token-renewer/config.ini\"",
    ),
    key("accounts", &[Top], "", "tables, each begun by [accounts.NAME]"),
    key(
        "name",
        SINKS,
        "",
        "1 to 100 letters, digits, '.', '_' or '-', of which the first is a letter or a digit",
    ),
    key("account", SINKS_AND_DEFAULTS, "", "the name of an account"),
    key(
        "path",
        &[File],
        "${XDG_RUNTIME_DIR}/bt_u${UID}-NAME",
        "the path of a file: absolute, or with ~/, ${XDG_RUNTIME_DIR}, ${UID}, ${USER}, ${HOME}",
    ),
    key(
        "service",
        &[Condor],
        "",
        "the name of a service at HTCondor's credd: letters, digits, '.', '_' or '-'",
    ),
    key("handle", &[Condor], "", "a handle at HTCondor's credd: letters, digits, '.', '_' or '-'"),
    key("program", &[Condor], "", "the path of HTCondor's condor_store_cred, absolute or with ~/"),
    key("condor_config", &[Condor], "", "what CONDOR_CONFIG is for that program: a file, or ONLY_ENV"),
    key("for", SINKS, "", "the address of a service or of a file there, or a list of at most 16"),
    key(
        "operations",
        SINKS,
        "[]",
        "a list of read, create, modify, stage, poll and exec, with another path than that of `for` as in read:/store",
    ),
    key("audience", SINKS, "the provider's", "an audience, or a list of at most 64"),
    key(
        "scope",
        SINKS,
        "the account's",
        "scopes as RFC 6749 section 3.3 allows them: a text, or a list of at most 64",
    ),
    key("token", SINKS_AND_DEFAULTS, "access", "access or id"),
    key("format", FILE_AND_DEFAULTS, "raw", "raw, json, oauth2, header or netrc"),
    key("newline", FILE_AND_DEFAULTS, "true", "true or false"),
    key("host", &[File], "that of the first `for`", "the name of a host"),
    key("readers", FILE_AND_DEFAULTS, "[]", "a list of programs that read the file"),
    key("mode", FILE_AND_DEFAULTS, "0600", "the file's mode in octal digits, such as \"0600\" or \"0640\""),
    key("group", FILE_AND_DEFAULTS, "the agent's", "a group's number, or its name in /etc/group"),
    key("create_dirs", FILE_AND_DEFAULTS, "false", "true or false"),
    key("write", FILE_AND_DEFAULTS, "rename", "rename or in-place"),
    key("min_lifetime", SINKS_AND_DEFAULTS, "10m", "a time span from 1s to 30d, such as \"10m\""),
    key(
        "renew_before",
        SINKS_AND_DEFAULTS,
        "33%",
        "1% to 90% of the token's life, or a time span such as \"20m\"",
    ),
    key("jitter", SINKS_AND_DEFAULTS, "10%", "0% to 30% of the token's life"),
    key("min_backoff", SINKS_AND_DEFAULTS, "5s", "a time span from 1s to 1h"),
    key("max_backoff", SINKS_AND_DEFAULTS, "5m", "a time span from 1s to 1d, not shorter than min_backoff"),
    key("require", SINKS_AND_DEFAULTS, "aud+scope", "aud+scope, aud or warn"),
    key("on_expiry", FILE_AND_DEFAULTS, "remove", "remove or keep"),
    key("hook", SINKS_AND_DEFAULTS, "", "a table"),
    key("on", &[Hook], "[\"created\", \"renewed\"]", "a list of created, renewed, expired and login-needed"),
    key("command", &[Hook], "", "a list: a program and its arguments, without a shell"),
    key("pid_file", &[Hook], "", "the path of a file that holds a process's number"),
    key("signal", &[Hook], "HUP", "HUP, USR1, USR2, WINCH, INT or TERM"),
    key("timeout", &[Hook], "30s", "a time span from 1s to 1h"),
    key("password_file", &[Account], "", "the path of a file that holds the password"),
    key(
        "password_command",
        &[Account],
        "",
        "a list: a program that prints the password and its arguments, without a shell",
    ),
    key(
        "credential",
        &[Account],
        "",
        "the name of a file in $CREDENTIALS_DIRECTORY, as systemd's LoadCredential= gives it",
    ),
];

impl Table {
    /// The keys that may stand in it.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.tables.contains(&self))
    }

    /// Whether it knows a key.
    pub(super) fn has(self, name: &str) -> bool {
        self.keys().any(|key| key.name == name)
    }

    /// What is said of a key that it does not know.
    pub(super) fn says_of(self, unknown: &str) -> String {
        let near = self
            .keys()
            .map(|key| (strsim::jaro(unknown, key.name), key.name))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, near)) = near {
            return format!("there is no such key here; is {near} meant?");
        }
        let all: Vec<_> = self.keys().map(|key| key.name).collect();
        format!("there is no such key here; there are {}", all.join(", "))
    }
}

/// What a key may hold.
pub(super) fn allowed(name: &str) -> &'static str {
    KEYS.iter().find(|key| key.name == name).map_or("", |key| key.allowed)
}

/// What holds without a key.
pub(super) fn default(name: &str) -> &'static str {
    KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_documentation_has_every_key_as_the_parser_has_it() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/files.md");
        let page = fs_err::read_to_string(page).expect("the page");
        let name = |table: &Table| match table {
            Top => "top",
            Defaults => "defaults",
            File => "file",
            Condor => "condor",
            Hook => "hook",
            Account => "accounts",
        };
        for key in KEYS {
            let tables: Vec<_> = key.tables.iter().map(name).collect();
            let row =
                format!("| `{}` | {} | {} | {} |", key.name, tables.join(", "), key.allowed, key.default);
            assert!(page.lines().any(|line| line == row), "docs/files.md has no row\n{row}");
        }
        let of_keys = page.split("| Key | Tables |").nth(1).and_then(|rest| rest.split("\n\n").next());
        let rows = of_keys.expect("the table").lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, KEYS.len(), "a row of a key that there is no more");
    }

    #[test]
    fn a_key_that_is_meant_is_found() {
        assert!(File.says_of("accout").contains("is account meant"));
        assert!(Account.says_of("zzz").contains("there are password_file"));
        assert!(Top.has("version") && !Top.has("name"));
    }
}
