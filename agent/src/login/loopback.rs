//! Which redirect URI a login uses, and the port that goes with it (RFC 8252 section 7.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use oidc_proto::{error_code::ErrorCode, message::Failure};
use url::{Host, Url};

use crate::web::listen::{listen, listen_at_free_port};

/// How the answer of a login comes back.
#[derive(Debug)]
pub enum Route {
    /// To a web server of the agent's own.
    Loopback(Loopback),
    /// By another program or the person, with `code_exchange`.
    HandedOver {
        /// The redirect URI.
        redirect_uri: String,
    },
}

/// A loopback redirect URI, with sockets that listen at its port.
#[derive(Debug)]
pub struct Loopback {
    /// The redirect URI as the provider must see it.
    pub redirect_uri: String,
    /// The path that the browser will ask for.
    pub path: String,
    /// One for each address the host name may stand for.
    pub listeners: Vec<TcpListener>,
}

impl Route {
    /// Chooses among an account's redirect URIs: the first loopback one whose port is free, else the one with a scheme
    /// of our own; without a web server the latter, else the first.
    pub fn choose(redirect_uris: &[String], webserver: bool, custom_scheme: bool) -> Result<Self, Failure> {
        let handed_over = |uri: &String| Self::HandedOver { redirect_uri: uri.clone() };
        let by_scheme = || redirect_uris.iter().find(|uri| custom_scheme && has_custom_scheme(uri));
        if webserver {
            if let Some(loopback) = redirect_uris.iter().find_map(|uri| Loopback::bind(uri)) {
                return Ok(Self::Loopback(loopback));
            }
            return by_scheme().map(handed_over).ok_or_else(no_port);
        }
        let chosen = by_scheme().or_else(|| redirect_uris.iter().find(|uri| !has_custom_scheme(uri)));
        chosen.map(handed_over).ok_or_else(no_redirect_uri)
    }

    /// The redirect URI of the authorization request.
    pub fn redirect_uri(&self) -> &str {
        match self {
            Self::Loopback(loopback) => &loopback.redirect_uri,
            Self::HandedOver { redirect_uri } => redirect_uri,
        }
    }
}

impl Loopback {
    /// Listens at a loopback redirect URI. `None`: it is none, or its port cannot be had.
    ///
    /// A URI without a port stands for all of them (RFC 8252 section 7.3): a free one is chosen.
    fn bind(redirect_uri: &str) -> Option<Self> {
        let mut url = Url::parse(redirect_uri).ok().filter(|url| url.scheme() == "http")?;
        let addresses = addresses(&url)?;
        let path = url.path().to_owned();
        if let Some(port) = explicit_port(redirect_uri, &url) {
            let listeners = listen(&addresses, port).ok()?;
            return Some(Self { redirect_uri: redirect_uri.to_owned(), path, listeners });
        }
        let (listeners, port) = listen_at_free_port(&addresses).ok()?;
        url.set_port(Some(port)).ok()?;
        Some(Self { redirect_uri: url.into(), path, listeners })
    }
}

/// Anything but the web's schemes: only a program of this machine can be reached by it.
fn has_custom_scheme(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| !matches!(url.scheme(), "http" | "https"))
}

/// The loopback addresses that the host of a URL stands for; `None` when it stands for others.
fn addresses(url: &Url) -> Option<Vec<IpAddr>> {
    match url.host()? {
        Host::Domain("localhost") => Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        Host::Ipv4(address) if address.is_loopback() => Some(vec![address.into()]),
        Host::Ipv6(address) if address.is_loopback() => Some(vec![address.into()]),
        _ => None,
    }
}

/// The port as written: a `:80`, which parsing drops, still is one.
fn explicit_port(uri: &str, url: &Url) -> Option<u16> {
    let authority =
        uri.split("//").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    url.port().or_else(|| authority.ends_with(":80").then_some(80))
}

fn no_port() -> Failure {
    let error = "Could not start the http server on any of the registered redirect uris.";
    Failure::new(ErrorCode::BadRequest, error).with_info(
        "All ports of the client's redirect URIs are taken, or it has no loopback redirect URI. End the program that \
         uses the port, or log in without a web server (--no-webserver) or with a code (--flow=device).",
    )
}

fn no_redirect_uri() -> Failure {
    Failure::new(ErrorCode::BadRequest, "No redirect_uri specified")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOM: &str = "edu.kit.data.oidc-agent:/redirect";

    fn uris(uris: &[&str]) -> Vec<String> {
        uris.iter().map(|uri| (*uri).to_owned()).collect()
    }

    fn chosen(candidates: &[&str], webserver: bool, custom_scheme: bool) -> Option<String> {
        let route = Route::choose(&uris(candidates), webserver, custom_scheme).ok()?;
        assert!(webserver || matches!(route, Route::HandedOver { .. }));
        Some(route.redirect_uri().to_owned())
    }

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
    }

    #[test]
    fn the_first_free_port_is_taken_on_loopback_addresses_only() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = format!("http://localhost:{}", taken.local_addr().expect("an address").port());
        let _holds_it = TcpListener::bind(taken.trim_start_matches("http://")).ok();
        let free = format!("http://localhost:{}/cb", free_port());
        let route = Route::choose(&uris(&[CUSTOM, &free]), true, true).expect("a route");
        let Route::Loopback(loopback) = route else { panic!("no web server") };
        assert_eq!((loopback.redirect_uri.as_str(), loopback.path.as_str()), (free.as_str(), "/cb"));
        for listener in &loopback.listeners {
            assert!(listener.local_addr().expect("an address").ip().is_loopback());
        }
    }

    #[test]
    fn a_taken_port_leads_to_the_next_uri() {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = format!("http://localhost:{}", holder.local_addr().expect("an address").port());
        let free = format!("http://127.0.0.1:{}", free_port());
        assert_eq!(chosen(&[&taken, &free], true, true), Some(free));
        assert_eq!(chosen(&[&taken, CUSTOM], true, true).as_deref(), Some(CUSTOM));
        let failure = Route::choose(&uris(&[&taken, CUSTOM]), true, false).expect_err("no port");
        assert!(failure.error.starts_with("Could not start the http server"));
    }

    #[test]
    fn a_port_taken_for_one_protocol_only_counts_as_taken() {
        let Ok(holder) = TcpListener::bind("[::1]:0") else { return };
        let port = holder.local_addr().expect("an address").port();
        assert_eq!(chosen(&[&format!("http://localhost:{port}")], true, false), None);
    }

    #[test]
    fn a_uri_without_port_stands_for_any() {
        let uri = chosen(&["http://127.0.0.1/cb"], true, true).expect("a route");
        let url = Url::parse(&uri).expect("a URL");
        assert!(url.port().is_some_and(|port| port != 0), "{uri}");
        assert_eq!(url.path(), "/cb");
    }

    #[test]
    fn only_loopback_hosts_get_a_server() {
        for uri in
            ["http://0.0.0.0:0", "http://op.example:1", "https://localhost:1", "http://localhost.evil:1"]
        {
            assert_eq!(chosen(&[uri], true, true), None, "{uri}");
        }
    }

    #[test]
    fn without_a_server_the_own_scheme_goes_first() {
        let web = "http://localhost:4242";
        assert_eq!(chosen(&[web, CUSTOM], false, true).as_deref(), Some(CUSTOM));
        assert_eq!(chosen(&[CUSTOM, web], false, false).as_deref(), Some(web));
        assert_eq!(chosen(&[CUSTOM], false, false), None);
        assert_eq!(
            chosen(&["https://site.example/cb"], false, true).as_deref(),
            Some("https://site.example/cb")
        );
    }
}
