//! Numbers that look random. They are the same in every build, so that a newer backend goes on where
//! an older one has stopped.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `from` on, below `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    pub fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let len = words.len() as u64;
        words[usize::try_from(self.next() % len).expect("it is an index")]
    }
}

/// What hashing begins with.
pub const NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: what was hashed before, with these bytes behind it.
pub fn hash(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
