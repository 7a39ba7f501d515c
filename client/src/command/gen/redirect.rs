//! Where the provider may send the browser back to.

use oidc_proto::account::AccountConfig;
use url::{Host, Url};

use super::{arguments::ClientArgs, dialogue::Question, flows, session::Session};
use crate::context::error::Error;

/// What the C suite's agents listen on for public clients, and thus what those are registered with.
pub const USUAL: [&str; 3] = ["http://localhost:8080", "http://localhost:4242", "http://localhost:43985"];
/// The C suite's bounds for the port.
const PORTS: std::ops::RangeInclusive<u32> = 1024..=49151;
/// Starts `oidc-gen --codeExchange` on a desktop.
const CUSTOM_SCHEME: &str = "edu.kit.data.oidc-agent";

/// The URIs of `--redirect-uri` and `--port`.
pub fn given(args: &ClientArgs) -> Result<Vec<String>, String> {
    let mut uris = read_all(&args.redirect_uri.join(" "))?;
    for port in &args.port {
        if !PORTS.contains(port) {
            return Err("Port not in valid range".to_owned());
        }
        uris.push(format!("http://localhost:{port}"));
    }
    Ok(uris)
}

/// Asks for them where a login in the browser needs them and nothing tells.
pub fn complete(session: &mut Session, account: &mut AccountConfig) -> Result<(), Error> {
    if !account.redirect_uris.is_empty() || !flows::may_use_browser(session.args) {
        return Ok(());
    }
    let usual = USUAL.join(" ");
    if !session.dialogue.can_ask(session.context) {
        account.redirect_uris = USUAL.map(str::to_owned).into();
        return Ok(());
    }
    session
        .context
        .asker
        .tell("The browser is sent back to a redirect URI that the client is registered with.")?;
    let question =
        Question { label: "Redirect_uris (space separated)", option: "redirect-uri", default: Some(&usual) };
    account.redirect_uris = session.dialogue.ask(session.context, &question, read_all)?;
    Ok(())
}

fn read_all(text: &str) -> Result<Vec<String>, String> {
    text.split_whitespace().map(|uri| check(uri).map(|()| uri.to_owned())).collect()
}

fn check(text: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "{text} is not a valid redirect_uri. The redirect uri has to be in the following format: \
             http://localhost:<port>[/*] or {CUSTOM_SCHEME}:/<anything>"
        )
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    if url.scheme() == CUSTOM_SCHEME {
        return if url.path().starts_with('/') { Ok(()) } else { Err(wrong()) };
    }
    if !is_loopback(&url) {
        return Err(wrong());
    }
    match url.port() {
        Some(port) if PORTS.contains(&u32::from(port)) => Ok(()),
        Some(_) => Err("The port number has to be between 1024 and 49151".to_owned()),
        None => Err(wrong()),
    }
}

/// Whether a browser that is sent there comes to a program on this machine (RFC 8252 section 7.3).
pub fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_place_to_come_back_to() {
        for good in [
            "http://localhost:4242",
            "http://127.0.0.1:8080/x",
            "http://[::1]:2000",
            "edu.kit.data.oidc-agent:/redirect",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://localhost",
            "https://localhost:4242",
            "http://evil.example:4242",
            "x",
            "edu.kit.data.oidc-agent:x",
        ] {
            assert!(check(bad).is_err_and(|text| text.contains("not a valid redirect_uri")), "{bad}");
        }
        assert!(check("http://localhost:80").is_err());
        assert!(check("http://localhost:50000").is_err_and(|text| text.contains("between 1024 and 49151")));
    }

    #[test]
    fn options_add_up() {
        let args = ClientArgs {
            redirect_uri: vec!["http://localhost:2000 http://localhost:3000".to_owned()],
            port: vec![4000],
            ..ClientArgs::default()
        };
        assert_eq!(given(&args).map(|uris| uris.len()), Ok(3));
        let args = ClientArgs { port: vec![80], ..ClientArgs::default() };
        assert_eq!(given(&args), Err("Port not in valid range".to_owned()));
    }
}
