//! One line of `/proc/PID/stat`, its fields by the numbers that proc(5) gives them.

use std::{io, str::FromStr};

/// The number of the first field behind the name.
const STATE: usize = 3;

/// The fields behind the name of the program, which stands in parentheses and may hold anything.
pub struct ProcStat(String);

impl ProcStat {
    /// Of a process: its number, or `self`. Fails where there is none, or `/proc` hides it.
    pub fn read(process: &str) -> io::Result<Self> {
        let stat = fs_err::read_to_string(format!("/proc/{process}/stat"))?;
        Self::parse(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Of the text; `None` where it has no name.
    pub fn parse(stat: &str) -> Option<Self> {
        stat.rsplit_once(')').map(|(_, fields)| Self(fields.to_owned()))
    }

    /// A field as it stands: from 3, the state. `None` for what the kernel does not tell.
    pub fn field(&self, number: usize) -> Option<&str> {
        self.0.split_ascii_whitespace().nth(number.checked_sub(STATE)?)
    }

    /// A field that is a number.
    pub fn number<T: FromStr>(&self, number: usize) -> Option<T> {
        self.field(number)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_any_name() {
        let stat = ProcStat::parse("9 (a) 1 2) S 7 0 0 34816 -1 4194304\n").expect("a line");
        assert_eq!((stat.field(3), stat.number(4), stat.number(8)), (Some("S"), Some(7), Some(-1)));
        assert_eq!((stat.field(2), stat.field(99), stat.number::<u32>(8)), (None, None, None));
        assert!(ProcStat::parse("9 S 7").is_none());
    }

    #[test]
    fn the_own_parent_is_told() {
        let parent = ProcStat::read("self").expect("our own line").number(4);
        assert_eq!(parent, i32::try_from(std::os::unix::process::parent_id()).ok());
    }
}
