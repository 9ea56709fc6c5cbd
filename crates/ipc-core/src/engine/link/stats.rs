//! What links count, and its sum over several of them.

use crate::latency::{Histogram, Latency};
use crate::limits::Lane;
use crate::session::Traffic;

/// What a link has counted and how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Messages sent.
    pub sent: u64,
    /// Messages received whole.
    pub received: u64,
    /// Those that were sent, by kind and lane.
    pub sent_by: Traffic,
    /// Those that were received, by kind and lane.
    pub received_by: Traffic,
    /// Bytes of the frames that were written to the rings: headers, options and payloads, as they
    /// are there, each rounded up to eight.
    pub bytes_sent: u64,
    /// The same of the frames that were read.
    pub bytes_received: u64,
    /// Requests of this side that the peer has answered with an error.
    pub failed: u64,
    /// Requests of this side that were not answered in time.
    pub timed_out: u64,
    /// How long requests of this side took, from when they were written until their answers were
    /// read. The first 1,024 of a link are timed, then one in eight; streams are not.
    pub latency: Latency,
    /// Answers that arrived after their request had ended.
    pub late_replies: u64,
    /// Requests that had ended before they arrived.
    pub stale_requests: u64,
    /// Messages refused because their lane was full.
    pub refused: u64,
    /// One-way messages of this side that its lanes dropped, by [`Lane`].
    pub dropped: [u64; Lane::ALL.len()],
    /// One-way messages of the peer that its lanes dropped, as the peer reports.
    pub peer_dropped: [u64; Lane::ALL.len()],
    /// Doorbells rung.
    pub rings: u64,
    /// Bytes waiting in private memory.
    pub queued: usize,
    /// Requests of this side in flight.
    pub calls: u32,
    /// Requests of the peer being worked on.
    pub serving: u32,
}

/// The sum of what several links have counted.
///
/// ```
/// # use ipc_core::{Engine, Totals};
/// # let engine = Engine::new()?;
/// let mut totals = Totals::default();
/// for link in engine.links() {
///     totals.extend(engine.totals(link));
/// }
/// assert_eq!(totals.stats().latency.count, 0);
/// # Ok::<(), ipc_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// But for the latency.
    stats: LinkStats,
    latencies: Option<Box<Histogram>>,
}

impl Totals {
    pub(super) fn of(stats: LinkStats, latencies: Option<&Histogram>) -> Self {
        Self { stats, latencies: latencies.map(|own| Box::new(own.clone())) }
    }

    /// Adds what others have counted.
    pub fn add(&mut self, other: &Self) {
        let (own, more) = (&mut self.stats, &other.stats);
        own.sent += more.sent;
        own.received += more.received;
        own.sent_by.add(&more.sent_by);
        own.received_by.add(&more.received_by);
        own.bytes_sent += more.bytes_sent;
        own.bytes_received += more.bytes_received;
        own.failed += more.failed;
        own.timed_out += more.timed_out;
        own.late_replies += more.late_replies;
        own.stale_requests += more.stale_requests;
        own.refused += more.refused;
        for lane in 0..Lane::ALL.len() {
            own.dropped[lane] += more.dropped[lane];
            // As a peer claims, which can claim anything.
            own.peer_dropped[lane] = own.peer_dropped[lane].saturating_add(more.peer_dropped[lane]);
        }
        own.rings += more.rings;
        own.queued += more.queued;
        own.calls += more.calls;
        own.serving += more.serving;
        if let Some(latencies) = &other.latencies {
            self.latencies.get_or_insert_default().merge(latencies);
        }
    }

    /// How long the requests of all of them took.
    pub fn latencies(&self) -> Histogram {
        self.latencies.as_deref().cloned().unwrap_or_default()
    }

    /// The sums, and the latency of all requests together.
    pub fn stats(&self) -> LinkStats {
        let latency = self.latencies.as_deref().map(Histogram::summary).unwrap_or_default();
        LinkStats { latency, ..self.stats }
    }
}

impl Extend<Totals> for Totals {
    fn extend<T: IntoIterator<Item = Totals>>(&mut self, others: T) {
        others.into_iter().for_each(|other| self.add(&other));
    }
}
