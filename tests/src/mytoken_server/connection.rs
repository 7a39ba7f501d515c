//! One connection: a request, the fault that is in line for it, and the answer.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use super::{Asked, Fault, Place, Shared, answer};

/// Nobody is waited for longer.
const DEADLINE: Duration = Duration::from_secs(20);
/// Largest body that is read.
const MOST: usize = 1 << 20;

pub(super) fn serve(stream: &TcpStream, shared: &Shared) {
    drop(stream.set_read_timeout(Some(DEADLINE)));
    let Some((path, asked)) = read(stream) else { return };
    let mut state = shared.state();
    state.asked.push(asked.clone());
    let fault = state.faults.get_mut(&asked.place).and_then(std::collections::VecDeque::pop_front);
    let (status, body) = match fault {
        Some(Fault::Html(status)) => return write(stream, status, "text/html", "<title>Bad gateway</title>"),
        Some(Fault::Error(status, error, description)) => answer::error(status, error, description),
        Some(Fault::LostAnswer) => {
            answer::to(shared, &mut state.tokens, &path, &asked);
            return;
        }
        Some(Fault::With(members)) => {
            let (status, mut body) = answer::to(shared, &mut state.tokens, &path, &asked);
            for (key, value) in members.as_object().into_iter().flatten() {
                body[key] = value.clone();
            }
            (status, body)
        }
        None => answer::to(shared, &mut state.tokens, &path, &asked),
    };
    drop(state);
    let text = if body.is_null() { String::new() } else { body.to_string() };
    write(stream, status, "application/json", &text);
}

fn read(stream: &TcpStream) -> Option<(String, Asked)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut is_form, mut authorization) = (0, false, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok().filter(|length| *length <= MOST)?,
            "content-type" => is_form = value.starts_with("application/x-www-form-urlencoded"),
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = if is_form {
        let pairs = url::form_urlencoded::parse(&body);
        Value::Object(pairs.map(|(key, value)| (key.into_owned(), value.into_owned().into())).collect())
    } else {
        serde_json::from_slice(&body).unwrap_or_default()
    };
    let place = match path.as_str() {
        "/.well-known/mytoken-configuration" | "/.well-known/openid-configuration" => Place::Metadata,
        "/api/v0/token/my" => Place::Mytoken,
        "/api/v0/token/access" => Place::AccessToken,
        "/api/v0/token/revoke" => Place::Revocation,
        _ => Place::Other,
    };
    Some((path, Asked { place, body, authorization }))
}

fn write(mut stream: &TcpStream, status: u16, media_type: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Whoever has left does not want it.
    drop(stream.write_all(format!("{head}{body}").as_bytes()));
}
