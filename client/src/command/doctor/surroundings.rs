//! The environment of this process, as far as it matters: read once, so that tests can bring their own.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
};

use oidc_proto::{
    environment::{PASSWORD_VARIABLE, REFRESH_TOKEN_VARIABLE},
    socket::own_uid,
};

use crate::process::clock;

/// Variables whose values may be looked at, though not always be shown.
const LOOKED_AT: [&str; 25] = [
    "ALL_PROXY",
    "DISPLAY",
    "GPG_TTY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "OIDCD_PID",
    "OIDC_CONFIG_DIR",
    "OIDC_PINENTRY",
    "OIDC_REMOTE_SOCK",
    "OIDC_SOCK",
    "OIDC_SOCK_UID",
    "PATH",
    "SSH_CONNECTION",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "USER",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// Variables that hold a secret: that they are set is all that is kept.
const SECRET: [&str; 2] = [PASSWORD_VARIABLE, REFRESH_TOKEN_VARIABLE];

/// Variables, user and time.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: BTreeMap<&'static str, OsString>,
    /// Variables that hold a secret, and whether there is one in them.
    pub secrets: Vec<(&'static str, bool)>,
    /// Effective user.
    pub uid: u32,
    /// Seconds since the epoch.
    pub now: u64,
}

impl Surroundings {
    /// Of this process.
    pub fn of_process() -> Self {
        let set = |name: &'static str| Some((name, env::var_os(name)?));
        let secret = |name: &'static str| Some((name, !env::var_os(name)?.is_empty()));
        Self {
            variables: LOOKED_AT.into_iter().filter_map(set).collect(),
            secrets: SECRET.into_iter().filter_map(secret).collect(),
            uid: own_uid(),
            now: clock::now(),
        }
    }

    /// These variables, of user 1000.
    #[cfg(test)]
    pub fn with(variables: &[(&'static str, &str)]) -> Self {
        let unknown = variables.iter().find(|(name, _)| !LOOKED_AT.contains(name) && !SECRET.contains(name));
        assert_eq!(unknown, None, "it is not looked at");
        let secret = |(name, value): &(&'static str, &str)| {
            SECRET.contains(name).then_some((*name, !value.is_empty()))
        };
        Self {
            variables: variables.iter().map(|(name, value)| (*name, value.into())).collect(),
            secrets: variables.iter().filter_map(secret).collect(),
            uid: 1000,
            now: 1_800_000_000,
        }
    }

    /// A variable, also an empty one.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str)
    }

    /// A variable that is set to something, as a text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
    }

    /// A variable that is set to something, as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Whether a window can be shown.
    pub fn has_display(&self) -> bool {
        ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| self.text(name).is_some())
    }
}

/// The names of the variables only: a proxy's address may have a password in it.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
    }
}
