//! Where the engine is driven into: records in memory JavaScript owns.
//!
//! ```text
//!   runs    | link 3: 0..96 | link 7: 0..40 | link 3: 96..208 |      read by JavaScript in order
//!   arenas  link 3 [record|record|record......]  link 7 [record.....]
//! ```
//!
//! Each link has an arena of its own, so that behind a view of one peer's bytes there are never
//! another's. JavaScript copies what is kept, so that an arena is used again from its start when it
//! has been read. Handlers that borrow are shown the arena itself: it may be gone when the binding
//! comes back, and then the link gets another. All of it is allocated by V8: the only memory every
//! host takes.
//!
//! The first turn of a connection is JavaScript's: what the peer sends stays in the rings until
//! JavaScript has the connection and has come to the end of its turn.

mod host;
mod sync;
#[cfg(not(target_family = "wasm"))]
mod watched;

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

#[cfg(not(target_family = "wasm"))]
use ipc_core::Watcher;
use ipc_core::{Ending, Engine, Error, Kind, Lane, LinkId, Message, Peer};

use crate::arena::{Arena, Head, RECORD_LEN, head_of, millis, narrow};
use crate::counters::Ended;
use crate::describe::{describe, register};
use crate::first_turns::FirstTurns;
use crate::large::Larges;
use crate::memory::{Env, Memory};
use crate::records::event::{EVENT_CLOSED, EVENT_LISTENING, EVENT_REFUSED, EVENT_SENT};
use crate::records::{
    FLAG_OUTSIDE, FLAG_REPLAYED, FLAG_STREAM, FLAG_TIMED, FLAG_TRACED, LINK_WORDS, RUN_EXPOSED,
    RUN_KEPT, RUN_WORDS, RUNS_MAX, TIME_BYTES, TRACE_BYTES,
};
use crate::sync_call::{Outcome, SyncCall};

/// The first arena of a link; each further one is twice as large, up to the last.
const ARENA_FIRST: usize = 4 << 10;
const ARENA_LAST: usize = 128 << 10;
/// A link whose arena holds this much is not read before JavaScript has: an arena that starts over
/// stays in the caches, and another would have to be made, filled with zeros and collected.
const ARENA_FULL: usize = 96 << 10;

/// Bytes that may wait here for JavaScript, from all links.
const WAITING_MAX: usize = 4 << 20;
/// The same for a link that is waited for synchronously: its answer may lie behind them.
const WAITING_SYNC_MAX: usize = 64 << 20;

/// Runs of all links but one that is waited for synchronously. The rest are for that one, because
/// JavaScript takes none before it has the answer.
const RUNS_SHARED: usize = RUNS_MAX as usize / 2;

pub struct Inbox {
    env: Env,
    runs: Memory,
    run_count: usize,
    /// The first of them, which JavaScript is reading: what comes meanwhile is not added to these.
    reading: usize,
    /// How each link stands, by its place, for JavaScript to look at: see [`LINK_WORDS`].
    standing: Memory,
    /// Memory of its own that runs and records refer to by number; `None`: it was lost.
    extras: Vec<Option<Rc<Memory>>>,
    /// By the place of a link in the engine.
    arenas: Vec<Option<Arena>>,
    larges: Larges,
    /// Counts how often the binding has come back from JavaScript, or may have.
    turn: u32,
    /// Events for which there was no run left. Nothing is put down before they are, but for what
    /// comes of the link that is waited for synchronously.
    late: VecDeque<(LinkId, Head, Box<[u8]>)>,
    /// Bytes that wait for JavaScript.
    waiting: usize,
    sync: Option<SyncCall>,
    /// The request that was refused last: a long one is sent before it is waited for.
    refused: Option<(LinkId, u64, Error)>,
    /// Names whose payloads may come compressed.
    pub packed: HashSet<String>,
    /// Where small synchronous answers go.
    pub sync_arena: Option<Memory>,
    /// What links have counted that JavaScript does not know have ended.
    pub ended: Ended,
    /// Links that are not read before JavaScript has taken what waits.
    held_back: Vec<LinkId>,
    /// Links whose first turn is not over.
    first_turns: FirstTurns,
    /// What is read beside connections, if anything is: published objects.
    #[cfg(not(target_family = "wasm"))]
    pub watcher: Option<Watcher>,
    /// Nothing is put down any more: the environment ends.
    closed: bool,
}

impl Inbox {
    /// An inbox that lists its runs in `runs`, and the state of each link, by its place, in
    /// `standing`.
    pub fn new(env: Env, runs: Memory, standing: Memory) -> Self {
        Self {
            env,
            runs,
            run_count: 0,
            reading: 0,
            standing,
            extras: Vec::new(),
            arenas: Vec::new(),
            larges: Larges::new(env),
            turn: 0,
            late: VecDeque::new(),
            waiting: 0,
            sync: None,
            refused: None,
            packed: HashSet::new(),
            sync_arena: None,
            ended: Ended::default(),
            held_back: Vec::new(),
            first_turns: FirstTurns::default(),
            #[cfg(not(target_family = "wasm"))]
            watcher: None,
            closed: false,
        }
    }

    /// The environment ends, and takes no more memory: nothing is put down from now on.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The binding has come back from JavaScript, or may have.
    #[inline]
    pub fn next_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// Runs JavaScript has not been given.
    pub fn run_count(&self) -> usize {
        self.run_count
    }

    /// The extras of the runs there are, which are given to JavaScript now.
    pub fn take_extras(&mut self) -> Vec<Option<Rc<Memory>>> {
        self.reading = self.run_count;
        self.first_turns.give();
        std::mem::take(&mut self.extras)
    }

    /// From where to where the standing of links has changed since this was asked.
    #[cfg(target_family = "wasm")]
    pub fn take_standing_changed(&self) -> Option<(usize, usize)> {
        self.standing.take_changed()
    }

    /// JavaScript has been given the first `count` runs, and what has been added since stays.
    pub fn delivered(&mut self, count: usize) {
        self.reading = 0;
        let words = RUN_WORDS as usize;
        for run in 0..count {
            let (link, flags) = (self.link_of(run), flags(&self.runs, run));
            if flags & RUN_EXPOSED != 0
                && let Some(arena) = self.arena_of(link)
            {
                arena.exposed = true;
            }
        }
        let runs = &self.runs;
        let is_kept = |run: usize| flags(runs, run) & RUN_KEPT != 0;
        self.larges.take_back(count, is_kept);
        // A link of which more has come meanwhile, because JavaScript has asked synchronously,
        // starts over with that. No other may be left full: it would never be read again.
        for run in 0..count {
            let link = self.link_of(run);
            if (count..self.run_count).all(|later| self.link_of(later) != link) {
                self.reuse(link);
            }
        }
        let bytes = self.runs.bytes_mut(0, self.run_count * words * 4);
        bytes.copy_within(count * words * 4.., 0);
        self.run_count -= count;
        if self.run_count > 0 {
            return;
        }
        self.waiting = 0;
        while self.run_count < RUNS_SHARED
            && let Some((link, head, payload)) = self.late.pop_front()
        {
            self.put(link, head, &payload);
        }
    }

    // ---- first turns ----

    /// Whether JavaScript is still to come to the end of a turn before all links can be read.
    pub fn has_first_turns(&self) -> bool {
        !self.first_turns.is_empty()
    }

    /// JavaScript has come to the end of a turn: links it got in that turn can be read, and further
    /// events of theirs can be reported.
    #[inline]
    pub fn end_first_turns(&mut self) {
        if !self.first_turns.is_empty() {
            self.end_some_first_turns();
        }
    }

    #[cold]
    fn end_some_first_turns(&mut self) {
        for (link, head, payload) in self.first_turns.end() {
            self.record(link, head, &payload);
        }
    }

    /// JavaScript is to get a connection.
    fn register(&mut self, link: LinkId, head: Head, peer: &Peer) {
        self.record(link, head, register(peer).as_bytes());
        self.first_turns.begin(link);
    }

    /// Links to be read again, now that JavaScript has taken everything.
    pub fn take_held_back(&mut self) -> Vec<LinkId> {
        if self.run_count == 0 { std::mem::take(&mut self.held_back) } else { Vec::new() }
    }

    fn link_of(&self, run: usize) -> LinkId {
        LinkId(self.runs.word(run * RUN_WORDS as usize))
    }

    /// A link's arena starts over.
    fn reuse(&mut self, link: LinkId) {
        match self.arena_of(link) {
            Some(Arena { ended: true, .. }) => {
                self.arenas[link.place()] = None;
                self.larges.forget(link);
            }
            Some(arena) => arena.used = 0,
            None => {}
        }
    }

    /// Something of a link waits for room.
    #[cold]
    pub fn is_queued(&mut self, engine: &mut Engine, link: LinkId, lane: Lane) {
        engine.want_drain(link, lane);
        let queued = u32::try_from(engine.queued(link, lane)).unwrap_or(u32::MAX);
        self.standing.set_word(queued_at(link, lane), queued);
    }

    /// A message could not be sent, which its sender learns this way.
    pub fn refused(&mut self, link: LinkId, id: u64, error: Error) {
        if self.is_sync(link, id) {
            return self.settle_sync(Outcome::Refused(error));
        }
        let text = describe(&error);
        self.record(link, Head::event(EVENT_REFUSED).with_id(id), text.as_bytes());
        self.refused = Some((link, id, error));
    }

    /// A one-way message whose sender waits is being written, or will never be.
    pub fn sent(&mut self, link: LinkId, id: u64, error: Option<&Error>) {
        let text = error.map(describe).unwrap_or_default();
        self.record(link, Head::event(EVENT_SENT).with_id(id), text.as_bytes());
    }

    fn arena_of(&mut self, link: LinkId) -> Option<&mut Arena> {
        self.arenas.get_mut(link.place())?.as_mut().filter(|arena| arena.link == link)
    }

    /// Puts an event down.
    fn record(&mut self, link: LinkId, head: Head, payload: &[u8]) {
        if self.closed || self.first_turns.defer(link, head, payload) {
            return;
        }
        if !self.has_run_for(link) {
            return self.late.push_back((link, head, payload.into()));
        }
        self.put(link, head, payload);
    }

    fn put(&mut self, link: LinkId, head: Head, payload: &[u8]) {
        if let Some(place) = self.place(link, head, 0, payload.len()) {
            place.copy_from_slice(payload);
        }
        if matches!(head.kind(), EVENT_CLOSED | EVENT_LISTENING)
            && let Some(arena) = self.arena_of(link)
        {
            arena.ended = true;
        }
    }

    /// Puts a record down and returns where its options and its payload go; `None` when there is no
    /// memory left, which the environment does not survive anyway.
    #[inline]
    fn place(
        &mut self,
        link: LinkId,
        head: Head,
        options_len: usize,
        payload_len: usize,
    ) -> Option<&mut [u8]> {
        let end = RECORD_LEN + options_len + payload_len;
        let len = end.next_multiple_of(8);
        self.make_room(link, len)?;
        self.extend_run(link, len)?;
        let arena = self.arenas[link.place()].as_mut()?;
        let rest = arena.write(len, head, payload_len);
        Some(&mut rest[..options_len + payload_len])
    }

    /// Sees to it that there is room for `len` bytes in the link's arena, or in a new one.
    #[inline]
    fn make_room(&mut self, link: LinkId, len: usize) -> Option<&mut Arena> {
        let place = link.place();
        let fits = match self.arenas.get_mut(place) {
            Some(Some(arena)) => {
                arena.link == link && arena.has_room(len, self.turn, self.reading > 0)
            }
            _ => false,
        };
        if !fits {
            self.renew(link, len)?;
        }
        self.arenas[place].as_mut()
    }

    /// Adds the next `len` bytes of the link's arena to the last run, or to a new one.
    #[inline]
    fn extend_run(&mut self, link: LinkId, len: usize) -> Option<()> {
        self.waiting += len;
        let arena = self.arenas[link.place()].as_mut()?;
        let start = arena.used;
        let words = RUN_WORDS as usize;
        // The last run goes on if it is of the same arena, which it ends where this starts.
        if arena.known && self.run_count > self.reading {
            let last = (self.run_count - 1) * words;
            if self.runs.word(last) == link.0 && self.runs.word(last + 2) == narrow(start) {
                self.runs.set_word(last + 2, narrow(start + len));
                return Some(());
            }
        }
        let mut fresh = 0;
        if !arena.known {
            arena.known = true;
            self.extras.push(Some(Rc::clone(&arena.memory)));
            fresh = narrow(self.extras.len());
        }
        let run = self.run_count * words;
        self.runs.set_word(run, link.0);
        self.runs.set_word(run + 1, narrow(start));
        self.runs.set_word(run + 2, narrow(start + len));
        self.runs.set_word(run + 3, fresh);
        self.run_count += 1;
        Some(())
    }

    #[cold]
    fn renew(&mut self, link: LinkId, len: usize) -> Option<()> {
        let place = link.place();
        if place >= self.arenas.len() {
            self.arenas.resize_with(place + 1, || None);
        }
        let last = self.arenas[place].take().filter(|arena| arena.link == link);
        let next = last.map_or(ARENA_FIRST, |arena| (arena.memory.len() * 2).min(ARENA_LAST));
        let memory = Rc::new(Memory::array_buffer(self.env, next.max(len))?);
        self.arenas[place] = Some(Arena::new(link, memory));
        Some(())
    }

    /// Puts a message down whose payload is in memory of its own, or was.
    fn message_outside(
        &mut self,
        link: LinkId,
        message: &Message,
        payload: Option<Rc<Memory>>,
        len: usize,
    ) {
        let head = head_of(message).with_flags(FLAG_OUTSIDE);
        if self.is_sync(link, message.id) && is_answer(message) {
            if let Some(call) = &mut self.sync {
                call.outcome = Some(match payload {
                    Some(payload) => Outcome::Outside { head: head.head, payload, len },
                    None => Outcome::Ended(Ending::Cancelled),
                });
            }
            return;
        }
        // Its number is fixed before the record finds its place, which may take an extra itself.
        let number = narrow(self.extras.len());
        self.waiting += len;
        self.extras.push(payload.clone());
        if let Some(place) = self.place_message(link, head, message, 8) {
            place[..4].copy_from_slice(&number.to_ne_bytes());
            place[4..].copy_from_slice(&narrow(len).to_ne_bytes());
            if let Some(memory) = payload {
                self.larges.lend(self.run_count - 1, link, memory);
            }
        }
    }

    /// Puts a message down with its options, and returns where its payload goes.
    #[inline]
    fn place_message(
        &mut self,
        link: LinkId,
        head: Head,
        message: &Message,
        len: usize,
    ) -> Option<&mut [u8]> {
        let has_options =
            message.window.is_some() || message.trace.is_some() || message.replayed.is_some();
        if has_options {
            return self.place_with_options(link, head, message, len);
        }
        if message.kind != Kind::Request {
            return self.place(link, head, 0, len);
        }
        let place = self.place(link, head.with_flags(FLAG_TIMED), TIME_BYTES as usize, len)?;
        let (time, payload) = place.split_at_mut(TIME_BYTES as usize);
        time.copy_from_slice(&millis(message.deadline).to_ne_bytes());
        Some(payload)
    }

    #[cold]
    fn place_with_options(
        &mut self,
        link: LinkId,
        mut head: Head,
        message: &Message,
        len: usize,
    ) -> Option<&mut [u8]> {
        let mut options = Vec::new();
        if message.kind == Kind::Request {
            head = head.with_flags(FLAG_TIMED);
            options.extend(millis(message.deadline).to_ne_bytes());
        }
        if let Some(window) = message.window {
            head = head.with_flags(FLAG_STREAM);
            options.extend(u64::from(window).to_ne_bytes());
        }
        if let Some(taken) = message.replayed {
            head = head.with_flags(FLAG_REPLAYED);
            #[expect(clippy::cast_precision_loss, reason = "no stream has so many items")]
            options.extend((taken as f64).to_ne_bytes());
        }
        if let Some(trace) = &message.trace {
            head = head.with_flags(FLAG_TRACED);
            options.extend_from_slice(&trace.0);
            // The rest of its place.
            let missing = TRACE_BYTES as usize - trace.0.len();
            options.extend(std::iter::repeat_n(0, missing));
        }
        let place = self.place(link, head, options.len(), len)?;
        let (front, payload) = place.split_at_mut(options.len());
        front.copy_from_slice(&options);
        Some(payload)
    }
}

/// What JavaScript has left in the last word of a run.
fn flags(runs: &Memory, run: usize) -> u32 {
    runs.word((run + 1) * RUN_WORDS as usize - 1)
}

/// Where one of the words of a link is.
fn standing_at(link: LinkId, word: u32) -> usize {
    link.place() * LINK_WORDS as usize + word as usize
}

/// Where it stands how much waits for room in a lane.
fn queued_at(link: LinkId, lane: Lane) -> usize {
    standing_at(link, lane as u32)
}

fn is_answer(message: &Message) -> bool {
    matches!(message.kind, Kind::Reply | Kind::Error)
}
