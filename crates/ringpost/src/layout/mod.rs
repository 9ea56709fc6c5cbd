//! Records of a fixed size, which lie in memory as a C compiler would place them on this machine.
//!
//! A [`Layout`] says where each member is. It is built member by member, read from the
//! [description](Layout::description) of a writer in any language, or comes with a struct that
//! [`layout!`](crate::layout!) defines. A [`Record`] reads single members of bytes in place, a
//! [`RecordMut`] writes them.
//!
//! ```
//! use ringpost::layout::{Layout, RecordMut, Type};
//!
//! let detection = Layout::builder()
//!     .field("id", Type::U32)
//!     .field("x", Type::F32)
//!     .text("label", 16)
//!     .build()?;
//! assert_eq!(detection.description(), "{id:u32@0,x:f32@4,label:text[16]@8}24");
//!
//! let mut bytes = vec![0; detection.size()];
//! let mut writer = RecordMut::new(&detection, &mut bytes)?;
//! writer.set("id", 7_u32)?;
//! writer.set_text("label", "cup")?;
//!
//! let record = detection.record(&bytes)?;
//! assert_eq!(record.u32("id")?, 7);
//! assert_eq!(record.text("label")?, "cup");
//! # Ok::<(), ringpost::Error>(())
//! ```
//!
//! Where a layout stands beside the data, the layouts of writer and reader may differ by members
//! that were appended: see [`Layout::reader`].

mod compare;
mod description;
mod fault;
mod names;
mod record;
mod scalar;
mod shape;
mod structs;
mod write;

use std::fmt;
use std::sync::Arc;

use ipc_core::{Code, Error, Result};

pub use fault::Fault;
pub use names::{is_count_name, is_name};
pub use record::{Field, List, Reader, Record, Value};
pub use scalar::Scalar;
pub use shape::{DEPTH_MAX, SIZE_MAX, Type};
pub use structs::{Items, Member, Struct, Text};
#[doc(hidden)]
pub use structs::{member_name, read_items, read_member, write_items, write_member};
pub use write::{ListMut, RecordMut};

use shape::Shape;

/// Where each member of a record lies. Clones share it.
#[derive(Clone)]
pub struct Layout(Arc<Inner>);

struct Inner {
    shape: Shape,
    hash: u64,
}

impl Layout {
    /// Makes a layout of members, in order.
    pub fn builder() -> LayoutBuilder {
        LayoutBuilder(Vec::new())
    }

    /// Reads what [`description`](Self::description) has said.
    ///
    /// # Errors
    ///
    /// [`Code::Layout`] if it is no description, to the letter.
    pub fn parse(description: &str) -> Result<Self> {
        description::parse(description).map(Self::of)
    }

    fn of(shape: Shape) -> Self {
        let hash = description::hash(&shape.text);
        Self(Arc::new(Inner { shape, hash }))
    }

    /// Bytes of a record, a multiple of [`align`](Self::align).
    pub fn size(&self) -> usize {
        self.0.shape.size
    }

    /// The largest alignment of a member.
    pub fn align(&self) -> usize {
        self.0.shape.align
    }

    /// The 64-bit FNV-1a hash of the description.
    pub fn hash(&self) -> u64 {
        self.0.hash
    }

    /// All members with their types and offsets: `{id:u32@0,label:text[16]@4}20`. Two layouts with
    /// the same description are the same, in any language.
    pub fn description(&self) -> &str {
        &self.0.shape.text
    }

    /// A record in these bytes.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`] unless there are exactly [`size`](Self::size) bytes.
    pub fn record<'a>(&'a self, bytes: &'a [u8]) -> Result<Record<'a>> {
        Record::new(self, self.shape().members.len(), self.size(), bytes)
    }

    /// What reads the records of a writer whose layout may be an earlier or a later one: the same,
    /// or one of the two is the other with members appended.
    ///
    /// ```
    /// use ringpost::layout::{Layout, Type};
    ///
    /// let old = Layout::builder().field("id", Type::U32).build()?;
    /// let new = Layout::builder().field("id", Type::U32).field("at", Type::F64).build()?;
    ///
    /// let reader = new.reader(old.description())?;
    /// let record = reader.record(&[7, 0, 0, 0])?;
    /// assert_eq!(record.u32("id")?, 7);
    /// assert!(record.get("at")?.is_none());
    ///
    /// let other = Layout::builder().field("id", Type::I32).build()?;
    /// let error = other.reader(old.description()).err().unwrap();
    /// assert_eq!(error.code().as_str(), "ERR_LAYOUT");
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Code::Layout`] with the first difference, if there is another one; or if `writer` is no
    /// description of a layout.
    pub fn reader(&self, writer: &str) -> Result<Reader> {
        let (mut known, mut size) = (self.shape().members.len(), self.size());
        if writer != self.description() {
            let theirs = description::parse(writer)?;
            known = compare::shared(&theirs, self.shape())?;
            size = theirs.size;
        }
        Ok(Reader { layout: self.clone(), known, size })
    }

    /// A member that is found once, and then read and written without looking it up by its name.
    /// Members of nested records have a path: `camera.fov`.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidArgument`] if there is none, or none of that type.
    pub fn field<T: Scalar>(&self, path: &str) -> Result<Field<T>> {
        let place = record::place(self.shape(), path, 0)?;
        Ok(Field::new(self, place.scalar::<T>(path)?))
    }

    fn shape(&self) -> &Shape {
        &self.0.shape
    }
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.description() == other.description()
    }
}

impl Eq for Layout {}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layout").field(&self.description()).finish()
    }
}

/// The members of a layout to be. Made by [`Layout::builder`].
#[must_use]
pub struct LayoutBuilder(Vec<shape::Unplaced>);

impl LayoutBuilder {
    /// Appends a member. Its name is one of C, and no word of C or C++.
    pub fn field(self, name: &str, of: impl Into<Type>) -> Self {
        self.with(name, of.into(), None)
    }

    /// Appends a text of at most so many bytes of UTF-8, `char[bytes]` in C.
    pub fn text(self, name: &str, bytes: usize) -> Self {
        self.field(name, Type::Text(bytes))
    }

    /// Appends a list of at most so many items: in C a count, `<name>_count`, and an array.
    ///
    /// ```
    /// use ringpost::layout::{Layout, Type};
    ///
    /// let point = Layout::builder().field("x", Type::F64).build()?;
    /// let path = Layout::builder().list("points", &point, 2).list("ids", Type::U8, 3).build()?;
    /// assert_eq!(path.description(), "{points:[{x:f64@0}8;2]@0/8,ids:[u8;3]@24/28}32");
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn list(self, name: &str, of: impl Into<Type>, max: usize) -> Self {
        self.with(name, of.into(), Some(max))
    }

    /// Appends a record within this one.
    pub fn nested(self, name: &str, of: &Layout) -> Self {
        self.field(name, of)
    }

    fn with(mut self, name: &str, of: Type, max: Option<usize>) -> Self {
        self.0.push(shape::Unplaced { name: name.into(), of, max });
        self
    }

    /// Gives each member its place.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidArgument`] if there is no member; for a name that C does not permit, or two
    /// that are the same; for texts and lists of no length; and for records of more than
    /// [`SIZE_MAX`] bytes, or nested more than [`DEPTH_MAX`] deep.
    pub fn build(self) -> Result<Layout> {
        match Shape::new(self.0) {
            Ok(shape) => Ok(Layout::of(shape)),
            Err(reason) => Err(Error::new(Code::InvalidArgument, reason)),
        }
    }
}
