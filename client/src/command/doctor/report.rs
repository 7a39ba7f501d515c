//! What was found, for people and for programs.

use std::io;

use serde_json::{Value, json};

use super::check::{Finding, State};
use crate::say::{
    exit::Exit,
    output::{Mark, Output},
};

/// How wide the word is that a line begins with.
const WIDTH: usize = 9;

/// All that was found, in the order in which it is told.
#[derive(Debug, Default)]
pub struct Report {
    sections: Vec<(String, Vec<Finding>)>,
}

impl Report {
    /// Adds what was found of one subject.
    pub fn add(&mut self, title: impl Into<String>, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.sections.push((title.into(), findings));
        }
    }

    /// Every finding.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.sections.iter().flat_map(|(_, findings)| findings)
    }

    /// The worst of them.
    pub fn worst(&self) -> State {
        self.findings().map(|finding| finding.seen.state).max().unwrap_or(State::Ok)
    }

    /// How a command ends that found this.
    pub fn exit(&self) -> Exit {
        match self.worst() {
            State::Ok | State::Unchecked => Exit::Success,
            State::Warning => Exit::Warnings,
            State::Problem => Exit::Problems,
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let check = |finding: &Finding| {
            json!({
                "code": finding.code,
                "state": finding.seen.state.as_str(),
                "subject": finding.seen.subject,
                "seen": finding.seen.text,
                "why": finding.why,
                "mend": finding.seen.mend,
            })
        };
        json!({
            "checks": self.findings().map(check).collect::<Vec<_>>(),
            "worst": self.worst().as_str(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// For people: a line each; where something is not as it should be, why that matters and what mends it.
    pub fn print(&self, output: &mut Output) -> io::Result<()> {
        let indent = " ".repeat(WIDTH);
        for (title, findings) in &self.sections {
            output.line(title)?;
            for finding in findings {
                let seen = &finding.seen;
                let (mark, word) = mark(seen.state);
                output.marked_line(mark, &format!("{word:WIDTH$}"), &seen.text)?;
                if seen.state >= State::Warning {
                    output.line(&format!("{indent}[{}] {}", finding.code, finding.why))?;
                }
                if let Some(mend) = seen.mend.as_ref().filter(|_| seen.state != State::Ok) {
                    output.line(&format!("{indent}-> {mend}"))?;
                }
            }
            output.line("")?;
        }
        output.line(&self.summary())
    }

    fn summary(&self) -> String {
        let count = |state| self.findings().filter(|finding| finding.seen.state == state).count();
        let counted = |count, one: &str| match count {
            0 => format!("no {one}s"),
            1 => format!("one {one}"),
            count => format!("{count} {one}s"),
        };
        let unchecked = match count(State::Unchecked) {
            0 => String::new(),
            unchecked => format!(", {unchecked} not checked"),
        };
        let (problems, warnings) = (count(State::Problem), count(State::Warning));
        format!("{}, {}{unchecked}", counted(problems, "problem"), counted(warnings, "warning"))
    }
}

fn mark(state: State) -> (Mark, &'static str) {
    match state {
        State::Ok => (Mark::Good, "ok"),
        State::Unchecked => (Mark::Plain, "unknown"),
        State::Warning => (Mark::Doubtful, "warning"),
        State::Problem => (Mark::Bad, "PROBLEM"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::doctor::check::Seen, say::dialect::Dialect, testing::Captured};

    fn finding(seen: Seen) -> Finding {
        Finding { code: "a_code", why: "it matters", seen }
    }

    fn report(seen: &[Seen]) -> Report {
        let mut report = Report::default();
        report.add("Things", seen.iter().cloned().map(finding).collect());
        report
    }

    #[test]
    fn people_read_what_was_seen_why_it_matters_and_what_mends_it() {
        let seen = [
            Seen::ok("x", "fine").mend("nothing"),
            Seen::unchecked("x", "dark").mend("light"),
            Seen::warning("x", "worn\u{1b}[2J"),
            Seen::problem("x", "broken").mend("glue"),
        ];
        let stdout = Captured::default();
        let mut output =
            Output::new(Dialect::Ours, false, Box::new(stdout.clone()), Box::new(Captured::default()));
        report(&seen).print(&mut output).expect("printed");
        assert_eq!(
            stdout.text(),
            "Things\n\
             ok       fine\n\
             unknown  dark\n         -> light\n\
             warning  worn\\u{1b}[2J\n         [a_code] it matters\n\
             PROBLEM  broken\n         [a_code] it matters\n         -> glue\n\n\
             one problem, one warning, 1 not checked\n"
        );
    }

    #[test]
    fn the_worst_decides_how_it_ends() {
        for (seen, worst, exit) in [
            (vec![], "ok", Exit::Success),
            (vec![Seen::ok("x", "")], "ok", Exit::Success),
            (vec![Seen::unchecked("x", ""), Seen::ok("x", "")], "unchecked", Exit::Success),
            (vec![Seen::warning("x", ""), Seen::ok("x", "")], "warning", Exit::Warnings),
            (vec![Seen::problem("x", ""), Seen::warning("x", "")], "problem", Exit::Problems),
        ] {
            let report = report(&seen);
            assert_eq!((report.to_json()["worst"].as_str(), report.exit()), (Some(worst), exit), "{seen:?}");
        }
    }
}
