//! What a key of the configuration is: where it stands, what its value may be, and what it does here.

use std::fmt;

/// A key. Its name is written with `-` and `_` alike: the C suite's packaged file and its code disagree on some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The program whose section it stands in.
    pub section: &'static str,
    /// As the C suite's code reads it.
    pub name: &'static str,
    /// What its value may be, and what it is where no file says.
    pub kind: Kind,
    /// What counts where a file names the key, but not in a way that can be read.
    pub guard: Guard,
    /// Why it does nothing here; `None`: it does what it says.
    pub without_effect: Option<&'static str>,
    /// Ours: no release of the C suite has it.
    pub is_extension: bool,
}

/// What a key's value may be, with the value where no file has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, also as text or number.
    Switch(bool),
    /// A number of seconds, also as text.
    Seconds(u64),
    /// Any text; none where no file says.
    Text,
    /// One of these; the first where no file says, unless it is the empty one, which stands for none.
    Word(&'static [&'static str]),
}

/// What counts where a file names a key in a way that cannot be read. A typing error shall not make an agent ask less, or
/// give to more people, than the person wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing is at stake: as if the file did not name it.
    None,
    /// It is on.
    On,
    /// It is off.
    Off,
    /// At most that many seconds; 0, which means for ever, is the longest.
    AtMost(u64),
    /// It has no value: nobody is let in.
    Nobody,
}

/// A value as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// On or off.
    Switch(bool),
    /// Seconds.
    Seconds(u64),
    /// A text or word.
    Text(String),
    /// None.
    Nothing,
}

impl Key {
    const fn new(section: &'static str, name: &'static str, kind: Kind) -> Self {
        Self { section, name, kind, guard: Guard::None, without_effect: None, is_extension: false }
    }

    pub(super) const fn switch(section: &'static str, name: &'static str, built_in: bool) -> Self {
        Self::new(section, name, Kind::Switch(built_in))
    }

    pub(super) const fn seconds(section: &'static str, name: &'static str, built_in: u64) -> Self {
        Self::new(section, name, Kind::Seconds(built_in))
    }

    pub(super) const fn text(section: &'static str, name: &'static str) -> Self {
        Self::new(section, name, Kind::Text)
    }

    pub(super) const fn word(
        section: &'static str,
        name: &'static str,
        words: &'static [&'static str],
    ) -> Self {
        Self::new(section, name, Kind::Word(words))
    }

    pub(super) const fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    pub(super) const fn without_effect(self, reason: &'static str) -> Self {
        Self { without_effect: Some(reason), ..self }
    }

    pub(super) const fn ours(self) -> Self {
        Self { is_extension: true, ..self }
    }

    /// Whether a text is this key's name.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.len() == name.len()
            && self.name.bytes().zip(name.bytes()).all(|(a, b)| plain(a) == plain(b))
    }

    /// Whether a section's name is that of its section, as keys may be written.
    pub(super) fn may_be_of(&self, section: &str) -> bool {
        self.section.len() == section.len()
            && self.section.bytes().zip(section.bytes()).all(|(a, b)| plain(a) == plain(b))
    }

    /// Its value where no file has one.
    pub fn built_in(&self) -> Value {
        match self.kind {
            Kind::Switch(on) => Value::Switch(on),
            Kind::Seconds(seconds) => Value::Seconds(seconds),
            Kind::Word(["", ..]) | Kind::Text => Value::Nothing,
            Kind::Word(words) => Value::Text(words[0].to_owned()),
        }
    }

    /// Reads a value; `None`: it is none of what the key may have.
    pub(super) fn read(&self, text: &str) -> Option<Value> {
        Some(match self.kind {
            Kind::Switch(_) => Value::Switch(match text {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return None,
            }),
            Kind::Seconds(_) => Value::Seconds(text.parse().ok()?),
            Kind::Text => Value::Text(text.to_owned()),
            Kind::Word(words) => Value::Text(words.contains(&text).then(|| text.to_owned())?),
        })
    }

    /// What its value has to be, for people.
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Switch(_) => "true or false".to_owned(),
            Kind::Seconds(_) => "a number of seconds".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::Word(words) => {
                let words: Vec<_> = words.iter().copied().filter(|word| !word.is_empty()).collect();
                format!("one of {}", words.join(", "))
            }
        }
    }

    /// The stricter of two values; `None` is one that cannot be read.
    pub(super) fn stricter(&self, now: Value, said: Option<Value>) -> Value {
        match (self.guard, said) {
            (Guard::None, _) | (Guard::On | Guard::Off | Guard::AtMost(_), Some(Value::Nothing)) => now,
            (Guard::On, None | Some(Value::Switch(true))) => Value::Switch(true),
            (Guard::Off, None | Some(Value::Switch(false))) => Value::Switch(false),
            (Guard::AtMost(most), said) => {
                let said = said.unwrap_or(Value::Seconds(most));
                let order = |value: &Value| match value {
                    Value::Seconds(0) => u64::MAX,
                    Value::Seconds(seconds) => *seconds,
                    _ => u64::MAX,
                };
                if order(&said) < order(&now) { said } else { now }
            }
            (Guard::Nobody, said) => match said {
                Some(said) if said == now => now,
                _ => Value::Nothing,
            },
            _ => now,
        }
    }
}

fn plain(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.section, self.name)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => on.fmt(f),
            Self::Seconds(seconds) => seconds.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Nothing => f.write_str("-"),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Switch(on) => on.into(),
            Value::Seconds(seconds) => seconds.into(),
            Value::Text(text) => text.into(),
            Value::Nothing => Self::Null,
        }
    }
}
