//! What waits while a client has no session, in the order in which it was asked for, and within a
//! bound. Free of the clock: the time is an argument.

use std::collections::BTreeMap;

use ipc_core::{Bounds, Code, Draft, Error, Lane, Options, Overflow, Result, Sent, Time};

/// Bytes that one of them takes beside its payload, so that empty ones cannot wait without end.
const COST: usize = 256;
/// Bytes of one-way messages that wait for a lane that keeps the newest, where its ring is not
/// given a length that would say.
const NEWEST_LEN: usize = 64 << 10;

/// Something that waits.
pub(super) enum Waiting {
    /// A request or stream of this id, whose payload is kept with it.
    Request(u64),
    /// A one-way message. One with an id has a sender that waits for what becomes of it.
    Event(Draft, Vec<u8>),
}

struct Entry {
    what: Waiting,
    cost: usize,
    deadline: Time,
}

pub(super) struct Away {
    /// By place in the queue.
    waiting: BTreeMap<u64, Entry>,
    place_next: u64,
    cost: usize,
    cost_max: usize,
    overflow: [Overflow; Lane::ALL.len()],
    newest_len: [usize; Lane::ALL.len()],
    /// One-way messages that were dropped, by lane.
    pub dropped: [u64; Lane::ALL.len()],
    /// No deadline is before this.
    due: Time,
}

impl Away {
    pub fn new(options: &Options) -> Self {
        let Bounds { overflow, backlog_max, .. } = options.bounds;
        let newest_len = |lane: Lane| match options.rings[lane as usize] {
            0 => NEWEST_LEN,
            len => len as usize,
        };
        Self {
            waiting: BTreeMap::new(),
            place_next: 0,
            cost: 0,
            cost_max: backlog_max,
            overflow,
            newest_len: Lane::ALL.map(newest_len),
            dropped: [0; Lane::ALL.len()],
            due: Time::NEVER,
        }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When something may be late.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Lets a request wait, with a payload of this length. Returns its place.
    pub fn add_request(&mut self, id: u64, len: usize, deadline: Time) -> Result<u64> {
        self.add(Waiting::Request(id), len, deadline)
    }

    /// Lets a one-way message wait, if its lane does so with what it has no room for. Returns what
    /// became of it, and what was dropped for it.
    pub fn add_event(
        &mut self,
        draft: Draft,
        payload: &[u8],
        now: Time,
    ) -> Result<(Sent, Vec<Waiting>)> {
        let lane = draft.lane as usize;
        let mut dropped = Vec::new();
        let deadline = match self.overflow[lane] {
            Overflow::Fail => return Err(Error::new(Code::Full, "the server is away")),
            Overflow::DropNewest => {
                self.dropped[lane] += 1;
                return Ok((Sent::Dropped, dropped));
            }
            Overflow::DropOldest => {
                dropped = self.make_room(draft.lane, payload.len());
                Time::NEVER
            }
            Overflow::Wait(span) => now + span,
        };
        self.add(Waiting::Event(draft, payload.to_vec()), payload.len(), deadline)?;
        Ok((Sent::Queued, dropped))
    }

    fn add(&mut self, what: Waiting, len: usize, deadline: Time) -> Result<u64> {
        let cost = len + COST;
        if self.cost + cost > self.cost_max {
            let message = format!("the server is away, and {} bytes wait for it", self.cost);
            return Err(Error::new(Code::Full, message));
        }
        self.cost += cost;
        self.due = self.due.min(deadline);
        self.place_next += 1;
        self.waiting.insert(self.place_next, Entry { what, cost, deadline });
        Ok(self.place_next)
    }

    /// Takes the oldest one-way messages of a lane out until there is room for another.
    fn make_room(&mut self, lane: Lane, len: usize) -> Vec<Waiting> {
        let of_lane = |entry: &Entry| match &entry.what {
            Waiting::Event(draft, payload) if draft.lane == lane => Some(payload.len()),
            _ => None,
        };
        let mut waiting = len + self.waiting.values().filter_map(of_lane).sum::<usize>();
        let mut dropped = Vec::new();
        while waiting > self.newest_len[lane as usize] {
            let mut found = self.waiting.iter().map(|(place, entry)| (*place, of_lane(entry)));
            let Some((place, Some(len))) = found.find(|(_, len)| len.is_some()) else { break };
            waiting -= len;
            self.dropped[lane as usize] += 1;
            dropped.extend(self.take(place));
        }
        dropped
    }

    /// It waits no longer.
    pub fn take(&mut self, place: u64) -> Option<Waiting> {
        let entry = self.waiting.remove(&place)?;
        self.cost -= entry.cost;
        Some(entry.what)
    }

    /// All of them, in order.
    pub fn take_all(&mut self) -> Vec<Waiting> {
        (self.cost, self.due) = (0, Time::NEVER);
        std::mem::take(&mut self.waiting).into_values().map(|entry| entry.what).collect()
    }

    /// Those that have waited too long.
    pub fn take_late(&mut self, now: Time) -> Vec<Waiting> {
        if self.due > now {
            return Vec::new();
        }
        let is_late = |(place, entry): (&u64, &Entry)| (entry.deadline <= now).then_some(*place);
        let places: Vec<_> = self.waiting.iter().filter_map(is_late).collect();
        let late: Vec<_> = places.into_iter().filter_map(|place| self.take(place)).collect();
        let deadlines = self.waiting.values().map(|entry| entry.deadline);
        self.due = deadlines.min().unwrap_or(Time::NEVER);
        for what in &late {
            if let Waiting::Event(draft, _) = what {
                self.dropped[draft.lane as usize] += 1;
            }
        }
        late
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use ipc_core::Codec;

    use super::*;

    const NOW: Time = Time::from_nanos(1000);

    fn away(overflow: Overflow) -> Away {
        let mut options = Options::default();
        options.bounds.overflow = [overflow; Lane::ALL.len()];
        options.bounds.backlog_max = 4 * (COST + 100);
        options.rings[Lane::Normal as usize] = 200;
        Away::new(&options)
    }

    fn event(code: u32) -> Draft {
        Draft::one_way(code, Lane::Normal, Codec::Bytes)
    }

    /// The codes of events and the ids of requests.
    fn numbers(waiting: Vec<Waiting>) -> Vec<u64> {
        let number = |waiting| match waiting {
            Waiting::Request(id) => id,
            Waiting::Event(draft, _) => draft.code.into(),
        };
        waiting.into_iter().map(number).collect()
    }

    #[test]
    fn what_waits_comes_out_in_order_and_only_as_much_waits_as_is_allowed() {
        let mut away = away(Overflow::Wait(Duration::MAX));
        let place = away.add_request(1, 100, Time::NEVER).unwrap();
        away.add_event(event(2), &[0; 100], NOW).unwrap();
        away.add_request(3, 100, Time::NEVER).unwrap();
        away.add_request(4, 100, Time::NEVER).unwrap();
        let refused = away.add_event(event(5), b"", NOW).err().unwrap();
        assert_eq!(refused.code(), Code::Full);
        assert!(away.take(place).is_some() && away.take(place).is_none());
        away.add_event(event(6), &[0; 100], NOW).unwrap();
        assert_eq!(numbers(away.take_all()), [2, 3, 4, 6]);
        assert_eq!((away.len(), away.due()), (0, Time::NEVER));
        assert!(away.add_request(7, 4 * COST, Time::NEVER).is_ok(), "there is room again");
    }

    #[test]
    fn what_is_late_is_taken_out_and_nothing_else() {
        let mut away = away(Overflow::Wait(Duration::from_nanos(5)));
        away.add_request(1, 0, NOW + Duration::from_nanos(9)).unwrap();
        away.add_event(event(2), b"", NOW).unwrap();
        away.add_request(3, 0, Time::NEVER).unwrap();
        assert_eq!(away.due(), NOW + Duration::from_nanos(5));
        assert!(away.take_late(NOW).is_empty());
        assert_eq!(numbers(away.take_late(away.due())), [2]);
        assert_eq!(away.dropped[Lane::Normal as usize], 1);
        assert_eq!(away.due(), NOW + Duration::from_nanos(9));
        assert_eq!(numbers(away.take_late(away.due())), [1]);
        assert_eq!(numbers(away.take_all()), [3]);
    }

    #[test]
    fn a_lane_does_with_what_waits_what_it_does_when_it_is_full() {
        let mut failing = away(Overflow::Fail);
        assert_eq!(failing.add_event(event(1), b"", NOW).err().unwrap().code(), Code::Full);
        let mut newest = away(Overflow::DropNewest);
        assert_eq!(newest.add_event(event(1), b"", NOW).unwrap().0, Sent::Dropped);
        let mut oldest = away(Overflow::DropOldest);
        for code in 1..3 {
            let (sent, dropped) = oldest.add_event(event(code), &[0; 100], NOW).unwrap();
            assert_eq!((sent, dropped.len()), (Sent::Queued, 0));
        }
        let (_, dropped) = oldest.add_event(event(3), &[0; 50], NOW).unwrap();
        assert_eq!(numbers(dropped), [1]);
        assert_eq!(numbers(oldest.take_all()), [2, 3]);
        let dropped = [&failing, &newest, &oldest].map(|away| away.dropped[2]);
        assert_eq!(dropped, [0, 1, 1]);
    }
}
