//! Errors: why a function did not do what it was called for, as an object of the caller's.

use std::borrow::Cow;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::Status;

/// Why a call has failed. Whoever receives one frees it with `rp_error_free`.
pub struct Error {
    status: Status,
    code: CString,
    message: CString,
    is_remote: bool,
}

impl Error {
    /// One of this crate's own.
    #[cold]
    pub fn new(status: Status, code: &str, message: impl Into<Cow<'static, str>>) -> Self {
        let message = text(message.into().into_owned());
        Self { status, code: text(code.into()), message, is_remote: false }
    }

    #[cold]
    pub fn argument(message: impl Into<Cow<'static, str>>) -> Self {
        ipc_core::Error::new(ipc_core::Code::InvalidArgument, message).into()
    }

    #[cold]
    pub fn closed() -> Self {
        ipc_core::Error::new(ipc_core::Code::Closed, "the connection is closed").into()
    }

    pub fn status(&self) -> Status {
        self.status
    }
}

impl From<ipc_core::Error> for Error {
    #[cold]
    fn from(error: ipc_core::Error) -> Self {
        let remote = error.as_remote();
        let code = remote.and_then(|remote| remote.code.as_deref());
        Self {
            status: error.code().into(),
            code: text(code.unwrap_or(error.code().as_str()).into()),
            message: text(error.to_string()),
            is_remote: remote.is_some(),
        }
    }
}

/// Text as C has it: a message may quote anything.
fn text(text: String) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// Runs the body of a function. An error is left where the caller wants it, if anywhere, and a
/// panic is one: none crosses the border.
pub fn guard(error: *mut *mut Error, body: impl FnOnce() -> Result<Status, Error>) -> Status {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        Err(Error::new(Status::Internal, "ERR_INTERNAL", "the library has panicked"))
    });
    outcome.unwrap_or_else(|failed| {
        let status = failed.status;
        if !error.is_null() {
            // SAFETY: what is not NULL is a place for a pointer, as the header demands.
            unsafe { error.write(Box::into_raw(Box::new(failed))) };
        }
        status
    })
}

/// The status that was returned with this error. RP_STATUS_OK for NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_error_status(error: Option<&Error>) -> Status {
    error.map_or(Status::Ok, |error| error.status)
}

/// The stable text to branch on: "ERR_TIMEOUT", or what a handler of the peer has called its error.
/// It lives as long as the error. "" for NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_error_code(error: Option<&Error>) -> *const c_char {
    error.map_or(c"".as_ptr(), |error| error.code.as_ptr())
}

/// What happened, for people, in UTF-8. It lives as long as the error. "" for NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_error_message(error: Option<&Error>) -> *const c_char {
    error.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// Whether a handler of the peer has failed with it. False for NULL.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_error_is_remote(error: Option<&Error>) -> bool {
    error.is_some_and(|error| error.is_remote)
}

/// Frees an error and sets the pointer to NULL. NULL is no error and nothing to free.
///
/// Errors that callbacks get belong to the library and are not freed.
///
/// Threads: any, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn rp_error_free(error: Option<&mut *mut Error>) {
    if let Some(error) = error {
        let freed = std::mem::replace(error, std::ptr::null_mut());
        if !freed.is_null() {
            // SAFETY: it was made by `guard`, and no one else has it, as the header demands.
            drop(unsafe { Box::from_raw(freed) });
        }
    }
}
