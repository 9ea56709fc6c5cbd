//! The protocol state of one connection. No I/O and no clock: frames, drafts of the application and
//! times go in, and what is to be done comes out. Where a span has to become a time, the caller
//! passes the way to do it.
//!
//! ```text
//!   application --- draft, cancel --> +---------+ --- frames, cancels --> peer
//!                                     | session |
//!   application <-- steps, endings -- +---------+ <------- frames ------- peer
//!                                          ^ now
//! ```
//!
//! A request has exactly one outcome on the side that asked: its reply, a remote error, a timeout,
//! a cancel, or the loss of the peer. Whatever arrives for it later is counted and dropped.

mod counters;
pub(crate) mod fragments;
pub mod id;
mod items;
mod liveness;
mod message;
mod names;
mod receiving;
#[cfg(all(test, not(loom)))]
mod simulation;
mod slots;
mod stream;
#[cfg(all(test, not(loom)))]
mod violations;

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::{Code, Corrupt, Error, Result};
use crate::header::{Header, Kind};
use crate::latency::Histogram;
use crate::limits::{Lane, Limits};
use crate::time::Time;

use liveness::Liveness;
use names::{Definition, Names};
use slots::Slots;

pub use counters::{Counters, Traffic};
pub use message::{Draft, Message, route};
pub use stream::{GRANTS_PER_WINDOW, item_cost};

/// Codes of control frames.
pub mod control {
    /// In a lane: the id is a name code, the payload its name.
    pub const DEFINE: u16 = 1;
    /// In every lane: nothing comes after this.
    pub const CLOSE: u16 = 2;
    /// On the control ring: the request of this id needs no answer any more.
    pub const CANCEL: u16 = 3;
    /// In a lane: no more items go with the request of this id.
    pub const END: u16 = 4;
    /// On the control ring: credit for the items that go with the request of this id, in all.
    pub const GRANT_REQUEST_ITEMS: u16 = 5;
    /// On the control ring: the same for the items that come before its reply.
    pub const GRANT_REPLY_ITEMS: u16 = 6;
    /// On the control ring: the sender is about to go, and is to be sent no new requests.
    pub const LEAVING: u16 = 7;
    /// On the control ring: asks for a PONG with the same id.
    pub const PING: u16 = 8;
    /// On the control ring: the answer to the PING of this id, and to those before it.
    pub const PONG: u16 = 9;
    /// On the socket: the client's opening message.
    pub const HELLO: u16 = 16;
    /// On the socket: the server's agreement.
    pub const WELCOME: u16 = 17;
    /// On the socket: the server's refusal.
    pub const REJECT: u16 = 18;
    /// On the socket: the client holds everything it was sent.
    pub const READY: u16 = 19;
    /// On the socket, in place of HELLO: a new server asks for the name.
    pub const TAKE_OVER: u16 = 20;
    /// On the socket: the listening socket and the lock travel beside this.
    pub const HANDOVER: u16 = 21;
}

/// What to do about a frame that came in. The message it is about is [`Session::message`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// It holds a whole message.
    Deliver,
    /// It starts a message of several frames: make room, then fill.
    Open,
    /// It continues the open message at this offset.
    Fill { offset: usize },
    /// It completes the open message at this offset.
    Finish { offset: usize },
    /// It is not wanted.
    Skip,
    /// The open message will not be completed, or is not wanted any more.
    Abandon,
    /// The peer defines a name: hand over a private copy of the payload.
    Define { code: u16 },
    /// Credit for the items of a request, of this kind: hand over a private copy of the payload.
    Grant { kind: Kind, id: u64 },
    /// No more items go with the peer's request.
    ItemsEnd { id: u64 },
    /// The peer closes, and this was the marker of one of its lanes.
    LaneClosed,
    /// The same of the last one.
    PeerClosed,
    /// The peer asks whether this side is there: there is a control message to be written.
    Ping,
    /// The peer has answered the PING of this number; `again`: another is to be written.
    Pong { number: u64, again: bool },
    /// The peer is about to leave.
    Leaving,
    /// A control message that needs nothing more.
    Done,
}

/// Why a request ended without an answer, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its deadline passed.
    Timeout,
    /// The caller cancelled.
    Cancelled,
    /// The peer went away.
    PeerLost,
    /// This side closed the connection.
    Closed,
    /// Its payload was taken away before all of it was sent.
    Withdrawn,
    /// Its answer came compressed, which was not asked for.
    Unreadable,
}

impl From<Ending> for Error {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Timeout => Self::new(Code::Timeout, "no answer came in time"),
            Ending::Cancelled => Self::new(Code::Cancelled, "the caller cancelled"),
            Ending::PeerLost => Self::new(Code::PeerLost, "the peer went away before it answered"),
            Ending::Closed => Self::new(Code::Closed, "the connection was closed"),
            Ending::Withdrawn => {
                Self::new(Code::InvalidArgument, "the payload was taken away before it was sent")
            }
            Ending::Unreadable => Self::new(
                Code::InvalidPayload,
                "the answer came compressed, which was not asked for",
            ),
        }
    }
}

/// A message for the control ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlMessage {
    /// A request needs no answer any more.
    Cancel(u64),
    /// Credit for the items of a request, of this kind.
    Grant { kind: Kind, id: u64 },
    /// Asks for the PONG of this number.
    Ping(u64),
    /// Answers the peer's last PING.
    Pong,
    /// This side is about to leave.
    Leaving,
}

/// A message being put together, one per lane at most.
#[derive(Debug)]
struct Assembly {
    message: Message,
    received: usize,
    /// It is not wanted; its frames are counted and dropped.
    skip: bool,
}

pub(crate) struct Session {
    limits: Limits,
    streams: bool,
    calls: Slots,
    serving: Slots,
    names: Names,
    assemblies: [Option<Assembly>; Lane::ALL.len()],
    /// The message the last step was about. It stays where it is written: moving it about costs
    /// more than everything else done for it.
    message: Message,
    /// Messages for the control ring.
    controls: VecDeque<ControlMessage>,
    /// Requests of the peer that ended without an answer and were not handed over yet.
    abandoned: Vec<u64>,
    /// Lanes in which the peer's closing marker has been read, by bit.
    closed_lanes: u8,
    liveness: Liveness,
    counters: Counters,
    /// Requests of this side that are no streams.
    requests: u64,
    /// How long they took, as far as they were timed.
    latencies: Option<Box<Histogram>>,
}

/// All of the first requests are timed, and then one in so many: reading the clock twice for each
/// would cost a twentieth of the fastest.
const TIMED_FIRST: u64 = 1024;
const TIMED_ONE_IN: u64 = 8;

impl Session {
    pub fn new(limits: Limits, streams: bool) -> Self {
        Self {
            limits,
            streams,
            calls: Slots::new(limits.pending_max),
            serving: Slots::new(limits.pending_max),
            names: Names::new(limits.names_max),
            assemblies: [const { None }; Lane::ALL.len()],
            message: Message::NONE,
            controls: VecDeque::new(),
            abandoned: Vec::new(),
            closed_lanes: 0,
            liveness: Liveness::default(),
            counters: Counters::default(),
            requests: 0,
            latencies: None,
        }
    }

    /// The same where both sides know PING, PONG and LEAVING, or not.
    pub fn with_liveness(mut self, agreed: bool) -> Self {
        self.liveness.agreed = agreed;
        self
    }

    // ---- what the application does ----

    /// Checks a message of `len` bytes and returns what goes in front of it; `code` is the peer's
    /// code for its name, in its lane. `None`: it answers a request that has ended.
    #[inline]
    pub fn send(
        &mut self,
        draft: &Draft,
        code: u16,
        len: usize,
        after: impl Fn(Duration) -> Time,
    ) -> Result<Option<Header>> {
        if len as u64 > self.limits.message_len_max {
            let max = self.limits.message_len_max;
            let message = format!("a message of {len} bytes, at most {max} were agreed");
            return Err(Error::new(Code::TooLarge, message));
        }
        match draft.kind {
            Kind::Request => {
                if draft.window.is_some() {
                    self.check_stream(draft)?;
                }
                let deadline = draft.timeout.map_or(Time::NEVER, &after);
                self.calls.begin(draft.id, deadline, draft.window, draft.compress)?;
                if draft.window.is_none() {
                    self.requests += 1;
                    let is_first = self.requests <= TIMED_FIRST;
                    if is_first || self.requests.is_multiple_of(TIMED_ONE_IN) {
                        self.calls.time(draft.id, after(Duration::ZERO));
                    }
                }
            }
            Kind::Reply | Kind::Error if !self.serving.end(draft.id) => return Ok(None),
            Kind::Reply | Kind::Error | Kind::OneWay => {}
            Kind::RequestItem | Kind::ReplyItem => {
                if !self.send_item(draft, len)? {
                    return Ok(None);
                }
            }
            Kind::Control => {
                return Err(Error::new(Code::InvalidArgument, "control frames are not messages"));
            }
        }
        self.counters.sent.count(draft.kind, draft.lane);
        // A message without an answer has an id on this side only.
        let id = if draft.kind == Kind::OneWay { 0 } else { draft.id };
        Ok(Some(Header::new(draft.kind, code, id).with_codec(draft.codec)))
    }

    /// The peer's code for our name of that number in a lane. `None`: it has to be defined first.
    #[inline]
    pub fn code(&self, lane: Lane, number: u16) -> Option<u16> {
        self.names.code(lane, number)
    }

    /// The code under which a name of ours is to be defined now.
    pub fn define_ours(&mut self, lane: Lane, number: u16) -> u16 {
        self.names.define_ours(lane, number)
    }

    /// Whether that would take no other name's code away.
    pub fn has_room_for_name(&self, lane: Lane) -> bool {
        self.names.has_room(lane)
    }

    /// The numbers of our names mean others from now on.
    pub fn forget_ours(&mut self) {
        self.names.forget_ours();
    }

    /// Gives a request up. Returns whether it was in flight: whether this is its outcome.
    pub fn cancel(&mut self, id: u64) -> bool {
        let ended = self.calls.end(id);
        if ended {
            self.controls.push_back(ControlMessage::Cancel(id));
        }
        ended
    }

    /// The next control message to write; [`Self::control_written`] is called when it was.
    #[inline]
    pub fn next_control(&self) -> Option<ControlMessage> {
        self.controls.front().copied()
    }

    /// Bytes of the control messages that wait to be written.
    pub fn controls_len(&self) -> usize {
        self.controls.len() * size_of::<ControlMessage>()
    }

    pub fn control_written(&mut self) {
        self.controls.pop_front();
    }

    // ---- what the peer sends ----

    /// The message the last step was about.
    #[inline]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The message of a [`Step::Deliver`] or [`Step::Finish`] has reached the application.
    #[inline]
    pub fn delivered(&mut self, now: impl FnOnce() -> Time) {
        let Message { kind, lane, id, .. } = self.message;
        self.counters.received.count(kind, lane);
        if kind.is_answer() {
            self.answered(kind, id, now);
        }
    }

    #[inline]
    fn answered(&mut self, kind: Kind, id: u64, now: impl FnOnce() -> Time) {
        self.counters.failed += u64::from(kind == Kind::Error);
        if let Some(sent_at) = self.calls.take(id)
            && sent_at != Time::NEVER
        {
            self.latencies.get_or_insert_default().record(now().saturating_since(sent_at));
        }
    }

    /// A request of the peer that was being worked on and no longer needs to be, because its maker
    /// cancelled it or has moved on. To be called until it returns `None`.
    #[inline]
    pub fn take_abandoned(&mut self) -> Option<u64> {
        self.abandoned.pop()
    }

    /// The same of a message that was kept back since.
    pub fn delivered_as(&mut self, message: &Message, now: impl FnOnce() -> Time) {
        self.counters.received.count(message.kind, message.lane);
        if message.kind.is_answer() {
            self.answered(message.kind, message.id, now);
        }
    }

    /// The name of a [`Step::Define`]. Returns whether it is new.
    pub fn define(&mut self, lane: Lane, code: u16, name: &[u8]) -> Result<bool, Corrupt> {
        Ok(self.names.define(lane, code, name)? == Definition::New)
    }

    /// Whether a request of ours asked for an answer that may come compressed.
    pub fn asked_packed(&self, id: u64) -> bool {
        self.calls.accepts_packed(id)
    }

    // ---- what time and the end of the connection do ----

    /// Nothing is due before this.
    #[inline]
    pub fn due(&self) -> Time {
        self.calls.due().min(self.serving.due())
    }

    /// Ends what is due: requests of ours by timeout, and requests of the peer it has given up on.
    pub fn expire(&mut self, now: Time, calls: &mut Vec<u64>, served: &mut Vec<u64>) {
        let before = calls.len();
        self.calls.expire(now, calls);
        self.counters.timed_out += (calls.len() - before) as u64;
        self.controls.extend(calls[before..].iter().copied().map(ControlMessage::Cancel));
        self.serving.expire(now, served);
    }

    /// Ends what the peer asked for: it is not there any more to receive the answers.
    pub fn abandon_serving(&mut self, served: &mut Vec<u64>) {
        self.serving.end_all(served);
    }

    /// Ends what this side asked for: no answer comes any more.
    pub fn abandon_calls(&mut self, calls: &mut Vec<u64>) {
        self.calls.end_all(calls);
    }

    /// Ends everything: the connection is over.
    pub fn end_all(&mut self, calls: &mut Vec<u64>, served: &mut Vec<u64>) {
        self.calls.end_all(calls);
        self.serving.end_all(served);
        self.controls.clear();
    }

    /// Requests of ours in flight.
    #[inline]
    pub fn calls_live(&self) -> u32 {
        self.calls.live()
    }

    /// Requests of the peer being worked on.
    #[inline]
    pub fn serving_live(&self) -> u32 {
        self.serving.live()
    }

    /// How many of those are streams.
    #[inline]
    pub fn serving_streams(&self) -> u32 {
        self.serving.streams()
    }

    /// What has arrived of the items of those and was not read yet.
    #[inline]
    pub fn unread(&self) -> u64 {
        self.serving.unread()
    }

    /// Whether the peer still waits for an answer to its request `id`.
    #[inline]
    pub fn is_serving(&self, id: u64) -> bool {
        self.serving.is_live(id)
    }

    /// Whether a request of ours is in flight.
    pub fn is_calling(&self, id: u64) -> bool {
        self.calls.is_live(id)
    }

    /// Whether the peer's request `id` has no answer yet, or has not even come.
    pub fn is_unanswered(&self, id: u64) -> bool {
        self.serving.is_unanswered(id)
    }

    /// What the peer calls its `code` in a lane.
    pub fn name(&self, lane: Lane, code: u16) -> Option<&str> {
        self.names.name(lane, code)
    }

    /// Whether the peer has closed every lane.
    pub fn is_peer_closed(&self) -> bool {
        self.closed_lanes == ALL_LANES
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How long requests of this side took that were timed and answered, if there are any.
    pub fn latencies(&self) -> Option<&Histogram> {
        self.latencies.as_deref()
    }
}

const ALL_LANES: u8 = (1 << Lane::ALL.len()) - 1;
