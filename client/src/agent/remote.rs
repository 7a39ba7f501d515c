//! An agent on another machine, over TCP: where it is, and the way to it.

use std::{
    env, fmt, io,
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl};

use crate::process::patience;

/// Names a remote agent: `host[:port]`.
pub const OIDC_REMOTE_SOCK: &str = "OIDC_REMOTE_SOCK";
/// The port of a remote agent that names none.
const DEFAULT_PORT: u16 = 42424;
/// After how long without a word the other machine is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);
/// How long it has to answer that.
const AGAIN: Duration = Duration::from_secs(10);
/// How often it is asked.
const TIMES: u32 = 3;

/// What `OIDC_REMOTE_SOCK` says is no address. It is not shown: it may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{OIDC_REMOTE_SOCK} is set, but not to host[:port]")]
pub struct NoAddress;

/// Where an agent on another machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAddress {
    /// A name or an address; that of IPv6 without brackets.
    host: String,
    port: u16,
}

impl RemoteAddress {
    /// The one that `OIDC_REMOTE_SOCK` names, or that it names none. `None`: it is not set, or to nothing.
    pub fn of_environment() -> Option<Result<Self, NoAddress>> {
        let value = env::var_os(OIDC_REMOTE_SOCK).filter(|value| !value.is_empty())?;
        Some(value.to_str().and_then(Self::parse).ok_or(NoAddress))
    }

    /// `host`, `host:port`, `[address]`, `[address]:port`, or an address of IPv6 by itself. `None`: it is none of them.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
                (v6(host)?, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                // More colons than one: there is no port.
                Some(_) => (v6(text)?, None),
                None => (text, None),
            },
        };
        let is_word = |c: char| !c.is_whitespace() && !c.is_control() && !"/@[]?#,".contains(c);
        let is_host = !host.is_empty() && host.chars().all(is_word);
        // As in a URL, a sign is no part of a number.
        let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            Some(port) => Some(port).filter(is_number)?.parse().ok().filter(|port| *port > 0)?,
            None => DEFAULT_PORT,
        };
        is_host.then(|| Self { host: host.to_owned(), port })
    }

    /// Whether this machine itself is named, so that what is said goes over no network.
    pub fn is_here(&self) -> bool {
        let host = self.host.strip_suffix('.').unwrap_or(&self.host);
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Connects to the first of the host's addresses that answers, within `time`. So long each write may take afterwards.
    pub fn connect(&self, time: Duration) -> io::Result<TcpStream> {
        let until = Instant::now() + time;
        let addresses = self.addresses(until)?;
        let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for (at, address) in addresses.iter().enumerate() {
            // One that swallows everything leaves time for the others.
            let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let patience = until.saturating_duration_since(Instant::now()) / others;
            if patience.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match TcpStream::connect_timeout(address, patience) {
                Ok(stream) => {
                    stream.set_write_timeout(Some(time))?;
                    notice_its_end(&stream)?;
                    return Ok(stream);
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    /// The host's addresses. A resolver may take its time, and is not waited for any longer than a connection.
    fn addresses(&self, until: Instant) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![(address, self.port).into()]);
        }
        let (host, port) = (self.host.clone(), self.port);
        let found = patience::begin(move || (host.as_str(), port).to_socket_addrs().map(Vec::from_iter));
        found.by(until).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                "the name is not found in time; does the resolver answer?",
            )
        })?
    }
}

/// A machine that is switched off says nothing any more. An agent that waits for a person says nothing either, but its
/// machine answers when it is asked whether it is there.
fn notice_its_end(stream: &TcpStream) -> io::Result<()> {
    set_socket_keepalive(stream, true)?;
    set_tcp_keepidle(stream, QUIET)?;
    set_tcp_keepintvl(stream, AGAIN)?;
    Ok(set_tcp_keepcnt(stream, TIMES)?)
}

/// An address of IPv6, perhaps with the interface that it is of.
fn v6(text: &str) -> Option<&str> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok().then_some(text)
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::sockopt::{socket_keepalive, tcp_keepidle};

    use super::*;

    #[test]
    fn what_names_an_agent() {
        for (text, expected) in [
            ("host", Some("host:42424")),
            ("host:7", Some("host:7")),
            ("host.example.:7", Some("host.example.:7")),
            ("127.0.0.1", Some("127.0.0.1:42424")),
            ("127.0.0.1:65535", Some("127.0.0.1:65535")),
            ("[::1]:7", Some("[::1]:7")),
            ("[::1]", Some("[::1]:42424")),
            ("::1", Some("[::1]:42424")),
            ("2001:db8::7:1", Some("[2001:db8::7:1]:42424")),
            ("fe80::1%eth0", Some("[fe80::1%eth0]:42424")),
            ("[fe80::1%eth0]:7", Some("[fe80::1%eth0]:7")),
            ("", None),
            (":7", None),
            ("host:", None),
            ("host:0", None),
            ("host:65536", None),
            ("host:+7", None),
            ("host:ssh", None),
            ("a:b:7", None),
            ("[::1]7", None),
            ("[::1", None),
            ("[host]:7", None),
            ("https://host", None),
            ("user@host:7", None),
            ("host 7", None),
            ("/run/agent.sock", None),
        ] {
            let address = RemoteAddress::parse(text);
            assert_eq!(address.map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_own_names() {
        for (text, expected) in [
            ("localhost", true),
            ("LocalHost:7", true),
            ("localhost.", true),
            ("127.0.0.2", true),
            ("::1", true),
            ("localhost.example", false),
            ("192.0.2.1", false),
            ("[2001:db8::1]:7", false),
        ] {
            let address = RemoteAddress::parse(text).expect("an address");
            assert_eq!(address.is_here(), expected, "{text}");
        }
    }

    #[test]
    fn neither_a_name_nor_an_address_is_waited_for_without_an_end() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connected = |host: &str, time| RemoteAddress { host: host.to_owned(), port }.connect(time);
        let stream = connected("127.0.0.1", Duration::from_secs(20)).expect("connected");
        assert!(socket_keepalive(&stream).expect("an option"), "a machine that vanishes is noticed");
        assert_eq!(tcp_keepidle(&stream).expect("an option"), QUIET);
        assert!(connected("localhost", Duration::from_secs(20)).is_ok());
        assert!(connected("surely.invalid", Duration::from_secs(20)).is_err());
        let error = connected("localhost", Duration::ZERO).expect_err("no time");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
