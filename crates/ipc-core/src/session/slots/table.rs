//! Entries by number, of which few are ever used. The first ones lie side by side, as far as they
//! are used: that is where all begin. Of the others only pages that hold a used one have memory, so
//! that a high number costs its peer a frame and us no more than a page.

use std::array;
use std::ops::RangeFrom;

const NEAR: usize = 1024;
const PAGE: usize = 64;
/// The numbers behind the near ones.
const FAR: RangeFrom<u32> = 1024..;

type Page<T> = Box<[T; PAGE]>;

#[derive(Default)]
pub(super) struct Table<T> {
    near: Vec<T>,
    far: Vec<Option<Page<T>>>,
}

impl<T: Default> Table<T> {
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.near.get(index).or_else(|| self.find(index))
    }

    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        // Not `or_else`, which would have to borrow the table twice.
        if index < self.near.len() { self.near.get_mut(index) } else { self.find_mut(index) }
    }

    /// The entry of this number, which is a default one if it was not there.
    #[inline]
    pub fn entry(&mut self, index: usize) -> &mut T {
        if index < self.near.len() { &mut self.near[index] } else { self.make(index) }
    }

    /// All entries that have memory, with their numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let pages = FAR.step_by(PAGE).zip(&mut self.far);
        let far = pages.filter_map(|(first, page)| Some((first, page.as_deref_mut()?)));
        (0u32..).zip(&mut self.near).chain(far.flat_map(|(first, page)| (first..).zip(page)))
    }

    #[cold]
    fn find(&self, index: usize) -> Option<&T> {
        let index = index.checked_sub(NEAR)?;
        Some(&self.far.get(index / PAGE)?.as_deref()?[index % PAGE])
    }

    #[cold]
    fn find_mut(&mut self, index: usize) -> Option<&mut T> {
        let index = index.checked_sub(NEAR)?;
        Some(&mut self.far.get_mut(index / PAGE)?.as_deref_mut()?[index % PAGE])
    }

    #[cold]
    fn make(&mut self, index: usize) -> &mut T {
        let Some(far) = index.checked_sub(NEAR) else {
            self.near.resize_with(index + 1, T::default);
            return &mut self.near[index];
        };
        let page = far / PAGE;
        if page >= self.far.len() {
            self.far.resize_with(page + 1, || None);
        }
        let page = self.far[page].get_or_insert_with(|| Box::new(array::from_fn(|_| T::default())));
        &mut page[far % PAGE]
    }

    /// How many entries have memory.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.near.capacity() + self.far.iter().flatten().count() * PAGE
    }
}
