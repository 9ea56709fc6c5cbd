//! The lanes of one direction beside a slow and obvious twin: five queues, and a rule by which the
//! next frame is chosen.

use std::array;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::checksum::CrcMode;
use crate::header::{Header, Kind};
use crate::ring::heap::HeapRegion;
use crate::seeds::{Random, each_seed};

/// As large as it takes to use a quota up.
const CAPACITY: usize = 1 << 14;
const LANES: usize = RINGS - 1;

/// The flags of one end.
#[derive(Clone, Default)]
struct TestFlags(Arc<[AtomicU64; 2]>);

impl Flags for TestFlags {
    fn load_published(&self) -> u64 {
        self.0[0].load(Ordering::SeqCst)
    }

    fn store_published(&self, count: u64) {
        self.0[0].store(count, Ordering::SeqCst);
    }

    fn load_armed(&self) -> u64 {
        self.0[1].load(Ordering::SeqCst)
    }

    fn store_armed(&self, word: u64) {
        self.0[1].store(word, Ordering::SeqCst);
    }
}

type TestLanes = Lanes<HeapRegion, TestFlags>;

/// Both ends of a connection.
fn ends() -> (TestLanes, TestLanes) {
    let directions: [[HeapRegion; RINGS]; 2] =
        array::from_fn(|_| array::from_fn(|_| HeapRegion::new(CAPACITY)));
    let words = [TestFlags::default(), TestFlags::default()];
    let end = |own: usize, peer: usize| {
        let consumer = |region| Consumer::new(region, CrcMode::Full);
        Lanes::new(
            Outgoing::new(directions[own].clone().map(Producer::new), words[own].clone()),
            Incoming::new(directions[peer].clone().map(consumer), words[peer].clone()),
        )
    };
    (end(0, 1), end(1, 0))
}

/// A frame's id and the length of its payload.
type Sent = (u64, usize);

/// A direction as one would write it down.
struct Twin {
    written: [VecDeque<Sent>; RINGS],
    /// How many of those were published, and how many of them the reader has refreshed.
    published: [usize; RINGS],
    seen: [usize; RINGS],
    /// What each ring may be read before the others have had their turn.
    left: [i64; RINGS],
    has_news: bool,
}

impl Twin {
    fn new() -> Self {
        let written = array::from_fn(|_| VecDeque::new());
        Self { written, published: [0; RINGS], seen: [0; RINGS], left: QUOTA, has_news: false }
    }

    fn publish(&mut self) -> bool {
        let before = self.published;
        self.published = array::from_fn(|ring| self.written[ring].len());
        self.has_news |= self.published != before;
        self.published != before
    }

    /// Control words, then lanes by priority, each as far as its turn goes; then another round, in
    /// which what was published meanwhile is seen.
    fn next(&mut self, scope: Scope) -> Option<usize> {
        let order = [CONTROL].into_iter().chain(0..LANES);
        let order = order.filter(|&ring| scope.0 & (1 << ring) != 0);
        for round in 0..2 {
            let may_be_read = |&ring: &usize| self.seen[ring] > 0 && self.left[ring] > 0;
            if let Some(ring) = order.clone().find(may_be_read) {
                return Some(ring);
            }
            if round == 0 {
                self.seen = self.published;
                self.has_news = false;
                if self.left.iter().any(|left| *left <= 0) {
                    self.left = QUOTA;
                }
            }
        }
        None
    }

    fn read(&mut self, ring: usize) -> Sent {
        let sent = self.written[ring].pop_front().expect("it was seen");
        self.published[ring] -= 1;
        self.seen[ring] -= 1;
        self.left[ring] -= FRAME_COST + i64::try_from(sent.1).unwrap();
        sent
    }
}

fn some_ring(random: &mut Random) -> usize {
    random.pick(&[0, 0, 1, 2, 2, 2, 3, 3, CONTROL])
}

#[test]
fn frames_come_by_priority_in_rounds_as_with_the_twin() {
    each_seed(12, |random| {
        let (mut writer, mut reader) = ends();
        let (mut twin, mut id) = (Twin::new(), 0);
        for _ in 0..800 {
            let some = Scope::ALL.without(random.pick(&[1, 2, 4, 8, 5, 15]));
            let scope = random.pick(&[Scope::ALL, Scope::ALL, some, Scope::CONTROL]);
            match random.below(12) {
                0..4 => {
                    let (ring, len) = (some_ring(random), random.pick(&[0, 0, 8, 1000]));
                    for _ in 0..random.pick(&[1, 1, 5, 30]) {
                        id += 1;
                        let payload = random.bytes(len);
                        let header = Header::new(Kind::OneWay, 0, id).with_len(len);
                        let header = header.sealed(CrcMode::Full, &[&payload]);
                        // What does not fit is for the ring's own tests.
                        if writer.outgoing.push(ring, header, &[&payload]).unwrap() {
                            twin.written[ring].push_back((id, len));
                        }
                    }
                }
                4 | 5 => assert_eq!(writer.outgoing.publish(), twin.publish()),
                6 => drop(reader.incoming.release()),
                _ => {
                    for _ in 0..random.pick(&[1, 3, 40]) {
                        let next = reader.incoming.next(scope).unwrap();
                        assert_eq!(next, twin.next(scope));
                        let Some(ring) = next else { break };
                        let (id, len) = twin.read(ring);
                        let frame = reader.incoming.frame(ring);
                        assert_eq!((frame.header.id, frame.header.len as usize), (id, len));
                        let mut bytes = vec![0; len];
                        reader.incoming.payload(ring).copy_to(&mut bytes).unwrap();
                        reader.incoming.advance(ring);
                    }
                }
            }
            let incoming = &reader.incoming;
            assert_eq!(incoming.has_news(), twin.has_news);
            let any = twin.has_news
                || (0..RINGS).any(|ring| scope.0 & (1 << ring) != 0 && twin.seen[ring] > 0);
            assert_eq!(incoming.has_any(scope), any);
            // Whatever else was published, control messages are found by polling their own ring.
            assert_eq!(incoming.has_controls(), twin.published[CONTROL] > 0);
        }
    });
}

#[test]
fn every_lane_has_its_turn_however_full_those_before_it_are() {
    let (mut writer, mut reader) = ends();
    let header = Header::new(Kind::OneWay, 0, 1).with_len(0).sealed(CrcMode::Full, &[]);
    let mut waited = [0u64; LANES];
    let mut longest = [0; LANES];
    for _ in 0..20_000 {
        for lane in 0..LANES {
            while writer.outgoing.push(lane, header, &[]).unwrap() {}
        }
        writer.outgoing.publish();
        let ring = reader.incoming.next(Scope::ALL).unwrap().expect("all are full");
        reader.incoming.advance(ring);
        reader.incoming.release();
        for lane in 0..LANES {
            waited[lane] = if lane == ring { 0 } else { waited[lane] + 1 };
            longest[lane] = longest[lane].max(waited[lane]);
        }
    }
    // One round of all others, in frames of nothing, which cost the least.
    let round: i64 = QUOTA[..LANES].iter().map(|quota| quota / FRAME_COST).sum();
    for lane in 0..LANES {
        assert!(longest[lane] > 0 && longest[lane] < u64::try_from(round).unwrap(), "{longest:?}");
    }
    // The most urgent waits for less than the next, and so on.
    assert!(longest.is_sorted());
}

#[test]
fn a_peer_is_rung_for_what_it_waits_for_and_once() {
    let (mut here, mut there) = ends();
    let header = Header::new(Kind::OneWay, 0, 1).with_len(0).sealed(CrcMode::Full, &[]);
    assert!(!here.commit(), "there is nothing to be rung for");
    for _ in 0..3 {
        assert!(there.arm(Interest::DATA, || there.incoming.has_any(Scope::ALL)));
        assert!(here.outgoing.push(0, header, &[]).unwrap() && here.commit());
        assert!(here.outgoing.push(0, header, &[]).unwrap() && !here.commit());
        // It has come already.
        assert!(!there.arm(Interest::DATA, || there.incoming.has_any(Scope::ALL)));
        assert!(here.outgoing.push(0, header, &[]).unwrap() && !here.commit(), "it is awake");
        while let Some(ring) = there.incoming.next(Scope::ALL).unwrap() {
            there.incoming.advance(ring);
        }
        // Space is given back to a side that does not wait for it, and to one that does.
        assert!(here.arm(Interest::DATA, || false) && !there.commit());
        assert!(here.outgoing.push(0, header, &[]).unwrap() && !here.commit());
        assert_eq!(there.incoming.next(Scope::ALL), Ok(Some(0)));
        there.incoming.advance(0);
        assert!(here.arm(Interest::SPACE, || false) && there.commit());
        here.disarm();
        assert!(!there.commit(), "nothing was read");
    }
}
