//! One file: its sections, and what of them cannot be used.

use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::{
    comments::without_comments,
    key::{Guard, Key, Kind, Value},
    problem::Problem,
    salvage,
    setting::Setting,
    table,
};
use crate::{
    home::{HomeError, private_file},
    json::Object,
};

/// A file that was there.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: PathBuf,
    content: Content,
}

/// What is in it.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A JSON object.
    Sections(Object),
    /// A text that is none.
    Text {
        /// Without its comments.
        text: Vec<u8>,
        /// Where it breaks, and how.
        mistake: String,
    },
    /// Nobody knows: it cannot be read.
    Unknown,
}

impl Content {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = without_comments(bytes);
        if text.trim_ascii().is_empty() {
            return Self::Sections(Object::default());
        }
        Object::parse(&text).map_or_else(|_| Self::broken(text), Self::Sections)
    }

    fn broken(text: Vec<u8>) -> Self {
        // Says where, and quotes nothing.
        let parsed = serde_json::from_slice::<IgnoredAny>(&text);
        let mistake =
            parsed.err().map_or_else(|| "it is another kind of JSON".to_owned(), |error| error.to_string());
        Self::Text { text, mistake }
    }
}

impl File {
    /// Reads it; `None` if it is not there. `/dev/null` is an empty file and means none.
    pub(super) fn read(path: PathBuf, is_named: bool, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut tell = |what: String| {
            problems.push(Problem { path: path.clone(), section: None, key: None, what });
        };
        if path == Path::new("/dev/null") {
            return None;
        }
        let content = match read(&path) {
            Ok(bytes) => Content::parse(&bytes),
            Err(HomeError::NotFound(_)) if path.is_symlink() => {
                tell("the file is a link that leads nowhere, and is left out".to_owned());
                Content::Unknown
            }
            Err(HomeError::NotFound(_)) => {
                if is_named {
                    tell("the file that OIDC_USER_CONFIG names does not exist".to_owned());
                }
                return None;
            }
            Err(error) => {
                tell(format!("the file cannot be read and is left out: {error}"));
                Content::Unknown
            }
        };
        if let Content::Text { mistake, .. } = &content {
            tell(format!("the file is no JSON object and is left out: {mistake}"));
        }
        let file = Self { path, content };
        file.judge(problems);
        Some(file)
    }

    /// Lays what this file says of a key over what is known of it.
    pub(super) fn overlay(&self, key: &Key, setting: &mut Setting) {
        let sections = match &self.content {
            Content::Sections(sections) => sections,
            Content::Text { text, .. } => return self.guard(key, salvage::mentions(text, key), setting),
            Content::Unknown => return self.guard(key, vec![None], setting),
        };
        let Some(value) = sections.members().get(key.section) else {
            // Keys may be written with `_` for `-`; who writes a section so has meant it as well.
            let meant = sections.members().iter().filter(|(name, _)| key.may_be_of(name));
            for (_, value) in meant {
                self.guard(key, salvage::mentions(value.to_string().as_bytes(), key), setting);
            }
            return;
        };
        if value.is_null() {
            return self.set(key.built_in(), setting);
        }
        let Some(section) = sections.object(key.section) else {
            let text = value.to_string().into_bytes();
            return self.guard(key, salvage::mentions(&text, key), setting);
        };
        let Some(name) = name_in(&section, key) else { return };
        match read_value(&section, &name, key) {
            Some(Value::Nothing) => self.set(key.built_in(), setting),
            Some(value) => self.set(value, setting),
            None => self.guard(key, vec![None], setting),
        }
    }

    fn set(&self, value: Value, setting: &mut Setting) {
        *setting = Setting { value, source: Some(self.path.clone()), is_guess: false };
    }

    /// What cannot be read counts where it is the stricter.
    fn guard(&self, key: &Key, said: Vec<Option<Value>>, setting: &mut Setting) {
        for said in said {
            let value = key.stricter(setting.value.clone(), said);
            if value != setting.value {
                *setting = Setting { value, source: Some(self.path.clone()), is_guess: true };
            }
        }
    }

    /// Says what cannot be used, and what is not known.
    fn judge(&self, problems: &mut Vec<Problem>) {
        let Content::Sections(sections) = &self.content else { return };
        for (name, value) in sections.members() {
            let mut tell = |key: Option<&str>, what: String| {
                let key = key.map(str::to_owned);
                problems.push(Problem { path: self.path.clone(), section: Some(name.clone()), key, what });
            };
            if !table::sections().any(|known| known == name) {
                let known: Vec<_> = table::sections().collect();
                tell(None, format!("it is not known and left out; there are {}", known.join(", ")));
                continue;
            }
            if value.is_null() {
                continue;
            }
            let Some(section) = sections.object(name) else {
                tell(None, "it is no JSON object and left out".to_owned());
                continue;
            };
            for written in section.members().keys() {
                match table::find(name, written) {
                    None => tell(Some(written), unknown(name, written)),
                    Some(key) if read_value(&section, written, key).is_none() => {
                        tell(Some(written), format!("it must be {}{}", key.expected(), instead(key)));
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// What counts instead of a value that cannot be read.
fn instead(key: &Key) -> String {
    match key.guard {
        Guard::None => ", and is left out".to_owned(),
        Guard::On => "; it is taken for true".to_owned(),
        Guard::Off => "; it is taken for false".to_owned(),
        Guard::AtMost(most) => format!("; it is taken for {most}"),
        Guard::Nobody => "; nobody is let in".to_owned(),
    }
}

fn unknown(section: &str, written: &str) -> String {
    let elsewhere: Vec<_> = table::sections()
        .filter(|other| *other != section && table::find(other, written).is_some())
        .collect();
    if elsewhere.is_empty() {
        "it is not known and left out; `oidc config show` lists the keys".to_owned()
    } else {
        format!("it is left out here; section {} has a key of this name", elsewhere.join(" and "))
    }
}

/// How the file writes the key: as the C suite's code has it goes before the other spelling.
fn name_in(section: &Object, key: &Key) -> Option<String> {
    if section.contains(key.name) {
        return Some(key.name.to_owned());
    }
    section.members().keys().find(|name| key.is_called(name)).cloned()
}

/// `Nothing` is `null`, or a text that stands for it.
fn read_value(section: &Object, name: &str, key: &Key) -> Option<Value> {
    match section.members().get(name)? {
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
        serde_json::Value::Number(_) if key.kind == Kind::Text => section.string(name).map(Value::Text),
        serde_json::Value::Bool(_) if !matches!(key.kind, Kind::Switch(_)) => None,
        _ => section.text(name).map_or(Some(Value::Nothing), |text| key.read(&text)),
    }
}

/// Symbolic links are followed: people keep such files elsewhere.
fn read(path: &Path) -> Result<Vec<u8>, HomeError> {
    let path = fs_err::canonicalize(path).map_err(|error| HomeError::at(path, &error))?;
    private_file::read(&path).map(|bytes| bytes.to_vec())
}
