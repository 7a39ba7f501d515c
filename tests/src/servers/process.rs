//! A server as a process: its log, until when it is waited for, how it ends.

use std::{
    fs::File,
    iter,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{http, programs::ends_with_us};

/// From the start until the first good answer: a Java server that makes its database on a busy machine fits in.
const READY: Duration = Duration::from_secs(240);
/// From the request to end until the end.
const END: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Where the ports for servers begin, and how many there are: the kernel's own begin at 32768 (`ip_local_port_range`).
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;
/// How much of a log is shown of a server that does not come up.
const SHOWN_LINES: usize = 30;

/// A running server; ends when dropped.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts `command` in a process group of its own and appends what it prints to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(super) fn start(command: &Command, log: PathBuf) -> Self {
        let output: File =
            fs_err::OpenOptions::new().create(true).append(true).open(&log).expect("a log").into_parts().0;
        let copy = output.try_clone().expect("a second descriptor");
        let mut wrapped = ends_with_us(command);
        wrapped.stdin(Stdio::null()).stdout(output).stderr(copy).process_group(0);
        let child = wrapped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log }
    }

    /// Waits until `GET url` is answered without an error.
    ///
    /// # Panics
    /// When the server ends before, or the deadline passes; the end of its log is in the message.
    pub(super) fn wait_until_ready(&mut self, url: &str) {
        self.wait_until(url, || {
            http::get(url).send().is_ok_and(|response| (200..400).contains(&response.status))
        });
    }

    /// Waits until somebody listens at a port of 127.0.0.1: for a server that does so when it is ready.
    ///
    /// # Panics
    /// As [`ServerProcess::wait_until_ready`].
    pub(super) fn wait_until_listening(&mut self, port: u16) {
        let address = format!("127.0.0.1:{port}");
        self.wait_until(&address, || TcpStream::connect(&address).is_ok());
    }

    fn wait_until(&mut self, address: &str, is_ready: impl Fn() -> bool) {
        let end = Instant::now() + READY;
        while !is_ready() {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the server ended ({status}):\n{}", self.end_of_log());
            }
            assert!(Instant::now() < end, "no good answer from {address}:\n{}", self.end_of_log());
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Asks the server to end and waits until it has; one that takes too long is killed.
    pub(super) fn stop(&mut self) {
        // Errors mean that it has ended already.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let end = Instant::now() + END;
        while self.child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < end {
            thread::sleep(LOOK_AGAIN);
        }
        self.kill();
    }

    fn kill(&mut self) {
        // An error means that nobody is left.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }

    fn end_of_log(&self) -> String {
        let log = fs_err::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ports of 127.0.0.1 that nobody listens on at the moment: an issuer's URL has to be known before its server starts. They are
/// none of those that the kernel gives to outgoing connections, so that nothing else has them when a server is started again.
///
/// # Panics
/// When there are none.
pub(super) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Runs beside this one begin elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(PORTS)).expect("less than a number of ports");
    [(); COUNT].map(|()| {
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let candidates = iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed)).take(PORTS.into());
        let mut ports = candidates.map(|next| FIRST_PORT + (begin + next % PORTS) % PORTS);
        ports.find(is_free).expect("a free port")
    })
}
