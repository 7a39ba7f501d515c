//! Where programs look for a bearer token: WLCG Bearer Token Discovery (Zenodo 3937438), in its order.

use std::{
    ffi::OsString,
    fmt, io,
    io::Read,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use fs_err::os::unix::fs::OpenOptionsExt;
use zeroize::Zeroizing;

use super::compact::is_b64token;

/// The variable that holds a token.
pub const BEARER_TOKEN: &str = "BEARER_TOKEN";
/// The variable that names a token's file.
pub const BEARER_TOKEN_FILE: &str = "BEARER_TOKEN_FILE";
/// The variable that names the runtime directory.
pub const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// The longest token that is read from any place, in bytes.
pub const MAX_LEN: u64 = 1 << 20;
/// The longest token that xrootd's `ztn` takes with the default setting of a server, and one more.
pub const ZTN_LIMIT: u64 = 4096;
/// The longest token that `HTCondor` takes, and one more.
pub const CONDOR_LIMIT: u64 = 16_384;

/// The places, in the order in which they are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The variable [`BEARER_TOKEN`].
    Variable,
    /// The file that [`BEARER_TOKEN_FILE`] names.
    NamedFile(PathBuf),
    /// `bt_uID` in the runtime directory, where there is one.
    RuntimeDirectory(PathBuf),
    /// `bt_uID` in `/tmp`. By the specification only where there is no runtime directory.
    Tmp(PathBuf),
}

/// What a place holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Holds {
    /// A token, without the white space around it.
    Token(Zeroizing<String>),
    /// The variable is not set, or the file is not there.
    Nothing,
    /// White space or nothing: readers go on with the next place.
    Empty,
    /// Something that is no token: readers stop.
    NoToken,
    /// The file cannot be read.
    Unreadable(String),
    /// It is no file, but a directory, for example.
    NoFile,
    /// Longer than [`MAX_LEN`].
    TooLarge,
}

/// A place and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where.
    pub place: Place,
    /// What.
    pub holds: Holds,
    /// The bits of the file's mode, where it is a file.
    pub mode: Option<u32>,
    /// Who owns the file.
    pub owner: Option<u32>,
}

/// All places and which of them counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// In the order of the specification; the variables only where they are set. [`Place::Tmp`] is always the last.
    pub candidates: Vec<Candidate>,
    /// Whether there is a runtime directory.
    has_runtime_directory: bool,
}

/// What one kind of program finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The programs.
    pub programs: &'static str,
    /// Which candidate they use, as an index.
    pub uses: Option<usize>,
    /// Why they refuse it, or what is special about them.
    pub remark: Option<&'static str>,
}

/// What the file is called in the directories that readers look in; `-PURPOSE` may follow.
pub fn file_name(euid: u32) -> String {
    format!("bt_u{euid}")
}

impl Discovery {
    /// Looks at all places, as the environment of this process says.
    pub fn look() -> Self {
        Self::look_in(|name| std::env::var_os(name), rustix::process::geteuid().as_raw(), Path::new("/tmp"))
    }

    /// [`Discovery::look`] for another environment, effective user and directory for temporary files.
    pub fn look_in(environment: impl Fn(&str) -> Option<OsString>, euid: u32, tmp: &Path) -> Self {
        let mut candidates = Vec::new();
        if let Some(value) = environment(BEARER_TOKEN) {
            candidates.push(Candidate {
                place: Place::Variable,
                holds: Holds::of(value.to_string_lossy().as_bytes()),
                mode: None,
                owner: None,
            });
        }
        let named = environment(BEARER_TOKEN_FILE).filter(|path| !path.is_empty()).map(PathBuf::from);
        candidates.extend(named.map(|path| Candidate::file(Place::NamedFile(path))));
        let runtime = environment(XDG_RUNTIME_DIR).filter(|path| !path.is_empty()).map(PathBuf::from);
        let name = file_name(euid);
        let has_runtime_directory = runtime.is_some();
        candidates.extend(runtime.map(|path| Candidate::file(Place::RuntimeDirectory(path.join(&name)))));
        candidates.push(Candidate::file(Place::Tmp(tmp.join(&name))));
        Self { candidates, has_runtime_directory }
    }

    /// The variables that name a place and are not set, or to nothing that is one.
    pub fn unset(&self) -> Vec<&'static str> {
        let names = [BEARER_TOKEN, BEARER_TOKEN_FILE, XDG_RUNTIME_DIR];
        let is_set = |name: &str| self.candidates.iter().any(|candidate| candidate.place.name() == name);
        names.into_iter().filter(|name| !is_set(name)).collect()
    }

    /// The candidate that counts by the specification: the first that holds anything but white space. What it holds
    /// may be no token, and then readers stop there.
    pub fn used(&self) -> Option<&Candidate> {
        self.first(|candidate| !(self.has_runtime_directory && matches!(candidate.place, Place::Tmp(_))))
            .map(|at| &self.candidates[at])
    }

    /// What the programs use that are known to differ.
    pub fn readers(&self) -> Vec<Reader> {
        let all = self.first(|_| true);
        let strict =
            self.first(|candidate| !(self.has_runtime_directory && matches!(candidate.place, Place::Tmp(_))));
        let variable = self.first(|candidate| candidate.place == Place::Variable);
        let of = |at: Option<usize>| at.map(|at| &self.candidates[at]);
        let limit = |at, limit, remark| {
            of(at).and_then(Candidate::size).is_some_and(|len| len >= limit).then_some(remark)
        };
        let ztn = if of(all).and_then(|used| used.mode).is_some_and(|mode| mode & 0o077 != 0) {
            Some("refuses it: others may read the file; its mode has to be 600")
        } else {
            limit(all, ZTN_LIMIT, "refuses it: it is not below 4096 bytes")
        };
        vec![
            Reader { programs: "XRootD (ztn)", uses: all, remark: ztn },
            Reader {
                programs: "HTCondor",
                uses: all,
                remark: limit(all, CONDOR_LIMIT, "refuses it: it is not below 16384 bytes"),
            },
            Reader { programs: "Python scitokens, htgettoken", uses: strict, remark: None },
            Reader {
                programs: "gfal2",
                uses: variable,
                remark: Some("looks at the variable BEARER_TOKEN alone"),
            },
        ]
    }

    fn first(&self, is_looked_at: impl Fn(&Candidate) -> bool) -> Option<usize> {
        self.candidates.iter().position(|candidate| {
            is_looked_at(candidate) && !matches!(candidate.holds, Holds::Nothing | Holds::Empty)
        })
    }
}

impl Candidate {
    fn file(place: Place) -> Self {
        let path = place.path().expect("a file");
        let (mut mode, mut owner) = (None, None);
        let holds = read(path, |metadata| {
            mode = Some(metadata.mode() & 0o7777);
            owner = Some(metadata.uid());
        });
        Self { place, holds, mode, owner }
    }

    /// The length of the token, in bytes.
    pub fn size(&self) -> Option<u64> {
        match &self.holds {
            Holds::Token(token) => Some(token.len() as u64),
            _ => None,
        }
    }
}

impl Place {
    /// The name for scripts, which stays.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Variable => BEARER_TOKEN,
            Self::NamedFile(_) => BEARER_TOKEN_FILE,
            Self::RuntimeDirectory(_) => XDG_RUNTIME_DIR,
            Self::Tmp(_) => "/tmp",
        }
    }

    /// The file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Variable => None,
            Self::NamedFile(path) | Self::RuntimeDirectory(path) | Self::Tmp(path) => Some(path),
        }
    }
}

impl Place {
    /// `BEARER_TOKEN_FILE` was given a token instead of a file's name: its value is shown to nobody.
    pub fn is_token_by_mistake(&self) -> bool {
        let Self::NamedFile(path) = self else { return false };
        let value = path.to_string_lossy();
        value.starts_with("eyJ") || (!value.contains('/') && value.len() > 64)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamedFile(_) if self.is_token_by_mistake() => f.write_str(BEARER_TOKEN_FILE),
            Self::Variable => f.write_str(BEARER_TOKEN),
            Self::NamedFile(path) => write!(f, "{} ({BEARER_TOKEN_FILE})", path.display()),
            Self::RuntimeDirectory(path) | Self::Tmp(path) => path.display().fmt(f),
        }
    }
}

impl Holds {
    /// The name for scripts, which stays.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Nothing => "nothing",
            Self::Empty => "empty",
            Self::NoToken => "no_token",
            Self::Unreadable(_) => "unreadable",
            Self::NoFile => "no_file",
            Self::TooLarge => "too_large",
        }
    }

    fn of(bytes: &[u8]) -> Self {
        // C99's isspace.
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
        let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
        match std::str::from_utf8(&bytes[start..end]) {
            Ok("") => Self::Empty,
            Ok(token) if is_b64token(token) => Self::Token(Zeroizing::new(token.to_owned())),
            _ => Self::NoToken,
        }
    }
}

/// Never shows the token.
impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a file without waiting for anybody to write to it.
fn read(path: &Path, mut note: impl FnMut(&std::fs::Metadata)) -> Holds {
    let mut options = fs_err::OpenOptions::new();
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Holds::Nothing;
        }
        Err(error) => return Holds::Unreadable(reason(&error)),
    };
    match file.metadata() {
        Ok(metadata) => {
            note(&metadata);
            if !metadata.is_file() && !metadata.file_type().is_fifo() {
                return Holds::NoFile;
            }
        }
        Err(error) => return Holds::Unreadable(reason(&error)),
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    match file.take(MAX_LEN + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > MAX_LEN => Holds::TooLarge,
        Ok(_) => Holds::of(&bytes),
        Err(error) => Holds::Unreadable(reason(&error)),
    }
}

/// Without the path, which is told beside it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tempfile::TempDir;

    use super::*;

    struct Scene {
        root: TempDir,
        environment: HashMap<&'static str, OsString>,
    }

    impl Scene {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a directory");
            for directory in ["tmp", "run"] {
                fs_err::create_dir(root.path().join(directory)).expect("a directory");
            }
            Self { root, environment: HashMap::new() }
        }

        fn with(mut self, name: &'static str, value: &str) -> Self {
            let value = value.replace("ROOT", self.root.path().to_str().expect("text"));
            self.environment.insert(name, value.into());
            self
        }

        fn file(self, path: &str, text: &str) -> Self {
            fs_err::write(self.root.path().join(path), text).expect("a file");
            self
        }

        fn look(&self) -> Discovery {
            Discovery::look_in(|name| self.environment.get(name).cloned(), 7, &self.root.path().join("tmp"))
        }

        fn used(&self) -> Option<String> {
            self.look().used().map(|used| match &used.holds {
                Holds::Token(token) => token.to_string(),
                other => format!("{other:?}"),
            })
        }
    }

    #[test]
    fn the_first_place_that_holds_something_counts() {
        let scene = Scene::new().file("tmp/bt_u7", " tmp\n").file("run/bt_u7", "\x0brun\x0c");
        assert_eq!(scene.used().as_deref(), Some("tmp"));
        let scene = scene.with(XDG_RUNTIME_DIR, "ROOT/run");
        assert_eq!(scene.used().as_deref(), Some("run"));
        let scene = scene.file("named", "named").with(BEARER_TOKEN_FILE, "ROOT/named");
        assert_eq!(scene.used().as_deref(), Some("named"));
        let scene = scene.with(BEARER_TOKEN, "variable");
        assert_eq!(scene.used().as_deref(), Some("variable"));
        let scene = scene.with(BEARER_TOKEN, " \n");
        assert_eq!(scene.used().as_deref(), Some("named"), "an empty one is passed over");
        let scene = scene.with(BEARER_TOKEN, "two words");
        assert_eq!(scene.used().as_deref(), Some("no_token"), "and one that is none ends the search");
    }

    #[test]
    fn the_runtime_directory_hides_the_other_place_from_some() {
        let scene = Scene::new().file("tmp/bt_u7", "tmp").with(XDG_RUNTIME_DIR, "ROOT/run");
        let discovery = scene.look();
        assert_eq!(discovery.used(), None);
        let uses: Vec<_> = discovery.readers().iter().map(|reader| reader.uses).collect();
        assert_eq!(uses, [Some(1), Some(1), None, None]);
    }

    #[test]
    fn what_is_no_file_is_told() {
        let scene = Scene::new().with(BEARER_TOKEN_FILE, "ROOT/run").file("tmp/bt_u7", &"x".repeat(5000));
        let discovery = scene.look();
        assert_eq!(discovery.candidates[0].holds, Holds::NoFile);
        let large = Scene::new().file("tmp/bt_u7", &"x".repeat((1 << 20) + 1));
        assert_eq!(large.used().as_deref(), Some("too_large"));
        assert_eq!(Scene::new().used(), None);
        assert_eq!(Scene::new().look().unset(), [BEARER_TOKEN, BEARER_TOKEN_FILE, XDG_RUNTIME_DIR]);
    }

    #[test]
    fn xrootd_wants_a_private_file_and_a_small_token() {
        use std::os::unix::fs::PermissionsExt;
        let scene = Scene::new().file("tmp/bt_u7", &"x".repeat(4096));
        let path = scene.root.path().join("tmp/bt_u7");
        let remark = |mode| {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
            scene.look().readers()[0].remark.expect("refused")
        };
        assert!(remark(0o644).contains("others may read"));
        assert!(remark(0o600).contains("4096"));
    }
}
