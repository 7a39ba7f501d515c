//! Which directory is the oidc-agent directory, and which one stands in for it while it cannot be written.

use std::{
    ffi::OsString,
    fs::DirBuilder,
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::{Home, error::HomeError};
use crate::shortname::Shortname;

/// What group and others may do.
const OTHERS: u32 = 0o077;
/// Below the runtime directory: refresh tokens that could not be put where they belong.
const UNSAVED: &str = "oidc-agent-unsaved";

impl Home {
    /// The directory in use: the first that exists of `$OIDC_CONFIG_DIR`, `$HOME/.config/oidc-agent` and
    /// `$HOME/.oidc-agent`, as an absolute path. A candidate that may not be read, or on whose way is something that
    /// is no directory, is passed over, as in the C suite. Without `HOME` the user's entry in passwd(5) tells it.
    pub fn find() -> Result<Self, HomeError> {
        Self::find_with(environment)
    }

    /// [`Home::find`], or a new directory (0700): `$OIDC_CONFIG_DIR` with its parents, or the first of the other places
    /// whose parent exists.
    pub fn find_or_create() -> Result<Self, HomeError> {
        Self::find_or_create_with(environment)
    }

    /// This directory, whether it exists or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path: std::path::absolute(&path).unwrap_or(path), runtime: None }
    }

    /// The one that another process of the same agent has found, whether it is there at this moment or not.
    pub fn found_before(path: impl Into<PathBuf>) -> Self {
        Self::in_use(path.into(), environment)
    }

    /// The same, with a directory that keeps refresh tokens while this one cannot be written.
    #[must_use]
    pub fn with_runtime(self, runtime: impl Into<PathBuf>) -> Self {
        Self { runtime: Some(runtime.into().join(UNSAVED)), ..self }
    }

    pub(super) fn find_with(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, HomeError> {
        for candidate in candidates(&variable)? {
            match fs_err::read_dir(&candidate.path) {
                Ok(_) => return Ok(Self::in_use(candidate.path, &variable)),
                Err(error) if is_passed_over(error.kind(), &candidate) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(HomeError::NoDirectory)
    }

    pub(super) fn find_or_create_with(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, HomeError> {
        match Self::find_with(&variable) {
            Err(HomeError::NoDirectory) => {}
            found => return found,
        }
        let mut refused = None;
        for Candidate { path, is_explicit } in candidates(&variable)? {
            match DirBuilder::new().mode(0o700).recursive(is_explicit).create(&path) {
                Ok(()) => return Ok(Self::in_use(path, &variable)),
                // Somebody was faster.
                Err(_) if std::fs::read_dir(&path).is_ok() => return Ok(Self::in_use(path, &variable)),
                Err(error) => {
                    refused.get_or_insert(HomeError::CannotMake { path, reason: error.to_string() });
                }
            }
        }
        Err(refused.unwrap_or(HomeError::NoDirectory))
    }

    fn in_use(path: PathBuf, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let home = Self::at(path);
        match runtime_directory(variable) {
            Some(runtime) => home.with_runtime(runtime),
            None => home,
        }
    }

    /// The directory that stands in for this one, ready to be written: private, and nobody else's.
    pub(crate) fn stand_in(&self) -> Result<Self, HomeError> {
        let path = self.runtime.as_deref().ok_or(HomeError::NoDirectory)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(HomeError::at(path, &error)),
            _ => self.existing_stand_in().ok_or_else(|| HomeError::PermissionDenied(path.into())),
        }
    }

    /// Where a refresh token of the account is kept while this directory cannot be written, if one is.
    pub fn at_hand(&self, name: &Shortname) -> Option<PathBuf> {
        let path = self.existing_stand_in()?.rotated_path(name);
        path.exists().then_some(path)
    }

    /// Whether there is a directory that could stand in for this one.
    pub fn has_stand_in(&self) -> bool {
        self.stand_in().is_ok()
    }

    /// The directory that stands in for this one, where there is one.
    pub(crate) fn existing_stand_in(&self) -> Option<Self> {
        self.runtime.as_deref().filter(|path| is_private(path)).map(Self::at)
    }
}

struct Candidate {
    path: PathBuf,
    /// Named by `OIDC_CONFIG_DIR` itself.
    is_explicit: bool,
}

fn environment(variable: &str) -> Option<OsString> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    // Without HOME there is still the user's entry in passwd(5).
    if variable == "HOME" { value.or_else(|| dirs::home_dir().map(Into::into)) } else { value }
}

/// A candidate below the home directory may be impossible altogether (`HOME=/dev/null`); what was asked for by name must
/// be a directory.
fn is_passed_over(error: io::ErrorKind, candidate: &Candidate) -> bool {
    match error {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => true,
        io::ErrorKind::NotADirectory => !candidate.is_explicit,
        _ => false,
    }
}

/// Where the directory may be, best first.
fn candidates(variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<Candidate>, HomeError> {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let set = |name| variable(name).filter(|path| !path.is_empty()).map(PathBuf::from).map(absolute);
    let (explicit, home) = (set("OIDC_CONFIG_DIR"), set("HOME"));
    if explicit.is_none() && home.is_none() {
        return Err(HomeError::NoHomeVariable);
    }
    let below_home =
        home.into_iter().flat_map(|home| [home.join(".config/oidc-agent"), home.join(".oidc-agent")]);
    let explicit = explicit.into_iter().map(|path| Candidate { path, is_explicit: true });
    Ok(explicit.chain(below_home.map(|path| Candidate { path, is_explicit: false })).collect())
}

/// The user's runtime directory: `XDG_RUNTIME_DIR`, else where systemd makes it, if it is private.
fn runtime_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = variable("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    [named, Some(usual())].into_iter().flatten().find(|path| path.is_absolute() && is_private(path))
}

/// Whether a path is a directory of ours that nobody else may use.
fn is_private(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| {
        metadata.is_dir()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && (metadata.mode() & OTHERS) == 0
    })
}
