//! Mappings of files that can be made shorter by others, or whose pages may not be had when they
//! are touched: such an access is a SIGBUS, which would be this process's death.
//!
//! ```text
//! access ── page is gone ──> SIGBUS ── in a guarded mapping? ── no ──> the former handler
//!   ^                                        │ yes
//!   └──── zeros, from here on, <── fresh pages over all of it, mapping marked as lost
//! ```
//!
//! From then on what is read is zeros and what is written is seen by no other process; [`losses`]
//! has changed, and the connection ends with the next turn of its engine. The handler is installed
//! with the first guarded mapping of the process and stays. It takes no lock and no memory: it
//! reads a table of words, makes one system call, and gives every signal that is none of its affair
//! to the handler that was there before it.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};

/// How many guarded mappings this process has lost. To be compared with what it was before.
#[inline]
pub(crate) fn losses() -> u64 {
    // Relaxed: a thread that has lost a mapping has counted that itself.
    LOSSES.load(Ordering::Relaxed)
}

static LOSSES: AtomicU64 = AtomicU64::new(0);

/// Keeps a mapping guarded as long as it lives.
pub(super) struct Guard(&'static Slot);

impl Guard {
    /// Guards `len` bytes from `base` on, which are mapped. It has to end before the mapping does.
    pub fn over(base: usize, len: usize) -> Result<Self> {
        install()?;
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = free_slot();
        slot.fill(base, len);
        Ok(Self(slot))
    }

    /// Whether an access has found nothing there any more.
    pub fn is_lost(&self) -> bool {
        self.0.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.clear();
    }
}

// ---- the table ----

/// Held while the table is changed. The handler only reads.
static WRITING: Mutex<()> = Mutex::new(());
static TABLE: AtomicPtr<Chunk> = AtomicPtr::new(ptr::null_mut());

/// Slots that were made together. They are used again and never given back.
struct Chunk {
    slots: [Slot; 32],
    next: *const Chunk,
}

/// A guarded mapping, or none.
#[derive(Default)]
struct Slot {
    /// Odd while there is one. It changes with every change, so that a reader knows whether what it
    /// has read belongs together.
    stamp: AtomicUsize,
    base: AtomicUsize,
    len: AtomicUsize,
    lost: AtomicBool,
}

impl Slot {
    fn is_free(&self) -> bool {
        self.stamp.load(Ordering::Relaxed).is_multiple_of(2)
    }

    fn fill(&self, base: usize, len: usize) {
        // Behind the stamp that `clear` has left: a reader of these sees that one, or a later one.
        fence(Ordering::Release);
        self.base.store(base, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
        self.lost.store(false, Ordering::Relaxed);
        let stamp = self.stamp.load(Ordering::Relaxed);
        self.stamp.store(stamp.wrapping_add(1), Ordering::Release);
    }

    fn clear(&self) {
        let stamp = self.stamp.load(Ordering::Relaxed);
        self.stamp.store(stamp.wrapping_add(1), Ordering::Release);
    }

    /// The mapping, if `address` lies in it.
    fn find(&self, address: usize) -> Option<(usize, usize)> {
        let stamp = self.stamp.load(Ordering::Acquire);
        let (base, len) = (self.base.load(Ordering::Relaxed), self.len.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_whole = !stamp.is_multiple_of(2) && self.stamp.load(Ordering::Relaxed) == stamp;
        (is_whole && address.wrapping_sub(base) < len).then_some((base, len))
    }
}

/// All slots there are.
fn slots() -> impl Iterator<Item = &'static Slot> {
    // Acquire: pairs with the store in `free_slot`, before which the chunk was made.
    let mut chunk = TABLE.load(Ordering::Acquire).cast_const();
    std::iter::from_fn(move || {
        // SAFETY: a chunk that was put into the table stays, as it is.
        let found = unsafe { chunk.as_ref::<'static>() }?;
        chunk = found.next;
        Some(&found.slots)
    })
    .flatten()
}

/// To be called by the one that writes.
fn free_slot() -> &'static Slot {
    if let Some(slot) = slots().find(|slot| slot.is_free()) {
        return slot;
    }
    let next = TABLE.load(Ordering::Relaxed);
    let chunk = Box::leak(Box::new(Chunk { slots: Default::default(), next }));
    // Release: the handler may read it from now on.
    TABLE.store(ptr::from_mut(chunk), Ordering::Release);
    &chunk.slots[0]
}

// ---- the handler ----

/// What was done about the signal before.
static BEFORE: OnceLock<Before> = OnceLock::new();

struct Before(libc::sigaction);

// SAFETY: plain numbers, and the address of a function that any thread may be interrupted by.
unsafe impl Send for Before {}
// SAFETY: as above.
unsafe impl Sync for Before {}

/// Installs the handler, once.
fn install() -> Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let before = change_action(None)?;
    // Known before the handler can be called. An earlier attempt has found the same.
    let before = &BEFORE.get_or_init(|| Before(before)).0;
    let mut action = *before;
    action.sa_sigaction = on_bus_error as *const () as libc::sighandler_t;
    // On the stack the handler before it may count on; a call that is interrupted goes on.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    change_action(Some(&action))?;
    stay_loaded();
    *installed = true;
    Ok(())
}

/// Sets what is done about the signal, or only asks. Returns what was done before.
fn change_action(action: Option<&libc::sigaction>) -> Result<libc::sigaction> {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    let action = action.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: null or a whole action, and room for another one.
    let status = unsafe { libc::sigaction(libc::SIGBUS, action, before.as_mut_ptr()) };
    if status != 0 {
        let cause = std::io::Error::last_os_error();
        return Err(Error::from_io("guarding a named segment (sigaction)", &cause));
    }
    // SAFETY: zeros are valid, and so is what the call has written over them.
    Ok(unsafe { before.assume_init() })
}

/// A host may load this code as a library and let go of it; the signal would still be led here.
fn stay_loaded() {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: an address of this code; the path lives as long as the library is loaded. Opening it
    // once more only counts, and takes the possibility away to unload it.
    unsafe {
        let here = on_bus_error as *const c_void;
        if libc::dladdr(here, found.as_mut_ptr()) != 0 {
            let path = found.assume_init().dli_fname;
            let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
            libc::dlopen(path, flags);
        }
    }
}

/// Whatever thread it is that this interrupts, and wherever: only words and system calls.
extern "C" fn on_bus_error(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands over a whole description; of a missing page it has the address.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    // Anything else was sent by a process, or is about the hardware.
    let is_missing_page = code == libc::BUS_ADRERR;
    if is_missing_page && slots().any(|slot| slot.replace(address)) {
        return;
    }
    // SAFETY: what the kernel has handed over is handed on as it is.
    unsafe { pass_on(signal, info, context, code) };
}

impl Slot {
    /// Puts fresh pages over the whole mapping, if `address` lies in it. The thread that is
    /// interrupted holds this mapping, so that nothing else can be at its place.
    fn replace(&self, address: usize) -> bool {
        let Some((base, len)) = self.find(address) else { return false };
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: the range is one mapping of ours, alive because it is being accessed; all access
        // goes through atomics and copies that take any value. The error number is put back.
        let mapped = unsafe {
            let errno = libc::__errno_location();
            let before = *errno;
            let mapped =
                libc::mmap(ptr::with_exposed_provenance_mut(base), len, protection, flags, -1, 0);
            *errno = before;
            mapped
        };
        if mapped == libc::MAP_FAILED {
            return false;
        }
        self.lost.store(true, Ordering::Relaxed);
        LOSSES.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// Does what would have been done without this handler.
///
/// # Safety
/// To be called with what a handler of this signal was called with.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, code: c_int) {
    // It is known since before this handler could be called.
    let Some(Before(before)) = BEFORE.get() else { return };
    match before.sa_sigaction {
        // An access that cannot be made good cannot be ignored either.
        libc::SIG_IGN if code <= 0 => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: only the kernel reads these; an access is repeated when this returns, and
            // what was sent is sent again, to be received when this returns.
            unsafe {
                let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const action, ptr::null_mut());
                if code <= 0 {
                    libc::raise(signal);
                }
            }
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: with this flag it is a function of this form.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without that flag it is a function of this form.
            let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
            handler(signal);
        }
    }
}
