//! Where the agent's socket is.
//!
//! `OIDC_SOCK` names it: a person, a login script or `ssh -R` has set it. Without, these are the default places, for
//! clients and agents alike:
//!
//! | order | path | who has it |
//! |---|---|---|
//! | 1 | `$XDG_RUNTIME_DIR/oidc-agent/oidc-agent.sock` | our service and agents started on demand |
//! | 2 | `/run/user/UID/oidc-agent/oidc-agent.sock` | the same, for callers without that variable, such as cron |
//! | 3 | `${TMPDIR-/tmp}/oidc-agent-service-UID/oidc-agent.sock` | the C suite's service (5.x) and its clients |
//! | 4 | `/tmp/oidc-agent-service-UID/oidc-agent.sock` | the same, for callers with another `TMPDIR`, such as jobs |
//!
//! An agent takes the first place it can use and leaves links at the others, so that it is found from whichever of
//! these environments. Only who has set both variables, to an own runtime directory and to a directory for temporary
//! files, has a world apart (a test, a demonstration): places 1 and 3 are all then.

use std::{
    ffi::OsString,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// The variable that names the socket.
pub const OIDC_SOCK: &str = "OIDC_SOCK";

/// The longest path of a socket in bytes: `sun_path` holds 108, one of them for the final NUL.
/// C clients and agents overrun their buffer with a longer one.
pub const MAX_PATH_LEN: usize = 107;

const FILE_NAME: &str = "oidc-agent.sock";

/// Why a socket path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// `OIDC_SOCK` is set to nothing. An empty value counts as set, as in the C suite.
    #[error("{OIDC_SOCK} is set, but empty")]
    Empty,
    /// More than [`MAX_PATH_LEN`] bytes.
    #[error("the socket path '{}' has {} bytes, at most {MAX_PATH_LEN} are possible", .0.display(), .0.as_os_str().len())]
    TooLong(PathBuf),
}

/// Where an agent is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Places {
    /// At this path only: `OIDC_SOCK` names it.
    Named(PathBuf),
    /// At the first of the default places where one answers. Never empty.
    Default(Vec<PathBuf>),
}

impl Places {
    /// As the environment of this process says.
    pub fn find() -> Result<Self, SocketError> {
        Self::find_in(|name| std::env::var_os(name), own_uid())
    }

    /// [`Places::find`] for another environment and user.
    ///
    /// A default place that `OIDC_SOCK` names, as our login scripts have it, is one still: all are looked at, it first.
    pub fn find_in(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Result<Self, SocketError> {
        let mut paths = default_places_in(&variable, uid);
        let Some(named) = variable(OIDC_SOCK).map(PathBuf::from) else { return Ok(Self::Default(paths)) };
        if named.as_os_str().is_empty() {
            return Err(SocketError::Empty);
        }
        check_len(&named)?;
        match paths.iter().position(|path| *path == named) {
            Some(at) => {
                paths[..=at].rotate_right(1);
                Ok(Self::Default(paths))
            }
            None => Ok(Self::Named(named)),
        }
    }

    /// All paths, in the order in which they are looked at.
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::Named(path) => std::slice::from_ref(path),
            Self::Default(paths) => paths,
        }
    }
}

/// The default places of this process and user.
pub fn default_places() -> Vec<PathBuf> {
    default_places_in(|name| std::env::var_os(name), own_uid())
}

/// [`default_places`] for another environment and user. Never empty; paths that are too long for a socket are left out.
fn default_places_in(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Vec<PathBuf> {
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|directory| directory.is_absolute());
    // As a text, as the C suite does: an empty `TMPDIR` is the root directory.
    let temporary = variable("TMPDIR").map(|mut directory| {
        directory.push("/");
        PathBuf::from(directory).components().collect::<PathBuf>()
    });
    let is_apart = runtime.as_deref().is_some_and(|directory| is_own_directory(directory, uid))
        && temporary.as_deref().is_some_and(Path::is_dir);
    let runtimes = runtime.into_iter().chain((!is_apart).then(|| PathBuf::from(format!("/run/user/{uid}"))));
    let temporaries = temporary.into_iter().chain((!is_apart).then(|| PathBuf::from("/tmp")));
    let directories = runtimes
        .map(|directory| directory.join("oidc-agent"))
        .chain(temporaries.map(|directory| directory.join(format!("oidc-agent-service-{uid}"))));
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in directories.map(|directory| directory.join(FILE_NAME)) {
        if check_len(&path).is_ok() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn is_own_directory(path: &Path, uid: u32) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == uid)
}

/// Refuses a path that does not fit into a socket address.
pub fn check_len(path: &Path) -> Result<(), SocketError> {
    let len = path.as_os_str().as_bytes().len();
    if len > MAX_PATH_LEN { Err(SocketError::TooLong(path.to_owned())) } else { Ok(()) }
}

/// The user this process acts as.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<Places, SocketError> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        Places::find_in(variable, 1000)
    }

    fn default(variables: &[(&str, &str)]) -> Vec<String> {
        match find(variables) {
            Ok(Places::Default(paths)) => paths.iter().map(|path| path.to_string_lossy().into()).collect(),
            other => panic!("no default places: {other:?}"),
        }
    }

    const RUNTIME: &str = "/run/user/1000/oidc-agent/oidc-agent.sock";
    const SERVICE: &str = "/tmp/oidc-agent-service-1000/oidc-agent.sock";

    #[test]
    fn the_variable_wins_even_if_nothing_is_there() {
        let found = find(&[("OIDC_SOCK", "/no/such"), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
        assert_eq!(found, Ok(Places::Named("/no/such".into())));
        assert_eq!(find(&[("OIDC_SOCK", "")]), Err(SocketError::Empty));
    }

    #[test]
    fn a_default_place_that_is_named_comes_first() {
        assert_eq!(default(&[("OIDC_SOCK", SERVICE)]), [SERVICE, RUNTIME]);
        assert_eq!(default(&[("OIDC_SOCK", RUNTIME)]), [RUNTIME, SERVICE]);
    }

    #[test]
    fn callers_with_other_variables_look_at_the_same_places_too() {
        assert_eq!(default(&[]), [RUNTIME, SERVICE]);
        assert_eq!(
            default(&[("XDG_RUNTIME_DIR", "/run/user/1000"), ("TMPDIR", "/tmp/")]),
            [RUNTIME, SERVICE]
        );
        assert_eq!(default(&[("XDG_RUNTIME_DIR", "relative")]), [RUNTIME, SERVICE]);
        assert_eq!(
            default(&[("XDG_RUNTIME_DIR", "/x"), ("TMPDIR", "/t")]),
            ["/x/oidc-agent/oidc-agent.sock", RUNTIME, "/t/oidc-agent-service-1000/oidc-agent.sock", SERVICE]
        );
        assert_eq!(
            default(&[("TMPDIR", "")]),
            [RUNTIME, "/oidc-agent-service-1000/oidc-agent.sock", SERVICE]
        );
    }

    #[test]
    fn who_has_both_directories_is_left_alone() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().to_str().expect("UTF-8");
        let uid = own_uid();
        let places = |runtime: &str, temporary: &str| {
            let variable = |name: &str| match name {
                "XDG_RUNTIME_DIR" => Some(runtime.into()),
                "TMPDIR" => Some(temporary.into()),
                _ => None,
            };
            default_places_in(variable, uid)
        };
        let own = [
            root.path().join("oidc-agent/oidc-agent.sock"),
            root.path().join(format!("oidc-agent-service-{uid}/oidc-agent.sock")),
        ];
        assert_eq!(places(directory, directory), own);
        assert_eq!(places(directory, "/no/such").len(), 4);
        assert_eq!(places("/no/such", directory).len(), 4);
        assert_eq!(places("/", directory).len(), if uid == 0 { 2 } else { 4 }, "somebody else's");
    }

    #[test]
    fn paths_fit_into_a_socket_address() {
        let longest = format!("/{}", "x".repeat(MAX_PATH_LEN - 1));
        assert_eq!(check_len(Path::new(&longest)), Ok(()));
        let error = find(&[("OIDC_SOCK", &format!("{longest}x"))]).expect_err("too long");
        assert!(error.to_string().ends_with("has 108 bytes, at most 107 are possible"), "{error}");
        assert_eq!(default(&[("TMPDIR", &longest), ("XDG_RUNTIME_DIR", &longest)]), [RUNTIME, SERVICE]);
    }
}
