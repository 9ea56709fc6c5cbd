//! Writing a state frame.

use super::cell::{Cell, Stamped};
use super::{FRAME_LEN_MAX, cell_at, check_capacity};
use crate::error::{Code, Error, Result};
use crate::header::Codec;
use crate::memory::Segment;
use crate::memory::words::Words;
use crate::published::head::{Format, Kind, OWN_WORDS, Shape};
use crate::published::owned::{Standing, in_use};
use crate::published::place::Name;
use crate::published::{Owned, Place};
use crate::sync::{OBSERVE, PUBLISH};
use crate::time::Time;

/// The word with the number of the last value of the files before this one. It is written before
/// the file has its name.
const BEFORE: usize = OWN_WORDS + 8;
/// Larger numbers no writer has reached.
const NUMBER_MAX: u64 = 1 << 62;

/// How a frame is made.
#[derive(Clone, Debug)]
pub struct FrameOptions {
    /// Bytes of the longest value, for now: a longer one makes a new file.
    pub capacity: usize,
    /// What the values are.
    pub format: Format,
    /// Takes the name from a writer that lives.
    pub take_over: bool,
}

impl Default for FrameOptions {
    fn default() -> Self {
        Self { capacity: 4096, format: Format::of(Codec::Bytes), take_over: false }
    }
}

/// The one writer of a state frame. It never waits for readers.
///
/// Dropped, it leaves the last value behind, which readers get as [stale].
///
/// [stale]: super::FrameStatus::Stale
pub struct StateFrameWriter {
    owned: Owned,
    cell: Cell,
    capacity: usize,
    /// Of the last value.
    number: u64,
}

impl StateFrameWriter {
    /// Becomes the writer of the frame `name`. [`Code::NameInUse`]: it has one that lives.
    pub fn create(name: &str, place: &Place, options: &FrameOptions) -> Result<Self> {
        check_capacity(options.capacity)?;
        let name = Name::new(place, name, Kind::Frame)?;
        let shape = shape(options.capacity, &options.format)?;
        let number = std::cell::Cell::new(0);
        let owned = Owned::create(&name, &shape, options.take_over, |new, _, before| {
            // Numbers go on where the last writer stopped, so that readers see what is new.
            number.set(before.map_or(0, last_number));
            new.store(BEFORE, number.get(), PUBLISH);
            Ok(())
        })?;
        let cell = cell_at(owned.head.data(), options.capacity);
        Ok(Self { owned, cell, capacity: options.capacity, number: number.get() })
    }

    /// Replaces the value. Returns its number, one more than that of the last one.
    ///
    /// A value longer than the capacity goes into a new, larger file, to which readers move by
    /// themselves. [`Code::NameInUse`]: another writer has taken the name.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result<u64> {
        let now = Time::now();
        let value = Stamped {
            number: self.number + 1,
            len: bytes.len(),
            at: now,
            unix_nanos: Time::unix_nanos(),
        };
        match self.owned.standing(now) {
            Standing::Whole if bytes.len() <= self.capacity => {
                self.cell.write(&self.owned.segment, value, bytes);
            }
            Standing::Superseded => return Err(in_use(self.owned.name(), None)),
            _ => self.move_to_another(value, bytes)?,
        }
        self.number = value.number;
        self.owned.ring();
        Ok(self.number)
    }

    /// Writes the value into a new file, because it is too long for this one, or because this one
    /// was removed.
    #[cold]
    fn move_to_another(&mut self, value: Stamped, bytes: &[u8]) -> Result<()> {
        if bytes.len() > FRAME_LEN_MAX {
            let len = bytes.len();
            let message = format!("a frame takes at most {FRAME_LEN_MAX} bytes, got {len}");
            return Err(Error::new(Code::TooLarge, message));
        }
        let capacity = self.capacity.max(bytes.len());
        let shape = shape(capacity, &self.owned.head.shape.format)?;
        self.owned.replace(&shape, |new, head, _| {
            cell_at(head.data(), capacity).write(new, value, bytes);
            Ok(())
        })?;
        self.cell = cell_at(self.owned.head.data(), capacity);
        self.capacity = capacity;
        Ok(())
    }

    /// The last value of this process or, before it has written one, of the writer before it;
    /// 0: there was none.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes that fit without a new file.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Ends it and removes its file: readers that open it later find nothing.
    pub fn remove(self) {
        self.owned.remove();
    }
}

/// The number of the last value of a file, or of those before it if there is none in this one.
fn last_number(file: &Segment) -> u64 {
    let numbers = [OWN_WORDS, BEFORE].map(|at| file.load(at, OBSERVE));
    numbers.into_iter().filter(|number| *number < NUMBER_MAX).max().unwrap_or(0)
}

fn shape(capacity: usize, format: &Format) -> Result<Shape> {
    format.check()?;
    Ok(Shape {
        kind: Kind::Frame,
        capacity: capacity as u64,
        second: 0,
        data_len: Cell::slots_len(capacity),
        format: format.clone(),
    })
}
