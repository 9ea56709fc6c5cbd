//! What a process publishes for others under measurement: messages that each of several subscribers
//! reads, and a value of which readers get the newest.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::adapter::{Result, Settings};
use crate::adapters::published::look_up;
use crate::commands::{Command, Latency};
use crate::measured::{Messages, Until};
use crate::payload::{Sink, touch};
use crate::spans::Spans;
use crate::worker::value;

/// A library that publishes.
#[derive(Clone, Copy)]
pub struct Library {
    /// What the runner calls it.
    pub name: &'static str,
    /// Publishes messages to so many subscribers, none of which may miss one.
    pub publish: fn(address: &str, settings: &Settings, subscribers: usize) -> Result<Publishing>,
    /// Reads all of them.
    pub subscribe: fn(address: &str, settings: &Settings) -> Result<Subscribing>,
    /// Writes a value that is [`FRAME_LEN`] bytes long.
    pub write: fn(address: &str, settings: &Settings) -> Result<Writing>,
    /// Reads it.
    pub read: fn(address: &str, settings: &Settings) -> Result<Reading>,
}

/// Publishes all messages there are.
pub type Publishing = Box<dyn FnMut(&mut Messages) -> Result<()>>;
/// Reads so many messages.
pub type Subscribing = Box<dyn FnMut(u64, &mut dyn FnMut(&[u8])) -> Result<()>>;
/// Replaces the value.
pub type Writing = Box<dyn FnMut(&[u8; FRAME_LEN]) -> Result<()>>;
/// Shows the newest value.
pub type Reading = Box<dyn FnMut(&mut dyn FnMut(&[u8])) -> Result<()>>;

/// Bytes of a value.
pub const FRAME_LEN: usize = 5_000;

/// Calls between two looks at the clock.
const BATCH: u32 = 100;

/// What a worker publishes and subscribes to.
pub(crate) struct Published<'a> {
    libraries: &'a [Library],
    publishing: Option<Publishing>,
    subscribing: Option<Subscribing>,
    writing: Option<Writing>,
}

/// Of many reads.
#[derive(Serialize)]
struct Read {
    /// Of one, in nanoseconds.
    latency: Latency,
    torn: u64,
}

impl<'a> Published<'a> {
    pub fn by(libraries: &'a [Library]) -> Self {
        Self { libraries, publishing: None, subscribing: None, writing: None }
    }

    pub fn obey(&mut self, command: Command, sink: &Sink) -> Result<Value> {
        match command {
            Command::Libraries => {
                let names: Vec<_> = self.libraries.iter().map(|library| library.name).collect();
                return value(Ok(names));
            }
            Command::Publish { library, address, settings, subscribers } => {
                let publish = self.library(&library)?.publish;
                self.publishing = Some(publish(&address, &settings, subscribers)?);
            }
            Command::PublishAll { size, count } => {
                let publish = self.publishing.as_mut().ok_or("nothing is published")?;
                publish(&mut Messages::new(size, Until::Sent(count)))?;
            }
            Command::Subscribe { library, address, settings } => {
                let subscribe = self.library(&library)?.subscribe;
                self.subscribing = Some(subscribe(&address, &settings)?);
            }
            Command::ReadAll { count } => {
                let read = self.subscribing.as_mut().ok_or("nothing is subscribed to")?;
                let mut reader = sink.reader();
                read(count, &mut |payload| reader.got(payload))?;
                return value(sink.received());
            }
            Command::Write { library, address, settings } => {
                let mut write = (self.library(&library)?.write)(&address, &settings)?;
                write(&[1; FRAME_LEN])?;
                self.writing = Some(write);
            }
            Command::WriteFor { ms } => {
                let write = self.writing.as_mut().ok_or("nothing is written")?;
                return value(write_for(write, ms.0));
            }
            Command::ReadOften { library, address, settings, reads } => {
                let mut read = (self.library(&library)?.read)(&address, &settings)?;
                return value(read_often(&mut read, reads));
            }
            Command::LookUp { address, settings, keys, lookups } => {
                return value(look_up(&address, &settings, keys, lookups));
            }
            _ => return Err("that is no command about what is published".into()),
        }
        Ok(Value::Null)
    }

    fn library(&self, name: &str) -> Result<Library> {
        let found = self.libraries.iter().find(|library| library.name == name);
        found.copied().ok_or_else(|| format!("no library '{name}' publishes here").into())
    }
}

/// Writes without a pause. Returns what a write took, in nanoseconds.
fn write_for(write: &mut Writing, span: Duration) -> Result<f64> {
    let values = [[1; FRAME_LEN], [2; FRAME_LEN]];
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < span {
        for value in values.iter().cycle().take(BATCH as usize) {
            write(value)?;
        }
        count += BATCH;
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(count.max(1)))
}

/// Reads without a pause, touches each value, and checks one after each batch.
fn read_often(read: &mut Reading, reads: u64) -> Result<Read> {
    let (mut spans, mut torn) = (Spans::new(), 0);
    for _ in 0..reads.div_ceil(u64::from(BATCH)) {
        let start = Instant::now();
        for _ in 0..BATCH {
            read(&mut touch)?;
        }
        spans.record(start.elapsed() / BATCH);
        read(&mut |value| {
            let is_whole = value.len() == FRAME_LEN && value.iter().all(|byte| *byte == value[0]);
            torn += u64::from(!is_whole);
        })?;
    }
    Ok(Read { latency: spans.latency(), torn })
}
