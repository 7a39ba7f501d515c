//! What the kernel tells of processes in `/proc/PID/stat` (proc(5)).
//!
//! A number is 0 where it is that of a process outside of this PID namespace: in a container, the session and even the
//! process group may have been made out there.

/// Who belongs to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    /// The parent.
    pub parent: i32,
    /// The process group.
    pub group: i32,
    /// The session.
    pub session: i32,
    /// The group in the foreground of the terminal that controls it; -1 without one.
    pub foreground: i32,
}

impl ProcStat {
    /// This process.
    pub fn own() -> Option<Self> {
        Self::at("self")
    }

    /// The process of this number, as long as there is one.
    pub fn of(pid: i32) -> Option<Self> {
        Self::at(&pid.to_string())
    }

    fn at(name: &str) -> Option<Self> {
        Self::parse(&fs_err::read_to_string(format!("/proc/{name}/stat")).ok()?)
    }

    /// `PID (NAME) STATE PPID PGRP SESSION TTY_NR TPGID ...`, and the name may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut numbers = fields.split_ascii_whitespace().skip(1).map(|field| field.parse::<i32>().ok());
        let mut next = || numbers.next().flatten();
        let (parent, group, session, _terminal) = (next()?, next()?, next()?, next()?);
        Some(Self { parent, group, session, foreground: next()? })
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getppid;

    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let expected = ProcStat { parent: 7, group: 0, session: 0, foreground: -1 };
        assert_eq!(ProcStat::parse("9 (a) 1 2) S 7 0 0 34816 -1 4194304"), Some(expected));
        assert_eq!(ProcStat::parse("9 (a) S 7 0"), None);
    }

    #[test]
    fn parents_are_found() {
        let own = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        assert_eq!(ProcStat::own().map(|stat| stat.parent), Some(own));
    }
}
