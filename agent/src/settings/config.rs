//! The C suite's `config` file (release 5), section `oidc-agent`: defaults for the command line.
//!
//! The global file is overlaid with the person's, key by key (RFC 7396: `null` removes a key). A key that no file has
//! keeps our default: an agent without the file behaves like one with the file the C suite ships.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use oidc_proto::json::Object;

use super::options::Options;

/// Where administrators put theirs.
const GLOBAL: &str = "/etc/oidc-agent/config";

/// A `config` file that cannot be used. Nothing is started then: guessing could load less or ask less than wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is there, but cannot be read.
    #[error("cannot read the configuration: {0}")]
    Unreadable(io::Error),
    /// It is no JSON object, or its section is none.
    #[error("error in the configuration file '{}': {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The agent's defaults and its socket's place as the files give them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Defaults for everything that the command line does not say.
    pub options: Options,
    /// `bind_address`: the socket's place, as `--socket-path`.
    pub socket_path: Option<PathBuf>,
}

impl Config {
    /// Reads the global file and the person's: `$OIDC_USER_CONFIG`, else `config` in the oidc-agent directory.
    pub fn read(home: Option<&Path>) -> Result<Self, ConfigError> {
        let chosen = std::env::var_os("OIDC_USER_CONFIG").map(PathBuf::from);
        let user = chosen.or_else(|| Some(home?.join("config")));
        let mut config = Self::default();
        for path in std::iter::once(PathBuf::from(GLOBAL)).chain(user) {
            if let Some(section) = read_section(&path)? {
                config.overlay(&path, &section)?;
            }
        }
        Ok(config)
    }

    fn overlay(&mut self, path: &Path, section: &Object) -> Result<(), ConfigError> {
        let defaults = Self::default();
        let reader = Section { path, section };
        let (ours, theirs) = (&mut self.options, defaults.options);
        reader.switch("confirm", &mut ours.confirm, theirs.confirm)?;
        reader.switch("autoload", &mut ours.autoload, theirs.autoload)?;
        // Whatever it says: this agent never starts a login by itself.
        reader.switch("auto-reauthenticate", &mut false, false)?;
        reader.switch("webserver", &mut ours.webserver, theirs.webserver)?;
        reader.switch("custom-uri-scheme", &mut ours.custom_scheme, theirs.custom_scheme)?;
        reader.switch(
            "always_allow_id_token",
            &mut ours.always_allow_id_token,
            theirs.always_allow_id_token,
        )?;
        reader.switch("debug_logging", &mut ours.debug, theirs.debug)?;
        reader.seconds("lifetime", &mut ours.lifetime, theirs.lifetime)?;
        reader.seconds("warn_before", &mut ours.warn_before, theirs.warn_before)?;
        reader.text("group", &mut ours.group);
        reader.path("cert_path", &mut ours.cert_path);
        reader.path("bind_address", &mut self.socket_path);
        Ok(())
    }
}

/// One file's section; knows which file to blame.
struct Section<'a> {
    path: &'a Path,
    section: &'a Object,
}

impl Section<'_> {
    /// Booleans are also written as numbers or as the texts `true` and `false`.
    fn switch(&self, key: &str, value: &mut bool, default: bool) -> Result<(), ConfigError> {
        if self.section.contains(key) {
            *value = match self.section.text(key).as_deref() {
                None => default,
                Some("true" | "1") => true,
                Some("false" | "0") => false,
                Some(_) => return Err(self.malformed(key, "true or false")),
            };
        }
        Ok(())
    }

    fn seconds(
        &self,
        key: &str,
        value: &mut Option<Duration>,
        default: Option<Duration>,
    ) -> Result<(), ConfigError> {
        if self.section.contains(key) {
            *value = match self.section.text(key) {
                None => default,
                Some(text) => {
                    let seconds: u64 =
                        text.parse().map_err(|_| self.malformed(key, "a number of seconds"))?;
                    (seconds > 0).then(|| Duration::from_secs(seconds))
                }
            };
        }
        Ok(())
    }

    fn text(&self, key: &str, value: &mut Option<String>) {
        if self.section.contains(key) {
            *value = self.section.string(key);
        }
    }

    fn path(&self, key: &str, value: &mut Option<PathBuf>) {
        if self.section.contains(key) {
            *value = self.section.string(key).map(PathBuf::from);
        }
    }

    fn malformed(&self, key: &str, expected: &str) -> ConfigError {
        let reason = format!("key '{key}' of section 'oidc-agent' must be {expected}");
        ConfigError::Malformed { path: self.path.to_owned(), reason }
    }
}

/// The section of one file; `None` without file or section. `/dev/null` is an empty file and means no file.
fn read_section(path: &Path) -> Result<Option<Object>, ConfigError> {
    let bytes = match fs_err::read(path) {
        Ok(bytes) if bytes.is_empty() => return Ok(None),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::Unreadable(error)),
    };
    let malformed = |reason: String| ConfigError::Malformed { path: path.to_owned(), reason };
    let file = Object::parse(&without_comments(&bytes)).map_err(|error| malformed(error.to_string()))?;
    if !file.contains("oidc-agent") {
        return Ok(None);
    }
    match file.object("oidc-agent") {
        Some(section) => Ok(Some(section)),
        None => Err(malformed("section 'oidc-agent' is not a json object".to_owned())),
    }
}

/// Drops lines that begin with `#` and comments in the manner of C, neither within strings.
fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut at_line_start = true;
    while let Some(&byte) = rest.first() {
        let skipped = match rest {
            [b'#', ..] if at_line_start => line_length(rest),
            [b'/', b'/', ..] => line_length(rest),
            [b'/', b'*', ..] => {
                rest.windows(2).skip(2).position(|end| end == b"*/").map_or(rest.len(), |at| at + 4)
            }
            _ => 0,
        };
        let taken = match byte {
            _ if skipped > 0 => 0,
            b'"' => string_length(rest),
            _ => 1,
        };
        at_line_start = byte == b'\n' || at_line_start && byte.is_ascii_whitespace();
        kept.extend_from_slice(&rest[..taken]);
        rest = &rest[skipped + taken..];
    }
    kept
}

/// Bytes up to the end of the line, which itself is kept.
fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// Bytes of a string with both quotes; all of `rest` when it does not end.
fn string_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaid(files: &[&str]) -> Result<Config, ConfigError> {
        let root = tempfile::tempdir().expect("temporary directory");
        let mut config = Config::default();
        for text in files {
            let path = root.path().join("config");
            fs_err::write(&path, text).expect("written");
            if let Some(section) = read_section(&path)? {
                config.overlay(&path, &section)?;
            }
        }
        Ok(config)
    }

    #[test]
    fn how_early_something_is_told_can_be_set() {
        for (value, days) in [("86400", Some(1)), ("0", None), ("null", Some(7))] {
            let config = overlaid(&[
                r#"{"oidc-agent": {"warn_before": 5}}"#,
                &format!(r#"{{"oidc-agent": {{"warn_before": {value}}}}}"#),
            ]);
            let expected = days.map(|days| Duration::from_secs(days * 24 * 3600));
            assert_eq!(config.expect("read").options.warn_before, expected, "{value}");
        }
    }

    #[test]
    fn without_a_file_everything_is_as_built_in() {
        assert_eq!(overlaid(&[]).expect("no file"), Config::default());
        assert!(read_section(Path::new("/dev/null")).expect("empty").is_none());
    }

    #[test]
    fn a_key_in_a_file_sets_a_default() {
        let text = r#"{"oidc-agent": {"autoload": false, "confirm": "true", "lifetime": "60", "webserver": 0,
            "bind_address": "/x/sock", "group": "staff", "cert_path": null}}"#;
        let config = overlaid(&[text]).expect("valid");
        let expected = Options {
            autoload: false,
            confirm: true,
            webserver: false,
            lifetime: Some(Duration::from_secs(60)),
            group: Some("staff".into()),
            ..Options::default()
        };
        assert_eq!(config, Config { options: expected, socket_path: Some("/x/sock".into()) });
    }

    #[test]
    fn the_persons_file_wins_and_null_removes() {
        let global = r#"{"oidc-agent": {"autoload": false, "webserver": false, "lifetime": 9}}"#;
        let user = r#"{"oidc-agent": {"autoload": null, "webserver": true, "lifetime": null}}"#;
        assert_eq!(overlaid(&[global, user]).expect("valid"), Config::default());
    }

    #[test]
    fn other_sections_do_not_matter() {
        assert_eq!(overlaid(&[r#"{"oidc-gen": {"autoload": false}}"#]).expect("valid"), Config::default());
    }

    #[test]
    fn comments_are_dropped_outside_strings() {
        let text = "# one\n  # two\n{ // three\n\"oidc-agent\": /* four\n */ {\"group\": \"a//b#\\\"/*\"}}\n";
        let config = overlaid(&[text]).expect("valid");
        assert_eq!(config.options.group.as_deref(), Some("a//b#\"/*"));
    }

    #[test]
    fn unfinished_text_is_no_panic() {
        for text in ["/*", "\"", "\"\\", "#", "//", "{\"oidc-agent\": \"", "/"] {
            let _ = without_comments(text.as_bytes());
        }
    }

    #[test]
    fn a_broken_file_is_named() {
        for text in ["{", "[]", r#"{"oidc-agent": 5}"#, r#"{"oidc-agent": {"autoload": "perhaps"}}"#] {
            let error = overlaid(&[text]).expect_err("broken").to_string();
            assert!(error.contains("/config'"), "{error}");
        }
        let error = overlaid(&[r#"{"oidc-agent": {"lifetime": "x"}}"#]).expect_err("broken").to_string();
        assert!(error.contains("lifetime") && error.contains("number of seconds"), "{error}");
    }

    #[test]
    fn a_directory_in_its_place_is_named() {
        let root = tempfile::tempdir().expect("temporary directory");
        assert!(matches!(read_section(root.path()), Err(ConfigError::Unreadable(_))));
    }
}
