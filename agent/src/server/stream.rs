//! A client's connection. The runtime learns of it only when it has to be waited for: a request that is there already, and
//! a reply that the socket takes, cost no more system calls than in a program that knows nothing of other clients.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixListener,
    },
    sync::{Arc, OnceLock, Weak},
};

use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use tokio::io::{Interest, unix::AsyncFd};

/// A connection that does not block.
pub(super) struct Stream {
    /// Before `socket`: the runtime forgets it before it is closed.
    watched: OnceLock<AsyncFd<Arc<OwnedFd>>>,
    socket: Arc<OwnedFd>,
}

impl Stream {
    /// Of a socket in non-blocking mode.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { watched: OnceLock::new(), socket: Arc::new(socket) }
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket)
    }

    /// Reads what is there; [`io::ErrorKind::WouldBlock`] where there is nothing: then [`Stream::readable`] helps.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(Interest::READABLE, |socket| Ok(recv(socket, buffer, RecvFlags::empty())?.0))
    }

    /// Writes what the socket takes; [`io::ErrorKind::WouldBlock`] where it takes nothing: then [`Stream::writable`] helps.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(Interest::WRITABLE, |socket| Ok(send(socket, bytes, SendFlags::NOSIGNAL)?))
    }

    /// Waits until there is something to read, the end of the stream included.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.watched()?.readable().await?.retain_ready();
        Ok(())
    }

    /// Waits until something can be written.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.watched()?.writable().await?.retain_ready();
        Ok(())
    }

    fn attempt(
        &self,
        interest: Interest,
        act: impl FnOnce(&OwnedFd) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match self.watched.get() {
            Some(watched) => watched.try_io(interest, |socket| act(socket)),
            None => act(&self.socket),
        }
    }

    fn watched(&self) -> io::Result<&AsyncFd<Arc<OwnedFd>>> {
        if let Some(watched) = self.watched.get() {
            return Ok(watched);
        }
        let watched = watch(Arc::clone(&self.socket), Interest::READABLE | Interest::WRITABLE)?;
        // One task has the stream.
        Ok(self.watched.get_or_init(|| watched))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A listening socket that the runtime watches.
#[derive(Debug)]
pub(super) struct Incoming(AsyncFd<Arc<OwnedFd>>);

impl Incoming {
    /// Of the current runtime.
    pub(super) fn new(socket: UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        watch(Arc::new(socket.into()), Interest::READABLE).map(Self)
    }

    /// The socket itself, as long as it listens.
    pub(super) fn socket(&self) -> Weak<OwnedFd> {
        Arc::downgrade(self.0.get_ref())
    }

    /// The next connection, which the runtime does not know of.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        let accept =
            |socket: &Arc<OwnedFd>| Ok(accept_with(socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?);
        self.0.async_io(Interest::READABLE, accept).await.map(Stream::new)
    }
}

#[allow(unsafe_code)]
fn watch(socket: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: what owns a descriptor names always the same one, and has it open until the last `Arc` is dropped, one of
    // which is the watch's own.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::*;

    fn pair() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("set");
        (Stream::new(ours.into()), theirs)
    }

    #[tokio::test]
    async fn what_is_there_is_read_without_the_runtime() {
        let (stream, mut theirs) = pair();
        theirs.write_all(b"request").expect("sent");
        let mut buffer = [0; 16];
        assert_eq!(stream.try_read(&mut buffer).expect("read"), 7);
        assert_eq!(stream.try_write(b"reply").expect("written"), 5);
        assert!(stream.watched.get().is_none());
    }

    #[tokio::test]
    async fn what_is_not_there_is_waited_for_again_and_again() {
        let (stream, mut theirs) = pair();
        let mut buffer = [0; 16];
        for text in [b"first".as_slice(), b"second", b""] {
            let none = stream.try_read(&mut buffer).expect_err("nothing there");
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
            let sent = async {
                tokio::task::yield_now().await;
                if text.is_empty() {
                    theirs.shutdown(std::net::Shutdown::Write).expect("shut");
                } else {
                    theirs.write_all(text).expect("sent");
                }
            };
            let (readable, ()) = tokio::join!(stream.readable(), sent);
            readable.expect("readable");
            assert_eq!(stream.try_read(&mut buffer).expect("read"), text.len());
        }
    }

    #[tokio::test]
    async fn a_full_socket_is_waited_for() {
        let (stream, mut theirs) = pair();
        let bytes = [1; 4096];
        let mut written = 0;
        while let Ok(count) = stream.try_write(&bytes) {
            written += count;
        }
        let reader = std::thread::spawn(move || {
            let mut read = vec![0; written + 1];
            theirs.read_exact(&mut read).map(|()| theirs)
        });
        while stream.try_write(&bytes[..1]).is_err() {
            stream.writable().await.expect("writable");
        }
        reader.join().expect("no panic").expect("read");
    }
}
