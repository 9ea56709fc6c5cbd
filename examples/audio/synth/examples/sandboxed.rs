//! The same audio process for tests: its audio thread may make no system call but those of its
//! clock, or the kernel kills the process; and if it allocates or frees, the process says so and
//! ends.

#![allow(unsafe_code, reason = "an allocator that watches")]
#![allow(clippy::print_stderr, reason = "it says why it has ended")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// How it ends if something was allocated, and if there is no sandbox here.
const ALLOCATED: i32 = 76;
const NO_SANDBOX: i32 = 77;
/// What the audio thread is to do wrong: `allocation` or `call`. That must be noticed.
const WRONG: &str = "AUDIO_WRONG";

struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;
static HAS_ALLOCATED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

fn note() {
    if IS_WATCHED.get() {
        HAS_ALLOCATED.store(true, Ordering::SeqCst);
    }
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the promises, which are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() {
    thread::spawn(|| {
        while !HAS_ALLOCATED.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        eprintln!("sandboxed: the audio thread has allocated or freed memory");
        exit(ALLOCATED);
    });
    if let Err(error) = audio_synth::run(watched) {
        eprintln!("synth: {error}");
        exit(1);
    }
}

fn watched(play: &mut dyn FnMut()) {
    let wrong = std::env::var(WRONG).unwrap_or_default();
    if apply_filter(&filter()).is_err() {
        eprintln!("sandboxed: there is no sandbox here (seccomp), nothing could be shown");
        exit(NO_SANDBOX);
    }
    IS_WATCHED.set(true);
    match wrong.as_str() {
        "allocation" => drop(black_box(Box::new(wrong.len()))),
        "call" => thread::yield_now(),
        _ => {}
    }
    play();
    // Even to end a thread takes other system calls.
    loop {
        thread::sleep(Duration::from_secs(3_600));
    }
}

/// Its clock may be read, where the kernel offers no way around a call, and slept by.
fn filter() -> BpfProgram {
    let clock = [libc::SYS_clock_nanosleep, libc::SYS_clock_gettime];
    let permitted = clock.map(|call| (call, vec![])).into_iter().collect();
    let (otherwise, then) = (SeccompAction::KillProcess, SeccompAction::Allow);
    let arch = std::env::consts::ARCH.try_into().expect("a known processor");
    let filter = SeccompFilter::new(permitted, otherwise, then, arch).expect("a valid filter");
    filter.try_into().expect("a short program")
}
