//! What MessagePack has no type of its own for: points in time and typed arrays, as PROTOCOL.md §9
//! has them.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

/// By this name `rmp-serde` recognises extension types.
const EXTENSION: &str = rmp_serde::MSGPACK_EXT_STRUCT_NAME;
const TIMESTAMP: i8 = -1;
const NANOS: u32 = 1_000_000_000;

/// A value of an extension type: a JavaScript `Date`, a typed array other than `Uint8Array`, an
/// `ArrayBuffer` or a `DataView`. It can be a field wherever `serde` reads or writes MessagePack:
///
/// ```
/// use ipc_core::Extension;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, Serialize)]
/// struct Recording {
///     at: Extension,
///     samples: Extension,
/// }
///
/// let samples = Extension::of(&[0.5_f32, -1.0]);
/// let sent = Recording { at: Extension::time(1_700_000_000, 0), samples };
/// let bytes = rmp_serde::to_vec_named(&sent)?;
/// let read: Recording = rmp_serde::from_slice(&bytes)?;
/// assert_eq!(read.at.as_time(), Some((1_700_000_000, 0)));
/// assert_eq!(read.samples.elements::<f32>(), Some(vec![0.5, -1.0]));
/// assert_eq!(read.samples.elements::<f64>(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The type, as PROTOCOL.md numbers them.
    pub kind: i8,
    /// The bytes as they travel.
    pub data: Vec<u8>,
}

/// Numbers a typed array is made of.
pub trait Element: Sized + Copy {
    /// The extension type of arrays of these.
    const KIND: i8;
    /// Bytes of one.
    const LEN: usize;
    /// Appends its bytes, the lowest first.
    fn write(self, to: &mut Vec<u8>);
    /// Reads it from as many bytes as it has.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! elements {
    ($($number:ty = $kind:literal),+ $(,)?) => {
        $(impl Element for $number {
            const KIND: i8 = $kind;
            const LEN: usize = size_of::<$number>();

            fn write(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("as many bytes as it has"))
            }
        })+
    };
}

elements! {
    i8 = 0x11, i16 = 0x13, u16 = 0x14, i32 = 0x15, u32 = 0x16, f32 = 0x17, f64 = 0x18,
    i64 = 0x1e, u64 = 0x1f,
}

impl Extension {
    /// An `ArrayBuffer`.
    pub const ARRAY_BUFFER: i8 = 0x1a;
    /// A `DataView`.
    pub const DATA_VIEW: i8 = 0x1d;
    /// A `Uint8ClampedArray`.
    pub const CLAMPED: i8 = 0x19;
    /// A `Float16Array`.
    pub const FLOAT_16: i8 = 0x20;

    /// A typed array.
    pub fn of<T: Element>(elements: &[T]) -> Self {
        let mut data = Vec::with_capacity(elements.len() * T::LEN);
        elements.iter().for_each(|element| element.write(&mut data));
        Self { kind: T::KIND, data }
    }

    /// The elements of a typed array, if it is one of these.
    pub fn elements<T: Element>(&self) -> Option<Vec<T>> {
        let fits = self.kind == T::KIND && self.data.len().is_multiple_of(T::LEN);
        fits.then(|| self.data.chunks_exact(T::LEN).map(T::read).collect())
    }

    /// A `Date`: seconds since 1970, before it less than 0, and what is to be added to them. It has
    /// milliseconds; what is finer arrives in Rust only.
    ///
    /// # Panics
    ///
    /// With a second of nanoseconds, or more.
    pub fn time(seconds: i64, nanos: u32) -> Self {
        assert!(nanos < NANOS, "{nanos} nanoseconds are a second and more");
        let data = match u64::try_from(seconds) {
            Ok(seconds) if seconds >> 34 == 0 => match u32::try_from(seconds) {
                Ok(short) if nanos == 0 => short.to_be_bytes().to_vec(),
                _ => (u64::from(nanos) << 34 | seconds).to_be_bytes().to_vec(),
            },
            _ => [&nanos.to_be_bytes()[..], &seconds.to_be_bytes()].concat(),
        };
        Self { kind: TIMESTAMP, data }
    }

    /// The seconds and nanoseconds of a `Date`, if it is one.
    pub fn as_time(&self) -> Option<(i64, u32)> {
        if self.kind != TIMESTAMP {
            return None;
        }
        let (seconds, nanos) = match self.data.len() {
            4 => (i64::from(u32::from_be_bytes(self.data[..].try_into().ok()?)), 0),
            8 => {
                let both = u64::from_be_bytes(self.data[..].try_into().ok()?);
                let seconds = both & ((1 << 34) - 1);
                (i64::try_from(seconds).ok()?, u32::try_from(both >> 34).ok()?)
            }
            12 => {
                let (nanos, seconds) = self.data.split_at(4);
                let nanos = u32::from_be_bytes(nanos.try_into().ok()?);
                (i64::from_be_bytes(seconds.try_into().ok()?), nanos)
            }
            _ => return None,
        };
        (nanos < NANOS).then_some((seconds, nanos))
    }
}

/// Bytes as bytes: `serde` writes a slice of them as a list of numbers.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Parts<'a>(i8, &'a [u8]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        tuple.serialize_element(&Bytes(self.1))?;
        tuple.end()
    }
}

impl Serialize for Extension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(EXTENSION, &Parts(self.kind, &self.data))
    }
}

impl<'de> Deserialize<'de> for Extension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(EXTENSION, ExtensionVisitor)
    }
}

/// Reads the two parts in which `rmp-serde` shows an extension.
pub(super) struct ExtensionVisitor;

impl<'de> Visitor<'de> for ExtensionVisitor {
    type Value = Extension;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of an extension type")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, parts: D) -> Result<Extension, D::Error> {
        parts.deserialize_tuple(2, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Extension, A::Error> {
        let missing = || de::Error::invalid_length(0, &"a type and bytes");
        let kind = parts.next_element()?.ok_or_else(missing)?;
        let Data(data) = parts.next_element()?.ok_or_else(missing)?;
        Ok(Extension { kind, data })
    }
}

struct Data(Vec<u8>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(DataVisitor).map(Self)
    }
}

struct DataVisitor;

impl Visitor<'_> for DataVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_the_shortest_form_and_come_back() {
        let cases = [
            (0, 0, 4),
            (u32::MAX.into(), 0, 4),
            (1, 500_000_000, 8),
            (1 << 32, 0, 8),
            ((1 << 34) - 1, 999_999_999, 8),
            (1 << 34, 0, 12),
            (-1, 999_000_000, 12),
            (i64::MIN, 1, 12),
        ];
        for (seconds, nanos, len) in cases {
            let time = Extension::time(seconds, nanos);
            assert_eq!(time.data.len(), len, "{seconds} {nanos}");
            assert_eq!(time.as_time(), Some((seconds, nanos)));
        }
    }

    #[test]
    fn other_extensions_decode_to_none() {
        let wrong = |data: &[u8]| Extension { kind: TIMESTAMP, data: data.to_vec() };
        assert_eq!(wrong(&[1]).as_time(), None);
        assert_eq!(wrong(&[0xff; 8]).as_time(), None, "more nanoseconds than a second has");
        assert_eq!(Extension::of(&[1_u16]).as_time(), None);
        assert_eq!(Extension { kind: u16::KIND, data: vec![1] }.elements::<u16>(), None);
        assert_eq!(Extension::of(&[1_u16]).elements::<i16>(), None);
    }

    #[test]
    fn elements_lie_in_any_place_of_a_message() {
        for before in 0..9 {
            let sent = (vec!["x"; before], Extension::of(&[1.5_f64, f64::MAX]));
            let bytes = rmp_serde::to_vec(&sent).expect("it encodes");
            let (_, found): (Vec<String>, Extension) =
                rmp_serde::from_slice(&bytes).expect("it decodes");
            assert_eq!(found.elements::<f64>(), Some(vec![1.5, f64::MAX]));
        }
    }
}
