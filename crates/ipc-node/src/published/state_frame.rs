//! State frames.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use ipc_core::{Code, Error, FrameOptions, FrameStatus, StateFrameReader, StateFrameWriter, Time};
use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, sys};
use napi_derive::napi;

use super::direct::{Arguments, Direct, Shared, function};
use super::{NativeFormat, NativePlace, Numbers};
use crate::counters::float;
use crate::memory::{contents, fill};
use crate::{NativeEngine, raise};

/// The number a status has.
#[napi]
pub const FRAME_FRESH: u32 = 0;
/// The value that was read before.
#[napi]
pub const FRAME_SAME: u32 = 1;
/// The last value of a writer that is gone.
#[napi]
pub const FRAME_STALE: u32 = 2;
/// No value yet.
#[napi]
pub const FRAME_EMPTY: u32 = 3;

/// How a frame is made.
#[napi(object)]
pub struct NativeFrameOptions {
    /// Bytes of the longest value, for now.
    pub capacity: u32,
    /// What values are.
    pub format: NativeFormat,
    /// Takes the name from a writer that lives.
    pub take_over: bool,
}

/// The one writer of a state frame.
#[napi]
pub struct NativeFrameWriter(Shared<Writing>);

/// What its function works on.
struct Writing(Option<StateFrameWriter>);

impl Direct for Writing {
    const NAME: &'static CStr = c"write";

    /// Replaces the value by the bytes of an array.
    fn call(&mut self, env: sys::napi_env, arguments: Arguments) -> Result<u32, Error> {
        let [value, ..] = arguments;
        let writer = self.0.as_mut().ok_or_else(closed)?;
        let bytes = contents(env, value).unwrap_or_default();
        writer.write(bytes).map(|_| 0)
    }
}

#[napi]
impl NativeFrameWriter {
    /// Becomes the writer.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        name: String,
        place: NativePlace,
        options: NativeFrameOptions,
    ) -> napi::Result<Self> {
        let options = FrameOptions {
            capacity: options.capacity as usize,
            format: options.format.into_format(),
            take_over: options.take_over,
        };
        StateFrameWriter::create(&name, &place.into_place(), &options)
            .map(|writer| Self(Rc::new(RefCell::new(Writing(Some(writer))))))
            .map_err(|error| raise(env, &error))
    }

    /// The function that replaces the value.
    #[napi(catch_unwind, ts_return_type = "(value: Uint8Array) => number")]
    pub fn direct(&self, env: Env) -> napi::Result<Unknown<'static>> {
        function(env, &self.0)
    }

    /// The number of the value before the first of this writer.
    #[napi(catch_unwind)]
    pub fn number(&self) -> f64 {
        self.0.borrow().0.as_ref().map_or(0.0, |writer| float(writer.number()))
    }

    /// Ends it; with its file, if that is to be removed.
    #[napi(catch_unwind)]
    pub fn close(&self, remove: bool) {
        if let Some(writer) = self.0.borrow_mut().0.take()
            && remove
        {
            writer.remove();
        }
    }
}

fn closed() -> Error {
    Error::new(Code::Closed, "the state frame is closed")
}

/// One of the readers of a state frame.
#[napi]
pub struct NativeFrameReader(Shared<Reading>);

/// What its function works on.
struct Reading {
    reader: Option<StateFrameReader>,
    /// Of the last read: the value's number and length, when it was written in milliseconds since
    /// 1970, how many milliseconds ago, how many files were read before this one, and how many
    /// values, because numbers begin anew after a file was removed.
    numbers: Numbers,
}

impl Direct for Reading {
    const NAME: &'static CStr = c"read";

    /// Reads the newest value and copies it into an array, if it is long enough for all of it.
    fn call(&mut self, env: sys::napi_env, arguments: Arguments) -> Result<u32, Error> {
        let [into, ..] = arguments;
        let reader = self.reader.as_mut().ok_or_else(closed)?;
        let read = reader.read()?;
        let len = read.bytes.len();
        fill(env, into, read.bytes);
        let number = float(read.number);
        let age = float(Time::now().as_nanos().saturating_sub(read.written_at.as_nanos())) / 1e6;
        let written = float(read.unix_nanos) / 1e6;
        let status = match read.status {
            FrameStatus::Fresh => FRAME_FRESH,
            FrameStatus::Same => FRAME_SAME,
            FrameStatus::Stale => FRAME_STALE,
            FrameStatus::Empty => FRAME_EMPTY,
        };
        let len = float(len as u64);
        let stats = reader.stats();
        let (files, values) = (float(stats.generations), float(stats.fresh));
        self.numbers.set([number, len, written, age, files, values]);
        Ok(status)
    }
}

#[napi]
impl NativeFrameReader {
    /// A reader, whether or not there is a writer.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "name: string, place: NativePlace, numbers: ArrayBuffer"
    )]
    pub fn new(env: Env, name: String, place: NativePlace, numbers: Unknown) -> napi::Result<Self> {
        let reader = StateFrameReader::open(&name, &place.into_place());
        let reader = Some(reader.map_err(|error| raise(env, &error))?);
        let numbers = Numbers::adopt(env, numbers.raw())?;
        Ok(Self(Rc::new(RefCell::new(Reading { reader, numbers }))))
    }

    /// The function that reads the newest value into an array, if it is long enough for all of it.
    /// It returns the status; the rest is in the numbers.
    #[napi(catch_unwind, ts_return_type = "(into: Uint8Array) => number")]
    pub fn direct(&self, env: Env) -> napi::Result<Unknown<'static>> {
        function(env, &self.0)
    }

    /// In which format values are; `null`: there was no file yet.
    #[napi(catch_unwind)]
    pub fn format(&self) -> Option<NativeFormat> {
        let state = self.0.borrow();
        Some(NativeFormat::of(&state.reader.as_ref()?.head()?.format))
    }

    /// What was counted.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> Option<NativeFrameStats> {
        let stats = self.0.borrow().reader.as_ref()?.stats();
        Some(NativeFrameStats {
            fresh: float(stats.fresh),
            skipped: float(stats.skipped),
            corrupt: float(stats.corrupt),
            overtaken: float(stats.overtaken),
            generations: float(stats.generations),
        })
    }

    /// Has an engine say when there may be something new.
    #[napi(catch_unwind)]
    pub fn watch(&self, env: Env, engine: &NativeEngine) -> napi::Result<u32> {
        let state = self.0.borrow();
        let reader = state.reader.as_ref().ok_or_else(|| raise(env, &closed()))?;
        engine.watch(env, |watcher| reader.watch(watcher))
    }

    /// Ends it.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.0.borrow_mut().reader = None;
    }
}

/// What a reader has counted.
#[napi(object)]
pub struct NativeFrameStats {
    /// Reads that found a new value.
    pub fresh: f64,
    /// Values that were never read.
    pub skipped: f64,
    /// Values and files that were corrupt.
    pub corrupt: f64,
    /// Reads that the writer has overtaken time and again.
    pub overtaken: f64,
    /// Files that were read.
    pub generations: f64,
}
