//! Where the engine is driven into: records in memory JavaScript owns.
//!
//! ```text
//!   runs    | link 3: 0..96 | link 7: 0..40 | link 3: 96..208 |      read by JavaScript in order
//!   arenas  link 3 [record|record|record......]  link 7 [record.....]
//! ```
//!
//! Each link has an arena of its own, so that behind a view of one peer's bytes there are never
//! another's. An arena is used again from its start when JavaScript has kept no view of it, and left
//! to the garbage collector when it is full. All of it is allocated by V8: the only memory every
//! host takes.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use ipc_core::{
    Body, BufferId, Corrupt, Ending, Engine, Error, Event, Host, Kind, Lane, LinkId, Message,
    Readiness, Time, route,
};
use napi::sys;

use crate::describe::{describe, ending_code, introduce};
use crate::memory::Memory;
use crate::records::event::{
    EVENT_ABANDONED, EVENT_ACCEPTED, EVENT_CLOSED, EVENT_CONNECTED, EVENT_DRAINED, EVENT_DROPPED,
    EVENT_ENDED, EVENT_GRANTED, EVENT_ITEMS_END, EVENT_NAME_LOST, EVENT_NAMED, EVENT_REFUSED,
    EVENT_SENT, EVENT_STREAM, EVENT_UNREAD, EVENT_UNREADABLE,
};
use crate::records::inward::{
    IN_CODE, IN_DEADLINE, IN_HEAD, IN_ID, IN_LEN, IN_PAYLOAD_LEN, IN_WORDS,
};
use crate::records::{
    FLAG_OUTSIDE, FLAG_TRACED, LARGE, LINK_UNREAD, LINK_WORDS, RUN_WORDS, RUNS_MAX, TRACE_BYTES,
};

/// The first arena of a link; each further one is twice as large, up to the last.
const ARENA_FIRST: usize = 4 << 10;
const ARENA_LAST: usize = 128 << 10;

/// Large payloads whose memory is kept to be used again, and their bytes in all. Fresh memory costs more
/// than what is copied to it, and V8 takes it for a reason to collect garbage.
const SPARE_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 64 << 20;

/// Bytes that may wait here for JavaScript, from all links.
const WAITING_MAX: usize = 4 << 20;
/// The same for a link that is waited for synchronously: its answer may lie behind them.
const WAITING_SYNC_MAX: usize = 64 << 20;

const RECORD_LEN: usize = IN_WORDS as usize * 4;

pub struct Inbox {
    env: sys::napi_env,
    runs: Memory,
    run_count: usize,
    /// The first of them, which JavaScript is reading: what comes meanwhile is not added to these.
    reading: usize,
    /// How each link stands, by its place, for JavaScript to look at: see [`LINK_WORDS`].
    standing: Memory,
    /// Memory of its own that runs and records refer to by number.
    extras: Vec<Rc<Memory>>,
    /// By the place of a link in the engine.
    arenas: Vec<Option<Arena>>,
    /// Messages of several frames that are being put together.
    buffers: Vec<Option<Rc<Memory>>>,
    /// Events for which there was no run left. Nothing of any link is put down before they are.
    late: VecDeque<(LinkId, Head, Box<[u8]>)>,
    /// Bytes that wait for JavaScript.
    waiting: usize,
    sync: Option<SyncCall>,
    /// Names whose payloads may come compressed.
    pub packed: HashSet<String>,
    /// Where small synchronous answers go.
    pub sync_arena: Option<Memory>,
    /// Links that are not read before JavaScript has taken what waits.
    held_back: Vec<LinkId>,
    /// Large payloads JavaScript has been or will be given, with the run their record is in.
    lent: Vec<(usize, Large)>,
    /// Memory of large payloads nothing was kept of, to be used again by the same link: it is warm,
    /// and fresh memory of that size is a page fault every 4 KiB.
    spare: VecDeque<Large>,
}

struct Arena {
    link: LinkId,
    memory: Rc<Memory>,
    used: usize,
    /// JavaScript has kept views of it.
    kept: bool,
    /// JavaScript has been told of it.
    known: bool,
    /// The link is over, and so is the arena when JavaScript has read it.
    ended: bool,
}

/// Memory of a large payload.
struct Large {
    link: LinkId,
    memory: Rc<Memory>,
}

/// A request JavaScript waits for without turning its loop.
pub struct SyncCall {
    pub link: LinkId,
    pub id: u64,
    /// Where in the synchronous arena a small answer goes.
    pub free: usize,
    pub outcome: Option<Outcome>,
}

/// How a synchronous request ended.
pub enum Outcome {
    /// The answer is in its arena.
    Answered { head: u32, len: usize },
    /// The answer is in memory of its own.
    Outside { head: u32, payload: Rc<Memory>, len: usize },
    /// There is no answer.
    Ended(Ending),
}

/// What a record says besides its payload.
#[derive(Clone, Copy, Default)]
struct Head {
    head: u32,
    code: u32,
    id: u64,
    deadline: f64,
}

impl Inbox {
    /// An inbox that tells JavaScript of its runs in `runs`, and how each link stands, by its place, in
    /// `standing`.
    pub fn new(env: sys::napi_env, runs: Memory, standing: Memory) -> Self {
        Self {
            env,
            runs,
            run_count: 0,
            reading: 0,
            standing,
            extras: Vec::new(),
            arenas: Vec::new(),
            buffers: Vec::new(),
            late: VecDeque::new(),
            waiting: 0,
            sync: None,
            packed: HashSet::new(),
            sync_arena: None,
            held_back: Vec::new(),
            lent: Vec::new(),
            spare: VecDeque::new(),
        }
    }

    /// Runs JavaScript has not been given.
    pub fn run_count(&self) -> usize {
        self.run_count
    }

    /// The extras of the runs there are, which are given to JavaScript now.
    pub fn take_extras(&mut self) -> Vec<Rc<Memory>> {
        self.reading = self.run_count;
        std::mem::take(&mut self.extras)
    }

    /// JavaScript has been given the first `count` runs, and what has been added since stays.
    pub fn delivered(&mut self, count: usize) {
        self.reading = 0;
        let words = RUN_WORDS as usize;
        for run in 0..count {
            let link = self.runs.word(run * words);
            let kept = self.runs.word(run * words + words - 1) == 1;
            if let Some(arena) = self.arena_of(LinkId(link)) {
                arena.kept |= kept;
            }
        }
        self.take_back_large(count);
        let left = self.run_count - count;
        let bytes = self.runs.bytes_mut(0, self.run_count * words * 4);
        bytes.copy_within(count * words * 4.., 0);
        self.run_count = left;
        if left > 0 {
            return;
        }
        self.waiting = 0;
        for run in 0..count {
            self.reuse(run);
        }
        while self.run_count < RUNS_MAX as usize
            && let Some((link, head, payload)) = self.late.pop_front()
        {
            self.put(link, head, &payload);
        }
    }

    /// Of the first `count` runs, which JavaScript is done with, keeps what it has not kept.
    fn take_back_large(&mut self, count: usize) {
        for (run, large) in std::mem::take(&mut self.lent) {
            if run >= count {
                self.lent.push((run - count, large));
            } else if self.runs.word(run * RUN_WORDS as usize + RUN_WORDS as usize - 1) == 0 {
                self.spare.push_back(large);
            }
        }
        let bytes = |large: &Large| large.memory.len();
        while self.spare.len() > SPARE_MAX
            || self.spare.iter().map(bytes).sum::<usize>() > SPARE_BYTES_MAX
        {
            self.spare.pop_front();
        }
    }

    /// Memory for a large payload of a link, not much more than is needed.
    fn large(&mut self, link: LinkId, len: usize) -> Option<Rc<Memory>> {
        let fits = |large: &Large| {
            large.link == link && (len..=len.saturating_mul(2)).contains(&large.memory.len())
        };
        match self.spare.iter().position(fits) {
            Some(at) => self.spare.remove(at).map(|large| large.memory),
            None => Memory::buffer(self.env, len).map(Rc::new),
        }
    }

    /// Links to be read again, now that JavaScript has taken everything.
    pub fn take_held_back(&mut self) -> Vec<LinkId> {
        if self.run_count == 0 { std::mem::take(&mut self.held_back) } else { Vec::new() }
    }

    /// A run's arena starts over if nobody has kept anything of it.
    fn reuse(&mut self, run: usize) {
        let link = LinkId(self.runs.word(run * RUN_WORDS as usize));
        match self.arena_of(link) {
            Some(Arena { ended: true, .. }) => {
                self.arenas[link.place()] = None;
                self.spare.retain(|large| large.link != link);
            }
            Some(arena) if !arena.kept => arena.used = 0,
            _ => {}
        }
    }

    /// Something of a link waits for room.
    #[cold]
    pub fn is_queued(&mut self, engine: &mut Engine, link: LinkId, lane: Lane) {
        engine.want_drain(link, lane);
        let queued = u32::try_from(engine.queued(link, lane)).unwrap_or(u32::MAX);
        self.standing.set_word(queued_at(link, lane), queued);
    }

    /// A message could not be sent, and whoever sent it hears of it this way.
    pub fn refused(&mut self, link: LinkId, id: u64, error: &Error) {
        let text = describe(error);
        self.record(link, Head { head: EVENT_REFUSED, id, ..Head::default() }, text.as_bytes());
    }

    /// A one-way message somebody waits for is being written, or will never be.
    pub fn sent(&mut self, link: LinkId, id: u64, error: Option<&Error>) {
        let text = error.map(describe).unwrap_or_default();
        self.record(link, Head { head: EVENT_SENT, id, ..Head::default() }, text.as_bytes());
    }

    /// Waits for the answer to one request by itself; everything else is put down as ever.
    pub fn begin_sync(&mut self, call: SyncCall) {
        self.sync = Some(call);
    }

    /// How the wait stands.
    pub fn sync_outcome(&mut self) -> Option<Outcome> {
        self.sync.as_mut()?.outcome.take()
    }

    /// Ends the wait.
    pub fn end_sync(&mut self) {
        self.sync = None;
    }

    fn is_sync(&self, link: LinkId, id: u64) -> bool {
        self.sync.as_ref().is_some_and(|call| call.link == link && call.id == id)
    }

    fn arena_of(&mut self, link: LinkId) -> Option<&mut Arena> {
        self.arenas.get_mut(link.place())?.as_mut().filter(|arena| arena.link == link)
    }

    /// Puts an event down.
    fn record(&mut self, link: LinkId, head: Head, payload: &[u8]) {
        if self.run_count == RUNS_MAX as usize || !self.late.is_empty() {
            return self.late.push_back((link, head, payload.into()));
        }
        self.put(link, head, payload);
    }

    fn put(&mut self, link: LinkId, head: Head, payload: &[u8]) {
        if let Some(place) = self.place(link, head, payload.len()) {
            place.copy_from_slice(payload);
        }
    }

    /// Puts a record down and returns where its payload goes; `None` when there is no memory left,
    /// which the environment does not survive anyway.
    #[inline]
    fn place(&mut self, link: LinkId, head: Head, payload_len: usize) -> Option<&mut [u8]> {
        let len = (RECORD_LEN + payload_len).next_multiple_of(8);
        let start = self.room(link, len)?;
        self.waiting += len;
        let arena = self.arenas[link.place()].as_mut()?;
        arena.used = start + len;
        let bytes = arena.memory.bytes_mut(start, RECORD_LEN + payload_len);
        let (fields, payload) = bytes.split_at_mut(RECORD_LEN);
        let mut word = |index: u32, value: u32| {
            let at = index as usize * 4;
            fields[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        };
        word(IN_LEN, narrow(len));
        word(IN_HEAD, head.head);
        word(IN_CODE, head.code);
        word(IN_PAYLOAD_LEN, narrow(payload_len));
        let at = IN_ID as usize * 4;
        fields[at..at + 8].copy_from_slice(&head.id.to_ne_bytes());
        let at = IN_DEADLINE as usize * 4;
        fields[at..at + 8].copy_from_slice(&head.deadline.to_ne_bytes());
        Some(payload)
    }

    /// Finds room for `len` bytes in the link's arena, or in a new one, and puts them into a run.
    #[inline]
    fn room(&mut self, link: LinkId, len: usize) -> Option<usize> {
        let place = link.place();
        let fits = matches!(
            self.arenas.get(place),
            Some(Some(arena)) if arena.link == link && arena.used + len <= arena.memory.len()
        );
        if !fits {
            self.renew(link, len)?;
        }
        let arena = self.arenas[place].as_mut()?;
        let start = arena.used;
        let words = RUN_WORDS as usize;
        // The last run goes on if it is of the same arena, which it ends where this starts.
        if arena.known && self.run_count > self.reading {
            let last = (self.run_count - 1) * words;
            if self.runs.word(last) == link.0 && self.runs.word(last + 2) == narrow(start) {
                self.runs.set_word(last + 2, narrow(start + len));
                return Some(start);
            }
        }
        let mut fresh = 0;
        if !arena.known {
            arena.known = true;
            self.extras.push(Rc::clone(&arena.memory));
            fresh = narrow(self.extras.len());
        }
        let run = self.run_count * words;
        self.runs.set_word(run, link.0);
        self.runs.set_word(run + 1, narrow(start));
        self.runs.set_word(run + 2, narrow(start + len));
        self.runs.set_word(run + 3, fresh);
        self.run_count += 1;
        Some(start)
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
        self.arenas[place] =
            Some(Arena { link, memory, used: 0, kept: false, known: false, ended: false });
        Some(())
    }

    /// Puts a message down whose payload is in memory of its own.
    fn message_outside(
        &mut self,
        link: LinkId,
        message: &Message,
        payload: Rc<Memory>,
        len: usize,
    ) {
        let head = head_of(message, FLAG_OUTSIDE);
        if self.is_sync(link, message.id) && is_answer(message) {
            if let Some(call) = &mut self.sync {
                call.outcome = Some(Outcome::Outside { head: head.head, payload, len });
            }
            return;
        }
        // Its number is fixed before the record finds its place, which may take an extra itself.
        let number = narrow(self.extras.len());
        self.waiting += len;
        self.extras.push(Rc::clone(&payload));
        if let Some(place) = self.place_traced(link, head, message, 8) {
            place[..4].copy_from_slice(&number.to_ne_bytes());
            place[4..].copy_from_slice(&narrow(len).to_ne_bytes());
            self.lent.push((self.run_count - 1, Large { link, memory: payload }));
        }
    }

    /// As [`Self::place`], with the message's trace context in front.
    #[inline]
    fn place_traced(
        &mut self,
        link: LinkId,
        head: Head,
        message: &Message,
        len: usize,
    ) -> Option<&mut [u8]> {
        let Some(trace) = &message.trace else { return self.place(link, head, len) };
        let head = Head { head: head.head | FLAG_TRACED << 24, ..head };
        let place = self.place(link, head, TRACE_BYTES as usize + len)?;
        let (context, payload) = place.split_at_mut(TRACE_BYTES as usize);
        context[..trace.0.len()].copy_from_slice(&trace.0);
        context[trace.0.len()..].fill(0);
        Some(payload)
    }

    fn buffer(&mut self, buffer: BufferId) -> &mut Option<Rc<Memory>> {
        &mut self.buffers[buffer.0 as usize]
    }
}

impl Host for Inbox {
    #[inline]
    fn accepts_packed(&mut self, name: &str) -> bool {
        self.packed.contains(name)
    }

    #[inline]
    fn readiness(&mut self, link: LinkId) -> Readiness {
        let is_sync = self.sync.as_ref().is_some_and(|call| call.link == link);
        let max = if is_sync { WAITING_SYNC_MAX } else { WAITING_MAX };
        // A stream begins with two records, and they may be the last of one arena and the first of
        // the next.
        let has_runs = self.run_count + 1 < RUNS_MAX as usize;
        let ready = self.waiting < max && has_runs && self.late.is_empty();
        if !ready && !self.held_back.contains(&link) {
            self.held_back.push(link);
        }
        if ready { Readiness::All } else { Readiness::Nothing }
    }

    #[inline]
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let len = body.len();
        if let Some(window) = message.window {
            self.announce_stream(link, message.id, window);
        }
        if len >= LARGE as usize {
            let Some(payload) = self.large(link, len) else { return Ok(()) };
            body.copy_to(payload.bytes_mut(0, len))?;
            self.message_outside(link, message, payload, len);
            return Ok(());
        }
        if self.sync.is_some() && self.is_sync(link, message.id) && is_answer(message) {
            return self.sync_answer(message, body);
        }
        let head = head_of(message, 0);
        let (used, waiting) = (self.arena_of(link).map(|arena| arena.used), self.waiting);
        let Some(place) = self.place_traced(link, head, message, len) else { return Ok(()) };
        let copied = body.copy_to(place);
        if copied.is_err() {
            self.take_back(link, used, waiting);
        }
        copied
    }

    fn open(&mut self, link: LinkId, message: &Message) -> BufferId {
        let free = self.buffers.iter().position(Option::is_none).unwrap_or(self.buffers.len());
        if free == self.buffers.len() {
            self.buffers.push(None);
        }
        self.buffers[free] = self.large(link, message.len);
        BufferId(narrow(free))
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        let len = body.len();
        match self.buffer(buffer) {
            Some(memory) => body.copy_to(memory.bytes_mut(offset, len)),
            None => Ok(()),
        }
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        if let Some(window) = message.window {
            self.announce_stream(link, message.id, window);
        }
        if let Some(payload) = self.buffer(buffer).take() {
            self.message_outside(link, message, payload, message.len);
        }
    }

    fn discard(&mut self, buffer: BufferId) {
        *self.buffer(buffer) = None;
    }

    fn event(&mut self, event: Event<'_>) {
        let head = |head| Head { head, ..Head::default() };
        match event {
            Event::Accepted { listener, link, peer } => {
                let head = Head { code: listener.0, ..head(EVENT_ACCEPTED) };
                self.record(link, head, introduce(peer).as_bytes());
            }
            Event::ListenerLost { listener, error } => {
                let head = Head { code: listener.0, ..head(EVENT_NAME_LOST) };
                self.record(LinkId(0), head, describe(&error).as_bytes());
            }
            Event::Connected { link, peer } => {
                self.record(link, head(EVENT_CONNECTED), introduce(peer).as_bytes());
            }
            Event::Named { link, lane, code, name } => {
                let code = narrow(route(lane, code));
                let head = Head { code, ..head(EVENT_NAMED) };
                self.record(link, head, name.as_bytes());
            }
            Event::Ended { link, id, ending } if self.is_sync(link, id) => {
                if let Some(call) = &mut self.sync {
                    call.outcome = Some(Outcome::Ended(ending));
                }
            }
            Event::Ended { link, id, ending } => {
                let code = ending_code(ending);
                self.record(link, Head { code, id, ..head(EVENT_ENDED) }, &[]);
            }
            Event::Abandoned { link, id } => {
                self.record(link, Head { id, ..head(EVENT_ABANDONED) }, &[]);
            }
            Event::Granted { link, kind, id, granted } => {
                let (code, deadline) = (kind as u32, count(granted));
                self.record(link, Head { code, id, deadline, head: EVENT_GRANTED }, &[]);
            }
            Event::ItemsEnd { link, id } => {
                self.record(link, Head { id, ..head(EVENT_ITEMS_END) }, &[]);
            }
            Event::Sent { link, id, error } => self.sent(link, id, error.as_ref()),
            Event::Dropped { link, lane, count: dropped } => {
                let (code, deadline) = (lane as u32, count(dropped));
                self.record(link, Head { code, deadline, ..head(EVENT_DROPPED) }, &[]);
            }
            Event::Unread { link, is_too_much } => {
                let at = link.place() * LINK_WORDS as usize + LINK_UNREAD as usize;
                self.standing.set_word(at, u32::from(is_too_much));
                if is_too_much {
                    self.record(link, head(EVENT_UNREAD), &[]);
                }
            }
            Event::Unreadable { link, route, error } => {
                let head = Head { code: narrow(route), ..head(EVENT_UNREADABLE) };
                self.record(link, head, describe(&error).as_bytes());
            }
            Event::Drained { link, lane } => {
                self.standing.set_word(queued_at(link, lane), 0);
                self.record(link, Head { code: lane as u32, ..head(EVENT_DRAINED) }, &[]);
            }
            Event::Closed { link, error } => {
                let text = error.as_ref().map(describe).unwrap_or_default();
                self.record(link, head(EVENT_CLOSED), text.as_bytes());
                let first = queued_at(link, Lane::Critical);
                (first..first + LINK_WORDS as usize).for_each(|at| self.standing.set_word(at, 0));
                if let Some(arena) = self.arena_of(link) {
                    arena.ended = true;
                }
            }
        }
    }
}

impl Inbox {
    #[cold]
    fn announce_stream(&mut self, link: LinkId, id: u64, window: u32) {
        let head = Head { head: EVENT_STREAM, id, deadline: f64::from(window), ..Head::default() };
        self.record(link, head, &[]);
    }

    fn sync_answer(&mut self, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let len = body.len();
        let head = head_of(message, 0).head;
        let Some(call) = &mut self.sync else { return Ok(()) };
        let arena = self.sync_arena.as_ref().filter(|arena| call.free + len <= arena.len());
        if let Some(arena) = arena {
            body.copy_to(arena.bytes_mut(call.free, len))?;
            call.outcome = Some(Outcome::Answered { head, len });
        } else if let Some(payload) = Memory::buffer(self.env, len) {
            body.copy_to(payload.bytes_mut(0, len))?;
            call.outcome = Some(Outcome::Outside { head, payload: Rc::new(payload), len });
        }
        Ok(())
    }

    /// The record put down last turned out to be broken: it is not shown to anyone.
    #[cold]
    fn take_back(&mut self, link: LinkId, used: Option<usize>, waiting: usize) {
        self.waiting = waiting;
        let Some(arena) = self.arena_of(link) else { return };
        // In an arena that was renewed for it, it is the first.
        let start = used.filter(|used| *used < arena.used).unwrap_or(0);
        arena.used = start;
        let end = (self.run_count - 1) * RUN_WORDS as usize + 2;
        self.runs.set_word(end, narrow(start));
    }
}

/// Where it stands how much waits for room in a lane.
fn queued_at(link: LinkId, lane: Lane) -> usize {
    link.place() * LINK_WORDS as usize + lane as usize
}

fn is_answer(message: &Message) -> bool {
    matches!(message.kind, Kind::Reply | Kind::Error)
}

#[inline]
fn head_of(message: &Message, flags: u32) -> Head {
    let head = message.kind as u32
        | (message.lane as u32) << 8
        | (message.codec as u32) << 16
        | flags << 24;
    let code = narrow(message.route());
    Head { head, code, id: message.id, deadline: millis(message.deadline) }
}

/// Milliseconds of the monotonic clock; 0 for never.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "microseconds are kept for three centuries")]
fn millis(time: Time) -> f64 {
    if time == Time::NEVER { 0.0 } else { time.as_nanos() as f64 / 1e6 }
}

#[expect(clippy::cast_precision_loss, reason = "no stream gets beyond 2^53 bytes")]
fn count(bytes: u64) -> f64 {
    bytes as f64
}

/// Lengths and numbers of the inbox are far below what 32 bits hold.
#[inline]
fn narrow(value: usize) -> u32 {
    u32::try_from(value).expect("bounded by the agreed maximum")
}
