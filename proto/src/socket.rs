//! Where the agent's socket is.
//!
//! | order | path | who puts it there |
//! |---|---|---|
//! | 1 | `$OIDC_SOCK`, if set | the person, a login script, `ssh -R` |
//! | 2 | `$XDG_RUNTIME_DIR/oidc-agent/oidc-agent.sock` | our service and agents started on demand |
//! | 3 | `${TMPDIR-/tmp}/oidc-agent-service-<uid>/oidc-agent.sock` | the C suite's service (5.x) |

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt,
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

/// The paths at which a client looks, in order, as the environment of this process says. Never empty.
///
/// With `OIDC_SOCK` set it is the only one. Without, an agent that is to be started gets the first one.
pub fn candidates() -> Result<Vec<PathBuf>, SocketError> {
    candidates_in(|name| std::env::var_os(name), own_uid())
}

/// The path a client should connect to: the first candidate where there is something, else the first one.
pub fn find() -> Result<PathBuf, SocketError> {
    find_in(|name| std::env::var_os(name), own_uid())
}

/// [`candidates`] for another environment and user.
pub fn candidates_in(
    variable: impl Fn(&str) -> Option<OsString>,
    uid: u32,
) -> Result<Vec<PathBuf>, SocketError> {
    let paths = match variable(OIDC_SOCK) {
        Some(path) if path.is_empty() => return Err(SocketError::Empty),
        Some(path) => vec![PathBuf::from(path)],
        None => runtime_path(&variable).into_iter().chain([service_path(&variable, uid)]).collect(),
    };
    paths.iter().try_for_each(|path| check_len(path))?;
    Ok(paths)
}

/// [`find`] for another environment and user.
pub fn find_in(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Result<PathBuf, SocketError> {
    let mut paths = candidates_in(variable, uid)?;
    let first_that_exists = paths.iter().position(|path| path.symlink_metadata().is_ok());
    Ok(paths.swap_remove(first_that_exists.unwrap_or(0)))
}

/// `$XDG_RUNTIME_DIR/oidc-agent/oidc-agent.sock`. `None` when the variable is unset or relative, which the XDG base
/// directory specification says to ignore.
pub fn runtime_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory =
        variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|directory| directory.is_absolute())?;
    Some(directory.join("oidc-agent").join(FILE_NAME))
}

/// `${TMPDIR-/tmp}/oidc-agent-service-<uid>/oidc-agent.sock`, where the C suite's 5.x clients look without
/// `OIDC_SOCK`. An empty `TMPDIR` is used as it is, as there.
pub fn service_path(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> PathBuf {
    let mut directory = variable("TMPDIR").unwrap_or_else(|| "/tmp".into());
    directory.push(format!("/oidc-agent-service-{uid}"));
    PathBuf::from(directory).join(FILE_NAME)
}

/// Refuses a path that does not fit into a socket address.
pub fn check_len(path: &Path) -> Result<(), SocketError> {
    let len = path.as_os_str().as_bytes().len();
    if len > MAX_PATH_LEN { Err(SocketError::TooLong(path.to_owned())) } else { Ok(()) }
}

/// The user this process runs as.
pub fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    fn paths(variables: &[(&str, &str)]) -> Result<Vec<String>, SocketError> {
        let paths = candidates_in(environment(variables), 1000)?;
        Ok(paths.into_iter().map(|path| path.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn the_variable_wins_even_if_nothing_is_there() {
        let found = paths(&[("OIDC_SOCK", "/no/such"), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
        assert_eq!(found, Ok(vec!["/no/such".into()]));
        assert_eq!(paths(&[("OIDC_SOCK", "")]), Err(SocketError::Empty));
    }

    #[test]
    fn then_the_runtime_directory_then_the_service() {
        let service = "/tmp/oidc-agent-service-1000/oidc-agent.sock";
        let runtime = "/run/user/1000/oidc-agent/oidc-agent.sock";
        assert_eq!(paths(&[("XDG_RUNTIME_DIR", "/run/user/1000")]), Ok(vec![runtime.into(), service.into()]));
        assert_eq!(paths(&[]), Ok(vec![service.into()]));
        assert_eq!(paths(&[("XDG_RUNTIME_DIR", "relative")]), Ok(vec![service.into()]));
        assert_eq!(paths(&[("TMPDIR", "/t")]), Ok(vec!["/t/oidc-agent-service-1000/oidc-agent.sock".into()]));
        assert_eq!(paths(&[("TMPDIR", "")]), Ok(vec!["/oidc-agent-service-1000/oidc-agent.sock".into()]));
    }

    #[test]
    fn finds_what_is_there() {
        let runtime = tempfile::tempdir().expect("a directory");
        let tmp = tempfile::tempdir().expect("a directory");
        let (runtime, tmp) = (runtime.path().to_str().expect("UTF-8"), tmp.path().to_str().expect("UTF-8"));
        let variables = [("XDG_RUNTIME_DIR", runtime), ("TMPDIR", tmp)];
        let candidates = candidates_in(environment(&variables), 7).expect("paths");
        assert_eq!(find_in(environment(&variables), 7).as_ref(), Ok(&candidates[0]));
        fs_err::create_dir(candidates[1].parent().expect("a parent")).expect("made");
        fs_err::write(&candidates[1], "").expect("written");
        assert_eq!(find_in(environment(&variables), 7).as_ref(), Ok(&candidates[1]));
    }

    #[test]
    fn paths_fit_into_a_socket_address() {
        let longest = format!("/{}", "x".repeat(MAX_PATH_LEN - 1));
        assert_eq!(check_len(Path::new(&longest)), Ok(()));
        let error = paths(&[("OIDC_SOCK", &format!("{longest}x"))]).expect_err("too long");
        assert!(error.to_string().ends_with("has 108 bytes, at most 107 are possible"), "{error}");
    }
}
