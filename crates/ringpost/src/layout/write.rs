//! Writing single members of a record where they lie.

use ipc_core::{Error, Result};

use super::Layout;
use super::fault::check_len;
use super::record::{Field, Place, item_range, no_item_of, no_such, place};
use super::scalar::{Scalar, checked_count, put_text};
use super::shape::Type;

/// A record in a buffer, of which single members are written. Errors are those of a
/// [`Record`](super::Record); what does not fit has [`Code::InvalidPayload`](ipc_core::Code).
///
/// ```
/// use ringpost::layout::{Layout, RecordMut, Type};
///
/// let point = Layout::builder().field("x", Type::F32).field("y", Type::F32).build()?;
/// let path = Layout::builder().nested("start", &point).list("via", &point, 8).build()?;
///
/// let mut bytes = vec![0; path.size()];
/// let mut record = RecordMut::new(&path, &mut bytes)?;
/// record.set("start.x", 1.5_f32)?;
/// let mut via = record.list("via", 2)?;
/// via.record(1)?.set("y", 0.5_f32)?;
///
/// let record = path.record(&bytes)?;
/// assert_eq!(record.list("via")?.record(1)?.f32("y")?, 0.5);
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct RecordMut<'a> {
    layout: &'a Layout,
    bytes: &'a mut [u8],
}

impl<'a> RecordMut<'a> {
    /// Begins a record in a buffer of exactly the layout's size, and makes all of it zero: numbers
    /// are 0, truths `false`, texts and lists empty until they are set.
    pub fn new(layout: &'a Layout, bytes: &'a mut [u8]) -> Result<Self> {
        check_len(bytes.len(), layout.size())?;
        bytes.fill(0);
        Ok(Self { layout, bytes })
    }

    /// Sets a number or truth of exactly that type.
    pub fn set<T: Scalar>(&mut self, path: &str, value: T) -> Result<()> {
        let range = self.place(path)?.scalar::<T>(path)?.range::<T>();
        value.put(&mut self.bytes[range]);
        Ok(())
    }

    /// Sets a text.
    pub fn set_text(&mut self, path: &str, text: &str) -> Result<()> {
        let Place { offset, member, .. } = self.place(path)?;
        match (&member.of, member.max) {
            (Type::Text(size), None) => put_text(text, &mut self.bytes[offset..offset + size])
                .map_err(|fault| fault.within(path).into()),
            _ => Err(no_such(path, member, "text")),
        }
    }

    /// A record within this one.
    pub fn nested(&mut self, path: &str) -> Result<RecordMut<'_>> {
        let Place { offset, member, .. } = self.place(path)?;
        match (&member.of, member.max) {
            (Type::Record(layout), None) => {
                Ok(RecordMut { layout, bytes: &mut self.bytes[offset..offset + layout.size()] })
            }
            _ => Err(no_such(path, member, "record")),
        }
    }

    /// Makes a list have so many items, which are zero until they are set.
    pub fn list(&mut self, path: &str, len: usize) -> Result<ListMut<'_>> {
        let Place { base, member, .. } = self.place(path)?;
        let Some(max) = member.max else { return Err(no_such(path, member, "list")) };
        let count = checked_count(len, max).map_err(|fault| Error::from(fault.within(path)))?;
        let (offset, start) = (base + member.offset, base + member.start);
        count.put(&mut self.bytes[offset..offset + 4]);
        let items = &mut self.bytes[start..base + member.end()];
        items.fill(0);
        Ok(ListMut { of: &member.of, len, bytes: items })
    }

    /// Sets a member that [`Layout::field`] has found.
    pub fn write<T: Scalar>(&mut self, field: Field<T>, value: T) -> Result<()> {
        field.check(self.layout)?;
        value.put(&mut self.bytes[field.range()]);
        Ok(())
    }

    fn place(&self, path: &str) -> Result<Place<'a>> {
        place(self.layout.shape(), path, 0)
    }
}

/// A list in a buffer, of which single items are written.
pub struct ListMut<'a> {
    of: &'a Type,
    len: usize,
    bytes: &'a mut [u8],
}

impl ListMut<'_> {
    /// Sets an item that is a number or truth of exactly that type.
    pub fn set<T: Scalar>(&mut self, index: usize, value: T) -> Result<()> {
        if *self.of != T::TYPE {
            return Err(no_item_of(self.of, &T::TYPE.text()));
        }
        let range = item_range(self.of, index, self.len)?;
        value.put(&mut self.bytes[range]);
        Ok(())
    }

    /// Sets an item that is a text.
    pub fn set_text(&mut self, index: usize, text: &str) -> Result<()> {
        let Type::Text(_) = self.of else { return Err(no_item_of(self.of, "text")) };
        let range = item_range(self.of, index, self.len)?;
        put_text(text, &mut self.bytes[range]).map_err(|fault| fault.within_item(index).into())
    }

    /// An item that is a record.
    pub fn record(&mut self, index: usize) -> Result<RecordMut<'_>> {
        let Type::Record(layout) = self.of else { return Err(no_item_of(self.of, "record")) };
        let range = item_range(self.of, index, self.len)?;
        Ok(RecordMut { layout, bytes: &mut self.bytes[range] })
    }
}
