//! What the audio thread counts, for other threads to read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::command::Status;

/// Each is written by the audio thread alone, so that adding takes no locked instruction.
#[derive(Default)]
pub struct Counters {
    pub frames: Count,
    pub commands: Count,
    pub refused: Count,
    pub missing: Count,
    pub late: Count,
    pub latest: Count,
    pub unreported: Count,
    pub unrecorded: Count,
    pub periods: Count,
    pub overruns: Count,
    pub wake_sum: Count,
    pub wake_squares: Count,
    pub wake_max: Count,
    pub sounding: Count,
}

/// A number with one writer.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, more: u64) {
        self.set(self.get() + more);
    }

    pub fn at_least(&self, value: u64) {
        self.set(self.get().max(value));
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    /// A period began so many nanoseconds after its time.
    pub fn woke(&self, late: u64) {
        let micros = late / 1_000;
        self.periods.add(1);
        self.wake_sum.add(micros);
        self.wake_squares.add(micros * micros);
        self.wake_max.at_least(micros);
    }

    pub fn status(&self, started_at: u64) -> Status {
        let periods = self.periods.get().max(1) as f64;
        let mean = self.wake_sum.get() as f64 / periods;
        // The sums are read one after the other, while they grow.
        let variance = (self.wake_squares.get() as f64 / periods - mean * mean).max(0.0);
        Status {
            startedAt: started_at,
            frames: self.frames.get(),
            commands: self.commands.get(),
            refused: self.refused.get(),
            missing: self.missing.get(),
            late: self.late.get(),
            latestFrames: self.latest.get(),
            unreported: self.unreported.get(),
            unrecorded: self.unrecorded.get(),
            overruns: self.overruns.get(),
            wakeMeanMicros: mean,
            wakeDeviationMicros: variance.sqrt(),
            wakeMaxMicros: self.wake_max.get() as f64,
            sounding: self.sounding.get(),
        }
    }
}
