//! The runner's commands and their answers: `benches/commands.mts` in Rust.

use std::time::{Duration, TryFromFloatSecsError};

use serde::{Deserialize, Serialize};

use crate::adapter::Settings;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum Command {
    /// Serves under a name, until stopped.
    Serve {
        adapter: String,
        address: String,
        settings: Settings,
    },
    Connect {
        adapter: String,
        address: String,
        settings: Settings,
    },
    /// Round trips one after the other, with a pause between them if asked for.
    Latency {
        size: usize,
        ms: Millis,
        #[serde(default)]
        pause_ms: Millis,
    },
    /// Round trips at a fixed rate, each timed from when it should have been sent.
    OpenLoop {
        size: usize,
        ms: Millis,
        rate: f64,
    },
    /// So many requests in flight all the time.
    Pipelined {
        size: usize,
        ms: Millis,
        in_flight: usize,
    },
    /// Messages without answers, as fast as they are taken.
    OneWay {
        size: usize,
        ms: Millis,
    },
    /// The same, so many.
    Burst {
        size: usize,
        count: u64,
    },
    /// Items of a stream from the side that serves, as fast as they are read.
    Stream {
        size: usize,
        ms: Millis,
    },
    /// Copies so much at a time to and fro in memory.
    Memcpy {
        size: usize,
        ms: Millis,
    },
    /// How many messages the server has received since the last time.
    Received,
    /// Connections one after the other, each with one round trip.
    Reconnect {
        times: u32,
    },
    Idle {
        ms: Millis,
    },
    /// Many connections to a Ringpost server, each with some round trips at once.
    ConnectMany {
        address: String,
        settings: Settings,
        connections: usize,
        requests: usize,
    },
    /// Round trips on all of them in turn.
    AskMany,
    /// The libraries that publish here.
    Libraries,
    /// Becomes the publisher of messages, to so many subscribers.
    Publish {
        library: String,
        address: String,
        settings: Settings,
        subscribers: usize,
    },
    /// Publishes so many.
    PublishAll {
        size: usize,
        count: u64,
    },
    Subscribe {
        library: String,
        address: String,
        settings: Settings,
    },
    /// Reads so many, and answers how many there were.
    ReadAll {
        count: u64,
    },
    /// Becomes the writer of a value, and writes it once.
    Write {
        library: String,
        address: String,
        settings: Settings,
    },
    /// Writes it without a pause.
    WriteFor {
        ms: Millis,
    },
    /// Reads a value so many times.
    ReadOften {
        library: String,
        address: String,
        settings: Settings,
        reads: u64,
    },
    /// Looks the keys of a map of Ringpost's up, `key-0` and so on, so many times in all.
    LookUp {
        address: String,
        settings: Settings,
        keys: usize,
        lookups: u64,
    },
    Stop,
}

/// The runner counts in milliseconds, not all of them whole.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Millis(pub Duration);

impl TryFrom<f64> for Millis {
    type Error = TryFromFloatSecsError;

    fn try_from(ms: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(ms / 1e3).map(Self)
    }
}

/// Spans in nanoseconds, from an HDR histogram of three digits.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// How many there were.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub stddev: f64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th.
    pub p99: u64,
    /// The 99.9th.
    pub p999: u64,
    /// The 99.99th.
    pub p9999: u64,
    /// The longest.
    pub max: u64,
}

/// What came of an open loop.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenLoop {
    /// From when each request should have been sent.
    #[serde(flatten)]
    pub latency: Latency,
    /// Messages a second that were answered.
    pub per_second: f64,
}

/// How much got across.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Messages.
    pub count: u64,
    /// Messages a second.
    pub per_second: f64,
    /// Bytes a second.
    pub bytes_per_second: f64,
}

/// What came of connecting many times.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManyConnected {
    pub connect_ms: f64,
}
