//! Files whose paths accounts, issuer data and clients name: certificates and metadata.
//!
//! Such a path may lead to a device without an end, to a FIFO that nobody writes to, or to a file system that hangs.
//! So only regular files are opened, no more than a bound is read, and whoever waits has a deadline. A thread that the
//! kernel does not give back stays lost until it does; few are risked at a time, and no task is kept from its work by it.

use std::{
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task,
    time::{Instant, timeout_at},
};

use crate::regular_file;

/// How long a file may take to be read: local ones take milliseconds, a network share some seconds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Reads under way at a time: a fraction of the runtime's threads.
const AT_A_TIME: usize = 4;

/// The threads that may be risked on files.
#[derive(Clone)]
pub(crate) struct Readers(Arc<Semaphore>);

/// Why a read brought nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// All readers are busy with files that do not answer.
    Busy,
    /// The file system did not answer in time.
    Hanging,
}

/// A file as it was when it was looked at: another one at the same path, or other contents, make another stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Default for Readers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

impl Readers {
    /// Runs something that reads files, off the runtime's threads, and waits for it up to [`DEADLINE`] and `deadline`.
    ///
    /// `held` is dropped when the work is over, be it long after the deadline.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        held: impl Send + 'static,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Late> {
        let deadline = deadline.min(Instant::now() + DEADLINE);
        let Ok(permit) = timeout_at(deadline, self.0.clone().acquire_owned()).await else {
            return Err(Late::Busy);
        };
        let working = task::spawn_blocking(move || {
            let _until_it_is_over = (permit, held);
            work()
        });
        match timeout_at(deadline, working).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            Err(_) => Err(Late::Hanging),
        }
    }

    /// Keeps all threads busy until the guard is dropped.
    #[cfg(test)]
    pub(crate) fn hang(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(AT_A_TIME).expect("a few");
        self.0.clone().try_acquire_many_owned(all).expect("all are free")
    }
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Busy => "too many other files are waited for that do not answer",
            Self::Hanging => "reading it took too long",
        })
    }
}

/// What is at the path now; `None`: nothing that can be looked at. Blocks.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs_err::metadata(path).ok()?;
    Some(Stamp {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

/// Reads a regular file of at most `most` bytes. Blocks; the error names the path.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = regular_file::open(path, most)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(regular_file::too_large(path, most)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs_err::write(at("file"), "text").expect("written");
        assert_eq!(read(&at("file"), 4).expect("read"), b"text");
        assert!(read(&at("file"), 3).unwrap_err().to_string().ends_with("file is larger than 3 bytes"));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a FIFO");
        fs_err::os::unix::fs::symlink(at("fifo"), at("link")).expect("a link");
        std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        for odd in [at("fifo"), at("link"), at("socket"), directory.path().to_owned(), "/dev/zero".into()] {
            let error = read(&odd, 4).unwrap_err();
            assert_eq!(error.to_string(), format!("{} is no regular file", odd.display()));
        }
        let huge = fs_err::File::create(at("huge")).expect("created");
        huge.set_len(1 << 40).expect("a sparse file");
        assert!(read(&at("huge"), 1 << 20).unwrap_err().to_string().contains("is larger than"));
        assert!(read(&at("none"), 4).unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn a_replaced_file_has_another_stamp() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        assert_eq!(stamp(&path), None);
        fs_err::write(&path, "one").expect("written");
        let one = stamp(&path);
        assert_eq!(stamp(&path), one);
        let other = directory.path().join("other");
        fs_err::write(&other, "two").expect("written");
        fs_err::rename(other, &path).expect("replaced");
        assert_ne!(stamp(&path), one);
    }

    #[tokio::test]
    async fn work_that_hangs_is_left_behind_and_bounded() {
        let readers = Readers::default();
        let (release, hanging) = mpsc::channel::<()>();
        let hanging = Arc::new(std::sync::Mutex::new(hanging));
        for _ in 0..AT_A_TIME {
            let hanging = hanging.clone();
            let wait = move || drop(hanging.lock().map(|until| until.recv()));
            let soon = Instant::now() + Duration::from_millis(20);
            assert_eq!(readers.run(soon, (), wait).await, Err(Late::Hanging));
        }
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(readers.run(soon, (), || 1).await, Err(Late::Busy));
        drop(release);
        assert_eq!(readers.run(Instant::now() + DEADLINE, (), || 1).await, Ok(1));
    }
}
