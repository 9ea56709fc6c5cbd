//! What a pool has counted.

use std::time::Duration;

/// Parts of each power of two: how long something took is known to an eighth.
const PARTS_LOG2: u32 = 3;
const BUCKETS: usize = (64 << PARTS_LOG2) as usize;

/// What a pool holds and has counted.
///
/// ```
/// # use ringpost::tokio::Pool;
/// # fn example(pool: &Pool) {
/// let stats = pool.stats();
/// println!("{} of {} idle, {:?} at p99", stats.idle, stats.size, stats.acquire_p99);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections, those included that are being made.
    pub size: usize,
    /// Those that nobody uses.
    pub idle: usize,
    /// Those that one user has for itself.
    pub leased: usize,
    /// Users that wait for a connection.
    pub waiting: usize,
    /// Connections made.
    pub made: u64,
    /// Uses of a connection that was there already.
    pub reused: u64,
    /// How long half of the leases were waited for.
    pub acquire_p50: Duration,
    /// How long all but a hundredth of them were waited for.
    pub acquire_p99: Duration,
    /// By server, in the order of their names.
    pub servers: Vec<PoolServerStats>,
}

/// The part of [`PoolStats`] that concerns one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolServerStats {
    /// Its name.
    pub name: String,
    /// Connections to it.
    pub size: usize,
    /// Those that have a session.
    pub open: usize,
    /// Requests, streams and leases on them.
    pub in_flight: usize,
    /// Connections made.
    pub made: u64,
}

impl PoolStats {
    /// The part of all uses for which no connection had to be made; 0 before the first.
    ///
    /// ```
    /// # use ringpost::tokio::Pool;
    /// # fn example(pool: &Pool) {
    /// assert!((0.0..=1.0).contains(&pool.stats().reuse_ratio()));
    /// # }
    /// ```
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn reuse_ratio(&self) -> f64 {
        let all = self.made + self.reused;
        if all == 0 { 0.0 } else { self.reused as f64 / all as f64 }
    }
}

/// Durations, each known to an eighth.
pub(super) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: Box::new([0; BUCKETS]), count: 0 }
    }

    pub fn record(&mut self, span: Duration) {
        self.counts[bucket(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))] += 1;
        self.count += 1;
    }

    /// What so many hundredths of them did not exceed.
    pub fn percentile(&self, hundredths: u64) -> Duration {
        let rank = (self.count * hundredths).div_ceil(100);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        Duration::from_nanos(reached.filter(|_| rank > 0).map_or(0, longest))
    }
}

/// Below the number of parts, a bucket for each value; above, as many for each power of two.
fn bucket(nanos: u64) -> usize {
    let shift = (64 - PARTS_LOG2 - 1).saturating_sub(nanos.leading_zeros());
    let part = usize::try_from(nanos >> shift).unwrap_or(usize::MAX);
    ((shift as usize) << PARTS_LOG2) + part
}

/// The longest span in a bucket.
fn longest(bucket: usize) -> u64 {
    let shift = (bucket >> PARTS_LOG2).saturating_sub(1);
    let part = (bucket - (shift << PARTS_LOG2)) as u64;
    ((part + 1) << shift) - 1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_known_to_an_eighth() {
        let mut nanos = 1u64;
        while nanos < 1 << 50 {
            let known = longest(bucket(nanos));
            assert!(known >= nanos && known - nanos <= nanos / 8, "{nanos}: {known}");
            nanos += nanos / 3 + 1;
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(99), Duration::ZERO);
        (1..=7).for_each(|nanos| histogram.record(Duration::from_nanos(nanos)));
        let [p50, p99] = [50, 99].map(|hundredths| histogram.percentile(hundredths));
        assert_eq!([p50, p99].map(|span| span.as_nanos()), [4, 7]);
    }
}
