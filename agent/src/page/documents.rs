//! The parts of the page, which are the same for everybody and hold no secret: a document, its style, its picture and its script.

use http_body_util::Full;
use hyper::{
    Response,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};

use crate::web::response::response;

/// Nothing from anywhere else, nothing within the document, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A part of the page.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

static DOCUMENTS: [Document; 9] = [
    Document { path: "/", content_type: HTML, text: include_str!("files/page.html") },
    Document { path: "/page.css", content_type: CSS, text: include_str!("files/page.css") },
    Document { path: "/page.svg", content_type: SVG, text: include_str!("files/page.svg") },
    Document { path: "/page.js", content_type: SCRIPT, text: include_str!("files/page.js") },
    Document { path: "/account.js", content_type: SCRIPT, text: include_str!("files/account.js") },
    Document { path: "/ask.js", content_type: SCRIPT, text: include_str!("files/ask.js") },
    Document { path: "/inspect.js", content_type: SCRIPT, text: include_str!("files/inspect.js") },
    Document { path: "/say.js", content_type: SCRIPT, text: include_str!("files/say.js") },
    Document { path: "/words.js", content_type: SCRIPT, text: include_str!("files/words.js") },
];

impl Document {
    /// The part at this path.
    pub fn find(path: &str) -> Option<&'static Self> {
        DOCUMENTS.iter().find(|document| document.path == path)
    }

    /// The answer that holds it.
    pub fn to_response(&self) -> Response<Full<Bytes>> {
        guarded(response(200, self.content_type, self.text))
    }
}

/// With what keeps a browser from doing anything else with an answer.
pub fn guarded(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("permissions-policy"), "clipboard-write=(self), clipboard-read=()"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_from_anywhere_and_nothing_is_put_in_as_markup() {
        for document in &DOCUMENTS {
            // What is shown, or names a dialect, and is never loaded.
            let text = document
                .text
                .replace("https://service.example/", "")
                .replace("http://www.w3.org/2000/svg", "");
            let forbidden = [
                "http://", "https://", "url(", "@import", "style=\"", "<style", "onclick", "onload",
                "onerror",
            ];
            for forbidden in forbidden {
                assert!(!text.contains(forbidden), "{} has {forbidden}", document.path);
            }
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacent",
                "document.write",
                "eval(",
                "Function(",
                "localStorage",
                "sessionStorage",
            ] {
                assert!(!document.text.contains(forbidden), "{} has {forbidden}", document.path);
            }
        }
        let page = Document::find("/").expect("a page").text;
        assert_eq!(page.matches("<script").count(), 1);
        assert!(
            page.contains(r#"<script src="page.js" type="module"></script>"#),
            "and that one is not inline"
        );
    }

    #[test]
    fn every_script_that_is_imported_is_there() {
        for document in &DOCUMENTS {
            for import in document.text.lines().filter(|line| line.starts_with("import ")) {
                let path = import.split('"').nth(1).and_then(|path| path.strip_prefix('.')).expect("a path");
                assert!(Document::find(path).is_some(), "{import}");
            }
        }
    }
}
