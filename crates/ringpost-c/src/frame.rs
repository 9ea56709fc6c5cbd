//! State frames: a named latest value.

use std::ffi::{c_char, c_void};
use std::sync::Mutex;

use ipc_core::{FrameOptions, FrameRead, FrameStatus, StateFrameReader, StateFrameWriter, Time};

use crate::border::{bytes, copy_out, hand_over, handle, lock, put_optional, sized};
use crate::border::{take_back, text, wanted};
use crate::callbacks::ReadyFn;
use crate::error::{Error, guard};
use crate::event_loop::{Loop, Watched};
use crate::options::{PublishOptions, ReadOptions, layout, place};
use crate::records::Records;
use crate::status::Status;

/// The one writer of a state frame. It never waits for readers.
pub struct FrameWriter(Mutex<StateFrameWriter>);

/// One of any number of readers of a state frame.
pub struct FrameReader(Mutex<Reading>);

struct Reading {
    reader: StateFrameReader,
    records: Records,
    /// What was read last: its number, when it was written, and whether its writer was gone.
    last: (u64, Time, bool),
    watched: Watched,
}

/// What a value is.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum FrameState {
    /// A value that this reader has not returned before.
    Fresh = 0,
    /// The value that it has returned last.
    Same = 1,
    /// The last value of a writer that is gone.
    Stale = 2,
    /// There is no value yet.
    Empty = 3,
}

/// A value of a state frame.
#[repr(C)]
pub struct Frame {
    /// What it is.
    pub state: FrameState,
    /// The value: a copy that belongs to the reader and stays until it reads again or is closed.
    /// NULL if there is none.
    pub bytes: *const u8,
    /// Bytes of the value. Of records, no more than this program knows.
    pub len: usize,
    /// It grows by one with each write, also of the next writer.
    pub number: u64,
    /// When it was written, in nanoseconds since 1970.
    pub unix_nanos: u64,
    /// How long ago that was, in nanoseconds.
    pub age_nanos: u64,
}

impl Reading {
    fn read(&mut self) -> Result<Frame, Error> {
        let read = self.reader.read()?;
        let &FrameRead { status, number, written_at, .. } = &read;
        let is_stale = status == FrameStatus::Stale;
        let before = std::mem::replace(&mut self.last, (number, written_at, is_stale));
        let is_same = (before.0, before.1) == (number, written_at);
        if number != 0 && (!is_same || is_stale && !before.2) {
            self.watched.found();
        }
        let state = match status {
            FrameStatus::Fresh => FrameState::Fresh,
            FrameStatus::Same => FrameState::Same,
            FrameStatus::Stale => FrameState::Stale,
            FrameStatus::Empty => FrameState::Empty,
        };
        let age = Time::now().saturating_since(written_at).as_nanos();
        let age_nanos = u64::try_from(age).unwrap_or(u64::MAX);
        let unix_nanos = read.unix_nanos;
        let bytes = self.value()?;
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let bytes = if number == 0 { std::ptr::null() } else { start };
        Ok(Frame { state, bytes, len, number, unix_nanos, age_nanos })
    }

    /// What was read last, as far as this program knows it.
    fn value(&mut self) -> Result<&[u8], Error> {
        let known = match self.reader.head() {
            Some(head) => self.records.check(self.reader.stats().generations, &head.format)?,
            None => usize::MAX,
        };
        let bytes = self.reader.last_read().bytes;
        Ok(&bytes[..bytes.len().min(known)])
    }
}

/// Becomes the writer of the frame `name`. `options` may be NULL.
///
/// RP_STATUS_NAME_IN_USE: it has a writer that lives.
///
/// Threads: any. A writer is used by one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_writer_create(
    name: *const c_char,
    options: *const PublishOptions,
    writer: *mut *mut FrameWriter,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let to = wanted(writer)?;
        // SAFETY: as the header demands.
        let (name, options, place, format) = unsafe {
            let options: PublishOptions = sized(options)?;
            (text(name, "the name")?, options, place(options.directory)?, options.format()?)
        };
        let PublishOptions { capacity, take_over, .. } = options;
        let options = FrameOptions { capacity, format, take_over };
        let made = StateFrameWriter::create(name, &place, &options)?;
        // SAFETY: it is a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(to, FrameWriter(Mutex::new(made))) })
    })
}

/// Replaces the value. `number`, unless it is NULL, is set to that of the value, one more than that
/// of the last one.
///
/// RP_STATUS_NAME_IN_USE: another writer has taken the name.
///
/// Threads: one at a time. It never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_writer_write(
    writer: Option<&FrameWriter>,
    value: *const u8,
    len: usize,
    number: *mut u64,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let writer = handle(writer)?;
        // SAFETY: as the header demands.
        let value = unsafe { bytes(value, len)? };
        let written = lock(&writer.0)?.write(value)?;
        // SAFETY: a place for a number or NULL, as the header demands.
        unsafe { put_optional(number, written) };
        Ok(Status::Ok)
    })
}

/// Ends a writer, frees it, and sets the pointer to NULL. The last value stays, and is stale; with
/// `remove` it goes.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_writer_close(
    writer: *mut *mut FrameWriter,
    remove: bool,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        let writer = unsafe { take_back(writer, |found| lock(&found.0).map(drop)) }?;
        if remove && let Ok(writer) = writer.0.into_inner() {
            writer.remove();
        }
        Ok(Status::Ok)
    })
}

/// Opens a reader of the frame `name`, whether or not there is one by now. `options` may be NULL.
///
/// Threads: any. A reader is used by one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_reader_open(
    name: *const c_char,
    options: *const ReadOptions,
    reader: *mut *mut FrameReader,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let to = wanted(reader)?;
        // SAFETY: as the header demands.
        let (name, place, layout) = unsafe {
            let options: ReadOptions = sized(options)?;
            (text(name, "the name")?, place(options.directory)?, layout(options.layout)?)
        };
        let (reader, records) = (StateFrameReader::open(name, &place)?, Records::of(layout));
        let last = (0, Time::default(), false);
        let reading = Reading { reader, records, last, watched: Watched::default() };
        // SAFETY: it is a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(to, FrameReader(Mutex::new(reading))) })
    })
}

/// Reads the newest value into `frame`. It takes no lock of any process and never waits, and what
/// is read is whole.
///
/// RP_STATUS_LAYOUT: its records are others than this program knows.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_reader_read(
    reader: Option<&FrameReader>,
    frame: *mut Frame,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let (reader, to) = (handle(reader)?, wanted(frame)?);
        let read = lock(&reader.0)?.read()?;
        // SAFETY: a place for a frame, as the header demands.
        unsafe { to.write(read) };
        Ok(Status::Ok)
    })
}

/// Copies the value that was read last into a buffer of the caller's. RP_STATUS_BUFFER_TOO_SMALL,
/// and nothing is copied, unless there is room for all; `len`, unless it is NULL, is set to how
/// many bytes there are.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_reader_copy(
    reader: Option<&FrameReader>,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let mut reading = lock(&handle(reader)?.0)?;
        // SAFETY: as the header demands.
        unsafe { copy_out(reading.value()?, buffer, capacity, len) }
    })
}

/// The codec of the values, and the description of their records, if they are such: it is copied as
/// rp_frame_reader_copy copies, without a NUL. RP_STATUS_NOTHING: nothing was read yet. `codec` may
/// be NULL.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_reader_format(
    reader: Option<&FrameReader>,
    codec: *mut u32,
    buffer: *mut c_char,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let reading = lock(&handle(reader)?.0)?;
        let Some(head) = reading.reader.head() else { return Ok(Status::Nothing) };
        // SAFETY: as the header demands.
        unsafe {
            put_optional(codec, head.format.codec as u32);
            copy_out(head.format.description.as_bytes(), buffer.cast(), capacity, len)
        }
    })
}

/// Has the loop call `callback` when there may be something new to read: it reads then, and finds
/// out. Another loop takes the place of one that has watched before.
///
/// Threads: that of the loop, also for the callback, and for the reader from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_reader_watch(
    reader: Option<&FrameReader>,
    event_loop: Option<&Loop>,
    callback: ReadyFn,
    data: *mut c_void,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let Reading { reader, watched, .. } = &mut *lock(&handle(reader)?.0)?;
        watched.begin(event_loop, callback, data, |watcher| reader.watch(watcher))
    })
}

/// Closes a reader, frees it, and sets the pointer to NULL. Its callback is not called any more.
///
/// Threads: one at a time, and that of the loop which watches it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_frame_reader_close(
    reader: *mut *mut FrameReader,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let end = |found: &FrameReader| lock(&found.0)?.watched.end();
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        unsafe { take_back(reader, end) }?;
        Ok(Status::Ok)
    })
}
