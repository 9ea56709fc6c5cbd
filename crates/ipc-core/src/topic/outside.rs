//! What a topic says of itself without its messages.

use std::path::Path;

use super::ring::Ring;
use super::slots::{SLOT_LEN, SLOTS, Slots};
use crate::error::Result;
use crate::published::Opened;
use crate::published::shared::{SLOTS_START, Shared};
use crate::time::Time;

/// A topic as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Bytes of its ring.
    pub capacity: u64,
    /// Bytes of the longest message.
    pub message_len_max: usize,
    /// The number of the newest message; 0: there is none in this file.
    pub number: u64,
    /// When that was published, on the clock of [`Time::now`].
    pub written_at: Option<Time>,
    /// Its lossless subscribers that live, in no order. The others leave no trace.
    pub lossless: Vec<LosslessReader>,
}

/// A subscriber that the publisher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LosslessReader {
    /// Bytes of the ring it has not read yet; `None`: it has not come to this file yet.
    pub behind: Option<u64>,
    /// The publisher waits for it no longer: it has held that up for too long.
    pub is_cut_off: bool,
}

pub(crate) fn state_of(file: &Opened, path: &Path) -> Result<TopicState> {
    let ring = Ring::in_file(&file.head, &file.segment)?;
    let newest = ring.newest();
    let (own, tail) = (ring.file(), ring.tail()?);
    let readers = Shared::look(path, SLOTS * SLOT_LEN)?;
    let lossless = readers.iter().flat_map(|readers| {
        let slots = Slots::new(readers.segment.clone(), SLOTS_START, SLOTS);
        (0..SLOTS).filter(|slot| readers.is_claimed(*slot)).map(move |slot| {
            let reader = slots.reader(slot);
            let behind = reader.as_ref().filter(|reader| reader.file == own);
            LosslessReader {
                // What a reader claims may be anything.
                behind: behind.map(|reader| tail.saturating_sub(reader.position)),
                is_cut_off: slots.is_cut_off(slot),
            }
        })
    });
    Ok(TopicState {
        capacity: ring.capacity,
        message_len_max: ring.payload_max,
        number: newest.map_or(0, |(number, _)| number),
        written_at: newest.map(|(_, at)| Time::from_nanos(at)),
        lossless: lossless.collect(),
    })
}
