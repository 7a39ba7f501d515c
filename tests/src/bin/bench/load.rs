//! Many clients at once.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use oidc_proto::{
    channel::{ClientChannel, ClientStep},
    message::{Request, Target, TokenRequest},
};

/// How long each measurement lasts.
const DURATION: Duration = Duration::from_secs(3);

/// What takes longer is not answered at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// What many clients saw.
pub struct Load {
    /// Requests in a second.
    pub rate: f64,
    /// 99 of 100 were answered within this.
    pub p99: Duration,
}

/// `clients` threads, each asking for a cached token again and again on a connection of its own.
pub fn run(socket: &Path, account: &str, clients: usize, sealed: bool) -> Load {
    let request = Request::AccessToken(TokenRequest::new(Target::Account(account.into()))).to_json();
    let times = Mutex::new(Vec::new());
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut own = Vec::new();
                while started.elapsed() < DURATION {
                    let begin = Instant::now();
                    let answered = if sealed { exchange(socket, &request) } else { plain(socket, &request) };
                    if answered.is_ok() {
                        own.push(begin.elapsed());
                    }
                }
                times.lock().expect("no thread panics").extend(own);
            });
        }
    });
    let elapsed = started.elapsed();
    let mut times = times.into_inner().expect("no thread panics");
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    Load { rate: times.len() as f64 / elapsed.as_secs_f64(), p99 }
}

fn connect(socket: &Path) -> Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn plain(socket: &Path, request: &str) -> Result<()> {
    let mut stream = connect(socket)?;
    stream.write_all(request.as_bytes())?;
    let mut reply = Vec::with_capacity(4096);
    stream.read_to_end(&mut reply)?;
    if reply.is_empty() {
        bail!("no reply");
    }
    Ok(())
}

fn exchange(socket: &Path, request: &str) -> Result<()> {
    let mut stream = connect(socket)?;
    let (mut channel, key) = ClientChannel::sealed(request.to_owned().into());
    stream.write_all(&key)?;
    let mut buffer = [0; 8192];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            bail!("no reply");
        }
        match channel.receive(&buffer[..count])? {
            ClientStep::NeedMore => {}
            ClientStep::Send(bytes) => stream.write_all(&bytes)?,
            ClientStep::Reply(_) => return Ok(()),
        }
    }
}
