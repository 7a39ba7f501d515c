//! The socket's way from the process that a person started to the daemon, which is a new process of the same program.
//!
//! The first process binds, so that it can say what went wrong, and starts the daemon with one end of a socket pair as
//! standard input. Descriptors travel as ancillary data (unix(7), `SCM_RIGHTS`); the daemon answers with one byte when
//! it serves. Nothing is forked without an exec, so no state of a runtime can be torn.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::server::{
    bind::{Bound, Claim, listen_again},
    place::Place,
};

/// The socket and its lock.
const DESCRIPTORS: usize = 2;
const READY: u8 = 6;

/// What a daemon inherits.
#[derive(Debug)]
pub struct Inherited {
    /// The socket, its lock and its place.
    pub bound: Bound,
    /// The daemon ends after its parent.
    pub ends_with_parent: bool,
}

/// Sends everything a daemon needs in one message.
pub fn send(channel: &UnixStream, bound: &Bound, ends_with_parent: bool) -> io::Result<()> {
    let descriptors = [bound.listener.as_fd(), bound.claim.lock.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let data = [u8::from(bound.claim.place.own_directory), u8::from(ends_with_parent)];
    sendmsg(channel, &[IoSlice::new(&data)], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// Receives what [`send`] sent.
pub fn receive(channel: &UnixStream) -> io::Result<Inherited> {
    let malformed = || io::Error::other("nothing was handed over on standard input");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut data = [0; 2];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(channel, &mut [IoSliceMut::new(&mut data)], &mut ancillary, flags)?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let mut descriptors = descriptors.next().ok_or_else(malformed)?;
    if received.bytes != data.len() {
        return Err(malformed());
    }
    let listener = UnixListener::from(descriptors.next().ok_or_else(malformed)?);
    listen_again(&listener)?;
    let lock = File::from(descriptors.next().ok_or_else(malformed)?);
    let socket = listener.local_addr()?.as_pathname().map(Path::to_path_buf).ok_or_else(malformed)?;
    let place = Place { socket, own_directory: data[0] == 1 };
    let bound = Bound { listener, claim: Claim { lock, place } };
    Ok(Inherited { bound, ends_with_parent: data[1] == 1 })
}

/// The daemon serves.
pub fn acknowledge(mut channel: &UnixStream) -> io::Result<()> {
    channel.write_all(&[READY])
}

/// Waits until the daemon serves; `false` when it ended instead.
pub fn wait(mut channel: &UnixStream) -> io::Result<bool> {
    let mut answer = [0];
    Ok(channel.read(&mut answer)? == 1 && answer == [READY])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = Place::prepare(Some(&root.path().join("own/sock")), 1).expect("a place");
        let bound = Bound::new(place.clone(), None).expect("bound");
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        send(&ours, &bound, true).expect("sent");
        drop(bound);

        let inherited = receive(&theirs).expect("received");
        assert_eq!(inherited.bound.claim.place, place);
        assert!(inherited.ends_with_parent);
        UnixStream::connect(&place.socket).expect("still listening");
        assert!(Bound::new(place, None).is_err(), "still locked");

        acknowledge(&theirs).expect("acknowledged");
        assert!(wait(&ours).expect("answer"));
    }

    #[test]
    fn a_daemon_that_dies_is_noticed() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        drop(theirs);
        assert!(!wait(&ours).expect("end of stream"));
    }

    #[test]
    fn something_else_on_standard_input_is_refused() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (&ours).write_all(b"x").expect("written");
        assert!(receive(&theirs).is_err());
    }
}
