//! Reading single members of a record where they lie.

use std::marker::PhantomData;
use std::ops::Range;

use ipc_core::{Code, Error, Result};

use super::Layout;
use super::fault::{Fault, check_len};
use super::scalar::{Scalar, get_count, get_text};
use super::shape::{Placed, Shape, Type};
use super::structs::Struct;

/// A record in bytes, of which single members are read.
///
/// Members are named by their path: those of nested records as `camera.fov`. What is asked for and
/// not there, or of another type, is an error with [`Code::InvalidArgument`]; bytes that are no
/// value of their type are one with [`Code::InvalidPayload`], and a member that the writer does not
/// know is one with [`Code::Layout`].
#[derive(Clone, Copy)]
pub struct Record<'a> {
    layout: &'a Layout,
    /// So many members are there.
    known: usize,
    bytes: &'a [u8],
}

/// A value of any type, for programs that do not know the layout.
#[derive(Clone, Copy)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the types")]
pub enum Value<'a> {
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Text(&'a str),
    Record(Record<'a>),
    List(List<'a>),
}

macro_rules! named {
    ($($number:ident)*) => {$(
        #[doc = concat!("A member that is ", stringify!($number), ".")]
        #[allow(clippy::missing_errors_doc, reason = "said of the type")]
        pub fn $number(&self, path: &str) -> Result<$number> {
            self.scalar(path)
        }
    )*};
}

impl<'a> Record<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        known: usize,
        size: usize,
        bytes: &'a [u8],
    ) -> Result<Self> {
        check_len(bytes.len(), size)?;
        Ok(Self { layout, known, bytes })
    }

    named! { i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 bool }

    fn scalar<T: Scalar>(&self, path: &str) -> Result<T> {
        let place = self.place(path)?;
        let range = place.scalar::<T>(path)?.range::<T>();
        T::get(&self.bytes[range]).map_err(|fault| fault.within(path).into())
    }

    /// A text.
    pub fn text(&self, path: &str) -> Result<&'a str> {
        let Place { offset, member, .. } = self.place(path)?;
        match (&member.of, member.max) {
            (Type::Text(size), None) => get_text(&self.bytes[offset..offset + size])
                .map_err(|fault| fault.within(path).into()),
            _ => Err(no_such(path, member, "text")),
        }
    }

    /// A record within this one.
    pub fn nested(&self, path: &str) -> Result<Record<'a>> {
        let Place { offset, member, .. } = self.place(path)?;
        match (&member.of, member.max) {
            (Type::Record(layout), None) => Ok(whole(layout, self.bytes, offset)),
            _ => Err(no_such(path, member, "record")),
        }
    }

    /// A list.
    pub fn list(&self, path: &str) -> Result<List<'a>> {
        let Place { base, member, .. } = self.place(path)?;
        let Some(max) = member.max else { return Err(no_such(path, member, "list")) };
        let (count, start) = (base + member.offset, base + member.start);
        let len = get_count(&self.bytes[count..count + 4], max)
            .map_err(|fault| Error::from(fault.within(path)))?;
        let end = start + len * member.of.size();
        Ok(List { of: &member.of, len, bytes: &self.bytes[start..end] })
    }

    /// A member of any type; `None` if the writer does not know it.
    pub fn get(&self, path: &str) -> Result<Option<Value<'a>>> {
        let place = place(self.layout.shape(), path, 0)?;
        if place.top >= self.known {
            return Ok(None);
        }
        if place.member.max.is_some() {
            return self.list(path).map(|list| Some(Value::List(list)));
        }
        let value = any(&place.member.of, self.bytes, place.offset);
        value.map(Some).map_err(|fault| fault.within(path).into())
    }

    /// A member that [`Layout::field`] has found.
    pub fn read<T: Scalar>(&self, field: Field<T>) -> Result<T> {
        field.check(self.layout)?;
        if field.top >= self.known {
            return Err(unknown_to_the_writer(self.layout, field.top));
        }
        Ok(T::get(&self.bytes[field.range()])?)
    }

    /// Its members, in order, that the writer knows.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.layout.shape().members[..self.known].iter().map(|member| member.name.as_str())
    }

    fn place(&self, path: &str) -> Result<Place<'a>> {
        let place = place(self.layout.shape(), path, 0)?;
        if place.top >= self.known {
            return Err(unknown_to_the_writer(self.layout, place.top));
        }
        Ok(place)
    }
}

fn whole<'a>(layout: &'a Layout, bytes: &'a [u8], offset: usize) -> Record<'a> {
    let bytes = &bytes[offset..offset + layout.size()];
    Record { layout, known: layout.shape().members.len(), bytes }
}

fn any<'a>(of: &'a Type, bytes: &'a [u8], offset: usize) -> Result<Value<'a>, Fault> {
    let place = &bytes[offset..offset + of.size()];
    Ok(match of {
        Type::I8 => Value::I8(Scalar::get(place)?),
        Type::U8 => Value::U8(Scalar::get(place)?),
        Type::I16 => Value::I16(Scalar::get(place)?),
        Type::U16 => Value::U16(Scalar::get(place)?),
        Type::I32 => Value::I32(Scalar::get(place)?),
        Type::U32 => Value::U32(Scalar::get(place)?),
        Type::I64 => Value::I64(Scalar::get(place)?),
        Type::U64 => Value::U64(Scalar::get(place)?),
        Type::F32 => Value::F32(Scalar::get(place)?),
        Type::F64 => Value::F64(Scalar::get(place)?),
        Type::Bool => Value::Bool(Scalar::get(place)?),
        Type::Text(_) => Value::Text(get_text(place)?),
        Type::Record(layout) => Value::Record(whole(layout, bytes, offset)),
    })
}

/// A list in a record, of which single items are read. What is not there, or of another type, is an
/// error as with a [`Record`].
#[derive(Clone, Copy)]
pub struct List<'a> {
    of: &'a Type,
    len: usize,
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An item that is a number or truth.
    pub fn scalar<T: Scalar>(&self, index: usize) -> Result<T> {
        if *self.of != T::TYPE {
            return Err(no_item_of(self.of, &T::TYPE.text()));
        }
        let range = self.range(index)?;
        T::get(&self.bytes[range]).map_err(|fault| fault.within_item(index).into())
    }

    /// An item that is a text.
    pub fn text(&self, index: usize) -> Result<&'a str> {
        let Type::Text(_) = self.of else { return Err(no_item_of(self.of, "text")) };
        let range = self.range(index)?;
        get_text(&self.bytes[range]).map_err(|fault| fault.within_item(index).into())
    }

    /// An item that is a record.
    pub fn record(&self, index: usize) -> Result<Record<'a>> {
        let Type::Record(layout) = self.of else { return Err(no_item_of(self.of, "record")) };
        Ok(whole(layout, self.bytes, self.range(index)?.start))
    }

    /// An item of any type.
    pub fn get(&self, index: usize) -> Result<Value<'a>> {
        let start = self.range(index)?.start;
        any(self.of, self.bytes, start).map_err(|fault| fault.within_item(index).into())
    }

    fn range(&self, index: usize) -> Result<Range<usize>> {
        item_range(self.of, index, self.len)
    }
}

pub(super) fn item_range(of: &Type, index: usize, len: usize) -> Result<Range<usize>> {
    if index >= len {
        let message = format!("there is no item {index} in a list of {len}");
        return Err(Error::new(Code::InvalidArgument, message));
    }
    Ok(index * of.size()..(index + 1) * of.size())
}

#[cold]
pub(super) fn no_item_of(of: &Type, wanted: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("the items are {} and no {wanted}", of.text()))
}

/// A member that was found by its name once. Made by [`Layout::field`].
#[derive(Clone, Copy, Debug)]
pub struct Field<T> {
    hash: u64,
    top: usize,
    offset: usize,
    of: PhantomData<T>,
}

impl<T: Scalar> Field<T> {
    pub(super) fn new(layout: &Layout, place: Place<'_>) -> Self {
        Self { hash: layout.hash(), top: place.top, offset: place.offset, of: PhantomData }
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.offset..self.offset + size_of::<T>()
    }

    pub(super) fn check(&self, layout: &Layout) -> Result<()> {
        if self.hash == layout.hash() {
            return Ok(());
        }
        Err(Error::new(Code::InvalidArgument, "the field is one of another layout"))
    }
}

/// Reads the records of a writer. Made by [`Layout::reader`].
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) layout: Layout,
    pub(super) known: usize,
    pub(super) size: usize,
}

impl Reader {
    /// The size of the writer's records.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A record of the writer.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`] unless there are exactly as many bytes as its layout has.
    pub fn record<'a>(&'a self, bytes: &'a [u8]) -> Result<Record<'a>> {
        Record::new(&self.layout, self.known, self.size, bytes)
    }

    /// A record of the writer as a struct. Members that the writer does not know are zero, `false`
    /// or empty.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`] for bytes that are no record of the writer;
    /// [`Code::InvalidArgument`] if the layout of the struct is not the reader's.
    pub fn decode<T: Struct>(&self, bytes: &[u8]) -> Result<T> {
        if *T::layout() != self.layout {
            let message = "the struct has another layout than the reader";
            return Err(Error::new(Code::InvalidArgument, message));
        }
        check_len(bytes.len(), self.size)?;
        let members = &self.layout.shape().members;
        if self.known == members.len() && self.size == self.layout.size() {
            return T::decode(bytes);
        }
        let mut whole = vec![0; self.layout.size()];
        let end = self.known.checked_sub(1).map_or(0, |last| members[last].end());
        whole[..end].copy_from_slice(&bytes[..end]);
        T::decode(&whole)
    }
}

/// A member that was found.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The place of the outermost member on its path.
    pub(super) top: usize,
    /// Where the innermost record begins.
    pub(super) base: usize,
    /// Where the member itself begins.
    pub(super) offset: usize,
    pub(super) member: &'a Placed,
}

impl Place<'_> {
    pub(super) fn scalar<T: Scalar>(self, path: &str) -> Result<Self> {
        if self.member.max.is_none() && self.member.of == T::TYPE {
            return Ok(self);
        }
        Err(no_such(path, self.member, &T::TYPE.text()))
    }

    pub(super) fn range<T>(self) -> Range<usize> {
        self.offset..self.offset + size_of::<T>()
    }
}

/// Finds a member by its path in a record that begins at `base`.
pub(super) fn place<'a>(shape: &'a Shape, path: &str, base: usize) -> Result<Place<'a>> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(top) = shape.members.iter().position(|member| member.name == name) else {
        return Err(Error::new(Code::InvalidArgument, format!("there is no member {name}")));
    };
    let member = &shape.members[top];
    let offset = base + member.offset;
    let Some(rest) = rest else { return Ok(Place { top, base, offset, member }) };
    match (member.of.as_record(), member.max) {
        (Some(inner), None) => Ok(Place { top, ..place(inner, rest, offset)? }),
        _ => Err(no_such(name, member, "record")),
    }
}

#[cold]
pub(super) fn no_such(path: &str, member: &Placed, wanted: &str) -> Error {
    let found = if member.max.is_some() { "list".into() } else { member.of.text() };
    Error::new(Code::InvalidArgument, format!("{path} is {found} and no {wanted}"))
}

#[cold]
fn unknown_to_the_writer(layout: &Layout, top: usize) -> Error {
    let name = &layout.shape().members[top].name;
    Error::new(Code::Layout, format!("the writer's layout has no member {name}"))
}
