//! Where a configuration is read: whose it is, and what its variables stand for.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::token::discovery;

/// The site's directory.
const SYSTEM: &str = "/etc/oidc-agent";
/// The longest path that is taken, in bytes.
pub(super) const MAX_PATH_LEN: usize = 4000;

/// Who reads a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The effective user id.
    pub uid: u32,
    /// The user's name, as `USER` or `LOGNAME` says, else `/etc/passwd`.
    pub user: Option<String>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// The site's directory, in which `files.d` is looked for.
    pub system: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let uid = geteuid().as_raw();
        let named = ["USER", "LOGNAME"].into_iter().find_map(|name| variable(name)?.into_string().ok());
        Self {
            uid,
            user: named.or_else(|| user_name(&local("/etc/passwd"), uid)),
            home: variable("HOME").map(PathBuf::from),
            runtime_dir: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            system: SYSTEM.into(),
        }
    }

    /// Whether a text, a name or a number, means this user.
    pub(super) fn is(&self, user: &str) -> bool {
        user.parse() == Ok(self.uid) || self.user.as_deref() == Some(user)
    }

    /// Where programs look for a token with this purpose: WLCG Bearer Token Discovery, `bt_uID-PURPOSE`.
    pub fn discovery_path(&self, purpose: &str) -> PathBuf {
        let directory = self.runtime_dir.as_deref().unwrap_or(Path::new("/tmp"));
        directory.join(format!("{}-{purpose}", discovery::file_name(self.uid)))
    }

    /// An absolute path out of one with `~/` or variables in it; otherwise what is wrong with it.
    pub(super) fn expand(&self, text: &str) -> Result<PathBuf, String> {
        let path = self.without_variables(text)?;
        if !path.starts_with('/') {
            return Err("must be an absolute path, or begin with ~/ or ${XDG_RUNTIME_DIR}/".into());
        }
        if path.len() > MAX_PATH_LEN || path.split('/').any(|part| part.len() > 255) {
            return Err("is longer than file systems take".into());
        }
        if path.chars().any(crate::shortname::is_control) {
            return Err("must not contain control characters".into());
        }
        let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err("must not contain '..'".into());
        }
        if parts.is_empty() || path.ends_with('/') {
            return Err("must be a file, not a directory".into());
        }
        Ok(format!("/{}", parts.join("/")).into())
    }

    fn without_variables(&self, text: &str) -> Result<String, String> {
        let text_of =
            |path: &Option<PathBuf>| path.as_ref().and_then(|path| path.to_str()).map(str::to_owned);
        let variable = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Ok(text_of(&self.runtime_dir)),
            "UID" => Ok(Some(self.uid.to_string())),
            "USER" => Ok(self.user.clone()),
            "HOME" => Ok(text_of(&self.home)),
            _ => Err("only ${XDG_RUNTIME_DIR}, ${UID}, ${USER} and ${HOME} can be used here".to_owned()),
        };
        let value = |name: &str| variable(name)?.ok_or_else(|| format!("{name} is not set here"));
        let mut path = String::with_capacity(text.len());
        let mut rest = text;
        if let Some(below) = text.strip_prefix("~/") {
            path = value("HOME")? + "/";
            rest = below;
        } else if text.starts_with('~') {
            return Err("~ stands for your own home directory only, as ~/".into());
        }
        while let Some((before, after)) = rest.split_once('$') {
            let inside = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let (name, after) = inside.ok_or("variables are written as ${NAME}")?;
            let value = value(name)?;
            path.extend([before, &value]);
            rest = after;
        }
        path.push_str(rest);
        Ok(path)
    }
}

/// The number of a group, by number or by its name in `/etc/group`.
pub(super) fn group_id(group: &str) -> Option<u32> {
    group.parse().ok().or_else(|| field(&local("/etc/group"), |fields| fields[0] == group)?[2].parse().ok())
}

fn user_name(lines: &str, uid: u32) -> Option<String> {
    field(lines, |fields| fields[2].parse() == Ok(uid)).map(|fields| fields[0].to_owned())
}

fn field(lines: &str, is_it: impl Fn(&[&str]) -> bool) -> Option<Vec<&str>> {
    let mut fields = lines.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.find(|fields| fields.len() > 2 && is_it(fields))
}

fn local(path: &str) -> String {
    fs_err::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Surroundings {
        Surroundings {
            uid: 1000,
            user: Some("me".into()),
            home: Some("/home/me".into()),
            runtime_dir: None,
            system: "/nonexistent".into(),
        }
    }

    #[test]
    fn four_variables_and_the_home_directory_are_filled_in() {
        let there = Surroundings { runtime_dir: Some("/run/user/1000".into()), ..here() };
        for (text, path) in [
            ("~/t", "/home/me/t"),
            ("${XDG_RUNTIME_DIR}/bt_u${UID}-x", "/run/user/1000/bt_u1000-x"),
            ("/tmp/${USER}//./t", "/tmp/me/t"),
            ("${HOME}/a~b", "/home/me/a~b"),
        ] {
            assert_eq!(there.expand(text).as_deref(), Ok(Path::new(path)), "{text}");
        }
    }

    #[test]
    fn others_are_refused() {
        for (text, why) in [
            ("${XDG_RUNTIME_DIR}/t", "not set"),
            ("${PATH}/t", "only"),
            ("$HOME/t", "written as"),
            ("${HOME", "written as"),
            ("~you/t", "own home"),
            ("t", "absolute"),
            ("", "absolute"),
            ("/a/../t", ".."),
            ("/", "directory"),
            ("/a/", "directory"),
            ("/a\u{1b}", "control"),
        ] {
            let error = here().expand(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(here().expand(&format!("/{}", "x".repeat(256))).is_err());
    }

    #[test]
    fn a_user_is_named_or_numbered() {
        assert!(here().is("me") && here().is("1000"));
        assert!(!here().is("you") && !here().is("0") && !here().is(""));
        assert_eq!(user_name("root:x:0:0::/:\nme:x:7:7::/:\n", 7).as_deref(), Some("me"));
        assert_eq!(group_id("7"), Some(7));
        assert_eq!(group_id("no such group"), None);
    }

    #[test]
    fn the_discovery_path_is_the_runtime_directorys_where_there_is_one() {
        assert_eq!(here().discovery_path("eos"), Path::new("/tmp/bt_u1000-eos"));
        let there = Surroundings { runtime_dir: Some("/run/user/1000".into()), ..here() };
        assert_eq!(there.discovery_path("eos"), Path::new("/run/user/1000/bt_u1000-eos"));
    }
}
