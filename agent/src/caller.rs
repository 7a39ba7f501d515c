//! Who asks: what the kernel knows of the process at the other end of a connection.
//!
//! User, group and process id are of the moment of its connect. What else there is to know of the process stands below
//! `/proc` and is read when somebody wants to know it, under a pidfd that proves whose it is.

use std::{
    io::{self, Read},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use oidc_proto::{
    peer::{self, Peer},
    proc_stat::ProcStat,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{major, minor},
    process::{getegid, geteuid},
};
use tokio::time::timeout;

/// Reading `/proc` takes microseconds, unless the process has made its memory a place where reads hang.
const READING: Duration = Duration::from_secs(2);
/// What is read of a file of `/proc`, in bytes.
const MAX_READ: u64 = 64 * 1024;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// User, group and process.
    pub peer: Peer,
    /// What that user is here.
    pub role: Role,
    way: Way<'a>,
}

/// How somebody came in.
#[derive(Debug, Clone, Copy)]
enum Way<'a> {
    /// By this connection to the agent's socket.
    Socket(BorrowedFd<'a>),
    /// By the agent's own page, in a browser.
    Page,
    /// Not at all: the agent itself.
    Within,
}

/// What somebody who came in is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The agent's user, or root, who could read the agent's memory anyway.
    Owner,
    /// Of the group of `--with-group`: gets access tokens of what the owner has loaded.
    Member,
}

/// A process that asks, as far as it could be found out. Texts are as the system has them: not escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: Option<i32>,
    /// Its file, by the kernel's word.
    pub executable: Option<Executable>,
    /// Which file that is, whatever it is called. Unknown of other users' processes.
    pub file: Option<FileId>,
    /// When it began, in ticks since the machine was started (`proc_pid_stat(5)`, field 22). With its number it is this process
    /// and none that gets the number later.
    pub began: Option<u64>,
    /// Its arguments, separated by blanks. The process can write whatever it likes there.
    pub command_line: Option<String>,
    /// The terminal in whose foreground it runs.
    pub terminal: Option<PathBuf>,
    /// The systemd unit that it runs in.
    pub unit: Option<String>,
    /// What its environment, as it began, says about displays and terminals; of this agent's user only.
    pub environment: Vec<(String, String)>,
}

/// What a process runs, by its name. The kernel tells the name that the file has where the process sees it: in a mount
/// namespace of one's own, which every user may have, any file has any name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// The name.
    pub path: String,
    /// What it is worth.
    pub standing: Standing,
}

/// Whether a process's file is the one that has its name for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is, by device and inode.
    Here,
    /// The name was deleted or replaced, the kernel says.
    Deleted,
    /// Another file has this name here, or none has.
    Elsewhere,
}

impl Executable {
    /// As `/proc/PID/exe` has it, which names a deleted file as one.
    fn new(link: &Path, file: Option<FileId>) -> Self {
        let path = link.to_string_lossy().into_owned();
        if file.is_some() && FileId::of(link) == file {
            return Self { path, standing: Standing::Here };
        }
        match path.strip_suffix(" (deleted)") {
            Some(before) => Self { path: before.to_owned(), standing: Standing::Deleted },
            None => Self { path, standing: Standing::Elsewhere },
        }
    }
}

/// A file by its device and inode, which no renaming changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file of this device and inode.
    pub fn new(device: u64, inode: u64) -> Self {
        Self { device, inode }
    }

    /// The file at a path, or behind the link there.
    fn of(path: &Path) -> Option<Self> {
        fs_err::metadata(path).ok().map(|file| Self::new(file.dev(), file.ino()))
    }

    /// Device and inode.
    pub fn parts(self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

impl<'a> Caller<'a> {
    /// The other end of `socket`.
    pub fn new(peer: Peer, role: Role, socket: BorrowedFd<'a>) -> Self {
        Self { peer, role, way: Way::Socket(socket) }
    }

    /// The agent's user, in a browser at the agent's own page. Which process that browser is remains unknown.
    pub fn at_page() -> Caller<'static> {
        let peer = Peer { uid: geteuid().as_raw(), gid: getegid().as_raw(), pid: None };
        Caller { peer, role: Role::Owner, way: Way::Page }
    }

    /// The agent itself, which keeps files fresh.
    pub fn itself() -> Caller<'static> {
        Caller { way: Way::Within, ..Self::at_page() }
    }

    /// Whether it is that page.
    pub fn is_at_page(&self) -> bool {
        matches!(self.way, Way::Page)
    }

    /// The agent's user, by a process that cannot be seen.
    #[cfg(test)]
    pub fn unseen() -> Caller<'static> {
        let peer = Peer { uid: geteuid().as_raw(), gid: 0, pid: None };
        Caller { peer, role: Role::Owner, way: Way::Socket(rustix::stdio::stdin()) }
    }

    /// Whether it has closed its connection: nobody reads the answer any more.
    pub fn is_gone(&self) -> bool {
        let Way::Socket(socket) = self.way else { return false };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut watched = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
        let polled = poll(&mut watched, Some(&now));
        polled.is_err() || watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    /// What is known of the process; nothing if it has ended, or is of another PID namespace.
    pub async fn process(&self) -> Process {
        let peer = self.peer;
        let Way::Socket(socket) = self.way else { return Process::default() };
        let (Some(pid), Ok(pidfd)) = (peer.pid, peer::pidfd(socket)) else { return Process::default() };
        let read = tokio::task::spawn_blocking(move || {
            let process = Process::read(pid, peer.uid);
            if is_running(&pidfd) { process } else { Process::default() }
        });
        timeout(READING, read).await.ok().and_then(Result::ok).unwrap_or_default()
    }
}

/// Whether a process has not ended: then its number has been nobody else's so far.
fn is_running(pidfd: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)) == Ok(0)
}

impl Process {
    fn read(pid: i32, uid: u32) -> Self {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let text = |name: &str| read(&directory.join(name)).ok();
        let words = |bytes: String| bytes.trim_end_matches('\0').replace('\0', " ");
        let stat = text("stat");
        let exe = directory.join("exe");
        let file = FileId::of(&exe);
        let link = fs_err::read_link(&exe).ok();
        let environment = || if uid == geteuid().as_raw() { text("environ") } else { None };
        Self {
            pid: Some(pid),
            executable: link.map(|link| Executable::new(&link, file)),
            command_line: text("cmdline").map(words).filter(|words| !words.is_empty()),
            file,
            began: stat.as_deref().and_then(ProcStat::parse).and_then(|stat| stat.number(22)),
            terminal: stat.as_deref().and_then(terminal),
            unit: text("cgroup").as_deref().and_then(unit),
            environment: environment().as_deref().map(variables).unwrap_or_default(),
        }
    }

    /// A variable of its environment, if it is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What says how to reach the person, and nothing else: an environment may hold secrets.
fn variables(environ: &str) -> Vec<(String, String)> {
    const WANTED: [&str; 10] = [
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "GPG_TTY",
        "TERM",
        "XDG_RUNTIME_DIR",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LC_MESSAGES",
    ];
    let pairs = environ.split('\0').filter_map(|entry| entry.split_once('='));
    let wanted = pairs.filter(|(name, _)| WANTED.contains(name));
    wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The terminal that controls a process in its foreground (`pgrp`, `tty_nr` and `tpgid` of proc(5)): of one in the
/// background somebody else reads what is typed.
fn terminal(stat: &str) -> Option<PathBuf> {
    let stat = ProcStat::parse(stat)?;
    let (group, device, foreground) = (stat.field(5)?, stat.number::<u64>(7)?, stat.field(8)?);
    if group != foreground {
        return None;
    }
    let path = terminal_path(major(device), minor(device))?;
    // The device of that number must be the one at the path: in a container it may be another one.
    (path.metadata().ok()?.rdev() == device).then_some(path)
}

/// Numbers as of the kernel's list of devices: consoles, serial lines, pseudo-terminals.
fn terminal_path(major: u32, minor: u32) -> Option<PathBuf> {
    const PTS: std::ops::RangeInclusive<u32> = 136..=143;
    match major {
        4 if minor < 64 => Some(format!("/dev/tty{minor}").into()),
        4 => Some(format!("/dev/ttyS{}", minor - 64).into()),
        _ if PTS.contains(&major) => Some(format!("/dev/pts/{}", minor + 256 * (major - PTS.start())).into()),
        _ => None,
    }
}

/// The innermost unit in the path of systemd's hierarchy (cgroups(7)).
fn unit(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| match line.splitn(3, ':').collect::<Vec<_>>()[..] {
        ["0", "", path] | [_, "name=systemd", path] => Some(path),
        _ => None,
    })?;
    let is_unit = |part: &&str| [".service", ".scope"].iter().any(|kind| part.ends_with(kind));
    path.rsplit('/').find(is_unit).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::{fd::AsFd, unix::net::UnixStream};

    use super::*;

    #[tokio::test]
    async fn the_process_at_the_other_end_is_known() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let peer = Peer::of(&ours).expect("credentials");
        let process = Caller::new(peer, Role::Owner, ours.as_fd()).process().await;
        let this = std::env::current_exe().expect("a path");
        let named = Executable { path: this.to_str().expect("text").to_owned(), standing: Standing::Here };
        assert_eq!(process.executable, Some(named));
        assert!(process.command_line.is_some() && process.began.is_some());
        let file = fs_err::metadata(&this).expect("a file");
        assert_eq!(process.file, Some(FileId { device: file.dev(), inode: file.ino() }));
    }

    #[tokio::test]
    async fn an_ended_process_is_nobody() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let script = "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])";
        let mut child =
            std::process::Command::new("python3").args(["-c", script]).arg(&path).spawn().expect("it runs");
        let (stream, _) = listener.accept().expect("accepted");
        child.wait().expect("ended");
        let peer = Peer::of(&stream).expect("credentials");
        let process = Caller::new(peer, Role::Owner, stream.as_fd()).process().await;
        assert_eq!(process, Process::default());
    }

    #[test]
    fn a_name_is_the_files_or_said_not_to_be() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
        let (program, other) = (path("program"), path("other (deleted)"));
        fs_err::write(&program, "").expect("written");
        fs_err::write(&other, "").expect("written");
        let id = |path: &str| FileId::of(Path::new(path));
        for (link, file, name, standing) in [
            (&program, id(&program), &program, Standing::Here),
            (&other, id(&other), &other, Standing::Here),
            (&program, id(&other), &program, Standing::Elsewhere),
            (&program, None, &program, Standing::Elsewhere),
            (&path("absent"), id(&other), &path("absent"), Standing::Elsewhere),
            (&other, id(&program), &path("other"), Standing::Deleted),
            (&path("absent (deleted)"), id(&program), &path("absent"), Standing::Deleted),
        ] {
            let expected = Executable { path: name.clone(), standing };
            assert_eq!(Executable::new(Path::new(link), file), expected, "{link}");
        }
    }

    #[test]
    fn devices_have_paths() {
        for (major, minor, path) in
            [(136, 3, "/dev/pts/3"), (137, 1, "/dev/pts/257"), (4, 1, "/dev/tty1"), (4, 64, "/dev/ttyS0")]
        {
            assert_eq!(terminal_path(major, minor), Some(path.into()));
        }
        assert_eq!(terminal_path(0, 0), None);
    }

    #[test]
    fn a_name_cannot_shift_the_fields() {
        assert_eq!(
            terminal("7 (a) 1 2 3 34816 x) S 1 7 7 0 -1"),
            None,
            "no terminal, whatever the name says"
        );
    }

    #[test]
    fn the_innermost_unit_counts() {
        for (cgroup, expected) in [
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/job.service\n", Some("job.service")),
            ("0::/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
            ("2:cpu:/x\n1:name=systemd:/system.slice/sshd.service/inner\n", Some("sshd.service")),
            ("0::/", None),
            ("", None),
        ] {
            assert_eq!(unit(cgroup).as_deref(), expected, "{cgroup}");
        }
    }

    #[test]
    fn only_what_leads_to_the_person_is_kept_of_an_environment() {
        let kept = variables("OIDC_ENCRYPTION_PW=secret\0DISPLAY=:0\0TERM=xterm\0broken\0");
        assert_eq!(kept, [("DISPLAY".to_owned(), ":0".to_owned()), ("TERM".to_owned(), "xterm".to_owned())]);
    }
}
