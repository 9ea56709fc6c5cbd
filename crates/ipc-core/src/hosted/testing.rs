//! A host for tests: it notes what it is asked for.

use std::cell::RefCell;

use super::Number;

/// What a host was asked for, and how it behaves.
#[derive(Default)]
pub struct Asked {
    pub connected: Vec<(Number, String)>,
    pub sent: Vec<(Number, Vec<u8>)>,
    pub closed: Vec<Number>,
    /// What sending comes to, unless all is taken.
    pub refuses: Option<i32>,
}

thread_local! {
    pub static ASKED: RefCell<Asked> = RefCell::default();
}

pub fn user() -> u32 {
    1000
}

pub fn close(socket: Number) {
    ASKED.with_borrow_mut(|asked| asked.closed.push(socket));
}

/// # Safety
/// So many bytes of a text.
pub unsafe fn connect(socket: Number, address: *const u8, len: usize) {
    // SAFETY: as the caller promises.
    let address = unsafe { std::slice::from_raw_parts(address, len) };
    let address = String::from_utf8(address.to_vec()).unwrap();
    ASKED.with_borrow_mut(|asked| asked.connected.push((socket, address)));
}

/// # Safety
/// So many bytes.
pub unsafe fn send(socket: Number, bytes: *const u8, len: usize) -> i32 {
    // SAFETY: as the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, len) };
    ASKED.with_borrow_mut(|asked| {
        if let Some(refusal) = asked.refuses {
            return refusal;
        }
        asked.sent.push((socket, bytes.to_vec()));
        i32::try_from(len).unwrap()
    })
}
