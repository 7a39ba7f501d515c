//! What a token is asked for, as several commands take it.

use clap::Args;

/// Scopes and an audience.
#[derive(Debug, Clone, Default, Args)]
pub struct PurposeArgs {
    /// Scope to ask for; may be repeated, or several separated by blanks
    #[arg(short, long, value_name = "SCOPE")]
    pub scope: Vec<String>,

    /// Audience to ask for; several separated by blanks
    #[arg(long, visible_alias = "audience", value_name = "AUDIENCE")]
    pub aud: Option<String>,
}

impl PurposeArgs {
    /// The scopes, separated by blanks. None at all, and blanks alone, mean the provider's default.
    pub fn scope(&self) -> Option<String> {
        text(&self.scope.join(" "))
    }

    /// The audiences, separated by blanks.
    pub fn audience(&self) -> Option<String> {
        self.aud.as_deref().and_then(text)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.scope.is_empty() && self.aud.is_none()
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
