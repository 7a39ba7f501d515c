//! What took longer to find out than there was time.

use super::check::{Check, Seen};

/// What took too long, in words.
pub type Facts = Vec<&'static str>;

/// The checks.
pub const CHECKS: &[Check<Facts>] = &[Check {
    code: "timed_out",
    why: "something on the way to it does not answer, such as a network file system: commands hang there too",
    judge: |waited| {
        let seen = |what: &&'static str| {
            Seen::problem(*what, format!("looking at {what} takes too long"))
                .mend("look at the file systems, such as with `df`")
        };
        waited.iter().map(seen).collect()
    },
}];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::{State, state_of};

    #[test]
    fn what_took_too_long_is_told() {
        assert_eq!(state_of(CHECKS, "timed_out", &vec!["the directory"]), Some(State::Problem));
        assert_eq!(state_of(CHECKS, "timed_out", &Vec::new()), None);
    }
}
