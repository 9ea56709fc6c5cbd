//! Memory of JavaScript's that the binding reads or fills.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use ipc_core::Deferred;
use napi::sys;

/// The environment whose memory it is.
pub type Env = sys::napi_env;

/// An `ArrayBuffer`, or the array over one that `Buffer` is, kept alive by a reference. What user
/// code gets to see of it may be detached, and then its bytes belong to other code: before writing
/// to such memory, ask [`Self::is_whole`] whenever JavaScript may have run in between.
#[derive(Debug)]
pub struct Memory {
    env: sys::napi_env,
    start: NonNull<u8>,
    len: usize,
    is_array: bool,
    reference: sys::napi_ref,
}

impl Memory {
    /// A fresh zeroed `ArrayBuffer`; `None` when the environment is ending or out of memory.
    pub fn array_buffer(env: sys::napi_env, len: usize) -> Option<Self> {
        let (mut data, mut value) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: on the environment's thread, with valid places for both results.
        let status =
            unsafe { sys::napi_create_arraybuffer(env, len, &raw mut data, &raw mut value) };
        (status == sys::Status::napi_ok).then(|| Self::keep(env, data.cast(), len, false, value))?
    }

    /// A fresh `Buffer` whose bytes are not zeroed: all of them will be written.
    pub fn buffer(env: sys::napi_env, len: usize) -> Option<Self> {
        let (mut data, mut value) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: as above.
        let status = unsafe { sys::napi_create_buffer(env, len, &raw mut data, &raw mut value) };
        (status == sys::Status::napi_ok).then(|| Self::keep(env, data.cast(), len, true, value))?
    }

    /// An `ArrayBuffer` JavaScript has made.
    pub fn adopt(env: sys::napi_env, value: sys::napi_value) -> Option<Self> {
        let (data, len) = buffer_extent(env, value)?;
        Self::keep(env, data, len, false, value)
    }

    fn keep(
        env: sys::napi_env,
        data: *mut u8,
        len: usize,
        is_array: bool,
        value: sys::napi_value,
    ) -> Option<Self> {
        let mut reference = ptr::null_mut();
        // SAFETY: as above; the value was just made or passed in.
        let status = unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) };
        // An empty buffer may have no address at all.
        let start = NonNull::new(data).unwrap_or(NonNull::dangling());
        (status == sys::Status::napi_ok).then_some(Self { env, start, len, is_array, reference })
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is still all there: neither detached nor made smaller. Two calls of some 20 ns.
    #[cold]
    pub fn is_whole(&self) -> bool {
        let value = self.value();
        let found =
            if self.is_array { extent(self.env, value) } else { buffer_extent(self.env, value) };
        found == Some((self.start.as_ptr(), self.len))
    }

    /// The value, in the current scope.
    pub fn value(&self) -> sys::napi_value {
        let mut value = ptr::null_mut();
        // SAFETY: the reference is strong, so its value is there.
        unsafe { sys::napi_get_reference_value(self.env, self.reference, &raw mut value) };
        value
    }

    /// Bytes to be filled; JavaScript does not run while they are borrowed, and no two places of
    /// one memory are borrowed at once.
    #[allow(clippy::mut_from_ref, reason = "the bytes are JavaScript's, not this value's")]
    pub fn bytes_mut(&self, start: usize, len: usize) -> &mut [u8] {
        assert!(start <= self.len && len <= self.len - start, "outside of {} bytes", self.len);
        // SAFETY: in bounds of memory the reference keeps in place; only this thread touches it,
        // and it is here, not in JavaScript, for as long as the borrow lasts.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(start), len) }
    }

    /// Bytes JavaScript has written; it does not run while they are borrowed.
    pub fn bytes(&self, start: usize, len: usize) -> &[u8] {
        assert!(start <= self.len && len <= self.len - start, "outside of {} bytes", self.len);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(start), len) }
    }

    /// The word at `index`.
    pub fn word(&self, index: usize) -> u32 {
        let bytes = self.bytes(index * 4, 4);
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Sets the word at `index`.
    pub fn set_word(&self, index: usize, word: u32) {
        self.bytes_mut(index * 4, 4).copy_from_slice(&word.to_ne_bytes());
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: on the environment's thread; the reference is given back once. An environment
        // that is ending refuses, and has dropped the reference itself.
        unsafe { sys::napi_delete_reference(self.env, self.reference) };
    }
}

/// A payload of the application's, in an array that it may detach or make smaller at any time,
/// though not while this is looked into.
pub struct Payload {
    array: Memory,
}

// SAFETY: an engine of the binding and all it owns stay on the thread of their environment.
unsafe impl Send for Payload {}

/// The same for as long as a call lasts.
pub struct Outside<'a> {
    pub bytes: &'a [u8],
    pub array: sys::napi_value,
}

impl<'a> Outside<'a> {
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Keeps it for longer.
    pub fn keep(&self, env: Env) -> Option<Payload> {
        let (data, len) = extent(env, self.array)?;
        Memory::keep(env, data, len, true, self.array).map(|array| Payload { array })
    }
}

impl Deferred for Payload {
    fn bytes(&self) -> Option<&[u8]> {
        self.array.is_whole().then(|| self.array.bytes(0, self.array.len))
    }
}

/// Where the bytes of an `ArrayBuffer` are now.
fn buffer_extent(env: sys::napi_env, buffer: sys::napi_value) -> Option<(*mut u8, usize)> {
    let (mut data, mut len) = (ptr::null_mut(), 0);
    // SAFETY: on the environment's thread; anything but an `ArrayBuffer` is refused.
    let status =
        unsafe { sys::napi_get_arraybuffer_info(env, buffer, &raw mut data, &raw mut len) };
    (status == sys::Status::napi_ok).then_some((data.cast(), len))
}

/// Where the bytes of a typed array are now.
pub fn extent(env: sys::napi_env, array: sys::napi_value) -> Option<(*mut u8, usize)> {
    let (mut data, mut len) = (ptr::null_mut(), 0);
    // SAFETY: on the environment's thread; anything but a typed array is refused.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            array,
            ptr::null_mut(),
            &raw mut len,
            &raw mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (status == sys::Status::napi_ok).then_some((data.cast(), len))
}

/// The bytes of a typed array, for as long as no JavaScript runs.
pub fn contents<'a>(env: sys::napi_env, array: sys::napi_value) -> Option<&'a [u8]> {
    let (data, len) = extent(env, array)?;
    if len == 0 {
        return Some(&[]);
    }
    // SAFETY: the memory of an array that the call was given; the caller is done with it before
    // JavaScript runs again.
    Some(unsafe { std::slice::from_raw_parts(data, len) })
}

/// Copies bytes to the start of a typed array, if it has room for all of them.
pub fn fill(env: sys::napi_env, array: sys::napi_value, bytes: &[u8]) {
    if let Some((to, room)) = extent(env, array)
        && bytes.len() <= room
        && !bytes.is_empty()
    {
        // SAFETY: there is room for so many bytes in an array that the call was given, which are
        // JavaScript's own; no JavaScript runs meanwhile.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }
}

/// A number of JavaScript's.
pub fn double(env: sys::napi_env, value: sys::napi_value) -> Option<f64> {
    let mut number = 0.0;
    // SAFETY: on the environment's thread; anything but a number is refused.
    let status = unsafe { sys::napi_get_value_double(env, value, &raw mut number) };
    (status == sys::Status::napi_ok).then_some(number)
}

/// Calls `with` with a text of up to `MAX` bytes, without memory of its own; with `None` for a
/// longer one. `None` is returned for what is no text.
pub fn with_short_text<const MAX: usize, T>(
    env: sys::napi_env,
    value: sys::napi_value,
    with: impl FnOnce(Option<&str>) -> T,
) -> Option<T> {
    const { assert!(MAX <= TEXT_MAX) };
    let mut room = [const { MaybeUninit::<u8>::uninit() }; TEXT_MAX + TEXT_SPARE];
    let mut len = 0;
    // A text that is cut ends with a whole character, and so behind the longest that is allowed.
    // SAFETY: on the environment's thread; the room has so many bytes, and the last is a zero.
    let status = unsafe {
        let start = room.as_mut_ptr().cast();
        sys::napi_get_value_string_utf8(env, value, start, MAX + TEXT_SPARE, &raw mut len)
    };
    if status != sys::Status::napi_ok {
        return None;
    }
    // SAFETY: so many bytes were written.
    let bytes = unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<u8>(), len) };
    Some(with(if len <= MAX { str::from_utf8(bytes).ok() } else { None }))
}

/// The longest text that is read without memory of its own.
const TEXT_MAX: usize = 1024;
/// Room for a character more and the zero behind it.
const TEXT_SPARE: usize = 8;
