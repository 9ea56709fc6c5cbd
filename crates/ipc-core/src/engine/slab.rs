//! Things by short, stale-proof keys: an index and a generation in 32 bits.

/// The key of something in a [`Slab`]; a key of something gone finds nothing.
pub(super) type Key = u32;

const INDEX_BITS: u32 = 16;

pub(super) struct Slab<T> {
    entries: Vec<(u16, Option<T>)>,
    free: Vec<u16>,
}

impl<T> Slab<T> {
    pub fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    /// Puts something in, or hands it back when there are 65,536 already.
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let Ok(index) = u16::try_from(self.entries.len()) else { return Err(value) };
                self.entries.push((0, None));
                index
            }
        };
        let (generation, slot) = &mut self.entries[usize::from(index)];
        *slot = Some(value);
        Ok(u32::from(*generation) << INDEX_BITS | u32::from(index))
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let (index, generation) = split(key);
        let entry = self.entries.get_mut(usize::from(index))?;
        if entry.0 != generation {
            return None;
        }
        let value = entry.1.take()?;
        entry.0 = generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    /// Replaces something by what becomes of it, under the same key.
    pub fn update(&mut self, key: Key, change: impl FnOnce(T) -> T) {
        let (index, generation) = split(key);
        if let Some((found, value)) = self.entries.get_mut(usize::from(index))
            && *found == generation
        {
            *value = value.take().map(change);
        }
    }

    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let (index, generation) = split(key);
        match self.entries.get(usize::from(index))? {
            (found, value) if *found == generation => value.as_ref(),
            _ => None,
        }
    }

    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (index, generation) = split(key);
        match self.entries.get_mut(usize::from(index))? {
            (found, value) if *found == generation => value.as_mut(),
            _ => None,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        (0u32..).zip(&mut self.entries).filter_map(|(index, (generation, value))| {
            Some((u32::from(*generation) << INDEX_BITS | index, value.as_mut()?))
        })
    }

    /// Places there are, taken or not: who goes through all of them with [`Self::key_at`] may add
    /// and remove meanwhile.
    pub fn places(&self) -> usize {
        self.entries.len()
    }

    /// The key of what is at a place.
    pub fn key_at(&self, place: usize) -> Option<Key> {
        let (generation, value) = self.entries.get(place)?;
        let index = u32::try_from(place).ok()?;
        value.is_some().then_some(u32::from(*generation) << INDEX_BITS | index)
    }

    pub fn keys(&self) -> Vec<Key> {
        (0..self.places()).filter_map(|place| self.key_at(place)).collect()
    }
}

/// The index of a key.
pub(super) fn place(key: Key) -> usize {
    usize::from(split(key).0)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is asked for")]
fn split(key: Key) -> (u16, u16) {
    (key as u16, (key >> INDEX_BITS) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_something_gone_finds_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert("first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").unwrap();
        assert_ne!(first, second);
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&"second")));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.keys(), vec![second]);
    }
}
