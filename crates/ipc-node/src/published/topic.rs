//! Topics.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use ipc_core::{
    Code, Error, Time, TopicMode, TopicOptions, TopicPublisher, TopicStart, TopicSubscriber,
};
use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, sys};
use napi_derive::napi;

use super::direct::{Arguments, Direct, Shared, function};
use super::{NativeFormat, NativePlace, Numbers};
use crate::counters::float;
use crate::memory::{contents, fill};
use crate::{NativeEngine, raise};

/// What a subscriber wants: the newest message.
#[napi]
pub const TOPIC_LATEST: u32 = 0;
/// All that are still there, in order.
#[napi]
pub const TOPIC_LOSSY: u32 = 1;
/// All of them, in order.
#[napi]
pub const TOPIC_LOSSLESS: u32 = 2;

/// Where a subscriber starts: behind what is there.
#[napi]
pub const TOPIC_FROM_NEXT: u32 = 0;
/// At the newest message.
#[napi]
pub const TOPIC_FROM_NEWEST: u32 = 1;
/// At the oldest one that is still there.
#[napi]
pub const TOPIC_FROM_OLDEST: u32 = 2;

/// How a topic is made.
#[napi(object)]
pub struct NativeTopicOptions {
    /// Bytes of its ring.
    pub capacity: u32,
    /// What messages are.
    pub format: NativeFormat,
    /// Takes the name from a publisher that lives.
    pub take_over: bool,
}

/// The one publisher of a topic.
#[napi]
pub struct NativeTopicPublisher(Shared<Publishing>);

/// What its function works on.
struct Publishing {
    publisher: Option<TopicPublisher>,
    /// The number of the last message.
    numbers: Numbers,
}

impl Direct for Publishing {
    const NAME: &'static CStr = c"publish";

    /// Publishes the bytes of an array. 0: lossless subscribers hold the message up, and ring while
    /// it waits.
    fn call(&mut self, env: sys::napi_env, arguments: Arguments) -> Result<u32, Error> {
        let [message, ..] = arguments;
        let publisher = self.publisher.as_mut().ok_or_else(closed)?;
        let bytes = contents(env, message).unwrap_or_default();
        let Some(number) = publisher.append(bytes)? else { return Ok(0) };
        publisher.show();
        self.numbers.set([float(number)]);
        Ok(1)
    }
}

#[napi]
impl NativeTopicPublisher {
    /// Becomes the publisher.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "name: string, place: NativePlace, options: NativeTopicOptions, \
                        numbers: ArrayBuffer"
    )]
    pub fn new(
        env: Env,
        name: String,
        place: NativePlace,
        options: NativeTopicOptions,
        numbers: Unknown,
    ) -> napi::Result<Self> {
        let options = TopicOptions {
            capacity: options.capacity as usize,
            format: options.format.into_format(),
            take_over: options.take_over,
            ..TopicOptions::default()
        };
        let publisher = TopicPublisher::create(&name, &place.into_place(), &options);
        let publisher = Some(publisher.map_err(|error| raise(env, &error))?);
        let numbers = Numbers::adopt(env, numbers.raw())?;
        Ok(Self(Rc::new(RefCell::new(Publishing { publisher, numbers }))))
    }

    /// The function that publishes a message. It returns 1, and leaves its number in the numbers;
    /// or 0, where lossless subscribers hold it up: they ring while it waits.
    #[napi(catch_unwind, ts_return_type = "(message: Uint8Array) => number")]
    pub fn direct(&self, env: Env) -> napi::Result<Unknown<'static>> {
        function(env, &self.0)
    }

    /// Goes on without the subscribers that hold a message up.
    #[napi(catch_unwind)]
    pub fn cut_off(&self) {
        if let Some(publisher) = &mut self.0.borrow_mut().publisher {
            publisher.cut_off();
        }
    }

    /// Has an engine say when lossless subscribers may have made room.
    #[napi(catch_unwind)]
    pub fn watch(&self, env: Env, engine: &NativeEngine) -> napi::Result<u32> {
        let state = self.0.borrow();
        let publisher = state.publisher.as_ref().ok_or_else(|| raise(env, &closed()))?;
        engine.watch(env, |watcher| publisher.watch_readers(watcher))
    }

    /// What was counted.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> Option<NativeTopicPublisherStats> {
        let stats = self.0.borrow().publisher.as_ref()?.stats();
        Some(NativeTopicPublisherStats {
            published: float(stats.published),
            waits: float(stats.waits),
            cut_off: float(stats.cut_off),
        })
    }

    /// Ends it; with its file, if that is to be removed.
    #[napi(catch_unwind)]
    pub fn close(&self, remove: bool) {
        if let Some(publisher) = self.0.borrow_mut().publisher.take()
            && remove
        {
            publisher.remove();
        }
    }
}

/// What a publisher has counted.
#[napi(object)]
pub struct NativeTopicPublisherStats {
    /// Messages that were published.
    pub published: f64,
    /// Messages that had to wait.
    pub waits: f64,
    /// Subscribers that were cut off.
    pub cut_off: f64,
}

/// One of the subscribers of a topic.
#[napi]
pub struct NativeTopicSubscriber(Shared<Subscribing>);

/// What its function works on.
struct Subscribing {
    subscriber: Option<TopicSubscriber>,
    /// Of the last message: its length and number, the generation of its file, how many were
    /// skipped before it, whether it is the first one of another publisher, how many milliseconds
    /// ago it was published, and how many files were read before, because generations begin anew
    /// after a file was removed.
    numbers: Numbers,
}

impl Direct for Subscribing {
    const NAME: &'static CStr = c"next";

    /// Reads the next message and copies it into an array, if it is long enough for all of it.
    fn call(&mut self, env: sys::napi_env, arguments: Arguments) -> Result<u32, Error> {
        let [into, ..] = arguments;
        let subscriber = self.subscriber.as_mut().ok_or_else(closed)?;
        if !subscriber.advance()? {
            return Ok(0);
        }
        let files = subscriber.stats().generations;
        let Some(message) = subscriber.last() else { return Ok(0) };
        fill(env, into, message.bytes);
        let age = Time::now().as_nanos().saturating_sub(message.written_at.as_nanos());
        self.numbers.set([
            float(message.bytes.len() as u64),
            float(message.number),
            float(message.generation),
            float(message.skipped),
            f64::from(u8::from(message.is_restarted)),
            float(age) / 1e6,
            float(files),
        ]);
        Ok(1)
    }
}

#[napi]
impl NativeTopicSubscriber {
    /// A subscriber, whether or not there is a publisher.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "name: string, place: NativePlace, mode: number, start: number, \
                        numbers: ArrayBuffer"
    )]
    pub fn new(
        env: Env,
        name: String,
        place: NativePlace,
        mode: u32,
        start: u32,
        numbers: Unknown,
    ) -> napi::Result<Self> {
        let mode = match mode {
            TOPIC_LATEST => TopicMode::Latest,
            TOPIC_LOSSY => TopicMode::Lossy,
            TOPIC_LOSSLESS => TopicMode::Lossless,
            _ => return Err(unknown(env, "mode")),
        };
        let start = match start {
            TOPIC_FROM_NEXT => TopicStart::Next,
            TOPIC_FROM_NEWEST => TopicStart::Newest,
            TOPIC_FROM_OLDEST => TopicStart::Oldest,
            _ => return Err(unknown(env, "start")),
        };
        let subscriber = TopicSubscriber::open(&name, &place.into_place(), mode, start);
        let subscriber = Some(subscriber.map_err(|error| raise(env, &error))?);
        let numbers = Numbers::adopt(env, numbers.raw())?;
        Ok(Self(Rc::new(RefCell::new(Subscribing { subscriber, numbers }))))
    }

    /// The function that reads the next message into an array, if it is long enough for all of it.
    /// It returns whether there was one; what is known of it is in the numbers.
    #[napi(catch_unwind, ts_return_type = "(into: Uint8Array) => number")]
    pub fn direct(&self, env: Env) -> napi::Result<Unknown<'static>> {
        function(env, &self.0)
    }

    /// Copies the message that was read last.
    #[napi(catch_unwind, ts_args_type = "into: Uint8Array")]
    pub fn copy(&self, env: Env, into: Unknown) {
        let state = self.0.borrow();
        if let Some(message) = state.subscriber.as_ref().and_then(TopicSubscriber::last) {
            fill(env.raw(), into.raw(), message.bytes);
        }
    }

    /// In which format messages are; `null`: there was no file yet.
    #[napi(catch_unwind)]
    pub fn format(&self) -> Option<NativeFormat> {
        Some(NativeFormat::of(self.0.borrow().subscriber.as_ref()?.format()?))
    }

    /// Whether the publisher lives.
    #[napi(catch_unwind)]
    pub fn has_publisher(&self) -> bool {
        self.0.borrow().subscriber.as_ref().is_some_and(TopicSubscriber::has_publisher)
    }

    /// What was counted.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> Option<NativeTopicStats> {
        let stats = self.0.borrow().subscriber.as_ref()?.stats();
        Some(NativeTopicStats {
            received: float(stats.received),
            skipped: float(stats.skipped),
            corrupt: float(stats.corrupt),
            generations: float(stats.generations),
        })
    }

    /// Has an engine say when there may be something new.
    #[napi(catch_unwind)]
    pub fn watch(&self, env: Env, engine: &NativeEngine) -> napi::Result<u32> {
        let state = self.0.borrow();
        let subscriber = state.subscriber.as_ref().ok_or_else(|| raise(env, &closed()))?;
        engine.watch(env, |watcher| subscriber.watch(watcher))
    }

    /// Ends it.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.0.borrow_mut().subscriber = None;
    }
}

/// What a subscriber has counted.
#[napi(object)]
pub struct NativeTopicStats {
    /// Messages that were read.
    pub received: f64,
    /// Messages that were missed or passed by.
    pub skipped: f64,
    /// Messages and files that were corrupt.
    pub corrupt: f64,
    /// Files that were read.
    pub generations: f64,
}

fn unknown(env: Env, what: &str) -> napi::Error {
    raise(env, &Error::new(Code::InvalidArgument, format!("there is no such {what}")))
}

fn closed() -> Error {
    Error::new(Code::Closed, "the topic is closed")
}
