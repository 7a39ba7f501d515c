//! What came of a step.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use oidc_tests::{programs::workspace, servers::NotOffered};
use serde_json::{Map, Value, json};

use crate::{known::KNOWN, person::Person, steps::Step};

/// What came of a step.
#[derive(Debug)]
pub enum Outcome {
    /// As it should.
    Works,
    /// The server does not do this.
    NotOffered(&'static str),
    /// A defect of ours that is listed, and how it showed this time.
    Known { what: &'static str, detail: String },
    /// A defect that is not listed, or a listed one that is none any more.
    Unexpected(String),
}

impl Outcome {
    /// Takes a step and compares what happens with what is known.
    pub fn of(server: &str, step: &Step, person: &mut Person) -> Taken {
        let started = Instant::now();
        let outcome = Self::compared(server, step, person);
        Taken { step: step.name, outcome, seconds: started.elapsed().as_secs_f32() }
    }

    fn compared(server: &str, step: &Step, person: &mut Person) -> Self {
        let known = KNOWN.iter().find(|known| known.server == server && known.step == step.name);
        let result = catch_unwind(AssertUnwindSafe(|| (step.run)(person)));
        match (result, known) {
            (Ok(Ok(())), None) => Self::Works,
            (Ok(Ok(())), Some(_)) => Self::Unexpected("works, but is listed in known.rs as a defect".into()),
            (Ok(Err(NotOffered(why))), _) => Self::NotOffered(why),
            (Err(panic), Some(known)) => Self::Known { what: known.what, detail: message(panic.as_ref()) },
            (Err(panic), None) => Self::Unexpected(message(panic.as_ref())),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("works"),
            Self::NotOffered(why) => write!(f, "not offered: {why}"),
            Self::Known { what, .. } => write!(f, "known defect: {what}"),
            Self::Unexpected(detail) => write!(f, "FAILED: {detail}"),
        }
    }
}

/// The text of a panic.
pub fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}

/// A step that was taken.
pub struct Taken {
    pub step: &'static str,
    pub outcome: Outcome,
    pub seconds: f32,
}

/// The outcomes at one server.
pub struct Column {
    pub server: &'static str,
    pub outcomes: Vec<Taken>,
}

impl Column {
    pub fn failures(&self) -> usize {
        self.outcomes.iter().filter(|taken| matches!(taken.outcome, Outcome::Unexpected(_))).count()
    }

    /// Writes everything to `target/interop/SERVER.json`.
    pub fn save(&self) {
        let mut steps = Map::new();
        for taken in &self.outcomes {
            let mut value = match &taken.outcome {
                Outcome::Works => json!({"outcome": "works"}),
                Outcome::NotOffered(why) => json!({"outcome": "not offered", "why": why}),
                Outcome::Known { what, detail } => {
                    json!({"outcome": "known defect", "what": what, "detail": detail})
                }
                Outcome::Unexpected(detail) => json!({"outcome": "failed", "detail": detail}),
            };
            value["seconds"] = json!(taken.seconds);
            steps.insert(taken.step.into(), value);
        }
        let directory = workspace().join("target/interop");
        fs_err::create_dir_all(&directory).expect("a directory for the results");
        let text = serde_json::to_string_pretty(&Value::Object(steps)).expect("JSON");
        let path = directory.join(format!("{}.json", self.server.to_lowercase()));
        fs_err::write(path, text + "\n").expect("a written result");
    }
}
