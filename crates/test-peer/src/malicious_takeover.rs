//! Handovers that break the rules, on the side of the new server and on that of the old one.

use std::fs::File;
use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use ipc_core::testing::{Handover, Reject, TakeOver, control};
use rustix::fs::FlockOperation;
use serde_json::{Value, json};

use crate::State;
use crate::malicious::MaliciousPeer;

/// Asks the server at `path` for its name in the given way, and returns what came of it.
pub fn ask(state: &State, path: &str, how: &str) -> Result<Value> {
    let mut peer = MaliciousPeer::new(UnixStream::connect(path)?)?;
    let request = TakeOver::new(Vec::new()).encode();
    let null = File::open("/dev/null")?;
    let (payload, beside): (&[u8], &[BorrowedFd<'_>]) = match how {
        // A token that is cut short.
        "garbage" => (&[1, 0, 1, 0, 9, 9, 1], &[]),
        "descriptors" => (&request, &[null.as_fd()]),
        _ => (&request, &[]),
    };
    peer.send_frame(control::TAKE_OVER, payload, beside)?;
    let Some((code, payload, descriptors)) = peer.receive()? else {
        return Ok(json!({ "closed": true }));
    };
    if code == control::REJECT {
        let reject = Reject::decode(&payload).map_err(std::io::Error::other)?;
        return Ok(json!({ "rejected": reject.code.as_str() }));
    }
    match how {
        "twice" => peer.send_frame(control::TAKE_OVER, &request, &[])?,
        "confirmWithDescriptors" => peer.send_frame(control::READY, &[], &[null.as_fd()])?,
        _ => {}
    }
    Ok(json!({ "peer": state.keep(peer), "descriptors": descriptors.len() }))
}

/// Answers a new server that has asked for the name at `path`.
pub fn answer(
    peer: &MaliciousPeer,
    path: &Path,
    listener: &UnixListener,
    answer: &str,
) -> Result<()> {
    // What is right of it has to pass, so that what is wrong is what is refused.
    let lock = File::create(path.with_extension("lock"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let elsewhere = UnixListener::bind(path.with_extension("other"))?;
    let (pipe, _writing) = rustix::pipe::pipe()?;
    let (listener, lock) = (listener.as_fd(), lock.as_fd());
    let descriptors = match answer {
        "tooFew" => vec![listener],
        "tooMany" => vec![listener, lock, lock],
        "pipe" => vec![pipe.as_fd(), lock],
        "noLock" => vec![listener, pipe.as_fd()],
        "swapped" => vec![lock, listener],
        "elsewhere" => vec![elsewhere.as_fd(), lock],
        _ => vec![],
    };
    let version = if answer == "otherVersion" { 2 } else { 1 };
    peer.send_frame(control::HANDOVER, &Handover { version }.encode(), &descriptors)
}
