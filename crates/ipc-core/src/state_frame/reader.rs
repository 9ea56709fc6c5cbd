//! Reading a state frame.

use std::time::Duration;

use super::cell::{Cell, Found, Stamped};
use super::checked_cell;
use crate::error::Result;
use crate::published::head::{Format, Kind};
use crate::published::place::Name;
use crate::published::{Opened, Place, WatchId, Watcher};
use crate::time::Time;

/// A value that was written so short a time ago is answer enough to whether its writer lives: to
/// ask is a system call.
const JUST_WRITTEN: Duration = Duration::from_millis(1);

/// What a read has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameStatus {
    /// A value that this reader has not had before.
    Fresh,
    /// The value it has had already; the writer lives.
    Same,
    /// The last value of a writer that is gone. By its number one knows whether it is a new one.
    Stale,
    /// There is no value yet.
    Empty,
}

/// One read. The bytes are a copy of the reader's own, until its next read.
#[derive(Clone, Copy, Debug)]
pub struct FrameRead<'a> {
    /// What kind of read this was.
    pub status: FrameStatus,
    /// The value; of an empty frame nothing.
    pub bytes: &'a [u8],
    /// The value's number: it grows by one with each write, also of the next writer.
    pub number: u64,
    /// When it was written, on the clock of [`Time::now`].
    pub written_at: Time,
    /// When it was written, in nanoseconds since 1970.
    pub unix_nanos: u64,
}

/// What is known of the file that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// It grows with each file that takes the place of the one before.
    pub generation: u64,
    /// The writer's process number, for people.
    pub writer: u32,
    /// Bytes a value of this file may have.
    pub capacity: usize,
    /// In which format values are.
    pub format: Format,
}

/// What a reader has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameStats {
    /// Reads that found a new value.
    pub fresh: u64,
    /// Values that were written and never read: a newer one was there before.
    pub skipped: u64,
    /// Values, and files, that were corrupt; the last good value was read.
    pub corrupt: u64,
    /// Reads that the writer has overtaken time and again; the last value was read.
    pub overtaken: u64,
    /// Files that were read, one after the other.
    pub generations: u64,
}

/// One of any number of readers of a state frame. It can be made before there is a writer, and
/// outlives all of them.
pub struct StateFrameReader {
    name: Name,
    file: Option<Source>,
    /// The last good value, and where the next one is copied to.
    value: Vec<u8>,
    next: Vec<u8>,
    last: Stamped,
    status: FrameStatus,
    /// The number of the newest value of this file, good or corrupt, that was dealt with.
    seen: u64,
    stats: FrameStats,
}

struct Source {
    opened: Opened,
    cell: Cell,
    head: FrameHead,
}

impl StateFrameReader {
    /// A reader of the frame `name`, whether or not there is one by now.
    pub fn open(name: &str, place: &Place) -> Result<Self> {
        Ok(Self {
            name: Name::new(place, name, Kind::Frame)?,
            file: None,
            value: Vec::new(),
            next: Vec::new(),
            last: Stamped::default(),
            status: FrameStatus::Empty,
            seen: 0,
            stats: FrameStats::default(),
        })
    }

    /// Reads the newest value. It takes no lock and never waits, and what is read is whole.
    ///
    /// # Errors
    /// What there is under this name is no frame, or not this user's, or cannot be read, and no
    /// good value was read before.
    #[inline]
    pub fn read(&mut self) -> Result<FrameRead<'_>> {
        self.status = self.look()?;
        Ok(self.last_read())
    }

    /// What the last read has found; nothing is looked at.
    #[inline]
    pub fn last_read(&self) -> FrameRead<'_> {
        let (value, last) = (&self.value, &self.last);
        FrameRead {
            status: self.status,
            bytes: value.get(..last.len).unwrap_or_default(),
            number: last.number,
            written_at: last.at,
            unix_nanos: last.unix_nanos,
        }
    }

    #[inline]
    fn look(&mut self) -> Result<FrameStatus> {
        if self.file.as_ref().is_none_or(|file| file.opened.is_over()) {
            self.follow()?;
        }
        let mut is_fresh = self.copy();
        let mut is_written = self.is_written(is_fresh);
        if !is_written {
            // Another writer may have come without the last one's file: look for its own.
            self.follow()?;
            is_fresh |= self.copy();
            is_written = self.is_written(is_fresh);
        }
        Ok(match (self.last.number, is_written) {
            (0, _) => FrameStatus::Empty,
            (_, false) => FrameStatus::Stale,
            (_, true) if is_fresh => FrameStatus::Fresh,
            (_, true) => FrameStatus::Same,
        })
    }

    /// Copies the newest value, if it is another one. Returns whether that has succeeded.
    #[inline]
    fn copy(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        let segment = &file.opened.segment;
        let newest = file.cell.newest(segment);
        if newest == self.seen {
            return false;
        }
        if self.next.len() < file.head.capacity {
            self.next.resize(file.head.capacity, 0);
        }
        let found = file.cell.read(segment, &mut self.next);
        // What a truncated file gives is zeros, whose checksum may be right for nothing at all.
        if file.opened.segment.is_lost() {
            return false;
        }
        match found {
            Found::Newest(value) => {
                self.seen = value.number;
                self.take(value)
            }
            Found::Before(value) => {
                self.seen = newest;
                self.stats.corrupt += 1;
                self.take(value)
            }
            Found::Corrupt => {
                self.seen = newest;
                self.stats.corrupt += 1;
                false
            }
            Found::Overtaken => {
                self.stats.overtaken += 1;
                false
            }
            Found::Nothing => false,
        }
    }

    /// The copy is the last good value from now on, if it is another than the one before it: a new
    /// file may begin with that. Returns whether it is.
    fn take(&mut self, value: Stamped) -> bool {
        if value.number == self.last.number && value.at == self.last.at {
            return false;
        }
        self.stats.fresh += 1;
        if self.last.number != 0 {
            let passed = value.number.saturating_sub(self.last.number);
            // Not all numbers come from writers.
            let skipped = passed.saturating_sub(1);
            self.stats.skipped = self.stats.skipped.saturating_add(skipped);
        }
        std::mem::swap(&mut self.value, &mut self.next);
        self.last = value;
        true
    }

    /// Whether the writer of what is read lives.
    fn is_written(&self, is_fresh: bool) -> bool {
        let Some(file) = &self.file else { return false };
        let age = || Time::now().saturating_since(self.last.at);
        is_fresh && age() < JUST_WRITTEN || file.opened.has_writer() && !file.opened.is_over()
    }

    /// Moves to the file that has the name now. One without a value is left for later, as long as
    /// there is a value of another; so is one that cannot be read.
    #[cold]
    fn follow(&mut self) -> Result<()> {
        let current = self.file.as_ref().map(|file| &file.opened);
        let found = self.name.another(current, Source::of);
        let has_value = self.last.number != 0;
        match found {
            Ok(None) => Ok(()),
            Ok(Some(source)) => {
                if !has_value || source.cell.newest(&source.opened.segment) != 0 {
                    self.file = Some(source);
                    self.seen = 0;
                    self.stats.generations += 1;
                }
                Ok(())
            }
            Err(error) => {
                self.stats.corrupt += 1;
                if has_value { Ok(()) } else { Err(error) }
            }
        }
    }

    /// What is known of the file that is read; `None`: there is none yet.
    pub fn head(&self) -> Option<&FrameHead> {
        self.file.as_ref().map(|file| &file.head)
    }

    /// What was counted.
    pub fn stats(&self) -> FrameStats {
        self.stats
    }

    /// Has the watcher say when there may be something new to read.
    pub fn watch(&self, watcher: &mut Watcher) -> WatchId {
        watcher.add(&self.name)
    }
}

impl Source {
    fn of(opened: Opened) -> Result<Self> {
        let cell = checked_cell(&opened.head)?;
        let head = FrameHead {
            generation: opened.head.generation,
            writer: opened.head.writer,
            capacity: usize::try_from(opened.head.shape.capacity).expect("checked above"),
            format: opened.head.shape.format.clone(),
        };
        Ok(Self { opened, cell, head })
    }
}
