//! The rows, printed as they come. Each group has a time limit: what hangs is said to, and the next group begins.

use std::{sync::mpsc, thread, time::Duration};

use anyhow::Result;

use crate::{say, suite};

/// How long the measurements of one group may take. They take up to a minute.
const LIMIT: Duration = Duration::from_secs(300);

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Of ours, of the C suite's, and of what a machine can do at most.
    pub cells: [String; 3],
}

/// Measures a group of rows and hands over each of them.
pub type Measure = fn(&mut dyn FnMut(Row)) -> Result<()>;

/// What was measured so far.
#[derive(Debug, Default)]
pub struct Table {
    /// In the order of measuring.
    pub rows: Vec<Row>,
    incomplete: bool,
}

impl Row {
    /// Cells of the suites, and what to compare them with.
    pub fn new(name: impl Into<String>, suites: Vec<String>, bare: Option<String>) -> Self {
        let mut suites = suites.into_iter();
        let mut cell = || suites.next().unwrap_or_default();
        Self { name: name.into(), cells: [cell(), cell(), bare.unwrap_or_default()] }
    }

    fn line(&self) -> String {
        let [ours, c, bare] = &self.cells;
        format!("{:<62} {ours:>24} {c:>24} {bare:>24}", self.name)
    }
}

impl Table {
    /// An empty one, with its heading printed.
    pub fn begin() -> Self {
        say(&Row { name: String::new(), cells: ["ours", "C 4.2.6", "bare"].map(Into::into) }.line());
        Self::default()
    }

    /// Measures a group of rows, within [`LIMIT`].
    pub fn group(&mut self, measure: Measure) {
        let (sender, rows) = mpsc::channel();
        let measuring = thread::spawn(move || {
            measure(&mut |row| {
                // Nobody reads on when the time is over.
                let _ = sender.send(row);
            })
        });
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            match rows.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now())) {
                Ok(row) => {
                    say(&row.line());
                    self.rows.push(row);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    say(&format!("bench: given up after {} s", LIMIT.as_secs()));
                    self.incomplete = true;
                    // Its programs would disturb what is measured next.
                    return suite::end_all();
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        match measuring.join() {
            Ok(Ok(())) => return,
            Ok(Err(error)) => say(&format!("bench: {error:#}")),
            Err(_) => say("bench: a measurement panicked"),
        }
        self.incomplete = true;
    }

    /// Whether rows are missing.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }
}
