//! The lines in which git asks: `key=value`, and `key[]=value` for lists (git-credential(1)).

use std::fmt;

/// The longest line, in bytes: git's own limit.
const MAX_LINE: usize = 65535;
/// Most lines.
const MAX_LINES: usize = 256;
/// The longest question, in bytes.
pub const MAX_LEN: usize = 1024 * 1024;

/// What git says, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, String)>);

/// Why it is no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line without `=`.
    #[error("line {0} has no '='")]
    NoValue(usize),
    /// More than 65535 bytes.
    #[error("line {0} is longer than {MAX_LINE} bytes")]
    LongLine(usize),
    /// More than 256.
    #[error("there are more than {MAX_LINES} lines")]
    ManyLines,
    /// No text, or one with a NUL.
    #[error("line {0} is no text")]
    NoText(usize),
}

/// Whether a blank line has ended the question.
pub fn is_complete(read: &[u8]) -> bool {
    read == b"\n" || read.ends_with(b"\n\n")
}

impl Attributes {
    /// Reads lines up to a blank one, or all of them.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut attributes = Self::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = at + 1;
            if line.is_empty() {
                break;
            }
            if at >= MAX_LINES {
                return Err(Malformed::ManyLines);
            }
            if line.len() > MAX_LINE {
                return Err(Malformed::LongLine(number));
            }
            let text = std::str::from_utf8(line).map_err(|_| Malformed::NoText(number))?;
            if text.contains('\0') {
                return Err(Malformed::NoText(number));
            }
            let (key, value) = text.split_once('=').ok_or(Malformed::NoValue(number))?;
            attributes.put(key, value);
        }
        Ok(attributes)
    }

    /// The last one of a name counts; an empty element forgets the list so far.
    fn put(&mut self, key: &str, value: &str) {
        let is_list = key.ends_with("[]");
        if !is_list || value.is_empty() {
            self.0.retain(|(own, _)| own != key);
        }
        if !is_list || !value.is_empty() {
            self.0.push((key.to_owned(), value.to_owned()));
        }
    }

    /// The value of a name.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// The elements of a list.
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(own, _)| own == key).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether this git knows a capability.
    pub fn is_capable(&self, capability: &str) -> bool {
        self.all("capability[]").contains(&capability)
    }
}

/// Names only: a password may be among the values.
impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_git_writes_them() {
        let asked = Attributes::parse(
            b"capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=a\nhost=b=c\nwwwauth[]=Basic x\nwwwauth[]=\n\
              wwwauth[]=Bearer realm=\"a=b\"\npassword=\n\nhost=z\n",
        )
        .expect("a question");
        assert_eq!(
            (asked.get("host"), asked.get("password"), asked.get("path")),
            (Some("b=c"), Some(""), None)
        );
        assert_eq!(asked.all("wwwauth[]"), ["Bearer realm=\"a=b\""]);
        assert!(asked.is_capable("authtype") && asked.is_capable("state") && !asked.is_capable("x"));
        assert_eq!(Attributes::parse(b""), Ok(Attributes::default()));
        assert!(!format!("{asked:?}").contains("realm"));
    }

    #[test]
    fn everything_has_bounds() {
        let line = |length: usize| [b"a=".to_vec(), vec![b'x'; length - 2]].concat();
        assert!(Attributes::parse(&line(MAX_LINE)).is_ok());
        assert_eq!(Attributes::parse(&line(MAX_LINE + 1)), Err(Malformed::LongLine(1)));
        assert!(Attributes::parse(&b"a=b\n".repeat(MAX_LINES)).is_ok());
        assert_eq!(Attributes::parse(&b"a=b\n".repeat(MAX_LINES + 1)), Err(Malformed::ManyLines));
        assert_eq!(Attributes::parse(b"a=b\nc"), Err(Malformed::NoValue(2)));
        assert_eq!(Attributes::parse(b"a=\xff"), Err(Malformed::NoText(1)));
        assert_eq!(Attributes::parse(b"a=b\0"), Err(Malformed::NoText(1)));
    }
}
