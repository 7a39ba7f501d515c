//! The file of a program that is to take over: whose it is, and that it is still the one that was looked at.
//!
//! Whoever can write it gets all that the agent holds. So it has to be as well guarded as the one that runs: of this user or root,
//! in directories that nobody else can write; and where root alone can change the one that runs, root alone can say what comes
//! after it.

use std::{
    fs::Metadata,
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
};

use oidc_proto::trust::{Judge, TrustError};
use rustix::{
    fs::{Mode, OFlags},
    process::geteuid,
};

/// The program of this process, as the kernel knows it.
const OWN: &str = "/proc/self/exe";
/// The kernel adds it to the name of a file that is gone or another one by now (proc(5)).
const REPLACED: &[u8] = b" (deleted)";

/// Why a file is not executed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be looked at.
    #[error("'{}' cannot be used: {source}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could have put it there.
    #[error("{}", .0.to_string().replace("socket path location", "the way to the program"))]
    Way(TrustError),
    /// It is not a program.
    #[error("'{}' is no file that can be executed", .0.display())]
    NoProgram(PathBuf),
    /// Others may write it.
    #[error("'{}' belongs to another user, or can be written by others", .0.display())]
    Untrusted(PathBuf),
    /// The running program is better guarded.
    #[error(
        "'{}' is not root's alone, as the running program is: whoever can write it would get what the agent holds",
        .0.display()
    )]
    LessGuarded(PathBuf),
    /// Something else is there by now.
    #[error("'{}' was replaced meanwhile", .0.display())]
    Replaced(PathBuf),
}

/// A file that may be executed.
#[derive(Debug)]
pub struct ProgramFile {
    /// Where it is, without links.
    pub path: PathBuf,
    id: (u64, u64, i64, i64),
}

/// The running program, to be executed again whatever lies at its path by then.
pub fn own() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(OWN, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// The file that this process was started from, and whether that is gone or another one by now.
pub fn own_path() -> io::Result<(PathBuf, bool)> {
    let path = fs_err::read_link(OWN)?;
    let before = path.as_os_str().as_bytes().strip_suffix(REPLACED);
    // There may be one that is called so.
    let before =
        before.filter(|_| !is_own(&path)).map(|before| PathBuf::from(std::ffi::OsStr::from_bytes(before)));
    Ok(before.map_or((path, false), |before| (before, true)))
}

fn is_own(path: &Path) -> bool {
    let id = |path: &Path| fs_err::metadata(path).map(|file| (file.dev(), file.ino()));
    id(path).is_ok_and(|there| id(Path::new(OWN)).is_ok_and(|own| own == there))
}

impl ProgramFile {
    /// That at `path`, or the one that lies where the running program was started from.
    pub fn choose(path: Option<&Path>) -> Result<Self, ProgramError> {
        let (own, running) = (|| Ok((own_path()?.0, fs_err::metadata(OWN)?)))()
            .map_err(|source| ProgramError::Unusable { path: OWN.into(), source })?;
        let wanted = path.unwrap_or(&own);
        if !wanted.is_absolute() {
            return Err(ProgramError::NoProgram(wanted.to_owned()));
        }
        let path = Judge::this_process().socket(wanted).map_err(ProgramError::Way)?;
        let file = metadata(&path)?;
        if !file.is_file() || file.permissions().mode() & 0o111 == 0 {
            return Err(ProgramError::NoProgram(path));
        }
        judge(&path, &file, &running, geteuid().as_raw())?;
        Ok(Self { id: id(&file), path })
    }

    /// Whether it is still the same file with the same content.
    pub fn check(&self) -> Result<(), ProgramError> {
        if id(&metadata(&self.path)?) == self.id {
            Ok(())
        } else {
            Err(ProgramError::Replaced(self.path.clone()))
        }
    }
}

fn judge(path: &Path, file: &Metadata, running: &Metadata, user: u32) -> Result<(), ProgramError> {
    judge_owner(path, (file.uid(), file.mode()), running.uid(), user)
}

fn judge_owner(path: &Path, (owner, mode): (u32, u32), running: u32, user: u32) -> Result<(), ProgramError> {
    const WRITERS: u32 = 0o022;
    if (owner != 0 && owner != user) || mode & WRITERS != 0 {
        return Err(ProgramError::Untrusted(path.to_owned()));
    }
    if running == 0 && owner != 0 {
        return Err(ProgramError::LessGuarded(path.to_owned()));
    }
    Ok(())
}

fn metadata(path: &Path) -> Result<Metadata, ProgramError> {
    let unusable = |source| ProgramError::Unusable { path: path.to_owned(), source };
    std::fs::metadata(path).map_err(unusable)
}

fn id(file: &Metadata) -> (u64, u64, i64, i64) {
    (file.dev(), file.ino(), file.mtime(), file.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_well_guarded_as_the_one_that_runs() {
        for (owner, mode, running, accepted) in [
            (0, 0o100_755, 0, true),
            (0, 0o100_755, 1000, true),
            (1000, 0o100_755, 1000, true),
            (1000, 0o100_755, 0, false),
            (1001, 0o100_755, 1000, false),
            (0, 0o100_775, 0, false),
            (1000, 0o100_757, 1000, false),
        ] {
            let judged = judge_owner(Path::new("/x"), (owner, mode), running, 1000);
            assert_eq!(judged.is_ok(), accepted, "{owner} {mode:o} {running}");
        }
    }

    #[test]
    fn what_is_no_program_is_refused_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = fs_err::canonicalize(directory.path()).expect("a path");
        let text = root.join("text");
        fs_err::write(&text, "x").expect("written");
        for path in [&text, &root, &root.join("missing"), Path::new("relative")] {
            let refused = ProgramFile::choose(Some(path)).expect_err("no program").to_string();
            assert!(refused.contains(path.to_str().expect("text")), "{refused}");
        }
    }

    #[test]
    fn another_file_at_its_place_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = fs_err::canonicalize(directory.path()).expect("a path").join("program");
        let put = || {
            let new = path.with_extension("new");
            fs_err::write(&new, "x").expect("written");
            fs_err::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("mode set");
            fs_err::rename(&new, &path).expect("renamed");
        };
        put();
        let file = fs_err::metadata(&path).expect("a file");
        let program = ProgramFile { path: path.clone(), id: id(&file) };
        program.check().expect("the same");
        let kept = fs_err::File::open(&path).expect("opened");
        put();
        assert!(matches!(program.check(), Err(ProgramError::Replaced(_))));
        drop(kept);
    }

    #[test]
    fn the_running_program_is_found() {
        let (path, is_replaced) = own_path().expect("a path");
        assert_eq!((Some(path), is_replaced), (std::env::current_exe().ok(), false));
        own().expect("opened");
    }
}
