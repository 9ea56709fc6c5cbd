//! Two ends with a stream between them, which is cut anywhere, beside a queue for each ring; and
//! streams that no honest peer sends.

use std::array;
use std::collections::VecDeque;

use super::*;
use crate::checksum::CrcMode;
use crate::header::{Header, Kind};
use crate::lanes::Scope;
use crate::lanes::mapped::{MappedFlags, MappedLanes};
use crate::limits::{Agreement, CONTROL, Limits};
use crate::memory::{Backing, Object};
use crate::seeds::{Random, each_seed};

const SMALL: Geometry = Geometry { rings: [4096, 4096, 8192, 4096, 4096] };
const LARGE: Geometry = Geometry { rings: [16 << 10, 4096, 256 << 10, 4096, 4096] };

struct End {
    lanes: MappedLanes,
    flags: [MappedFlags; 2],
    mirror: Mirror,
}

impl End {
    fn new(geometry: Geometry, side: Side) -> Self {
        let (segment, _) = Object::lanes(&geometry).create(Backing::Private).unwrap();
        let segment = Arc::new(segment);
        let agreement = Agreement {
            geometry,
            crc: CrcMode::Full,
            limits: Limits::DEFAULT,
            streams: true,
            compression: false,
            liveness: true,
        };
        Self {
            lanes: MappedLanes::over(&segment, &agreement, side),
            flags: [side, side.peer()].map(|of| MappedFlags::new(&segment, of)),
            mirror: Mirror::over(segment, &geometry, side),
        }
    }

    /// Writes a frame, if there is room.
    fn push(&mut self, ring: usize, id: u64, payload: &[u8]) -> bool {
        let header = Header::new(Kind::OneWay, 0, id).with_len(payload.len());
        let header = header.sealed(CrcMode::Full, &[payload]);
        self.lanes.outgoing.push(ring, header, &[payload]).unwrap()
    }

    /// The next frame of all there are.
    fn pop(&mut self) -> Option<(usize, u64, Vec<u8>)> {
        let incoming = &mut self.lanes.incoming;
        let ring = incoming.next(Scope::ALL).unwrap()?;
        let header = incoming.frame(ring).header;
        let mut payload = vec![0; header.len as usize];
        incoming.payload(ring).copy_to(&mut payload).unwrap();
        incoming.advance(ring);
        Some((ring, header.id, payload))
    }

    /// As a link does it: a peer that is to be rung is sent what there is. Returns whether it was.
    fn commit(&mut self) -> bool {
        self.lanes.commit() && {
            self.mirror.gather();
            true
        }
    }

    /// All there is to be sent now.
    fn send(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        while self.mirror.gather() {
            sent.extend_from_slice(self.mirror.unsent());
            self.mirror.sent(self.mirror.unsent().len());
        }
        sent
    }
}

fn ends(geometry: Geometry) -> [End; 2] {
    [Side::Server, Side::Client].map(|side| End::new(geometry, side))
}

/// What goes from one end to the other.
#[derive(Default)]
struct Direction {
    queues: [VecDeque<(u64, Vec<u8>)>; RINGS],
    /// Sent, and not arrived.
    stream: VecDeque<u8>,
}

/// Any number of ends of a stream is read at any byte, and each end writes, publishes and reads as
/// it likes.
fn run(random: &mut Random, geometry: Geometry, steps: usize) {
    let mut ends = ends(geometry);
    let mut directions: [Direction; 2] = array::from_fn(|_| Direction::default());
    let mut id = 0;
    for _ in 0..steps {
        let from = random.below(2);
        match random.below(8) {
            0 | 1 => {
                let ring = random.below(RINGS);
                let max = geometry.rings[ring] as usize / 4 - 24;
                let len = random.pick(&[0, 1, 64, 300, max / 2, max]);
                id += 1;
                let payload = random.bytes(len);
                if ends[from].push(ring, id, &payload) {
                    directions[from].queues[ring].push_back((id, payload));
                }
                if random.percent(70) {
                    ends[from].commit();
                }
            }
            2 | 3 => {
                let end = &mut ends[from];
                if end.mirror.gather() {
                    let len = random.pick(&[1, 7, 8, 100, usize::MAX]);
                    let len = len.min(end.mirror.unsent().len());
                    directions[from].stream.extend(&end.mirror.unsent()[..len]);
                    end.mirror.sent(len);
                }
            }
            4 | 5 => {
                let stream = &mut directions[from].stream;
                let len = random.pick(&[1, 7, 8, 100, usize::MAX]).min(stream.len());
                let bytes: Vec<_> = stream.drain(..len).collect();
                ends[1 - from].mirror.take(&bytes).unwrap();
            }
            _ => {
                for _ in 0..random.below(20) {
                    let Some((ring, id, payload)) = ends[1 - from].pop() else { break };
                    assert_eq!(directions[from].queues[ring].pop_front(), Some((id, payload)));
                }
                ends[1 - from].commit();
            }
        }
    }
    settle(&mut ends, &mut directions);
}

/// In the end everything has arrived, and there is room again.
fn settle(ends: &mut [End; 2], directions: &mut [Direction; 2]) {
    for _ in 0..3 {
        for from in 0..2 {
            ends[from].commit();
            let sent = ends[from].send();
            let stream: Vec<_> = directions[from].stream.drain(..).chain(sent).collect();
            ends[1 - from].mirror.take(&stream).unwrap();
            while let Some((ring, id, payload)) = ends[1 - from].pop() {
                assert_eq!(directions[from].queues[ring].pop_front(), Some((id, payload)));
            }
        }
    }
    for (end, direction) in ends.iter_mut().zip(directions) {
        assert!(direction.queues.iter().all(VecDeque::is_empty));
        for ring in 0..RINGS {
            let max = end.lanes.outgoing.ring(ring).payload_max();
            assert!(end.lanes.outgoing.has_room_for(ring, max).unwrap(), "ring {ring} is full");
            assert!(end.lanes.outgoing.has_room_for(ring, 100 * max).unwrap());
        }
    }
}

#[test]
fn whatever_is_written_arrives_as_with_a_queue_wherever_the_stream_is_cut() {
    each_seed(40, |random| run(random, SMALL, 3000));
    each_seed(10, |random| run(random, LARGE, 3000));
}

#[test]
fn a_stream_means_the_same_cut_at_every_byte() {
    let [mut server, _] = ends(SMALL);
    for ring in 0..RINGS {
        assert!(server.push(ring, ring as u64 + 1, &vec![7; 100 * ring]));
    }
    server.flags[0].store_sync_wait(7);
    server.flags[0].store_dropped(3, 9);
    assert!(server.commit());
    let stream = server.send();
    for cut in 0..=stream.len() {
        let [_, mut client] = ends(SMALL);
        client.mirror.take(&stream[..cut]).unwrap();
        client.mirror.take(&stream[cut..]).unwrap();
        let mut found: Vec<_> = std::iter::from_fn(|| client.pop()).collect();
        found.sort_unstable();
        let expected: Vec<_> =
            (0..RINGS).map(|ring| (ring, ring as u64 + 1, vec![7; 100 * ring])).collect();
        assert_eq!(found, expected);
        assert_eq!(client.flags[1].load_sync_wait(), 7);
        assert_eq!([0, 1, 2, 3].map(|lane| client.flags[1].load_dropped(lane)), [0, 0, 0, 9]);
    }
}

#[test]
fn frames_that_are_not_published_are_not_seen() {
    let [mut server, mut client] = ends(LARGE);
    let payload = vec![1; 60_000];
    for id in 1..=4 {
        assert!(server.push(2, id, &payload));
    }
    assert!(server.send().is_empty());
    assert!(server.commit());
    let stream = server.send();
    client.mirror.take(&stream[..stream.len() - 1]).unwrap();
    assert!(client.pop().is_none(), "the last byte is missing");
    client.mirror.take(&stream[stream.len() - 1..]).unwrap();
    assert_eq!(std::iter::from_fn(|| client.pop()).count(), 4);
}

#[test]
fn what_is_urgent_waits_for_no_more_than_a_part_of_what_is_not() {
    let [mut server, mut client] = ends(LARGE);
    let payload = vec![1; 60_000];
    for id in 1..=4 {
        assert!(server.push(2, id, &payload));
    }
    assert!(server.commit() && server.mirror.gather());
    // The socket takes one byte, and then a critical message comes.
    let mut sent = server.mirror.unsent()[..1].to_vec();
    server.mirror.sent(1);
    assert!(server.push(0, 5, b"critical") && server.commit());
    for _ in 0..2 {
        assert!(server.mirror.gather());
        sent.extend_from_slice(server.mirror.unsent());
        server.mirror.sent(server.mirror.unsent().len());
    }
    client.mirror.take(&sent).unwrap();
    assert!(sent.len() < 70_000, "{} bytes", sent.len());
    assert_eq!(client.pop(), Some((0, 5, b"critical".to_vec())));
}

#[test]
fn a_request_and_its_answer_are_sent_once_each_and_of_a_closed_lap_goes_one_word() {
    let [mut client, mut server] = ends(LARGE);
    let (mut bytes, mut batches) = (0, 0);
    for id in 1..=2000 {
        for from in 0..2 {
            let (here, there) = match from {
                0 => (&mut client, &mut server),
                _ => (&mut server, &mut client),
            };
            assert!(here.push(2, id, &[0; 64]) && here.commit());
            while here.mirror.gather() {
                bytes += here.mirror.unsent().len();
                batches += 1;
                there.mirror.take(here.mirror.unsent()).unwrap();
                here.mirror.sent(here.mirror.unsent().len());
            }
            assert_eq!(there.pop().map(|frame| frame.1), Some(id));
            there.commit();
        }
    }
    // A lap is closed after some ninety messages, and then there is space to be told of as well.
    assert!((4000..4200).contains(&batches), "{batches} batches");
    assert!(bytes < 4200 * (Head::LEN + NUMBERS * 8 + Head::LEN + 24 + 64), "{bytes} bytes");
}

#[test]
fn space_is_told_of_by_itself_when_a_quarter_of_a_ring_is_free_again() {
    let [mut server, mut client] = ends(SMALL);
    for id in 1..=40 {
        assert!(server.push(2, id, &[0; 64]) && server.commit());
        client.mirror.take(&server.send()).unwrap();
        assert_eq!(client.pop().map(|frame| frame.1), Some(id));
        client.commit();
        let told = client.send();
        assert_eq!(!told.is_empty(), (id * 88) % 2112 == 0, "message {id}");
        server.mirror.take(&told).unwrap();
    }
    // With anything else it goes at once.
    assert!(client.push(CONTROL, 1, &[]) && client.commit());
    assert!(server.lanes.outgoing.unread().is_some());
    server.mirror.take(&client.send()).unwrap();
    assert_eq!(server.lanes.outgoing.unread(), None);
}

/// A record as its sender says it is.
fn record(what: u8, flags: u8, reserved: u16, len: u32, body: &[u8]) -> Vec<u8> {
    let head = [&[what, flags][..], &reserved.to_le_bytes(), &len.to_le_bytes()].concat();
    [&head, body].concat()
}

fn numbers(numbers: [u64; NUMBERS]) -> Vec<u8> {
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

#[test]
fn a_record_that_no_honest_peer_sends_is_refused_with_its_numbers() {
    let refused = |stream: &[u8]| {
        let [_, mut client] = ends(SMALL);
        client.mirror.take(stream)
    };
    let wrong = |what, flags, len| Err(Corrupt::Record { what, flags, len });
    for what in [5, 6, 7, 10, 255] {
        assert_eq!(refused(&record(what, 0, 0, 8, &[])), wrong(what, 0, 8));
    }
    for what in [0, 4] {
        for len in [0, 1, 7, 12, 65_537, 65_544, u32::MAX] {
            assert_eq!(refused(&record(what, 0, 0, len, &[])), wrong(what, 0, len));
        }
        assert_eq!(refused(&record(what, 4, 0, 8, &[])), wrong(what, 4, 8));
        assert_eq!(refused(&record(what, 0, 1, 8, &[])), wrong(what, 0, 8));
    }
    for what in [POSITIONS, WORDS] {
        for len in [0, 8, 32, 48] {
            assert_eq!(refused(&record(what, 0, 0, len, &[])), wrong(what, 0, len));
        }
        assert_eq!(refused(&record(what, 1, 0, 40, &[])), wrong(what, 1, 40));
        assert_eq!(refused(&record(what, 0, 256, 40, &[])), wrong(what, 0, 40));
    }
}

#[test]
fn more_than_a_ring_has_room_for_is_refused() {
    let full = |write| Err(Corrupt::Positions { write, read: 0, capacity: 4096 });
    let [_, mut client] = ends(SMALL);
    assert_eq!(client.mirror.take(&record(0, 0, 0, 4104, &[])), full(4104));
    let [_, mut client] = ends(SMALL);
    client.mirror.take(&record(0, 0, 0, 4096, &[0; 4096])).unwrap();
    assert_eq!(client.mirror.take(&record(0, 0, 0, 8, &[])), full(4104));
    // The rest of a lap counts as well.
    let [_, mut client] = ends(SMALL);
    client.mirror.take(&record(0, LAP, 0, 8, &[0; 8])).unwrap();
    assert_eq!(client.mirror.take(&record(0, 0, 0, 8, &[])), full(4104));
}

#[test]
fn read_positions_go_on_and_not_beyond_what_was_sent() {
    let told = |ends: &mut [End; 2], read: u64| {
        let positions = numbers([read, 0, 0, 0, 0]);
        ends[0].mirror.take(&record(POSITIONS, 0, 0, 40, &positions))
    };
    let refused = |write, read| Err(Corrupt::Positions { write, read, capacity: 4096 });
    for (reads, expected) in [
        (&[8][..], refused(0, 8)),
        (&[u64::MAX - 7], refused(0, u64::MAX - 7)),
        (&[1], refused(0, 1)),
    ] {
        let outcome = reads.iter().try_for_each(|read| told(&mut ends(SMALL), *read));
        assert_eq!(outcome, expected);
    }
    let mut ends = ends(SMALL);
    assert!(ends[0].push(0, 1, &[0; 40]) && ends[0].lanes.commit());
    assert_eq!(told(&mut ends, 64), refused(0, 64), "it was not sent yet");
    let mut ends = self::ends(SMALL);
    assert!(ends[0].push(0, 1, &[0; 40]) && ends[0].commit() && !ends[0].send().is_empty());
    assert_eq!(told(&mut ends, 72), refused(64, 72));
    assert_eq!(told(&mut ends, 60), refused(64, 60));
    told(&mut ends, 64).unwrap();
    told(&mut ends, 64).unwrap();
    assert_eq!(told(&mut ends, 56), refused(64, 56));
}

#[test]
fn random_streams_are_taken_or_refused_and_never_seen_outside_of_their_rings() {
    each_seed(200, |random| {
        let [_, mut client] = ends(SMALL);
        for _ in 0..200 {
            let len = random.pick(&[8, 16, 40, 4096]);
            let what = random.pick(&[0, 1, 2, 3, 4, POSITIONS, WORDS]);
            let flags = if what < POSITIONS { random.pick(&[0, PUBLISHED, LAP, 3]) } else { 0 };
            let body = match what {
                POSITIONS => numbers([0; NUMBERS]),
                _ => random.bytes(len),
            };
            let stream = record(what, flags, 0, u32::try_from(body.len()).unwrap(), &body);
            if client.mirror.take(&stream).is_err() {
                break;
            }
            match client.lanes.incoming.next(Scope::ALL) {
                Ok(Some(_)) => panic!("noise was taken for a frame"),
                Ok(None) => {}
                Err(_) => break,
            }
        }
    });
}
