//! One engine in one module: when it is driven, and how what has come gets into JavaScript.
//!
//! No borrow of the engine is held while JavaScript runs, so it may call anything.

use std::cell::{Cell, OnceCell, RefCell, RefMut};

use ipc_core::{Code, Engine, Error, Result, Time};

use super::imports::{self, Entered};
use crate::describe::describe;
use crate::inbox::Inbox;
use crate::inner::Inner;
use crate::memory::{self, Env, Memory, Outside};
use crate::outbox;
use crate::records::state::{STATE_INSIDE, STATE_RANG, STATE_RUNS, STATE_WORDS};
use crate::records::{LINK_WORDS, LINKS_MAX, RUN_WORDS, RUNS_MAX};

/// What the host may have in the outbox at once.
const OUTBOX_LEN: usize = 256 << 10;

thread_local! {
    static BINDING: OnceCell<&'static Binding> = const { OnceCell::new() };
}

pub struct Binding {
    inner: RefCell<Inner>,
    pub addresses: Addresses,
    /// When JavaScript wants to be woken.
    alarm: Cell<Time>,
    /// That time has come, and JavaScript does not know.
    rang: Cell<bool>,
    /// There is something to do right now.
    is_ready: Cell<bool>,
    /// JavaScript is not entered any more.
    ended: Cell<bool>,
    /// From where to where the standing of links has changed, for the host to read.
    standing_changed: Cell<[u32; 2]>,
}

/// Where the regions lie that the host looks at.
pub struct Addresses {
    pub outbox: *const u8,
    pub state: *const u8,
    pub runs: *const u8,
    pub standing: *const u8,
}

impl Binding {
    /// Makes the engine of this module, once.
    pub fn open() -> Result<()> {
        if BINDING.with(|binding| binding.get().is_some()) {
            return Err(Error::new(Code::Internal, "the engine is open already"));
        }
        let runs = Memory::region((RUNS_MAX * RUN_WORDS * 4) as usize);
        let standing = Memory::region((LINKS_MAX * LINK_WORDS * 4) as usize);
        let outbox = Memory::region(OUTBOX_LEN);
        let state = Memory::region(STATE_WORDS as usize * 4);
        let addresses = Addresses {
            outbox: outbox.address(),
            state: state.address(),
            runs: runs.address(),
            standing: standing.address(),
        };
        let (engine, inbox) = (Engine::new()?, Inbox::new(Env, runs, standing));
        let this = Box::leak(Box::new(Self {
            inner: RefCell::new(Inner { engine, inbox, outbox, state }),
            addresses,
            alarm: Cell::new(Time::NEVER),
            rang: Cell::new(false),
            is_ready: Cell::new(false),
            ended: Cell::new(false),
            standing_changed: Cell::default(),
        }));
        // Set once, here.
        let _ = BINDING.with(|binding| binding.set(this));
        Ok(())
    }

    /// The one there is.
    pub fn get() -> Option<&'static Self> {
        BINDING.with(|binding| binding.get().copied())
    }

    /// The engine and its inbox; not to be held while JavaScript runs.
    pub fn inner(&self) -> RefMut<'_, Inner> {
        let mut inner = self.inner.borrow_mut();
        inner.inbox.next_turn();
        inner
    }

    /// Sends what is in the outbox; the payload of its last record may be `outside`.
    pub fn submit(&self, outside: Option<&Outside<'_>>) -> Result<()> {
        // For all the messages, whose deadlines are taken from the reading made last.
        let _ = Time::now();
        outbox::submit(Env, &mut self.inner(), outside)
    }

    /// After a call of the host: finds out whether there is something to do now, and when later.
    pub fn settle(&self) {
        let inner = &mut *self.inner();
        let may_sleep = inner.inbox.run_count() == 0 && inner.engine.arm();
        self.is_ready.set(!may_sleep || inner.inbox.has_first_turns());
    }

    /// Whether the engine is to be driven right now.
    pub fn is_ready(&self) -> bool {
        self.is_ready.get() || self.inner().engine.has_events()
    }

    /// When it wants to be driven at the latest.
    pub fn due(&self) -> Time {
        self.inner().engine.wakes_at()
    }

    /// Wakes JavaScript at `time`, at the latest, once; a later call takes the place of an earlier
    /// one.
    pub fn wake_at(&self, time: Time) {
        self.alarm.set(time);
        self.inner().engine.wake_at(time);
        self.settle();
    }

    /// Sends what is in the outbox, and writes what waits as far as there is room. Nothing can be
    /// done about what fails now.
    pub fn flush_at_exit(&self) {
        drop(self.submit(None));
        let inner = &mut *self.inner();
        inner.engine.write_out(&mut inner.inbox);
    }

    /// From where to where the standing of links has changed since this was asked.
    pub fn take_standing_changed(&self) -> Option<&Cell<[u32; 2]>> {
        let (start, end) = self.inner().inbox.take_standing_changed()?;
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        self.standing_changed.set([narrow(start), narrow(end)]);
        Some(&self.standing_changed)
    }

    /// Does all that is ready, and hands over what has come.
    pub fn turn(&self) {
        if self.ended.get() {
            return;
        }
        self.submit_or_fail();
        {
            // Microtasks have run since the last turn, and run again when this has returned.
            let inner = &mut *self.inner();
            inner.inbox.end_first_turns();
            inner.resume_held_back();
            inner.engine.drive(&mut inner.inbox);
        }
        if self.alarm.get() != Time::NEVER && Time::now() >= self.alarm.get() {
            self.alarm.set(Time::NEVER);
            self.rang.set(true);
        }
        self.hand_over();
        self.settle();
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
            self.enter(count, rang);
            {
                let inner = &mut *self.inner();
                if let Some(start) = start {
                    inner.engine.handled(Time::now().saturating_since(start));
                }
                inner.inbox.delivered(count);
                inner.resume_held_back();
            }
            self.submit_or_fail();
        }
    }

    /// Enters JavaScript with `count` runs, and with the time it wanted to be woken at if that has
    /// come.
    fn enter(&self, count: usize, rang: bool) {
        let count = u32::try_from(count).unwrap_or(RUNS_MAX);
        let extras = {
            let mut inner = self.inner();
            inner.state.set_word(STATE_INSIDE as usize, 1);
            inner.state.set_word(STATE_RUNS as usize, count);
            if rang {
                inner.state.set_word(STATE_RANG as usize, 1);
            }
            inner.inbox.take_extras()
        };
        memory::write_out();
        let ids: Vec<_> =
            extras.iter().map(|extra| extra.as_ref().map_or(0, |memory| memory.id())).collect();
        let entered = imports::enter(count, rang, &ids);
        self.inner().state.set_word(STATE_INSIDE as usize, 0);
        if entered == Entered::Ended {
            self.ended.set(true);
            self.inner().inbox.close();
        }
    }

    fn submit_or_fail(&self) {
        if let Err(error) = self.submit(None) {
            imports::uncaught(&describe(&error));
        }
    }
}
