//! What a request must look like before anybody looks into it: right in every header, or it gets nothing.
//!
//! Against a page of another site, in the person's own browser: `Origin` and `Sec-Fetch-Site` (Fetch Metadata) say where
//! a request comes from, the type of its body and its own header cannot be sent from elsewhere without being asked for
//! first (CORS), and never is that allowed. Against another name for this computer (DNS rebinding): `Host` is the address
//! as it is served, and nothing else.

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName},
    http::request::Parts,
};

use super::documents::Document;

/// What the page's script sends the word in that it was given when it opened.
pub const WORD: &str = "x-oidc-page";
/// Most cookies of our name that are looked at.
const MAX_COOKIES: usize = 8;

/// What somebody wants, who has come as far as this.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A part of the page, which is the same for everybody.
    Document(&'static Document),
    /// A page opens: by the secret in the body, or, loaded again, by a cookie.
    Open {
        /// Cookies of our name.
        cookies: Vec<String>,
    },
    /// An open page asks.
    Call {
        /// What for.
        call: Call,
        /// Cookies of our name.
        cookies: Vec<String>,
        /// What it was given when it opened.
        word: String,
    },
}

/// What an open page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The accounts and what is known of them.
    State,
    /// A token.
    Token,
    /// What a pasted token says, and whether it can be believed.
    Inspect,
    /// That the page ends.
    End,
}

/// Why somebody gets nothing. It is logged, and not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another name, or none, or several.
    #[error("it is for another host")]
    Host,
    /// No such path, or another method there.
    #[error("there is nothing at that path by that method")]
    Path,
    /// From a page of another site, or of another port.
    #[error("it comes from another page")]
    Origin,
    /// Not what only our script sends.
    #[error("its body is not declared as JSON")]
    ContentType,
    /// Without cookie or word, or with wrong ones; or with a secret that is wrong, too old, or was used.
    #[error("it does not come from a page that was let in")]
    Session,
    /// Not JSON, not what was expected, too long or too slow.
    #[error("its body cannot be used")]
    Body,
    /// The page has ended meanwhile.
    #[error("the page has ended")]
    Ended,
}

impl Refusal {
    /// The HTTP status, which is all that is told.
    pub fn status(self) -> u16 {
        match self {
            Self::Path => 404,
            _ => 403,
        }
    }
}

/// The rules, for a page at this port.
pub struct Gate {
    authority: String,
    origin: String,
    cookie: String,
}

impl Gate {
    /// For a page at this port of 127.0.0.1.
    pub fn new(port: u16) -> Self {
        let authority = format!("127.0.0.1:{port}");
        // Cookies know no ports: two agents must not take each other's.
        Self { origin: format!("http://{authority}"), authority, cookie: format!("oidc-page-{port}") }
    }

    /// The name of the cookie.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Judges what came before the body.
    pub fn judge(&self, request: &Parts) -> Result<Wanted, Refusal> {
        let headers = &request.headers;
        let is_for_us = only(headers, &header::HOST)? == Some(&self.authority);
        // A whole URL as the target would be for a proxy.
        if !is_for_us || request.uri.authority().is_some() {
            return Err(Refusal::Host);
        }
        let path = request.uri.path_and_query().map_or("", |target| target.as_str());
        match request.method {
            Method::GET => {
                let document = Document::find(path).ok_or(Refusal::Path)?;
                is_from(headers, &["same-origin", "none"])?;
                Ok(Wanted::Document(document))
            }
            Method::POST => self.judge_post(path, headers),
            _ => Err(Refusal::Path),
        }
    }

    fn judge_post(&self, path: &str, headers: &HeaderMap) -> Result<Wanted, Refusal> {
        let call = match path {
            "/open" => None,
            "/state" => Some(Call::State),
            "/token" => Some(Call::Token),
            "/inspect" => Some(Call::Inspect),
            "/end" => Some(Call::End),
            _ => return Err(Refusal::Path),
        };
        if only(headers, &header::ORIGIN)? != Some(&self.origin) {
            return Err(Refusal::Origin);
        }
        is_from(headers, &["same-origin"])?;
        if only(headers, &header::CONTENT_TYPE)? != Some("application/json") {
            return Err(Refusal::ContentType);
        }
        let cookies = self.cookies(headers);
        let Some(call) = call else { return Ok(Wanted::Open { cookies }) };
        let word = only(headers, &HeaderName::from_static(WORD))?.ok_or(Refusal::Session)?;
        if cookies.is_empty() {
            return Err(Refusal::Session);
        }
        Ok(Wanted::Call { call, cookies, word: word.to_owned() })
    }

    fn cookies(&self, headers: &HeaderMap) -> Vec<String> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let ours = pairs.filter(|(name, _)| *name == self.cookie).map(|(_, value)| value.to_owned());
        ours.take(MAX_COOKIES).collect()
    }
}

/// The value of a header that may be there once; not of one that is no text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str());
    match (first, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(match *name {
            header::HOST => Refusal::Host,
            header::CONTENT_TYPE => Refusal::ContentType,
            _ => Refusal::Origin,
        }),
    }
}

/// Where a request comes from, by the browser's word, where it gives it; old ones do not.
fn is_from(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Refusal> {
    let from = only(headers, &HeaderName::from_static("sec-fetch-site"))?;
    if from.is_none_or(|from| allowed.contains(&from)) { Ok(()) } else { Err(Refusal::Origin) }
}

#[cfg(test)]
mod tests {
    use hyper::{Request, http::request::Builder};

    use super::*;

    const PORT: u16 = 4711;
    const HERE: &str = "http://127.0.0.1:4711";

    fn judge(builder: Builder) -> Result<Wanted, Refusal> {
        Gate::new(PORT).judge(&builder.body(()).expect("a request").into_parts().0)
    }

    /// A header with each of its values, none for a header that is absent.
    fn with(builder: Builder, name: &str, values: &[&str]) -> Builder {
        values.iter().fold(builder, |builder, value| builder.header(name, *value))
    }

    const HOSTS: [&[&str]; 9] = [
        &["127.0.0.1:4711"],
        &[],
        &["127.0.0.1"],
        &["127.0.0.1:4712"],
        &["localhost:4711"],
        &["[::1]:4711"],
        &["evil.example:4711"],
        &["127.0.0.1:4711", "127.0.0.1:4711"],
        &["127.0.0.1:4711.evil.example"],
    ];
    const ORIGINS: [&[&str]; 8] = [
        &[HERE],
        &[],
        &["null"],
        &["http://127.0.0.1:4712"],
        &["https://127.0.0.1:4711"],
        &["http://localhost:4711"],
        &["http://evil.example"],
        &[HERE, HERE],
    ];
    const SITES: [&[&str]; 7] =
        [&["same-origin"], &[], &["same-site"], &["cross-site"], &["none"], &["same-origin", "none"], &["?"]];
    const TYPES: [&[&str]; 6] = [
        &["application/json"],
        &[],
        &["text/plain"],
        &["application/x-www-form-urlencoded"],
        &["application/json", "text/plain"],
        &["text/plain; application/json"],
    ];
    const COOKIES: [&[&str]; 4] =
        [&["oidc-page-4711=c"], &[], &["oidc-page-4712=c"], &["other=x; oidc-page-4711=c; last=y"]];
    const WORDS: [&[&str]; 3] = [&["w"], &[], &["w", "w"]];

    #[test]
    fn of_all_combinations_only_those_that_are_right_in_everything_pass() {
        let mut tried = 0;
        for host in HOSTS {
            for origin in ORIGINS {
                for site in SITES {
                    for content_type in TYPES {
                        for cookie in COOKIES {
                            for word in WORDS {
                                let headers = [
                                    ("host", host),
                                    ("origin", origin),
                                    ("sec-fetch-site", site),
                                    ("content-type", content_type),
                                    ("cookie", cookie),
                                    (WORD, word),
                                ];
                                let builder = Request::post("/token");
                                let builder = headers
                                    .iter()
                                    .fold(builder, |builder, (name, values)| with(builder, name, values));
                                let is_right = host == HOSTS[0]
                                    && origin == ORIGINS[0]
                                    && (site == SITES[0] || site == SITES[1])
                                    && content_type == TYPES[0]
                                    && (cookie == COOKIES[0] || cookie == COOKIES[3])
                                    && word == WORDS[0];
                                let judged = judge(builder);
                                let (cookies, word) = (vec!["c".to_owned()], "w".to_owned());
                                let right = Wanted::Call { call: Call::Token, cookies, word };
                                assert_eq!(judged.as_ref().ok() == Some(&right), is_right, "{headers:?}");
                                assert_eq!(judged.is_ok(), is_right, "{headers:?}: {judged:?}");
                                tried += 1;
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(tried, 9 * 8 * 7 * 6 * 4 * 3);
    }

    #[test]
    fn a_part_of_the_page_is_for_this_host_and_from_no_other_page() {
        for host in HOSTS {
            for site in SITES {
                let builder = with(with(Request::get("/page.css"), "host", host), "sec-fetch-site", site);
                let is_right = host == HOSTS[0] && [SITES[0], SITES[1], SITES[4]].contains(&site);
                assert_eq!(judge(builder).is_ok(), is_right, "{host:?} {site:?}");
            }
        }
    }

    #[test]
    fn every_path_has_one_method() {
        let paths = [
            "/",
            "/page.css",
            "/page.js",
            "/open",
            "/state",
            "/token",
            "/inspect",
            "/end",
            "/other",
            "/?x",
            "/open?x",
            "//",
        ];
        for method in
            ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY"]
        {
            for path in paths {
                let builder = Request::builder().method(method).uri(path).header("host", "127.0.0.1:4711");
                let builder = builder.header("origin", HERE).header("content-type", "application/json");
                let builder = builder.header("cookie", "oidc-page-4711=c").header(WORD, "w");
                let is_right = match method {
                    "GET" => ["/", "/page.css", "/page.js"].contains(&path),
                    "POST" => ["/open", "/state", "/token", "/inspect", "/end"].contains(&path),
                    _ => false,
                };
                match judge(builder) {
                    Ok(_) => assert!(is_right, "{method} {path}"),
                    Err(refusal) => {
                        assert!(!is_right && refusal == Refusal::Path, "{method} {path}: {refusal}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_request_for_a_proxy_is_for_another_host() {
        for target in ["http://evil.example/", "http://127.0.0.1:4711/"] {
            assert_eq!(judge(Request::get(target).header("host", "127.0.0.1:4711")), Err(Refusal::Host));
        }
    }

    #[test]
    fn to_open_takes_no_word_and_not_yet_a_cookie() {
        let open = || {
            let builder = Request::post("/open").header("host", "127.0.0.1:4711").header("origin", HERE);
            builder.header("content-type", "application/json")
        };
        assert_eq!(judge(open()), Ok(Wanted::Open { cookies: Vec::new() }));
        let many = "oidc-page-4711=x; ".repeat(100);
        let Ok(Wanted::Open { cookies }) = judge(open().header("cookie", many)) else { panic!("refused") };
        assert_eq!(cookies.len(), MAX_COOKIES);
        assert_eq!(judge(open().header("sec-fetch-site", "cross-site")), Err(Refusal::Origin));
    }

    #[test]
    fn nothing_is_told_but_that_there_is_nothing() {
        for refusal in [Refusal::Host, Refusal::Origin, Refusal::ContentType, Refusal::Session, Refusal::Body]
        {
            assert_eq!(refusal.status(), 403);
        }
        assert_eq!(Refusal::Path.status(), 404);
    }
}
