//! How long to look before sleeping.
//!
//! Waking a sleeping core takes some 20 µs whatever wakes it, many times what a message takes. So
//! whoever has just talked, or waits for an answer, looks a little longer before it sleeps. Every
//! look that fails gives the processor away, which is what keeps two ends on one core fast, and
//! the looking ends by itself.

use std::hint;
use std::time::Duration;

use super::Engine;
use crate::time::Time;

/// Looks before the first yield, a pause of the processor apart.
pub(crate) const PAUSES: u32 = 64;
/// Looks between two yields.
pub(crate) const LOOKS_PER_YIELD: u32 = 4;

/// The budget of a wait. Zero switches looking off: then every wait is a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long to look while an answer is outstanding: the time a sleeping peer takes to wake up
    /// and to answer.
    pub expecting: Duration,
    /// How long to look after traffic, when nothing is outstanding.
    pub recent: Duration,
}

impl Patience {
    /// Where everyone starts.
    pub const DEFAULT: Self =
        Self { expecting: Duration::from_micros(50), recent: Duration::from_micros(20) };
    /// No looking at all.
    pub const NONE: Self = Self { expecting: Duration::ZERO, recent: Duration::ZERO };
}

impl Default for Patience {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Engine {
    /// How long to look before sleeping, as things stand; zero: not at all.
    pub(crate) fn look_budget(&self, patience: &Patience) -> Duration {
        match (self.is_hot(), self.is_expecting()) {
            (false, _) => Duration::ZERO,
            (true, true) => patience.expecting,
            (true, false) => patience.recent,
        }
    }

    /// Looks at hot links until there is something, the budget is used up, or it is `leave_by`.
    /// Returns whether there is something.
    pub fn linger(&self, patience: &Patience, leave_by: Time) -> bool {
        if !self.is_hot() {
            return false;
        }
        let budget = self.look_budget(patience);
        if budget.is_zero() {
            return self.look();
        }
        for _ in 0..PAUSES {
            if self.look() {
                return true;
            }
            hint::spin_loop();
        }
        let mut until = None;
        loop {
            for _ in 0..LOOKS_PER_YIELD {
                if self.look() {
                    return true;
                }
            }
            let now = Time::now();
            if now >= *until.get_or_insert((now + budget).min(leave_by)) {
                return false;
            }
            rustix::thread::sched_yield();
        }
    }
}
