//! Single values as bytes, little-endian.

use super::fault::Fault;
use super::shape::Type;

/// A number or truth that can be a member of a record.
pub trait Scalar: Copy + sealed::Sealed + 'static {
    /// What a layout calls it.
    const TYPE: Type;
    #[doc(hidden)]
    fn get(bytes: &[u8]) -> Result<Self, Fault>;
    #[doc(hidden)]
    fn put(self, bytes: &mut [u8]);
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! numbers {
    ($($number:ident $of:ident,)*) => {$(
        impl sealed::Sealed for $number {}

        impl Scalar for $number {
            const TYPE: Type = Type::$of;

            #[inline]
            fn get(bytes: &[u8]) -> Result<Self, Fault> {
                Ok(Self::from_le_bytes(exact(bytes)?))
            }

            #[inline]
            fn put(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

numbers! {
    i8 I8, u8 U8, i16 I16, u16 U16, i32 I32, u32 U32, i64 I64, u64 U64, f32 F32, f64 F64,
}

impl sealed::Sealed for bool {}

impl Scalar for bool {
    const TYPE: Type = Type::Bool;

    #[inline]
    fn get(bytes: &[u8]) -> Result<Self, Fault> {
        match exact(bytes)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Fault::new(format!("{other} is no bool"))),
        }
    }

    #[inline]
    fn put(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&[self.into()]);
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| Fault::new(format!("{} bytes instead of {N}", bytes.len())))
}

/// A text ends at its first zero; what is behind that is not looked at.
pub(super) fn get_text(place: &[u8]) -> Result<&str, Fault> {
    let end = place.iter().position(|byte| *byte == 0).unwrap_or(place.len());
    std::str::from_utf8(&place[..end]).map_err(|_| Fault::new("text that is no UTF-8"))
}

pub(super) fn put_text(text: &str, place: &mut [u8]) -> Result<(), Fault> {
    // It is where a text ends that does not fill its place.
    if text.contains('\0') {
        return Err(Fault::new("text with a zero character"));
    }
    if text.len() > place.len() {
        let (found, most) = (text.len(), place.len());
        return Err(Fault::new(format!("{found} bytes of UTF-8, at most {most}")));
    }
    let (used, rest) = place.split_at_mut(text.len());
    used.copy_from_slice(text.as_bytes());
    rest.fill(0);
    Ok(())
}

/// How many items a list has, checked.
pub(super) fn get_count(bytes: &[u8], max: usize) -> Result<usize, Fault> {
    let count = u32::get(bytes)? as usize;
    checked_count(count, max).map(|_| count)
}

pub(super) fn checked_count(count: usize, max: usize) -> Result<u32, Fault> {
    let fitting = u32::try_from(count).ok().filter(|_| count <= max);
    fitting.ok_or_else(|| Fault::new(format!("{count} items, at most {max}")))
}
