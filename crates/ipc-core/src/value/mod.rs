//! Values without a type that was agreed on, as MessagePack has them: what an error carries beside
//! its message, and whatever JavaScript sends. See PROTOCOL.md §9.

mod extension;

use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::{Code, Error, Result};
use extension::ExtensionVisitor;
pub use extension::{Element, Extension};

/// Lists and records within each other, on both ends.
const DEPTH_MAX: usize = 128;
/// Items and fields of one value, however short it is, and bytes for each beyond these.
const PARTS_FREE: usize = 1_000_000;
const BYTES_PER_PART: usize = 8;

/// A value of any type.
///
/// ```
/// use ipc_core::{Extension, Value};
///
/// let sent = Value::record([("size", Value::from(300)), ("at", Extension::time(0, 0).into())]);
/// let read = Value::decode(&sent.encode())?;
/// assert_eq!(read.get("size").and_then(Value::as_i64), Some(300));
/// assert_eq!(read, sent);
/// # Ok::<(), ipc_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `null`, and in JavaScript also what is not there.
    #[default]
    Nil,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number too large for the former.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A `Uint8Array`.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// An object, or a `Map` whose keys are text.
    Record(Record),
    /// A `Date`, a typed array, an `ArrayBuffer`, a `DataView`.
    Extension(Extension),
}

/// Fields by name, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(pub Vec<(String, Value)>);

impl Record {
    /// The field of a name: the last, should there be several.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value {
    /// A record of these fields.
    pub fn record<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Self::Record(Record(fields.map(|(name, value)| (name.into(), value)).into()))
    }

    /// A field of a record.
    pub fn get(&self, name: &str) -> Option<&Value> {
        if let Self::Record(record) = self { record.get(name) } else { None }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The whole number, if it is one and not too large.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The value as MessagePack.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).expect("values encode")
    }

    /// Reads MessagePack: one value and nothing behind it.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`]: it is no MessagePack, or nested more than 128 deep, or of more
    /// items and fields than a million and one for each 8 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let left = Cell::new(PARTS_FREE + bytes.len() / BYTES_PER_PART);
        let mut rest = bytes;
        let mut reader = rmp_serde::Deserializer::new(&mut rest);
        // What is counted here is counted there as well, and so are extensions.
        reader.set_max_depth(DEPTH_MAX + 2);
        let invalid = |reason: String| Error::new(Code::InvalidPayload, reason);
        let value = Seed { depth: 0, left: Some(&left) }
            .deserialize(&mut reader)
            .map_err(|cause| invalid(cause.to_string()))?;
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(invalid(format!("{} bytes behind the value", rest.len())))
        }
    }
}

impl PartialEq for Value {
    /// Numbers are the same if their bits are: what was written and read again is what it was.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Uint(a), Self::Uint(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Record(a), Self::Record(b)) => a == b,
            (Self::Extension(a), Self::Extension(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// What becomes a value without a check.
macro_rules! from {
    ($($from:ty: $value:ident => $made:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $made
            }
        })*
    };
}

from! {
    i32: number => Self::Int(number.into());
    u32: number => Self::Int(number.into());
    i64: number => Self::Int(number);
    u64: number => i64::try_from(number).map_or(Self::Uint(number), Self::Int);
    f64: number => Self::Float(number);
    bool: is_so => Self::Bool(is_so);
    &str: text => Self::Text(text.into());
    String: text => Self::Text(text);
    Vec<Value>: items => Self::List(items);
    Record: record => Self::Record(record);
    Extension: extension => Self::Extension(extension);
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(is_so) => serializer.serialize_bool(*is_so),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Uint(number) => serializer.serialize_u64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => items.serialize(serializer),
            Self::Record(record) => record.serialize(serializer),
            Self::Extension(extension) => extension.serialize(serializer),
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> std::result::Result<Self, D::Error> {
        Seed { depth: 0, left: None }.deserialize(reader)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(reader)? {
            Value::Record(record) => Ok(record),
            Value::Nil => Ok(Self::default()),
            _ => Err(de::Error::custom("this is no record")),
        }
    }
}

/// Reads a value that lies so deep, of a message that may have so many parts more.
#[derive(Clone, Copy)]
struct Seed<'a> {
    depth: usize,
    left: Option<&'a Cell<usize>>,
}

impl Seed<'_> {
    /// One deeper, for what is in a list or a record.
    fn enter<E: de::Error>(self) -> std::result::Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format!("nested more than {DEPTH_MAX} deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// There is one part more.
    fn count<E: de::Error>(self) -> std::result::Result<(), E> {
        let Some(left) = self.left else { return Ok(()) };
        let fewer = left.get().checked_sub(1);
        left.set(
            fewer.ok_or_else(|| E::custom("more items and fields than so few bytes may have"))?,
        );
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> std::result::Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, is_so: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(is_so))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        parts: D,
    ) -> std::result::Result<Value, D::Error> {
        ExtensionVisitor.visit_newtype_struct(parts).map(Value::Extension)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let inner = self.enter()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            inner.count()?;
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Value, A::Error> {
        let inner = self.enter()?;
        let mut record = Vec::new();
        while let Some(name) = fields.next_key_seed(Seed { depth: DEPTH_MAX, ..inner })? {
            inner.count()?;
            let name = match name {
                Value::Text(name) => name,
                Value::Int(number) => number.to_string(),
                Value::Uint(number) => number.to_string(),
                _ => return Err(de::Error::custom("a key that is no text")),
            };
            record.push((name, fields.next_value_seed(inner)?));
        }
        Ok(Value::Record(Record(record)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        [vec![0x91; levels], vec![0x01]].concat()
    }

    #[test]
    fn nesting_is_followed_to_128_levels_and_no_further() {
        let read = Value::decode(&nested(128)).expect("as deep as it may be");
        assert_eq!(read.encode(), nested(128));
        for levels in [129, 1000, 100_000] {
            let error = Value::decode(&nested(levels)).expect_err("too deep");
            assert_eq!(error.code(), Code::InvalidPayload, "{levels}");
        }
        let within = [vec![0x91; 128], vec![0xd4, 0x11, 7]].concat();
        assert_eq!(Value::decode(&within).expect("an extension is no level").encode(), within);
    }

    #[test]
    fn parts_are_bounded_by_the_bytes_and_a_claim_is_none() {
        let list = |len: u32| {
            let mut bytes = vec![0xdd];
            bytes.extend(len.to_be_bytes());
            bytes.resize(5 + len as usize, 0xc0);
            bytes
        };
        assert!(Value::decode(&list(1_100_000)).is_ok());
        assert!(Value::decode(&list(1_200_000)).is_err());
        assert!(Value::decode(&[0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0]).is_err());
        assert!(Value::decode(&[0xdf, 0xff, 0xff, 0xff, 0xff, 0xc0]).is_err());
        assert!(Value::decode(&[0xc0, 0xc0]).is_err(), "something behind it");
    }

    #[test]
    fn keys_are_text_or_numbers() {
        let read = Value::decode(&[0x81, 0x07, 0xc3]).expect("a number");
        assert_eq!(read.get("7"), Some(&Value::Bool(true)));
        assert!(Value::decode(&[0x81, 0xc0, 0xc3]).is_err());
        assert!(Value::decode(&[0x81, 0x90, 0xc3]).is_err());
    }
}
