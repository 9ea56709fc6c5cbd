//! For hosts whose loop cannot be watched: one thread waits for the engine's descriptor and posts
//! one call into the environment. It waits again only after that call has driven the engine.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use ipc_core::{Code, Error, Result};
use napi::sys;

use crate::binding::Binding;

pub struct Waker {
    env: sys::napi_env,
    call: Call,
    gate: Arc<Gate>,
    thread: Cell<Option<JoinHandle<()>>>,
    /// Closed to end the thread.
    stop: Cell<Option<OwnedFd>>,
    referenced: Cell<bool>,
}

/// A function of the environment's that any thread may call.
#[derive(Clone, Copy)]
struct Call(sys::napi_threadsafe_function);

// SAFETY: being called from any thread is what it is for; it is released after the thread's end.
unsafe impl Send for Call {}

/// What the thread may do.
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    /// Ends a wait for the descriptor, when its other end is closed.
    stop: OwnedFd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Wait for the descriptor.
    Watch,
    /// A call is on its way: wait for it to be done.
    Rest,
    /// Come to an end.
    Stop,
}

impl Waker {
    /// Starts the thread.
    pub fn start(env: sys::napi_env, fd: RawFd, target: NonNull<Binding>) -> Result<Self> {
        let stop = pipe()?;
        let call = threadsafe_function(env, target)
            .ok_or_else(|| Error::new(Code::System, "making a threadsafe function"))?;
        let call = Call(call);
        let state = Mutex::new(State::Watch);
        let (reading, writing) = stop;
        let gate = Arc::new(Gate { state, changed: Condvar::new(), stop: reading });
        let thread = std::thread::Builder::new()
            .name("ringpost-waker".into())
            .spawn({
                let gate = Arc::clone(&gate);
                move || gate.run(fd, call)
            })
            .map_err(|error| {
                // SAFETY: no thread uses it.
                unsafe { sys::napi_release_threadsafe_function(call.0, ABORT) };
                Error::from_io("starting the thread that waits", &error)
            })?;
        let (thread, referenced) = (Cell::new(Some(thread)), Cell::new(false));
        Ok(Self { env, call, gate, thread, stop: Cell::new(Some(writing)), referenced })
    }

    /// Posts a call from the environment's own thread.
    pub fn wake(&self) {
        self.call.post();
    }

    /// The call has been done: the descriptor may be waited for again.
    pub fn watch_again(&self) {
        self.gate.enter(State::Watch);
    }

    /// Whether the process stays alive for the sake of this.
    pub fn set_referenced(&self, referenced: bool) {
        if self.referenced.replace(referenced) == referenced {
            return;
        }
        // SAFETY: on the environment's thread, of a function that was not released.
        unsafe {
            if referenced {
                sys::napi_ref_threadsafe_function(self.env, self.call.0);
            } else {
                sys::napi_unref_threadsafe_function(self.env, self.call.0);
            }
        }
    }

    /// Ends the thread and lets go of the function.
    pub fn stop(&self) {
        let Some(thread) = self.thread.take() else { return };
        self.gate.enter(State::Stop);
        // The other end sees it closed.
        drop(self.stop.take());
        let _ = thread.join();
        // SAFETY: the thread, the only other user, has ended.
        unsafe { sys::napi_release_threadsafe_function(self.call.0, ABORT) };
    }
}

const ABORT: sys::napi_threadsafe_function_release_mode = sys::ThreadsafeFunctionReleaseMode::abort;

impl Call {
    fn post(self) {
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: not released while the thread or the binding uses it. A queue that is closing
        // refuses, and then there is nothing to wake.
        unsafe { sys::napi_call_threadsafe_function(self.0, ptr::null_mut(), mode) };
    }
}

impl Gate {
    fn enter(&self, state: State) {
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != State::Stop {
            *current = state;
            self.changed.notify_one();
        }
    }

    fn run(&self, fd: RawFd, call: Call) {
        loop {
            let current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut current = self
                .changed
                .wait_while(current, |state| *state == State::Rest)
                .unwrap_or_else(PoisonError::into_inner);
            if *current == State::Stop {
                return;
            }
            // Before the wait: a call that is done while this waits must not be forgotten.
            *current = State::Rest;
            drop(current);
            if wait(fd, self.stop.as_raw_fd()) {
                call.post();
            }
        }
    }
}

/// A pipe no child inherits: its reading and its writing end. Every sandbox has these.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return Err(Error::from_io("creating a pipe (pipe2)", &std::io::Error::last_os_error()));
    }
    // SAFETY: just made, and owned from here on.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Waits for `fd`; false when `stop` came first.
fn wait(fd: RawFd, stop: RawFd) -> bool {
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut entries = [entry(fd), entry(stop)];
    loop {
        // SAFETY: two valid entries.
        let ready = unsafe { libc::poll(entries.as_mut_ptr(), 2, -1) };
        if entries[1].revents != 0 {
            return false;
        }
        if ready > 0 {
            return true;
        }
    }
}

fn threadsafe_function(
    env: sys::napi_env,
    target: NonNull<Binding>,
) -> Option<sys::napi_threadsafe_function> {
    let (mut name, mut function) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: on the environment's thread; the target is there until the function is released.
    let status = unsafe {
        sys::napi_create_string_utf8(env, c"ringpost".as_ptr(), 8, &raw mut name);
        let (queue_max, threads) = (0, 1);
        let status = sys::napi_create_threadsafe_function(
            env,
            ptr::null_mut(),
            ptr::null_mut(),
            name,
            queue_max,
            threads,
            ptr::null_mut(),
            None,
            target.as_ptr().cast(),
            Some(on_call),
            &raw mut function,
        );
        sys::napi_unref_threadsafe_function(env, function);
        status
    };
    (status == sys::Status::napi_ok).then_some(function)
}

unsafe extern "C" fn on_call(
    env: sys::napi_env,
    _: sys::napi_value,
    context: *mut c_void,
    _: *mut c_void,
) {
    // Without an environment this is only about freeing what was posted, which is nothing.
    if env.is_null() {
        return;
    }
    // SAFETY: the binding it was made with, which outlives the function.
    if let Some(binding) = unsafe { context.cast::<Binding>().as_ref() } {
        binding.turn();
    }
}
