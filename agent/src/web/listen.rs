//! Ports of this computer's own addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
};

/// How often another free port is tried when the other protocol has it taken.
const FREE_PORT_TRIES: usize = 8;

/// Listens at all addresses. Where one of them has the port taken by somebody else, a browser might be sent there, so
/// that is a failure; an address that this machine does not have is left out.
pub fn listen(addresses: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        match TcpListener::bind(SocketAddr::new(*address, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                listeners.push(listener);
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(listeners) }
}

/// Listens at a port that is free at all addresses, and which one that is.
pub fn listen_at_free_port(addresses: &[IpAddr]) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut tries = (0..FREE_PORT_TRIES).map(|_| try_free_port(addresses));
    let first = tries.next().unwrap_or_else(|| Err(io::ErrorKind::AddrNotAvailable.into()));
    first.or_else(|error| tries.find_map(Result::ok).ok_or(error))
}

fn try_free_port(addresses: &[IpAddr]) -> io::Result<(Vec<TcpListener>, u16)> {
    let first = listen(&addresses[..1], 0)?;
    let port = first[0].local_addr()?.port();
    let others = if addresses.len() > 1 { listen(&addresses[1..], port) } else { Ok(Vec::new()) };
    let others = match others {
        Err(error) if is_absent(&error) => Vec::new(),
        others => others?,
    };
    Ok((first.into_iter().chain(others).collect(), port))
}

/// Neither the address nor its protocol is there.
fn is_absent(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}
