//! Whose program is at the other end of a connection from this computer to itself.
//!
//! Anybody on a computer can connect to its loopback addresses. The kernel knows which user a socket belongs to; for TCP
//! it tells so in `/proc/net/tcp` (proc(5)).

use std::{
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use rustix::process::geteuid;
use tokio::{net::TcpStream, time::timeout};

/// Reading takes microseconds, or some milliseconds where ten thousands of connections are open.
const READING: Duration = Duration::from_secs(5);
/// `TCP_ESTABLISHED`. One that is closed already belongs to nobody any more, and is shown as root's.
const ESTABLISHED: &str = "01";

/// Whether a program of this agent's user, or of root, is at the other end. Not, where the kernel does not tell.
pub async fn is_own(connection: &TcpStream) -> bool {
    let (Ok(theirs), Ok(ours)) = (connection.peer_addr(), connection.local_addr()) else { return false };
    let looking = tokio::task::spawn_blocking(move || user_of(theirs, ours).ok().flatten());
    let user = timeout(READING, looking).await.ok().and_then(Result::ok).flatten();
    let is_own = user.is_some_and(|uid| uid == geteuid().as_raw() || uid == 0);
    if !is_own {
        tracing::warn!(?user, "a connection of another user to this agent's page was closed");
    }
    is_own
}

/// The user of the socket at `theirs` that is connected to `ours`.
fn user_of(theirs: SocketAddr, ours: SocketAddr) -> io::Result<Option<u32>> {
    // A socket for IPv6 may speak IPv4, too.
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let Ok(file) = fs_err::File::open(table) else { continue };
        for line in BufReader::new(file).lines() {
            if let Some(user) = user_in(&line?, theirs, ours) {
                return Ok(Some(user));
            }
        }
    }
    Ok(None)
}

/// The user in a line of the table, if it is about this connection.
fn user_in(line: &str, theirs: SocketAddr, ours: SocketAddr) -> Option<u32> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let is = |word: Option<&str>, wanted: SocketAddr| {
        let found = word.and_then(address);
        found.is_some_and(|found| {
            (found.ip().to_canonical(), found.port()) == (wanted.ip().to_canonical(), wanted.port())
        })
    };
    let is_it = is(words.next(), theirs) && is(words.next(), ours) && words.next() == Some(ESTABLISHED);
    // Queues, timer, retransmissions.
    if is_it { words.nth(3)?.parse().ok() } else { None }
}

/// An address as it is written there: in words of the machine's byte order, which hold it in the network's.
fn address(word: &str) -> Option<SocketAddr> {
    let (address, port) = word.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let part = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match address.len() {
        8 => Some((Ipv4Addr::from(part(0)?), port).into()),
        32 => {
            let mut bytes = [0; 16];
            for (chunk, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
                chunk.copy_from_slice(&part(at)?);
            }
            Some((Ipv6Addr::from(bytes), port).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_user_at_the_other_end_is_known() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address");
        for through in [here, SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), here.port()))] {
            let Ok(theirs) = TcpStream::connect(through).await else { continue };
            let (ours, _) = listener.accept().await.expect("accepted");
            assert!(is_own(&ours).await, "{through}");
            // Nobody is there any more, although what was sent could still be read.
            drop(theirs);
            assert!(!is_own(&ours).await, "{through}");
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_are_read() {
        let line = |state: &str| {
            format!(
                "   1: 0100007F:9C40 0100007F:1F90 {state} 00000000:00000000 00:00000000 00000000  1000        0 7 1"
            )
        };
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let (theirs, ours) = (at("127.0.0.1:40000"), at("127.0.0.1:8080"));
        assert_eq!(user_in(&line("01"), theirs, ours), Some(1000));
        assert_eq!(user_in(&line("06"), theirs, ours), None, "over");
        assert_eq!(user_in(&line("01"), ours, theirs), None, "our own end");
        assert_eq!(user_in(&line("01"), at("127.0.0.1:40001"), ours), None);
        let mapped = line("01").replace("0100007F", "0000000000000000FFFF00000100007F");
        assert_eq!(user_in(&mapped, theirs, ours), Some(1000));
        for damaged in ["", "1:", "1: 0100007F:9C40", "1: x:y z 01", "  sl  local_address rem_address   st"] {
            assert_eq!(user_in(damaged, theirs, ours), None, "{damaged}");
        }
    }
}
