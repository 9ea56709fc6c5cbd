//! Spans of time, and what a distribution of them says.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::commands::Latency;

/// An HDR histogram of nanoseconds, up to 100 s.
pub(crate) struct Spans(Histogram<u64>);

impl Spans {
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, 100_000_000_000, 3).expect("sane bounds"))
    }

    #[inline]
    pub fn record(&mut self, span: Duration) {
        self.0.saturating_record(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn latency(&self) -> Latency {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Latency {
            count: self.0.len(),
            mean: self.0.mean(),
            stddev: self.0.stdev(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: self.0.max(),
        }
    }
}
