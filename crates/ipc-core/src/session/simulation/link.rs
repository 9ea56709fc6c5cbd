//! What lies between a session and its application: frames are sent and received as a link does it,
//! over queues instead of rings, and whatever arrives is compared with the record.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use super::{Call, Frame, Outcome, Side, State, What, World, name_of};
use crate::error::Code;
use crate::header::{Header, Kind};
use crate::limits::{CONTROL, Lane};
use crate::option_block::Options;
use crate::session::fragments::Fragments;
use crate::session::{ControlMessage, Draft, Ending, Message, Step, control};
use crate::time::Time;

impl World {
    // ---- as a link sends ----

    /// Sends as a link does. Returns whether it is wanted, or the code of the refusal.
    pub(super) fn send(
        &mut self,
        side: usize,
        draft: &Draft,
        payload: &[u8],
        what: What,
    ) -> Result<bool, Code> {
        let now = self.time();
        let code = match draft.kind {
            Kind::Request | Kind::OneWay => self.define(side, draft),
            _ => 0,
        };
        let session = &mut self.sides[side].session;
        let after = |span| now + span;
        let sent = session.send(draft, code, payload.len(), after).map_err(|error| error.code())?;
        let Some(header) = sent else { return Ok(false) };
        self.sides[side].counters.sent.count(draft.kind, draft.lane);
        let payload_max = self.random.pick(&[64, 100, 300]);
        for fragment in Fragments::new(header, draft.options(), payload.len(), payload_max) {
            let options = fragment.options.as_bytes().to_vec();
            let part = payload[fragment.range].to_vec();
            self.put(side, draft.lane as usize, what, fragment.header, options, part);
        }
        Ok(true)
    }

    /// The peer's code for a name, which is defined first where that is needed.
    fn define(&mut self, side: usize, draft: &Draft) -> u16 {
        let number = u16::try_from(draft.code).unwrap();
        let session = &mut self.sides[side].session;
        if let Some(code) = session.code(draft.lane, number) {
            return code;
        }
        let code = session.define_ours(draft.lane, number);
        let name = name_of(side, draft.code).into_bytes();
        let header = Header::new(Kind::Control, control::DEFINE, code.into());
        let header = header.with_len(name.len());
        self.put(side, draft.lane as usize, What::Define, header, Vec::new(), name);
        code
    }

    pub(super) fn put(
        &mut self,
        side: usize,
        ring: usize,
        what: What,
        header: Header,
        options: Vec<u8>,
        payload: Vec<u8>,
    ) {
        let latency = match self.random.below(10) {
            0 => self.random.below(2_000_000),
            _ => self.random.below(20_000),
        };
        let ring = &mut self.sides[side].rings[ring];
        let behind = ring.back().map_or(0, |frame| frame.arrives);
        let arrives = behind.max(self.now + latency as u64);
        ring.push_back(Frame { what, header, options, payload, arrives });
    }

    pub(super) fn write_controls(&mut self, side: usize) {
        if !self.is_open(side) {
            return;
        }
        while let Some(word) = self.sides[side].session.next_control() {
            match word {
                ControlMessage::Cancel(id) => {
                    let of = |call: &Call| call.side == side && call.id == id;
                    let call = self.calls.iter().position(of);
                    let call = call.expect("only what was asked is cancelled");
                    let header = Header::new(Kind::Control, control::CANCEL, id);
                    self.put(side, CONTROL, What::Cancel(call), header, Vec::new(), Vec::new());
                }
                ControlMessage::Grant { kind, id } => {
                    let code = match kind {
                        Kind::RequestItem => control::GRANT_REQUEST_ITEMS,
                        _ => control::GRANT_REPLY_ITEMS,
                    };
                    if let Some(granted) = self.sides[side].session.take_grant(kind, id) {
                        let header = Header::new(Kind::Control, code, id);
                        let payload = granted.to_le_bytes().to_vec();
                        self.put(side, CONTROL, What::Grant, header, Vec::new(), payload);
                    }
                }
                ControlMessage::Ping(_) | ControlMessage::Pong | ControlMessage::Leaving => {
                    unreachable!("these sessions have not agreed on it")
                }
            }
            self.sides[side].session.control_written();
        }
    }

    // ---- as a link receives ----

    /// Lets a frame arrive on any ring, or time pass until one can.
    pub(super) fn deliver(&mut self) {
        let now = self.now;
        let mut ready = Vec::new();
        let mut next = u64::MAX;
        for (side, from) in self.sides.iter().enumerate() {
            if !self.sides[1 - side].reads() {
                continue;
            }
            for (ring, frames) in from.rings.iter().enumerate() {
                let Some(frame) = frames.front() else { continue };
                if frame.arrives <= now {
                    ready.push((side, ring));
                }
                next = next.min(frame.arrives);
            }
        }
        if ready.is_empty() {
            let awake = self.sides.iter().filter(|side| side.reads());
            let dues = awake.map(|side| side.session.due().as_nanos());
            let event = dues.chain(self.ends.into_iter().flatten()).fold(next, u64::min);
            self.now = if event == u64::MAX { now + 1000 } else { event.max(now) };
            return;
        }
        let (from, ring) = self.random.pick(&ready);
        let frame = self.sides[from].rings[ring].pop_front().expect("just seen");
        self.receive(1 - from, ring, frame);
    }

    fn receive(&mut self, side: usize, ring: usize, frame: Frame) {
        let Frame { what, header, options, payload, .. } = frame;
        let options = match options.as_slice() {
            [] => Options::default(),
            block => Options::decode(block).unwrap(),
        };
        let now = self.time();
        let this = &mut self.sides[side];
        let after = |span| now + span;
        let budget = options.budget_us.map(Duration::from_micros);
        let deadline = budget.map_or(Time::NEVER, after);
        let step = this.session.receive(ring, &header, &options, payload.len(), after).unwrap();
        while let Some(id) = self.sides[side].session.take_abandoned() {
            self.no_longer_wanted(side, id);
        }
        let this = &mut self.sides[side];
        let message = *this.session.message();
        match step {
            Step::Deliver => self.arrived(side, what, message, payload, deadline),
            Step::Open => {
                let mut buffer = vec![0; message.len];
                buffer[..payload.len()].copy_from_slice(&payload);
                assert!(this.buffers[ring].replace((buffer, deadline)).is_none());
            }
            Step::Fill { offset } => {
                let (buffer, _) = this.buffers[ring].as_mut().expect("open");
                buffer[offset..offset + payload.len()].copy_from_slice(&payload);
            }
            Step::Finish { offset } => {
                let (mut buffer, deadline) = this.buffers[ring].take().expect("open");
                buffer[offset..].copy_from_slice(&payload);
                self.arrived(side, what, message, buffer, deadline);
            }
            Step::Abandon => {
                this.buffers[ring].take().expect("open");
                self.dropped(side, what, header.more());
            }
            Step::Skip => {
                assert!(this.buffers[ring].is_none());
                self.dropped(side, what, header.more());
            }
            Step::Define { code } => {
                assert_eq!(what, What::Define);
                this.session.define(Lane::ALL[ring], code, &payload).unwrap();
            }
            Step::PeerClosed => {
                assert_eq!(what, What::Close);
                self.finish(side);
            }
            Step::LaneClosed => assert_eq!(what, What::Close),
            Step::Done => self.control_arrived(side, what),
            Step::Grant { kind, id } => {
                assert_eq!(what, What::Grant);
                let granted = u64::from_le_bytes(payload.try_into().unwrap());
                this.session.granted(kind, id, granted).unwrap();
            }
            Step::ItemsEnd { id } => self.items_ended(side, what, id),
            Step::Ping | Step::Pong { .. } | Step::Leaving => {
                unreachable!("these sessions have not agreed on it")
            }
        }
    }

    /// A message has come whole and is wanted: was it to?
    fn arrived(
        &mut self,
        side: usize,
        what: What,
        message: Message,
        payload: Vec<u8>,
        deadline: Time,
    ) {
        self.sides[side].counters.received.count(message.kind, message.lane);
        match what {
            What::Request(call) => {
                let Call { slot, usage, .. } = self.calls[call];
                assert!(usage > self.sides[side].arrived[slot], "it had ended before it came");
                self.sides[side].arrived[slot] = usage;
                let call_of = &mut self.calls[call];
                assert!(!mem::replace(&mut call_of.handled, true), "delivered twice");
                assert_eq!((message.kind, message.id), (Kind::Request, call_of.id));
                assert_eq!(message.lane, call_of.lane);
                assert_eq!((message.trace, &payload), (call_of.trace, &call_of.payload));
                assert_eq!(message.deadline, deadline);
                assert!(deadline >= call_of.deadline, "given up before its maker does");
                let name = name_of(1 - side, call_of.code);
                let found = self.sides[side].session.name(message.lane, message.code);
                assert_eq!(found, Some(name.as_str()));
                let id = message.id;
                self.sides[side].working.push((id, call));
            }
            What::Answer(call) => {
                assert_eq!(self.live.get(&(side, message.id)), Some(&call), "a foreign answer");
                let expected = self.calls[call].answer.as_ref().expect("answered");
                assert_eq!((message.kind, &payload), (expected.0, &expected.1));
                self.ended(call, Outcome::Answered);
            }
            What::OneWay(index) => assert_eq!(payload, self.one_ways[index]),
            What::Item(call, kind, number) => {
                assert_eq!((message.kind, message.id), (kind, self.calls[call].id));
                self.item_arrived(side, call, kind, number, &payload);
            }
            what => panic!("{what:?} as a message"),
        }
        let now = self.time();
        self.sides[side].session.delivered(|| now);
    }

    /// A frame was dropped because its message is not wanted: was that so?
    fn dropped(&mut self, side: usize, what: What, more: bool) {
        match what {
            What::Request(call) => {
                let Call { slot, usage, .. } = self.calls[call];
                assert!(!more, "whether a request is stale is known when it is whole");
                assert!(usage <= self.sides[side].arrived[slot], "a fresh request was dropped");
                self.sides[side].counters.stale_requests += 1;
            }
            What::Answer(call) => {
                assert!(self.calls[call].outcome.is_some(), "an awaited answer was dropped");
                self.sides[side].counters.late_replies += u64::from(!more);
            }
            What::Item(call, kind, _) => {
                assert!(!self.is_wanted(side, call), "an awaited item was dropped");
                let counters = &mut self.sides[side].counters;
                match kind {
                    Kind::ReplyItem => counters.late_replies += u64::from(!more),
                    _ => counters.stale_requests += u64::from(!more),
                }
            }
            what => panic!("{what:?} was dropped"),
        }
    }

    /// A word between the sessions has come.
    fn control_arrived(&mut self, side: usize, what: What) {
        match what {
            What::Cancel(call) => {
                let Call { slot, usage, .. } = self.calls[call];
                let arrived = &mut self.sides[side].arrived[slot];
                *arrived = usage.max(*arrived);
            }
            What::ItemsEnd(call) => assert!(!self.is_wanted(side, call)),
            what => panic!("{what:?} is no word"),
        }
    }

    /// The session reports that a request need not be worked on any more.
    fn no_longer_wanted(&mut self, side: usize, id: u64) {
        let working = &mut self.sides[side].working;
        let place = working.iter().position(|(served, _)| *served == id);
        let (_, call) = working.remove(place.expect("only what is worked on is abandoned"));
        let maker = self.sides[1 - side].state;
        let given_up = self.calls[call].outcome.is_some();
        let deadline_over = self.calls[call].deadline <= self.time();
        assert!(given_up || deadline_over || maker != State::Open || !self.is_open(side));
    }

    /// A call of `side` has its outcome, its only one.
    pub(super) fn ended(&mut self, call: usize, outcome: Outcome) {
        let Call { side, id, .. } = self.calls[call];
        let earlier = self.calls[call].outcome.replace(outcome);
        assert_eq!(earlier, None, "a second outcome, {outcome:?}");
        assert_eq!(self.live.remove(&(side, id)), Some(call));
        self.count_outcome(call, outcome);
    }

    fn count_outcome(&mut self, call: usize, outcome: Outcome) {
        let now = self.time();
        let Call { side, sent_at, window, ref answer, .. } = self.calls[call];
        let Side { counters, latencies, .. } = &mut self.sides[side];
        counters.timed_out += u64::from(outcome == Outcome::Ended(Ending::Timeout));
        if outcome == Outcome::Answered {
            let is_error = answer.as_ref().is_some_and(|(kind, _)| *kind == Kind::Error);
            counters.failed += u64::from(is_error);
            if window.is_none() {
                latencies.record(now.saturating_since(sent_at));
            }
        }
    }

    // ---- time and the end ----

    pub(super) fn expire(&mut self) {
        for side in 0..2 {
            if !self.sides[side].reads() {
                continue;
            }
            let (mut calls, mut served) = (Vec::new(), Vec::new());
            let now = self.time();
            self.sides[side].session.expire(now, &mut calls, &mut served);
            for id in calls {
                let call = self.live[&(side, id)];
                assert!(self.calls[call].deadline <= now, "too early");
                self.ended(call, Outcome::Ended(Ending::Timeout));
            }
            served.into_iter().for_each(|id| self.no_longer_wanted(side, id));
            if self.random.percent(70) {
                self.write_controls(side);
            }
        }
    }

    /// Closes a side in good order: markers in every lane, and then the end of the socket.
    pub(super) fn close(&mut self, side: usize) {
        if !self.is_open(side) {
            return;
        }
        self.end_all(side, Ending::Closed);
        self.sides[side].state = State::Closing;
        for lane in Lane::ALL {
            let header = Header::new(Kind::Control, control::CLOSE, 0);
            self.put(side, lane as usize, What::Close, header, Vec::new(), Vec::new());
        }
        self.ends[1 - side] = Some(self.now + self.random.below(100_000) as u64);
    }

    /// Kills a side at any moment: some of what it was writing was never published.
    pub(super) fn kill(&mut self, side: usize) {
        if !self.is_open(side) {
            return;
        }
        self.sides[side].state = State::Dead;
        self.live.retain(|(of, _), _| *of != side);
        self.sides[side].working.clear();
        for ring in &mut self.sides[side].rings {
            let kept = ring.len() - self.random.below(ring.len().min(3) + 1);
            ring.truncate(kept);
        }
        self.ends[1 - side] = Some(self.now + self.random.below(100_000) as u64);
    }

    /// The end of a socket, and of a connection whose rings have been read to the end.
    pub(super) fn see_ends(&mut self) {
        for side in 0..2 {
            if self.ends[side].is_some_and(|end| end <= self.now) {
                self.ends[side] = None;
                match self.sides[side].state {
                    State::Open => {
                        self.sides[side].state = State::PeerGone;
                        let mut served = Vec::new();
                        self.sides[side].session.abandon_serving(&mut served);
                        served.into_iter().for_each(|id| self.no_longer_wanted(side, id));
                    }
                    State::Closing => self.finish(side),
                    State::PeerGone | State::Over | State::Dead => {}
                }
            }
            let peer = &self.sides[1 - side];
            let drained = peer.rings.iter().all(VecDeque::is_empty);
            if self.sides[side].state == State::PeerGone && drained {
                self.finish(side);
            }
        }
    }

    fn finish(&mut self, side: usize) {
        self.end_all(side, Ending::PeerLost);
        self.sides[side].state = State::Over;
        self.sides[side].buffers = Default::default();
        // A side that is over closes its socket too.
        self.ends[1 - side].get_or_insert(self.now);
    }

    fn end_all(&mut self, side: usize, ending: Ending) {
        let (mut calls, mut served) = (Vec::new(), Vec::new());
        self.sides[side].session.end_all(&mut calls, &mut served);
        for id in calls {
            self.ended(self.live[&(side, id)], Outcome::Ended(ending));
        }
        served.into_iter().for_each(|id| {
            let working = &mut self.sides[side].working;
            let place = working.iter().position(|(of, _)| *of == id).expect("worked on");
            working.remove(place);
        });
        assert!(self.sides[side].working.is_empty());
        assert!(!self.live.keys().any(|(of, _)| *of == side), "nothing stays pending");
    }
}
