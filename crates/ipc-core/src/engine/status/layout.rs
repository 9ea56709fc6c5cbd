//! The words of a status file, as the engine writes them and readers take them.
//!
//! ```text
//!  256  turns, turned at, woken at, asleep at    of the engine
//!  384  started at, thread, version              never changed
//!  512  record of the server
//! data  records of its connections, so many as there are rows
//! ```
//!
//! A record is a stamp, odd while the others are written, and words that belong together. The
//! writer waits for nobody; a reader copies and then looks at the stamp again.

use crate::engine::link::LinkStats;
use crate::latency::Latency;
use crate::limits::Lane;
use crate::memory::words::{WORD, Words};
use crate::published::head::OWN_WORDS;
use crate::sync::{OBSERVE, Ordering, PUBLISH, fence};
use crate::time::Time;

/// Connections that have a row. Others are only counted.
pub(crate) const ROWS: usize = 1024;
/// Bytes of a row.
pub(crate) const ROW_LEN: usize = 320;

/// Turns of the engine.
pub(crate) const TURNS: usize = OWN_WORDS;
/// When the last of them began.
pub(crate) const TURNED_AT: usize = OWN_WORDS + WORD;
/// When the first of them began since the engine last slept.
pub(crate) const WOKEN_AT: usize = OWN_WORDS + 2 * WORD;
/// Since when it sleeps; 0: it is awake.
pub(crate) const ASLEEP_AT: usize = OWN_WORDS + 3 * WORD;
/// When the server began, in nanoseconds since 1970.
pub(crate) const STARTED_AT: usize = OWN_WORDS + 128;
/// The thread that began it.
pub(crate) const THREAD: usize = STARTED_AT + WORD;
/// The version of the engine, as text with zeros behind it.
pub(crate) const VERSION: usize = STARTED_AT + 2 * WORD;
/// Bytes of that text, at most.
pub(crate) const VERSION_LEN: usize = 16;
/// The record of the server.
pub(crate) const SERVER: usize = OWN_WORDS + 256;

/// Words that both kinds of records have behind their own: counters.
const COUNTERS: usize = 21;
/// Words before them.
const OWN: usize = 6;
/// Words behind them, of a connection: its latency.
const LATENCY: usize = 6;

/// The words of a server's record.
pub(crate) type ServerWords = [u64; OWN + COUNTERS];
/// The words of a connection's record.
pub(crate) type RowWords = [u64; OWN + COUNTERS + LATENCY];

/// Places in a server's record.
pub(crate) mod server {
    /// Connections that are open.
    pub const CONNECTIONS: usize = 0;
    /// Connections there have been.
    pub const ACCEPTED: usize = 1;
    /// How many may be open.
    pub const CONNECTIONS_MAX: usize = 2;
    /// Handshakes that came to nothing.
    pub const REFUSED: usize = 3;
    /// Rows that may be in use: none is from here on.
    pub const ROWS: usize = 4;
    /// When this was written.
    pub const SHOWN_AT: usize = 5;
}

/// Places in a connection's record.
pub(crate) mod row {
    /// Which one it is of all the server has had, from 1 on; 0: the row is free.
    pub const NUMBER: usize = 0;
    /// The process at the other end.
    pub const PID: usize = 1;
    /// Its user.
    pub const UID: usize = 2;
    /// How memory reached it.
    pub const TRANSPORT: usize = 3;
    /// When it was opened, in nanoseconds since 1970.
    pub const OPENED_AT: usize = 4;
    /// When this was written.
    pub const SHOWN_AT: usize = 5;
}

const _: () = assert!(WORD + size_of::<RowWords>() <= ROW_LEN, "a record fits its row");
const _: () = assert!(SERVER + WORD + size_of::<ServerWords>() <= 4096, "before the data");

/// Writes a record. Only one may write.
pub(crate) fn write<const N: usize>(words: &impl Words, at: usize, record: &[u64; N]) {
    let stamp = words.load(at, Ordering::Relaxed) | 1;
    words.store(at, stamp, Ordering::Relaxed);
    // Pairs with the fence of `copy`: a copy that has any of the new words sees the odd stamp.
    fence(Ordering::Release);
    for (index, word) in (1..).zip(record) {
        words.store(at + index * WORD, *word, Ordering::Relaxed);
    }
    words.store(at, stamp.wrapping_add(1), PUBLISH);
}

/// Copies a record. Where its writer was stopped in the middle of it, some of its words are from
/// before and some from after.
pub(crate) fn read<const N: usize>(words: &impl Words, at: usize) -> [u64; N] {
    /// From one record to the next a writer takes far longer than a reader for a copy.
    const TRIES: usize = 16;
    let mut record = [0; N];
    let _ = (0..TRIES).any(|_| copy(words, at, &mut record));
    record
}

/// Copies a record once. Returns whether all of it is of one moment.
fn copy<const N: usize>(words: &impl Words, at: usize, record: &mut [u64; N]) -> bool {
    let stamp = words.load(at, OBSERVE);
    for (index, word) in (1..).zip(record) {
        *word = words.load(at + index * WORD, Ordering::Relaxed);
    }
    fence(Ordering::Acquire);
    stamp.is_multiple_of(2) && words.load(at, Ordering::Relaxed) == stamp
}

/// Where a row lies in a file whose data begin at `data`.
pub(crate) fn row_at(data: usize, row: usize) -> usize {
    data + row * ROW_LEN
}

/// Puts what a connection has counted into its record.
pub(crate) fn put(record: &mut RowWords, stats: &LinkStats) {
    let nanos = |span: std::time::Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let LinkStats { dropped, peer_dropped, latency, .. } = stats;
    let counters: [u64; COUNTERS] = [
        stats.sent,
        stats.received,
        stats.bytes_sent,
        stats.bytes_received,
        stats.rings,
        stats.refused,
        dropped[0],
        dropped[1],
        dropped[2],
        dropped[3],
        peer_dropped[0],
        peer_dropped[1],
        peer_dropped[2],
        peer_dropped[3],
        stats.queued as u64,
        u64::from(stats.calls),
        u64::from(stats.serving),
        stats.failed,
        stats.timed_out,
        stats.late_replies,
        stats.stale_requests,
    ];
    record[OWN..OWN + COUNTERS].copy_from_slice(&counters);
    record[OWN + COUNTERS..].copy_from_slice(&[
        latency.count,
        nanos(latency.mean),
        nanos(latency.p50),
        nanos(latency.p95),
        nanos(latency.p99),
        nanos(latency.max),
    ]);
}

/// What a record says was counted, which may be anything. Of a server there is no latency, and no
/// record says how many messages were of which kind.
pub(crate) fn stats_of(record: &[u64]) -> LinkStats {
    let word = |index: usize| record.get(OWN + index).copied().unwrap_or_default();
    let small = |index: usize| u32::try_from(word(index)).unwrap_or(u32::MAX);
    let span = |index: usize| std::time::Duration::from_nanos(word(COUNTERS + index));
    let by_lane =
        |first: usize| -> [u64; Lane::ALL.len()] { std::array::from_fn(|lane| word(first + lane)) };
    LinkStats {
        sent: word(0),
        received: word(1),
        bytes_sent: word(2),
        bytes_received: word(3),
        rings: word(4),
        refused: word(5),
        dropped: by_lane(6),
        peer_dropped: by_lane(10),
        queued: usize::try_from(word(14)).unwrap_or(usize::MAX),
        calls: small(15),
        serving: small(16),
        failed: word(17),
        timed_out: word(18),
        late_replies: word(19),
        stale_requests: word(20),
        latency: Latency {
            count: word(COUNTERS),
            mean: span(1),
            p50: span(2),
            p95: span(3),
            p99: span(4),
            max: span(5),
        },
        ..LinkStats::default()
    }
}

/// Adds to the sums of a server what a connection has counted since it was last added.
pub(crate) fn add(sums: &mut ServerWords, before: &RowWords, now: &RowWords) {
    for index in OWN..OWN + COUNTERS {
        // Some go down, and what a peer claims can be anything.
        sums[index] = sums[index].wrapping_add(now[index]).wrapping_sub(before[index]);
    }
}

/// The time in a word.
pub(crate) fn time_of(words: &impl Words, at: usize) -> Time {
    Time::from_nanos(words.load(at, Ordering::Relaxed))
}

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
