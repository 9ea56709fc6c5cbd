//! From a key to the places where it may lie.

/// What FNV-1a begins with, before the seed of the map is mixed in.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The 64-bit hash of a key: FNV-1a that begins with its usual offset exclusive-or the seed of the
/// map, and then the finalizer of `MurmurHash3`, because the low bits of FNV-1a alone depend on
/// nothing but the low bits of the key.
///
/// The seed is another one for each file, so that keys that come from outside cannot have been
/// chosen to lie in the same two buckets.
pub(super) fn hash(seed: u64, key: &[u8]) -> u64 {
    let mut hash = FNV_OFFSET ^ seed;
    for &byte in key {
        hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// A word of the index that is in use: the upper half of the key's hash, by which nearly every
/// other key is told apart without looking at it, and the number of its entry plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u64);

impl Tag {
    pub const FREE: u64 = 0;

    pub fn new(hash: u64, entry: u32) -> Self {
        Self((hash & !u64::from(u32::MAX)) | (u64::from(entry) + 1))
    }

    /// What a word of the index says of an entry among `entries`; nothing where it is free, or
    /// where no writer has written it.
    #[inline]
    pub fn from_word(word: u64, entries: u32) -> Option<Self> {
        let entry = word & u64::from(u32::MAX);
        (1..=u64::from(entries)).contains(&entry).then_some(Self(word))
    }

    pub fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub fn may_be(self, hash: u64) -> bool {
        (self.0 ^ hash) >> 32 == 0
    }

    #[inline]
    pub fn entry(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half, which is not 0")]
        let entry = self.0 as u32;
        entry - 1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What another language has to compute as well; PROTOCOL.md has the same numbers.
    #[test]
    fn hashes_are_those_of_the_document() {
        assert_eq!(hash(0, b""), 0xefd0_1f60_ba99_2926);
        assert_ne!(hash(0, b"a"), hash(1, b"a"));
    }

    #[test]
    fn a_tag_names_its_entry_and_most_of_the_hash() {
        let hash = hash(7, b"speed");
        let tag = Tag::new(hash, 41);
        assert_eq!(Tag::from_word(tag.word(), 42), Some(tag));
        assert_eq!(Tag::from_word(tag.word(), 41), None, "there is no such entry");
        assert_eq!(Tag::from_word(Tag::FREE, 42), None);
        assert_eq!(tag.entry(), 41);
        assert!(tag.may_be(hash) && tag.may_be(hash ^ 1) && !tag.may_be(hash ^ (1 << 32)));
    }
}
