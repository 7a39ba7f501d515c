//! One connection: one request, one reply, each step with a deadline.

use std::{
    future::poll_fn,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use oidc_proto::{
    channel::{AgentChannel, AgentStep, Payload, StreamEnd},
    error_code::ErrorCode,
    message::{Failure, Reply, Request},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    sync::oneshot,
    time::{Instant, interval, timeout},
};
use tracing::debug;
use zeroize::Zeroize;

use super::{
    budget::{Budget, Share},
    entrance::permits,
    gate::{Session, Stopped},
    handler::Handler,
    idle::{Reason, Ticket},
    limits::Limits,
    stream::Stream,
};
use crate::{
    caller::{Caller, Role},
    hardening::harden,
};

/// What one read takes; requests are seldom larger.
const READ_BYTES: usize = 2048;
/// What a client may have sent behind its request and still get its reply: see [`drain`].
const DRAINED_BYTES: usize = 64 * 1024;
/// How many times its length a request may take when it has been read.
const EXPANSION: usize = 16;
/// How often a client that closed its writing side is looked at; there is no event for its going away.
const HALF_CLOSED_CHECK: Duration = Duration::from_millis(250);

/// What all sessions of a listener share.
pub(super) struct Context<H> {
    pub handler: std::sync::Arc<H>,
    pub budget: Budget,
    /// What members of the agent's group have instead.
    pub members_budget: Budget,
    pub limits: Limits,
}

/// Serves a connection to its end. `closed` says that it is to end before its request is complete.
pub(super) async fn serve<H: Handler>(
    caller: Caller<'_>,
    stream: &Stream,
    mut channel: AgentChannel,
    session: Session,
    (ticket, closed): (Ticket, oneshot::Receiver<Reason>),
    context: &Context<H>,
) {
    let budget = if caller.role == Role::Owner { &context.budget } else { &context.members_budget };
    let mut share = budget.share();
    let received = tokio::select! {
        biased;
        received = read_request(stream, &mut channel, &mut share, (&ticket, &session), &context.limits) => received,
        // Without its list a connection has nowhere to go.
        reason = closed => return close(stream, &mut channel, reason.unwrap_or(Reason::Ending)),
    };
    if !ticket.leave() {
        // Decided just before.
        return close(stream, &mut channel, Reason::Deadline);
    }
    match received {
        Ok(Received::Request(payload)) => {
            let reply = if share.hold(payload.len().saturating_mul(EXPANSION)).is_ok() {
                answer(caller, stream, payload, context, (&session, &channel)).await
            } else {
                Some(too_much().into())
            };
            if let Some(reply) = reply {
                let mut json = reply.to_json();
                if share.hold(json.len()).is_err() {
                    json = Reply::from(too_much()).to_json();
                }
                let reply = channel.reply(json);
                send(stream, &reply, context.limits.reply).await;
            }
        }
        Ok(Received::Refused(payload)) => send(stream, &payload, context.limits.reply).await,
        Err(reason) => debug!(%reason, pid = caller.peer.pid, "a connection ended without a request"),
    }
}

/// Answers a request that another process has read: with what became of it.
pub(super) async fn reply(stream: &Stream, mut channel: AgentChannel, reply: Reply, deadline: Duration) {
    let reply = channel.reply(reply.to_json());
    send(stream, &reply, deadline).await;
}

/// What others send and are sent leaves no memory for this one.
fn too_much() -> Failure {
    Failure::new(
        ErrorCode::TooManyRequests,
        "the agent is dealing with too many large messages, try again later",
    )
}

/// Says why a connection is closed, where a message had begun and the client takes it without being waited for.
fn close(stream: &Stream, channel: &mut AgentChannel, reason: Reason) {
    let failure = match reason {
        Reason::Deadline => {
            Failure::new(ErrorCode::BadRequest, "Bad Request: the request was not complete in time")
        }
        Reason::Crowded => Failure::new(
            ErrorCode::TooManyRequests,
            "too many connections: this one was closed before its request was complete",
        ),
        Reason::Ending => return,
    };
    if let Some(reply) = channel.give_up(failure) {
        let _ = stream.try_write(&reply);
    }
}

enum Received {
    Request(Payload),
    Refused(Payload),
}

/// Reads until there is a request, or a reason to give up.
async fn read_request(
    stream: &Stream,
    channel: &mut AgentChannel,
    share: &mut Share,
    (ticket, session): (&Ticket, &Session),
    limits: &Limits,
) -> io::Result<Received> {
    loop {
        session.pass(|| Stopped::new(stream.socket(), channel, ticket.deadline())).await;
        let mut step = match read_some(stream, channel) {
            Ok(ControlFlow::Continue(step)) => step,
            Ok(ControlFlow::Break(())) => return end_of_stream(channel),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::select! {
                    biased;
                    () = session.is_stopped() => {}
                    readable = stream.readable() => readable?,
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        loop {
            step = match step {
                AgentStep::NeedMore => break,
                AgentStep::Send(bytes) => {
                    write_all(stream, &bytes).await?;
                    ticket.set_deadline(Instant::now() + limits.request);
                    channel.receive(&[])
                }
                AgentStep::Request(payload) => return Ok(Received::Request(payload)),
                AgentStep::Refuse(payload) => return Ok(Received::Refused(payload)),
            };
        }
        if share.hold(channel.held()).is_err()
            && let Some(payload) = channel.give_up(too_much())
        {
            return Ok(Received::Refused(payload));
        }
    }
}

/// Nothing more will come. Whoever closed only the writing side can still read what is wrong.
fn end_of_stream(channel: &AgentChannel) -> io::Result<Received> {
    match channel.end_of_stream() {
        StreamEnd::Incomplete(payload) => Ok(Received::Refused(payload)),
        StreamEnd::Empty | StreamEnd::Complete => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// One read of what is there, in a buffer that no task has to keep while it waits. Breaks at the end of the stream.
fn read_some(stream: &Stream, channel: &mut AgentChannel) -> io::Result<ControlFlow<(), AgentStep>> {
    let mut buffer = [0; READ_BYTES];
    let count = stream.try_read(&mut buffer)?;
    if count == 0 {
        return Ok(ControlFlow::Break(()));
    }
    let received = &mut buffer[..count];
    let step = channel.receive(received);
    // What was received only: overwriting takes longer than everything else here.
    received.zeroize();
    Ok(ControlFlow::Continue(step))
}

/// Has the request answered. `None` when nobody is there any more to read the reply.
async fn answer<H: Handler>(
    caller: Caller<'_>,
    stream: &Stream,
    payload: Payload,
    context: &Context<H>,
    (session, channel): (&Session, &AgentChannel),
) -> Option<Reply> {
    let request = match Request::parse(&payload) {
        Ok(request) => request,
        Err(failure) => return Some(context.handler.refuse(failure)),
    };
    // A second copy of what the request holds is not kept while it is handled.
    drop(payload);
    if let Err(failure) = permits(caller.role, &request) {
        return Some(context.handler.refuse(failure));
    }
    let (name, class, only_asks) = (request.name(), request.class(), request.only_asks());
    debug!(request = name, pid = caller.peer.pid, "asked");
    if let Request::Upgrade(request) = request {
        return Some(session.ask(request, Stopped::new(stream.socket(), channel, None)).await.into());
    }
    session.works(name);
    // On the heap, so that a silent connection does not hold room for everything a handler might do.
    let handling = surviving(Box::pin(context.handler.handle(request, caller)));
    let reply = if only_asks {
        tokio::select! {
            biased;
            reply = handling => Some(reply),
            () = hang_up(stream) => None,
        }
    } else {
        Some(handling.await)
    };
    if class.may_store_secrets() {
        harden::lock_heap();
    }
    if reply.is_none() {
        debug!(request = name, pid = caller.peer.pid, "the client went away");
    }
    reply
}

/// A defect that shows in one request must not cost the others their agent, nor this client its reply.
async fn surviving(mut handling: Pin<Box<impl Future<Output = Reply>>>) -> Reply {
    let caught = poll_fn(|context| {
        let poll = AssertUnwindSafe(|| handling.as_mut().poll(context));
        catch_unwind(poll).map_or_else(|_| Poll::Ready(None), |poll| poll.map(Some))
    });
    let reply = caught.await;
    reply.unwrap_or_else(|| Failure::new(ErrorCode::Internal, "internal error").into())
}

/// Resolves when the peer has closed its connection. A peer that closed its writing side only still waits for the
/// reply: that shows as an end of stream as well, but the kernel reports a hang-up only after a full close.
async fn hang_up(stream: &Stream) {
    loop {
        match discard(stream) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if stream.readable().await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
    let mut ticks = interval(HALF_CLOSED_CHECK);
    while !is_hung_up(stream) {
        ticks.tick().await;
    }
}

fn is_hung_up(stream: &Stream) -> bool {
    let mut descriptors = [PollFd::new(stream, PollFlags::empty())];
    let polled = poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_err() || descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Writes a whole message, at once if the socket takes it, and prepares the close.
async fn send(stream: &Stream, message: &Payload, deadline: Duration) {
    let sending = async {
        if let Err(error) = write_all(stream, message).await {
            debug!(%error, "a reply was not read");
        }
        drain(stream).await;
    };
    if timeout(deadline, sending).await.is_err() {
        debug!("a reply was not read in time");
    }
}

async fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads away what the client sent behind its request: closing with unread bytes makes the kernel report a reset to
/// the client instead of the end of stream that it waits for.
async fn drain(stream: &Stream) {
    let mut drained = 0;
    while drained < DRAINED_BYTES {
        match discard(stream) {
            Ok(count) if count > 0 => drained += count,
            _ => return,
        }
        tokio::task::yield_now().await;
    }
}

fn discard(stream: &Stream) -> io::Result<usize> {
    // Small, because there is seldom anything.
    stream.try_read(&mut [0; 512])
}
