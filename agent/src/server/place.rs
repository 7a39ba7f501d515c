//! Where the socket goes: the C suite's rules for `--socket-path`, and which directories are trusted to hold it.

use std::{
    ffi::OsStr,
    fs::{DirBuilder, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Component, Path, PathBuf},
};

use rustix::process::{getegid, geteuid};

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
    /// Somebody else could replace the socket. The C suite's words, and why.
    #[error("socket path location is not trustworthy: '{}' {reason}", path.display())]
    Untrusted {
        /// The directory in question.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A directory could not be made or looked at.
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
        let (directory, own_directory) = make_directories(&directory)?;
        let place = Self { socket: directory.join(name), own_directory };
        place.check_trust().inspect_err(|_| place.remove_directory())?;
        Ok(place)
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

    /// Every directory up to the root belongs to root or the user, and others can neither write it nor, where it is
    /// sticky like `/tmp`, replace what is the user's in it.
    fn check_trust(&self) -> Result<(), PlaceError> {
        let real = fs_err::canonicalize(self.directory())?;
        for (level, path) in real.ancestors().enumerate() {
            let metadata = fs_err::metadata(path)?;
            let rights = Rights { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() };
            if let Some(reason) = rights.distrust(geteuid().as_raw(), getegid().as_raw(), level == 0) {
                return Err(PlaceError::Untrusted { path: path.to_owned(), reason });
            }
        }
        Ok(())
    }
}

/// Who may change a directory.
struct Rights {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Rights {
    /// Why the user `uid` with the primary group `gid` does not trust this directory, if so. `holds_socket`: a sticky
    /// directory is trusted as a parent of the user's directories only.
    fn distrust(&self, uid: u32, gid: u32, holds_socket: bool) -> Option<&'static str> {
        const STICKY: u32 = 0o1000;
        const GROUP_WRITE: u32 = 0o020;
        const OTHERS_WRITE: u32 = 0o002;

        if self.uid != 0 && self.uid != uid {
            return Some("belongs to another user");
        }
        if self.mode & STICKY != 0 && !holds_socket {
            return None;
        }
        if self.mode & OTHERS_WRITE != 0 {
            return Some("can be written by others");
        }
        let foreign = self.gid != 0 && self.gid != gid;
        (self.mode & GROUP_WRITE != 0 && foreign).then_some("can be written by another group")
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

    #[test]
    fn trust_is_about_owner_and_writers() {
        let rights = |uid, gid, mode| Rights { uid, gid, mode };
        assert_eq!(rights(0, 0, 0o755).distrust(1000, 1000, false), None);
        assert_eq!(rights(1000, 1000, 0o775).distrust(1000, 1000, true), None);
        assert!(rights(1001, 1000, 0o700).distrust(1000, 1000, false).is_some());
        assert!(rights(1000, 50, 0o770).distrust(1000, 1000, false).is_some());
        assert!(rights(0, 0, 0o1777).distrust(1000, 1000, true).is_some());
    }
}
