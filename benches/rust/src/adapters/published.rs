//! Ringpost's topics, state frames and maps.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringpost::published::{
    FrameConfig, MapReader, Place, StateFrameReader, StateFrameWriter, TopicMode, TopicOptions,
    TopicPublisher, TopicStart, TopicSubscriber,
};

use crate::adapter::{Result, Settings};
use crate::commands::Latency;
use crate::published::{FRAME_LEN, Library, Publishing, Reading, Subscribing, Writing};
use crate::spans::Spans;

/// Its entry in the table of libraries.
pub const LIBRARY: Library = Library { name: "ringpost", publish, subscribe, write, read };

/// How long a side waits for the other before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lookups between two looks at the clock.
const BATCH: u32 = 100;

fn publish(address: &str, settings: &Settings, _: usize) -> Result<Publishing> {
    let options = TopicOptions { timeout: PATIENCE, ..TopicOptions::default() };
    let mut topic = TopicPublisher::create(address, &place(settings), &options)?;
    Ok(Box::new(move |messages| {
        while let Some(payload) = messages.next() {
            topic.publish(payload)?;
        }
        Ok(())
    }))
}

fn subscribe(address: &str, settings: &Settings) -> Result<Subscribing> {
    let (mode, start) = (TopicMode::Lossless, TopicStart::Next);
    let mut topic = TopicSubscriber::open(address, &place(settings), mode, start)?;
    Ok(Box::new(move |count, read| {
        let mut left = count;
        while left > 0 {
            let most = usize::try_from(left)?;
            match topic.batch(PATIENCE, most, |message| read(message.bytes))? {
                0 => return Err("no more messages have come".into()),
                some => left -= some as u64,
            }
        }
        Ok(())
    }))
}

fn write(address: &str, settings: &Settings) -> Result<Writing> {
    let config = FrameConfig::new().place(place(settings)).capacity(FRAME_LEN);
    let mut frame = StateFrameWriter::create(address, &config)?;
    Ok(Box::new(move |value| {
        frame.write(value)?;
        Ok(())
    }))
}

fn read(address: &str, settings: &Settings) -> Result<Reading> {
    let mut frame = StateFrameReader::open(address, &place(settings))?;
    Ok(Box::new(move |show| {
        show(frame.read()?.bytes);
        Ok(())
    }))
}

/// Looks all keys up in turn, so many times in all, and checks that each is there.
pub(crate) fn look_up(
    address: &str,
    settings: &Settings,
    keys: usize,
    lookups: u64,
) -> Result<Latency> {
    let mut map = MapReader::open(address, &place(settings))?;
    let keys: Vec<_> = (0..keys).map(|key| format!("key-{key}")).collect();
    let (mut in_turn, mut spans) = (keys.iter().cycle(), Spans::new());
    for _ in 0..lookups.div_ceil(u64::from(BATCH)) {
        let start = Instant::now();
        for key in in_turn.by_ref().take(BATCH as usize) {
            let Some(value) = map.get(key)? else {
                return Err(format!("{key} is missing").into());
            };
            black_box(value.bytes);
        }
        spans.record(start.elapsed() / BATCH);
    }
    Ok(spans.latency())
}

fn place(settings: &Settings) -> Place {
    Place::at(&settings.directory)
}
