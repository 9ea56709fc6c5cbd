//! What clients and servers count.

use ipc_core::{Code, LinkStats};

/// What a client or server has counted, over all of its connections, those that have ended
/// included.
///
/// ```
/// use ringpost::Stats;
///
/// fn report(stats: &Stats) {
///     let latency = stats.links.latency;
///     println!("{} requests timed, half of them within {:?}", latency.count, latency.p50);
///     for (code, count) in stats.errors.iter() {
///         println!("{count} failed with {code}");
///     }
/// }
/// # report(&Stats::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The sums of what connections have counted, and the latency of their requests together.
    pub links: LinkStats,
    /// Connections that are open, or opening or closing.
    pub connections: usize,
    /// Connections that were ever opened.
    pub connections_total: u64,
    /// One-way messages of peers that had no handler.
    pub unhandled: u64,
    /// Requests and streams of this side that were sent and have failed.
    pub errors: ErrorCounts,
}

/// How often requests have failed, by the [`Code`] of their error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts([u64; CODES]);

const CODES: usize = Code::ALL.len();

impl ErrorCounts {
    /// How many have failed with this code.
    ///
    /// ```
    /// assert_eq!(ringpost::Stats::default().errors.get(ringpost::Code::Timeout), 0);
    /// ```
    pub fn get(&self, code: Code) -> u64 {
        self.0[code as usize]
    }

    /// The codes that any have failed with, and how many.
    ///
    /// ```
    /// assert_eq!(ringpost::Stats::default().errors.iter().count(), 0);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (Code, u64)> {
        let all = Code::ALL.iter().map(|code| (*code, self.get(*code)));
        all.filter(|(_, count)| *count > 0)
    }

    /// Another one has failed.
    #[cfg(feature = "tokio")]
    pub(crate) fn count(&mut self, code: Code) {
        self.0[code as usize] += 1;
    }
}
