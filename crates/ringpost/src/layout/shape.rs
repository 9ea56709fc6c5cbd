//! Where the members of a record lie, by the rules of a C compiler, and the text that says so.

use std::collections::HashSet;
use std::fmt::Write;

use super::Layout;
use super::names::is_name;

/// Most records within records, the outermost included.
pub const DEPTH_MAX: usize = 16;
/// Most bytes of a record.
pub const SIZE_MAX: usize = 1 << 30;

/// What a member of a record, or an item of a list, can be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names of the numbers say what they are")]
pub enum Type {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    /// One byte, 0 or 1.
    Bool,
    /// At most so many bytes of UTF-8, with zeros behind it if it is shorter.
    Text(usize),
    /// A record.
    Record(Layout),
}

impl From<&Layout> for Type {
    fn from(layout: &Layout) -> Self {
        Self::Record(layout.clone())
    }
}

impl From<Layout> for Type {
    fn from(layout: Layout) -> Self {
        Self::Record(layout)
    }
}

impl Type {
    pub(super) const SCALARS: [(&'static str, Self); 11] = [
        ("i8", Self::I8),
        ("u8", Self::U8),
        ("i16", Self::I16),
        ("u16", Self::U16),
        ("i32", Self::I32),
        ("u32", Self::U32),
        ("i64", Self::I64),
        ("u64", Self::U64),
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("bool", Self::Bool),
    ];

    pub(super) fn size(&self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
            Self::Text(bytes) => *bytes,
            Self::Record(layout) => layout.size(),
        }
    }

    fn align(&self) -> usize {
        match self {
            Self::Text(_) => 1,
            Self::Record(layout) => layout.align(),
            scalar => scalar.size(),
        }
    }

    fn depth(&self) -> usize {
        self.as_record().map_or(0, |shape| shape.depth)
    }

    pub(super) fn as_record(&self) -> Option<&Shape> {
        match self {
            Self::Record(layout) => Some(layout.shape()),
            _ => None,
        }
    }

    /// How a description writes it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(bytes) => format!("text[{bytes}]"),
            Self::Record(layout) => layout.description().into(),
            scalar => {
                let mut names = Self::SCALARS.iter();
                names.find(|(_, other)| other == scalar).map_or("", |(name, _)| name).into()
            }
        }
    }
}

/// A member that has no place yet. The most items of a list are `Some`.
pub(super) struct Unplaced {
    pub(super) name: String,
    pub(super) of: Type,
    pub(super) max: Option<usize>,
}

/// One member, in its place.
pub(super) struct Placed {
    pub(super) name: String,
    pub(super) of: Type,
    pub(super) max: Option<usize>,
    /// Of a list, where the number of its items lies.
    pub(super) offset: usize,
    /// Where the value or the first item lies.
    pub(super) start: usize,
    /// How a description writes it.
    pub(super) text: String,
}

impl Placed {
    /// The first byte behind it.
    pub(super) fn end(&self) -> usize {
        self.start + self.of.size() * self.max.unwrap_or(1)
    }
}

/// All of a record.
pub(super) struct Shape {
    pub(super) members: Vec<Placed>,
    pub(super) size: usize,
    pub(super) align: usize,
    pub(super) depth: usize,
    pub(super) text: String,
}

impl Shape {
    /// Gives each member its place: at the next multiple of its alignment. Fails with the reason.
    pub(super) fn new(fields: Vec<Unplaced>) -> Result<Self, String> {
        if fields.is_empty() {
            return Err("a layout needs at least one member".into());
        }
        let mut names = HashSet::new();
        let mut members = Vec::with_capacity(fields.len());
        let (mut end, mut align, mut depth, mut text) = (0, 1, 0, String::new());
        for Unplaced { name, of, max } in fields {
            if !is_name(&name) {
                return Err(format!("{name:?} is no name for a member in C and C++"));
            }
            let count = max.map(|_| format!("{name}_count"));
            for own in std::iter::once(name.clone()).chain(count) {
                if let Some(own) = names.replace(own) {
                    return Err(format!("two members of the layout have the name {own} in C"));
                }
            }
            let offset = usize::next_multiple_of(end, max.map_or(of.align(), |_| 4));
            let start = max.map_or(offset, |_| (offset + 4).next_multiple_of(of.align()));
            let len = of.size().checked_mul(max.unwrap_or(1)).filter(|len| *len <= SIZE_MAX);
            match len {
                Some(0) => return Err(format!("{name} has no length")),
                Some(len) if start + len <= SIZE_MAX => end = start + len,
                _ => return Err(format!("{name}: a record of more than {SIZE_MAX} bytes")),
            }
            align = align.max(of.align()).max(max.map_or(1, |_| 4));
            depth = depth.max(of.depth());
            let member = match max {
                Some(max) => format!("{name}:[{};{max}]@{offset}/{start}", of.text()),
                None => format!("{name}:{}@{offset}", of.text()),
            };
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&member);
            members.push(Placed { name, of, max, offset, start, text: member });
        }
        if depth == DEPTH_MAX {
            return Err(format!("records nested more than {DEPTH_MAX} deep"));
        }
        let size = end.next_multiple_of(align);
        write!(text, "}}{size}").map_err(|error| error.to_string())?;
        Ok(Self { members, size, align, depth: depth + 1, text })
    }
}
