//! How long to spin before sleeping.
//!
//! Waking a sleeping core takes some 20 µs whatever wakes it, many times what a message takes. So
//! a side that has just sent or received, or waits for an answer, spins a little longer before it
//! sleeps. Polls that find nothing yield the processor, which keeps two ends on one core fast, and
//! the time is bounded.

use std::hint;
#[cfg(not(target_family = "wasm"))]
use std::os::fd::AsFd;
use std::time::Duration;

use super::Engine;
#[cfg(not(target_family = "wasm"))]
use super::os::stop_signal::{self, StopSignal};
#[cfg(not(target_family = "wasm"))]
use crate::error::Result;
use crate::time::Time;

/// A yield that takes longer means that other threads have work for this core: more than a peer
/// takes to answer, less than a time slice of the scheduler.
const CONTENDED: Duration = Duration::from_micros(500);
/// How long no thread spins then, at first and at most. A sleeping thread is woken at once even on
/// a contended core; a yielding one runs again after the slices of the others, milliseconds later.
const CONTENDED_FIRST: Duration = Duration::from_millis(2);
const CONTENDED_LAST: Duration = Duration::from_millis(50);

/// What yields have shown of other threads on this core.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contention {
    /// No spinning before this.
    until: Time,
    /// For how long that was, doubled as often as it turns out to have been too short.
    span: Duration,
}

impl Contention {
    fn is_here(&self) -> bool {
        self.until != Time::default() && Time::now() < self.until
    }

    /// Lets others run for once, unless they are known to take whole slices for it: they get those
    /// anyhow. Returns whether they have turned out to do so.
    fn give_way(&mut self, yield_now: impl FnOnce()) -> bool {
        if self.is_here() {
            return false;
        }
        let from = Time::now();
        yield_now();
        self.yielded(from, Time::now())
    }

    /// A yield lasted that long. Returns whether the core is contended.
    fn yielded(&mut self, from: Time, until: Time) -> bool {
        if until.saturating_since(from) < CONTENDED {
            return false;
        }
        // What comes long after the last time has nothing to do with it.
        let again = until.saturating_since(self.until) < self.span * 4;
        self.span = if again { (self.span * 2).min(CONTENDED_LAST) } else { CONTENDED_FIRST };
        self.until = until + self.span;
        true
    }
}

/// How long a wait spins before it sleeps. With zero every wait is a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitPolicy {
    /// How long to spin while an answer is outstanding: the time a sleeping peer takes to wake up
    /// and to answer.
    pub expecting: Duration,
    /// How long to spin after traffic, when nothing is outstanding.
    pub recent: Duration,
}

impl WaitPolicy {
    /// Spins for about as long as a sleeping peer takes to answer.
    pub const DEFAULT: Self =
        Self { expecting: Duration::from_micros(50), recent: Duration::from_micros(20) };
    /// No spinning at all.
    pub const NONE: Self = Self { expecting: Duration::ZERO, recent: Duration::ZERO };
    /// Polls before the first yield, one pause of the processor apart.
    pub const PAUSES: u32 = 64;
    /// Polls between two yields.
    pub const POLLS_PER_YIELD: u32 = 4;
}

impl Default for WaitPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Engine {
    /// How long to spin before sleeping, as things stand; zero: not at all.
    pub fn spin_budget(&self, wait_policy: &WaitPolicy) -> Duration {
        match (self.polled().next().is_some(), self.is_expecting()) {
            (false, _) => Duration::ZERO,
            _ if self.contention.is_here() => Duration::ZERO,
            (true, true) => wait_policy.expecting,
            (true, false) => wait_policy.recent,
        }
    }

    /// Yields the processor. To be called once in a while by a host that is kept busy by messages
    /// and never waits, so that other threads on this core have their turn. Returns whether they
    /// have so much to do that spinning is no use for now.
    pub fn yield_now(&mut self) -> bool {
        self.contention.give_way(std::thread::yield_now)
    }

    /// A yield between polls lasted that long. Returns whether spinning is no use for now.
    pub fn yielded(&mut self, from: Time, until: Time) -> bool {
        self.contention.yielded(from, until)
    }

    /// Sleeps until the engine has work, `stop` is set or `span` is over. Returns whether `stop` is
    /// set. To be called after [`Self::arm`], which says whether there is nothing to do.
    #[cfg(not(target_family = "wasm"))]
    pub fn sleep(&self, stop: Option<&StopSignal>, span: Duration) -> Result<bool> {
        stop_signal::wait(self.as_fd(), stop, span)
    }

    /// Polls hot links until there is something, the budget is used up, or it is `leave_by`.
    /// Returns whether there is something: in the rings of hot links, or, where there are others,
    /// for a whole [`Engine::drive`].
    pub fn spin(&mut self, wait_policy: &WaitPolicy, leave_by: Time) -> bool {
        if !self.is_hot() {
            return false;
        }
        let budget = self.spin_budget(wait_policy);
        if budget.is_zero() {
            return self.poll();
        }
        for _ in 0..WaitPolicy::PAUSES {
            if self.poll() {
                return true;
            }
            hint::spin_loop();
        }
        let mut now = Time::now();
        let until = (now + budget).min(leave_by);
        let all_polled = self.polled().count() == self.stats.links;
        loop {
            for _ in 0..WaitPolicy::POLLS_PER_YIELD {
                if self.poll() {
                    return true;
                }
            }
            if now >= until {
                return false;
            }
            std::thread::yield_now();
            let back = Time::now();
            if self.yielded(now, back) {
                return self.poll();
            }
            now = back;
            // A peer this side sleeps to may have rung, and some can do nothing else.
            if !all_polled && self.poller.has_events() {
                return true;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A yield that ends at `end` after `span`.
    fn yield_now(contention: &mut Contention, end: Duration, span: Duration) -> bool {
        contention.yielded(Time::default() + (end - span), Time::default() + end)
    }

    #[test]
    fn contention_doubles_the_time_without_spinning() {
        let mut contention = Contention::default();
        let slice = Duration::from_millis(4);
        let mut now = Duration::from_secs(1);
        let spans = (0..10).map(|_| {
            assert!(yield_now(&mut contention, now, slice));
            now = now + contention.span + slice;
            contention.span
        });
        let spans = spans.collect::<Vec<_>>();
        assert_eq!(spans[..3], [CONTENDED_FIRST, CONTENDED_FIRST * 2, CONTENDED_FIRST * 4]);
        assert_eq!(spans[9], CONTENDED_LAST);
    }

    #[test]
    fn nobody_is_given_way_to_on_a_contended_core() {
        let mut contention = Contention::default();
        let mut yields = 0;
        assert!(contention.give_way(|| {
            yields += 1;
            std::thread::sleep(CONTENDED);
        }));
        contention.until = Time::now() + Duration::from_secs(3600);
        assert!(!contention.give_way(|| yields += 1));
        contention.until = Time::default() + Duration::from_nanos(1);
        contention.give_way(|| yields += 1);
        assert_eq!(yields, 2);
    }

    #[test]
    fn a_long_yield_now_and_then_does_not_add_up() {
        let mut contention = Contention::default();
        for second in 1..10 {
            let end = Duration::from_secs(second);
            assert!(yield_now(&mut contention, end, CONTENDED));
            assert_eq!(contention.span, CONTENDED_FIRST);
            assert!(!yield_now(&mut contention, end + CONTENDED_FIRST, CONTENDED / 2));
        }
    }
}
