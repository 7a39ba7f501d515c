//! Names and this machine: what is loopback, and how a name becomes addresses.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{sync::Semaphore, task};
use url::{Host, Url};

/// Lookups under way at a time: half of the runtime's threads, so that names nobody answers for hold up no file.
const AT_A_TIME: usize = 16;

/// The system's resolver, but for the names of this machine.
pub(super) struct Resolver {
    lookups: Arc<Semaphore>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        if is_localhost(name.as_str()) {
            return Box::pin(async { Ok(this_machine()) });
        }
        let (lookups, name) = (self.lookups.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await?;
            let found = task::spawn_blocking(move || {
                let _until_it_is_over = permit;
                (name.as_str(), 0).to_socket_addrs()
            });
            Ok(Box::new(found.await??) as Addrs)
        })
    }
}

/// `localhost` and the names below it are never asked of anybody (RFC 6761 section 6.3): who answers for them in the
/// network would be sent what is meant for this machine. Both families are tried, as a server may listen at one only.
fn this_machine() -> Addrs {
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)))
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether the URL's host is this machine (RFC 8252 section 8.3 counts `localhost` as well).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_machine() {
        for url in [
            "http://localhost",
            "http://LOCALHOST.:1",
            "http://op.localhost/x",
            "http://127.9.9.9",
            "http://[::1]:8",
        ] {
            assert!(is_loopback(&Url::parse(url).expect(url)), "{url}");
        }
        for url in ["http://localhost.example", "http://notlocalhost", "http://10.0.0.1", "http://[::2]"] {
            assert!(!is_loopback(&Url::parse(url).expect(url)), "{url}");
        }
    }

    #[tokio::test]
    async fn localhost_is_asked_of_nobody() {
        for name in ["localhost", "Localhost.", "no.such.name.localhost"] {
            let found = Resolver::default().resolve(name.parse().expect("a name")).await.expect(name);
            let found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
            assert_eq!(found, ["127.0.0.1", "::1"], "{name}");
        }
    }
}
