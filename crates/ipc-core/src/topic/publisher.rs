//! Publishing: a file with a ring, and the readers it waits for.

use std::time::Duration;

use super::ring::{Ring, payload_max_of};
use super::slots::{SLOT_LEN, SLOTS, Slots};
use super::{Held, TOPIC_CAPACITY_DEFAULT, Writer, check_capacity};
use crate::error::{Code, Error, Result};
use crate::header::Codec;
use crate::memory::Segment;
use crate::published::head::{Format, Head, Kind, Shape};
use crate::published::owned::{Standing, in_use};
use crate::published::place::Name;
use crate::published::shared::{SLOTS_START, Shared, name_beside};
use crate::published::{Owned, Place, WatchId, Watcher};
use crate::sys::kill_point;
use crate::time::Time;

/// How long a wait for readers lasts at most before the next look: whether there is a little room,
/// and whether they still live. They ring when there is much room, and their files are closed when
/// they die; this is for what does not ring.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How a topic is made.
#[derive(Clone, Debug)]
pub struct TopicOptions {
    /// Bytes of the ring, a power of two from 4096 on: what was published stays as long as it lies
    /// there. The longest message is a quarter of it, less 24 bytes.
    pub capacity: usize,
    /// What the messages are.
    pub format: Format,
    /// Takes the name from a publisher that lives.
    pub take_over: bool,
    /// How long [`TopicPublisher::publish`] waits for lossless subscribers. One that holds it up
    /// longer is cut off.
    pub timeout: Duration,
}

impl Default for TopicOptions {
    fn default() -> Self {
        let format = Format::of(Codec::Bytes);
        Self {
            capacity: TOPIC_CAPACITY_DEFAULT,
            format,
            take_over: false,
            timeout: Duration::from_secs(1),
        }
    }
}

/// The one publisher of a topic. What it does for a message is the same for any number of
/// subscribers; only lossless ones can make it wait, for a bounded time.
///
/// Dropped, it leaves behind what it has published.
pub struct TopicPublisher {
    owned: Owned,
    writer: Writer<Segment, Segment>,
    readers: Shared,
    options: TopicOptions,
    /// Who holds up the message that was refused last.
    held: u64,
    /// Slots whose time is over: that message goes past them, whatever they say by then.
    passed_over: u64,
    is_waiting: bool,
    /// What waits for readers, once it was necessary.
    watcher: Option<Watcher>,
    stats: TopicPublisherStats,
}

/// What a publisher has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicPublisherStats {
    /// Messages that were published.
    pub published: u64,
    /// Messages that had to wait for lossless subscribers.
    pub waits: u64,
    /// Lossless subscribers that took longer than the timeout.
    pub cut_off: u64,
}

impl TopicPublisher {
    /// Becomes the publisher of the topic `name`. [`Code::NameInUse`]: it has one that lives.
    pub fn create(name: &str, place: &Place, options: &TopicOptions) -> Result<Self> {
        check_capacity(options.capacity)?;
        let name = Name::new(place, name, Kind::Topic)?;
        let shape = shape(options)?;
        let owned = Owned::create(&name, &shape, options.take_over, number)?;
        let (readers, writer) = begin(&owned)?;
        Ok(Self {
            owned,
            writer,
            readers,
            options: options.clone(),
            held: 0,
            passed_over: 0,
            is_waiting: false,
            watcher: None,
            stats: TopicPublisherStats::default(),
        })
    }

    /// Publishes a message. Returns its number, from 1 on.
    ///
    /// It waits where lossless subscribers have not read yet what it would overwrite, as long as
    /// the options say; then it goes on without them. [`Code::NameInUse`]: another publisher has
    /// taken the name. [`Code::TooLarge`]: longer than [`Self::payload_max`].
    #[inline]
    pub fn publish(&mut self, payload: &[u8]) -> Result<u64> {
        let timeout = self.options.timeout;
        self.publish_within(payload, timeout)
    }

    /// The same with a timeout of its own.
    #[inline]
    pub fn publish_within(&mut self, payload: &[u8], timeout: Duration) -> Result<u64> {
        let number = match self.append(payload)? {
            Some(number) => number,
            None => self.wait_and_append(payload, timeout)?,
        };
        self.show();
        Ok(number)
    }

    /// Publishes several messages and wakes subscribers once. Returns the number of the last one;
    /// that of the last one before, if there is none among them.
    pub fn publish_all<P: AsRef<[u8]>>(
        &mut self,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<u64> {
        let timeout = self.options.timeout;
        let appended = payloads.into_iter().try_for_each(|payload| {
            let payload = payload.as_ref();
            if self.append(payload)?.is_none() {
                self.wait_and_append(payload, timeout)?;
            }
            Ok(())
        });
        // Also what came before one that has failed.
        self.show();
        appended.map(|()| self.writer.sequence())
    }

    /// Writes a message that subscribers see after [`Self::show`], and earlier if there is much of
    /// it. Returns its number; `None` while lossless subscribers hold it up, who ring as long as it
    /// waits: see [`Self::watch_readers`].
    #[inline]
    pub fn append(&mut self, payload: &[u8]) -> Result<Option<u64>> {
        let now = Time::now();
        match self.owned.standing(now) {
            Standing::Whole if self.owned.has_looked(now) => self.keep_readers(),
            Standing::Whole => {}
            standing => self.begin_again(standing)?,
        }
        if payload.len() > self.payload_max() {
            return Err(self.too_large(payload.len()));
        }
        let appended = match self.writer.append(payload, now.as_nanos()) {
            Ok(number) => {
                if self.is_waiting {
                    self.wait_no_longer();
                }
                Some(number)
            }
            Err(held) => self.append_held(payload, now, held),
        };
        self.stats.published += u64::from(appended.is_some());
        Ok(appended)
    }

    /// Shows subscribers what was appended, and wakes them.
    #[inline]
    pub fn show(&mut self) {
        if self.writer.show() {
            self.owned.ring();
            kill_point("ring");
        }
    }

    /// Goes on without the subscribers that hold a message up.
    pub fn cut_off(&mut self) {
        for slot in slots_of(self.held) {
            self.writer.cut_off(slot);
            self.stats.cut_off += 1;
        }
        self.passed_over |= self.held;
        self.held = 0;
    }

    /// Subscribers do not ring any more when they make room: there is enough, or it is not
    /// waited for.
    pub fn wait_no_longer(&mut self) {
        if self.is_waiting {
            (self.is_waiting, self.passed_over) = (false, 0);
            self.writer.set_waiting(false);
        }
    }

    /// Has the watcher say when lossless subscribers may have made room.
    pub fn watch_readers(&self, watcher: &mut Watcher) -> WatchId {
        let name = self.owned.name();
        watcher.add(&Name { file: name_beside(&name.file), ..name.clone() })
    }

    /// The number of the last message; 0: there is none yet in this file.
    pub fn number(&self) -> u64 {
        self.writer.sequence()
    }

    /// Bytes of the longest message.
    pub fn payload_max(&self) -> usize {
        payload_max_of(self.options.capacity)
    }

    /// How long [`Self::publish`] waits.
    pub fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// What was counted.
    pub fn stats(&self) -> TopicPublisherStats {
        self.stats
    }

    /// Ends it and removes its file: subscribers that come later find nothing.
    pub fn remove(self) {
        self.owned.remove();
    }

    /// The dead among those that hold it up do so no longer; the others are asked to ring.
    #[cold]
    fn append_held(&mut self, payload: &[u8], now: Time, held: Held) -> Option<u64> {
        // What was appended before is visible by now.
        self.owned.ring();
        let mut held = held.slots;
        for _ in 0..=SLOTS {
            let dead = slots_of(held).filter(|slot| !self.readers.is_claimed(*slot));
            dead.for_each(|slot| self.writer.cut_off(slot));
            if !self.is_waiting {
                self.is_waiting = true;
                self.stats.waits += 1;
                self.writer.set_waiting(true);
            }
            match self.writer.append_past(self.passed_over, payload, now.as_nanos()) {
                Ok(number) => {
                    self.wait_no_longer();
                    return Some(number);
                }
                Err(again) if again.slots == held => break,
                Err(again) => held = again.slots,
            }
        }
        self.held = held;
        None
    }

    #[cold]
    fn wait_and_append(&mut self, payload: &[u8], timeout: Duration) -> Result<u64> {
        let until = Time::after(timeout);
        loop {
            let left = until.saturating_since(Time::now());
            if left.is_zero() {
                self.cut_off();
            } else {
                self.wait_for_readers(left.min(LOOK_INTERVAL));
            }
            if let Some(number) = self.append(payload)? {
                return Ok(number);
            }
        }
    }

    fn wait_for_readers(&mut self, span: Duration) {
        if self.watcher.is_none()
            && let Ok(mut watcher) = Watcher::new()
        {
            self.watch_readers(&mut watcher);
            self.watcher = Some(watcher);
            // They may have rung before anybody listened.
            return;
        }
        match &mut self.watcher {
            Some(watcher) => {
                watcher.wait(Some(span));
                watcher.take(&mut Vec::new());
            }
            // There are few queues of the kernel's per user.
            None => std::thread::sleep(span.min(Duration::from_millis(1))),
        }
    }

    #[cold]
    fn begin_again(&mut self, standing: Standing) -> Result<()> {
        // Who has the file reads it to its end, and nothing is shown there later.
        self.show();
        if standing == Standing::Superseded {
            return Err(in_use(self.owned.name(), None));
        }
        self.owned.replace(&shape(&self.options)?, number)?;
        // In between, the writer is one of the file before, which is not found any more.
        let begun = begin(&self.owned);
        (self.readers, self.writer) = begun.inspect_err(|_| self.owned.take_back())?;
        self.forget_who_waits();
        Ok(())
    }

    /// Makes the file of its readers anew, if it was removed. Those that have slots in the old one
    /// are waited for as long as they are there; until then no reader joins them.
    #[cold]
    fn keep_readers(&mut self) {
        let is_used = |readers: &Shared| (0..SLOTS).any(|slot| readers.is_claimed(slot));
        if self.readers.is_beside(self.owned.path()) || is_used(&self.readers) {
            return;
        }
        // Where that fails, its readers say so.
        if let Ok(readers) = Shared::make(self.owned.path(), SLOTS * SLOT_LEN) {
            self.wait_no_longer();
            self.writer.set_slots(slots_in(&readers));
            self.readers = readers;
            self.forget_who_waits();
        }
    }

    fn forget_who_waits(&mut self) {
        (self.held, self.passed_over, self.is_waiting, self.watcher) = (0, 0, false, None);
    }

    #[cold]
    fn too_large(&self, len: usize) -> Error {
        let (name, max) = (self.owned.name().shown(), self.payload_max());
        let message = format!(
            "{name} takes messages of at most {max} bytes, a quarter of its ring: got {len}"
        );
        Error::new(Code::TooLarge, message)
    }
}

/// Gives a file a number that no other has: generations begin anew after a file was removed, and
/// time does not.
fn number(segment: &Segment, _: &Head, _: Option<&Segment>) -> Result<()> {
    Ring::begin(segment, Time::now().as_nanos());
    Ok(())
}

/// The writer of a file in which there is nothing yet.
fn begin(owned: &Owned) -> Result<(Shared, Writer<Segment, Segment>)> {
    let readers = Shared::make(owned.path(), SLOTS * SLOT_LEN)?;
    let slots = slots_in(&readers);
    let ring = Ring::in_file(&owned.head, &owned.segment)?;
    let file = ring.file();
    Ok((readers, Writer::new(ring, slots, file)))
}

fn slots_in(readers: &Shared) -> Slots<Segment> {
    Slots::new(readers.segment.clone(), SLOTS_START, SLOTS)
}

fn shape(options: &TopicOptions) -> Result<Shape> {
    options.format.check()?;
    Ok(Shape {
        kind: Kind::Topic,
        capacity: options.capacity as u64,
        second: payload_max_of(options.capacity) as u64,
        data_len: options.capacity,
        format: options.format.clone(),
    })
}

/// The numbers of the bits that are set.
fn slots_of(bits: u64) -> impl Iterator<Item = usize> {
    (0..SLOTS).filter(move |slot| bits >> slot & 1 != 0)
}
