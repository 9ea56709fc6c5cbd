//! Frames on a socket, as `benches/peers/uds.mjs` writes them, so that either side may be that one:
//!
//! ```text
//! u32 length · u32 id << 2 | kind · payload        little endian
//! ```

use std::io::{self, IoSlice, Read, Write};

use serde_json::Value;

use crate::adapter::{Channel, Result};
use crate::measured::Messages;
use crate::payload::Reader;

const HEADER_LEN: usize = 8;
/// Read at once.
const BUFFER_LEN: usize = 256 << 10;
/// Gathered before it is written.
const GATHERED: usize = 64 << 10;
/// Longer payloads are written from where they lie.
pub const COPIED_MAX: usize = 16 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Not answered.
    OneWay = 0,
    /// To be answered with the same id.
    Request = 1,
    /// The answer.
    Reply = 2,
}

/// One that has come.
#[derive(Debug)]
pub struct Frame<'a> {
    /// A [`Kind`], or what its author takes for one.
    pub kind: u32,
    /// Of a request and of its answer.
    pub id: u32,
    /// What is in it.
    pub payload: &'a [u8],
}

/// Ids have 30 bits.
pub fn next_id(id: u32) -> u32 {
    (id + 1) & (u32::MAX >> 2)
}

/// Adds a header to what is to be written.
pub fn put_header(out: &mut Vec<u8>, kind: Kind, id: u32, len: usize) {
    let len = u32::try_from(len).expect("payloads are shorter than 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(id << 2 | kind as u32).to_le_bytes());
}

/// Bytes that have come, whole frames and the beginning of one.
pub struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Default for Incoming {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER_LEN], start: 0, end: 0 }
    }
}

impl Incoming {
    /// Where to put what comes next. Never empty once [`Self::next`] has found no frame.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let needed = HEADER_LEN + self.header().map_or(0, |(len, _)| len);
        if self.start + needed > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if needed > self.buffer.len() {
                self.buffer.resize(needed.next_power_of_two(), 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes have come into it.
    pub fn came(&mut self, len: usize) {
        self.end += len;
    }

    /// The next whole frame.
    #[expect(clippy::should_implement_trait, reason = "each is lent until the next is asked for")]
    pub fn next(&mut self) -> Option<Frame<'_>> {
        let (len, word) = self.header()?;
        let start = self.start + HEADER_LEN;
        if start + len > self.end {
            return None;
        }
        self.start = start + len;
        Some(Frame { kind: word & 3, id: word >> 2, payload: &self.buffer[start..self.start] })
    }

    fn header(&self) -> Option<(usize, u32)> {
        let header: &[u8; HEADER_LEN] = self.buffer[self.start..self.end].first_chunk()?;
        let [a, b, c, d, e, f, g, h] = *header;
        Some((u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h])))
    }
}

/// Frames on a stream that blocks.
pub struct Framed<S> {
    stream: S,
    incoming: Incoming,
    outgoing: Vec<u8>,
}

impl<S: Read + Write> Framed<S> {
    /// Nothing has come yet.
    pub fn new(stream: S) -> Self {
        Self { stream, incoming: Incoming::default(), outgoing: Vec::new() }
    }

    /// Serves until the other side is gone.
    pub fn serve(mut self, mut reader: Reader) -> io::Result<()> {
        loop {
            let Self { stream, incoming, outgoing } = &mut self;
            while let Some(Frame { kind, id, payload }) = incoming.next() {
                if kind == Kind::Request as u32 {
                    reader.touch(payload);
                    put(stream, outgoing, Kind::Reply, id, payload)?;
                } else {
                    reader.got(payload);
                }
            }
            self.flush()?;
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.outgoing)?;
        self.outgoing.clear();
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let len = self.stream.read(self.incoming.room())?;
        self.incoming.came(len);
        Ok(len)
    }
}

/// Gathers a frame, or writes it with all that was gathered before.
fn put(
    stream: &mut impl Write,
    gathered: &mut Vec<u8>,
    kind: Kind,
    id: u32,
    payload: &[u8],
) -> io::Result<()> {
    put_header(gathered, kind, id, payload.len());
    if payload.len() > COPIED_MAX {
        write_both(stream, gathered, payload)?;
        gathered.clear();
        return Ok(());
    }
    gathered.extend_from_slice(payload);
    if gathered.len() >= GATHERED {
        stream.write_all(gathered)?;
        gathered.clear();
    }
    Ok(())
}

fn write_both(stream: &mut impl Write, first: &[u8], second: &[u8]) -> io::Result<()> {
    let mut slices = [IoSlice::new(first), IoSlice::new(second)];
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match stream.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => IoSlice::advance_slices(&mut left, len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The side that asks on a stream that blocks, one request at a time.
pub struct FramedChannel<S> {
    framed: Framed<S>,
    last: u32,
    /// Whether messages without answers are gathered into long writes.
    gathers: bool,
    description: Value,
}

impl<S: Read + Write> FramedChannel<S> {
    /// A channel that describes itself like this, and gathers messages without answers into long
    /// writes or not.
    pub fn new(stream: S, gathers: bool, description: Value) -> Self {
        Self { framed: Framed::new(stream), last: 0, gathers, description }
    }
}

impl<S: Read + Write> Channel for FramedChannel<S> {
    fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()> {
        let Self { framed, last, .. } = self;
        *last = next_id(*last);
        put(&mut framed.stream, &mut framed.outgoing, Kind::Request, *last, payload)?;
        framed.flush()?;
        loop {
            if let Some(frame) = framed.incoming.next() {
                if frame.kind != Kind::Reply as u32 || frame.id != *last {
                    return Err("something else came than the answer".into());
                }
                read(frame.payload);
                return Ok(());
            }
            if framed.fill()? == 0 {
                return Err(GONE.into());
            }
        }
    }

    fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        let Self { framed, gathers, .. } = self;
        while let Some(payload) = messages.next() {
            put(&mut framed.stream, &mut framed.outgoing, Kind::OneWay, 0, payload)?;
            if !*gathers {
                framed.flush()?;
            }
        }
        // Everything before it has been read when this is answered.
        self.request(&[], |_| {})
    }

    fn describe(&self) -> Value {
        self.description.clone()
    }
}

/// What to say when a stream has ended that should not have.
pub const GONE: &str = "the side that serves is gone";

#[cfg(test)]
mod tests {
    use super::*;

    /// All in pieces of one length, so that frames are torn wherever they can be.
    #[test]
    fn frames_come_out_whole_however_they_are_torn() {
        let lengths = [0, 1, 7, 8, 64, 5_000, BUFFER_LEN, 3 * BUFFER_LEN];
        let mut bytes = Vec::new();
        for (id, len) in (1..).zip(lengths) {
            put_header(&mut bytes, Kind::Request, id, len);
            bytes.extend((0..len).map(|at| at.to_le_bytes()[0]));
        }
        for piece in [1, 3, 8, 4_096, BUFFER_LEN] {
            let mut incoming = Incoming::default();
            let mut seen = Vec::new();
            let mut left = bytes.as_slice();
            while !left.is_empty() {
                let room = incoming.room();
                let len = room.len().min(piece).min(left.len());
                room[..len].copy_from_slice(&left[..len]);
                incoming.came(len);
                left = &left[len..];
                while let Some(Frame { kind, id, payload }) = incoming.next() {
                    assert_eq!((kind, id as usize), (1, seen.len() + 1));
                    let whole = |(at, byte): (usize, &u8)| *byte == at.to_le_bytes()[0];
                    assert!(payload.iter().enumerate().all(whole));
                    seen.push(payload.len());
                }
            }
            assert_eq!(seen, lengths);
        }
    }
}
