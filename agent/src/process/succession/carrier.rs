//! Descriptors on their way to the next program: they wait in a socket (unix(7), `SCM_RIGHTS`), one end of which is its standard
//! input. Nothing else is left open for it, and nothing has to be closed again where it does not come to run. Who may look into the
//! process finds a socket there that cannot be opened, and no memory.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Descriptors in one message; the kernel takes 253 (`SCM_MAX_FD`).
const AT_ONCE: usize = 128;
/// Bytes before them: what follows, and how many there are in all.
const HEAD: usize = 5;
/// More than there can be.
const MOST: usize = 1 << 16;

/// What the first byte of a message says.
const REHEARSAL: u8 = 1;
const EVERYTHING: u8 = 2;
const EVERYTHING_WITHOUT_LOCK: u8 = 3;

/// All that a process needs to go on from another one.
#[derive(Debug)]
pub struct Handover {
    /// Sealed memory with its state.
    pub memory: OwnedFd,
    /// The program before: it is executed again where the next one does not come to serve.
    pub program: OwnedFd,
    /// What standard input was.
    pub stdin: OwnedFd,
    /// Listens.
    pub listener: OwnedFd,
    /// The lock beside the socket; none where that is a service manager's.
    pub lock: Option<OwnedFd>,
    /// Clients, in the order of the state.
    pub connections: Vec<OwnedFd>,
}

/// Sends a copy of the state to a rehearsal.
pub fn send_state(channel: &UnixStream, memory: BorrowedFd<'_>) -> io::Result<()> {
    send(channel, REHEARSAL, &[memory])
}

/// Receives it.
pub fn receive_state(channel: &UnixStream) -> io::Result<OwnedFd> {
    match receive(channel)? {
        (REHEARSAL, descriptors) => descriptors.into_iter().next().ok_or_else(malformed),
        _ => Err(malformed()),
    }
}

impl Handover {
    /// Puts everything on its way.
    pub fn send(&self, channel: &UnixStream) -> io::Result<()> {
        let fixed = [&self.memory, &self.program, &self.stdin, &self.listener];
        let all = fixed.into_iter().chain(&self.lock).chain(&self.connections);
        let all: Vec<BorrowedFd<'_>> = all.map(AsFd::as_fd).collect();
        let kind = if self.lock.is_some() { EVERYTHING } else { EVERYTHING_WITHOUT_LOCK };
        send(channel, kind, &all)
    }

    /// Takes everything.
    pub fn receive(channel: &UnixStream) -> io::Result<Self> {
        let (kind, descriptors) = receive(channel)?;
        if !matches!(kind, EVERYTHING | EVERYTHING_WITHOUT_LOCK) {
            return Err(malformed());
        }
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or_else(malformed);
        let (memory, program, stdin, listener) = (next()?, next()?, next()?, next()?);
        let lock = if kind == EVERYTHING { Some(next()?) } else { None };
        Ok(Self { memory, program, stdin, listener, lock, connections: descriptors.collect() })
    }
}

fn send(channel: &UnixStream, kind: u8, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let count = u32::try_from(descriptors.len()).map_err(io::Error::other)?.to_le_bytes();
    let head: [u8; HEAD] = [kind, count[0], count[1], count[2], count[3]];
    for chunk in descriptors.chunks(AT_ONCE) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(chunk));
        // They wait there; should there be no room for them, nobody would make any.
        sendmsg(channel, &[IoSlice::new(&head)], &mut ancillary, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

fn receive(channel: &UnixStream) -> io::Result<(u8, Vec<OwnedFd>)> {
    let mut all = Vec::new();
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut head = [0; HEAD];
        // All of it is there: nothing is waited for.
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(channel, &mut [IoSliceMut::new(&mut head)], &mut ancillary, flags)?;
        let before = all.len();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                all.extend(descriptors);
            }
        }
        let [kind, count @ ..] = head;
        let count = usize::try_from(u32::from_le_bytes(count)).unwrap_or(usize::MAX);
        if received.bytes != HEAD || all.len() == before || all.len() > count || count > MOST {
            return Err(malformed());
        }
        if all.len() == count {
            return Ok((kind, all));
        }
    }
}

fn malformed() -> io::Error {
    io::Error::other("nothing was handed over on standard input")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn descriptor() -> (OwnedFd, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (ours.into(), theirs)
    }

    #[test]
    fn everything_arrives_in_order_after_its_sender_is_gone() {
        for (with_lock, count) in [(true, 0), (false, 1), (true, 300)] {
            let fixed = std::array::from_fn::<_, 5, _>(|_| descriptor());
            let (connections, mut ends): (Vec<_>, Vec<_>) = (0..count).map(|_| descriptor()).unzip();
            let [(memory, _m), (program, _p), (stdin, _s), (listener, mut listening), (lock, _l)] = fixed;
            let lock = with_lock.then_some(lock);
            let handover = Handover { memory, program, stdin, listener, lock, connections };
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            handover.send(&ours).expect("sent");
            drop((handover, ours));
            let taken = Handover::receive(&theirs).expect("received");
            assert_eq!((taken.lock.is_some(), taken.connections.len()), (with_lock, count));
            UnixStream::from(taken.listener).write_all(b"l").expect("written");
            let mut byte = [0];
            listening.read_exact(&mut byte).expect("it is the same one");
            for (connection, end) in taken.connections.into_iter().zip(&mut ends) {
                UnixStream::from(connection).write_all(b"c").expect("written");
                end.read_exact(&mut byte).expect("they are the same in the same order");
            }
        }
    }

    #[test]
    fn something_else_on_standard_input_is_refused() {
        for bytes in [&b""[..], b"x", b"\x02\x04\0\0\0", b"\x01\x01\0\0\0"] {
            let (mut ours, theirs) = UnixStream::pair().expect("a pair");
            ours.write_all(bytes).expect("written");
            assert!(Handover::receive(&theirs).is_err() && receive_state(&theirs).is_err(), "{bytes:?}");
        }
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (memory, _end) = descriptor();
        send_state(&ours, memory.as_fd()).expect("sent");
        assert!(Handover::receive(&theirs).is_err(), "a rehearsal is no handover");
    }
}
