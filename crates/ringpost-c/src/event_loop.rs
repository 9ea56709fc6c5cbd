//! A loop: one engine, what it waits for, and a descriptor by which any other loop can wait for it.

mod dispatch;
mod watches;

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ipc_core::{Engine, Time, WaitPolicy};

use crate::border::{hand_over, handle, lock, put_optional, span, take_back, wanted};
use crate::error::{Error, guard};
use crate::inbox::Inbox;
use crate::status::Status;
pub use dispatch::settle;
pub use watches::{Watched, Watches};

/// Drives in a row before the caller's own loop has its turn again.
const DRIVES_MAX: u32 = 64;
/// Drives of hot links in a row before a whole one, which costs a system call.
const HOT_IN_A_ROW: u32 = 32;

/// What a program waits for in one place: connections, servers, and readers that are watched.
pub struct Loop(pub Arc<Shared>);

/// What a loop and everything on it share. One thread at a time is in it.
pub struct Shared(Mutex<State>);

pub struct State {
    pub engine: Engine,
    pub inbox: Inbox,
    pub watches: Watches,
    /// Its descriptor has been given out: a program may wait for it any moment.
    is_shown: bool,
    hot: u32,
}

impl Shared {
    fn new() -> Result<Self, Error> {
        let (inbox, watches) = (Inbox::default(), Watches::default());
        let engine = Engine::new()?;
        Ok(Self(Mutex::new(State { engine, inbox, watches, is_shown: false, hot: 0 })))
    }

    pub fn lock(&self) -> Result<MutexGuard<'_, State>, Error> {
        lock(&self.0)
    }

    /// Works on the state, and leaves the descriptor such that it says when to come back.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let mut state = self.lock()?;
        let outcome = work(&mut state);
        state.engine.flush();
        if state.is_shown {
            state.arm();
        }
        outcome
    }

    /// Does what is ready, and calls whom it concerns. Never waits.
    fn drive(self: &Arc<Self>) -> Result<(), Error> {
        for _ in 0..DRIVES_MAX {
            self.lock()?.pump();
            self.dispatch()?;
            let mut state = self.lock()?;
            state.engine.flush();
            if state.arm() {
                break;
            }
        }
        Ok(())
    }

    /// Waits for something that callbacks are called with. Returns whether any was.
    fn wait(self: &Arc<Self>, timeout: Duration) -> Result<bool, Error> {
        let until = Time::now() + timeout;
        let mut has_more = true;
        loop {
            // It may have come before, in a call that has waited for something else.
            if self.dispatch()? {
                return self.with(|_| Ok(true));
            }
            if !has_more {
                // What has come for no one was taken as well, and is to be waited for again.
                return self.with(|_| Ok(false));
            }
            // What comes need not concern anyone, and may come without a pause.
            has_more = self.lock()?.turn(until)? && Time::now() < until;
        }
    }
}

impl State {
    /// Waits until something has arrived, but not beyond `until`. Returns whether it has.
    pub fn turn(&mut self, until: Time) -> Result<bool, Error> {
        self.engine.flush();
        loop {
            if self.hot < HOT_IN_A_ROW && self.engine.spin(&WaitPolicy::DEFAULT, until) {
                self.hot += 1;
                let inbox = &mut self.inbox;
                self.engine.paced(|engine| engine.drive_hot(inbox));
                if self.settle() {
                    return Ok(true);
                }
            }
            if self.pump() {
                return Ok(true);
            }
            let now = Time::now();
            if now >= until {
                return Ok(false);
            }
            self.engine.wake_at(self.watches.due());
            if self.engine.arm() {
                self.engine.sleep(None, until.saturating_since(now))?;
            }
        }
    }

    /// Does everything that is ready. Returns whether anything has arrived.
    fn pump(&mut self) -> bool {
        self.hot = 0;
        let inbox = &mut self.inbox;
        self.engine.paced(|engine| engine.drive(inbox));
        self.settle()
    }

    fn settle(&mut self) -> bool {
        let is_readable = std::mem::take(&mut self.inbox.is_readable);
        let has_news = self.watches.look(is_readable, &mut self.inbox.queue);
        let has_come = self.inbox.settle(&mut self.engine);
        self.engine.flush();
        has_come || has_news
    }

    /// Before the program waits: whether there is nothing to do. Otherwise the descriptor can be
    /// read at once.
    fn arm(&mut self) -> bool {
        self.engine.wake_at(self.watches.due());
        let is_asleep = self.inbox.queue.is_empty() && self.engine.arm();
        if !is_asleep {
            self.engine.wake_at(Time::now());
            self.engine.arm();
        }
        is_asleep
    }
}

/// Makes a loop.
///
/// Threads: any. A loop and everything on it are used by one thread at a time: a call that comes
/// while another thread is in one fails with RP_STATUS_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_loop_new(event_loop: *mut *mut Loop, error: *mut *mut Error) -> Status {
    guard(error, || {
        let place = wanted(event_loop)?;
        let made = Loop(Arc::new(Shared::new()?));
        // SAFETY: a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(place, made) })
    })
}

/// The descriptor by which the program's own loop waits: it can be read when rp_loop_drive has
/// something to do. It belongs to the loop, and is neither read nor closed by the program.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_loop_fd(
    event_loop: Option<&Loop>,
    fd: *mut c_int,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let place = wanted(fd)?;
        let fd = handle(event_loop)?.0.with(|state| {
            state.is_shown = true;
            Ok(state.engine.as_fd().as_raw_fd())
        })?;
        // SAFETY: a place for a number, as the header demands.
        unsafe { place.write(fd) };
        Ok(Status::Ok)
    })
}

/// Does what is ready and calls the callbacks it concerns, in this thread. Never waits.
///
/// Callbacks may call everything, this included, and may close what they were called for.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_loop_drive(
    event_loop: Option<&Loop>,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        // A callback may free the loop.
        let shared = Arc::clone(&handle(event_loop)?.0);
        shared.drive()?;
        Ok(Status::Ok)
    })
}

/// Waits until a callback has been called, or for so many milliseconds; below 0: for ever.
/// `has_called`, unless it is NULL, is set to whether one was.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_loop_wait(
    event_loop: Option<&Loop>,
    timeout_ms: i64,
    has_called: *mut bool,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let shared = Arc::clone(&handle(event_loop)?.0);
        let has = shared.wait(span(timeout_ms, Duration::ZERO))?;
        // SAFETY: a place for it or NULL, as the header demands.
        unsafe { put_optional(has_called, has) };
        Ok(Status::Ok)
    })
}

/// Frees a loop and sets the pointer to NULL. What is on it can still be used, and closed.
///
/// Threads: that of the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_loop_free(
    event_loop: *mut *mut Loop,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        unsafe { take_back(event_loop, |found| found.0.lock().map(drop)) }?;
        Ok(Status::Ok)
    })
}
