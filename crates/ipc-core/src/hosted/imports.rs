//! What the engine asks of its host.

/// How a host names a socket: those that the engine has begun to connect have odd numbers, those
/// that the host brings have even ones.
pub(crate) type Number = u32;

/// The host itself, and one of tests where there is none.
#[cfg(target_family = "wasm")]
mod host {
    use super::Number;

    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        pub safe fn now() -> f64;
        pub safe fn user() -> u32;
        pub fn random(bytes: *mut u8, len: usize);
        pub fn connect(socket: Number, address: *const u8, len: usize);
        pub fn send(socket: Number, bytes: *const u8, len: usize) -> i32;
        pub safe fn close(socket: Number);
    }
}
#[cfg(not(target_family = "wasm"))]
#[path = "testing.rs"]
pub(crate) mod host;

/// Milliseconds of the monotonic clock.
#[cfg(target_family = "wasm")]
pub(crate) fn now() -> f64 {
    host::now()
}

/// The user of this process, and 0 where the system has no such numbers.
pub(crate) fn user() -> u32 {
    host::user()
}

/// Fills `bytes` with what nobody can guess.
#[cfg(target_family = "wasm")]
pub(crate) fn random(bytes: &mut [u8]) {
    // SAFETY: the host writes as many bytes as there is room for.
    unsafe { host::random(bytes.as_mut_ptr(), bytes.len()) }
}

/// Begins to connect; the host says what comes of it.
pub(crate) fn connect(socket: Number, address: &str) {
    // SAFETY: the host reads the text, and keeps nothing of it.
    unsafe { host::connect(socket, address.as_ptr(), address.len()) }
}

/// What became of bytes to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// The host has so many, which are all of them.
    Taken(usize),
    /// It takes none before it says that it does again.
    Later,
    /// The socket is of no use any more.
    Gone,
}

/// Hands bytes over, of which the host makes a copy.
pub(crate) fn send(socket: Number, bytes: &[u8]) -> Sending {
    // SAFETY: the host reads the bytes, and keeps none of them.
    match unsafe { host::send(socket, bytes.as_ptr(), bytes.len()) } {
        0 => Sending::Later,
        taken => usize::try_from(taken).map_or(Sending::Gone, Sending::Taken),
    }
}

/// Nothing more is sent or received; what was sent before still is.
pub(crate) fn close(socket: Number) {
    host::close(socket);
}
