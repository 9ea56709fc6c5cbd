//! What connections have counted, for JavaScript: of those that are open, of one that has just
//! ended, and of many together.

use std::time::Duration;

use ipc_core::{
    EngineStats, Histogram, Kind, LATENCY_BOUNDS, Lane, Latency, LinkId, LinkStats, Totals, Traffic,
};
use napi_derive::napi;

#[cfg(not(target_family = "wasm"))]
use crate::native_engine::NativeEngine;
#[cfg(target_family = "wasm")]
use crate::wasm::engine::NativeEngine;

/// What an engine has counted.
#[napi(object)]
#[cfg_attr(target_family = "wasm", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct NativeEngineStats {
    /// Open connections.
    pub connections: u32,
    /// Handshakes that came to nothing.
    pub handshakes_failed: f64,
    /// Frames found without a ring of the doorbell. Anything but 0 is a bug.
    pub lost_wakeups: f64,
    /// `loop`, `thread` or `host`.
    pub wakes_by: String,
}

impl NativeEngineStats {
    pub fn of(stats: EngineStats, wakes_by: &str) -> Self {
        Self {
            connections: u32::try_from(stats.links).unwrap_or(u32::MAX),
            handshakes_failed: float(stats.handshakes_failed),
            lost_wakeups: float(stats.lost_wakeups),
            wakes_by: wakes_by.into(),
        }
    }
}

/// What a connection has counted, or several.
#[napi(object)]
#[cfg_attr(target_family = "wasm", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct NativeLinkStats {
    /// Messages sent.
    pub sent: f64,
    /// Messages received.
    pub received: f64,
    /// Bytes of the frames that were written to the rings.
    pub bytes_sent: f64,
    /// Bytes of the frames that were read.
    pub bytes_received: f64,
    /// How long requests took.
    pub latency: NativeLatency,
    /// Answers that came after their request had ended.
    pub late_replies: f64,
    /// Requests that had ended before they arrived.
    pub stale_requests: f64,
    /// Messages refused because their lane was full.
    pub refused: f64,
    /// One-way messages dropped here, by lane.
    pub dropped: Vec<f64>,
    /// One-way messages the peer has dropped, by lane.
    pub peer_dropped: Vec<f64>,
    /// Doorbells rung.
    pub rings: f64,
    /// Bytes that wait for room.
    pub queued: f64,
}

/// How long requests took, in milliseconds.
#[napi(object)]
#[cfg_attr(target_family = "wasm", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct NativeLatency {
    /// Requests that were timed.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Half took no longer.
    pub p50: f64,
    /// 95 % took no longer.
    pub p95: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A histogram, for those who export it.
#[napi(object)]
#[cfg_attr(target_family = "wasm", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct NativeBuckets {
    /// All of it together, in milliseconds.
    pub sum: f64,
    /// Requests that took less than each of the bounds of [`latency_bounds`].
    pub below: Vec<f64>,
}

/// The bounds of histograms, in milliseconds.
#[napi]
#[cfg_attr(test, allow(dead_code, reason = "only JavaScript calls it"))]
pub fn latency_bounds() -> Vec<f64> {
    LATENCY_BOUNDS.map(millis).to_vec()
}

/// Messages by kind and lane.
#[napi(object)]
#[cfg_attr(target_family = "wasm", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct NativeTraffic {
    /// Of those that were sent, the numbers of [`KINDS`], and in each of the lanes.
    pub sent: Vec<Vec<f64>>,
    /// The same of those that were received.
    pub received: Vec<Vec<f64>>,
}

/// The kinds of messages that applications see, as [`NativeTraffic`] has them.
const KINDS: [Kind; 6] =
    [Kind::Request, Kind::Reply, Kind::Error, Kind::OneWay, Kind::RequestItem, Kind::ReplyItem];

/// The sum of what several connections have counted.
#[napi]
#[derive(Default)]
pub struct NativeTotals {
    totals: Totals,
}

#[napi]
impl NativeTotals {
    /// Of none yet.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connection of this engine, or one that has ended and was not forgotten.
    #[napi(catch_unwind)]
    pub fn add(&mut self, engine: &NativeEngine, link: u32) {
        self.totals.extend(engine.totals(LinkId(link)));
    }

    /// The same sum, to add to.
    #[napi(catch_unwind)]
    pub fn copy(&self) -> Self {
        Self { totals: self.totals.clone() }
    }

    /// What they are.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> NativeLinkStats {
        self.totals.stats().into()
    }

    /// Messages by kind and lane.
    #[napi(catch_unwind)]
    pub fn traffic(&self) -> NativeTraffic {
        let stats = self.totals.stats();
        NativeTraffic { sent: rows(&stats.sent_by), received: rows(&stats.received_by) }
    }

    /// How long requests took.
    #[napi(catch_unwind)]
    pub fn buckets(&self) -> NativeBuckets {
        (&self.totals.latencies()).into()
    }
}

/// How long requests of one kind took, as JavaScript measures them.
#[napi]
#[derive(Default)]
pub struct NativeHistogram {
    histogram: Histogram,
}

#[napi]
impl NativeHistogram {
    /// Of none yet.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one request.
    #[napi(catch_unwind)]
    pub fn record(&mut self, ms: f64) {
        self.histogram.record(Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default());
    }

    /// Takes in all that another has taken in.
    #[napi(catch_unwind)]
    pub fn merge(&mut self, other: &NativeHistogram) {
        self.histogram.merge(&other.histogram);
    }

    /// What it says.
    #[napi(catch_unwind)]
    pub fn summary(&self) -> NativeLatency {
        self.histogram.summary().into()
    }

    /// The whole of it.
    #[napi(catch_unwind)]
    pub fn buckets(&self) -> NativeBuckets {
        (&self.histogram).into()
    }
}

/// The last counters of connections that JavaScript does not know have ended, by their places.
#[derive(Default)]
pub struct Ended(Vec<Option<(LinkId, Totals)>>);

impl Ended {
    pub fn keep(&mut self, link: LinkId, totals: Totals) {
        let place = link.place();
        if place >= self.0.len() {
            self.0.resize_with(place + 1, || None);
        }
        self.0[place] = Some((link, totals));
    }

    pub fn get(&self, link: LinkId) -> Option<&Totals> {
        let (kept, totals) = self.0.get(link.place())?.as_ref()?;
        (*kept == link).then_some(totals)
    }

    pub fn forget(&mut self, link: LinkId) {
        if let Some(entry) = self.0.get_mut(link.place()) {
            entry.take_if(|(kept, _)| *kept == link);
        }
    }
}

impl From<LinkStats> for NativeLinkStats {
    fn from(stats: LinkStats) -> Self {
        Self {
            sent: float(stats.sent),
            received: float(stats.received),
            bytes_sent: float(stats.bytes_sent),
            bytes_received: float(stats.bytes_received),
            latency: stats.latency.into(),
            late_replies: float(stats.late_replies),
            stale_requests: float(stats.stale_requests),
            refused: float(stats.refused),
            dropped: stats.dropped.map(float).to_vec(),
            peer_dropped: stats.peer_dropped.map(float).to_vec(),
            rings: float(stats.rings),
            queued: float(stats.queued as u64),
        }
    }
}

impl From<Latency> for NativeLatency {
    fn from(latency: Latency) -> Self {
        Self {
            count: float(latency.count),
            mean: millis(latency.mean),
            p50: millis(latency.p50),
            p95: millis(latency.p95),
            p99: millis(latency.p99),
            max: millis(latency.max),
        }
    }
}

impl From<&Histogram> for NativeBuckets {
    fn from(histogram: &Histogram) -> Self {
        let below = histogram.below().map(float).to_vec();
        Self { sum: millis(histogram.sum()), below }
    }
}

fn rows(traffic: &Traffic) -> Vec<Vec<f64>> {
    let row = |kind| Lane::ALL.map(|lane| float(traffic.get(kind, lane))).to_vec();
    KINDS.map(row).to_vec()
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "no counter gets beyond 2^53")]
pub fn float(count: u64) -> f64 {
    count as f64
}
