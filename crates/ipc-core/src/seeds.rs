//! Seeded randomness for the tests: a failure reports its seed, and `RINGPOST_SEED`
//! runs that one alone. `RINGPOST_RUNS` multiplies the number of seeds, for a long search.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A small generator (SplitMix64), good enough to choose among operations.
pub struct Random(u64);

impl Random {
    /// One that begins with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than a usize")
    }

    /// True this many times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    /// So many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}

/// Runs `body` with each of so many seeds.
pub fn each_seed(runs: u64, body: impl Fn(&mut Random)) {
    let seeds = match number("RINGPOST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..runs * number("RINGPOST_RUNS").unwrap_or(1),
    };
    for seed in seeds {
        let run = AssertUnwindSafe(|| body(&mut Random::new(seed)));
        assert!(catch_unwind(run).is_ok(), "seed {seed} failed: RINGPOST_SEED={seed} replays it");
    }
}

/// How properties are tried: from one seed, the more cases the more runs are asked for. What fails
/// is said as the smallest case of its kind.
#[cfg(test)]
pub(crate) fn properties() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, RngSeed};

    let runs = u32::try_from(number("RINGPOST_RUNS").unwrap_or(1)).unwrap_or(u32::MAX);
    Config {
        cases: runs.saturating_mul(256),
        rng_seed: RngSeed::Fixed(number("RINGPOST_SEED").unwrap_or(0)),
        failure_persistence: None,
        ..Config::default()
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
