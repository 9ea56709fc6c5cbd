//! The writing end: reserve, fill, commit, and publish many at once.

use std::ptr::NonNull;

use super::mapped::MappedRegion;
use super::{Region, pad_word};
use crate::error::Corrupt;
use crate::header::{HEADER_LEN, frame_len};
use crate::limits::{PAGE, frame_payload_max};
use crate::option_block::OPTIONS_LEN_MAX;
use crate::sys::kill_point;

/// A quiet ring goes back to its start after this many bytes of a lap: it touches few pages then,
/// and its lines stay in the nearest caches, which nearly halves the round trip of a small message.
/// Large frames are the opposite: lines the peer has just read are the dearest to write, so they go
/// round.
const QUIET_LEN: usize = 2 * PAGE;
/// The longest frame of a quiet ring.
const QUIET_FRAME_MAX: usize = PAGE;
/// Bytes of a reserved frame that are copied out at once to have their checksum taken.
const CHECKSUM_CHUNK: usize = 4096;
/// Publishes in a row, each of no more than a page, that make a ring quiet. The pad that closes the
/// lap takes up its space until the peer has read on, which a burst would feel.
const QUIET_PUBLISHES: u32 = 16;

pub(crate) struct Producer<R> {
    region: R,
    mask: usize,
    /// Where the next frame goes.
    write: u64,
    /// The position the peer can see.
    published: u64,
    /// The peer's position as last seen; it can only be further by now.
    read_seen: u64,
    /// Publishes in a row of no more than a page.
    quiet: u32,
    /// Bytes of the pads that closed laps.
    padded: u64,
}

impl<R: Region> Producer<R> {
    /// A producer of a ring in which nothing was written yet.
    pub fn new(region: R) -> Self {
        Self::starting_at(region, 0)
    }

    pub fn starting_at(region: R, position: u64) -> Self {
        let mask = region.capacity() - 1;
        let (write, published, read_seen) = (position, position, position);
        Self { region, mask, write, published, read_seen, quiet: 0, padded: 0 }
    }

    /// The most bytes after the header that a frame may have here.
    #[inline]
    pub fn payload_max(&self) -> usize {
        frame_payload_max(self.mask + 1)
    }

    /// Finds room for a frame with `len` bytes after its header. Returns the offset of the frame,
    /// or `None` while the ring is full. Nothing is visible to the peer before [`Self::publish`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Option<usize>, Corrupt> {
        assert!(len <= self.payload_max(), "a frame of {len} bytes has to be fragmented");
        let need = frame_len(len);
        let offset = self.offset(self.write);
        let lap_rest = self.capacity() - offset;
        let padding = if need > lap_rest || self.rewinds(offset, need)? { lap_rest } else { 0 };
        if !self.has_room(need + padding)? {
            return Ok(None);
        }
        if padding == 0 {
            return Ok(Some(offset));
        }
        self.region.store_words(offset, [pad_word(padding)]);
        self.write = self.write.wrapping_add(padding as u64);
        self.padded += padding as u64;
        Ok(Some(0))
    }

    /// Completes the frame of `len` payload bytes at the offset [`Self::reserve`] gave.
    #[inline]
    pub fn commit(&mut self, offset: usize, header: [u64; 3], len: usize) {
        debug_assert_eq!(offset, self.offset(self.write), "commit follows its reserve");
        kill_point("payload");
        self.region.store_words(offset, header);
        kill_point("header");
        self.write = self.write.wrapping_add(frame_len(len) as u64);
    }

    /// Copies bytes into a reserved frame; `at` counts from the start of the ring.
    pub fn fill(&mut self, at: usize, bytes: &[u8]) {
        self.region.copy_in(at, bytes);
    }

    /// Goes on with a checksum over `len` bytes at `at` of a reserved frame. They lie where the
    /// peer can write too, so the checksum is taken of copies.
    pub fn checksum(&self, at: usize, len: usize, running: u32) -> u32 {
        let mut chunk = [0; CHECKSUM_CHUNK];
        (0..len).step_by(CHECKSUM_CHUNK).fold(running, |running, done| {
            let bytes = &mut chunk[..CHECKSUM_CHUNK.min(len - done)];
            self.region.copy_out(at + done, bytes);
            crc32c::crc32c_append(running, bytes)
        })
    }

    /// Writes a whole frame whose payload lies in `parts`. Returns whether there was room.
    #[inline]
    pub fn push(&mut self, header: [u64; 3], parts: &[&[u8]]) -> Result<bool, Corrupt> {
        let len = parts.iter().map(|part| part.len()).sum();
        let Some(offset) = self.reserve(len)? else { return Ok(false) };
        let mut at = offset + HEADER_LEN;
        for part in parts {
            self.region.copy_in(at, part);
            at += part.len();
        }
        self.commit(offset, header, len);
        Ok(true)
    }

    /// Bytes there is room for in one piece, behind what was written; `want` is worth a look at how
    /// far the peer has read.
    #[inline]
    pub fn room(&mut self, want: usize) -> Result<usize, Corrupt> {
        let lap_rest = self.capacity() - self.offset(self.write);
        let want = want.min(lap_rest);
        if !self.has_room(want)? {
            let free = (self.capacity() as u64).saturating_sub(self.unread());
            return Ok(usize::try_from(free).unwrap_or(lap_rest).min(lap_rest));
        }
        Ok(want)
    }

    /// Writes whole frames that lie one behind the other; there is room for them.
    #[inline]
    pub fn push_frames(&mut self, frames: &[u8]) {
        debug_assert!(frames.len() <= self.capacity() - self.offset(self.write), "in one piece");
        kill_point("payload");
        self.region.copy_in(self.offset(self.write), frames);
        kill_point("header");
        self.write = self.write.wrapping_add(frames.len() as u64);
    }

    /// Shows the peer everything written since the last time.
    #[inline]
    pub fn publish(&mut self) {
        let len = self.write.wrapping_sub(self.published);
        if len != 0 {
            self.region.store_write(self.write);
            kill_point("position");
            self.published = self.write;
            self.quiet = if len <= PAGE as u64 { self.quiet.saturating_add(1) } else { 0 };
        }
    }

    /// Bytes of all frames that were written.
    pub fn written(&self) -> u64 {
        self.write.wrapping_sub(self.padded)
    }

    /// Whether the peer has read on since the producer last checked: worth another try when full.
    #[inline]
    pub fn has_moved(&self) -> bool {
        self.region.load_read() != self.read_seen
    }

    /// The position the peer can see.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// The peer's position as of now: to be compared with, and not to be relied upon.
    pub fn load_read(&self) -> u64 {
        self.region.load_read()
    }

    /// Whether a message of `len` bytes would fit as a whole, in as many frames as it takes and
    /// with a lap closed on the way. One that is too long for that fits a ring that is drained as
    /// far as peers have to tell: but for a quarter, see PROTOCOL.md.
    pub fn has_room_for(&mut self, len: usize) -> Result<bool, Corrupt> {
        let quarter = self.capacity() / 4;
        let frames = len / self.payload_max() + 1;
        let overhead = (frames + 1) * frame_len(OPTIONS_LEN_MAX) + quarter;
        self.has_room((len + overhead).min(self.capacity() - quarter))
    }

    /// Bytes the peer has not released yet, as of now; what it claims cannot be, counts as seen
    /// last.
    pub fn undelivered(&mut self) -> u64 {
        let _ = self.refresh();
        self.unread()
    }

    /// Bytes the peer has not released yet, as last seen.
    fn unread(&self) -> u64 {
        self.write.wrapping_sub(self.read_seen)
    }

    #[inline]
    fn has_room(&mut self, need: usize) -> Result<bool, Corrupt> {
        let limit = (self.capacity() - need) as u64;
        if self.unread() <= limit {
            return Ok(true);
        }
        self.refresh()?;
        Ok(self.unread() <= limit)
    }

    /// Whether the next frame should start a new lap although it would fit into this one. Whether
    /// the peer has read everything is loaded once a page, because each load may have to fetch
    /// the line with its position.
    #[inline]
    fn rewinds(&mut self, offset: usize, need: usize) -> Result<bool, Corrupt> {
        let crosses_page = (offset ^ (offset + need)) & !(PAGE - 1) != 0;
        if offset < QUIET_LEN
            || !crosses_page
            || self.quiet < QUIET_PUBLISHES
            || need > QUIET_FRAME_MAX
            || self.write != self.published
        {
            return Ok(false);
        }
        self.refresh()?;
        Ok(self.unread() == 0)
    }

    /// Reads the peer's position, once. It may lie anywhere between what was seen and what was
    /// published; anything else did not come from a sane peer.
    fn refresh(&mut self) -> Result<(), Corrupt> {
        let read = self.region.load_read();
        let advanced = read.wrapping_sub(self.read_seen);
        let unreleased = self.published.wrapping_sub(self.read_seen);
        if advanced > unreleased || !read.is_multiple_of(8) {
            let capacity = self.capacity() as u64;
            return Err(Corrupt::Positions { write: self.published, read, capacity });
        }
        self.read_seen = read;
        Ok(())
    }

    #[inline]
    pub fn capacity(&self) -> usize {
        self.mask + 1
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "masked to the capacity, a usize")]
    fn offset(&self, position: u64) -> usize {
        position as usize & self.mask
    }
}

impl Producer<MappedRegion> {
    /// Where `len` bytes at `at` of a reserved frame lie, for those who fill them in place.
    pub fn pointer(&self, at: usize, len: usize) -> NonNull<u8> {
        self.region.pointer(at, len)
    }
}
