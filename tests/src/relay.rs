//! A TCP port that leads to an agent's socket, as `socat` or `ssh -L` makes one; and ones that lead nowhere, or not far.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// What becomes of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is passed on as it comes.
    Open,
    /// It is passed on, a byte at a time.
    ByteByByte,
    /// Of what the agent says these many bytes are passed on; then the connection is closed.
    CutAfter(usize),
    /// Of what the agent says these many bytes are passed on; then nothing happens any more.
    SilentAfter(usize),
    /// The connection is closed at once, as where nobody is behind the relay.
    Closed,
    /// Somebody else answers, with this.
    Answers(&'static str),
}

/// A running relay. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    way: Way,
    socket: PathBuf,
    ends: AtomicBool,
    /// What clients said.
    said: Mutex<Vec<u8>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// At a port of 127.0.0.1.
    pub fn start(socket: &Path, way: Way) -> Self {
        Self::at(IpAddr::from([127, 0, 0, 1]), socket, way).expect("a port of 127.0.0.1")
    }

    /// At a port of another address of this machine.
    pub fn at(address: IpAddr, socket: &Path, way: Way) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            way,
            socket: socket.to_owned(),
            ends: AtomicBool::new(false),
            said: Mutex::default(),
            open: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.ends.load(Ordering::Relaxed) {
                    return;
                }
                shared.open().extend(stream.try_clone());
                let state = Arc::clone(&shared);
                thread::spawn(move || drop(state.serve(stream)));
            }
        });
        Ok(Self { address, state, thread: Some(thread) })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What `OIDC_REMOTE_SOCK` names it by.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What clients said so far.
    pub fn said(&self) -> Vec<u8> {
        self.state.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        // A connection wakes it up.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.state.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl State {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        match self.way {
            Way::Closed => return client.shutdown(Shutdown::Both),
            Way::Answers(text) => {
                client.write_all(text.as_bytes())?;
                // Closed with something unread, the connection would be reset, and the text lost.
                client.shutdown(Shutdown::Write)?;
                return io::copy(&mut client, &mut io::sink()).map(drop);
            }
            _ => {}
        }
        let agent = UnixStream::connect(&self.socket)?;
        let (from_client, to_agent) = (client.try_clone()?, agent.try_clone()?);
        let state = Arc::clone(&self);
        thread::spawn(move || drop(state.forward(from_client, to_agent)));
        self.backward(agent, &client)?;
        client.shutdown(Shutdown::Both)
    }

    /// From the client to the agent.
    fn forward(&self, mut client: TcpStream, mut agent: UnixStream) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let count = client.read(&mut buffer)?;
            if count == 0 {
                return agent.shutdown(Shutdown::Write);
            }
            self.said.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
            self.pass_on(&buffer[..count], &mut agent)?;
        }
    }

    /// From the agent to the client.
    fn backward(&self, mut agent: UnixStream, mut client: &TcpStream) -> io::Result<()> {
        let (limit, is_silent) = match self.way {
            Way::CutAfter(limit) => (limit, false),
            Way::SilentAfter(limit) => (limit, true),
            _ => (usize::MAX, false),
        };
        let mut buffer = [0; 4096];
        let mut passed = 0;
        while passed < limit {
            let wanted = buffer.len().min(limit - passed);
            let count = agent.read(&mut buffer[..wanted])?;
            if count == 0 {
                return Ok(());
            }
            self.pass_on(&buffer[..count], &mut client)?;
            passed += count;
        }
        if is_silent {
            // Until the client, or the end of the test, has had enough.
            io::copy(&mut agent, &mut io::sink())?;
            io::copy(&mut client, &mut io::sink())?;
        }
        Ok(())
    }

    fn pass_on(&self, bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
        if self.way != Way::ByteByByte {
            return to.write_all(bytes);
        }
        for byte in bytes {
            to.write_all(&[*byte])?;
            thread::yield_now();
        }
        Ok(())
    }
}
