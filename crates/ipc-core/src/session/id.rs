//! Correlation ids: a slot in the low half, its generation in the high half. The side that makes a
//! request makes its id, so that the answer leads straight back to the slot.

/// The id of a slot's `generation`-th use. Generations start at 1.
#[inline]
pub const fn join(slot: u32, generation: u32) -> u64 {
    slot as u64 | (generation as u64) << 32
}

/// The slot of an id.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is the slot")]
pub const fn slot_of(id: u64) -> u32 {
    id as u32
}

/// The generation of an id.
#[inline]
pub const fn generation_of(id: u64) -> u32 {
    (id >> 32) as u32
}

/// Whether `generation` came after `other`, as serial numbers that wrap do. Generation 0 is never
/// used, so whatever is there came after it.
#[inline]
pub const fn is_newer(generation: u32, other: u32) -> bool {
    let ahead = generation.wrapping_sub(other);
    generation != 0 && (other == 0 || ahead != 0 && ahead < 1 << 31)
}
