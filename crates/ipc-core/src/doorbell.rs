//! When a peer has to be woken, and when a sleeper may sleep.
//!
//! ```text
//!   producer                      sleeper
//!   publish                       arm
//!   fence(SeqCst)                 fence(SeqCst)
//!   armed? then ring              published? then stay awake, else sleep
//! ```
//!
//! Of the two loads, one at least comes after the other's store, so either the producer sees the
//! arming or the sleeper sees the frame. The arming word has one writer, its sleeper: every arming
//! has a new number, and a producer rings once for a number.

use std::cell::Cell;

use crate::sync::Ordering::SeqCst;
use crate::sync::fence;

/// The flags of one end of a connection that its peer loads.
pub(crate) trait Flags {
    /// How often this end has published, with Acquire.
    fn load_published(&self) -> u64;
    /// With Release.
    fn store_published(&self, count: u64);
    /// The arming word; what it is ordered by are the fences here.
    fn load_armed(&self) -> u64;
    fn store_armed(&self, word: u64);
}

/// What a sleeper wants to be woken for, in the low bits of its arming word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest(u64);

impl Interest {
    /// Something was published to it.
    pub const DATA: Self = Self(1);
    /// Something it published was released.
    pub const SPACE: Self = Self(2);
    const BITS: u64 = 2;

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The producer's half: remembers which arming it has rung for.
#[derive(Debug, Default)]
pub(crate) struct Ringer {
    rung: u64,
}

impl Ringer {
    /// To be called after a publish or a release, with the peer's flags. True: ring, now.
    #[inline]
    pub fn must_ring(&mut self, peer: &impl Flags, what: Interest) -> bool {
        fence(SeqCst);
        let armed = peer.load_armed();
        if armed & what.0 == 0 || armed == self.rung {
            return false;
        }
        self.rung = armed;
        true
    }
}

/// The sleeper's half: numbers its armings.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    armings: Cell<u64>,
}

impl Sleeper {
    /// Asks to be woken, and polls once more, in this order: what the peer published before it
    /// could see the arming is there to be found now. Returns whether the caller may sleep; when
    /// `poll` has found something it is awake as before.
    #[inline]
    pub fn arm(&self, own: &impl Flags, interest: Interest, poll: impl FnOnce() -> bool) -> bool {
        let arming = self.armings.get().wrapping_add(1 << Interest::BITS);
        self.armings.set(arming);
        own.store_armed(arming | interest.0);
        fence(SeqCst);
        if poll() {
            self.disarm(own);
            return false;
        }
        true
    }

    /// Awake: the peer need not ring.
    #[inline]
    pub fn disarm(&self, own: &impl Flags) {
        own.store_armed(0);
    }
}

/// What came of falling asleep to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nap {
    /// This side sleeps to all of them, so it may block until a bell is rung.
    pub whole: bool,
    /// It has fallen asleep to some.
    pub any: bool,
}

/// Falls asleep to as many of those this side is awake to as possible. `arm` arms one and returns
/// whether that was in time, `None` if there is no such one any more; the others stay in `awake`.
#[inline]
pub(crate) fn fall_asleep<K: Copy>(
    awake: &mut Vec<K>,
    mut arm: impl FnMut(K) -> Option<bool>,
) -> Nap {
    let mut nap = Nap { whole: true, any: false };
    awake.retain(|&key| {
        let Some(asleep) = arm(key) else { return false };
        nap.whole &= asleep;
        nap.any |= asleep;
        !asleep
    });
    nap
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Own(Cell<u64>);

    impl Flags for Own {
        fn load_published(&self) -> u64 {
            0
        }

        fn store_published(&self, _: u64) {}

        fn load_armed(&self) -> u64 {
            self.0.get()
        }

        fn store_armed(&self, word: u64) {
            self.0.set(word);
        }
    }

    #[test]
    fn a_side_that_found_something_is_not_rung_for() {
        let (own, sleeper, mut peer) = (Own::default(), Sleeper::default(), Ringer::default());
        let polled = Cell::new(false);
        let asleep = sleeper.arm(&own, Interest::DATA, || {
            assert_ne!(own.load_armed(), 0, "it polls when it is armed, and not before");
            polled.replace(true);
            true
        });
        assert!(polled.get() && !asleep);
        assert!(!peer.must_ring(&own, Interest::DATA));
    }

    #[test]
    fn a_sleeper_is_rung_for_once_and_only_for_what_it_waits_for() {
        let (own, sleeper, mut peer) = (Own::default(), Sleeper::default(), Ringer::default());
        for _ in 0..3 {
            assert!(sleeper.arm(&own, Interest::DATA, || false));
            assert!(!peer.must_ring(&own, Interest::SPACE));
            assert!(peer.must_ring(&own, Interest::DATA));
            assert!(!peer.must_ring(&own, Interest::DATA));
        }
        sleeper.disarm(&own);
        assert!(!peer.must_ring(&own, Interest::DATA));
    }

    #[test]
    fn a_link_with_news_stays_awake_and_one_that_is_gone_does_not() {
        let mut awake = vec![1, 2, 3, 4];
        let nap = fall_asleep(&mut awake, |key| (key != 3).then_some(key != 2));
        assert_eq!((awake.as_slice(), nap), (&[2][..], Nap { whole: false, any: true }));
        let nap = fall_asleep(&mut awake, |_| Some(false));
        assert_eq!((awake.as_slice(), nap), (&[2][..], Nap { whole: false, any: false }));
        let nap = fall_asleep(&mut awake, |_| None);
        assert_eq!((awake.as_slice(), nap), (&[][..], Nap { whole: true, any: false }));
    }
}
