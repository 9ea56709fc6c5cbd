//! The least two processes can do, which is the floor for everything else: slots of one size each
//! way, a position each way, and nothing else. Neither side sleeps, and there is one client.
//!
//! ```text
//! FORTH position · length · kind | BACK position | slots forth ... | slots back ...
//! ```
//!
//! The client stores FORTH with release and the server loads it with acquire; of BACK it is the
//! reverse. Each is behind all that its side has done to slots.
//!
//! The memory is a file without a name. What is in the run's folder is only a link to the server's
//! descriptor of it, so nothing stays in memory when the processes are gone, however they went.

#![allow(unsafe_code, reason = "shared memory is what it is about")]

use std::fs::{self, File};
use std::hint::spin_loop;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{ptr, slice, thread};

use rustix::fs::MemfdFlags;
use rustix::mm::{MapFlags, ProtFlags};
use serde_json::{Value, json};

use super::system_version;
use crate::adapter::{Adapter, Channel, Result, Service, Settings};
use crate::measured::{Measured, Messages};
use crate::payload::{Reader, Sink};

/// `bare`.
pub const ADAPTER: Adapter = Adapter { name: "bare", serve, connect };

/// Words by their offset. The two positions are far enough apart that no two share a pair of cache
/// lines; what describes the messages lies beside the position it comes with, and costs no line of
/// its own.
const FORTH: usize = 0;
const LEN: usize = 8;
const KIND: usize = 16;
const BACK: usize = 256;
const TAKEN: usize = 512;
const SLOTS_START: usize = 4096;

/// Bytes for the slots of one direction. Only those that are used become memory.
const WAY: usize = 64 << 20;
/// Slots that are used: of requests few, so that they stay in the nearest caches.
const REQUEST_SLOTS: usize = 64;
const ONE_WAY_SLOTS: usize = 1024;
/// And of long ones fewer, so that they stay in any cache.
const USED: usize = 8 << 20;
const SLOTS_MIN: usize = 4;
const MESSAGE_MAX: usize = WAY / SLOTS_MIN;
/// Shorter slots are written word by word, because a call that sets any number of bytes takes
/// longer.
const BY_WORDS_MAX: usize = 512;
/// One-way messages after which the other side is shown them.
const BATCH: u64 = 64;
/// Polls without news after which the thread yields its core. While messages arrive, the count
/// stays below it.
const POLLS: u32 = 1 << 16;

const REQUESTS: u64 = 0;
const ONE_WAY: u64 = 1;

#[derive(Clone, Copy)]
enum Way {
    Forth,
    Back,
}

/// What the messages are like that come now.
#[derive(Clone, Copy)]
struct Shape {
    kind: u64,
    len: usize,
    slot: usize,
    /// A power of two.
    slots: u64,
}

impl Shape {
    fn new(kind: u64, len: usize) -> Self {
        let slot = len.next_multiple_of(64);
        let most = if kind == ONE_WAY { ONE_WAY_SLOTS } else { REQUEST_SLOTS };
        let fitting = (USED / slot.max(1)).max(SLOTS_MIN);
        Self { kind, len, slot, slots: most.min(1 << fitting.ilog2()) as u64 }
    }

    fn is(self, kind: u64, len: usize) -> bool {
        (self.kind, self.len) == (kind, len)
    }

    /// Where the slot of a position begins.
    #[inline]
    fn start(self, way: Way, position: u64) -> usize {
        let index = usize::try_from(position & (self.slots - 1)).expect("64 bits");
        SLOTS_START + way as usize * WAY + index * self.slot
    }
}

struct Memory {
    base: *mut u8,
}

// SAFETY: it is memory shared between processes anyhow; words are reached as atomics, and slots as
// the notes below say.
unsafe impl Send for Memory {}

impl Memory {
    const LEN: usize = SLOTS_START + 2 * WAY;

    fn map(fd: impl AsFd) -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh shared mapping of a file of this length.
        let base = unsafe {
            rustix::mm::mmap(ptr::null_mut(), Self::LEN, protection, MapFlags::SHARED, fd, 0)
        };
        Ok(Self { base: base?.cast() })
    }

    #[inline]
    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: callers name multiples of 8 in bounds, and words of slots only while no one else
        // does anything with them.
        unsafe { &*self.base.add(offset).cast() }
    }

    /// The slot of a position.
    ///
    /// # Safety
    ///
    /// The other side does not write it before this one has released it.
    #[inline]
    unsafe fn slot(&self, way: Way, shape: Shape, position: u64) -> &[u8] {
        // SAFETY: in bounds, since lengths are no greater than MESSAGE_MAX; unchanged meanwhile, as
        // the caller promises.
        unsafe { slice::from_raw_parts(self.base.add(shape.start(way, position)), shape.len) }
    }

    /// Fills the slot of a position.
    ///
    /// # Safety
    ///
    /// The other side does not read it before it is shown the position.
    #[inline]
    unsafe fn fill(&self, way: Way, shape: Shape, position: u64, payload: &[u8]) {
        debug_assert_eq!(payload.len(), shape.len);
        // SAFETY: in bounds as in `slot`; a payload lies elsewhere, or in the slots of the other
        // way.
        unsafe {
            let start = self.base.add(shape.start(way, position));
            ptr::copy_nonoverlapping(payload.as_ptr(), start, shape.len);
        }
    }

    /// Fills it with a number and zeros behind it.
    ///
    /// # Safety
    ///
    /// The same as of `fill`.
    #[inline]
    unsafe fn fill_with(&self, way: Way, shape: Shape, position: u64, number: u64) {
        let start = shape.start(way, position);
        let mut zeros_from = 8;
        if shape.slot > BY_WORDS_MAX {
            // SAFETY: in bounds as in `slot`.
            unsafe { ptr::write_bytes(self.base.add(start), 0, shape.slot) };
            zeros_from = shape.slot;
        }
        // Payloads that are too short are not numbered.
        let number = if shape.len < 4 { 0 } else { number & u64::from(u32::MAX) };
        self.word(start).store(number.to_le(), Ordering::Relaxed);
        for offset in (zeros_from..shape.slot).step_by(8) {
            self.word(start + offset).store(0, Ordering::Relaxed);
        }
    }

    /// Waits until a word has another value than this one.
    #[inline]
    fn wait(&self, offset: usize, old: u64) -> u64 {
        let mut polls = 0;
        loop {
            let value = self.word(offset).load(Ordering::Acquire);
            if value != old {
                return value;
            }
            polls += 1;
            if polls == POLLS {
                polls = 0;
                thread::yield_now();
            }
            spin_loop();
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: its own mapping, which nothing borrows any more.
        let _ = unsafe { rustix::mm::munmap(self.base.cast(), Self::LEN) };
    }
}

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    let file = rustix::fs::memfd_create("bare", MemfdFlags::CLOEXEC)?;
    rustix::fs::ftruncate(&file, Memory::LEN as u64)?;
    let memory = Memory::map(&file)?;
    let path = settings.file(address, "bare");
    symlink(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()), &path)?;
    let reader = sink.reader();
    // It ends with the process.
    thread::spawn(move || answer(&memory, reader));
    Ok(Service::new(move || {
        drop(file);
        Ok(fs::remove_file(path)?)
    }))
}

fn answer(memory: &Memory, mut reader: Reader) {
    let mut seen = 0;
    let mut shape = Shape::new(REQUESTS, 0);
    loop {
        let shown = memory.wait(FORTH, seen);
        // Written before the position was: its store releases them to the load that saw it.
        let kind = memory.word(KIND).load(Ordering::Relaxed);
        let len = memory.word(LEN).load(Ordering::Relaxed);
        let len = usize::try_from(len).expect("64 bits").min(MESSAGE_MAX);
        if !shape.is(kind, len) {
            shape = Shape::new(kind, len);
        }
        for position in seen..shown {
            // SAFETY: the client waits for BACK before it writes this slot again.
            let payload = unsafe { memory.slot(Way::Forth, shape, position) };
            if kind == ONE_WAY {
                reader.got(payload);
            } else {
                reader.touch(payload);
                // SAFETY: the client does not read it before it sees BACK.
                unsafe { memory.fill(Way::Back, shape, position, payload) };
            }
        }
        memory.word(BACK).store(shown, Ordering::Release);
        seen = shown;
    }
}

fn connect(address: &str, settings: &Settings) -> Result<Box<dyn Measured>> {
    let file = File::options().read(true).write(true).open(settings.file(address, "bare"))?;
    let memory = Memory::map(&file)?;
    if memory.word(TAKEN).swap(1, Ordering::Relaxed) != 0 {
        return Err("a bare ring has one client".into());
    }
    Ok(Box::new(BareChannel { memory, shape: Shape::new(REQUESTS, 0), shown: 0 }))
}

/// Whenever no call is under way, the other side has read all that it was shown.
struct BareChannel {
    memory: Memory,
    shape: Shape,
    shown: u64,
}

impl BareChannel {
    #[inline]
    fn shape(&mut self, kind: u64, len: usize) -> Result<()> {
        if self.shape.is(kind, len) {
            return Ok(());
        }
        if len > MESSAGE_MAX {
            return Err(format!("{len} bytes are more than {MESSAGE_MAX}").into());
        }
        self.memory.word(KIND).store(kind, Ordering::Relaxed);
        self.memory.word(LEN).store(len as u64, Ordering::Relaxed);
        self.shape = Shape::new(kind, len);
        Ok(())
    }
}

impl Channel for BareChannel {
    #[inline]
    fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()> {
        self.shape(REQUESTS, payload.len())?;
        let Self { memory, shape, shown } = self;
        let position = *shown;
        // SAFETY: the other side has read all it was shown, and is not shown this yet.
        unsafe { memory.fill(Way::Forth, *shape, position, payload) };
        *shown += 1;
        memory.word(FORTH).store(*shown, Ordering::Release);
        memory.wait(BACK, position);
        // SAFETY: the other side writes again when it is asked again.
        read(unsafe { memory.slot(Way::Back, *shape, position) });
        Ok(())
    }

    fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        self.shape(ONE_WAY, messages.size())?;
        let Self { memory, shape, shown } = self;
        let batch = BATCH.min(shape.slots / 2);
        let (mut written, mut read) = (*shown, *shown);
        loop {
            let numbers = messages.next_numbers(batch);
            if numbers.is_empty() {
                break;
            }
            for number in numbers {
                while written - read >= shape.slots {
                    read = memory.wait(BACK, read);
                }
                // SAFETY: the other side has read what was in this slot, and is not shown this yet.
                unsafe { memory.fill_with(Way::Forth, *shape, written, number) };
                written += 1;
            }
            memory.word(FORTH).store(written, Ordering::Release);
        }
        while read != written {
            read = memory.wait(BACK, read);
        }
        *shown = written;
        Ok(())
    }

    fn describe(&self) -> Value {
        json!({ "version": system_version(), "waiting": "polls without sleeping" })
    }
}
