//! Maps.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;
use std::time::Duration;

use ipc_core::{
    Code, Error, KeyChange, KeySeen, MAP_KEY_LEN_MAX, MapOptions, MapReader, MapSizes, MapStatus,
    MapValue, MapWriter,
};
use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, Result, sys};
use napi_derive::napi;

use super::direct::{Arguments, Direct, Shared, function};
use super::{NativeFormat, NativePlace, Numbers};
use crate::counters::float;
use crate::memory::{contents, double, extent, fill, with_short_text};
use crate::{NativeEngine, raise};

/// In place of the length of a value, all of which are shorter: the key is missing.
#[napi]
pub const MAP_MISSING: u32 = 0x3fff_ffff;
/// The same: what was seen before is still there.
#[napi]
pub const MAP_SAME: u32 = 0x3fff_fffe;

/// The owner lives.
#[napi]
pub const MAP_ALIVE: u32 = 0;
/// It is gone.
#[napi]
pub const MAP_GONE: u32 = 1;
/// There was none.
#[napi]
pub const MAP_ABSENT: u32 = 2;

const KEY_MAX: usize = MAP_KEY_LEN_MAX as usize;
/// Bytes before each entry that is handed over: the lengths of its key and its value.
const LENGTHS: usize = 8;

/// How a map is made.
#[napi(object)]
pub struct NativeMapOptions {
    /// Entries at the same time.
    pub entries_max: u32,
    /// Bytes of a key.
    pub key_len_max: u32,
    /// Bytes of a value.
    pub value_len_max: u32,
    /// What values are.
    pub format: NativeFormat,
    /// Takes the name from an owner that lives.
    pub take_over: bool,
}

/// The one owner of a map.
#[napi]
pub struct NativeMapWriter(Shared<Owning>);

/// What its function works on.
struct Owning(Option<MapWriter>);

impl Direct for Owning {
    const NAME: &'static CStr = c"set";

    /// Gives a key the bytes of an array, for so many milliseconds.
    fn call(&mut self, env: sys::napi_env, arguments: Arguments) -> ipc_core::Result<u32> {
        let writer = self.0.as_mut().ok_or_else(closed)?;
        let [key, value, ttl_ms] = arguments;
        let bytes = contents(env, value).unwrap_or_default();
        // A time that is no span, or too long for one, is for ever.
        let ttl = double(env, ttl_ms).and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
        let set = with_short_text::<KEY_MAX, _>(env, key, |key| match key {
            Some(key) => writer.set(key, bytes, ttl),
            None => Err(too_long()),
        });
        set.unwrap_or(Ok(())).map(|()| 0)
    }
}

#[napi]
impl NativeMapWriter {
    /// Becomes the owner.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        name: String,
        place: NativePlace,
        options: NativeMapOptions,
    ) -> Result<Self> {
        let NativeMapOptions { entries_max, key_len_max, value_len_max, .. } = options;
        let options = MapOptions {
            sizes: MapSizes { entries_max, key_len_max, value_len_max },
            format: options.format.into_format(),
            take_over: options.take_over,
        };
        MapWriter::create(&name, &place.into_place(), &options)
            .map(|writer| Self(Rc::new(RefCell::new(Owning(Some(writer))))))
            .map_err(|error| raise(env, &error))
    }

    /// The function that gives a key a value, for so many milliseconds; `Infinity`: until it is
    /// deleted.
    #[napi(
        catch_unwind,
        ts_return_type = "(key: string, value: Uint8Array, ttlMs: number) => number"
    )]
    pub fn direct(&self, env: Env) -> Result<Unknown<'static>> {
        function(env, &self.0)
    }

    /// Takes a key out.
    #[napi(catch_unwind)]
    pub fn delete(&self, env: Env, key: String) -> Result<bool> {
        self.with(env, |writer| writer.delete(&key))
    }

    /// Takes all keys out.
    #[napi(catch_unwind)]
    pub fn clear(&self, env: Env) -> Result<()> {
        self.with(env, MapWriter::clear)
    }

    /// Copies the value of a key into an array, if it has room. Returns the value's length, or
    /// `MAP_MISSING`.
    #[napi(catch_unwind, ts_args_type = "key: string, into: Uint8Array")]
    pub fn get(&self, env: Env, key: String, into: Unknown) -> Result<u32> {
        self.with(env, |writer| Ok(hand_over(env.raw(), writer.get(&key)?, into.raw())))
    }

    /// How many keys there are.
    #[napi(catch_unwind)]
    pub fn size(&self, env: Env) -> Result<f64> {
        self.with(env, |writer| Ok(float(writer.len() as u64)))
    }

    fn with<T>(
        &self,
        env: Env,
        call: impl FnOnce(&mut MapWriter) -> ipc_core::Result<T>,
    ) -> Result<T> {
        let mut state = self.0.borrow_mut();
        let writer = state.0.as_mut().ok_or_else(closed);
        writer.and_then(call).map_err(|error| raise(env, &error))
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

/// One of the readers of a map.
#[napi]
pub struct NativeMapReader(Shared<Reading>);

/// What its function works on.
struct Reading {
    reader: Option<MapReader>,
    /// Of the last call: how many files were read before this one; and of the last look, in how
    /// many milliseconds its value expires.
    numbers: Numbers,
}

impl Direct for Reading {
    const NAME: &'static CStr = c"get";

    /// Copies the value of a key into an array, if it has room.
    fn call(&mut self, env: sys::napi_env, arguments: Arguments) -> ipc_core::Result<u32> {
        let reader = self.reader.as_mut().ok_or_else(closed)?;
        let [key, into, _] = arguments;
        let found = with_short_text::<KEY_MAX, _>(env, key, |key| match key {
            Some(key) => reader.get(key).map(|value| hand_over(env, value, into)),
            None => Ok(MAP_MISSING),
        });
        let length = found.unwrap_or(Ok(MAP_MISSING))?;
        self.numbers.set([float(reader.generations())]);
        Ok(length)
    }
}

/// What was seen last of a key.
#[napi]
#[derive(Default)]
pub struct NativeKeySeen(KeySeen);

#[napi]
impl NativeKeySeen {
    /// Nothing yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }
}

#[napi]
impl NativeMapReader {
    /// A reader, whether or not there is an owner.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "name: string, place: NativePlace, numbers: ArrayBuffer"
    )]
    pub fn new(env: Env, name: String, place: NativePlace, numbers: Unknown) -> Result<Self> {
        let reader = MapReader::open(&name, &place.into_place());
        let reader = Some(reader.map_err(|error| raise(env, &error))?);
        let numbers = Numbers::adopt(env, numbers.raw())?;
        Ok(Self(Rc::new(RefCell::new(Reading { reader, numbers }))))
    }

    /// The function that copies the value of a key into an array, if it has room. It returns the
    /// value's length, or `MAP_MISSING`.
    #[napi(catch_unwind, ts_return_type = "(key: string, into: Uint8Array) => number")]
    pub fn direct(&self, env: Env) -> Result<Unknown<'static>> {
        function(env, &self.0)
    }

    /// Looks whether a key has changed since the last look, and copies its value. Returns the
    /// value's length, `MAP_MISSING` or `MAP_SAME`. A value that has no room counts as not seen.
    #[napi(catch_unwind, ts_args_type = "key: string, seen: NativeKeySeen, into: Uint8Array")]
    pub fn look(
        &self,
        env: Env,
        key: String,
        seen: &mut NativeKeySeen,
        into: Unknown,
    ) -> Result<u32> {
        let room = extent(env.raw(), into.raw()).map_or(0, |(_, room)| room);
        self.with(env, |reader, numbers| {
            let mut next = seen.0;
            let length = match reader.look(&key, &mut next)? {
                KeyChange::Same => return Ok(MAP_SAME),
                KeyChange::Missing => MAP_MISSING,
                KeyChange::Set(value) if value.bytes.len() > room => return Ok(length_of(value)),
                KeyChange::Set(value) => hand_over(env.raw(), Some(value), into.raw()),
            };
            seen.0 = next;
            let expires = next.expires().remaining();
            let expires = expires.map_or(f64::INFINITY, |span| span.as_secs_f64() * 1e3);
            numbers.set([float(reader.generations()), expires]);
            Ok(length)
        })
    }

    /// Writes all entries into an array, one behind the other: the lengths of key and value, four
    /// bytes each, the key and the value. Returns how many bytes they take; where that is more than
    /// there is room for, nothing was written.
    #[napi(catch_unwind, ts_args_type = "into: Uint8Array")]
    pub fn entries(&self, env: Env, into: Unknown) -> Result<f64> {
        self.with(env, |reader, numbers| {
            let mut packed = Vec::new();
            reader.entries(|key, value| {
                packed.reserve(LENGTHS + key.len() + value.bytes.len());
                for bytes in [key.as_bytes(), value.bytes] {
                    let len = u32::try_from(bytes.len()).expect("as long as a map has room for");
                    packed.extend_from_slice(&len.to_le_bytes());
                }
                packed.extend_from_slice(key.as_bytes());
                packed.extend_from_slice(value.bytes);
            })?;
            fill(env.raw(), into.raw(), &packed);
            numbers.set([float(reader.generations())]);
            Ok(float(packed.len() as u64))
        })
    }

    /// Whether there is an owner.
    #[napi(catch_unwind)]
    pub fn status(&self, env: Env) -> Result<u32> {
        self.with(env, |reader, _| {
            Ok(match reader.status()? {
                MapStatus::Alive => MAP_ALIVE,
                MapStatus::Gone => MAP_GONE,
                MapStatus::Absent => MAP_ABSENT,
            })
        })
    }

    fn with<T>(
        &self,
        env: Env,
        call: impl FnOnce(&mut MapReader, &Numbers) -> ipc_core::Result<T>,
    ) -> Result<T> {
        let mut state = self.0.borrow_mut();
        let Reading { reader, numbers } = &mut *state;
        let reader = reader.as_mut().ok_or_else(closed);
        reader.and_then(|reader| call(reader, numbers)).map_err(|error| raise(env, &error))
    }

    /// In which format values are; `null`: there was no file yet.
    #[napi(catch_unwind)]
    pub fn format(&self) -> Option<NativeFormat> {
        let state = self.0.borrow();
        Some(NativeFormat::of(&state.reader.as_ref()?.head()?.format))
    }

    /// What was counted.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> Option<NativeMapStats> {
        let stats = self.0.borrow().reader.as_ref()?.stats();
        Some(NativeMapStats {
            corrupt: float(stats.corrupt),
            overtaken: float(stats.overtaken),
            generations: float(stats.generations),
            changes: float(stats.changes),
            entries: float(stats.entries),
        })
    }

    /// Has an engine say when there may be something new.
    #[napi(catch_unwind)]
    pub fn watch(&self, env: Env, engine: &NativeEngine) -> Result<u32> {
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
pub struct NativeMapStats {
    /// Values and files that were corrupt.
    pub corrupt: f64,
    /// Lookups that the owner has overtaken time and again.
    pub overtaken: f64,
    /// Files that were read.
    pub generations: f64,
    /// How often the map has changed.
    pub changes: f64,
    /// Entries in it, with those that have expired and are not yet removed.
    pub entries: f64,
}

/// Copies a value into an array, if it has room. Returns its length.
fn hand_over(env: sys::napi_env, value: Option<MapValue<'_>>, into: sys::napi_value) -> u32 {
    let Some(value) = value else { return MAP_MISSING };
    fill(env, into, value.bytes);
    length_of(value)
}

fn length_of(value: MapValue<'_>) -> u32 {
    u32::try_from(value.bytes.len()).expect("as long as a map has room for")
}

fn closed() -> Error {
    Error::new(Code::Closed, "the map is closed")
}

#[cold]
fn too_long() -> Error {
    let message = format!("a key is longer than {KEY_MAX} bytes, which no map has room for");
    Error::new(Code::TooLarge, message)
}
