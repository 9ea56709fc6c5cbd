//! The items of a stream, in both directions, and the credit that bounds them.
//!
//! A stream is a request with items: some that go with the request, some that come before the
//! reply. The reader grants credit for them, as the sum of all that was ever granted, so that a
//! grant that arrives late or twice changes nothing. An item may be sent while any credit is left,
//! and the last may go beyond it: what waits with the reader is never more than a window and one
//! item.

use crate::header::frame_len;

/// Credit is given back in so many parts of a window: often enough for the writer to go on while
/// the reader reads, where halves of a window would have the two take turns.
pub const GRANTS_PER_WINDOW: u32 = 8;

/// What an item takes of the credit: what its frame takes in a ring, so that an empty one is not
/// for nothing.
///
/// ```
/// assert_eq!(ipc_core::item_cost(0), 24);
/// assert_eq!(ipc_core::item_cost(1), 32);
/// ```
#[inline]
pub const fn item_cost(len: usize) -> u64 {
    frame_len(len) as u64
}

/// One side of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    window: u64,
    /// What was sent, and what may be.
    sent: u64,
    granted: u64,
    /// What has come, what the application is done with, and what the peer was granted.
    received: u64,
    consumed: u64,
    grants: u64,
    /// A grant waits to be written.
    owes: bool,
    /// No more items go with the request.
    pub ended: bool,
}

impl Stream {
    pub fn new(window: u32) -> Self {
        let window = u64::from(window);
        Self {
            window,
            sent: 0,
            granted: window,
            received: 0,
            consumed: 0,
            grants: window,
            owes: false,
            ended: false,
        }
    }

    /// What has come and the application is not done with.
    pub fn unread(&self) -> u64 {
        self.received - self.consumed
    }

    // ---- sending ----

    /// What may still be sent. An item may while this is not 0.
    #[inline]
    pub fn credit(&self) -> u64 {
        self.granted.saturating_sub(self.sent)
    }

    /// An item is sent.
    #[inline]
    pub fn take_credit(&mut self, len: usize) -> bool {
        let any = self.credit() > 0;
        self.sent += if any { item_cost(len) } else { 0 };
        any
    }

    /// The peer grants credit, up to `granted` in all. `None`: more than it can have meant.
    pub fn grant(&mut self, granted: u64) -> Option<u64> {
        if granted > self.sent + self.window {
            return None;
        }
        self.granted = self.granted.max(granted);
        Some(self.granted)
    }

    // ---- receiving ----

    /// An item has come. Returns whether it was covered by credit.
    #[inline]
    pub fn receive(&mut self, len: usize) -> bool {
        let covered = self.received < self.grants;
        self.received += if covered { item_cost(len) } else { 0 };
        covered
    }

    /// The application is done with items of this cost. Returns whether a grant has to be written:
    /// one for every so many parts of a window.
    #[inline]
    pub fn consume(&mut self, cost: u64) -> bool {
        self.consumed = self.consumed.saturating_add(cost).min(self.received);
        let due =
            self.consumed + self.window - self.grants >= self.window / u64::from(GRANTS_PER_WINDOW);
        due && !std::mem::replace(&mut self.owes, true)
    }

    /// The grant to write, in all.
    pub fn take_grant(&mut self) -> u64 {
        self.owes = false;
        self.grants = self.consumed + self.window;
        self.grants
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::seeds::each_seed;

    const WINDOW: u32 = 4096;

    /// What a reader and what it has read come to, as one would count by hand.
    #[derive(Default)]
    struct Twin {
        sent: u64,
        read: u64,
        grants: u64,
    }

    #[test]
    fn a_reader_is_sent_everything_and_never_holds_more_than_a_window_and_an_item() {
        const PART: u64 = (WINDOW / GRANTS_PER_WINDOW) as u64;
        each_seed(1000, |random| {
            let (mut sender, mut reader) = (Stream::new(WINDOW), Stream::new(WINDOW));
            let mut twin = Twin::default();
            let lens = [0, 1, 40, 1000, WINDOW as usize, 3 * WINDOW as usize];
            let (mut left, mut held, mut grants) = (500, Vec::new(), Vec::new());
            let mut idle = 0;
            while left > 0 || !held.is_empty() {
                idle += 1;
                assert!(idle < 10_000, "it stands still");
                match random.below(3) {
                    0 if left > 0 => {
                        let len = random.pick(&lens);
                        if sender.take_credit(len) {
                            let held_before = twin.sent - twin.read;
                            assert!(held_before < u64::from(WINDOW), "granted twice");
                            assert!(reader.receive(len), "not covered");
                            twin.sent += item_cost(len);
                            held.push(len);
                            (left, idle) = (left - 1, 0);
                        }
                    }
                    1 if !held.is_empty() => {
                        let cost = item_cost(held.remove(0));
                        twin.read += cost;
                        if reader.consume(cost) {
                            assert!(!reader.consume(0), "one word is enough");
                            let granted = reader.take_grant();
                            assert_eq!(granted, twin.read + u64::from(WINDOW));
                            grants.push(granted);
                            twin.grants += 1;
                        }
                        idle = 0;
                    }
                    // A grant may overtake another, and come twice.
                    _ if !grants.is_empty() => {
                        let place = random.below(grants.len());
                        let granted = grants[place];
                        if random.percent(80) {
                            grants.remove(place);
                        }
                        assert!(sender.grant(granted).is_some());
                    }
                    _ => {}
                }
                assert!(twin.grants <= twin.read / PART, "a grant of less than its part");
                if grants.is_empty() && held.is_empty() {
                    let unused = sender.credit() + PART;
                    assert!(unused > u64::from(WINDOW), "what was read was not given back");
                }
            }
        });
    }

    #[test]
    fn an_item_without_credit_is_refused() {
        let mut stream = Stream::new(WINDOW);
        assert_eq!(stream.grant(u64::from(WINDOW) + 1), None);
        assert_eq!(stream.grant(0), Some(u64::from(WINDOW)), "an old word takes nothing back");
        assert!(stream.take_credit(3 * WINDOW as usize));
        assert!(!stream.take_credit(0));
        assert!(stream.receive(3 * WINDOW as usize));
        assert!(!stream.receive(0));
        // What was not received cannot be done with.
        assert!(stream.consume(u64::MAX / 2));
        let received = item_cost(3 * WINDOW as usize);
        assert_eq!(stream.take_grant(), received + u64::from(WINDOW));
    }
}
