//! The pages of the login's web server: whole in themselves, so that nothing is loaded from anywhere.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};

const STYLE: &str = include_str!("page.css");

const CHECK_MARK: &str = r#"<circle cx="12" cy="12" r="10"/><path d="m7.5 12.5 3 3 6-6.5"/>"#;
const CROSS: &str = r#"<circle cx="12" cy="12" r="10"/><path d="m8.5 8.5 7 7m0-7-7 7"/>"#;
const QUESTION: &str = r#"<circle cx="12" cy="12" r="10"/><path d="M12 7.5v5.5m0 3.5h.01"/>"#;

/// What a page tells at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It is done.
    Good,
    /// It failed.
    Bad,
    /// Neither: this is not the page to be at.
    Neutral,
}

/// One page. All texts are plain: they are escaped when the page is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Colour and picture.
    pub tone: Tone,
    /// Says what happened.
    pub title: String,
    /// What it says, in order.
    pub blocks: Vec<Block>,
    /// Where the browser goes on at once.
    pub location: Option<String>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// What somebody else said, or what to type: word by word.
    Verbatim(String),
    /// A command for the rare case that the text names; shown when that is clicked on.
    Folded(String, String),
}

impl Page {
    /// A page that says no more than its title and a paragraph.
    pub fn new(status: u16, tone: Tone, title: &str, text: impl Into<String>) -> Self {
        let blocks = vec![Block::Text(text.into())];
        Self { status, tone, title: title.into(), blocks, location: None }
    }

    /// The provider is asked once more: by GET whatever came before (RFC 9110 section 15.4.4).
    pub fn sent_on(location: String) -> Self {
        let text = "The provider is asked once more, for less. Your browser should go there by itself.";
        Self { location: Some(location), ..Self::new(303, Tone::Neutral, "One more step", text) }
    }

    /// The same with a text to be read word by word.
    #[must_use]
    pub fn verbatim(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Verbatim(text.into()));
        self
    }

    /// The same with one more paragraph.
    #[must_use]
    pub fn and(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Text(text.into()));
        self
    }

    /// The same with a command for a rare case.
    #[must_use]
    pub fn folded(mut self, text: &str, command: impl Into<String>) -> Self {
        self.blocks.push(Block::Folded(text.into(), command.into()));
        self
    }

    /// The HTML document.
    pub fn to_html(&self) -> String {
        let (class, picture) = match self.tone {
            Tone::Good => ("good", CHECK_MARK),
            Tone::Bad => ("bad", CROSS),
            Tone::Neutral => ("neutral", QUESTION),
        };
        let title = escape(&self.title);
        let body: String = self.blocks.iter().map(Block::to_html).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\" class=\"{class}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>{title} – oidc-agent</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <svg viewBox=\"0 0 24 24\" aria-hidden=\"true\">{picture}</svg>\n<h1>{title}</h1>\n{body}\
             <footer>oidc-agent on this computer</footer>\n</main>\n</body>\n</html>\n"
        )
    }

    /// The `Content-Security-Policy`: our own style, and nothing else from anywhere.
    pub fn content_security_policy() -> String {
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )
    }
}

impl Block {
    fn to_html(&self) -> String {
        match self {
            Self::Text(text) => format!("<p>{}</p>\n", escape(text)),
            Self::Verbatim(text) => format!("<pre>{}</pre>\n", escape(text)),
            Self::Folded(text, command) => {
                format!(
                    "<details><summary>{}</summary><pre>{}</pre></details>\n",
                    escape(text),
                    escape(command)
                )
            }
        }
    }
}

/// Text as HTML. Characters that steer how text around them is shown are left out.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push('\n'),
            c if c.is_control() => {}
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_markup() {
        let page = Page::new(400, Tone::Bad, "<script>", "a & \"b\"")
            .verbatim("<img src=x onerror=alert(1)>\u{202e}\u{1b}");
        let html = page.to_html();
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.contains(['\u{202e}', '\u{1b}'])
        );
        assert!(html.contains("<pre>&lt;img src=x onerror=alert(1)&gt;</pre>"));
        assert!(html.contains("<p>a &amp; &quot;b&quot;</p>"));
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let html = Page::new(200, Tone::Good, "Done", "It works.").and("Close this.").to_html();
        for forbidden in ["http:", "https:", "//", "url(", "@import", "<script", "style=\""] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("<p>It works.</p>\n<p>Close this.</p>"));
        assert!(Page::content_security_policy().starts_with("default-src 'none'; style-src 'sha256-"));
    }
}
