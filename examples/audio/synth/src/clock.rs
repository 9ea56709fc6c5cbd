//! Time: the clock that all processes of a machine share, and the frames that are played in it.

use rustix::thread::{ClockId, Timespec, clock_nanosleep_absolute};
use rustix::time::clock_gettime;

/// Frames per second.
pub const RATE: u32 = 44_100;
/// Frames that are rendered at once: 5.8 ms.
pub const PERIOD: u64 = 256;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds of `CLOCK_MONOTONIC`, which a program in Node.js reads by `process.hrtime.bigint()`.
pub fn now() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    tv_sec.unsigned_abs() * NANOS_PER_SECOND + tv_nsec.unsigned_abs()
}

/// Sleeps until that time, and not at all if it has passed.
pub fn sleep_until(nanos: u64) {
    let request = Timespec {
        tv_sec: (nanos / NANOS_PER_SECOND).cast_signed(),
        tv_nsec: (nanos % NANOS_PER_SECOND).cast_signed(),
    };
    // A signal ends a sleep early, and is handled in another thread.
    while clock_nanosleep_absolute(ClockId::Monotonic, &request).is_err() {}
}

/// How long so many frames last, in nanoseconds.
pub fn nanos_of(frames: u64) -> u64 {
    scaled(frames, NANOS_PER_SECOND, u64::from(RATE))
}

/// How many whole frames pass in so many nanoseconds.
pub fn frames_in(nanos: u64) -> u64 {
    scaled(nanos, u64::from(RATE), NANOS_PER_SECOND)
}

/// In 128 bits, which the product takes after some days.
fn scaled(value: u64, by: u64, over: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(over);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
