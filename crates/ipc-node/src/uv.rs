//! The event loop's own functions, found at run time, and the three handles the binding has in a
//! loop.
//!
//! An addon that names a missing symbol cannot be loaded at all, so they are looked up by name, and
//! a host that lacks one gets the thread instead. Bun has the symbols and aborts when they are
//! called; that it is Bun has to be known from elsewhere.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute_copy;
use std::os::fd::RawFd;
use std::ptr::NonNull;

use ipc_core::Time;

/// What libuv calls a loop and a handle; both are only passed on.
pub enum Loop {}
/// See [`Loop`].
pub enum Handle {}

type Callback = unsafe extern "C" fn(*mut Handle);
type PollCallback = unsafe extern "C" fn(*mut Handle, c_int, c_int);

/// Numbers of `uv_handle_type` and `uv_poll_event` that libuv has kept since version 1.0.
const IDLE: c_int = 6;
const POLL: c_int = 8;
const PREPARE: c_int = 9;
const READABLE: c_int = 1;

macro_rules! symbols {
    ($($field:ident = $name:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions used, all of them there.
        #[derive(Clone, Copy)]
        pub struct Uv { $($field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl Uv {
            /// Finds them in the process, or not.
            pub fn find() -> Option<Self> {
                Some(Self {
                    $($field: {
                        let symbol = find($name)?;
                        // SAFETY: the symbol of this name is libuv's function of this signature,
                        // the same in all of libuv 1; one function pointer is as wide as another.
                        unsafe { transmute_copy(&symbol) }
                    },)*
                })
            }
        }
    };
}

symbols! {
    backend_fd = c"uv_backend_fd": fn(*const Loop) -> c_int;
    backend_timeout = c"uv_backend_timeout": fn(*const Loop) -> c_int;
    close = c"uv_close": fn(*mut Handle, Callback);
    size = c"uv_handle_size": fn(c_int) -> usize;
    idle_init = c"uv_idle_init": fn(*mut Loop, *mut Handle) -> c_int;
    idle_start = c"uv_idle_start": fn(*mut Handle, Callback) -> c_int;
    idle_stop = c"uv_idle_stop": fn(*mut Handle) -> c_int;
    now = c"uv_now": fn(*const Loop) -> u64;
    poll_init = c"uv_poll_init": fn(*mut Loop, *mut Handle, c_int) -> c_int;
    poll_start = c"uv_poll_start": fn(*mut Handle, c_int, PollCallback) -> c_int;
    prepare_init = c"uv_prepare_init": fn(*mut Loop, *mut Handle) -> c_int;
    prepare_start = c"uv_prepare_start": fn(*mut Handle, Callback) -> c_int;
    reference = c"uv_ref": fn(*mut Handle);
    unreference = c"uv_unref": fn(*mut Handle);
    update_time = c"uv_update_time": fn(*mut Loop);
}

fn find(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: looking up a name in what is loaded already has no other effect.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// The owner of handles in a loop is called back here, on the loop's thread.
pub trait Turns {
    /// The descriptor is readable.
    fn on_readable(&self);
    /// The loop is about to wait.
    fn on_prepare(&self);
    /// The handles are closed; nothing is called any more.
    ///
    /// # Safety
    /// `target` is what the watch was started with; this is called once.
    unsafe fn on_closed(target: NonNull<Self>);
}

/// A poll handle on the engine's descriptor, a prepare handle to poll before the loop waits, and an
/// idle handle that keeps it from waiting at all.
pub struct Watch<T>(NonNull<Shared<T>>);

/// What the handles have in common; it lives until the last of them is closed.
pub struct Shared<T> {
    uv: Uv,
    event_loop: NonNull<Loop>,
    target: NonNull<T>,
    handles: [NonNull<Handle>; 3],
    open: Cell<usize>,
    /// The idle handle is started.
    turning: Cell<bool>,
    referenced: Cell<bool>,
}

const KINDS: [c_int; 3] = [POLL, PREPARE, IDLE];

/// In front of each handle lies a pointer to what it belongs to. libuv's handles need no more than
/// this alignment.
const PREFIX: usize = 16;

impl<T: Turns> Watch<T> {
    /// Makes and starts the handles; `None` if the loop does not take the descriptor.
    ///
    /// # Safety
    /// The loop has to be the one of this thread, and `target` has to stay where it is until its
    /// `on_closed`.
    pub unsafe fn start(
        uv: Uv,
        event_loop: NonNull<Loop>,
        fd: RawFd,
        target: NonNull<T>,
    ) -> Option<Self> {
        let shared = NonNull::from(Box::leak(Box::new(Shared {
            uv,
            event_loop,
            target,
            handles: KINDS.map(|kind| allocate(&uv, kind)),
            open: Cell::new(KINDS.len()),
            turning: Cell::new(false),
            referenced: Cell::new(false),
        })));
        let this = Self(shared);
        let [poll, prepare, idle] = this.handles.map(NonNull::as_ptr);
        let raw = event_loop.as_ptr();
        // SAFETY: the handle has the size libuv names, and its address is its own until it is
        // closed.
        if unsafe { (uv.poll_init)(raw, poll, fd) } != 0 {
            // SAFETY: no handle is in the loop, so nothing refers to this any more.
            unsafe { free(shared) };
            return None;
        }
        for handle in this.handles {
            // SAFETY: the prefix lies in front of every handle made by `allocate`.
            unsafe { handle.byte_sub(PREFIX).cast::<NonNull<Shared<T>>>().write(shared) };
        }
        // SAFETY: as above; these cannot fail. No handle keeps the loop alive by itself.
        unsafe {
            (uv.prepare_init)(raw, prepare);
            (uv.idle_init)(raw, idle);
            for handle in [poll, prepare, idle] {
                (uv.unreference)(handle);
            }
            (uv.poll_start)(poll, READABLE, on_readable::<T>);
            (uv.prepare_start)(prepare, on_prepare::<T>);
        }
        Some(this)
    }

    /// Whether the loop stays alive for the sake of this.
    pub fn set_referenced(&self, referenced: bool) {
        if self.referenced.replace(referenced) != referenced {
            let change = if referenced { self.uv.reference } else { self.uv.unreference };
            // SAFETY: an open handle of this thread's loop.
            unsafe { change(self.handles[0].as_ptr()) };
        }
    }

    /// Whether the loop shall come back at once instead of waiting.
    pub fn set_turning(&self, turning: bool) {
        if self.turning.replace(turning) != turning {
            let idle = self.handles[2].as_ptr();
            // SAFETY: an open handle of this thread's loop.
            unsafe {
                if turning {
                    (self.uv.idle_start)(idle, on_idle);
                } else {
                    (self.uv.idle_stop)(idle);
                }
            }
        }
    }

    /// When the loop's next timer is due; `None` when the loop has something to do now.
    pub fn next_timer(&self) -> Option<Time> {
        let event_loop = self.event_loop.as_ptr();
        // SAFETY: this thread's loop, alive while the handles are.
        let (timeout, now) =
            unsafe { ((self.uv.backend_timeout)(event_loop), (self.uv.now)(event_loop)) };
        match u64::try_from(timeout) {
            Ok(0) => None,
            Ok(timeout) => Some(Time::from_nanos((now + timeout) * 1_000_000)),
            Err(_) => Some(Time::NEVER),
        }
    }

    /// Updates the loop's time, so that it does not wait too long.
    pub fn update_time(&self) {
        // SAFETY: this thread's loop, alive while the handles are.
        unsafe { (self.uv.update_time)(self.event_loop.as_ptr()) };
    }

    /// Whether any descriptor of the loop is ready, ours or any other.
    pub fn is_any_ready(&self) -> bool {
        // SAFETY: as above; the poll is of one valid entry and does not wait.
        unsafe {
            let fd = (self.uv.backend_fd)(self.event_loop.as_ptr());
            let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            libc::poll(&raw mut entry, 1, 0) == 1
        }
    }

    /// Closes the handles. When the loop is done with them they are freed and `on_closed` comes.
    pub fn close(self) {
        for handle in self.handles {
            // SAFETY: an open handle of this thread's loop, closed here and nowhere else.
            unsafe { (self.uv.close)(handle.as_ptr(), on_handle_closed::<T>) };
        }
    }
}

impl<T> std::ops::Deref for Watch<T> {
    type Target = Shared<T>;

    fn deref(&self) -> &Shared<T> {
        // SAFETY: it lives until the last handle is closed, and `close` takes the watch away.
        unsafe { self.0.as_ref() }
    }
}

fn allocate(uv: &Uv, kind: c_int) -> NonNull<Handle> {
    let layout = layout(uv, kind);
    // SAFETY: the layout is not empty; the handle starts behind the prefix, inside of it.
    unsafe {
        let Some(start) = NonNull::new(alloc_zeroed(layout)) else { handle_alloc_error(layout) };
        start.byte_add(PREFIX).cast()
    }
}

fn layout(uv: &Uv, kind: c_int) -> Layout {
    // SAFETY: asks for a constant.
    let size = unsafe { (uv.size)(kind) };
    Layout::from_size_align(PREFIX + size, PREFIX).expect("handles are small")
}

/// # Safety
/// No handle may be in the loop any more, and nothing may refer to `shared`.
unsafe fn free<T>(shared: NonNull<Shared<T>>) {
    // SAFETY: made by `Box::leak`, and given back once, per the contract.
    let shared = unsafe { Box::from_raw(shared.as_ptr()) };
    for (handle, kind) in shared.handles.into_iter().zip(KINDS) {
        // SAFETY: made by `allocate` with the same layout.
        unsafe { dealloc(handle.byte_sub(PREFIX).cast().as_ptr(), layout(&shared.uv, kind)) };
    }
}

/// What a handle belongs to.
///
/// # Safety
/// Only for the handles of a [`Watch<T>`].
unsafe fn shared<T>(handle: *mut Handle) -> NonNull<Shared<T>> {
    // SAFETY: `start` has written the pointer in front of each of its handles.
    unsafe { handle.byte_sub(PREFIX).cast::<NonNull<Shared<T>>>().read() }
}

unsafe extern "C" fn on_readable<T: Turns>(handle: *mut Handle, _status: c_int, _events: c_int) {
    // SAFETY: called by libuv for an open handle of a watch, whose target is there until
    // `on_closed`.
    unsafe { shared::<T>(handle).as_ref().target.as_ref() }.on_readable();
}

unsafe extern "C" fn on_prepare<T: Turns>(handle: *mut Handle) {
    // SAFETY: as above.
    unsafe { shared::<T>(handle).as_ref().target.as_ref() }.on_prepare();
}

/// Being there is all an idle handle has to do.
unsafe extern "C" fn on_idle(_: *mut Handle) {}

unsafe extern "C" fn on_handle_closed<T: Turns>(handle: *mut Handle) {
    // SAFETY: called by libuv once for each handle of a watch; the last one frees what they share.
    unsafe {
        let shared = shared::<T>(handle);
        let open = &shared.as_ref().open;
        open.set(open.get() - 1);
        if open.get() == 0 {
            let target = shared.as_ref().target;
            free(shared);
            T::on_closed(target);
        }
    }
}
