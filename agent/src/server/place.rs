//! Where the socket goes: the C suite's rules for `--socket-path`, and which directories are trusted to hold it.

use std::{
    ffi::OsStr,
    fs::{DirBuilder, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Component, Path, PathBuf},
};

use oidc_proto::trust::{Judge, TrustError};

/// A directory's name that ends in this is a pattern; `mkdtemp` has the same.
const PATTERN: &str = "XXXXXX";
/// `sun_path` with its final NUL byte: see unix(7).
const SUN_PATH_BYTES: usize = 108;

/// A place for a socket. Its directories exist and are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The socket's absolute path.
    pub socket: PathBuf,
    /// Whether the socket's directory was made for it, and goes with it.
    pub own_directory: bool,
}

/// Why there is no place for a socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// `..` or nothing where a file name should be.
    #[error("'{}' is no path for a socket", .0.display())]
    NoName(PathBuf),
    /// Longer than `sun_path`.
    #[error("socket path is too long: {length} bytes of at most {}: '{}'", SUN_PATH_BYTES - 1, path.display())]
    TooLong {
        /// The path that would have been.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Others could replace the socket.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A directory could not be made.
    #[error("cannot use the socket's directory: {0}")]
    Directory(#[from] io::Error),
}

impl Place {
    /// Finds and makes the place for the socket of an agent started by process `parent`.
    ///
    /// `requested` follows the rules of the C suite (`-a`): a trailing slash asks for `oidc-agent.PARENT` in that
    /// directory, the first directory whose name ends in `XXXXXX` gets random characters there, missing directories
    /// are made with mode 0700. Nothing requested is `${TMPDIR:-/tmp}/oidc-XXXXXX/`.
    pub fn prepare(requested: Option<&Path>, parent: u32) -> Result<Self, PlaceError> {
        let requested = requested.map_or_else(default_pattern, Path::to_path_buf);
        let (directory, name) = split(&requested, parent)?;
        let directory = std::path::absolute(&directory)?;
        check_length(&directory.join(&name))?;
        let judge = Judge::this_process();
        // Nothing is made through a link or in a directory of somebody else.
        judge.directory(existing_part(&directory))?;
        let (directory, own_directory) = make_directories(&directory)?;
        let place = Self { socket: directory.join(name), own_directory };
        judge.holder(place.directory()).inspect_err(|_| place.remove_directory())?;
        Ok(place)
    }

    /// The same for a default place: in a directory that exists already, one is made for the socket.
    pub fn prepare_default(socket: &Path) -> Result<Self, PlaceError> {
        let no_name = || PlaceError::NoName(socket.to_owned());
        let base = socket.parent().and_then(Path::parent).ok_or_else(no_name)?;
        // A runtime directory that is missing is the system's to make, with the right owner, mode and file system.
        Judge::this_process().directory(&std::path::absolute(base)?)?;
        Self::prepare(Some(socket), 0)
    }

    /// Whether a socket of somebody else's making stands where one of ours might.
    pub fn check(socket: &Path) -> Result<(), PlaceError> {
        let socket = std::path::absolute(socket)?;
        Judge::this_process().holder(socket.parent().unwrap_or(&socket))?;
        Ok(())
    }

    /// The directory of the socket.
    pub fn directory(&self) -> &Path {
        self.socket.parent().unwrap_or(Path::new("/"))
    }

    /// Removes the directory if it was made for the socket; others' files keep it.
    pub fn remove_directory(&self) {
        if self.own_directory {
            let _ = fs_err::remove_dir(self.directory());
        }
    }
}

fn default_pattern() -> PathBuf {
    let temporary = std::env::var_os("TMPDIR").filter(|directory| !directory.is_empty());
    let mut pattern = PathBuf::from(temporary.unwrap_or_else(|| "/tmp".into()));
    pattern.push(format!("oidc-{PATTERN}/"));
    pattern
}

/// Directory and file name. A trailing slash means that only the directory was given.
fn split(requested: &Path, parent: u32) -> Result<(PathBuf, PathBuf), PlaceError> {
    if requested.as_os_str().as_bytes().ends_with(b"/") {
        return Ok((requested.to_owned(), PathBuf::from(format!("oidc-agent.{parent}"))));
    }
    match requested.components().next_back() {
        Some(Component::Normal(name)) => {
            let directory = requested.parent().filter(|parent| !parent.as_os_str().is_empty());
            Ok((directory.unwrap_or(Path::new(".")).to_owned(), PathBuf::from(name)))
        }
        _ => Err(PlaceError::NoName(requested.to_owned())),
    }
}

fn check_length(path: &Path) -> Result<(), PlaceError> {
    let length = path.as_os_str().len();
    if length < SUN_PATH_BYTES { Ok(()) } else { Err(PlaceError::TooLong { path: path.to_owned(), length }) }
}

/// What of a directory's path is there, if only as a link.
fn existing_part(directory: &Path) -> &Path {
    let exists = |path: &&Path| path.symlink_metadata().is_ok();
    directory.ancestors().find(exists).unwrap_or(Path::new("/"))
}

/// Makes what is missing and fills in the pattern; says whether the last directory is new.
fn make_directories(wanted: &Path) -> Result<(PathBuf, bool), PlaceError> {
    let mut made = PathBuf::new();
    let mut pattern_used = false;
    let mut last_is_new = false;
    for component in wanted.components() {
        let Component::Normal(name) = component else {
            made.push(component);
            continue;
        };
        if let Some(prefix) = name.as_bytes().strip_suffix(PATTERN.as_bytes()).filter(|_| !pattern_used) {
            pattern_used = true;
            last_is_new = true;
            made = make_random(&made, OsStr::from_bytes(prefix))?;
        } else {
            made.push(name);
            last_is_new = make_missing(&made)?;
        }
    }
    Ok((made, last_is_new))
}

fn make_random(parent: &Path, prefix: &OsStr) -> io::Result<PathBuf> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).rand_bytes(PATTERN.len()).permissions(Permissions::from_mode(0o700));
    Ok(builder.tempdir_in(parent)?.keep())
}

fn make_missing(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(_) if path.is_dir() => Ok(false),
        Err(error) => {
            let text = format!("failed to create directory `{}`: {error}", path.display());
            Err(io::Error::new(error.kind(), text))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn prepared(requested: &Path) -> Place {
        Place::prepare(Some(requested), 42).expect("a place")
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("exists").mode() & 0o7777
    }

    #[test]
    fn a_trailing_slash_names_the_directory_only() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = prepared(&root.path().join("new/"));
        assert_eq!(place.socket, root.path().join("new/oidc-agent.42"));
        assert!(place.own_directory);
        assert_eq!(mode(place.directory()), 0o700);
    }

    #[test]
    fn an_existing_directory_is_kept() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = prepared(&root.path().join("sock"));
        assert!(!place.own_directory);
        place.remove_directory();
        assert!(root.path().is_dir());
    }

    #[test]
    fn the_first_pattern_is_filled_in() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = prepared(&root.path().join("x-XXXXXX/XXXXXX/name"));
        let random = place.directory().parent().expect("a parent").file_name().expect("a name");
        let random = random.to_str().expect("text");
        assert!(random.starts_with("x-") && random.len() == 8 && random != "x-XXXXXX", "{random}");
        assert!(place.socket.ends_with("XXXXXX/name"));
        assert_eq!(mode(place.directory()), 0o700);
    }

    #[test]
    fn a_default_place_is_made_in_a_directory_that_exists() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = Place::prepare_default(&root.path().join("oidc-agent/sock")).expect("a place");
        assert!(place.own_directory && mode(place.directory()) == 0o700);
        let missing = root.path().join("missing/oidc-agent/sock");
        assert!(Place::prepare_default(&missing).is_err());
        assert!(!root.path().join("missing").exists());
    }

    #[test]
    fn only_a_directory_that_ends_in_the_pattern_is_one() {
        let root = tempfile::tempdir().expect("temporary directory");
        for literal in ["x-XXXXXX", "xXXXXXXq/name"] {
            assert_eq!(prepared(&root.path().join(literal)).socket, root.path().join(literal));
        }
    }

    #[test]
    fn a_path_longer_than_an_address_is_refused_before_anything_is_made() {
        let root = tempfile::tempdir().expect("temporary directory");
        let long = root.path().join("d".repeat(110)).join("s");
        let error = Place::prepare(Some(&long), 1).expect_err("too long");
        assert!(matches!(error, PlaceError::TooLong { .. }), "{error}");
        assert!(!long.parent().expect("a parent").exists());
    }

    #[test]
    fn no_name_is_refused() {
        for path in ["", "/a/.."] {
            assert!(matches!(Place::prepare(Some(Path::new(path)), 1), Err(PlaceError::NoName(_))), "{path}");
        }
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        let root = tempfile::tempdir().expect("temporary directory");
        for mode in [0o777, 0o1777] {
            let open = root.path().join(format!("open-{mode:o}"));
            fs_err::create_dir(&open).expect("made");
            fs_err::set_permissions(&open, Permissions::from_mode(mode)).expect("mode set");
            let error = Place::prepare(Some(&open.join("sock")), 1).expect_err("untrusted");
            assert!(error.to_string().starts_with("socket path location is not trustworthy"), "{error}");
        }
        let parent = root.path().join("open-1777/new/sock");
        assert_eq!(prepared(&parent).socket, parent, "sticky is fine for a parent");
        let parent = root.path().join("open-777/new/sock");
        assert!(Place::prepare(Some(&parent), 1).is_err());
        assert!(!parent.parent().expect("a parent").exists(), "nothing is left behind");
    }
}
