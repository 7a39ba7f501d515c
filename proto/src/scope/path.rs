//! Paths in scopes (WLCG Common JWT Profile section 2.2.1): `storage.read:/store/user/me`.
//!
//! They are compared by whole components: `/foo/bar` covers `/foo/bar/qux`, and never `/foo/bargain`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A longer path is none that a scope could carry.
const MAX_BYTES: usize = 4096;

/// An absolute path in its one normal form: no empty components, no `.` and `..`, nothing percent-encoded that a scope may
/// contain (RFC 6749 section 3.3), hexadecimal digits in capitals. `Default` is `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopePath(Vec<String>);

/// Why a text is no path of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("it does not begin with '/'")]
    NotAbsolute,
    /// It has more than 4096 bytes.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A `%` without two hexadecimal digits.
    #[error("a '%' without two hexadecimal digits is in it")]
    BadEncoding,
    /// An encoded slash: some servers take it for a separator and others for a part of a name.
    #[error("an encoded slash (%2F) is in it, which servers read in different ways")]
    EncodedSlash,
    /// A control character, encoded or not.
    #[error("a control character is in it")]
    Control,
    /// More `..` than components before it.
    #[error("'..' leads out of it")]
    AboveRoot,
}

impl ScopePath {
    /// Whether whoever may do something at this path may do it at `other`: it is the same or lies below.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// This path as it is seen from `prefix`; `None` where it does not lie there.
    pub fn below(&self, prefix: &Self) -> Option<Self> {
        self.0.strip_prefix(prefix.0.as_slice()).map(|rest| Self(rest.to_vec()))
    }

    /// This path from where `start` first stands in it, and what is before; `None` where it does not. `/` stands nowhere.
    pub fn from_where(&self, start: &Self) -> Option<(Self, Self)> {
        let length = Some(start.0.len()).filter(|length| *length > 0)?;
        let at = self.0.windows(length).position(|components| components == start.0.as_slice())?;
        let (before, from) = self.0.split_at(at);
        Some((Self(before.to_vec()), Self(from.to_vec())))
    }

    /// Whether it is `/`.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ScopePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_BYTES {
            return Err(PathError::TooLong);
        }
        let components = text.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let mut path: Vec<String> = Vec::new();
        for component in components.split('/') {
            match decoded(component)?.as_slice() {
                b"" | b"." => {}
                b".." => drop(path.pop().ok_or(PathError::AboveRoot)?),
                name => path.push(encoded(name)),
            }
        }
        Ok(Self(path))
    }
}

impl fmt::Display for ScopePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|component| write!(f, "/{component}"))
    }
}

impl Serialize for ScopePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The bytes that a component stands for.
fn decoded(component: &str) -> Result<Vec<u8>, PathError> {
    let mut bytes = component.bytes();
    let mut name = Vec::with_capacity(component.len());
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let mut digit =
                || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            digit().zip(digit()).map(|(high, low)| 16 * high + low).ok_or(PathError::BadEncoding)?
        } else {
            byte
        };
        match byte {
            b'/' => return Err(PathError::EncodedSlash),
            control if control.is_ascii_control() => return Err(PathError::Control),
            other => name.push(other),
        }
    }
    Ok(name)
}

/// A component in which only that is encoded which no scope may contain, and `%` itself.
fn encoded(name: &[u8]) -> String {
    let is_kept = |byte: u8| byte.is_ascii_graphic() && !b"%\"\\".contains(&byte);
    let one = |byte: &u8| if is_kept(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    name.iter().map(one).collect()
}

/// The operations whose scopes end in a path; the last two are those of `SciTokens`.
const OPERATIONS: [&str; 7] =
    ["storage.read", "storage.create", "storage.modify", "storage.stage", "storage.poll", "read", "write"];
/// Which operation is in another one.
const IMPLIED: [(&str, &str); 1] = [("storage.modify", "storage.create")];

/// A scope that ends in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathScope<'a> {
    operation: &'a str,
    path: ScopePath,
}

impl<'a> PathScope<'a> {
    /// Reads a scope; `None`: it is of another kind, or its path is none. A path has to be there (section 2.2.1).
    pub fn parse(scope: &'a str) -> Option<Self> {
        let (operation, path) = scope.split_once(':')?;
        OPERATIONS.contains(&operation).then_some(())?;
        Some(Self { operation, path: path.parse().ok()? })
    }

    /// Whether it allows all that `other` allows: the same operation or one that has it in it, at the same path or above.
    pub fn covers(&self, other: &PathScope<'_>) -> bool {
        let allows =
            self.operation == other.operation || IMPLIED.contains(&(self.operation, other.operation));
        allows && self.path.covers(&other.path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> ScopePath {
        text.parse().expect("a path")
    }

    #[test]
    fn a_path_has_one_normal_form() {
        for (text, normal) in [
            ("/", "/"),
            ("//", "/"),
            ("//store//x/", "/store/x"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/b", "/b"),
            ("/%7Eme/%61", "/~me/a"),
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/a+b,c;d=e:f@g", "/a+b,c;d=e:f@g"),
            ("/a%3fb%23", "/a?b#"),
            ("/ü", "/%C3%BC"),
            ("/100%25", "/100%25"),
            ("/\"\\", "/%22%5C"),
            ("/%ff", "/%FF"),
        ] {
            assert_eq!(path(text).to_string(), normal, "{text}");
        }
    }

    #[test]
    fn what_servers_read_in_different_ways_is_no_path() {
        let long = format!("/{}", "x".repeat(MAX_BYTES));
        for (text, error) in [
            ("", PathError::NotAbsolute),
            ("a/b", PathError::NotAbsolute),
            ("/..", PathError::AboveRoot),
            ("/a/../..", PathError::AboveRoot),
            ("/a/%2e%2e/%2E.", PathError::AboveRoot),
            ("/a%2Fb", PathError::EncodedSlash),
            ("/a%00", PathError::Control),
            ("/a\nb", PathError::Control),
            ("/%", PathError::BadEncoding),
            ("/%4", PathError::BadEncoding),
            ("/%zz", PathError::BadEncoding),
            (long.as_str(), PathError::TooLong),
        ] {
            assert_eq!(text.parse::<ScopePath>(), Err(error), "{text}");
        }
    }

    #[test]
    fn paths_are_compared_by_whole_components() {
        for (above, below, covers) in [
            ("/", "/", true),
            ("/", "/x", true),
            ("/foo/bar", "/foo/bar", true),
            ("/foo/bar/", "/foo/bar/qux", true),
            ("/foo/bar", "/foo/bargain", false),
            ("/foo/bar", "/foo", false),
            ("/foo/bar", "/foo/bar/../baz", false),
            ("/foo%20bar", "/foo bar/x", true),
        ] {
            assert_eq!(path(above).covers(&path(below)), covers, "{above} {below}");
        }
        assert_eq!(path("/eos/cms/store/x").below(&path("/eos/cms")), Some(path("/store/x")));
        assert_eq!(path("/eos/cmsx/store").below(&path("/eos/cms")), None);
        assert_eq!(
            path("/a/store/b/store").from_where(&path("/store")),
            Some((path("/a"), path("/store/b/store")))
        );
        assert_eq!(path("/a/restore").from_where(&path("/store")), None);
        assert_eq!(path("/a").from_where(&path("/")), None);
    }

    #[test]
    fn operations_are_in_each_other() {
        for (granted, asked, covers) in [
            ("storage.read:/", "storage.read:/store", true),
            ("storage.modify:/a", "storage.create:/a/b", true),
            ("storage.create:/a", "storage.modify:/a/b", false),
            ("storage.stage:/", "storage.read:/", false),
            ("storage.modify:/", "storage.read:/", false),
            ("read:/a", "read:/a/b", true),
            ("write:/a", "read:/a", false),
        ] {
            let [granted, asked] = [granted, asked].map(|scope| PathScope::parse(scope).expect("a scope"));
            assert_eq!(granted.covers(&asked), covers, "{granted:?} {asked:?}");
        }
        for other in
            ["openid", "storage.read", "storage.read:", "storage.read:x", "compute.create", "condor:/READ"]
        {
            assert_eq!(PathScope::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_stays(text in "/(([a-z.%/ü\" ]|%[0-9a-fA-F]{2}){0,20})") {
            if let Ok(path) = text.parse::<ScopePath>() {
                let normal = path.to_string();
                prop_assert_eq!(normal.parse(), Ok(path));
                prop_assert!(normal.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'), "{}", normal);
                prop_assert!(!normal.split('/').any(|component| component == ".."), "{}", normal);
            }
        }

        #[test]
        fn a_longer_name_is_another_one(base in "(/[a-z]{1,4}){1,3}", more in "[a-z0-9._-]{1,4}", rest in "(/[a-z]{1,3}){0,2}") {
            let bar = path(&base);
            let (longer, below) = (format!("{base}{more}{rest}"), format!("{base}/x{rest}"));
            prop_assert!(!bar.covers(&path(&longer)));
            prop_assert!(bar.covers(&path(&below)));
            prop_assert_eq!(bar.below(&bar), Some(ScopePath::default()));
        }
    }
}
