//! A request that is waited for inside of the native call: no loop turns, no promise is made, and
//! nothing is faster. Whatever else comes meanwhile is put down for later.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::time::Duration;

use ipc_core::{Ending, LinkId, Result, Time};
use napi::sys;

use crate::binding::Binding;
use crate::records::ending::{
    ENDED_CANCELLED, ENDED_CLOSED, ENDED_PEER_LOST, ENDED_TIMEOUT, ENDED_UNREADABLE,
    ENDED_WITHDRAWN, ENDED_WOULD_DEADLOCK,
};
use crate::records::state::{STATE_SYNC_FREE, STATE_SYNC_HEAD, STATE_SYNC_LEN};
use crate::sync_call::{Outcome, SyncCall};

/// How long to sleep before looking whether the environment is being terminated.
const SLICE: Duration = Duration::from_millis(20);

/// Sends the outbox and waits for the outcome of the request the state names.
pub fn request(binding: &Binding) -> Result<sys::napi_value> {
    let env = binding.env();
    let (link, id) = {
        let mut inner = binding.inner();
        let (link, id) = inner.named_request();
        let free = inner.state.word(STATE_SYNC_FREE as usize) as usize;
        inner.inbox.begin_sync(SyncCall { link, id, free, outcome: None });
        (link, id)
    };
    let waited = wait(binding, link, id);
    binding.inner().inbox.end_sync();
    let outcome = waited?;
    binding.settle();
    let number = |number: u32| {
        let mut value = ptr::null_mut();
        // SAFETY: on the environment's thread, called from JavaScript.
        unsafe { sys::napi_create_int64(env, -i64::from(number), &raw mut value) };
        value
    };
    let set_head = |head| binding.inner().state.set_word(STATE_SYNC_HEAD as usize, head);
    Ok(match outcome {
        Some(Outcome::Answered { head, len }) => {
            set_head(head);
            let mut value = ptr::null_mut();
            let len = u32::try_from(len).expect("it fits the arena");
            // SAFETY: as above.
            unsafe { sys::napi_create_uint32(env, len, &raw mut value) };
            value
        }
        Some(Outcome::Outside { head, payload, len }) => {
            set_head(head);
            let len = u32::try_from(len).expect("bounded by the agreed maximum");
            binding.inner().state.set_word(STATE_SYNC_LEN as usize, len);
            payload.value()
        }
        Some(Outcome::Ended(Ending::Timeout)) => number(ENDED_TIMEOUT),
        Some(Outcome::Ended(Ending::Cancelled)) => number(ENDED_CANCELLED),
        Some(Outcome::Ended(Ending::PeerLost)) => number(ENDED_PEER_LOST),
        Some(Outcome::Ended(Ending::Closed)) => number(ENDED_CLOSED),
        Some(Outcome::Ended(Ending::Withdrawn)) => number(ENDED_WITHDRAWN),
        Some(Outcome::Ended(Ending::Unreadable)) => number(ENDED_UNREADABLE),
        Some(Outcome::Refused(error)) => return Err(error),
        None => number(ENDED_WOULD_DEADLOCK),
    })
}

/// `None`: the peer waits for this side in its turn.
fn wait(binding: &Binding, link: LinkId, id: u64) -> Result<Option<Outcome>> {
    binding.submit(None)?;
    {
        let engine = &mut binding.inner().engine;
        engine.wait_synchronously(link, Some(id));
        // The answer is taken even where other messages have to wait for JavaScript.
        engine.resume(link);
    }
    let outcome = wait_for_outcome(binding, link, id);
    binding.inner().engine.wait_synchronously(link, None);
    outcome
}

fn wait_for_outcome(binding: &Binding, link: LinkId, id: u64) -> Result<Option<Outcome>> {
    loop {
        let inner = &mut *binding.inner();
        if inner.engine.spin(&binding.wait_policy(), Time::NEVER) {
            inner.engine.drive_hot(&mut inner.inbox);
            if let Some(outcome) = inner.inbox.sync_outcome() {
                return Ok(Some(outcome));
            }
        }
        let deadlocked = inner.engine.is_deadlocked(link);
        inner.engine.drive(&mut inner.inbox);
        if let Some(outcome) = inner.inbox.sync_outcome() {
            return Ok(Some(outcome));
        }
        if deadlocked {
            inner.engine.cancel(link, id);
            return Ok(None);
        }
        if !inner.engine.is_open(link) {
            return Ok(Some(Outcome::Ended(Ending::PeerLost)));
        }
        if inner.engine.arm() {
            let mut entry = libc::pollfd {
                fd: inner.engine.as_fd().as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            let millis = i32::try_from(SLICE.as_millis()).expect("a short slice");
            // SAFETY: one valid entry.
            unsafe { libc::poll(&raw mut entry, 1, millis) };
        }
        if binding.is_terminating() {
            inner.engine.cancel(link, id);
            return Ok(Some(Outcome::Ended(Ending::Cancelled)));
        }
    }
}
