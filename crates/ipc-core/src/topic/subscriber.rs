//! Subscribing: a topic's file and all those that take its place.

use std::path::Path;
use std::time::Duration;

use super::cursor::{Mode, Start};
use super::ring::Ring;
use super::slots::{SLOT_LEN, SLOTS, Slot, Slots};
use super::{Cursor, Next};
use crate::error::{Code, Error, Result};
use crate::memory::Segment;
use crate::published::head::{Format, Kind};
use crate::published::place::Name;
use crate::published::shared::{SLOTS_START, Shared};
use crate::published::{Opened, Place, WatchId, Watcher};
use crate::time::Time;

/// How often a subscriber that has read everything looks whether another file has the name, at
/// most. A publisher that takes the place of another says so in the other's file; this is for files
/// that were removed.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// A message. The bytes are a copy of the subscriber's own, until its next read.
#[derive(Clone, Copy, Debug)]
pub struct TopicMessage<'a> {
    /// The message.
    pub bytes: &'a [u8],
    /// Its number in its file, from 1 on.
    pub number: u64,
    /// Of its file, which another publisher, or the same one once it is restarted, makes anew.
    pub generation: u64,
    /// When it was published, on the clock of [`Time::now`].
    pub written_at: Time,
    /// Messages that this subscriber has missed just before it.
    pub skipped: u64,
    /// It is the first one of another publisher than the one before.
    pub is_restarted: bool,
}

/// What a subscriber has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicStats {
    /// Messages that were read.
    pub received: u64,
    /// Messages that were missed, or passed by in the mode [`Mode::Latest`].
    pub skipped: u64,
    /// Messages, and files, that were corrupt.
    pub corrupt: u64,
    /// Files that were read, one after the other.
    pub generations: u64,
}

/// One of any number of subscribers. It can be made before there is a publisher, and outlives all
/// of them.
pub struct TopicSubscriber {
    name: Name,
    mode: Mode,
    /// Where to start in what was there from the start, until that is read.
    start: Option<Start>,
    source: Option<Source>,
    /// Of one that must miss nothing, and was there before there was a file.
    early: Option<Seat>,
    /// The next message is the first one of its file, and not of the first file.
    is_restarted: bool,
    /// The same of the one that was read last.
    is_last_restarted: bool,
    looked_at: Time,
    /// Why it has ended.
    ended: Option<Code>,
    stats: TopicStats,
}

/// One file.
struct Source {
    opened: Opened,
    cursor: Cursor<Segment>,
    /// Of a subscriber that must miss nothing.
    seat: Option<Seat>,
}

/// What there is at a path.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Opening {
    Nothing,
    /// A file whose publisher is about to make that of its readers.
    NotYet,
    Source(Source),
}

/// A place among those who are waited for.
struct Seat {
    // Given back before its lock is.
    slot: Slot<Segment>,
    readers: Shared,
}

impl TopicSubscriber {
    /// Subscribes to the topic `name`, whether or not there is one by now. Where it starts is about
    /// what is there now: of a publisher that comes later it gets everything from the beginning.
    ///
    /// # Errors
    /// What there is under this name is no topic, or not this user's, or cannot be read.
    /// [`Code::Full`]: there are 64 lossless subscribers.
    pub fn open(name: &str, place: &Place, mode: Mode, start: Start) -> Result<Self> {
        let mut this = Self {
            name: Name::new(place, name, Kind::Topic)?,
            mode,
            start: Some(start),
            source: None,
            early: None,
            is_restarted: false,
            is_last_restarted: false,
            looked_at: Time::default(),
            ended: None,
            stats: TopicStats::default(),
        };
        this.follow()?;
        if mode == Mode::Lossless && this.source.is_none() && this.start.is_none() {
            this.early = this.sit_down()?;
        }
        Ok(this)
    }

    /// The next message; `None`: all was read.
    ///
    /// # Errors
    /// Of a lossless subscriber: [`Code::Lagged`], because it has held its publisher up for too
    /// long and misses messages from here on, or [`Code::Corrupt`]. It is over then. Others count
    /// what is corrupt and go on.
    #[inline]
    pub fn read(&mut self) -> Result<Option<TopicMessage<'_>>> {
        Ok(if self.advance()? { self.last() } else { None })
    }

    /// The same without the message, which [`Self::last`] is from then on: whether there was one.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        if let Some(code) = self.ended {
            return Err(over(code));
        }
        if !self.look()? && !self.look_further()? {
            return Ok(false);
        }
        self.is_last_restarted = std::mem::take(&mut self.is_restarted);
        Ok(true)
    }

    /// The message that was read last.
    #[inline]
    pub fn last(&self) -> Option<TopicMessage<'_>> {
        let source = self.source.as_ref()?;
        let record = source.cursor.last();
        Some(TopicMessage {
            bytes: record.payload,
            number: record.sequence,
            generation: source.opened.head.generation,
            written_at: Time::from_nanos(record.written_at),
            skipped: record.skipped,
            is_restarted: self.is_last_restarted,
        })
    }

    /// Reads from the file there is. Returns whether there was a message.
    #[inline]
    fn look(&mut self) -> Result<bool> {
        let Some(source) = &mut self.source else { return Ok(false) };
        // After bytes that cannot be it goes on behind all there is, so that twice is enough.
        for _ in 0..2 {
            if source.seat.as_ref().is_some_and(|seat| seat.slot.is_cut_off()) {
                return self.end(Code::Lagged);
            }
            match source.cursor.next() {
                Ok(Next::Record(record)) => {
                    self.stats.received += 1;
                    // Not all numbers come from publishers.
                    self.stats.skipped = self.stats.skipped.saturating_add(record.skipped);
                    if let Some(seat) = &source.seat
                        && source.cursor.advance(&seat.slot)
                    {
                        seat.readers.ring();
                    }
                    return Ok(true);
                }
                Ok(Next::Empty) => return Ok(false),
                Ok(Next::Overtaken) => return self.end(Code::Lagged),
                // There are zeros where nothing is any more.
                Err(_) if source.opened.segment.is_lost() => return Ok(false),
                Err(_) => {
                    self.stats.corrupt += 1;
                    if self.mode == Mode::Lossless {
                        return self.end(Code::Corrupt);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Moves to another file where there is one, and reads from that.
    #[cold]
    fn look_further(&mut self) -> Result<bool> {
        match &self.source {
            // What was published before it was replaced is read first.
            Some(source) if source.opened.is_over() => {
                if !source.opened.segment.is_lost() && self.look()? {
                    return Ok(true);
                }
            }
            _ => {
                let now = Time::now();
                if now.saturating_since(self.looked_at) < LOOK_INTERVAL {
                    return Ok(false);
                }
                self.looked_at = now;
            }
        }
        Ok(self.follow()? && self.look()?)
    }

    /// Moves to the file that has the name now, if it is another one. One that cannot be read is
    /// left alone as long as there is one that can. One that comes when there was none is read from
    /// its beginning.
    fn follow(&mut self) -> Result<bool> {
        let (mut failure, mut is_there) = (None, false);
        let paths: Vec<_> =
            self.name.places.candidates().map(|place| place.join(&self.name.file)).collect();
        for path in paths {
            if self.source.as_ref().is_some_and(|source| source.opened.is_at(&path)) {
                return Ok(false);
            }
            match self.open_at(&path) {
                Ok(Opening::Nothing) => {}
                Ok(Opening::NotYet) => is_there = true,
                Ok(Opening::Source(source)) => {
                    self.start = None;
                    self.is_restarted = self.source.is_some();
                    self.stats.generations += 1;
                    self.source = Some(source);
                    return Ok(true);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if !is_there {
            self.start = None;
        }
        match failure {
            Some(error) if self.source.is_none() || self.mode == Mode::Lossless => Err(error),
            Some(_) => {
                self.stats.corrupt += 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    fn open_at(&mut self, path: &Path) -> Result<Opening> {
        let Some(opened) = Opened::open(path, Kind::Topic)? else { return Ok(Opening::Nothing) };
        let ring = Ring::in_file(&opened.head, &opened.segment)?;
        let file = ring.file();
        let mut cursor = Cursor::new(ring, self.mode);
        if self.mode != Mode::Lossless {
            if let Some(start) = self.start {
                cursor.start(start)?;
            }
            return Ok(Opening::Source(Source { opened, cursor, seat: None }));
        }
        let kept = self.source.as_mut().and_then(|source| source.seat.take());
        let kept = kept.or_else(|| self.early.take());
        let seat = kept
            .filter(|seat| seat.readers.is_beside(path))
            .map_or_else(|| Seat::take(path), |seat| Ok(Some(seat)))?;
        let mut seat = match seat {
            Some(seat) => seat,
            // It would not look at what another has made in the place of its own.
            None if opened.has_writer() => return Ok(Opening::NotYet),
            None => match Seat::make(path)? {
                Some(seat) => seat,
                None => return Ok(Opening::NotYet),
            },
        };
        if seat.slot.is_cut_off() {
            return self.end(Code::Lagged).map(|_| Opening::Nothing);
        }
        let has_joined = match self.start {
            Some(start) => cursor.join(start, &mut seat.slot, file)?,
            None => cursor.follow(&mut seat.slot, file)?,
        };
        if !has_joined {
            return self.end(Code::Lagged).map(|_| Opening::Nothing);
        }
        Ok(Opening::Source(Source { opened, cursor, seat: Some(seat) }))
    }

    /// Takes a place where the first publisher will look, so that it waits from its first message
    /// on. As long as there is no directory there is none.
    fn sit_down(&self) -> Result<Option<Seat>> {
        let Some(directory) = self.name.places.usable().next() else { return Ok(None) };
        let mut seat = Seat::make(&directory.path().join(&self.name.file))?;
        if let Some(seat) = &mut seat {
            seat.slot.attach(0, 0);
        }
        Ok(seat)
    }

    #[cold]
    fn end(&mut self, code: Code) -> Result<bool> {
        self.ended = Some(code);
        self.source = None;
        Err(over(code))
    }

    /// Whether there may be something to read in the file there is, as of now. Two loads.
    pub fn has_more(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.cursor.has_more())
    }

    /// Whether the publisher lives whose file is read. A system call.
    pub fn has_publisher(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.opened.has_writer())
    }

    /// In which format messages are; `None`: there is no file yet.
    pub fn format(&self) -> Option<&Format> {
        self.source.as_ref().map(|source| &source.opened.head.shape.format)
    }

    /// What it wants to have.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What was counted.
    pub fn stats(&self) -> TopicStats {
        self.stats
    }

    /// Has the watcher say when there may be something new to read.
    pub fn watch(&self, watcher: &mut Watcher) -> WatchId {
        watcher.add(&self.name)
    }
}

impl Seat {
    /// The same, and makes the file if there is none.
    fn make(path: &Path) -> Result<Option<Self>> {
        Shared::make(path, SLOTS * SLOT_LEN)?;
        Self::take(path)
    }

    fn take(path: &Path) -> Result<Option<Self>> {
        let Some(readers) = Shared::open(path, SLOTS * SLOT_LEN)? else { return Ok(None) };
        let Some(index) = readers.claim(SLOTS)? else {
            let message = format!("a topic has at most {SLOTS} lossless subscribers");
            return Err(Error::new(Code::Full, message));
        };
        let slots = Slots::new(readers.segment.clone(), SLOTS_START, SLOTS);
        Ok(Some(Self { slot: slots.slot(index), readers }))
    }
}

#[cold]
fn over(code: Code) -> Error {
    let message = match code {
        Code::Lagged => "this subscriber was too slow for its publisher, and was cut off",
        _ => "this subscriber has found a message that is corrupt, and misses it",
    };
    Error::new(code, message)
}
