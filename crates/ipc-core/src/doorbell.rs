//! Who must be woken, and when a sleeper may sleep.
//!
//! ```text
//!   producer                      sleeper
//!   publish                       arm
//!   fence(SeqCst)                 fence(SeqCst)
//!   armed? then ring              published? then stay awake, else sleep
//! ```
//!
//! Of the two looks, one at least comes after the other's store, so either the producer sees the
//! arming or the sleeper sees the frame. The arming word has one writer, its sleeper: every arming
//! has a new number, and who rang for a number does not ring for it again.

use std::cell::Cell;

use crate::sync::Ordering::SeqCst;
use crate::sync::fence;

/// The words of one end of a connection that its peer looks at.
pub(crate) trait Words {
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
    /// To be asked after a publish or a release, of the peer's words. True: ring, now.
    #[inline]
    pub fn must_ring(&mut self, peer: &impl Words, what: Interest) -> bool {
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
    /// Asks to be woken, and looks once more, in this order: what the peer published before it could
    /// see the arming is there to be found now. Returns whether the caller may sleep; when `look` has
    /// found something it is awake as before.
    #[inline]
    pub fn arm(&self, own: &impl Words, interest: Interest, look: impl FnOnce() -> bool) -> bool {
        let arming = self.armings.get().wrapping_add(1 << Interest::BITS);
        self.armings.set(arming);
        own.store_armed(arming | interest.0);
        fence(SeqCst);
        if look() {
            self.disarm(own);
            return false;
        }
        true
    }

    /// Awake: the peer need not ring.
    #[inline]
    pub fn disarm(&self, own: &impl Words) {
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
