//! Servers: a name that clients connect to, and what answers their requests.

use std::collections::HashMap;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use ipc_core::{Code, Draft, LinkId, ListenOptions, ListenerId, Message, Options, RemoteError};

use crate::border::{bytes, hand_over, handle, put_optional, sized, take_back, text, wanted};
use crate::callbacks::{Callback, RequestFn};
use crate::client::Outgoing;
use crate::error::{Error, guard};
use crate::event_loop::{Loop, Shared, State};
use crate::options::{CallOptions, ServerOptions, place};
use crate::status::Status;

/// A name that clients connect to.
pub struct Server {
    shared: Arc<Shared>,
    listener: ListenerId,
}

/// A request that is to be answered, once.
pub struct Request {
    pub shared: Arc<Shared>,
    pub link: LinkId,
    pub message: Message,
}

impl State {
    fn links_of(&self, listener: ListenerId) -> Vec<LinkId> {
        let links = self.inbox.links.iter().filter(|(_, link)| link.server == Some(listener));
        links.map(|(link, _)| *link).collect()
    }

    fn answer(&mut self, link: LinkId, draft: &Draft, payload: &[u8]) -> Result<Status, Error> {
        self.engine.send(link, draft, payload)?;
        Ok(Status::Ok)
    }
}

/// Becomes the server of that name. Clients are served while the loop is driven. `options` may be
/// NULL.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_server_bind(
    event_loop: Option<&Loop>,
    name: *const c_char,
    options: *const ServerOptions,
    server: *mut *mut Server,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let (found, to) = (handle(event_loop)?, wanted(server)?);
        // SAFETY: as the header demands.
        let (name, place, token) = unsafe {
            let options = sized(options)?;
            let token = bytes(options.token, options.token_len)?;
            (text(name, "the name")?, place(options.directory)?, token)
        };
        let token = if token.is_empty() { None } else { Some(token.to_vec()) };
        let options = Options { directory: place.directory, token, ..Options::default() };
        let listener = found.0.with(|state| {
            let listener = state.engine.listen(name, &options, &ListenOptions::default())?;
            state.inbox.servers.insert(listener, HashMap::new());
            Ok(listener)
        })?;
        // SAFETY: it is a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(to, Server { shared: Arc::clone(&found.0), listener }) })
    })
}

/// Has the loop call `callback` for each request of that method. The request is the callback's: it
/// is answered by rp_request_reply or rp_request_fail, in the callback or later. Another callback
/// of the same method takes its place.
///
/// Threads: that of the loop, also for the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_server_handle(
    server: Option<&Server>,
    method: *const c_char,
    callback: RequestFn,
    data: *mut c_void,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let server = handle(server)?;
        let callback = Callback::of(callback, data)?;
        // SAFETY: as the header demands.
        let method = unsafe { text(method, "the method")? };
        server.shared.with(|state| {
            let methods = state.inbox.servers.get_mut(&server.listener);
            let methods = methods.ok_or_else(Error::closed)?;
            methods.insert(method.into(), callback);
            Ok(Status::Ok)
        })
    })
}

/// Sends an event to all clients, without waiting. `count`, unless it is NULL, is set to how many
/// it was sent to; one that takes no more is left out. `options` may be NULL.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_server_notify(
    server: Option<&Server>,
    event: *const c_char,
    payload: *const u8,
    len: usize,
    options: *const CallOptions,
    count: *mut usize,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let server = handle(server)?;
        // SAFETY: as the header demands.
        let message = unsafe { Outgoing::of(event, payload, len, options)? };
        let sent = server.shared.with(|state| {
            // What is wrong with the message is so for each.
            message.options.draft(state.engine.code(message.name)?)?;
            let links = state.links_of(server.listener);
            Ok(links.iter().filter(|link| state.notify(**link, &message).is_ok()).count())
        })?;
        // SAFETY: a place for a number or NULL, as the header demands.
        unsafe { put_optional(count, sent) };
        Ok(Status::Ok)
    })
}

/// Gives the name up, closes all connections gracefully, which takes a second at most, frees the
/// server, and sets the pointer to NULL. Requests that are not answered yet are still to be.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_server_close(
    server: *mut *mut Server,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        let server = unsafe { take_back(server, |found| found.shared.lock().map(drop)) }?;
        server.shared.with(|state| {
            state.engine.close_listener(server.listener);
            state.inbox.servers.remove(&server.listener);
            let links = state.links_of(server.listener);
            state.close(&links)?;
            Ok(Status::Ok)
        })
    })
}

/// Answers a request, frees it, and sets the pointer to NULL. RP_STATUS_CLOSED: its connection is
/// over. `options` may be NULL; of them, the codec counts.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_request_reply(
    request: *mut *mut Request,
    payload: *const u8,
    len: usize,
    options: *const CallOptions,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        // SAFETY: as the header demands.
        let (payload, options) = unsafe { (bytes(payload, len)?, sized(options)?) };
        let codec = options.draft(0)?.codec;
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        let request = unsafe { take_back(request, |found| found.shared.lock().map(drop)) }?;
        let Request { shared, link, message } = request;
        shared.with(|state| match state.answer(link, &Draft::reply(&message, codec), payload) {
            Err(failed) if failed.status() == Status::TooLarge => {
                // Its caller is not left waiting.
                let told = RemoteError::new(Code::TooLarge.as_str(), "the reply is too large");
                state.answer(link, &Draft::error(&message), &told.encode())?;
                Err(failed)
            }
            answered => answered,
        })
    })
}

/// Answers a request with an error: `code` is the stable text to branch on, `message` is for
/// people. Frees the request and sets the pointer to NULL.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_request_fail(
    request: *mut *mut Request,
    code: *const c_char,
    message: *const c_char,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        // SAFETY: as the header demands.
        let (code, text) = unsafe { (text(code, "the code")?, text(message, "the message")?) };
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        let request = unsafe { take_back(request, |found| found.shared.lock().map(drop)) }?;
        let (draft, told) = (Draft::error(&request.message), RemoteError::new(code, text));
        request.shared.with(|state| state.answer(request.link, &draft, &told.encode()))
    })
}
