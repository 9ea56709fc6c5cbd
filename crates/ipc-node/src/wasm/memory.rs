//! Memory of JavaScript's, of which the module has a copy: what is put there is written out before
//! JavaScript looks.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use ipc_core::Deferred;

use crate::wasm::imports::{self, Id};

thread_local! {
    /// Copies that have changed since they were written out.
    static CHANGED: RefCell<Vec<Rc<Copied>>> = const { RefCell::new(Vec::new()) };
}

/// There is one environment for each module.
#[derive(Clone, Copy, Debug)]
pub struct Env;

/// Memory of JavaScript's, or a region of the module's that the host looks at itself.
#[derive(Debug)]
pub struct Memory(Rc<Copied>);

/// The copy.
#[derive(Debug)]
struct Copied {
    /// 0: there is no other than this.
    id: Id,
    bytes: NonNull<[u8]>,
    /// From where to where it has changed; the same: it has not.
    changed: Cell<(usize, usize)>,
}

impl Memory {
    /// A fresh zeroed `ArrayBuffer`; `None` when there is no memory left.
    pub fn array_buffer(_: Env, len: usize) -> Option<Self> {
        Self::copied(imports::array_buffer(len), len)
    }

    /// A fresh `Buffer`.
    pub fn buffer(_: Env, len: usize) -> Option<Self> {
        Self::copied(imports::buffer(len), len)
    }

    /// A region that is never moved, which the host reads and writes.
    pub fn region(len: usize) -> Self {
        Self::over(0, vec![0; len])
    }

    fn copied(id: Id, len: usize) -> Option<Self> {
        if id == 0 {
            return None;
        }
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(len).is_err() {
            imports::forget(id);
            return None;
        }
        bytes.resize(len, 0);
        Some(Self::over(id, bytes))
    }

    fn over(id: Id, bytes: Vec<u8>) -> Self {
        let bytes = NonNull::from(Box::leak(bytes.into_boxed_slice()));
        Self(Rc::new(Copied { id, bytes, changed: Cell::new((0, 0)) }))
    }

    /// The host's number of it.
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// Where a region lies.
    pub fn address(&self) -> *const u8 {
        self.0.bytes.as_ptr().cast()
    }

    /// From where to where a region has changed since this was asked, if it has.
    pub fn take_changed(&self) -> Option<(usize, usize)> {
        Some(self.0.changed.take()).filter(|(start, end)| start < end)
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Whether it is still all there: neither detached nor made smaller.
    #[cold]
    pub fn is_whole(&self) -> bool {
        self.0.id == 0 || imports::is_whole(self.0.id)
    }

    /// Bytes to be filled; JavaScript does not run while they are borrowed, and no two places of
    /// one memory are borrowed at once.
    #[allow(clippy::mut_from_ref, reason = "the bytes are JavaScript's, not this value's")]
    pub fn bytes_mut(&self, start: usize, len: usize) -> &mut [u8] {
        let end = self.check(start, len);
        self.0.note_changed(&self.0, start, end);
        // SAFETY: in bounds of memory that lives as long as this; only this thread touches it, and
        // it is here, not in the host, for as long as the borrow lasts.
        unsafe {
            let first = self.0.bytes.as_ptr().cast::<u8>().add(start);
            std::slice::from_raw_parts_mut(first, len)
        }
    }

    /// Bytes that were written; JavaScript does not run while they are borrowed.
    pub fn bytes(&self, start: usize, len: usize) -> &[u8] {
        self.check(start, len);
        // SAFETY: as above.
        unsafe {
            let first = self.0.bytes.as_ptr().cast::<u8>().add(start);
            std::slice::from_raw_parts(first, len)
        }
    }

    fn check(&self, start: usize, len: usize) -> usize {
        let all = self.len();
        assert!(start <= all && len <= all - start, "outside of {all} bytes");
        start + len
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

impl Copied {
    fn note_changed(&self, this: &Rc<Self>, start: usize, end: usize) {
        if start == end {
            return;
        }
        let (first, last) = self.changed.get();
        if first < last {
            self.changed.set((first.min(start), last.max(end)));
            return;
        }
        self.changed.set((start, end));
        if self.id != 0 {
            CHANGED.with_borrow_mut(|changed| changed.push(Rc::clone(this)));
        }
    }

    fn write_out(&self) {
        let (start, end) = self.changed.take();
        // SAFETY: the bytes live as long as this, and nothing borrows them now.
        let bytes = unsafe { self.bytes.as_ref() };
        imports::write(self.id, start, &bytes[start..end]);
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // SAFETY: leaked in `over`, and borrowed by nothing any more.
        drop(unsafe { Box::from_raw(self.bytes.as_ptr()) });
        if self.id != 0 {
            imports::forget(self.id);
        }
    }
}

/// Writes out what has changed. Runs may lie in memory that the inbox has given up for larger.
pub fn write_out() {
    for copied in CHANGED.with_borrow_mut(std::mem::take) {
        copied.write_out();
    }
}

/// A payload that the host has copied here.
pub struct Payload(Arc<Box<[u8]>>);

impl Deferred for Payload {
    fn bytes(&self) -> Option<&[u8]> {
        Some(&self.0)
    }
}

/// The same for as long as a call lasts.
pub struct Outside<'a>(pub &'a Arc<Box<[u8]>>);

impl<'a> Outside<'a> {
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Keeps it for longer.
    #[expect(clippy::unnecessary_wraps, reason = "an array of JavaScript's may be gone")]
    pub fn keep(&self, _: Env) -> Option<Payload> {
        Some(Payload(Arc::clone(self.0)))
    }
}
