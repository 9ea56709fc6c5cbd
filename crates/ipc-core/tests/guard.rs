//! The signal handler behind named segments, beside handlers of others. Each situation is a process
//! of its own, because a process has one handler.

// Handlers, and mappings that fault.
#![allow(unsafe_code)]

mod two_processes;

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use ipc_core::{Engine, Options, Transport};
use ringpost::{ClientConfig, ServerConfig, blocking};
use two_processes::Meeting;

const ROLE: &str = "RINGPOST_GUARD_ROLE";
/// What a role exits with when all of it was as it should be.
const GOOD: i32 = 42;

static SEEN: AtomicU32 = AtomicU32::new(0);

#[test]
fn in_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let before = current();
    match role.as_str() {
        // The standard library has one of its own, for stacks that overflow.
        "foreign fault, as it is" => {
            guarded();
            fault();
        }
        "foreign fault, no handler" => {
            install(libc::SIG_DFL, 0);
            guarded();
            fault();
        }
        "foreign fault, a handler before" => {
            install(counts as *const () as usize, 0);
            guarded();
            fault();
        }
        "foreign fault, a handler with details before" => {
            install(counts_details as *const () as usize, libc::SA_SIGINFO);
            guarded();
            fault();
        }
        "sent, no handler" => {
            install(libc::SIG_DFL, 0);
            guarded();
            raise();
        }
        "sent, ignored before" => {
            install(libc::SIG_IGN, 0);
            guarded();
            raise();
            std::process::exit(GOOD);
        }
        "sent, a handler before" => {
            install(counts as *const () as usize, 0);
            guarded();
            raise();
            std::process::exit(if SEEN.load(Ordering::SeqCst) == 1 { GOOD } else { 1 });
        }
        "no guard without files" => {
            let _engine = Engine::new().unwrap();
            std::process::exit(if current() == before { GOOD } else { 1 });
        }
        role => panic!("unknown role {role}"),
    }
    std::process::exit(1);
}

/// Installs the guard, by a connection with a named segment, and finds that it works.
fn guarded() {
    let handler = current();
    connect(&Meeting::new(Transport::Portable).options);
    assert_ne!(current(), handler, "there is no guard");
}

fn connect(options: &Options) {
    let mut server = blocking::Server::bind("guard", &ServerConfig::from(options)).unwrap();
    let stopper = server.stopper();
    let serving = std::thread::spawn(move || server.run().unwrap());
    blocking::Client::connect("guard", &ClientConfig::from(options)).unwrap().close().unwrap();
    stopper.stop();
    serving.join().unwrap();
}

/// The address of what is done about the signal.
fn current() -> usize {
    // SAFETY: only asks; zeros are a valid action.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        assert_eq!(libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut action), 0);
        action.sa_sigaction
    }
}

fn install(handler: usize, flags: c_int) {
    // SAFETY: a handler of the form the flags name, which only counts and ends the process.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
    }
}

extern "C" fn counts(signal: c_int) {
    assert_eq!(signal, libc::SIGBUS);
    SEEN.fetch_add(1, Ordering::SeqCst);
    if FAULTING.load(Ordering::SeqCst) != 0 {
        // SAFETY: ends the process; the access would be repeated for ever.
        unsafe { libc::_exit(GOOD) };
    }
}

extern "C" fn counts_details(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: handed over by the kernel, by way of the guard.
    let address = unsafe { (*info).si_addr() } as usize;
    let is_it = address == FAULTING_AT.load(Ordering::SeqCst);
    // SAFETY: as above.
    unsafe { libc::_exit(if is_it { GOOD } else { 1 }) };
}

static FAULTING: AtomicU32 = AtomicU32::new(0);
static FAULTING_AT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// An access to a mapping of the program's own, whose file has become too short.
fn fault() {
    let path = std::env::temp_dir().join(format!("ringpost-guard-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let file = file.unwrap();
    std::fs::remove_file(path).unwrap();
    file.set_len(4096).unwrap();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh mapping, and an access to it that faults, which is what is tested.
    unsafe {
        let null = std::ptr::null_mut();
        let at = libc::mmap(null, 4096, protection, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(at, libc::MAP_FAILED);
        file.set_len(0).unwrap();
        FAULTING_AT.store(at as usize, Ordering::SeqCst);
        FAULTING.store(1, Ordering::SeqCst);
        at.cast::<u8>().read_volatile();
    }
    panic!("there is no page, and no signal");
}

fn raise() {
    // SAFETY: sends this thread a signal.
    unsafe { libc::raise(libc::SIGBUS) };
}

/// What becomes of a role: its exit code, or the signal that ended it.
fn play(role: &str) -> Result<i32, i32> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_another_process", "--nocapture", "--test-threads=1"]);
    let output = command.env(ROLE, role).output().unwrap();
    let status = output.status;
    let stderr = String::from_utf8_lossy(&output.stderr);
    status.code().ok_or_else(|| status.signal().unwrap_or_else(|| panic!("{role}: {stderr}")))
}

#[test]
fn a_fault_of_others_ends_a_process_that_has_no_handler_for_it() {
    for role in ["foreign fault, as it is", "foreign fault, no handler", "sent, no handler"] {
        assert_eq!(play(role), Err(libc::SIGBUS), "{role}");
    }
}

#[test]
fn a_fault_of_others_is_led_to_the_handler_that_was_there_before() {
    for role in ["foreign fault, a handler before", "foreign fault, a handler with details before"]
    {
        assert_eq!(play(role), Ok(GOOD), "{role}");
    }
}

#[test]
fn a_signal_that_was_sent_is_what_it_was() {
    for role in ["sent, ignored before", "sent, a handler before"] {
        assert_eq!(play(role), Ok(GOOD), "{role}");
    }
}

#[test]
fn a_process_that_maps_no_file_has_no_handler_of_ours() {
    assert_eq!(play("no guard without files"), Ok(GOOD));
}
