//! Sleeping and ringing in a loom model: the production lanes over words loom watches, with the
//! production sequence of publishing, ringing, arming and polling again, for one link and for an
//! engine with several. A wake-up that is lost leaves a thread asleep for ever, which loom reports
//! as a deadlock.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release --lib model`.

use std::array;
use std::sync::Arc;

use loom::sync::atomic::AtomicU64;
use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::{Incoming, Lanes, Outgoing, Scope};
use crate::checksum::CrcMode;
use crate::doorbell::{Flags, Interest, fall_asleep};
use crate::limits::{Lane, RINGS};
use crate::ring::model::{CAPACITY, ModelRegion, frame};
use crate::ring::{Consumer, Producer, Region};
use crate::sync::{OBSERVE, Ordering, PUBLISH};

/// The flags of one end.
#[derive(Clone)]
struct ModelFlags(Arc<[AtomicU64; 2]>);

impl ModelFlags {
    fn new() -> Self {
        Self(Arc::new([AtomicU64::new(0), AtomicU64::new(0)]))
    }
}

impl Flags for ModelFlags {
    fn load_published(&self) -> u64 {
        self.0[0].load(OBSERVE)
    }

    fn store_published(&self, count: u64) {
        self.0[0].store(count, PUBLISH);
    }

    fn load_armed(&self) -> u64 {
        self.0[1].load(Ordering::Relaxed)
    }

    fn store_armed(&self, word: u64) {
        self.0[1].store(word, Ordering::Relaxed);
    }
}

/// A ring of the model, or one nothing is ever written to: that one costs loom no state.
#[derive(Clone)]
enum LaneRegion {
    Live(ModelRegion),
    Still,
}

impl LaneRegion {
    fn live(&self) -> &ModelRegion {
        match self {
            Self::Live(region) => region,
            Self::Still => unreachable!("nothing is written to this ring"),
        }
    }
}

impl Region for LaneRegion {
    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn load_write(&self) -> u64 {
        if let Self::Live(region) = self { region.load_write() } else { 0 }
    }

    fn store_write(&self, position: u64) {
        self.live().store_write(position);
    }

    fn load_read(&self) -> u64 {
        if let Self::Live(region) = self { region.load_read() } else { 0 }
    }

    fn store_read(&self, position: u64) {
        self.live().store_read(position);
    }

    fn load_words<const N: usize>(&self, offset: usize) -> [u64; N] {
        self.live().load_words(offset)
    }

    fn store_words<const N: usize>(&self, offset: usize, words: [u64; N]) {
        self.live().store_words(offset, words);
    }

    fn prefetch(&self, _: usize) {}

    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        self.live().copy_in(offset, bytes);
    }

    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        self.live().copy_out(offset, bytes);
    }
}

/// A doorbell among those one end waits for, which remembers having been rung: as an event counter
/// does, or a byte in a socket.
#[derive(Clone)]
struct Bell {
    /// Which of them were rung, by bit.
    rung: Arc<(Mutex<u8>, Condvar)>,
    bit: u8,
}

impl Bell {
    fn new() -> Self {
        Self { rung: Arc::new((Mutex::new(0), Condvar::new())), bit: 1 }
    }

    /// Another one for a thread that waits for this one.
    fn beside(&self, place: usize) -> Self {
        Self { rung: Arc::clone(&self.rung), bit: 1 << place }
    }

    fn ring(&self) {
        let (rung, changed) = &*self.rung;
        *rung.lock().unwrap() |= self.bit;
        changed.notify_one();
    }

    /// Blocks until any of them is rung.
    fn wait(&self) {
        let (rung, changed) = &*self.rung;
        let mut rung = rung.lock().unwrap();
        while *rung == 0 {
            rung = changed.wait(rung).unwrap();
        }
    }

    /// Which of them were rung, by bit.
    fn take(&self) -> u8 {
        std::mem::take(&mut *self.rung.0.lock().unwrap())
    }
}

/// One end of a connection, asleep while there is nothing to do.
struct End {
    lanes: Lanes<LaneRegion, ModelFlags>,
    /// What wakes this end, and what wakes the peer.
    bells: [Bell; 2],
}

impl End {
    fn write(&mut self, lane: Lane, id: u64) -> bool {
        let (header, payload) = frame(id);
        self.lanes.outgoing.push(lane as usize, header, &[&payload]).unwrap()
    }

    /// Publishes, releases, and rings if need be, as a link does.
    fn commit(&mut self) {
        if self.lanes.commit() {
            self.bells[1].ring();
        }
    }

    /// The ids of all frames there are, lane by lane.
    fn read_all(&mut self) -> Vec<u64> {
        let incoming = &mut self.lanes.incoming;
        let mut ids = Vec::new();
        while let Some(ring) = incoming.next(Scope::ALL).unwrap() {
            ids.push(incoming.frame(ring).header.id);
            incoming.advance(ring);
        }
        ids
    }

    /// Arms, and blocks if nothing has come, as a link does.
    fn sleep(
        &mut self,
        interest: Interest,
        finds: impl Fn(&Lanes<LaneRegion, ModelFlags>) -> bool,
    ) {
        if self.lanes.arm(interest, || finds(&self.lanes)) {
            self.bells[0].wait();
            self.bells[0].take();
            self.lanes.disarm();
        }
    }

    /// Reads what there is, sleeping until there is something. Its space is not given back yet.
    fn take(&mut self) -> Vec<u64> {
        loop {
            let ids = self.read_all();
            if !ids.is_empty() {
                return ids;
            }
            self.sleep(Interest::DATA, |lanes| lanes.incoming.has_any(Scope::ALL));
        }
    }

    /// Reads, sleeping as often as need be, until `count` frames have come.
    fn read(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.extend(self.take());
            self.commit();
        }
        ids
    }

    /// Writes, sleeping as often as need be, until there is room.
    fn write_when_there_is_room(&mut self, lane: Lane, id: u64) {
        while !self.write(lane, id) {
            self.commit();
            let both = Interest::DATA.and(Interest::SPACE);
            self.sleep(both, |lanes| lanes.outgoing.ring(lane as usize).has_moved());
        }
        self.commit();
    }
}

/// Two connected ends; `live` says which lanes are used, in both directions.
fn ends(live: &[Lane]) -> (End, End) {
    let regions = || -> [LaneRegion; RINGS] {
        array::from_fn(|ring| match live.iter().any(|lane| *lane as usize == ring) {
            true => LaneRegion::Live(ModelRegion::starting_at(0)),
            false => LaneRegion::Still,
        })
    };
    let directions = [regions(), regions()];
    let words = [ModelFlags::new(), ModelFlags::new()];
    let bells = [Bell::new(), Bell::new()];
    let end = |own: usize, peer: usize| End {
        lanes: Lanes::new(
            Outgoing::new(directions[own].clone().map(Producer::new), words[own].clone()),
            Incoming::new(
                directions[peer].clone().map(|region| Consumer::new(region, CrcMode::Off)),
                words[peer].clone(),
            ),
        ),
        bells: [bells[own].clone(), bells[peer].clone()],
    };
    (end(0, 1), end(1, 0))
}

/// One side of several connections, which waits for all of them at once, as an engine does.
struct Hub {
    ends: Vec<End>,
    /// Those it is awake to.
    awake: Vec<usize>,
}

impl Hub {
    /// So many connections. Returns their other ends too.
    fn with(links: usize, live: &[Lane]) -> (Self, Vec<End>) {
        let bell = Bell::new();
        let connect = |place| {
            let (mut own, mut peer) = ends(live);
            own.bells[0] = bell.beside(place);
            peer.bells[1] = bell.beside(place);
            (own, peer)
        };
        let (ends, peers) = (0..links).map(connect).unzip();
        (Self { ends, awake: (0..links).collect() }, peers)
    }

    fn warm(&mut self, place: usize) {
        if !self.awake.contains(&place) {
            self.ends[place].lanes.disarm();
            self.awake.push(place);
        }
    }

    fn read_awake(&mut self) -> Vec<u64> {
        let Self { ends, awake } = self;
        awake.iter().flat_map(|&place| ends[place].read_all()).collect()
    }

    /// One turn: reads what there is, and blocks if that is nothing and none has come meanwhile.
    fn turn(&mut self) -> Vec<u64> {
        let mut ids = self.read_awake();
        let rung = self.ends[0].bells[0].take();
        (0..self.ends.len()).filter(|place| rung & 1 << place != 0).for_each(|it| self.warm(it));
        ids.extend(self.read_awake());
        if ids.is_empty() {
            let Self { ends, awake } = self;
            let nap = fall_asleep(awake, |place| {
                let lanes = &ends[place].lanes;
                Some(lanes.arm(Interest::DATA, || lanes.incoming.has_any(Scope::ALL)))
            });
            if nap.whole {
                self.ends[0].bells[0].wait();
            }
        }
        ids
    }
}

/// Explores `model` with at most three preemptions, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

/// Two publishes on two lanes, the later one on the lane that is read first, and a reader that
/// sleeps before, between and after. Bound: 2 threads, 2 lanes, 2 frames, 3 preemptions.
#[test]
fn whatever_is_published_on_any_lane_wakes_its_reader() {
    explore(|| {
        let (mut writer, mut reader) = ends(&[Lane::Critical, Lane::Low]);
        let reading = thread::spawn(move || {
            let mut ids = reader.read(2);
            ids.sort_unstable();
            assert_eq!(ids, [0, 1]);
        });
        assert!(writer.write(Lane::Low, 0));
        writer.commit();
        assert!(writer.write(Lane::Critical, 1));
        writer.commit();
        reading.join().unwrap();
    });
}

/// Two lanes in one publish, and both in one release. Bound: 2 threads, 2 lanes, 2 frames, 3
/// preemptions.
#[test]
fn one_commit_is_for_all_lanes() {
    explore(|| {
        let lanes = [Lane::Critical, Lane::Low];
        let (mut writer, mut reader) = ends(&lanes);
        let reading = thread::spawn(move || {
            let mut ids = reader.take();
            while ids.len() < 2 {
                ids.extend(reader.take());
            }
            ids.sort_unstable();
            assert_eq!(ids, [0, 2]);
            reader.commit();
        });
        assert!(writer.write(Lane::Low, 0) && writer.write(Lane::Critical, 2));
        writer.commit();
        reading.join().unwrap();
        for lane in lanes {
            assert!(writer.lanes.outgoing.ring(lane as usize).has_moved(), "{lane:?} was released");
        }
    });
}

/// Three publishes on one lane: a reader that slept twice is rung for its second sleep too. Bound:
/// 2 threads, 1 lane, 3 frames, 3 preemptions.
#[test]
fn every_sleep_is_rung_for_by_itself() {
    explore(|| {
        let (mut writer, mut reader) = ends(&[Lane::Normal]);
        let reading = thread::spawn(move || assert_eq!(reader.read(3), [0, 2, 4]));
        for id in [0, 2, 4] {
            assert!(writer.write(Lane::Normal, id));
            writer.commit();
        }
        reading.join().unwrap();
    });
}

/// A request and its answer between two ends that both sleep. The answer is published together with
/// the release of the request. Bound: 2 threads, 1 lane each way, 1 frame each way, 3 preemptions.
#[test]
fn both_ends_may_sleep() {
    explore(|| {
        let (mut client, mut server) = ends(&[Lane::Normal]);
        let serving = thread::spawn(move || {
            assert_eq!(server.take(), [1]);
            assert!(server.write(Lane::Normal, 2));
            server.commit();
        });
        assert!(client.write(Lane::Normal, 1));
        client.commit();
        assert_eq!(client.read(1), [2]);
        serving.join().unwrap();
    });
}

/// A lane that is full when the race begins: its writer sleeps for space and is rung by a release.
/// Bound: 2 threads, 1 lane, 4 frames there and 2 more, 3 preemptions.
#[test]
fn a_release_wakes_a_writer_that_sleeps_for_space() {
    explore(|| {
        let (mut writer, mut reader) = ends(&[Lane::Normal]);
        for id in [1, 3, 5, 7] {
            assert!(writer.write(Lane::Normal, id));
        }
        writer.commit();
        let reading = thread::spawn(move || assert_eq!(reader.read(6), [1, 3, 5, 7, 9, 11]));
        writer.write_when_there_is_room(Lane::Normal, 9);
        writer.write_when_there_is_room(Lane::Normal, 11);
        reading.join().unwrap();
    });
}

/// A side with two connections, written to by one peer each in turn: it may sleep to one of them
/// while the other has something. Bound: 2 threads, 2 connections of 1 lane, 3 frames, 3
/// preemptions.
#[test]
fn a_side_blocks_only_when_it_sleeps_to_all_of_its_connections() {
    explore(|| {
        let (mut hub, mut peers) = Hub::with(2, &[Lane::Normal]);
        let reading = thread::spawn(move || {
            let mut ids = Vec::new();
            while ids.len() < 3 {
                ids.extend(hub.turn());
            }
            ids.sort_unstable();
            assert_eq!(ids, [0, 2, 4]);
        });
        for (id, place) in [(0, 1), (2, 0), (4, 1)] {
            assert!(peers[place].write(Lane::Normal, id));
            peers[place].commit();
        }
        reading.join().unwrap();
    });
}
