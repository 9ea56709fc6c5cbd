//! What clients, servers and pools have counted, for the recorder of `metrics`; with the feature of
//! that name.

use ipc_core::{Histogram, Kind, Lane};
use metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics::{gauge, histogram};

use super::client::Client;
use super::pool::Pool;
use super::server::Server;
use crate::api::Stats;

/// Hands what a client, a server or a pool has counted to the recorder of the crate `metrics`,
/// whenever it is called: before each scrape, or every few seconds. In between nothing is done.
///
/// Names, units and labels are those of `ringpost/prometheus` in TypeScript: `ringpost_` is in
/// front of each, times are in seconds, and each has the labels `role` (`server`, `client` or
/// `pool`) and `name`. Counters never go down, whatever becomes of connections. The histogram
/// `ringpost_request_duration_seconds` has the requests that were timed, to within a sixteenth.
/// There is none by method, and of pools there is nothing but how they stand.
///
/// ```
/// # use ringpost::tokio::{Reporter, Server};
/// # async fn example(server: Server) {
/// let mut reporter = Reporter::new("demo");
/// loop {
///     tokio::time::sleep(std::time::Duration::from_secs(5)).await;
///     reporter.report(&server);
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Reporter {
    name: String,
    /// Requests that were reported, by how long they took.
    timed: Vec<u64>,
}

/// What a [`Reporter`] can report: a [`Client`], a [`Server`] or a [`Pool`].
pub trait Reported: sealed::Reported {}

impl<T: sealed::Reported> Reported for T {}

mod sealed {
    pub trait Reported {
        fn report(&self, reporter: &mut super::Reporter);
    }
}

impl Reporter {
    /// For one object, which has this as the label `name`. Describes the metrics to the recorder
    /// there is.
    ///
    /// ```
    /// # use ringpost::tokio::Reporter;
    /// let reporter = Reporter::new("demo");
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        describe();
        Self { name: name.into(), timed: Vec::new() }
    }

    /// Sets all metrics of the object to what it has counted by now. Always to be called with the
    /// same one.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Reporter};
    /// # fn example(client: &Client, reporter: &mut Reporter) {
    /// reporter.report(client);
    /// # }
    /// ```
    pub fn report(&mut self, object: &impl Reported) {
        object.report(self);
    }

    fn labels(&self, role: &'static str) -> Labels {
        Labels(vec![Label::new("role", role), Label::new("name", self.name.clone())])
    }

    fn counted(&mut self, labels: &Labels, stats: &Stats, latencies: &Histogram) {
        let links = &stats.links;
        labels.gauge("ringpost_connections", stats.connections as u64);
        labels.counter("ringpost_connections_opened_total", stats.connections_total);
        for kind in KINDS {
            for lane in Lane::ALL {
                let own = labels.with("kind", name_of(kind)).with("lane", LANES[lane as usize]);
                own.counter_of_some("ringpost_messages_sent_total", links.sent_by.get(kind, lane));
                let received = links.received_by.get(kind, lane);
                own.counter_of_some("ringpost_messages_received_total", received);
            }
        }
        for lane in Lane::ALL {
            let own = labels.with("lane", LANES[lane as usize]);
            let peers = links.peer_dropped[lane as usize];
            own.counter("ringpost_events_dropped_total", links.dropped[lane as usize]);
            own.counter("ringpost_peer_events_dropped_total", peers);
        }
        for (code, count) in stats.errors.iter() {
            labels.with("code", code.as_str()).counter("ringpost_request_errors_total", count);
        }
        labels.counter("ringpost_sent_bytes_total", links.bytes_sent);
        labels.counter("ringpost_received_bytes_total", links.bytes_received);
        labels.gauge("ringpost_requests_in_flight", links.calls.into());
        labels.gauge("ringpost_requests_serving", links.serving.into());
        labels.gauge("ringpost_queued_bytes", links.queued as u64);
        labels.counter("ringpost_events_unhandled_total", stats.unhandled);
        labels.counter("ringpost_messages_refused_total", links.refused);
        labels.counter("ringpost_late_replies_total", links.late_replies);
        labels.counter("ringpost_stale_requests_total", links.stale_requests);
        labels.counter("ringpost_doorbells_total", links.rings);
        self.timed(labels, latencies);
    }

    /// The requests that were timed since it was called last.
    fn timed(&mut self, labels: &Labels, latencies: &Histogram) {
        let all = histogram!("ringpost_request_duration_seconds", labels.0.clone());
        self.timed.resize(latencies.buckets().count(), 0);
        for ((took, count), reported) in latencies.buckets().zip(&mut self.timed) {
            let more = usize::try_from(count.saturating_sub(*reported)).unwrap_or(usize::MAX);
            if more > 0 {
                all.record_many(took.as_secs_f64(), more);
            }
            *reported = count;
        }
    }
}

impl sealed::Reported for Server {
    fn report(&self, reporter: &mut Reporter) {
        let (stats, latencies) = self.owner().counted();
        reporter.counted(&reporter.labels("server"), &stats, &latencies);
    }
}

impl sealed::Reported for Client {
    fn report(&self, reporter: &mut Reporter) {
        let labels = reporter.labels("client");
        let (mut stats, latencies) = self.owner().counted();
        let sessions = self.session_stats();
        let all = stats.links.dropped.iter_mut().zip(sessions.dropped);
        all.for_each(|(dropped, away)| *dropped += away);
        reporter.counted(&labels, &stats, &latencies);
        labels.gauge("ringpost_waiting", sessions.waiting as u64);
        labels.counter("ringpost_reconnects_total", sessions.reconnects);
    }
}

impl sealed::Reported for Pool {
    fn report(&self, reporter: &mut Reporter) {
        let (labels, stats) = (reporter.labels("pool"), self.stats());
        labels.gauge("ringpost_connections", stats.size as u64);
        labels.counter("ringpost_connections_opened_total", stats.made);
        labels.gauge("ringpost_waiting", stats.waiting as u64);
        labels.gauge("ringpost_pool_idle_connections", stats.idle as u64);
        labels.gauge("ringpost_pool_leased_connections", stats.leased as u64);
        labels.counter("ringpost_pool_reuses_total", stats.reused);
        for (quantile, span) in [("0.5", stats.acquire_p50), ("0.99", stats.acquire_p99)] {
            let own = labels.with("quantile", quantile);
            gauge!("ringpost_pool_acquire_seconds", own.0).set(span.as_secs_f64());
        }
        for server in &stats.servers {
            let own = labels.with("server", server.name.clone());
            own.gauge("ringpost_pool_server_up", u64::from(server.open > 0));
        }
    }
}

/// The labels of a series.
struct Labels(Vec<Label>);

impl Labels {
    fn with(&self, key: &'static str, value: impl Into<metrics::SharedString>) -> Self {
        let mut all = self.0.clone();
        all.push(Label::new(key, value));
        Self(all)
    }

    fn counter(&self, name: &'static str, count: u64) {
        counter!(name, self.0.clone()).absolute(count);
    }

    /// Where most are never counted.
    fn counter_of_some(&self, name: &'static str, count: u64) {
        if count > 0 {
            self.counter(name, count);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nothing is as many as 2^53")]
    fn gauge(&self, name: &'static str, value: u64) {
        gauge!(name, self.0.clone()).set(value as f64);
    }
}

const LANES: [&str; Lane::ALL.len()] = ["critical", "high", "normal", "low"];
const KINDS: [Kind; 6] =
    [Kind::Request, Kind::Reply, Kind::Error, Kind::OneWay, Kind::RequestItem, Kind::ReplyItem];

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "request",
        Kind::Reply => "reply",
        Kind::Error => "error",
        Kind::OneWay => "event",
        Kind::Control => "control",
        Kind::RequestItem => "requestItem",
        Kind::ReplyItem => "replyItem",
    }
}

fn describe() {
    for (name, help) in COUNTERS {
        describe_counter!(name, unit_of(name), help);
    }
    for (name, help) in GAUGES {
        describe_gauge!(name, unit_of(name), help);
    }
    let timed =
        "Time from a request to its answer: the first 1,024 of a connection, then one in eight.";
    describe_histogram!("ringpost_request_duration_seconds", Unit::Seconds, timed);
}

fn unit_of(name: &str) -> Unit {
    match name {
        _ if name.contains("_bytes") => Unit::Bytes,
        _ if name.ends_with("_seconds") => Unit::Seconds,
        _ => Unit::Count,
    }
}

const COUNTERS: [(&str, &str); 15] = [
    ("ringpost_connections_opened_total", "Connections that were ever opened."),
    ("ringpost_messages_sent_total", "Messages sent."),
    ("ringpost_messages_received_total", "Messages received."),
    ("ringpost_sent_bytes_total", "Bytes of frames written."),
    ("ringpost_received_bytes_total", "Bytes of frames read."),
    ("ringpost_request_errors_total", "Requests and streams that have failed."),
    ("ringpost_events_dropped_total", "Events dropped by a full lane."),
    ("ringpost_peer_events_dropped_total", "Events of peers dropped by a full lane of theirs."),
    ("ringpost_events_unhandled_total", "Events without a handler."),
    ("ringpost_messages_refused_total", "Messages refused because their lane was full."),
    ("ringpost_late_replies_total", "Replies that came after their request had ended."),
    ("ringpost_stale_requests_total", "Requests that had ended before they arrived."),
    ("ringpost_doorbells_total", "System calls to wake a peer."),
    ("ringpost_reconnects_total", "Sessions of a client after the first."),
    ("ringpost_pool_reuses_total", "Times a connection was used that was there already."),
];

const GAUGES: [(&str, &str); 9] = [
    ("ringpost_connections", "Open connections."),
    ("ringpost_requests_in_flight", "Requests without an answer yet."),
    ("ringpost_requests_serving", "Requests of peers being worked on."),
    ("ringpost_queued_bytes", "Bytes waiting for space in the rings."),
    ("ringpost_waiting", "Requests, streams, events and leases that wait for a connection."),
    ("ringpost_pool_idle_connections", "Connections of a pool in no use."),
    ("ringpost_pool_leased_connections", "Connections that are leased."),
    ("ringpost_pool_acquire_seconds", "Waits for leases."),
    ("ringpost_pool_server_up", "Whether there is a session with a server of a pool."),
];
