//! What a check is, and what it says: data, so that all of them are listed, documented and tested in the same way.

/// How it stands with one thing, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// Nobody could tell.
    Unchecked,
    /// It works, and may soon not, or not everywhere.
    Warning,
    /// It stands in the way.
    Problem,
}

impl State {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unchecked => "unchecked",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that is looked at: a pure function of what was gathered. `F`: the facts of its subject.
pub struct Check<F: 'static> {
    /// Its name for programs: never changed once released.
    pub code: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What there is to say; nothing where it does not apply.
    pub judge: fn(&F) -> Vec<Seen>,
}

/// What a check has seen. Never a secret: it goes into tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How it stands.
    pub state: State,
    /// What it is about: a variable, a path, an account, an issuer.
    pub subject: String,
    /// What was seen, a sentence without its stop.
    pub text: String,
    /// What mends it, a command where one does.
    pub mend: Option<String>,
}

/// What a check has seen, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's code.
    pub code: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What was seen.
    pub seen: Seen,
}

impl Seen {
    /// As it should be.
    pub fn ok(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Ok, subject, text)
    }

    /// Nobody could tell.
    pub fn unchecked(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Unchecked, subject, text)
    }

    /// It may soon not work.
    pub fn warning(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Warning, subject, text)
    }

    /// It stands in the way.
    pub fn problem(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(State::Problem, subject, text)
    }

    fn new(state: State, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { state, subject: subject.into(), text: text.into(), mend: None }
    }

    /// With what mends it.
    #[must_use]
    pub fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

/// All that these checks have to say of the facts, in their order.
pub fn judge<F>(checks: &'static [Check<F>], facts: &F) -> Vec<Finding> {
    let of = |check: &'static Check<F>| {
        let named = |seen| Finding { code: check.code, why: check.why, seen };
        (check.judge)(facts).into_iter().map(named)
    };
    checks.iter().flat_map(of).collect()
}

/// The state that the check of this code comes to; `None` where it says nothing. For tests.
#[cfg(test)]
pub fn state_of<F>(checks: &'static [Check<F>], code: &str, facts: &F) -> Option<State> {
    assert!(checks.iter().any(|check| check.code == code), "there is no check {code}");
    let findings = judge(checks, facts).into_iter().filter(|finding| finding.code == code);
    findings.map(|finding| finding.seen.state).max()
}
