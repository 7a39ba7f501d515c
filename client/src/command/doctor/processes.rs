//! Processes of this machine, by what `/proc` tells of each to everybody.

/// More processes than are looked through.
const MOST: usize = 200_000;
/// The program's name, ours and the C suite's.
pub const AGENT: &str = "oidc-agent";

/// A process that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub pid: i32,
    /// Its name, of at most 15 bytes.
    pub name: String,
    /// Its effective user.
    pub uid: u32,
}

impl Running {
    /// The process of that number.
    pub fn of(pid: i32) -> Option<Self> {
        read(pid, &fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }

    /// Whether it is an agent of this user.
    pub fn is_agent_of(&self, uid: u32) -> bool {
        self.name == AGENT && self.uid == uid
    }
}

/// The agents of a user, by number.
pub fn agents_of(uid: u32) -> Vec<Running> {
    let Ok(entries) = fs_err::read_dir("/proc") else { return Vec::new() };
    let pids = entries.take(MOST).flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut agents: Vec<_> =
        pids.filter_map(Running::of).filter(|process| process.is_agent_of(uid)).collect();
    agents.sort_by_key(|agent| agent.pid);
    agents
}

/// Reads `/proc/PID/status`: proc(5). One that has ended and was not waited for is none.
fn read(pid: i32, status: &str) -> Option<Running> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let uid = field("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
    let is_running = !field("State:")?.starts_with('Z');
    is_running.then_some(Running { pid, name: field("Name:")?.to_owned(), uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_no_agent() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let own = Running::of(pid).expect("it runs");
        assert!(own.pid == pid && !own.is_agent_of(own.uid));
        assert!(!agents_of(own.uid).contains(&own));
    }

    #[test]
    fn what_has_ended_is_no_process() {
        let status = "Name:\toidc-agent\nState:\tS (sleeping)\nUid:\t1\t1000\t1\t1\n";
        assert!(read(7, status).is_some_and(|agent| agent.is_agent_of(1000) && !agent.is_agent_of(1)));
        assert_eq!(read(7, &status.replace("S (sleeping)", "Z (zombie)")), None);
        assert_eq!(read(7, ""), None);
    }
}
