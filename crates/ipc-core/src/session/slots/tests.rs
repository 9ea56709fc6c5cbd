//! Slots by themselves: single situations, and all of them at random beside a slow and obvious
//! twin.

use std::collections::BTreeMap;

use super::*;
use crate::limits::WINDOW_MIN;
use crate::seeds::{Random, each_seed};
use crate::session::stream::item_cost;

const AT: fn(u64) -> Time = Time::from_nanos;

#[test]
fn a_cancel_that_overtakes_makes_its_request_stale() {
    let mut slots = Slots::new(8);
    assert_eq!(slots.cancel(join(3, 5)), Ok(None));
    assert_eq!(slots.admit(join(3, 5), Time::NEVER, None), Ok(Admission::Stale));
    let next = slots.admit(join(3, 6), Time::NEVER, None);
    assert_eq!(next, Ok(Admission::New { abandoned: None }));
}

#[test]
fn a_newer_request_in_the_slot_ends_the_older() {
    let mut slots = Slots::new(8);
    slots.admit(join(0, 1), Time::NEVER, None).unwrap();
    let next = slots.admit(join(0, 2), Time::NEVER, None);
    assert_eq!(next, Ok(Admission::New { abandoned: Some(join(0, 1)) }));
    assert_eq!(slots.live(), 1);
    assert!(!slots.end(join(0, 1)));
    assert!(slots.end(join(0, 2)));
    assert_eq!(slots.cancel(join(0, 1)), Ok(None), "an old cancel finds nothing to do");
}

#[test]
fn deadlines_end_what_is_due_and_nothing_else() {
    let mut slots = Slots::new(8);
    slots.begin(join(0, 1), AT(10), None, false).unwrap();
    slots.begin(join(1, 1), AT(20), None, false).unwrap();
    slots.begin(join(2, 1), Time::NEVER, None, false).unwrap();
    let mut ended = Vec::new();
    slots.expire(AT(9), &mut ended);
    assert!(ended.is_empty());
    slots.expire(AT(10), &mut ended);
    assert_eq!((ended.as_slice(), slots.due()), (&[join(0, 1)][..], AT(20)));
    slots.end_all(&mut ended);
    assert_eq!((ended.len(), slots.live()), (3, 0));
}

#[test]
fn slots_beyond_the_agreement_and_unborn_generations_are_refused() {
    let mut slots = Slots::new(8);
    assert_eq!(
        slots.begin(join(8, 1), AT(1), None, false).unwrap_err().code(),
        Code::TooManyPending
    );
    assert!(slots.admit(join(8, 1), AT(1), None).is_err());
    assert!(slots.admit(join(0, 0), AT(1), None).is_err());
}

#[test]
fn a_high_slot_costs_a_page_and_not_all_below() {
    let mut slots = Slots::new(65_536);
    slots.begin(join(65_535, 1), AT(10), Some(WINDOW_MIN), false).unwrap();
    slots.begin(join(1_024, 1), AT(20), None, false).unwrap();
    slots.begin(join(0, 1), AT(30), None, false).unwrap();
    assert!(slots.slots.capacity() <= 256, "{}", slots.slots.capacity());
    assert!(slots.streams.capacity() <= 256, "{}", slots.streams.capacity());
    assert!(slots.stream(join(65_535, 1)).is_some());
    assert!(slots.is_unanswered(join(65_534, 1)) && slots.is_unanswered(join(2_000, 1)));
    let mut ended = Vec::new();
    slots.end_all(&mut ended);
    assert_eq!(ended, [join(0, 1), join(1_024, 1), join(65_535, 1)]);
}

#[test]
fn generations_wrap() {
    let mut slots = Slots::new(1);
    slots.slots.entry(0).generation = u32::MAX;
    assert!(slots.begin(join(0, 1), Time::NEVER, None, false).is_ok());
}

// ---- beside a twin ----

const SLOTS: u32 = 1_091;
/// Of all places in the table, and one beyond.
const USED: [u32; 6] = [0, 1, 2, 1_024, 1_090, 1_091];
const STEPS: usize = 400;

/// What there is to know of a slot: uses are counted from 1 and never wrap.
#[derive(Clone, Copy, Default)]
struct Use {
    /// The newest that arrived, by request or by cancel.
    newest: u64,
    /// That one is live.
    live: Option<Live>,
}

#[derive(Clone, Copy)]
struct Live {
    deadline: Time,
    window: Option<u32>,
    /// What was sent of its items.
    sent: u64,
}

/// Slots as one would write them down.
#[derive(Default)]
struct Twin {
    /// Of the first use, so that some slots soon come through the largest generation.
    first: u32,
    uses: BTreeMap<u32, Use>,
}

impl Twin {
    fn id(&self, slot: u32, number: u64) -> u64 {
        // Generations are the numbers from 1 up to the largest, over and over.
        let place = (u64::from(self.first) + number - 1) % u64::from(u32::MAX);
        join(slot, u32::try_from(place + 1).unwrap())
    }

    fn of(&self, slot: u32) -> Use {
        self.uses.get(&slot).copied().unwrap_or_default()
    }

    /// Another use of a slot, live or not. Returns the id of the one that was live before.
    fn set(&mut self, slot: u32, newest: u64, live: Option<Live>) -> Option<u64> {
        let before = self.of(slot);
        self.uses.insert(slot, Use { newest, live });
        before.live.map(|_| self.id(slot, before.newest))
    }

    fn live(&self) -> impl Iterator<Item = (u64, Live)> {
        let ids = |(&slot, of): (&u32, &Use)| of.live.map(|live| (self.id(slot, of.newest), live));
        self.uses.iter().filter_map(ids)
    }

    fn due(&self) -> Time {
        self.live().map(|(_, live)| live.deadline).min().unwrap_or(Time::NEVER)
    }

    fn expire(&mut self, now: Time) -> Vec<u64> {
        let ended = self.live().filter(|(_, live)| live.deadline <= now).map(|(id, _)| id);
        let ended: Vec<u64> = ended.collect();
        for of in self.uses.values_mut() {
            of.live = of.live.filter(|live| live.deadline > now);
        }
        ended
    }
}

/// A use of a slot: a new one, the newest, or one before it.
fn some_use(twin: &Twin, random: &mut Random) -> (u32, u64) {
    let slot = random.pick(&USED);
    let newest = twin.of(slot).newest;
    let number = match random.below(10) {
        0..5 => newest + 1,
        5 => newest + 1 + random.below(3) as u64,
        6..9 => newest,
        _ => newest.saturating_sub(random.below(3) as u64),
    };
    (slot, number.max(1))
}

#[test]
fn slots_behave_like_their_model() {
    each_seed(400, |random| {
        let first = random.pick(&[0, 1, u32::MAX - 1, u32::MAX - 4, 1 << 31, (1 << 31) - 3]);
        let (mut slots, mut twin) = (Slots::new(SLOTS), Twin { first, ..Twin::default() });
        let asks = random.percent(50);
        let mut now = 1000;
        for _ in 0..STEPS {
            now += random.below(20) as u64;
            step(&mut slots, &mut twin, asks, AT(now), random);
            check(&mut slots, &mut twin, random);
        }
        let mut ended = Vec::new();
        slots.end_all(&mut ended);
        assert_eq!(ended, twin.expire(Time::NEVER));
        assert_eq!((slots.live(), slots.streams()), (0, 0));
    });
}

fn step(slots: &mut Slots, twin: &mut Twin, asks: bool, now: Time, random: &mut Random) {
    let (slot, number) = some_use(twin, random);
    let (id, of) = (twin.id(slot, number), twin.of(slot));
    let is_new = number > of.newest;
    match random.below(10) {
        0..5 => {
            let deadline = match random.below(3) {
                0 => Time::NEVER,
                _ => AT(now.as_nanos() + random.below(200) as u64),
            };
            let window = random.percent(40).then_some(WINDOW_MIN);
            let live = Some(Live { deadline, window, sent: 0 });
            if asks {
                let begun = slots.begin(id, deadline, window, false).map_err(|error| error.code());
                let expected = match (slot < SLOTS, is_new && of.live.is_none()) {
                    (false, _) => Err(Code::TooManyPending),
                    (true, false) => Err(Code::InvalidArgument),
                    (true, true) => Ok(()),
                };
                assert_eq!(begun, expected);
                if begun.is_ok() {
                    twin.set(slot, number, live);
                }
            } else {
                let admitted = slots.admit(id, deadline, window).ok();
                let expected = match (slot < SLOTS, is_new) {
                    (false, _) => None,
                    (true, false) => Some(Admission::Stale),
                    (true, true) => {
                        let abandoned = twin.set(slot, number, live);
                        Some(Admission::New { abandoned })
                    }
                };
                assert_eq!(admitted, expected);
            }
        }
        5 if !asks => {
            let cancelled = slots.cancel(id).ok();
            let expected = match (slot < SLOTS, number >= of.newest) {
                (false, _) => None,
                (true, false) => Some(None),
                (true, true) => Some(twin.set(slot, number, None)),
            };
            assert_eq!(cancelled, expected);
        }
        5..8 => {
            let was_live = number == of.newest && of.live.is_some();
            assert_eq!(slots.end(id), was_live);
            if was_live {
                twin.set(slot, number, None);
            }
        }
        _ => {
            let mut ended = Vec::new();
            slots.expire(now, &mut ended);
            assert_eq!(ended, twin.expire(now));
            assert!(slots.due() > now);
        }
    }
}

fn check(slots: &mut Slots, twin: &mut Twin, random: &mut Random) {
    let count = |live: usize| u32::try_from(live).unwrap();
    assert_eq!(slots.live(), count(twin.live().count()));
    let streams = twin.live().filter(|(_, live)| live.window.is_some());
    assert_eq!(slots.streams(), count(streams.count()));
    assert!(slots.due() <= twin.due(), "a deadline is overlooked");
    for slot in 0..SLOTS {
        let Use { newest, live } = twin.of(slot);
        for number in newest.saturating_sub(2).max(1)..newest + 3 {
            let id = twin.id(slot, number);
            let is_live = number == newest && live.is_some();
            assert_eq!(slots.is_live(id), is_live);
            // What has not arrived has yet to come, whatever its slot.
            assert_eq!(slots.is_unanswered(id), is_live || number > newest);
            let of = live.filter(|_| is_live);
            let stream = slots.stream(id);
            assert_eq!(stream.is_some(), of.is_some_and(|live| live.window.is_some()));
            // Its own items, and none of an earlier stream in its slot.
            if let (Some(stream), Some(of)) = (stream, of) {
                assert_eq!(stream.credit(), u64::from(WINDOW_MIN) - of.sent);
                if random.percent(10) && stream.credit() >= item_cost(1) {
                    assert!(stream.take_credit(1));
                    let sent = of.sent + item_cost(1);
                    twin.set(slot, number, Some(Live { sent, ..of }));
                }
            }
        }
    }
}
