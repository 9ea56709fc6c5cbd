//! What C is called back with.

use std::ffi::{c_char, c_void};

use crate::border::null;
use crate::error::Error;
use crate::inbox::Payload;
use crate::server::Request;

/// A message that callbacks get. It is gone when they return.
#[repr(C)]
pub struct MessageView {
    /// The payload. NULL if it is empty.
    pub bytes: *const u8,
    /// Bytes of the payload.
    pub len: usize,
    /// How it is encoded, an rp_codec.
    pub codec: u32,
    /// The name of the event or method. NULL for a reply.
    pub name: *const c_char,
}

/// Called with an event.
pub type EventFn = Option<unsafe extern "C" fn(data: *mut c_void, event: *const MessageView)>;
/// Called with the outcome of a request: a reply and NULL, or NULL and an error.
pub type ReplyFn =
    Option<unsafe extern "C" fn(data: *mut c_void, reply: *const MessageView, error: *const Error)>;
/// Called once a connection is over: with NULL, if one of the two sides has closed it.
pub type ClosedFn = Option<unsafe extern "C" fn(data: *mut c_void, error: *const Error)>;
/// Called with a request that is to be answered, then or later.
pub type RequestFn = Option<
    unsafe extern "C" fn(data: *mut c_void, request: *mut Request, message: *const MessageView),
>;
/// Called when there may be something to read.
pub type ReadyFn = Option<unsafe extern "C" fn(data: *mut c_void)>;

/// A function and what it is called with.
#[derive(Clone, Copy)]
pub struct Callback<F> {
    pub function: F,
    pub data: *mut c_void,
}

impl<T> Callback<Option<T>> {
    /// One whose function is not NULL.
    pub fn of(function: Option<T>, data: *mut c_void) -> Result<Self, Error> {
        if function.is_none() {
            return Err(null("the callback"));
        }
        Ok(Self { function, data })
    }
}

// SAFETY: callbacks are called by the thread that drives their loop. What the data leads to is the
// program's, which knows that: the header says it of each function that takes one.
unsafe impl<F> Send for Callback<F> {}

/// A payload as callbacks see it, as long as it is there.
pub fn view(payload: &Payload, name: *const c_char) -> MessageView {
    let Payload { bytes, codec } = payload;
    let start = if bytes.is_empty() { std::ptr::null() } else { bytes.as_ptr() };
    MessageView { bytes: start, len: bytes.len(), codec: *codec as u32, name }
}
