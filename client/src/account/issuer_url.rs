//! Issuer URLs (OpenID Connect Discovery section 3, RFC 8414 section 2) as people type and paste them.

use url::{Host, Url};

/// What stands between an issuer and the name of its metadata document, or between its host and its path.
const WELL_KNOWN: &str = "/.well-known/";
/// The documents that are found there.
const DOCUMENTS: [&str; 2] = ["openid-configuration", "oauth-authorization-server"];
/// What an issuer looks like, for texts.
const EXAMPLE: &str = "https://op.example/path";

/// Whether an argument is meant as an issuer instead of a short name, which cannot hold a `/`.
pub fn is_issuer(text: &str) -> bool {
    let text = text.trim();
    if let Some((scheme, _)) = text.split_once("://") {
        return scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    }
    text.split_once('/').is_some_and(|(host, _)| names_host(host))
}

/// The issuer that is meant, or what to type instead.
///
/// Put right: blanks around it, the address of its metadata, a missing scheme, capitals in scheme and host, slashes
/// at the end. The path stays as it is.
pub fn read(text: &str) -> Result<String, String> {
    let text = text.trim().trim_start_matches('<').trim_end_matches('>');
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None if is_local(text) => ("http".to_owned(), text),
        None => ("https".to_owned(), text),
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let issuer = format!("{scheme}://{}{}", authority.to_ascii_lowercase(), without_document(path)?);
    check(&issuer)?;
    let bare = issuer.trim_end_matches('/');
    Ok(if bare.len() < issuer.len() { format!("{bare}/") } else { issuer })
}

/// A path without what stands for the metadata document: appended to an issuer, or inserted before its path.
fn without_document(path: &str) -> Result<String, String> {
    let Some((before, document)) = path.split_once(WELL_KNOWN) else { return Ok(path.to_owned()) };
    let (document, after) = document.split_once('/').unwrap_or((document, ""));
    if !DOCUMENTS.contains(&document) {
        return Err(format!("This is the address of something else ({WELL_KNOWN}{document}). {}", wanted()));
    }
    let after = if after.is_empty() { String::new() } else { format!("/{after}") };
    Ok(format!("{before}{after}"))
}

/// `http` only where the network cannot be listened to.
fn check(issuer: &str) -> Result<(), String> {
    let url = Url::parse(issuer).map_err(|error| format!("This is no URL ({error}). {}", wanted()))?;
    if !url.has_host() {
        return Err(format!("This URL names no host. {}", wanted()));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            let https = issuer.replacen("http://", "https://", 1);
            return Err(format!(
                "An issuer is an https URL; http is for this machine only. Is {https} meant?"
            ));
        }
        scheme => return Err(format!("An issuer does not begin with {scheme}://. {}", wanted())),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("An issuer's URL has no user name and no password in it.".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        let bare = issuer.split(['?', '#']).next().unwrap_or_default();
        return Err(format!("An issuer's URL has neither a query nor a fragment. Is {bare} meant?"));
    }
    Ok(())
}

fn wanted() -> String {
    format!("An issuer is an https URL, such as {EXAMPLE}.")
}

pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a text without a scheme names this machine.
fn is_local(text: &str) -> bool {
    Url::parse(&format!("http://{text}")).is_ok_and(|url| is_loopback(&url))
}

/// Whether the part before the first slash is a host: it has a dot, or a port.
fn names_host(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let has_dot = text.contains('.') && !text.starts_with('.') && !text.ends_with('.');
    text == "localhost"
        || has_dot
        || text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && is_port(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste_is_put_right() {
        for (pasted, issuer) in [
            ("https://op.example", "https://op.example"),
            ("https://op.example/", "https://op.example/"),
            ("  https://op.example/x\t", "https://op.example/x"),
            ("<https://op.example/>", "https://op.example/"),
            ("https://op.example//", "https://op.example/"),
            ("https://op.example/realms/X///", "https://op.example/realms/X/"),
            ("HTTPS://OP.Example/Realms/X", "https://op.example/Realms/X"),
            ("op.example/realms/x", "https://op.example/realms/x"),
            ("op.example:8443", "https://op.example:8443"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("localhost:8080/x", "http://localhost:8080/x"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("https://op.example/.well-known/openid-configuration", "https://op.example"),
            ("https://op.example/x/.well-known/openid-configuration/", "https://op.example/x"),
            ("op.example/x//.well-known/openid-configuration", "https://op.example/x/"),
            (
                "https://op.example/.well-known/oauth-authorization-server/realms/x",
                "https://op.example/realms/x",
            ),
        ] {
            assert_eq!(read(pasted).as_deref(), Ok(issuer), "{pasted}");
        }
    }

    #[test]
    fn what_cannot_be_put_right_is_told() {
        for (pasted, text) in [
            ("http://op.example/x", "Is https://op.example/x meant?"),
            ("ftp://op.example", "such as https://op.example/path"),
            ("https://op.example/?x=1", "Is https://op.example/ meant?"),
            ("https://op.example#x", "Is https://op.example meant?"),
            ("https://", "such as https://op.example/path"),
            ("a b", "such as https://op.example/path"),
            ("", "such as https://op.example/path"),
            ("https://me:secret@op.example", "no user name"),
            ("https://op.example/.well-known/webfinger", "something else"),
        ] {
            let reason = read(pasted).expect_err(pasted);
            assert!(reason.contains(text) && !reason.contains("secret"), "{pasted}: {reason}");
        }
    }

    #[test]
    fn issuers_are_told_from_short_names() {
        for issuer in
            ["https://op", "HTTP://localhost:1", " https://op ", "op.example/x", "localhost/x", "op:8080/"]
        {
            assert!(is_issuer(issuer), "{issuer}");
        }
        for name in
            ["wlcg", "op.example", "../acc", "a/b", "./x", "ftp://op", "a:b", "", "/etc/passwd", ".x/y"]
        {
            assert!(!is_issuer(name), "{name}");
        }
    }
}
