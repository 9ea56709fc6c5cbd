//! Where everything lies inside a segment. Computed from the agreed geometry by both sides, never
//! read from the segment.
//!
//! ```text
//! page 0     16  nonce of a named segment
//!          1024  words of the server    +0   published, write positions, sync wait   (one line)
//!          2048  words of the client    +128 read positions                          (one line)
//!                                       +256 armed                                   (one line)
//!                                       +384 messages dropped, by lane               (one line)
//! page 1 ..      rings the server writes: critical, high, normal, low, control
//!        ..      rings the client writes: critical, high, normal, low, control
//! ```
//!
//! Flags of different writers, and words that change at different rates, lie two cache lines apart,
//! because the hardware fetches lines in pairs. All words of one writer that change with a publish
//! share one line, so that polling costs one line, whether the direction is idle or busy.

use crate::limits::{Geometry, PAGE, RINGS};

/// Which end of a connection something belongs to: the one that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that accepted.
    Server = 0,
    /// The end that connected.
    Client = 1,
}

impl Side {
    /// The other end.
    pub fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// Offset of the nonce a named segment is recognised by.
pub const NONCE: usize = 16;
/// Bytes of the nonce.
pub const NONCE_LEN: usize = 16;

const WORDS: usize = 1024;
const LINE_PAIR: usize = 128;

const _: () = assert!(8 + RINGS * 8 + 8 <= 64, "polling has to stay within one cache line");
const _: () = assert!(3 * WORDS <= PAGE, "identity and words share the first page");

/// Offset of a side's publish counter.
pub const fn published(side: Side) -> usize {
    WORDS + side as usize * WORDS
}

/// Offset of a side's write position in ring `ring`.
pub const fn write_position(side: Side, ring: usize) -> usize {
    published(side) + 8 + ring * 8
}

/// Offset of the id of the request a side waits for synchronously; 0 for none.
pub const fn sync_wait(side: Side) -> usize {
    published(side) + 8 + RINGS * 8
}

/// Offset of a side's read position in the ring `ring` of its peer.
pub const fn read_position(side: Side, ring: usize) -> usize {
    published(side) + LINE_PAIR + ring * 8
}

/// Offset of a side's arming word.
pub const fn armed(side: Side) -> usize {
    published(side) + 2 * LINE_PAIR
}

/// Offset of how many messages the lane `lane` of a side has dropped.
pub const fn dropped(side: Side, lane: usize) -> usize {
    published(side) + 3 * LINE_PAIR + lane * 8
}

/// Offset of ring `ring` written by `side`.
pub fn ring_start(geometry: &Geometry, side: Side, ring: usize) -> usize {
    let before: usize = geometry.rings[..ring].iter().map(|&len| len as usize).sum();
    PAGE + side as usize * direction_len(geometry) + before
}

/// Bytes of a whole segment.
pub fn segment_len(geometry: &Geometry) -> usize {
    PAGE + 2 * direction_len(geometry)
}

fn direction_len(geometry: &Geometry) -> usize {
    geometry.rings.iter().map(|&len| len as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps_and_everything_fits() {
        let geometry = Geometry::DENSE;
        let mut spans = vec![(0, NONCE + NONCE_LEN)];
        for side in [Side::Server, Side::Client] {
            spans.push((published(side), 8));
            spans.push((sync_wait(side), 8));
            spans.push((armed(side), 8));
            spans.extend((0..RINGS - 1).map(|lane| (dropped(side, lane), 8)));
            for ring in 0..RINGS {
                spans.push((write_position(side, ring), 8));
                spans.push((read_position(side, ring), 8));
                spans.push((ring_start(&geometry, side, ring), geometry.rings[ring] as usize));
            }
        }
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} overlap");
        }
        let (start, len) = *spans.last().unwrap();
        assert_eq!(start + len, segment_len(&geometry));
    }
}
