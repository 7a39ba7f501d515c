//! How others are told that something happened to a managed file: a program or a signal, after the file is as they are told.
//!
//! Events of an entry that come while its hook runs become one, the last; entries do not wait for each other beyond
//! [`MOST_AT_ONCE`]. A hook that fails is tried again, ever later, and given up until the next event; nothing else depends on it.

use std::{ffi::OsString, io::Read, os::unix::fs::MetadataExt, path::Path, process::Stdio, time::Duration};

use oidc_proto::{
    files::entry::{Action, Event, Hook},
    message::HookOutcome,
};
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::{process::Command, time::timeout};

/// Programs that run at the same time.
pub const MOST_AT_ONCE: usize = 8;
/// Tries for one event.
pub const TRIES: u32 = 6;
/// The pause after the first one, which doubles.
pub const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// What a program has to end by itself when it is told to.
const GRACE: Duration = Duration::from_secs(5);
/// All that programs get of the agent's environment.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// What a hook is told; never a token.
#[derive(Debug, Clone)]
pub struct Told {
    /// What happened.
    pub event: Event,
    /// The file, or where else the token goes.
    pub file: OsString,
    /// The account.
    pub account: String,
    /// When the token that is there ends, in seconds since the epoch.
    pub expires_at: Option<u64>,
}

/// How a hook went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Went {
    /// In one word.
    pub outcome: HookOutcome,
    /// What is known beyond that.
    pub detail: Option<String>,
}

impl Went {
    fn done() -> Self {
        Self { outcome: HookOutcome::Done, detail: None }
    }

    fn failed(detail: impl Into<String>) -> Self {
        Self { outcome: HookOutcome::Failed, detail: Some(detail.into()) }
    }
}

/// The event as hooks are told.
pub fn name(event: Event) -> &'static str {
    match event {
        Event::Created => "created",
        Event::Renewed => "renewed",
        Event::Expired => "expired",
        Event::LoginNeeded => "login-needed",
    }
}

/// Tells others once.
pub async fn tell(hook: &Hook, told: &Told) -> Went {
    match &hook.action {
        Action::Run(argv) => run(argv, hook.timeout, told).await,
        Action::Signal { pid_file, signal } => {
            let (pid_file, signal) = (pid_file.clone(), *signal);
            let sent = tokio::task::spawn_blocking(move || send(&pid_file, signal)).await;
            sent.unwrap_or_else(|error| Err(error.to_string())).map_or_else(Went::failed, |()| Went::done())
        }
    }
}

async fn run(argv: &[String], longest: Duration, told: &Told) -> Went {
    let Some((program, arguments)) = argv.split_first() else { return Went::failed("no program is named") };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
        .env("OIDC_FILE", &told.file)
        .env("OIDC_EVENT", name(told.event))
        .env("OIDC_ACCOUNT", &told.account);
    if let Some(expires_at) = told.expires_at {
        command.env("OIDC_EXPIRES_AT", expires_at.to_string());
    }
    // A group of its own, which ends as a whole.
    let spawned = command.current_dir("/").process_group(0).kill_on_drop(true).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Went::failed(format!("'{program}' could not be started: {error}")),
    };
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let end = |signal| group.map(|group| kill_process_group(group, signal));
    if let Ok(status) = timeout(longest, child.wait()).await {
        return match status {
            Ok(status) if status.success() => Went::done(),
            Ok(status) => Went::failed(status.to_string()),
            Err(error) => Went::failed(error.to_string()),
        };
    }
    // Until it is waited for its number is nobody else's.
    end(Signal::TERM);
    if timeout(GRACE, child.wait()).await.is_err() {
        end(Signal::KILL);
        let _ = timeout(GRACE, child.wait()).await;
    }
    let detail = format!("it was ended after {} seconds", longest.as_secs());
    Went { outcome: HookOutcome::TimedOut, detail: Some(detail) }
}

/// Signals the process whose number a file holds, if it is this user's.
fn send(pid_file: &Path, signal: i32) -> Result<(), String> {
    const LONGEST: u64 = 64;
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", pid_file.display());
    let file = fs_err::File::open(pid_file).map_err(|error| told(&error))?;
    let metadata = file.metadata().map_err(|error| told(&error))?;
    let (user, owner) = (geteuid().as_raw(), metadata.uid());
    if !metadata.is_file() || (owner != user && owner != 0) || metadata.mode() & 0o022 != 0 {
        return Err(told(&"it must be a file that only this user or root can write"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| told(&error))?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| told(&"it holds no process id"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())
        .map_err(|error| told(&format!("process {}: {error}", pid.as_raw_nonzero())))?;
    // Looked at under the pidfd: were it another process by now, the signal would reach nobody.
    let uid =
        fs_err::metadata(format!("/proc/{}", pid.as_raw_nonzero())).map_err(|error| told(&error))?.uid();
    if uid != user {
        return Err(told(&format!("process {} belongs to another user (uid {uid})", pid.as_raw_nonzero())));
    }
    let signal =
        Signal::from_named_raw(signal).ok_or_else(|| told(&format!("there is no signal {signal}")))?;
    pidfd_send_signal(&pidfd, signal).map_err(|error| told(&error))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Instant};

    use super::*;

    fn told() -> Told {
        Told { event: Event::Renewed, file: "/run/t".into(), account: "acc".into(), expires_at: Some(7) }
    }

    fn hook(argv: &[&str], timeout: Duration) -> Hook {
        let action = Action::Run(argv.iter().map(ToString::to_string).collect());
        Hook { on: vec![Event::Renewed], action, timeout }
    }

    #[tokio::test]
    async fn a_program_is_told_what_happened_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let out = directory.path().join("out");
        let script = "env | sort > \"$1\"";
        let hook = hook(&["sh", "-c", script, "sh", out.to_str().expect("text")], Duration::from_secs(30));
        assert_eq!(tell(&hook, &told()).await, Went::done());
        let seen = fs_err::read_to_string(&out).expect("written");
        for line in ["OIDC_ACCOUNT=acc", "OIDC_EVENT=renewed", "OIDC_EXPIRES_AT=7", "OIDC_FILE=/run/t"] {
            assert!(seen.lines().any(|other| other == line), "{line} is missing in {seen}");
        }
        // A shell adds some of its own.
        let allowed = |name: &str| {
            PASSED_ON.contains(&name)
                || name.starts_with("OIDC_")
                || ["PWD", "SHLVL", "_", "OLDPWD"].contains(&name)
        };
        for line in seen.lines() {
            assert!(line.split('=').next().is_some_and(allowed), "{line}");
        }
    }

    #[tokio::test]
    async fn failures_are_told() {
        let long = Duration::from_secs(30);
        assert_eq!(tell(&hook(&["false"], long), &told()).await, Went::failed("exit status: 1"));
        let missing = tell(&hook(&["/nonexistent/x"], long), &told()).await;
        assert_eq!(missing.outcome, HookOutcome::Failed);
        assert!(missing.detail.is_some_and(|detail| detail.contains("could not be started")));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended_with_its_children() {
        let directory = tempfile::tempdir().expect("a directory");
        let pids = directory.path().join("pids");
        let script = "sleep 1000 & echo $! > \"$1\"; wait";
        let hook = hook(&["sh", "-c", script, "sh", pids.to_str().expect("text")], Duration::from_secs(2));
        let began = Instant::now();
        assert_eq!(tell(&hook, &told()).await.outcome, HookOutcome::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(30));
        let child = fs_err::read_to_string(&pids).expect("it had begun");
        let gone = || {
            let stat = fs_err::read_to_string(format!("/proc/{}/stat", child.trim()));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        while !gone() {
            assert!(began.elapsed() < Duration::from_secs(60), "the child lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_signal_goes_to_a_process_of_this_user_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let pid_file = directory.path().join("pid");
        let hook = |signal| Hook {
            on: vec![Event::Renewed],
            action: Action::Signal { pid_file: pid_file.clone(), signal },
            timeout: Duration::from_secs(1),
        };
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("it runs");
        for text in ["", "0", "-1", "1", "4194304999", "no number"] {
            fs_err::write(&pid_file, text).expect("written");
            assert_eq!(tell(&hook(libc::SIGTERM), &told()).await.outcome, HookOutcome::Failed, "{text}");
        }
        fs_err::write(&pid_file, format!("{}\n", child.id())).expect("written");
        fs_err::set_permissions(&pid_file, std::fs::Permissions::from_mode(0o666)).expect("changed");
        assert_eq!(
            tell(&hook(libc::SIGTERM), &told()).await.outcome,
            HookOutcome::Failed,
            "anybody can write it"
        );
        fs_err::set_permissions(&pid_file, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert_eq!(tell(&hook(libc::SIGTERM), &told()).await, Went::done());
        assert!(!child.wait().expect("ended").success());
    }
}
