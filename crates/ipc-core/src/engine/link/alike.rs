//! Reading messages that differ in nothing but their ids and payloads: one-way messages of one
//! event, items, answers. What has to be known of such a message is found out once; the others are
//! copied out together, where the host has memory for that, and checked in the copy.

use super::receiving::budget_of;
use super::{Carrier, Link};
use crate::checksum::{self, CrcMode};
use crate::engine::carrier::Payload;
use crate::engine::host::{ALIKE_LEN_MAX, Host, Readiness};
use crate::error::Corrupt;
use crate::header::{HEADER_LEN, Header, bytes_to_words, frame_len};
use crate::lanes::frame_cost;
use crate::time::Time;

/// Bytes copied at once: few at first, because what follows may be something else and is copied in
/// vain then.
const AHEAD_FIRST: usize = 1 << 10;

/// What was read of a copy.
#[derive(Default)]
struct Read {
    bytes: usize,
    /// Of what may be read at once.
    budget: u32,
    /// Of the ring's quota.
    cost: i64,
}

impl<C: Carrier> Link<C> {
    /// Goes on with frames like the one that was just read.
    #[inline]
    pub(super) fn read_alike(
        &mut self,
        ring: usize,
        budget: u32,
        frames: &mut u32,
        host: &mut impl Host,
    ) -> Result<(), Corrupt> {
        let model = *self.carrier.header(ring);
        if !self.session.receives_alike(ring, &model) {
            return Ok(());
        }
        let mut ahead = AHEAD_FIRST;
        while *frames < budget
            && host.readiness(self.id) == Readiness::All
            && self.may_read_items()
            && self.carrier.next_in(ring)?
            && self.carrier.header(ring).is_like(&model)
        {
            let read = self.copy_alike(ring, &model, ahead, budget - *frames, host);
            if read > 0 {
                *frames += read;
                ahead = (ahead * 2).min(ALIKE_LEN_MAX);
                continue;
            }
            let (id, payload) = (self.carrier.header(ring).id, self.carrier.payload(ring));
            // What is unusual about it is found, and reported, when it is read by itself.
            if !self.session.receive_alike(id, payload.len()) {
                break;
            }
            host.message(self.id, self.session.message(), payload.into_body())?;
            self.session.delivered(Time::now);
            *frames += self.step_over(ring);
        }
        Ok(())
    }

    /// Copies what comes next, and reads of it what is alike. Returns what that counts in the
    /// budget: nothing if the host has no memory for it.
    #[inline]
    fn copy_alike(
        &mut self,
        ring: usize,
        model: &Header,
        ahead: usize,
        budget: u32,
        host: &mut impl Host,
    ) -> u32 {
        let len = frame_len(self.carrier.header(ring).len as usize).max(ahead);
        if len > ALIKE_LEN_MAX {
            return 0;
        }
        let message = *self.session.message();
        let Some(room) = host.room_for_alike(self.id, &message, len) else { return 0 };
        let copied = self.carrier.copy_ahead(ring, room);
        let read = self.take_alike(model, &room[..copied], budget, self.carrier.quota(ring));
        if read.bytes > 0 {
            host.received_alike(self.id, &message, read.bytes);
            self.carrier.skip(ring, read.bytes, read.cost);
        }
        read.budget
    }

    /// Takes in the frames at the start of a private copy, as long as they are like `model`.
    #[inline]
    fn take_alike(&mut self, model: &Header, copy: &[u8], budget: u32, quota: i64) -> Read {
        let mut frames = Frames::new(model, self.peer.agreement.crc, copy);
        let mut read = Read::default();
        while read.budget < budget
            && read.cost < quota
            && self.may_read_items()
            && let Some(header) = frames.next()
            && self.session.receive_alike(header.id, header.len as usize)
        {
            self.session.delivered(Time::now);
            read.bytes += frame_len(header.len as usize);
            read.budget += budget_of(header.len);
            read.cost += frame_cost(header.len);
        }
        read
    }

    /// Whether the application has not too many items to read already.
    #[inline]
    fn may_read_items(&self) -> bool {
        self.session.unread() <= self.bounds.unread_max
    }
}

/// The frames in a private copy that are like `model` and sound, up to the first that is not.
struct Frames<'a> {
    model: &'a Header,
    crc: CrcMode,
    rest: &'a [u8],
    /// The checksum of the last header, and what it is of. One-way messages as long as the one
    /// before them have the same.
    sealed: u32,
    sealed_for: (u64, u32),
}

impl<'a> Frames<'a> {
    fn new(model: &'a Header, crc: CrcMode, rest: &'a [u8]) -> Self {
        Self { model, crc, rest, sealed: 0, sealed_for: (u64::MAX, u32::MAX) }
    }

    #[inline]
    fn next(&mut self) -> Option<Header> {
        let (header, behind) = self.rest.split_first_chunk()?;
        let words = bytes_to_words(header);
        let (header, found) = self.model.alike(words)?;
        let len = header.len as usize;
        // A length that was not checked may be one that no memory holds.
        if len > behind.len() {
            return None;
        }
        let end = frame_len(len) - HEADER_LEN;
        if end > behind.len() {
            return None;
        }
        if self.crc == CrcMode::Header && (header.id, header.len) != self.sealed_for {
            (self.sealed_for, self.sealed) = ((header.id, header.len), checksum::of_header(words));
        }
        let is_sound = match self.crc {
            CrcMode::Off => true,
            CrcMode::Header => found == self.sealed,
            CrcMode::Full => found == checksum::of_frame(words, &[&behind[..len]]),
        };
        self.rest = &behind[end..];
        is_sound.then_some(header)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::header::{Codec, Kind, words_to_bytes};
    use crate::ring::heap::HeapRegion;
    use crate::ring::{Consumer, Producer};
    use proptest::prelude::*;

    const CAPACITY: usize = 8 << 10;

    fn header(id: u64) -> Header {
        Header::new(Kind::ReplyItem, 0, id).with_codec(Codec::Bytes)
    }

    /// What a consumer reads, frame by frame, as long as frames are like the first.
    fn one_by_one(bytes: &[u8], crc: CrcMode) -> Vec<(u64, u32)> {
        let region = HeapRegion::new(CAPACITY);
        let mut producer = Producer::new(region.clone());
        producer.push_frames(bytes);
        producer.publish();
        let mut consumer = Consumer::new(region, crc);
        consumer.refresh().unwrap();
        let mut found = Vec::new();
        while let Ok(true) = consumer.peek() {
            let header = consumer.frame().header;
            let is_sound = consumer.payload().check().is_ok();
            if !header.is_like(&self::header(0)) || !is_sound {
                break;
            }
            found.push((header.id, header.len));
            consumer.advance();
        }
        found
    }

    proptest! {
        #![proptest_config(crate::seeds::properties())]

        #[test]
        fn together_reads_what_one_by_one_does(
            lens in proptest::collection::vec((0_u64..3, 0_usize..80), 1..30),
            mode in 0_u8..3,
            flipped in proptest::option::of((any::<proptest::sample::Index>(), 0_u32..8)),
            cut in any::<proptest::sample::Index>(),
        ) {
            let crc = CrcMode::from_number(mode).unwrap();
            let mut bytes = Vec::new();
            for (id, len) in lens {
                let payload = vec![7; len];
                let head = header(id).with_len(len).sealed(crc, &[&payload]);
                bytes.extend(words_to_bytes(head));
                bytes.extend(payload);
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
            if let Some((at, bit)) = flipped {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            let cut = cut.index(bytes.len() + 1) / 8 * 8;
            for copy in [&bytes[..], &bytes[..cut]] {
                let model = header(0);
                let mut frames = Frames::new(&model, crc, copy);
                let together = std::iter::from_fn(|| frames.next().map(|one| (one.id, one.len)));
                prop_assert_eq!(together.collect::<Vec<_>>(), one_by_one(copy, crc));
            }
        }
    }
}
