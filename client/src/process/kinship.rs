//! Which process belongs to whom, by the kernel's word.
//!
//! A number is 0 where it is that of a process outside of this PID namespace: in a container, the session and even the
//! process group may have been made out there.

use oidc_proto::proc_stat;

/// Who a process belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinship {
    /// The parent.
    pub parent: i32,
    /// The process group.
    pub group: i32,
    /// The session.
    pub session: i32,
    /// The group in the foreground of the terminal that controls it; -1 without one.
    pub foreground: i32,
}

impl Kinship {
    /// This process.
    pub fn own() -> Option<Self> {
        Self::at("self")
    }

    /// The process of this number, as long as there is one.
    pub fn of(pid: i32) -> Option<Self> {
        Self::at(&pid.to_string())
    }

    fn at(name: &str) -> Option<Self> {
        Self::from_fields(&proc_stat::ProcStat::read(name).ok()?)
    }

    /// `ppid`, `pgrp`, `session` and `tpgid` of proc(5).
    fn from_fields(stat: &proc_stat::ProcStat) -> Option<Self> {
        Some(Self {
            parent: stat.number(4)?,
            group: stat.number(5)?,
            session: stat.number(6)?,
            foreground: stat.number(8)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getppid;

    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let parse = |text| Kinship::from_fields(&proc_stat::ProcStat::parse(text)?);
        let expected = Kinship { parent: 7, group: 0, session: 0, foreground: -1 };
        assert_eq!(parse("9 (a) 1 2) S 7 0 0 34816 -1 4194304"), Some(expected));
        assert_eq!(parse("9 (a) S 7 0"), None);
    }

    #[test]
    fn parents_are_found() {
        let own = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        assert_eq!(Kinship::own().map(|stat| stat.parent), Some(own));
    }
}
