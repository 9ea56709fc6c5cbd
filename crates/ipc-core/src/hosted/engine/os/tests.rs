//! Sockets as their host says them, one thread for each test.

use std::sync::Arc;

use super::bell::Received;
use super::poller::{Poller, Source};
use super::socket::{Attempt, HandshakeSocket, Numbered, OwnedSocket, accept};
use super::stream::Stream;
use super::{socket, sockets};
use crate::hosted::imports::host::ASKED;
use crate::limits::Geometry;
use crate::memory::layout::{self, Side};
use crate::memory::{Backing, Object};
use crate::mirror::Mirror;
use crate::sys::Errno;

/// What a poller reports.
fn reports(poller: &mut Poller) -> Vec<Source> {
    let mut ready = Vec::new();
    assert_eq!(poller.has_events(), {
        poller.take(&mut ready);
        !ready.is_empty()
    });
    ready
}

fn ended(number: u32) {
    sockets::with(number, |socket| socket.has_ended = true);
}

#[test]
fn an_attempt_is_known_when_the_host_says_so_and_the_next_has_another_number() {
    let (socket, address) = (HandshakeSocket::new().unwrap(), "/here".to_owned());
    let outcomes =
        [Ok(Attempt::NoServer), Ok(Attempt::Barred), Ok(Attempt::QueueFull), Err(Errno::IO)];
    for outcome in outcomes {
        assert_eq!(socket.connect(&address), Ok(Attempt::QueueFull), "it is not known yet");
        assert_eq!(socket.connect(&address), Ok(Attempt::QueueFull), "and not begun again");
        let number = socket.number().unwrap();
        sockets::with(number, |socket| socket.attempt = Some(outcome));
        assert_eq!(socket.connect(&address), outcome);
        assert_eq!(socket.number(), None);
        assert_eq!(ASKED.with_borrow_mut(|asked| asked.closed.pop()), Some(number));
    }
    assert_eq!(socket.connect(&address), Ok(Attempt::QueueFull));
    let number = socket.number().unwrap();
    sockets::with(number, |socket| socket.attempt = Some(Ok(Attempt::Connected)));
    assert_eq!(socket.connect(&address), Ok(Attempt::Connected));
    assert_eq!(socket.number(), Some(number));
    let begun = ASKED.with_borrow(|asked| asked.connected.clone());
    assert_eq!(begun.len(), 5);
    assert!(begun.iter().all(|(number, to)| number % 2 == 1 && *to == address));
}

#[test]
fn what_has_come_is_reported_as_long_as_it_is_unread_and_only_while_it_is_watched() {
    let (mut poller, socket) = (Poller::new().unwrap(), OwnedSocket::listening(2));
    sockets::received(2, b"early");
    assert_eq!(reports(&mut poller), []);
    poller.watch(&socket, Source::Socket(7)).unwrap();
    assert_eq!(reports(&mut poller), [Source::Socket(7)]);
    assert_eq!(reports(&mut poller), [Source::Socket(7)], "it was not read");
    poller.pause(&socket, Source::Socket(7));
    assert_eq!(reports(&mut poller), []);
    poller.resume(&socket, Source::Socket(7));
    let mut came = Vec::new();
    assert!(!socket.receive(&mut came));
    assert_eq!((came.as_slice(), reports(&mut poller)), (&b"early"[..], vec![]));
    ended(2);
    assert_eq!(reports(&mut poller), [Source::Socket(7)]);
    assert!(socket.receive(&mut Vec::new()), "and that was the end");
    poller.forget(&socket);
    assert_eq!(reports(&mut poller), []);
    drop(socket);
    sockets::received(2, b"late");
    assert_eq!(ASKED.with_borrow_mut(|asked| asked.closed.pop()), Some(2));
}

#[test]
fn clients_are_accepted_in_turn_with_what_they_have_said_and_those_that_wait_end_with_their_server()
{
    let (mut poller, listening) = (Poller::new().unwrap(), OwnedSocket::listening(2));
    poller.watch(&listening, Source::Listener(3)).unwrap();
    for number in [4, 6, 8] {
        sockets::adopt(number);
        sockets::with(2, |socket| socket.clients.push_back(number));
        sockets::received(number, b"hello");
    }
    assert_eq!(reports(&mut poller), [Source::Listener(3)]);
    let client = accept(&listening).unwrap();
    assert_eq!(client.number(), Some(4));
    let mut bytes = [0; 3];
    assert!(matches!(client.receive(&mut bytes, 0), Ok(socket::Received::Bytes(3, _))));
    assert_eq!(&bytes, b"hel");
    assert!(matches!(client.receive(&mut bytes, 0), Ok(socket::Received::Bytes(2, _))));
    assert!(matches!(client.receive(&mut bytes, 0), Ok(socket::Received::Nothing)));
    assert_eq!(client.sender(), Err(Errno::AGAIN));
    sockets::received(4, b"bye");
    ended(4);
    assert!(matches!(client.receive(&mut bytes, 0), Ok(socket::Received::Bytes(3, _))));
    assert!(matches!(client.receive(&mut bytes, 0), Ok(socket::Received::End)));
    drop(listening);
    assert_eq!(ASKED.with_borrow_mut(|asked| std::mem::take(&mut asked.closed)), [2, 6, 8]);
}

#[test]
fn a_stream_keeps_what_its_host_does_not_take_and_sends_it_when_it_does() {
    let (mut poller, socket) = (Poller::new().unwrap(), OwnedSocket::listening(2));
    poller.watch(&socket, Source::Socket(1)).unwrap();
    let (segment, _) = Object::lanes(&Geometry::DENSE).create(Backing::Private).unwrap();
    let segment = Arc::new(segment);
    let mirror = Mirror::over(Arc::clone(&segment), &Geometry::DENSE, Side::Client);
    let mut stream = Stream::new(mirror, poller.watching(Source::Socket(1)));
    assert!(!stream.flush(&socket), "there is nothing to send");
    // A word that the peer is to see.
    segment.word64(layout::sync_wait(Side::Client)).store(9, std::sync::atomic::Ordering::Relaxed);
    ASKED.with_borrow_mut(|asked| asked.refuses = Some(0));
    assert!(!stream.flush(&socket));
    assert!(stream.waits());
    assert_eq!(reports(&mut poller), [], "the host has not said that it takes more");
    ASKED.with_borrow_mut(|asked| asked.refuses = None);
    sockets::drained(2);
    assert_eq!(reports(&mut poller), [Source::Socket(1)]);
    assert_eq!(stream.receive(&socket, &mut Vec::new()).unwrap(), Received::Some);
    assert!(!stream.waits());
    assert_eq!(ASKED.with_borrow(|asked| asked.sent.len()), 1);
    assert_eq!(reports(&mut poller), []);
    segment.word64(layout::sync_wait(Side::Client)).store(0, std::sync::atomic::Ordering::Relaxed);
    segment.word64(layout::sync_wait(Side::Client)).store(8, std::sync::atomic::Ordering::Relaxed);
    ASKED.with_borrow_mut(|asked| asked.refuses = Some(-1));
    assert!(!stream.flush(&socket));
    assert_eq!(reports(&mut poller), [Source::Socket(1)], "the end");
    assert_eq!(stream.receive(&socket, &mut Vec::new()).unwrap(), Received::End);
}
