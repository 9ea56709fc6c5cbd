//! From what C passes to what Rust takes. Each function here trusts its caller in what only the
//! caller can know, which the header says once for all: a pointer that is not NULL leads to what
//! its type says, and lengths are true.

use std::ffi::{CStr, c_char};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use crate::error::Error;
use crate::status::Status;

/// A text that has to be there.
///
/// # Safety
/// Unless it is NULL, it ends with a NUL and does not change before this call returns to C.
pub unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Error> {
    // SAFETY: as this function's.
    unsafe { optional_text(text, what) }?.ok_or_else(|| null(what))
}

/// A text or NULL.
///
/// # Safety
/// As [`text`].
pub unsafe fn optional_text<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not NULL, and the rest is this function's condition.
    let text = unsafe { CStr::from_ptr(text) };
    let text = text.to_str().map_err(|_| Error::argument(format!("{what} is not UTF-8")))?;
    Ok(Some(text))
}

/// Bytes, of which there may be none.
///
/// # Safety
/// Unless it is NULL, so many bytes can be read there and do not change before this call returns.
pub unsafe fn bytes<'a>(bytes: *const u8, len: usize) -> Result<&'a [u8], Error> {
    match (bytes.is_null(), isize::try_from(len)) {
        (_, Ok(0)) => Ok(&[]),
        (true, _) => Err(null("the bytes")),
        (_, Err(_)) => Err(Error::argument(format!("there are no {len} bytes"))),
        // SAFETY: it is not NULL and no longer than can be; the rest is this function's condition.
        _ => Ok(unsafe { std::slice::from_raw_parts(bytes, len) }),
    }
}

/// Copies bytes to where C wants them, and says how many there are.
///
/// # Safety
/// Unless it is NULL, `capacity` bytes can be written there, and a length to `len`.
pub unsafe fn copy_out(
    from: &[u8],
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> Result<Status, Error> {
    // SAFETY: as this function's.
    unsafe { put_optional(len, from.len()) };
    if from.len() > capacity {
        let message = format!("{} bytes do not fit into {capacity}", from.len());
        return Err(Error::new(Status::BufferTooSmall, "ERR_BUFFER_TOO_SMALL", message));
    }
    if !from.is_empty() {
        if buffer.is_null() {
            return Err(null("the buffer"));
        }
        // SAFETY: it is long enough, as was just seen, and the caller's own.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), buffer, from.len()) };
    }
    Ok(Status::Ok)
}

/// Where a result goes, which has to be somewhere: checked before anything is done.
pub fn wanted<T>(place: *mut T) -> Result<*mut T, Error> {
    if place.is_null() { Err(null("the place of the result")) } else { Ok(place) }
}

/// Leaves a result where it is wanted, if anywhere.
///
/// # Safety
/// Unless it is NULL, it is a place for such a value, which need not hold one yet.
pub unsafe fn put_optional<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: as this function's.
        unsafe { place.write(value) };
    }
}

/// Hands an object over: from now on it is behind the caller's pointer.
///
/// # Safety
/// The place was [`wanted`], and is one for a pointer.
pub unsafe fn hand_over<T>(place: *mut *mut T, value: T) -> Status {
    // SAFETY: as this function's.
    unsafe { place.write(Box::into_raw(Box::new(value))) };
    Status::Ok
}

/// Takes an object back that was handed over, and leaves NULL. Before, it is asked whether that may
/// be: an object in use stays where it is.
///
/// # Safety
/// Unless it is NULL, the place holds NULL or what [`hand_over`] has put there, and no other copy
/// of that pointer is used any more.
pub unsafe fn take_back<T>(
    place: *mut *mut T,
    may: impl FnOnce(&T) -> Result<(), Error>,
) -> Result<T, Error> {
    // SAFETY: it is not NULL.
    let object = unsafe { *wanted(place)? };
    // SAFETY: it is NULL or an object that was handed over, to which only shared references exist.
    may(unsafe { object.as_ref() }.ok_or_else(|| null("the handle"))?)?;
    // SAFETY: it came from `Box::into_raw`, and nothing else leads to it after this.
    unsafe {
        place.write(std::ptr::null_mut());
        Ok(*Box::from_raw(object))
    }
}

/// A handle that has to be there.
pub fn handle<T>(handle: Option<&T>) -> Result<&T, Error> {
    handle.ok_or_else(|| null("the handle"))
}

/// What only one thread may use at a time.
pub fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Error> {
    mutex.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            Error::new(Status::Busy, "ERR_BUSY", "another thread is in a call of this handle")
        }
        TryLockError::Poisoned(_) => {
            Error::new(Status::Internal, "ERR_INTERNAL", "a call before has panicked")
        }
    })
}

/// A span in milliseconds: 0 is what is usual, and one below 0 has no end.
pub fn span(ms: i64, usual: Duration) -> Duration {
    match u64::try_from(ms) {
        Ok(0) => usual,
        Ok(ms) => Duration::from_millis(ms),
        Err(_) => Duration::MAX,
    }
}

/// Options with their size in front, by which a program that was built for others is known.
///
/// # Safety
/// Unless it is NULL, it leads to a size and so many bytes, the first of which are that size.
pub unsafe fn sized<T: Copy + Default>(options: *const T) -> Result<T, Error> {
    if options.is_null() {
        return Ok(T::default());
    }
    // SAFETY: the size comes first.
    let size = unsafe { options.cast::<usize>().read() };
    if size != size_of::<T>() {
        let message = format!("options of {size} bytes, this library has {}", size_of::<T>());
        return Err(Error::argument(message));
    }
    // SAFETY: it is as long as the type, and all bytes of it were set with it.
    Ok(unsafe { options.read() })
}

#[cold]
pub fn null(what: &str) -> Error {
    Error::argument(format!("{what} must not be NULL"))
}
