//! Connections, routing and faults.

use std::{
    fmt, io,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, UNIX_EPOCH},
};

use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming as RequestBody},
    header::{DATE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared, admin, authorization, device, discovery,
    endpoint::Endpoint,
    fault::Fault,
    iam,
    incoming::Incoming,
    registration,
    reply::Reply,
    state::{self, State},
    token, tokens_in_use,
};

/// Between two bytes of [`Fault::Drip`].
const DRIP: Duration = Duration::from_millis(50);
/// Size of the pieces of [`Fault::HugeBody`].
const PIECE: usize = 64 * 1024;

/// Serves until `stop` is cancelled, then cuts every connection.
///
/// # Panics
/// When answering does: a test must not take that for a connection that was cut.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut count = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                count += 1;
                connections.spawn(connection(stream, shared.clone(), count, stop.clone()));
            },
            Some(ended) = connections.join_next() => without_panic(ended),
            () = stop.cancelled() => break,
        }
    }
    while let Some(ended) = connections.join_next().await {
        without_panic(ended);
    }
}

fn without_panic(ended: Result<(), JoinError>) {
    if let Err(Ok(panic)) = ended.map_err(JoinError::try_into_panic) {
        resume_unwind(panic);
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, number: u64, stop: CancellationToken) {
    let service = service_fn(move |request| answer(shared.clone(), request, number));
    let served =
        http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    // A connection that ends badly was cut by a fault or left by its client: both are what tests do.
    tokio::select! {
        _ = served => {}
        () = stop.cancelled() => {}
    }
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut by a fault")
    }
}

impl std::error::Error for Cut {}

async fn answer(
    shared: Arc<Shared>,
    request: Request<RequestBody>,
    connection: u64,
) -> Result<Response<ReplyBody>, Cut> {
    let incoming = Incoming::read(request, connection).await.map_err(|_| Cut)?;
    let endpoint = Endpoint::at(&incoming.path, &shared.state().base);
    if endpoint == Endpoint::Admin {
        return Ok(admin::answer(&shared, &incoming).into_response());
    }
    let entry = shared.log.record(incoming.record(endpoint));
    let mut response = suffer(&shared, endpoint, &incoming).await?;
    let date = date(&shared);
    response.headers_mut().extend(date.map(|date| (DATE, date)));
    shared.log.answered(entry, response.status().as_u16());
    Ok(response)
}

/// `Date` by the provider's clock.
fn date(shared: &Shared) -> Option<HeaderValue> {
    let state = shared.state();
    let now = state::now().saturating_add_signed(state.quirks.clock_ahead);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
    HeaderValue::try_from(date).ok().filter(|_| state.quirks.sends_date)
}

/// Answers with the fault that is in force, or properly.
async fn suffer(
    shared: &Shared,
    endpoint: Endpoint,
    incoming: &Incoming,
) -> Result<Response<ReplyBody>, Cut> {
    let Some(fault) = shared.faults.take(endpoint) else {
        return Ok(process(shared, endpoint, incoming).into_response());
    };
    let reply = match fault {
        Fault::Delay { milliseconds } => {
            sleep(Duration::from_millis(milliseconds)).await;
            process(shared, endpoint, incoming)
        }
        Fault::Late { milliseconds } => {
            let reply = process(shared, endpoint, incoming);
            sleep(Duration::from_millis(milliseconds)).await;
            reply
        }
        Fault::Hang => {
            shared.faults.released().await;
            return Err(Cut);
        }
        Fault::DropBefore => return Err(Cut),
        Fault::DropAfter => {
            process(shared, endpoint, incoming);
            return Err(Cut);
        }
        Fault::HalfReply => {
            let Reply { status, headers, body } = process(shared, endpoint, incoming);
            let length = body.len().to_string();
            let half = Bytes::copy_from_slice(&body[..body.len() / 2]);
            let head = Reply { status, headers, body: vec![] }.with("content-length", &length);
            return Ok(head.with_body(ReplyBody::Half(half)));
        }
        Fault::Status { status, retry_after, body } => {
            let reply = Reply::text(status, body.as_deref().unwrap_or("out of order\n"));
            match retry_after {
                Some(seconds) => reply.with("retry-after", &seconds.to_string()),
                None => reply,
            }
        }
        Fault::Bytes { status, content_type, body } => {
            Reply { status, headers: vec![], body }.with("content-type", &content_type)
        }
        Fault::StatusAfter { status } => {
            process(shared, endpoint, incoming);
            Reply::text(status, "out of order\n")
        }
        Fault::OAuthError { status, error, description } => {
            Reply::error(status, &error, description.as_deref().unwrap_or_default())
        }
        Fault::Garbage => {
            Reply { status: 200, headers: vec![], body: b"\0\x1b[31m%s%n{\"access_token\"".to_vec() }
                .with("content-type", "application/json")
        }
        Fault::HugeBody { bytes } => {
            return Ok(json_head().with_body(ReplyBody::Huge { started: false, left: bytes }));
        }
        Fault::Drip => return Ok(json_head().with_body(ReplyBody::Drip(Box::pin(sleep(DRIP))))),
        Fault::Redirect { to } => Reply::redirect(307, &to),
    };
    Ok(reply.into_response())
}

fn json_head() -> Reply {
    Reply::empty(200).with("content-type", "application/json")
}

/// The proper answer.
fn process(shared: &Shared, endpoint: Endpoint, incoming: &Incoming) -> Reply {
    let mut state = shared.state();
    let reply = route(&mut state, endpoint, incoming);
    for violation in state.violations.drain(..) {
        shared.log.violated(violation);
    }
    reply
}

fn route(state: &mut State, endpoint: Endpoint, incoming: &Incoming) -> Reply {
    let answer = match endpoint {
        Endpoint::Discovery => Ok(discovery::answer(state, incoming)),
        Endpoint::Jwks => Ok(discovery::jwks(state)),
        Endpoint::Authorization => authorization::answer(state, incoming),
        Endpoint::Token => token::answer(state, incoming),
        Endpoint::DeviceAuthorization => device::authorization(state, incoming),
        Endpoint::Verification => Ok(device::verification(state, incoming)),
        Endpoint::Registration => registration::register(state, incoming),
        Endpoint::ClientConfiguration => registration::manage(state, incoming),
        Endpoint::Revocation => tokens_in_use::revoke(state, incoming),
        Endpoint::Introspection => tokens_in_use::introspect(state, incoming),
        Endpoint::Userinfo => Ok(tokens_in_use::userinfo(state, incoming)),
        Endpoint::ScimMe if state.quirks.iam => Ok(iam::me(state, incoming)),
        Endpoint::ClientList if state.quirks.iam => Ok(iam::clients(state, incoming)),
        Endpoint::ScimMe | Endpoint::ClientList | Endpoint::Admin | Endpoint::Unknown => {
            Ok(Reply::html(404, "<h1>Not here</h1>"))
        }
    };
    answer.unwrap_or_else(|refusal| refusal)
}

impl Reply {
    fn into_response(mut self) -> Response<ReplyBody> {
        let body = std::mem::take(&mut self.body);
        self.with_body(ReplyBody::Whole(Some(body.into())))
    }

    fn with_body(self, body: ReplyBody) -> Response<ReplyBody> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        response.body(body).unwrap_or_else(|_| Response::new(ReplyBody::Whole(None)))
    }
}

/// A response body, well-behaved or not.
#[derive(Debug)]
enum ReplyBody {
    Whole(Option<Bytes>),
    /// Less than was announced, then the connection is cut.
    Half(Bytes),
    /// What is left of [`Self::Half`]: a pause, so that the half is flushed before the cut.
    Cutting(Pin<Box<Sleep>>),
    Huge {
        started: bool,
        left: u64,
    },
    Drip(Pin<Box<Sleep>>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match &mut *self {
            Self::Whole(bytes) => bytes.take(),
            Self::Half(bytes) => {
                let half = std::mem::take(bytes);
                *self = Self::Cutting(Box::pin(sleep(DRIP)));
                Some(half)
            }
            Self::Cutting(timer) => {
                std::task::ready!(timer.as_mut().poll(context));
                return Poll::Ready(Some(Err(io::Error::other(Cut))));
            }
            Self::Huge { started, left } => huge_piece(started, left),
            Self::Drip(timer) => {
                std::task::ready!(timer.as_mut().poll(context));
                timer.as_mut().reset(tokio::time::Instant::now() + DRIP);
                Some(Bytes::from_static(b" "))
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            _ => hyper::body::SizeHint::default(),
        }
    }
}

fn huge_piece(started: &mut bool, left: &mut u64) -> Option<Bytes> {
    if !*started {
        *started = true;
        return Some(Bytes::from_static(b"{\"access_token\":\""));
    }
    let length = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
    *left -= length as u64;
    (length > 0).then(|| vec![b'a'; length].into())
}
