//! What the module asks of its host, beside what the engine does.

/// Memory of JavaScript's, as the host numbers it; 0 is none.
pub type Id = u32;

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Makes a fresh `ArrayBuffer`, or none.
    pub safe fn array_buffer(len: usize) -> Id;
    /// Makes a fresh `Buffer`, or none.
    pub safe fn buffer(len: usize) -> Id;
    /// Whether memory is all there: neither detached nor made smaller.
    #[link_name = "is_whole"]
    safe fn host_is_whole(id: Id) -> u32;
    /// The module needs it no longer; JavaScript may.
    pub safe fn forget(id: Id);
    #[link_name = "write"]
    fn host_write(id: Id, start: usize, bytes: *const u8, len: usize);
    #[link_name = "enter"]
    fn host_enter(runs: u32, rang: u32, extras: *const Id, count: usize) -> i32;
    #[link_name = "uncaught"]
    fn host_uncaught(text: *const u8, len: usize);
    #[link_name = "log"]
    fn host_log(level: u32, text: *const u8, len: usize);
}

/// What came of entering JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It came back, after an error that was reported or without one.
    Back,
    /// It is to be entered no more.
    Ended,
}

pub fn is_whole(id: Id) -> bool {
    host_is_whole(id) != 0
}

/// Writes bytes to memory, which may have been taken away.
pub fn write(id: Id, start: usize, bytes: &[u8]) {
    // SAFETY: the host copies the bytes, and keeps none of them.
    unsafe { host_write(id, start, bytes.as_ptr(), bytes.len()) }
}

/// Has JavaScript take what has come.
pub fn enter(runs: u32, rang: bool, extras: &[Id]) -> Entered {
    // SAFETY: the host reads the numbers, and keeps none of them.
    match unsafe { host_enter(runs, u32::from(rang), extras.as_ptr(), extras.len()) } {
        2 => Entered::Ended,
        _ => Entered::Back,
    }
}

/// Raises an error outside of any call.
pub fn uncaught(text: &str) {
    // SAFETY: the host reads the text, and keeps nothing of it.
    unsafe { host_uncaught(text.as_ptr(), text.len()) }
}

/// Says what has gone wrong to whoever looks at the output of the process.
pub fn log(text: &str) {
    const ERROR: u32 = 1;
    // SAFETY: as above.
    unsafe { host_log(ERROR, text.as_ptr(), text.len()) }
}
