//! Clients: connections to servers.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{CONNECT_TIMEOUT_DEFAULT, Dialing, Draft, Kind, LinkId, Options, Sent};
use ipc_core::{TIMEOUT_DEFAULT, Time};

use crate::border::{bytes, copy_out, hand_over, handle, put_optional, sized, span};
use crate::border::{take_back, text, wanted};
use crate::callbacks::{Callback, ClosedFn, EventFn, ReplyFn};
use crate::error::{Error, guard};
use crate::event_loop::{Loop, Shared, State, settle};
use crate::inbox::{Happening, Link, Listener, Outcome, Payload, Waiting};
use crate::options::{CallOptions, ClientOptions, place};
use crate::status::Status;

/// A connection to a server. It is one session, and over with it: a program that wants another
/// connects again.
pub struct Client {
    shared: Arc<Shared>,
    link: LinkId,
}

/// The answer to a request.
pub struct Reply(Payload);

impl State {
    /// Sends a request whose outcome goes where `waiting` says.
    fn ask(
        &mut self,
        link: LinkId,
        message: &Outgoing<'_>,
        waiting: Waiting,
    ) -> Result<u64, Error> {
        let draft = message.options.draft(self.engine.code(message.name)?)?;
        let id = self.inbox.calls.insert(waiting);
        let timeout = span(message.options.timeout_ms, TIMEOUT_DEFAULT);
        let timeout = Some(timeout).filter(|span| *span != Duration::MAX);
        let draft = Draft { kind: Kind::Request, id, timeout, ..draft };
        match self.engine.send(link, &draft, message.payload) {
            Ok(_) => Ok(id),
            Err(failed) => {
                self.inbox.calls.remove(id);
                Err(failed.into())
            }
        }
    }

    fn await_outcome(&mut self, id: u64) -> Result<Outcome, Error> {
        loop {
            if let Some(Waiting::Call(outcome)) = self.inbox.calls.get_mut(id)
                && let Some(outcome) = outcome.take()
            {
                self.inbox.calls.remove(id);
                return Ok(outcome);
            }
            self.turn(Time::NEVER)?;
        }
    }

    pub fn notify(&mut self, link: LinkId, message: &Outgoing<'_>) -> Result<(), Error> {
        let draft = message.options.draft(self.engine.code(message.name)?)?;
        match self.engine.send(link, &draft, message.payload)? {
            Sent::Dropped => Err(ipc_core::Error::dropped().into()),
            _ => Ok(()),
        }
    }

    fn connect(
        &mut self,
        name: &str,
        options: &ClientOptions,
        engine: &Options,
    ) -> Result<LinkId, Error> {
        let attempt = span(options.connect_timeout_ms, CONNECT_TIMEOUT_DEFAULT);
        let link = if options.wait_for_server_ms == 0 {
            self.engine.connect(name, engine, attempt)?
        } else {
            let timeout = span(options.wait_for_server_ms, Duration::ZERO);
            let dialing = Dialing { timeout, attempt_timeout: attempt, insists: false };
            self.engine.dial(name, engine, dialing)?
        };
        self.inbox.links.insert(link, Link::default());
        loop {
            let found = self.inbox.links.get(&link);
            if found.is_some_and(|found| found.is_open) {
                return Ok(link);
            }
            if found.is_none_or(|found| found.ended.is_some()) {
                let ended = self.inbox.links.remove(&link).and_then(|found| found.ended);
                return Err(ended.flatten().map_or_else(Error::closed, Error::from));
            }
            self.turn(Time::NEVER)?;
        }
    }

    /// Closes connections gracefully: waits until what waits for room is written, or for a second.
    pub fn close(&mut self, links: &[LinkId]) -> Result<(), Error> {
        for link in links {
            self.engine.close(*link, &mut self.inbox);
        }
        while links.iter().any(|link| self.engine.is_open(*link)) {
            self.turn(Time::NEVER)?;
        }
        for link in links {
            self.inbox.links.remove(link);
        }
        Ok(())
    }
}

/// A message to be sent.
pub struct Outgoing<'a> {
    pub name: &'a str,
    pub payload: &'a [u8],
    pub options: CallOptions,
}

impl Outgoing<'_> {
    /// # Safety
    /// As [`text`], [`bytes`] and [`sized`].
    pub unsafe fn of(
        name: *const c_char,
        payload: *const u8,
        len: usize,
        options: *const CallOptions,
    ) -> Result<Self, Error> {
        // SAFETY: as this function's.
        unsafe {
            let name = text(name, "the name")?;
            Ok(Self { name, payload: bytes(payload, len)?, options: sized(options)? })
        }
    }
}

/// Connects to the server of that name, and waits until that is done. `options` may be NULL.
///
/// Threads: that of the loop. No callback is called meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_connect(
    event_loop: Option<&Loop>,
    name: *const c_char,
    options: *const ClientOptions,
    client: *mut *mut Client,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let (found, to) = (handle(event_loop)?, wanted(client)?);
        // SAFETY: as the header demands.
        let (name, options, place, token) = unsafe {
            let options = sized(options)?;
            let token = bytes(options.token, options.token_len)?;
            (text(name, "the name")?, options, place(options.directory)?, token)
        };
        let token = if token.is_empty() { None } else { Some(token.to_vec()) };
        let engine = Options { directory: place.directory, token, ..Options::default() };
        let link = found.0.with(|state| state.connect(name, &options, &engine))?;
        // SAFETY: it is a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(to, Client { shared: Arc::clone(&found.0), link }) })
    })
}

/// Sends a request and waits for its outcome, which is a reply to be freed by rp_reply_free, or an
/// error. `options` may be NULL.
///
/// Threads: that of the loop. No callback is called meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_request(
    client: Option<&Client>,
    method: *const c_char,
    payload: *const u8,
    len: usize,
    options: *const CallOptions,
    reply: *mut *mut Reply,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let (client, to) = (handle(client)?, wanted(reply)?);
        // SAFETY: as the header demands.
        let message = unsafe { Outgoing::of(method, payload, len, options)? };
        let outcome = client.shared.with(|state| {
            let id = state.ask(client.link, &message, Waiting::Call(None))?;
            state.await_outcome(id)
        });
        // SAFETY: it is a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(to, Reply(outcome??)) })
    })
}

/// Sends a request without waiting. `callback` is called once with its outcome, by the loop, or by
/// rp_client_close if that comes first. `id`, unless it is NULL, is set to what rp_client_cancel
/// takes. `options` may be NULL.
///
/// Threads: that of the loop, also for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_start(
    client: Option<&Client>,
    method: *const c_char,
    payload: *const u8,
    len: usize,
    options: *const CallOptions,
    callback: ReplyFn,
    data: *mut c_void,
    id: *mut u64,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let client = handle(client)?;
        let callback = Callback::of(callback, data)?;
        // SAFETY: as the header demands.
        let message = unsafe { Outgoing::of(method, payload, len, options)? };
        let waiting = Waiting::Callback(client.link, callback);
        let started = client.shared.with(|state| state.ask(client.link, &message, waiting))?;
        // SAFETY: a place for a number or NULL, as the header demands.
        unsafe { put_optional(id, started) };
        Ok(Status::Ok)
    })
}

/// Cancels a request that was started: its callback is called with RP_STATUS_CANCELLED. One that
/// has its outcome is left alone.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_cancel(
    client: Option<&Client>,
    id: u64,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let client = handle(client)?;
        client.shared.with(|state| {
            if state.engine.cancel(client.link, id)
                && let Some(Waiting::Callback(link, callback)) = state.inbox.calls.remove(id)
            {
                let cancelled = ipc_core::Error::new(ipc_core::Code::Cancelled, "cancelled");
                let outcome = Err(cancelled);
                state.inbox.queue.push_back(Happening::Settled { link, callback, outcome });
            }
            Ok(Status::Ok)
        })
    })
}

/// Sends a one-way message without waiting. It is in the ring when this returns, or waits for room
/// in memory of this process. `options` may be NULL.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_notify(
    client: Option<&Client>,
    event: *const c_char,
    payload: *const u8,
    len: usize,
    options: *const CallOptions,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let client = handle(client)?;
        // SAFETY: as the header demands.
        let message = unsafe { Outgoing::of(event, payload, len, options)? };
        client.shared.with(|state| state.notify(client.link, &message))?;
        Ok(Status::Ok)
    })
}

/// Has the loop call `callback` for each event of that name, until rp_client_off is called with
/// `subscription`, or the client is closed. `subscription` may be NULL.
///
/// Threads: that of the loop, also for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_on(
    client: Option<&Client>,
    event: *const c_char,
    callback: EventFn,
    data: *mut c_void,
    subscription: *mut u64,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let client = handle(client)?;
        let callback = Callback::of(callback, data)?;
        // SAFETY: as the header demands.
        let event = unsafe { text(event, "the event")? };
        let id = client.shared.with(|state| {
            let link = state.inbox.links.get_mut(&client.link).ok_or_else(Error::closed)?;
            state.inbox.subscriptions += 1;
            let id = state.inbox.subscriptions;
            link.listeners.push(Listener { id, event: event.into(), callback });
            Ok(id)
        })?;
        // SAFETY: a place for a number or NULL, as the header demands.
        unsafe { put_optional(subscription, id) };
        Ok(Status::Ok)
    })
}

/// Ends a subscription. RP_STATUS_NOTHING if there is none of that number.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_off(
    client: Option<&Client>,
    subscription: u64,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let client = handle(client)?;
        client.shared.with(|state| {
            let link = state.inbox.links.get_mut(&client.link).ok_or_else(Error::closed)?;
            let place = link.listeners.iter().position(|one| one.id == subscription);
            place.map(|place| link.listeners.remove(place));
            Ok(if place.is_some() { Status::Ok } else { Status::Nothing })
        })
    })
}

/// Has the loop call `callback` once the connection is over, unless rp_client_close has ended it.
/// It takes the place of one that was given before; NULL: none is called.
///
/// Threads: that of the loop, also for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_on_closed(
    client: Option<&Client>,
    callback: ClosedFn,
    data: *mut c_void,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let client = handle(client)?;
        client.shared.with(|state| {
            let link = state.inbox.links.get_mut(&client.link).ok_or_else(Error::closed)?;
            link.on_closed = Callback::of(callback, data).ok();
            Ok(Status::Ok)
        })
    })
}

/// Whether the connection is over, as of the last drive or wait. A client whose connection is over
/// is still to be closed.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_is_closed(
    client: Option<&Client>,
    is_closed: *mut bool,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let (client, to) = (handle(client)?, wanted(is_closed)?);
        let is_open = client.shared.with(|state| Ok(state.engine.is_open(client.link)))?;
        // SAFETY: a place for it, as the header demands.
        unsafe { to.write(!is_open) };
        Ok(Status::Ok)
    })
}

/// Closes the connection gracefully, which takes a second at most, frees the client, and sets the
/// pointer to NULL. Callbacks of requests in flight are called before it returns.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_client_close(
    client: *mut *mut Client,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        let client = unsafe { take_back(client, |found| found.shared.lock().map(drop)) }?;
        let outcomes = client.shared.with(|state| {
            state.close(&[client.link])?;
            let mut outcomes = Vec::new();
            for happening in std::mem::take(&mut state.inbox.queue) {
                match happening {
                    Happening::Settled { link, callback, outcome } if link == client.link => {
                        outcomes.push((callback, outcome));
                    }
                    other => state.inbox.queue.push_back(other),
                }
            }
            Ok(outcomes)
        })?;
        outcomes.into_iter().for_each(|(callback, outcome)| settle(callback, outcome));
        Ok(Status::Ok)
    })
}

/// Bytes of a reply. 0 for NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_reply_len(reply: Option<&Reply>) -> usize {
    reply.map_or(0, |reply| reply.0.bytes.len())
}

/// The bytes of a reply, which live as long as it does. NULL for NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_reply_bytes(reply: Option<&Reply>) -> *const u8 {
    reply.map_or(std::ptr::null(), |reply| reply.0.bytes.as_ptr())
}

/// How a reply is encoded, an rp_codec. 0 for NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_reply_codec(reply: Option<&Reply>) -> u32 {
    reply.map_or(0, |reply| reply.0.codec as u32)
}

/// Copies the bytes of a reply. RP_STATUS_BUFFER_TOO_SMALL, and nothing is copied, unless there is
/// room for all; `len`, unless it is NULL, is set to how many there are.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_reply_copy(
    reply: Option<&Reply>,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let reply = handle(reply)?;
        // SAFETY: as the header demands.
        unsafe { copy_out(&reply.0.bytes, buffer, capacity, len) }
    })
}

/// Frees a reply and sets the pointer to NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_reply_free(reply: *mut *mut Reply, error: *mut *mut Error) -> Status {
    guard(error, || {
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        unsafe { take_back(reply, |_| Ok(())) }?;
        Ok(Status::Ok)
    })
}
