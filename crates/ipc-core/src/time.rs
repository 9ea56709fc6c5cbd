//! A point on the monotonic clock. Pure code takes one as an argument; only the engine and its
//! APIs ask for the current one.

use std::cell::Cell;
use std::ops::Add;
use std::time::Duration;

use crate::sys::{ClockId, clock_gettime};

/// Spans for which a tick of the coarse clock makes no difference.
const COARSE_FROM: Duration = Duration::from_secs(1);
/// The longest tick a kernel is built with.
pub(crate) const COARSE_TICK: Duration = Duration::from_millis(10);

/// Nanoseconds of the machine's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// A time no clock reaches: what never happens is due then.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time `nanos` after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The clock's reading, about 25 ns of work.
    pub fn now() -> Self {
        Self::read(ClockId::Monotonic)
    }

    /// The clock for people: nanoseconds since 1970, and 0 before.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn unix_nanos() -> u64 {
        let now = clock_gettime(ClockId::Realtime);
        let part = |value: i64| u64::try_from(value).unwrap_or(0);
        part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
    }

    /// The reading at the last tick of a kernel, a sixth of the work.
    #[inline]
    pub(crate) fn coarse() -> Self {
        Self::read(ClockId::MonotonicCoarse)
    }

    #[inline]
    fn read(clock: ClockId) -> Self {
        let now = clock_gettime(clock);
        let part = |value: i64| u64::try_from(value).expect("the monotonic clock is not negative");
        Self(part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec))
    }

    /// When `span` from now is over. A long span is measured with the coarse clock, a sixth of the
    /// work, and may seem over by one of its ticks too late; it never does so too early.
    #[inline]
    pub fn after(span: Duration) -> Self {
        if span < COARSE_FROM {
            return Self::now() + span;
        }
        Self::read(ClockId::MonotonicCoarse) + span + COARSE_TICK
    }

    /// How long it is until then; `None`: for ever.
    pub fn remaining(self) -> Option<Duration> {
        (self != Self::NEVER).then(|| self.saturating_since(Self::now()))
    }

    /// What is left until then; zero when it is past.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// One reading of the clock for everything that happens together, made when the first asks for it.
#[derive(Debug, Default)]
pub struct Now(Cell<Option<Time>>);

impl Now {
    /// The reading.
    #[inline]
    pub fn get(&self) -> Time {
        match self.0.get() {
            Some(time) => time,
            None => {
                let time = Time::now();
                self.0.set(Some(time));
                time
            }
        }
    }
}

/// A reading that was made already.
impl From<Time> for Now {
    fn from(time: Time) -> Self {
        Self(Cell::new(Some(time)))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}
