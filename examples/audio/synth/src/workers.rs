//! What else an audio program computes: each worker takes half of each period of a processor.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use crate::clock::{PERIOD, nanos_of, now, sleep_until};

const TAPS: usize = 64;

pub fn start(count: usize, is_stopped: &Arc<AtomicBool>) {
    for _ in 0..count {
        let is_stopped = Arc::clone(is_stopped);
        thread::spawn(move || work(&is_stopped));
    }
}

/// Filters noise.
fn work(is_stopped: &AtomicBool) {
    let period = nanos_of(PERIOD);
    let taps = [1.0 / TAPS as f32; TAPS];
    let mut noise = [0.0f32; 4 * TAPS];
    let mut seed = 1u32;
    let mut due = now();
    while !is_stopped.load(Relaxed) {
        while now() < due + period / 2 {
            for sample in &mut noise {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *sample = (seed >> 8) as f32 / (1 << 24) as f32 - 0.5;
            }
            for window in noise.windows(TAPS) {
                let filtered: f32 = window.iter().zip(taps).map(|(sample, tap)| sample * tap).sum();
                black_box(filtered);
            }
        }
        // A worker that came too late does not make up for it.
        due = (due + period).max(now().saturating_sub(period));
        sleep_until(due);
    }
}
