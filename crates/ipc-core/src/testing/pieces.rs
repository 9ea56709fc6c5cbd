//! The pieces of a link, each by itself, over a segment as a link has it: for the micro benchmarks.
//! Both ends are in one thread, so that what is seen is the work and not the way between cores.

use std::sync::Arc;

use crate::checksum::CrcMode;
use crate::doorbell::{Flags, Interest, Ringer, Sleeper};
use crate::error::Result;
use crate::header::Header;
use crate::lanes::mapped::MappedFlags;
use crate::limits::{Geometry, Lane, Limits};
use crate::memory::layout::Side;
use crate::memory::{Backing, Object, Segment};
use crate::ring::mapped::MappedRegion;
use crate::ring::{Consumer, Producer};
use crate::session::{Draft, Message, Session, Step};
use crate::time::Time;

pub use crate::checksum::{of_frame, of_header};

const GEOMETRY: Geometry = Geometry::SPARSE;

fn segment() -> Result<Arc<Segment>> {
    let (segment, _) = Object::lanes(&GEOMETRY).create(Backing::Sealed)?;
    Ok(Arc::new(segment))
}

/// Both ends of the ring of one lane.
pub struct Ring {
    crc: CrcMode,
    producer: Producer<MappedRegion>,
    consumer: Consumer<MappedRegion>,
}

impl Ring {
    /// An empty ring in a segment of its own.
    pub fn new(lane: Lane, crc: CrcMode) -> Result<Self> {
        let segment = segment()?;
        let region = || MappedRegion::new(&segment, &GEOMETRY, Side::Client, lane as usize);
        Ok(Self { crc, producer: Producer::new(region()), consumer: Consumer::new(region(), crc) })
    }

    /// Writes a frame. Returns whether there was room.
    #[inline]
    pub fn push(&mut self, header: Header, payload: &[u8]) -> Result<bool> {
        let header = header.with_len(payload.len()).sealed(self.crc, &[payload]);
        Ok(self.producer.push(header, &[payload])?)
    }

    /// Shows the reader what was written.
    #[inline]
    pub fn publish(&mut self) {
        self.producer.publish();
    }

    /// Looks at what was published. Returns whether there is something to read.
    #[inline]
    pub fn refresh(&mut self) -> Result<bool> {
        Ok(self.consumer.refresh()?)
    }

    /// Copies the payload of the next frame to the start of `bytes`, which has to hold it, and
    /// steps over the frame. Returns its header.
    #[inline]
    pub fn pop(&mut self, bytes: &mut [u8]) -> Result<Option<Header>> {
        if !self.consumer.peek()? {
            return Ok(None);
        }
        let payload = self.consumer.payload();
        let len = payload.len();
        payload.copy_to(&mut bytes[..len])?;
        let header = self.consumer.frame().header;
        self.consumer.advance();
        Ok(Some(header))
    }

    /// Gives the space of what was read back.
    #[inline]
    pub fn release(&mut self) -> bool {
        self.consumer.release()
    }
}

/// Both ends of a direction's doorbell, without the system call that wakes.
pub struct Doorbell {
    words: MappedFlags,
    published: u64,
    ringer: Ringer,
    sleeper: Sleeper,
}

impl Doorbell {
    /// Nothing published, neither side asleep.
    pub fn new() -> Result<Self> {
        let words = MappedFlags::new(&segment()?, Side::Client);
        Ok(Self { words, published: 0, ringer: Ringer::default(), sleeper: Sleeper::default() })
    }

    /// What the sleeper polls: how often something was published.
    #[inline]
    pub fn look(&self) -> u64 {
        self.words.load_published()
    }

    /// The sleeper asks to be woken for what is published, and finds nothing when it polls again.
    #[inline]
    pub fn arm(&mut self) -> bool {
        self.sleeper.arm(&self.words, Interest::DATA, || self.look() != self.published)
    }

    /// The sleeper is awake.
    #[inline]
    pub fn disarm(&mut self) {
        self.sleeper.disarm(&self.words);
    }

    /// The producer publishes. Returns whether it has to ring.
    #[inline]
    pub fn publish(&mut self) -> bool {
        self.published += 1;
        self.words.store_published(self.published);
        self.ringer.must_ring(&self.words, Interest::DATA)
    }
}

/// The sessions of both ends, and nothing between them.
pub struct Sessions([Session; 2]);

impl Sessions {
    /// Two that know the peer's name 0 on `lane`.
    pub fn new(lane: Lane) -> Result<Self> {
        let session = || Session::new(Limits::DEFAULT, false);
        let mut sessions = [session(), session()];
        for session in &mut sessions {
            let code = session.define_ours(lane, 0);
            session.define(lane, code, b"name")?;
        }
        Ok(Self(sessions))
    }

    /// Sends a message of `len` bytes from one end, 0 or 1, at `now`, and takes it in at the other,
    /// as links do. Returns what has arrived there.
    #[inline]
    pub fn carry(
        &mut self,
        from: usize,
        draft: &Draft,
        len: usize,
        now: Time,
    ) -> Result<Option<&Message>> {
        let after = |span| now + span;
        let sender = &mut self.0[from];
        let Some(code) = sender.code(draft.lane, 0) else { return Ok(None) };
        let Some(header) = sender.send(draft, code, len, after)? else { return Ok(None) };
        let (header, options) = (header.with_len(len), draft.options());
        let receiver = &mut self.0[1 - from];
        let step = receiver.receive(draft.lane as usize, &header, &options, len, after)?;
        if step != Step::Deliver || receiver.take_abandoned().is_some() {
            return Ok(None);
        }
        receiver.delivered(|| now);
        Ok(Some(receiver.message()))
    }
}
