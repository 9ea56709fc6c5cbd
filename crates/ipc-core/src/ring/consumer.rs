//! The reading end: peek, copy out, advance, and release many at once.

use std::ptr::NonNull;

use super::mapped::MappedRegion;
use super::{Region, is_pad};
use crate::checksum::{self, CrcMode};
use crate::error::Corrupt;
use crate::header::{HEADER_LEN, Header, Kind, frame_len};
use crate::limits::frame_payload_max;
use crate::option_block::{OPTIONS_LEN_MAX, Options};

pub(crate) struct Consumer<R> {
    region: R,
    mask: usize,
    crc: CrcMode,
    /// Where the next frame starts.
    read: u64,
    /// The position the peer can see.
    released: u64,
    /// The peer's position as last seen and checked.
    write_seen: u64,
    /// Bytes of the pads that closed laps.
    padded: u64,
    /// The frame that was peeked last. It stays where it is written: moving it about costs more
    /// than all the checks.
    frame: Frame,
}

/// A frame found in the ring: a private copy of its header, and where its payload lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub header: Header,
    words: [u64; 3],
    crc: u32,
    payload: usize,
}

impl<R: Region> Consumer<R> {
    pub fn new(region: R, crc: CrcMode) -> Self {
        Self::starting_at(region, crc, 0)
    }

    pub fn starting_at(region: R, crc: CrcMode, position: u64) -> Self {
        let mask = region.capacity() - 1;
        let frame =
            Frame { header: Header::new(Kind::Control, 0, 0), words: [0; 3], crc: 0, payload: 0 };
        let (read, released, write_seen) = (position, position, position);
        Self { region, mask, crc, read, released, write_seen, padded: 0, frame }
    }

    /// Looks for the next frame in what was seen of the ring. True: [`Self::frame`] is it, its
    /// header was copied once and everything in it that concerns space has been checked. False: all
    /// was read.
    #[inline]
    pub fn peek(&mut self) -> Result<bool, Corrupt> {
        loop {
            if self.is_exhausted() {
                return Ok(false);
            }
            let offset = self.offset(self.read);
            let available = self.write_seen.wrapping_sub(self.read);
            let [first] = self.region.load_words(offset);
            if is_pad(first) {
                self.skip_pad(first >> 32, offset, available)?;
                continue;
            }
            self.peek_at(offset, available)?;
            return Ok(true);
        }
    }

    /// The frame that was just peeked.
    #[inline]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The bytes of the frame that was just peeked.
    #[inline]
    pub fn payload(&self) -> Payload<'_, R> {
        let Frame { header, words, crc, payload } = &self.frame;
        let whole = self.crc == CrcMode::Full;
        let running = if whole { checksum::of_header(*words) } else { 0 };
        let len = header.len as usize;
        let expected = whole.then_some(*crc);
        Payload { region: &self.region, offset: *payload, len, running, expected }
    }

    /// Steps over the frame that was just peeked.
    #[inline]
    pub fn advance(&mut self) {
        let len = self.frame.header.len as usize;
        self.read = self.read.wrapping_add(frame_len(len) as u64);
    }

    /// Copies as much as fits of what was seen, from the next frame on and up to the end of the
    /// lap. Returns how much that is. None of it was checked.
    #[inline]
    pub fn copy_ahead(&self, bytes: &mut [u8]) -> usize {
        let offset = self.offset(self.read);
        let seen = usize::try_from(self.write_seen.wrapping_sub(self.read)).unwrap_or(usize::MAX);
        let len = bytes.len().min(seen).min(self.capacity() - offset);
        self.region.copy_out(offset, &mut bytes[..len]);
        len
    }

    /// Steps over so many bytes of frames that were read in a copy.
    #[inline]
    pub fn skip(&mut self, len: usize) {
        debug_assert!(len as u64 <= self.write_seen.wrapping_sub(self.read), "seen before");
        self.read = self.read.wrapping_add(len as u64);
    }

    /// Gives the space of everything read so far back to the producer. Returns whether there was
    /// any.
    #[inline]
    pub fn release(&mut self) -> bool {
        let any = self.released != self.read;
        if any {
            self.region.store_read(self.read);
            self.released = self.read;
        }
        any
    }

    /// Bytes of all frames that were read.
    pub fn consumed(&self) -> u64 {
        self.read.wrapping_sub(self.padded)
    }

    /// Whether there is anything to read as of now. One load when there is not.
    #[inline]
    pub fn has_any(&self) -> bool {
        !self.is_exhausted() || self.region.load_write() != self.write_seen
    }

    /// Whether all that was seen was read.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.read == self.write_seen
    }

    /// Reads the peer's position, once, and returns whether there is something to read. It may lie
    /// anywhere between what was seen and one capacity beyond what was released.
    #[inline]
    pub fn refresh(&mut self) -> Result<bool, Corrupt> {
        let write = self.region.load_write();
        let capacity = self.capacity() as u64;
        let occupied = write.wrapping_sub(self.released);
        let seen = self.write_seen.wrapping_sub(self.released);
        if occupied > capacity || occupied < seen || !write.is_multiple_of(8) {
            return Err(Corrupt::Positions { write, read: self.released, capacity });
        }
        self.write_seen = write;
        let any = write != self.read;
        if any {
            self.region.prefetch(self.offset(self.read));
        }
        Ok(any)
    }

    #[cold]
    fn skip_pad(&mut self, len: u64, offset: usize, available: u64) -> Result<(), Corrupt> {
        // A pad closes the lap and does nothing else, so its length is known without asking it.
        let lap_rest = (self.capacity() - offset) as u64;
        if len != lap_rest || len > available {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let available = usize::try_from(lap_rest.min(available)).unwrap_or(usize::MAX);
            return Err(Corrupt::Length { len, available });
        }
        self.read = self.read.wrapping_add(len);
        self.padded = self.padded.wrapping_add(len);
        Ok(())
    }

    #[inline]
    fn peek_at(&mut self, offset: usize, available: u64) -> Result<(), Corrupt> {
        let lap_rest = self.capacity() - offset;
        let room = usize::try_from(available).unwrap_or(usize::MAX).min(lap_rest);
        if room < HEADER_LEN {
            return Err(Corrupt::Length { len: HEADER_LEN, available: room });
        }
        let words = self.region.load_words(offset);
        let (header, crc) = Header::from_words(words)?;
        let len = header.len as usize;
        let payload_max = frame_payload_max(self.capacity()).min(room - HEADER_LEN);
        if len > payload_max || frame_len(len) > room {
            return Err(Corrupt::Length { len, available: payload_max });
        }
        if self.crc == CrcMode::Header {
            let expected = checksum::of_header(words);
            if crc != expected {
                return Err(Corrupt::Checksum { found: crc, expected });
            }
        }
        self.frame = Frame { header, words, crc, payload: offset + HEADER_LEN };
        Ok(())
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.mask + 1
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "masked to the capacity, a usize")]
    fn offset(&self, position: u64) -> usize {
        position as usize & self.mask
    }
}

/// Bytes of an unwanted payload that are copied out at once to be checked.
const CHECK_CHUNK: usize = 512;

/// The payload of a frame still in the ring, where its author can still write. It leaves the ring
/// by being copied, and is checked in the copy.
pub(crate) struct Payload<'r, R> {
    region: &'r R,
    offset: usize,
    len: usize,
    /// The checksum over what was taken from the frame so far.
    pub(super) running: u32,
    /// The checksum of the whole frame, where one covers it.
    expected: Option<u32>,
}

impl<R: Region> Payload<'_, R> {
    /// Bytes left.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Looks at the first bytes without taking them.
    pub fn peek(&self, bytes: &mut [u8]) {
        assert!(bytes.len() <= self.len, "{} bytes asked of {}", bytes.len(), self.len);
        self.region.copy_out(self.offset, bytes);
    }

    /// Takes the first bytes off into private memory.
    #[inline]
    pub fn take(&mut self, bytes: &mut [u8]) {
        assert!(bytes.len() <= self.len, "{} bytes asked of {}", bytes.len(), self.len);
        self.region.copy_out(self.offset, bytes);
        if self.expected.is_some() {
            self.running = crc32c::crc32c_append(self.running, bytes);
        }
        self.offset += bytes.len();
        self.len -= bytes.len();
    }

    /// Takes the option block off the front, through a private copy.
    #[inline]
    pub fn take_options(&mut self) -> Result<Options, Corrupt> {
        let available = self.len();
        let mut prefix = [0; 2];
        if available < prefix.len() {
            return Err(Corrupt::OptionBlock { len: available, available });
        }
        self.peek(&mut prefix);
        let len = Options::block_len(prefix, available)?;
        let mut block = [0; OPTIONS_LEN_MAX];
        self.take(&mut block[..len]);
        // The length is part of what was copied now; it may not be the one that was checked.
        block[..2].copy_from_slice(&prefix);
        Options::decode(&block[..len])
    }

    /// Checks the checksum of an unwanted payload: a flipped bit may be why it is unwanted.
    pub fn check(mut self) -> Result<(), Corrupt> {
        let mut chunk = [0; CHECK_CHUNK];
        while self.expected.is_some() && self.len > CHECK_CHUNK {
            self.take(&mut chunk);
        }
        match self.expected {
            Some(_) => {
                let rest = self.len;
                self.copy_to(&mut chunk[..rest])
            }
            None => Ok(()),
        }
    }

    /// Copies all that is left into `bytes`, which has that length, and checks the checksum there.
    #[inline]
    pub fn copy_to(mut self, bytes: &mut [u8]) -> Result<(), Corrupt> {
        assert!(bytes.len() == self.len, "{} bytes for {}", bytes.len(), self.len);
        self.take(bytes);
        self.verdict()
    }

    /// The same at the end of `bytes`, which need not be filled with zeros first.
    pub fn append_to(mut self, bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
        let start = bytes.len();
        self.region.append_out(self.offset, self.len, bytes);
        if self.expected.is_some() {
            self.running = crc32c::crc32c_append(self.running, &bytes[start..]);
        }
        self.verdict()
    }

    /// Whether the checksum over all that was taken is the one of the frame.
    #[inline]
    fn verdict(&self) -> Result<(), Corrupt> {
        match self.expected {
            Some(found) if found != self.running => {
                Err(Corrupt::Checksum { found, expected: self.running })
            }
            _ => Ok(()),
        }
    }
}

impl Payload<'_, MappedRegion> {
    /// Where the bytes left lie, for those who read in place.
    pub fn pointer(&self) -> NonNull<u8> {
        self.region.pointer(self.offset, self.len)
    }
}
