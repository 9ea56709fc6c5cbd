//! What this side has written, as records for the peer.

use std::array;
use std::sync::atomic::Ordering::Relaxed;

use super::{Head, LAP, NUMBERS, POSITIONS, PUBLISHED, Place, WORDS, load, words};
use crate::header::{HEADER_LEN, Header, frame_len};
use crate::limits::{CONTROL, Geometry, RINGS};
use crate::memory::Segment;
use crate::memory::layout::{self, Side};
use crate::memory::words::Words;
use crate::ring::is_pad;

/// Bytes of each ring that go at once, so that what is urgent waits for no more than so much of
/// each of the others, beside what the kernel already holds.
const PART_LEN: usize = 32 << 10;
/// In the order in which they are read.
const ORDER: [usize; RINGS] = [CONTROL, 0, 1, 2, 3];
/// The peer is told that a lane was read when this part of it is free again, and otherwise when it
/// is sent something anyway: less than that is never missing for a frame.
const TOLD_PART: u64 = 4;

const _: () = assert!(PART_LEN <= super::PART_LEN_MAX && PART_LEN.is_multiple_of(8));

/// One ring that this side writes.
struct Flow {
    place: Place,
    /// How far it was gathered.
    gathered: u64,
    /// As far as was published when all before that had been gathered.
    goal: u64,
    /// Where the pad lies that closes a lap before the goal.
    pad: Option<u64>,
    /// Bytes of the same ring of the peer, of which it is told by itself that they are free again.
    told_after: u64,
}

impl Flow {
    /// Looks at what was published. Returns whether there is anything to be gathered.
    fn look(&mut self, segment: &Segment, side: Side, ring: usize) -> bool {
        if self.gathered != self.goal {
            return true;
        }
        let start = self.goal;
        self.goal = load(segment, layout::write_position(side, ring));
        let ends_lap = self.left() >= self.place.lap_rest(start) as u64;
        self.pad = if ends_lap { self.find_pad(segment, start) } else { None };
        start != self.goal
    }

    /// The pad in the lap that starts with a frame at `at`.
    fn find_pad(&self, segment: &Segment, mut at: u64) -> Option<u64> {
        let mut rest = self.place.lap_rest(at);
        while rest > 0 {
            let start = self.place.start + self.place.offset(at);
            let word = |index: usize| segment.load(start + index * 8, Relaxed);
            if is_pad(word(0)) {
                return Some(at);
            }
            // Of its own frames this side knows that they are whole.
            if rest < HEADER_LEN {
                break;
            }
            let (header, _) = Header::from_words(array::from_fn(word)).ok()?;
            let len = frame_len(header.len as usize);
            rest = rest.checked_sub(len)?;
            at = at.wrapping_add(len as u64);
        }
        None
    }

    fn left(&self) -> u64 {
        self.goal.wrapping_sub(self.gathered)
    }
}

pub(super) struct Outgoing {
    flows: [Flow; RINGS],
    /// The words as the peer was told last.
    said: [u64; NUMBERS],
    /// Records, of which some may have been sent.
    batch: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub fn new(geometry: &Geometry, side: Side) -> Self {
        let flows = array::from_fn(|ring| {
            let place = Place::of(geometry, side, ring);
            // Of control messages at once, or two sides at rest would ask each other for ever.
            let told_after = if ring == CONTROL { 0 } else { place.capacity as u64 / TOLD_PART };
            Flow { place, gathered: 0, goal: 0, pad: None, told_after }
        });
        Self { flows, said: [0; NUMBERS], batch: Vec::new(), sent: 0 }
    }

    /// How far each ring was gathered: the peer cannot have read more.
    pub fn gathered(&self) -> [u64; RINGS] {
        array::from_fn(|ring| self.flows[ring].gathered)
    }

    pub fn is_sent(&self) -> bool {
        self.sent == self.batch.len()
    }

    pub fn unsent(&self) -> &[u8] {
        &self.batch[self.sent..]
    }

    pub fn sent(&mut self, len: usize) {
        self.sent += len;
    }

    /// Gathers what goes next: how far this side has `read`, a part of each ring by priority, and
    /// its words behind all that was published before. Returns whether there is anything.
    pub fn gather(
        &mut self,
        segment: &Segment,
        side: Side,
        read: [u64; RINGS],
        told: &mut [u64; RINGS],
    ) -> bool {
        self.batch.clear();
        self.sent = 0;
        let mut has_frames = false;
        for (ring, flow) in self.flows.iter_mut().enumerate() {
            has_frames |= flow.look(segment, side, ring);
        }
        let words = words(side).map(|offset| load(segment, offset));
        let waits = words[0] != self.said[0] && words[0] != 0;
        let has_dropped = words[1..] != self.said[1..];
        let is_due = (0..RINGS).any(|ring| {
            let freed = read[ring].wrapping_sub(told[ring]);
            freed != 0 && freed >= self.flows[ring].told_after
        });
        if !(has_frames || waits || has_dropped || is_due) {
            return false;
        }
        if read != *told {
            *told = read;
            self.put_numbers(POSITIONS, read);
        }
        for ring in ORDER {
            self.put_part(segment, ring);
        }
        let is_last = self
            .flows
            .iter_mut()
            .enumerate()
            .all(|(ring, flow)| flow.gathered == flow.goal && !flow.look(segment, side, ring));
        if is_last && words != self.said {
            self.said = words;
            self.put_numbers(WORDS, words);
        }
        true
    }

    fn put_numbers(&mut self, what: u8, numbers: [u64; NUMBERS]) {
        self.batch.extend(Head { what, flags: 0, len: NUMBERS * size_of::<u64>() }.encode());
        self.batch.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
    }

    /// The next part of a ring, if there is any.
    fn put_part(&mut self, segment: &Segment, ring: usize) {
        let flow = &mut self.flows[ring];
        let (place, from) = (flow.place, flow.gathered);
        let mut len = usize::try_from(flow.left()).map_or(PART_LEN, |left| left.min(PART_LEN));
        if len == 0 {
            return;
        }
        flow.gathered = from.wrapping_add(len as u64);
        let mut flags = 0;
        // Of a pad goes its word, which says that it is one.
        let to_pad = flow.pad.map(|pad| pad.wrapping_sub(from) + size_of::<u64>() as u64);
        if let Some(to_pad) = to_pad
            && to_pad <= len as u64
        {
            len = usize::try_from(to_pad).unwrap_or(len);
            flow.gathered = from.wrapping_add(place.lap_rest(from) as u64);
            flow.pad = None;
            flags |= LAP;
        }
        if flow.gathered == flow.goal {
            flags |= PUBLISHED;
        }
        let what = u8::try_from(ring).expect("five rings");
        self.batch.extend(Head { what, flags, len }.encode());
        let (start, first, second) = place.pieces(from, len);
        let at = self.batch.len();
        self.batch.resize(at + len, 0);
        let (one, other) = self.batch[at..].split_at_mut(first);
        segment.copy_out(start, one);
        if second > 0 {
            segment.copy_out(place.start, other);
        }
    }
}
