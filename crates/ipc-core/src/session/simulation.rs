//! Two sessions joined by a simulated connection, in simulated time.
//!
//! Every ring is a queue with a latency of its own, so lanes overtake one another and cancels
//! overtake requests. The applications of both sides do whatever an application may do, and after
//! each step the sessions are compared with a plain record of everything that was ever sent.
//!
//! ```text
//!   application   session  == five queues, each with its latency ==>  session   application
//!                         <== five queues, each with its latency ==
//!                   \______________ compared with the record ______________/
//! ```

mod items;
mod link;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::id::join;
use super::{Counters, Draft, Ending, Session};
use crate::error::Code;
use crate::header::{Codec, Header, Kind};
use crate::latency::Histogram;
use crate::limits::{Lane, Limits, RINGS};
use crate::option_block::{TRACE_LEN, Trace};
use crate::seeds::{Random, each_seed};
use crate::time::Time;

const LIMITS: Limits = Limits { message_len_max: 1200, pending_max: 6, names_max: 5 };
const STEPS: usize = 500;
/// Numbers of slots the applications try, one more than agreed, and of names, more than have a code
/// at the same time.
const SLOTS: u32 = LIMITS.pending_max + 1;
const NAMES: u32 = LIMITS.names_max as u32 + 2;

/// What a frame is part of, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Request(usize),
    Answer(usize),
    OneWay(usize),
    /// Of a call, the item of this number that goes with the request, or comes before the reply.
    Item(usize, Kind, usize),
    /// No more items go with the request.
    ItemsEnd(usize),
    Grant,
    Cancel(usize),
    Define,
    Close,
}

/// A frame on its way.
struct Frame {
    what: What,
    header: Header,
    options: Vec<u8>,
    payload: Vec<u8>,
    arrives: u64,
}

/// One side: its session, what its application is doing, and the frames it has sent.
struct Side {
    session: Session,
    state: State,
    rings: [VecDeque<Frame>; RINGS],
    /// The newest generation of each slot, and how often the slot was used.
    slots: Vec<(u32, u64)>,
    /// Of the peer's slots: the newest use that arrived, by request or by cancel.
    arrived: Vec<u64>,
    /// Messages being put together, with the deadline their first frame brought.
    buffers: [Option<(Vec<u8>, Time)>; Lane::ALL.len()],
    /// Requests of the peer that were handed to the application and are still wanted.
    working: Vec<(u64, usize)>,
    counters: Counters,
    /// How long its requests took that were answered and are no streams.
    latencies: Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It has closed every lane, and reads nothing any more.
    Closing,
    /// It reads what its peer had written before the end of the socket was seen.
    PeerGone,
    /// The connection is over here.
    Over,
    /// The process is gone.
    Dead,
}

/// All there is to know about a request.
struct Call {
    side: usize,
    id: u64,
    slot: usize,
    usage: u64,
    code: u32,
    lane: Lane,
    deadline: Time,
    sent_at: Time,
    trace: Option<Trace>,
    payload: Vec<u8>,
    answer: Option<(Kind, Vec<u8>)>,
    window: Option<u32>,
    /// Items that go with it, and those that come before its reply.
    flows: [items::Flow; 2],
    handled: bool,
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Ended(Ending),
}

struct World {
    random: Random,
    now: u64,
    sides: [Side; 2],
    calls: Vec<Call>,
    one_ways: Vec<Vec<u8>>,
    /// Calls without an outcome, by side and id.
    live: HashMap<(usize, u64), usize>,
    /// When each side will see the end of its peer's socket.
    ends: [Option<u64>; 2],
}

impl World {
    fn new(random: Random) -> Self {
        let mut this = Self {
            random,
            now: 1_000_000_000,
            sides: [Side::new(), Side::new()],
            calls: Vec::new(),
            one_ways: Vec::new(),
            live: HashMap::new(),
            ends: [None; 2],
        };
        // Generations of a long-lived application: anything, and soon through their largest number.
        for side in &mut this.sides {
            let start = this.random.pick(&[0, 1, u32::MAX - 3, 1 << 31, (1 << 31) - 2]);
            side.slots.fill((start, 0));
        }
        this
    }

    fn time(&self) -> Time {
        Time::from_nanos(self.now)
    }

    // ---- one step ----

    fn step(&mut self) {
        let side = self.random.below(2);
        match self.random.below(100) {
            0..12 => self.request(side),
            12..18 => self.one_way(side),
            18..26 => self.answer(side),
            26..30 => self.cancel(side),
            30..34 => self.misuse(side),
            34..36 => self.write_controls(side),
            36..50 => self.item(side),
            50..58 => self.read_item(side),
            58..60 => self.end_items(side),
            _ => self.deliver(),
        }
        self.expire();
        self.see_ends();
        self.check();
    }

    fn is_open(&self, side: usize) -> bool {
        self.sides[side].state == State::Open
    }

    fn request(&mut self, side: usize) {
        if !self.is_open(side) {
            return;
        }
        let slot = self.random.below(SLOTS as usize);
        let (generation, usage) = self.sides[side].slots[slot];
        let slot_id = u32::try_from(slot).unwrap();
        let busy = self.live.contains_key(&(side, join(slot_id, generation)));
        let id = join(slot_id, generation.wrapping_add(1).max(1));
        let timeout = self.random.percent(70).then(|| {
            let micros = self.random.pick(&[1, 50, 500, 5000]);
            Duration::from_micros(micros)
        });
        let trace = self.random.percent(20).then_some(Trace([7; TRACE_LEN]));
        let window = self.random.percent(40).then(|| self.random.pick(&[4096, 5001, 1 << 20]));
        let draft = Draft { window, ..self.draft(Kind::Request, id, timeout, trace) };
        let payload = self.payload();
        let sent = self.send(side, &draft, &payload, What::Request(self.calls.len()));
        let expected = if payload.len() as u64 > LIMITS.message_len_max {
            Err(Code::TooLarge)
        } else if slot_id >= LIMITS.pending_max {
            Err(Code::TooManyPending)
        } else if busy {
            Err(Code::InvalidArgument)
        } else {
            Ok(true)
        };
        // A newer generation does not help while the slot is in use.
        assert_eq!(sent, expected);
        if sent.is_ok() {
            self.sides[side].slots[slot] = (generation.wrapping_add(1).max(1), usage + 1);
            self.live.insert((side, id), self.calls.len());
            self.calls.push(Call {
                side,
                id,
                slot,
                usage: usage + 1,
                code: draft.code,
                lane: draft.lane,
                deadline: timeout.map_or(Time::NEVER, |span| self.time() + span),
                sent_at: self.time(),
                trace,
                payload,
                answer: None,
                window,
                flows: Default::default(),
                handled: false,
                outcome: None,
            });
        }
    }

    fn one_way(&mut self, side: usize) {
        if !self.is_open(side) {
            return;
        }
        let draft = self.draft(Kind::OneWay, 0, None, None);
        let payload = self.payload();
        let sent = self.send(side, &draft, &payload, What::OneWay(self.one_ways.len()));
        if sent.is_ok() {
            self.one_ways.push(payload);
        }
    }

    fn answer(&mut self, side: usize) {
        if !self.is_open(side) || self.sides[side].working.is_empty() {
            return;
        }
        let place = self.random.below(self.sides[side].working.len());
        let (id, call) = self.sides[side].working[place];
        let kind = self.random.pick(&[Kind::Reply, Kind::Reply, Kind::Error]);
        let draft = self.draft(kind, id, None, None);
        let draft = Draft { lane: self.calls[call].lane, code: 0, ..draft };
        let payload = self.payload();
        match self.send(side, &draft, &payload, What::Answer(call)) {
            Ok(wanted) => {
                assert!(wanted, "the request is still being worked on");
                self.sides[side].working.remove(place);
                assert!(self.calls[call].answer.replace((kind, payload)).is_none());
            }
            Err(code) => assert_eq!(code, Code::TooLarge),
        }
    }

    fn cancel(&mut self, side: usize) {
        if !self.is_open(side) || self.calls.is_empty() {
            return;
        }
        // Mostly one of the last, which may still be in flight.
        let recent = self.calls.len().min(8);
        let call = self.calls.len() - 1 - self.random.below(recent);
        if self.calls[call].side != side {
            return;
        }
        let in_flight = self.calls[call].outcome.is_none();
        let ended = self.sides[side].session.cancel(self.calls[call].id);
        assert_eq!(ended, in_flight, "a cancel is the outcome of what had none");
        if ended {
            self.ended(call, Outcome::Ended(Ending::Cancelled));
        }
        if self.random.percent(70) {
            self.write_controls(side);
        }
    }

    /// What no application should do.
    fn misuse(&mut self, side: usize) {
        if !self.is_open(side) {
            return;
        }
        if self.calls.is_empty() {
            return;
        }
        let call = self.random.below(self.calls.len());
        let Call { id, side: maker, .. } = self.calls[call];
        let control = Draft { kind: Kind::Control, ..self.draft(Kind::OneWay, 0, None, None) };
        let control = Draft { code: 0, ..control };
        let refused = self.send(side, &control, &[], What::Define);
        assert_eq!(refused, Err(Code::InvalidArgument));
        if maker == side {
            let again = Draft { code: 0, ..self.draft(Kind::Request, id, None, None) };
            let refused = self.send(side, &again, &[], What::Define);
            assert_eq!(refused, Err(Code::InvalidArgument), "an id is used once");
        } else if !self.sides[side].working.iter().any(|(served, _)| *served == id) {
            let draft = self.draft(Kind::Reply, id, None, None);
            let sent = self.send(side, &draft, &[], What::Define);
            assert_eq!(sent, Ok(false), "this answer is not wanted");
        }
    }

    fn draft(
        &mut self,
        kind: Kind,
        id: u64,
        timeout: Option<Duration>,
        trace: Option<Trace>,
    ) -> Draft {
        // Mostly names that have codes, so that some are used for long.
        let names = if self.random.percent(20) { NAMES } else { u32::from(LIMITS.names_max) };
        let code = u32::try_from(self.random.below(names as usize)).unwrap();
        let lane = self.random.pick(&Lane::ALL);
        let codec = self.random.pick(&[Codec::Bytes, Codec::Json]);
        Draft {
            kind,
            lane,
            codec,
            code,
            id,
            timeout,
            trace,
            replayed: None,
            window: None,
            compress: false,
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let len = match self.random.below(20) {
            0 => 1201 + self.random.below(100),
            1..8 => self.random.below(1201),
            _ => self.random.below(40),
        };
        self.random.bytes(len)
    }

    // ---- what always holds ----

    fn check(&self) {
        for (side, this) in self.sides.iter().enumerate() {
            if this.state == State::Dead {
                continue;
            }
            let calls = self.live.iter().filter(|((of, _), _)| *of == side);
            let (mut count, mut due) = (0, Time::NEVER);
            for (_, call) in calls {
                count += 1;
                due = due.min(self.calls[*call].deadline);
            }
            assert_eq!(this.session.calls_live(), count);
            assert!(this.session.due() <= due, "due too late");
            assert_eq!(this.session.serving_live() as usize, this.working.len());
            for (id, _) in &this.working {
                assert!(this.session.is_serving(*id) && this.session.is_unanswered(*id));
            }
            assert_eq!(this.session.counters(), this.counters);
        }
    }

    /// Lets everything arrive that is under way and everything pass that is due.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            self.deliver();
            self.expire();
            self.see_ends();
            self.check();
            (0..2).for_each(|side| self.write_controls(side));
            let unread = |side: usize| !self.sides[side].reads();
            let quiet = (0..2).all(|side| {
                let Side { session, rings, .. } = &self.sides[side];
                let arrived = rings.iter().all(VecDeque::is_empty) || unread(1 - side);
                arrived && (unread(side) || session.due() == Time::NEVER)
            });
            if quiet && self.ends == [None; 2] {
                for Side { session, latencies, .. } in &self.sides {
                    let found = session.latencies().map(Histogram::summary).unwrap_or_default();
                    assert_eq!(found, latencies.summary());
                }
                return;
            }
        }
        panic!("it never settles");
    }
}

impl Side {
    /// Whether it takes in what its peer has written.
    fn reads(&self) -> bool {
        matches!(self.state, State::Open | State::PeerGone)
    }

    fn new() -> Self {
        Self {
            session: Session::new(LIMITS, true),
            state: State::Open,
            rings: Default::default(),
            slots: vec![(0, 0); SLOTS as usize],
            arrived: vec![0; SLOTS as usize],
            buffers: Default::default(),
            working: Vec::new(),
            counters: Counters::default(),
            latencies: Histogram::default(),
        }
    }
}

fn name_of(side: usize, code: u32) -> String {
    format!("side {side} name {code}")
}

/// Everything that was sent, in either direction, was received, or counted as what came too late.
fn adds_up(world: &World) {
    for side in 0..2 {
        let (sent, got) = (world.sides[side].counters.sent, world.sides[1 - side].counters);
        assert_eq!(sent.total(), got.received.total() + got.late_replies + got.stale_requests);
    }
}

fn simulate(random: Random, end: impl Fn(&mut World)) -> World {
    let mut world = World::new(random);
    let length = world.random.below(STEPS);
    for _ in 0..length {
        world.step();
    }
    end(&mut world);
    for _ in 0..20 {
        world.step();
    }
    world.settle();
    world
}

#[test]
fn every_request_has_one_outcome_and_the_counters_add_up() {
    each_seed(3400, |random| {
        let mut world = simulate(Random::new(random.next()), |_| {});
        adds_up(&world);
        // One-way messages that nothing limits are still in flight, and ends with the connection.
        let unlimited = |call: &usize| world.calls[*call].deadline == Time::NEVER;
        assert!(world.live.values().all(unlimited));
        // Requests that have ended are not worked on.
        let worked_on = world.sides.iter().flat_map(|side| &side.working);
        assert!(worked_on.into_iter().all(|(_, call)| world.calls[*call].outcome.is_none()));
        world.close(0);
        world.settle();
        assert!(world.live.is_empty());
        assert!(world.calls.iter().all(|call| call.outcome.is_some()));
    });
}

#[test]
fn a_close_at_any_moment_leaves_nothing_pending() {
    each_seed(3400, |random| {
        let both = random.percent(20);
        let world = simulate(Random::new(random.next()), |world| {
            let side = world.random.below(2);
            world.close(side);
            if both {
                world.close(1 - side);
            }
        });
        assert_eq!(world.sides.each_ref().map(|side| side.state), [State::Over; 2]);
        assert!(world.calls.iter().all(|call| call.outcome.is_some()));
    });
}

#[test]
fn a_death_at_any_moment_leaves_nothing_pending_with_the_survivor() {
    each_seed(3400, |random| {
        let victim = random.below(2);
        let world = simulate(Random::new(random.next()), |world| world.kill(victim));
        assert_eq!(world.sides[1 - victim].state, State::Over);
        let of_survivor = |call: &&Call| call.side != victim;
        assert!(world.calls.iter().filter(of_survivor).all(|call| call.outcome.is_some()));
    });
}
