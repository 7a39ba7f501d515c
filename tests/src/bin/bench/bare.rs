//! What the machine can do at most: a server that answers every request with the same bytes, in clear or sealed.

use std::{
    ffi::OsStr,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
};

use anyhow::Result;
use oidc_proto::channel::{AgentChannel, AgentStep};
use zeroize::Zeroizing;

/// As long as a reply with a token of usual length.
const REPLY_BYTES: usize = 900;

/// Serves one connection after the other, for ever.
pub fn serve(socket: &OsStr) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    rustix::net::listen(&listener, 1024)?;
    loop {
        let (stream, _) = listener.accept()?;
        // A client that went away is no reason to stop.
        let _ = answer(stream);
    }
}

fn answer(mut stream: UnixStream) -> Result<()> {
    let reply = format!("{{\"status\":\"success\",\"access_token\":\"{}\"}}", "x".repeat(REPLY_BYTES));
    let mut channel = AgentChannel::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        // Whoever only looked whether it listens says nothing and goes.
        if count == 0 {
            return Ok(());
        }
        let mut step = channel.receive(&buffer[..count]);
        loop {
            step = match step {
                AgentStep::NeedMore => break,
                AgentStep::Send(bytes) => {
                    stream.write_all(&bytes)?;
                    channel.receive(&[])
                }
                AgentStep::Request(_) => {
                    stream.write_all(&channel.reply(Zeroizing::new(reply)))?;
                    return Ok(());
                }
                AgentStep::Refuse(bytes) => return Ok(stream.write_all(&bytes)?),
            };
        }
    }
}
