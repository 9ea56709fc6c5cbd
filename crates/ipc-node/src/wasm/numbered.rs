//! Values that the host knows by a number.

use std::collections::BTreeMap;

/// All of one type.
pub struct Numbered<T> {
    values: BTreeMap<u32, T>,
    last: u32,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), last: 0 }
    }
}

impl<T> Numbered<T> {
    pub fn add(&mut self, value: T) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.values.contains_key(&self.last) {
                break;
            }
        }
        self.values.insert(self.last, value);
        self.last
    }

    pub fn get(&self, number: u32) -> Option<&T> {
        self.values.get(&number)
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.values.get_mut(&number)
    }

    pub fn remove(&mut self, number: u32) {
        self.values.remove(&number);
    }
}
