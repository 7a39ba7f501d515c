//! What is wrong with a token, for a person and for a script.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Some services accept the token, others do not; or it is only odd.
    Warning,
    /// A service has to refuse the token.
    Error,
}

impl Severity {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For scripts: it stays, whatever becomes of the text. `docs/inspect.md` lists them.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What would have to be different. Quotes the token: to be escaped before it is shown.
    pub text: String,
}

impl Problem {
    /// A problem for which the token has to be refused.
    pub fn error(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, text: text.into() }
    }

    /// A problem that some mind.
    pub fn warning(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, severity: Severity::Warning, text: text.into() }
    }

    /// Whether the token has to be refused for it.
    pub fn refuses(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A text of the token within a sentence: in quotation marks, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const MAX: usize = 100;
    match text.char_indices().nth(MAX) {
        None => format!("'{text}'"),
        Some((end, _)) => format!("'{}…'", &text[..end]),
    }
}
