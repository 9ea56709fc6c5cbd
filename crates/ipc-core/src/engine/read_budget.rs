//! How much is read before the handlers of the host have run.
//!
//! Reading costs little and handling may cost anything. A peer that has sent much to a host with
//! slow handlers would keep all other peers waiting until all of it is handled, so less is read at
//! once there: as much as was handled in so much time before. With one peer alone it is the same:
//! while one side handles a part of what is in flight, the other works on the rest.

use std::time::Duration;

/// How long it should take to handle what was read at once.
const SPAN: Duration = Duration::from_micros(25);
/// Frames read at once, at most, at first and at least.
const FRAMES_MAX: u32 = 4096;
const FRAMES_FIRST: u32 = 512;
const FRAMES_MIN: u32 = 8;

#[derive(Debug)]
pub(super) struct ReadBudget {
    /// Frames to be read in one drive.
    pub budget: u32,
    /// Frames that were read in the last.
    pub read: u32,
}

impl Default for ReadBudget {
    fn default() -> Self {
        Self { budget: FRAMES_FIRST, read: 0 }
    }
}

impl ReadBudget {
    /// Whether enough was read for it to matter how long it takes.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.read >= FRAMES_MIN
    }

    /// What was read last has been handled in this time.
    #[cold]
    pub fn handled(&mut self, took: Duration) {
        let fit = u128::from(self.read) * SPAN.as_nanos() / took.as_nanos().max(1);
        let most = (self.budget * 2).min(FRAMES_MAX);
        self.budget = u32::try_from(fit).unwrap_or(u32::MAX).clamp(FRAMES_MIN, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_that_take_their_time_get_less_at_once_and_more_again_later() {
        let mut read_budget = ReadBudget::default();
        let mut turn = |each: Duration| {
            read_budget.read = read_budget.budget;
            assert!(read_budget.is_busy());
            read_budget.handled(each * read_budget.read);
            read_budget.budget
        };
        assert_eq!(turn(Duration::from_nanos(100)), 250);
        assert_eq!(turn(Duration::from_micros(1)), 25);
        assert_eq!(turn(Duration::from_millis(10)), FRAMES_MIN);
        assert_eq!(turn(Duration::from_nanos(5)), 2 * FRAMES_MIN);
        let last = (0..10).map(|_| turn(Duration::from_nanos(5))).last();
        assert_eq!(last, Some(FRAMES_MAX));
    }
}
