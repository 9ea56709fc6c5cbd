//! How long requests took: a histogram of fixed size, and what is read from it.
//!
//! ```text
//!   units of 64 ns   0 1 2 .. 7 | 8 .. 15 | 16 18 .. 30 | 32 36 .. 60 | ...
//!   buckets          0 1 2 .. 7 | 8 .. 15 | 16 17 .. 23 | 24 25 .. 31 | ...
//! ```
//!
//! Each power of two has eight buckets, so that a time is known to within a sixteenth of itself, or
//! to within 32 ns where that is more.

use std::time::Duration;

/// Bits of a nanosecond count that no bucket distinguishes.
const UNIT_BITS: u32 = 6;
/// Each power of two has two to this many buckets.
const STEP_BITS: u32 = 3;
const STEPS: usize = 1 << STEP_BITS;
/// Up to 275 s; what took longer counts as that, but for the maximum.
const BUCKETS: usize = 30 * STEPS;

/// The bounds at which a [`Histogram`] is exported: every power of two from 1.024 µs to 8.6 s. At
/// those it is exact, because no bucket lies on both sides of one.
pub const LATENCY_BOUNDS: [Duration; 24] = {
    let mut bounds = [Duration::ZERO; 24];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = Duration::from_nanos(1_024 << at);
        at += 1;
    }
    bounds
};

/// How long requests took that were answered, on a connection or on several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// Requests that were timed.
    pub count: u64,
    /// Their mean.
    pub mean: Duration,
    /// Half of them took no longer. Like the other two it is known to within a sixteenth.
    pub p50: Duration,
    /// 95 % of them took no longer.
    pub p95: Duration,
    /// 99 % of them took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// The histogram behind a [`Latency`].
#[derive(Clone, Debug)]
pub struct Histogram {
    count: u64,
    sum_ns: u64,
    max_ns: u64,
    buckets: [u32; BUCKETS],
}

const _: () = assert!(size_of::<Histogram>() <= 1024, "each connection may have one");

impl Default for Histogram {
    fn default() -> Self {
        Self { count: 0, sum_ns: 0, max_ns: 0, buckets: [0; BUCKETS] }
    }
}

impl Histogram {
    /// Takes in one request.
    pub fn record(&mut self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
        let bucket = &mut self.buckets[bucket_of(ns)];
        *bucket = bucket.saturating_add(1);
    }

    /// Takes in all that another has taken in.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        for (own, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *own = own.saturating_add(*more);
        }
    }

    /// Those that took less than each of [`LATENCY_BOUNDS`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// let mut histogram = ipc_core::Histogram::default();
    /// histogram.record(Duration::from_micros(3));
    /// // Not below 1.024 and 2.048 µs.
    /// assert_eq!(histogram.below()[..3], [0, 0, 1]);
    /// ```
    pub fn below(&self) -> [u64; LATENCY_BOUNDS.len()] {
        LATENCY_BOUNDS.map(|bound| {
            let edge = bucket_of(u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX));
            self.buckets[..edge].iter().map(|count| u64::from(*count)).sum()
        })
    }

    /// By bucket the middle of its times, and how many there were.
    ///
    /// ```
    /// let histogram = ipc_core::Histogram::default();
    /// assert!(histogram.buckets().all(|(_, count)| count == 0));
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let counts = self.buckets.iter().enumerate();
        counts.map(|(bucket, count)| (Duration::from_nanos(middle_of(bucket)), u64::from(*count)))
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// What it says.
    pub fn summary(&self) -> Latency {
        Latency {
            count: self.count,
            mean: Duration::from_nanos(self.sum_ns.checked_div(self.count).unwrap_or(0)),
            p50: self.percentile(50),
            p95: self.percentile(95),
            p99: self.percentile(99),
            max: Duration::from_nanos(self.max_ns),
        }
    }

    /// The middle of the bucket in which this part of all is reached.
    fn percentile(&self, percent: u64) -> Duration {
        let all: u64 = self.buckets.iter().map(|count| u64::from(*count)).sum();
        let rank = (all * percent).div_ceil(100);
        let mut below = 0;
        let reached = self.buckets.iter().position(|count| {
            below += u64::from(*count);
            rank > 0 && below >= rank
        });
        let ns = reached.map_or(0, |bucket| middle_of(bucket).min(self.max_ns));
        Duration::from_nanos(ns)
    }
}

#[inline]
fn bucket_of(ns: u64) -> usize {
    let units = ns >> UNIT_BITS;
    // The first powers of two have no more values than buckets.
    let shift = (u64::BITS - units.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let step = usize::try_from(units >> shift).unwrap_or(usize::MAX);
    (shift as usize * STEPS + step).min(BUCKETS - 1)
}

fn middle_of(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = (bucket - shift * STEPS) as u64;
    ((step << shift) << UNIT_BITS) + (1 << (UNIT_BITS - 1) << shift)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONGEST: u64 = 270_000_000_000;

    fn near(found: Duration, exact: u64) -> bool {
        let found = u64::try_from(found.as_nanos()).unwrap();
        found.abs_diff(exact) <= (exact / 16).max(32) + 1
    }

    proptest! {
        #![proptest_config(crate::seeds::properties())]

        #[test]
        fn percentiles_are_those_of_a_sorted_list_to_within_a_sixteenth(
            mut all in proptest::collection::vec((0_u32..39, any::<u64>()), 1..500),
            split in any::<proptest::sample::Index>(),
        ) {
            let mut all: Vec<u64> = all.drain(..).map(|(bits, any)| any % (1 << bits)).collect();
            all.iter_mut().for_each(|ns| *ns = (*ns).min(LONGEST));
            let (mut whole, mut rest) = (Histogram::default(), Histogram::default());
            for (index, ns) in all.iter().enumerate() {
                let half = if index < split.index(all.len()) { &mut whole } else { &mut rest };
                half.record(Duration::from_nanos(*ns));
            }
            whole.merge(&rest);
            all.sort_unstable();
            let exact = |percent: usize| all[(all.len() * percent).div_ceil(100) - 1];
            let found = whole.summary();
            prop_assert_eq!(found.count, all.len() as u64);
            let mean = all.iter().sum::<u64>() / all.len() as u64;
            prop_assert_eq!(found.mean, Duration::from_nanos(mean));
            prop_assert_eq!(found.max, Duration::from_nanos(*all.last().unwrap()));
            let below = |bound: &Duration| {
                all.iter().filter(|ns| Duration::from_nanos(**ns) < *bound).count() as u64
            };
            let counts: Vec<_> = LATENCY_BOUNDS.iter().map(below).collect();
            prop_assert_eq!(whole.below().to_vec(), counts);
            prop_assert_eq!(whole.sum(), Duration::from_nanos(all.iter().sum()));
            prop_assert!(near(found.p50, exact(50)), "{:?} for {}", found.p50, exact(50));
            prop_assert!(near(found.p95, exact(95)), "{:?} for {}", found.p95, exact(95));
            prop_assert!(near(found.p99, exact(99)), "{:?} for {}", found.p99, exact(99));
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        assert_eq!(bucket_of(0), 0);
        for bucket in 1..BUCKETS {
            assert_eq!(bucket_of(middle_of(bucket)), bucket, "its own middle");
            let shift = (bucket / STEPS).saturating_sub(1);
            let first = middle_of(bucket) - (1 << (UNIT_BITS - 1) << shift);
            assert_eq!((bucket_of(first - 1), bucket_of(first)), (bucket - 1, bucket));
        }
    }

    #[test]
    fn what_takes_longer_than_the_last_bucket_is_still_the_maximum() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.summary().max, Duration::from_nanos(u64::MAX));
        assert_eq!(Histogram::default().summary(), Latency::default());
    }
}
