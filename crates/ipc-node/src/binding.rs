//! One engine in one JavaScript environment: when it is driven, and how what has come gets into
//! JavaScript.
//!
//! ```text
//!   loop about to wait (prepare) --> submit the outbox --> poll as long as it pays ------+
//!   descriptor readable (poll)   --> drive -+                                             |
//!                                           v                                             v
//!                          JavaScript entered once per batch <--------------------- drive rings
//!                                           |
//!                                           +--> submit the outbox again, without being called
//! ```
//!
//! No borrow of the engine is held while JavaScript runs, so it may call anything.

#![allow(unsafe_code)]

mod ending;

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::time::Duration;

use ipc_core::{Code, Engine, Error, Result, Time, WaitPolicy};
use napi::sys;

use crate::entrance::Entrance;
use crate::inbox::Inbox;
use crate::inner::Inner;
use crate::memory::{Memory, Outside};
use crate::outbox;
use crate::records::state::{STATE_INSIDE, STATE_RANG, STATE_REFERENCES, STATE_RUNS, STATE_WORDS};
use crate::records::{LINK_WORDS, LINKS_MAX, RUN_WORDS, RUNS_MAX};
use crate::throw;
use crate::uv::{Loop, Turns, Uv, Watch};
use crate::waker::Waker;

/// How long the loop is kept from turning while messages keep coming.
const STAY: Duration = Duration::from_micros(100);
/// How often, meanwhile, others on this core have their turn, and the loop's other descriptors are
/// looked at.
const GLANCE: Duration = Duration::from_micros(20);

pub struct Binding {
    env: sys::napi_env,
    /// Gone when the environment has ended.
    inner: RefCell<Option<Inner>>,
    entrance: Entrance,
    wait_policy: WaitPolicy,
    waiting: OnceCell<Waiting>,
    /// When JavaScript wants to be woken.
    alarm: Cell<Time>,
    /// That time has come, and JavaScript does not know.
    rang: Cell<bool>,
    /// The environment is ending: JavaScript is not entered any more.
    ended: Cell<bool>,
    cleanup: Cell<sys::napi_async_cleanup_hook_handle>,
}

/// How the environment is woken.
enum Waiting {
    /// By its own loop.
    Loop(RefCell<Option<Watch<Binding>>>),
    /// By a thread that waits for it.
    Thread(Waker),
}

/// What JavaScript hands over once.
pub struct Setup {
    pub outbox: sys::napi_value,
    pub state: sys::napi_value,
    pub runs: sys::napi_value,
    pub standing: sys::napi_value,
    pub deliver: sys::napi_value,
    /// What stands for the context JavaScript is entered in.
    pub resource: sys::napi_value,
    pub wait_policy: WaitPolicy,
    /// Not the loop itself, even if it can be had.
    pub by_thread: bool,
}

impl Binding {
    /// Makes the engine of an environment. It lives until the environment ends.
    pub fn open(env: sys::napi_env, setup: &Setup) -> Result<&'static Self> {
        let engine = Engine::new()?;
        let fd = engine.as_fd().as_raw_fd();
        let adopt = |value, len| {
            Memory::adopt(env, value).filter(|memory| memory.len() >= len).ok_or_else(|| {
                Error::new(Code::Internal, "an ArrayBuffer too small, or none at all")
            })
        };
        let runs = adopt(setup.runs, (RUNS_MAX * RUN_WORDS * 4) as usize)?;
        let inner = Inner {
            engine,
            inbox: Inbox::new(
                env,
                runs,
                adopt(setup.standing, (LINKS_MAX * LINK_WORDS * 4) as usize)?,
            ),
            outbox: adopt(setup.outbox, 1)?,
            state: adopt(setup.state, STATE_WORDS as usize * 4)?,
        };
        let this = Box::leak(Box::new(Self {
            env,
            inner: RefCell::new(Some(inner)),
            entrance: Entrance::new(env, setup.deliver, setup.resource),
            wait_policy: setup.wait_policy,
            waiting: OnceCell::new(),
            alarm: Cell::new(Time::NEVER),
            rang: Cell::new(false),
            ended: Cell::new(false),
            cleanup: Cell::new(ptr::null_mut()),
        }));
        let target = NonNull::from(&*this);
        let watch = (!setup.by_thread).then(|| this.watch_loop(fd, target)).flatten();
        let waiting = match watch {
            Some(watch) => Waiting::Loop(RefCell::new(Some(watch))),
            None => Waiting::Thread(
                // SAFETY: leaked above, and given to nothing that has not let go of it again.
                Waker::start(env, fd, target).inspect_err(|_| unsafe { Self::abandon(target) })?,
            ),
        };
        // Set once, here.
        let _ = this.waiting.set(waiting);
        ending::add_cleanup_hook(this);
        Ok(this)
    }

    /// Frees what could not be opened.
    ///
    /// # Safety
    /// Nothing may have it any more.
    unsafe fn abandon(target: NonNull<Self>) {
        // SAFETY: leaked in `open`, which gives up now.
        let this = unsafe { Box::from_raw(target.as_ptr()) };
        this.entrance.release();
    }

    fn watch_loop(&self, fd: i32, target: NonNull<Self>) -> Option<Watch<Self>> {
        let uv = Uv::find()?;
        let mut event_loop = ptr::null_mut();
        // SAFETY: on the environment's thread.
        unsafe { sys::napi_get_uv_event_loop(self.env, &raw mut event_loop) };
        let event_loop = NonNull::new(event_loop.cast::<Loop>())?;
        // SAFETY: the loop of this environment, which runs on this thread; the target is leaked
        // until the watch is closed.
        unsafe { Watch::start(uv, event_loop, fd, target) }
    }

    /// Who wakes the environment: for `stats`.
    pub fn wakes_by(&self) -> &'static str {
        match self.waiting.get() {
            Some(Waiting::Thread(_)) => "thread",
            _ => "loop",
        }
    }

    /// The engine and its inbox; not to be held while JavaScript runs. There are none once the
    /// environment has ended, and then nothing is called any more.
    pub fn inner(&self) -> RefMut<'_, Inner> {
        RefMut::map(self.inner.borrow_mut(), |inner| {
            let inner = inner.as_mut().expect("still open");
            inner.inbox.next_turn();
            inner
        })
    }

    pub fn env(&self) -> sys::napi_env {
        self.env
    }

    pub fn wait_policy(&self) -> WaitPolicy {
        self.wait_policy
    }

    /// Whether JavaScript is being stopped from outside: then not even nothing can be run.
    pub fn is_terminating(&self) -> bool {
        self.entrance.is_terminating()
    }

    // ---- called from JavaScript ----

    /// Sends what is in the outbox; the payload of its last record may be `outside`.
    pub fn submit(&self, outside: Option<Outside<'_>>) -> Result<()> {
        outbox::submit(self.env, &mut self.inner(), outside.as_ref())
    }

    /// After a call from JavaScript: makes sure that this thread will be woken.
    pub fn settle(&self) {
        self.update_references();
        if let Some(Waiting::Thread(waker)) = self.waiting.get() {
            let mut inner = self.inner();
            // The rings are not polled before the loop waits, so peers have to ring from now on.
            if inner.inbox.run_count() > 0 || !inner.engine.arm() {
                waker.wake();
            }
        }
    }

    /// Checks whether the reply to the request the state names is still wanted. Returns whether
    /// that has produced events.
    pub fn look_abandoned(&self) -> bool {
        self.inner().look_abandoned()
    }

    /// Wakes JavaScript at `time`, at the latest, once; a later call takes the place of an earlier
    /// one.
    pub fn wake_at(&self, time: Time) {
        self.alarm.set(time);
        self.inner().engine.wake_at(time);
        self.settle();
    }

    /// Sends what is in the outbox, and writes what waits as far as there is room: the environment
    /// comes to its end. Nothing can be done about what fails now.
    pub fn flush_at_exit(&self) {
        let Ok(mut inner) = self.inner.try_borrow_mut() else { return };
        let Some(inner) = &mut *inner else { return };
        drop(outbox::submit(self.env, inner, None));
        inner.engine.write_out(&mut inner.inbox);
    }

    /// Whether the process stays alive for the sake of this.
    fn update_references(&self) {
        let referenced = self.inner().state.word(STATE_REFERENCES as usize) > 0;
        match self.waiting.get() {
            Some(Waiting::Loop(watch)) => {
                if let Some(watch) = &*watch.borrow() {
                    watch.set_referenced(referenced);
                }
            }
            Some(Waiting::Thread(waker)) => waker.set_referenced(referenced),
            None => {}
        }
    }

    // ---- called by the loop or by the thread ----

    /// Does all that is ready. Called by the thread's wake, in place of the loop's.
    pub fn turn(&self) {
        self.guarded(|| {
            // Microtasks run when this has returned, and not before.
            self.end_first_turns();
            self.drive();
            self.settle();
            if let Some(Waiting::Thread(waker)) = self.waiting.get()
                && self.inner().inbox.has_first_turns()
            {
                waker.wake();
            }
        });
        if let Some(Waiting::Thread(waker)) = self.waiting.get() {
            waker.watch_again();
        }
    }

    /// Drives the engine with everything, and hands over what has come.
    fn drive(&self) {
        {
            let inner = &mut *self.inner();
            inner.engine.drive(&mut inner.inbox);
        }
        if self.alarm.get() != Time::NEVER && Time::now() >= self.alarm.get() {
            self.alarm.set(Time::NEVER);
            self.rang.set(true);
        }
        self.hand_over();
    }

    /// JavaScript has finished a turn: links it got in that turn are read from now on.
    fn end_first_turns(&self) {
        let inner = &mut *self.inner();
        inner.inbox.end_first_turns();
        inner.resume_held_back();
    }

    /// Enters JavaScript with what has come, if anything has, and sends what it wants sent.
    fn hand_over(&self) {
        let mut is_first = true;
        while !self.ended.get() {
            let (count, is_busy) = {
                let inner = self.inner();
                (inner.inbox.run_count(), inner.engine.is_busy())
            };
            let rang = self.rang.take();
            if count == 0 && !rang {
                break;
            }
            // What comes of the first entry is not what was read in the last drive.
            let start = (is_first && is_busy).then(Time::now);
            is_first = false;
            if !self.enter(count, rang) {
                break;
            }
            {
                let inner = &mut *self.inner();
                if let Some(start) = start {
                    inner.engine.handled(Time::now().saturating_since(start));
                }
                inner.inbox.delivered(count);
                if matches!(self.waiting.get(), Some(Waiting::Loop(_))) {
                    inner.inbox.end_first_turns();
                }
                inner.resume_held_back();
            }
            self.submit_or_fail();
        }
        self.update_references();
    }

    /// Enters JavaScript with `count` runs, and with the time it wanted to be woken at if that has
    /// come. Returns whether it came back in good order.
    fn enter(&self, count: usize, rang: bool) -> bool {
        let extras = {
            let mut inner = self.inner();
            inner.state.set_word(STATE_INSIDE as usize, 1);
            inner.state.set_word(STATE_RUNS as usize, u32::try_from(count).unwrap_or(RUNS_MAX));
            if rang {
                inner.state.set_word(STATE_RANG as usize, 1);
            }
            inner.inbox.take_extras()
        };
        let status = self.entrance.call(&extras, || self.submit_or_fail());
        self.inner().state.set_word(STATE_INSIDE as usize, 0);
        match status {
            Ok(()) => true,
            Err(still_alive) => {
                self.ended.set(!still_alive);
                still_alive
            }
        }
    }

    fn submit_or_fail(&self) {
        if let Err(error) = self.submit(None) {
            throw::uncaught(self.env, &error);
        }
    }

    /// Polls for a while before the loop waits.
    fn poll(&self, watch: &Watch<Self>) {
        self.spin_while_it_pays(watch);
        self.entrance.close();
    }

    /// Polls as long as messages keep arriving.
    fn spin_while_it_pays(&self, watch: &Watch<Self>) {
        watch.set_turning(false);
        let start = Time::now();
        // Where messages never cease to come, what is due would not be looked at.
        if self.inner().engine.is_due(start) {
            self.drive();
        }
        let mut glance_at = start + GLANCE;
        let mut entered = false;
        loop {
            let found = self.inner().engine.poll();
            if found {
                {
                    let inner = &mut *self.inner();
                    inner.engine.drive_hot(&mut inner.inbox);
                }
                self.hand_over();
                entered = true;
            }
            if self.ended.get() {
                return;
            }
            // A loop with something to do comes back by itself, without having waited.
            let Some(timer) = watch.next_timer() else { return };
            if entered {
                let now = Time::now();
                if now >= glance_at {
                    let is_over = now >= start + STAY || now >= timer;
                    if is_over || self.inner().engine.yield_now() || watch.is_any_ready() {
                        return watch.set_turning(true);
                    }
                    glance_at = now + GLANCE;
                }
            }
            // What takes time is done before there is anything to be in time for.
            if self.inner().engine.is_hot() {
                self.entrance.open();
            }
            let inner = &mut *self.inner();
            if !inner.engine.spin(&self.wait_policy, timer) {
                break;
            }
            if !inner.engine.poll() {
                return watch.set_turning(true);
            }
        }
        // The loop computes its wait from the time it saw last, which may be long ago by now.
        watch.update_time();
        if !self.inner().engine.arm() {
            watch.set_turning(true);
        }
    }

    /// A panic of ours must not unwind into C: it becomes an uncaught exception.
    fn guarded(&self, work: impl FnOnce()) {
        if self.ended.get() {
            return;
        }
        throw::scoped(self.env, || {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                throw::uncaught_panic(self.env);
            }
        });
    }
}

impl Turns for Binding {
    fn on_readable(&self) {
        self.guarded(|| self.drive());
    }

    fn on_prepare(&self) {
        self.guarded(|| {
            self.submit_or_fail();
            self.hand_over();
            if let Some(Waiting::Loop(watch)) = self.waiting.get()
                && let Some(watch) = &*watch.borrow()
            {
                self.poll(watch);
            }
        });
    }

    unsafe fn on_closed(target: NonNull<Self>) {
        // SAFETY: leaked in `open`; nothing calls back any more, and this comes once.
        let binding = unsafe { Box::from_raw(target.as_ptr()) };
        // SAFETY: the hook was added in `open`, and this is its end.
        unsafe { sys::napi_remove_async_cleanup_hook(binding.cleanup.get()) };
    }
}
