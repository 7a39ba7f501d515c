//! `oidc-agent --status`: asks the running agent. A client in a few lines; the real one is a program of its own.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    process::ExitCode,
    time::Duration,
};

use oidc_proto::{
    channel::{ChannelError, ClientChannel, ClientStep},
    connect::{ConnectError, connect_to},
    message::{Failure, Reply, ReplyError, Request},
    socket::Places,
};

use crate::output;

/// An agent that does not answer this within so long never will.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("did not receive any response: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Reply(#[from] ReplyError),
    #[error("{0}")]
    Refused(Failure),
    #[error("the agent's reply is not about its status")]
    Unexpected,
}

/// Prints the status as text, or as JSON on one line and without a newline.
pub fn run(json: bool) -> ExitCode {
    match ask(if json { &Request::StatusJson } else { &Request::Status }) {
        Ok(text) => {
            output::result(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::message(&format!("Error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn ask(request: &Request) -> Result<String, StatusError> {
    let places = Places::find().map_err(ConnectError::from)?;
    let stream = connect_to(&places, PATIENCE)?.stream;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match exchange(stream, request)? {
        Reply::Success { info: Some(serde_json::Value::String(text)) } => {
            Ok(format!("{}\n", text.trim_end()))
        }
        Reply::Success { info: Some(info) } => Ok(info.to_string()),
        Reply::Failure(failure) => Err(StatusError::Refused(failure)),
        _ => Err(StatusError::Unexpected),
    }
}

fn exchange(mut stream: UnixStream, request: &Request) -> Result<Reply, StatusError> {
    let (mut channel, first) = ClientChannel::sealed(request.to_json());
    stream.write_all(&first)?;
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(channel.end_of_stream().into());
        }
        let mut step = channel.receive(&buffer[..count])?;
        while let ClientStep::Send(bytes) = step {
            stream.write_all(&bytes)?;
            step = channel.receive(&[])?;
        }
        if let ClientStep::Reply(payload) = step {
            return Ok(Reply::parse(&payload)?);
        }
    }
}
