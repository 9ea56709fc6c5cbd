//! Structs of Rust as records: `repr(C)`, and written and read member by member, so that nothing of
//! it is unsafe and bytes between members are zero.

use std::fmt;

use ipc_core::{Error, Result};

use super::Layout;
use super::fault::{Fault, check_len};
use super::scalar::{Scalar, checked_count, get_count, get_text, put_text};
use super::shape::Type;

/// A struct that [`layout!`](crate::layout!) has defined.
pub trait Struct: Member {
    /// Its layout, which has a size and offsets as the struct itself.
    fn layout() -> &'static Layout;

    /// Writes it into a buffer of exactly its size. Bytes between and behind members become zero.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`](ipc_core::Code) for another size, and if a count is larger than its
    /// list.
    fn encode(&self, bytes: &mut [u8]) -> Result<()> {
        check_len(bytes.len(), size_of::<Self>())?;
        bytes.fill(0);
        self.write(bytes).map_err(Error::from)
    }

    /// Reads it from exactly as many bytes as it has.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`](ipc_core::Code) for another size, for a count that is larger than
    /// its list, for text that is no UTF-8, and for a `bool` that is neither 0 nor 1.
    fn decode(bytes: &[u8]) -> Result<Self> {
        check_len(bytes.len(), size_of::<Self>())?;
        Self::read(bytes).map_err(Error::from)
    }
}

/// What can be a member of a struct, or an item of a list: numbers, `bool`, [`Text`] and structs
/// that [`layout!`](crate::layout!) has defined.
pub trait Member: Sized {
    /// The value whose bytes are zero.
    const ZERO: Self;
    #[doc(hidden)]
    const DEPTH: usize;
    #[doc(hidden)]
    fn of() -> Type;
    #[doc(hidden)]
    fn read(bytes: &[u8]) -> Result<Self, Fault>;
    /// Writes over zeros.
    #[doc(hidden)]
    fn write(&self, bytes: &mut [u8]) -> Result<(), Fault>;
}

macro_rules! scalars {
    ($($scalar:ident = $zero:literal,)*) => {$(
        impl Member for $scalar {
            const ZERO: Self = $zero;
            const DEPTH: usize = 0;

            fn of() -> Type {
                Self::TYPE
            }

            fn read(bytes: &[u8]) -> Result<Self, Fault> {
                Self::get(bytes)
            }

            fn write(&self, bytes: &mut [u8]) -> Result<(), Fault> {
                self.put(bytes);
                Ok(())
            }
        }
    )*};
}

scalars! {
    i8 = 0, u8 = 0, i16 = 0, u16 = 0, i32 = 0, u32 = 0, i64 = 0, u64 = 0, f32 = 0.0, f64 = 0.0,
    bool = false,
}

/// A text of at most `N` bytes of UTF-8: `char[N]` in C, with zeros behind it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// Makes one.
    ///
    /// ```
    /// use ringpost::layout::Text;
    ///
    /// assert_eq!(Text::<4>::new("tea")?.as_str()?, "tea");
    /// assert!(Text::<4>::new("coffee").is_err());
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`](ipc_core::Code) if it is longer, or has a zero character.
    pub fn new(text: &str) -> Result<Self> {
        let mut bytes = [0; N];
        put_text(text, &mut bytes)?;
        Ok(Self(bytes))
    }

    /// Its text, up to the first zero.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidPayload`](ipc_core::Code) if a program in C has written what is no UTF-8.
    pub fn as_str(&self) -> Result<&str> {
        Ok(get_text(&self.0)?)
    }
}

impl<const N: usize> Member for Text<N> {
    const ZERO: Self = Self([0; N]);
    const DEPTH: usize = 0;

    fn of() -> Type {
        Type::Text(N)
    }

    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut read = Self::ZERO;
        put_text(get_text(bytes)?, &mut read.0)?;
        Ok(read)
    }

    fn write(&self, bytes: &mut [u8]) -> Result<(), Fault> {
        put_text(get_text(&self.0)?, bytes)
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::ZERO
    }
}

impl<const N: usize> PartialEq<str> for Text<N> {
    fn eq(&self, other: &str) -> bool {
        get_text(&self.0).is_ok_and(|text| text == other)
    }
}

impl<const N: usize> PartialEq<&str> for Text<N> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match get_text(&self.0) {
            Ok(text) => text.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

/// The array of a list. Only as many items as its count says are written and read.
pub trait Items: Sized {
    /// Items that are all zero.
    const ZERO: Self;
    #[doc(hidden)]
    const DEPTH: usize;
    #[doc(hidden)]
    const MAX: usize;
    #[doc(hidden)]
    fn of() -> Type;
    #[doc(hidden)]
    fn read(bytes: &[u8], count: usize) -> Result<Self, Fault>;
    #[doc(hidden)]
    fn write(&self, count: usize, bytes: &mut [u8]) -> Result<(), Fault>;
}

impl<T: Member, const N: usize> Items for [T; N] {
    const ZERO: Self = [const { T::ZERO }; N];
    const DEPTH: usize = T::DEPTH;
    const MAX: usize = N;

    fn of() -> Type {
        T::of()
    }

    fn read(bytes: &[u8], count: usize) -> Result<Self, Fault> {
        let mut items = Self::ZERO;
        let places = bytes.chunks_exact(size_of::<T>());
        for (index, (item, place)) in items.iter_mut().zip(places).take(count).enumerate() {
            *item = T::read(place).map_err(|fault| fault.within_item(index))?;
        }
        Ok(items)
    }

    fn write(&self, count: usize, bytes: &mut [u8]) -> Result<(), Fault> {
        let places = bytes.chunks_exact_mut(size_of::<T>());
        for (index, (item, place)) in self.iter().zip(places).take(count).enumerate() {
            item.write(place).map_err(|fault| fault.within_item(index))?;
        }
        Ok(())
    }
}

// ---- what the macro writes out ----

#[doc(hidden)]
pub fn member_name(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}

#[doc(hidden)]
pub fn read_member<T: Member>(bytes: &[u8], offset: usize, name: &'static str) -> Result<T, Fault> {
    let place = &bytes[offset..offset + size_of::<T>()];
    T::read(place).map_err(|fault| fault.within(member_name(name)))
}

#[doc(hidden)]
pub fn write_member<T: Member>(
    value: &T,
    bytes: &mut [u8],
    offset: usize,
    name: &'static str,
) -> Result<(), Fault> {
    let place = &mut bytes[offset..offset + size_of::<T>()];
    value.write(place).map_err(|fault| fault.within(member_name(name)))
}

/// `offsets` are those of the count and of the array.
#[doc(hidden)]
pub fn read_items<T: Items>(
    bytes: &[u8],
    offsets: [usize; 2],
    name: &'static str,
) -> Result<(u32, T), Fault> {
    let [offset, start] = offsets;
    let read = || {
        let count = get_count(&bytes[offset..offset + 4], T::MAX)?;
        let items = T::read(&bytes[start..start + size_of::<T>()], count)?;
        Ok((checked_count(count, T::MAX)?, items))
    };
    read().map_err(|fault: Fault| fault.within(member_name(name)))
}

#[doc(hidden)]
pub fn write_items<T: Items>(
    (count, items): (u32, &T),
    bytes: &mut [u8],
    offsets: [usize; 2],
    name: &'static str,
) -> Result<(), Fault> {
    let [offset, start] = offsets;
    let mut write = || {
        let len = count as usize;
        checked_count(len, T::MAX)?.put(&mut bytes[offset..offset + 4]);
        items.write(len, &mut bytes[start..start + size_of::<T>()])
    };
    write().map_err(|fault| fault.within(member_name(name)))
}

/// Defines a `repr(C)` struct with its [`Layout`](crate::layout::Layout), which can be encoded and
/// decoded: it implements [`Struct`](crate::layout::Struct) and [`Default`], all zero.
///
/// Members are numbers, `bool`, [`Text`](crate::layout::Text) and other such structs. A list is an
/// array that names its count: `items[items_count]: [Item; 50]` makes two members, the count and
/// the array, as the header for C has them. Names that C does not permit are refused by the
/// compiler, and so are records nested more than 16 deep or of more than 1 GiB.
///
/// ```
/// use ringpost::layout::{Struct, Text};
///
/// ringpost::layout! {
///     /// What a camera has seen.
///     #[derive(Clone, Debug, PartialEq)]
///     pub struct Detection {
///         pub id: u32,
///         pub x: f32,
///         pub seen: bool,
///         pub label: Text<16>,
///     }
/// }
/// ringpost::layout! {
///     #[derive(Clone, Debug, PartialEq)]
///     pub struct Detections {
///         pub frameId: u64,
///         pub items[items_count]: [Detection; 50],
///     }
/// }
///
/// let mut all = Detections { frameId: 9, items_count: 1, ..Detections::default() };
/// all.items[0].label = Text::new("cup")?;
/// let mut bytes = vec![0; Detections::layout().size()];
/// all.encode(&mut bytes)?;
/// assert_eq!(Detections::decode(&bytes)?, all);
/// # Ok::<(), ringpost::Error>(())
/// ```
///
/// A word of C++, and a count that belongs to no list:
///
/// ```compile_fail
/// ringpost::layout! { struct Wrong { class: u32 } }
/// ```
/// ```compile_fail
/// ringpost::layout! { struct Wrong { items[count]: [u8; 4] } }
/// ```
#[macro_export]
macro_rules! layout {
    (@builder $builder:ident, $name:ident, $of:ty) => {
        $builder.field(
            $crate::layout::member_name(stringify!($name)),
            <$of as $crate::layout::Member>::of(),
        )
    };
    (@builder $builder:ident, $name:ident, $of:ty, $count:ident) => {
        $builder.list(
            $crate::layout::member_name(stringify!($name)),
            <$of as $crate::layout::Items>::of(),
            <$of as $crate::layout::Items>::MAX,
        )
    };
    (@zero $of:ty) => { <$of as $crate::layout::Member>::ZERO };
    (@zero $of:ty, $count:ident) => { <$of as $crate::layout::Items>::ZERO };
    (@depth $of:ty) => { <$of as $crate::layout::Member>::DEPTH };
    (@depth $of:ty, $count:ident) => { <$of as $crate::layout::Items>::DEPTH };
    (@read $value:ident, $bytes:ident, $name:ident) => {
        $value.$name = $crate::layout::read_member(
            $bytes,
            ::core::mem::offset_of!(Self, $name),
            stringify!($name),
        )?;
    };
    (@read $value:ident, $bytes:ident, $name:ident, $count:ident) => {
        ($value.$count, $value.$name) = $crate::layout::read_items(
            $bytes,
            [::core::mem::offset_of!(Self, $count), ::core::mem::offset_of!(Self, $name)],
            stringify!($name),
        )?;
    };
    (@write $value:expr, $bytes:ident, $name:ident) => {
        $crate::layout::write_member(
            &$value.$name,
            $bytes,
            ::core::mem::offset_of!(Self, $name),
            stringify!($name),
        )?;
    };
    (@write $value:expr, $bytes:ident, $name:ident, $count:ident) => {
        $crate::layout::write_items(
            ($value.$count, &$value.$name),
            $bytes,
            [::core::mem::offset_of!(Self, $count), ::core::mem::offset_of!(Self, $name)],
            stringify!($name),
        )?;
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $struct:ident {
            $(
                $(#[$about:meta])*
                $member_visibility:vis $name:ident $([$count:ident])? : $of:ty
            ),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[repr(C)]
        #[allow(non_snake_case, reason = "the names are those of the layout in all languages")]
        $visibility struct $struct {
            $(
                $(
                    #[doc = concat!("How many items `", stringify!($name), "` has.")]
                    $member_visibility $count: u32,
                )?
                $(#[$about])*
                $member_visibility $name: $of,
            )+
        }

        const _: () = {
            $(
                assert!($crate::layout::is_name(stringify!($name)), "a name is none of C");
                $(assert!(
                    $crate::layout::is_count_name(stringify!($count), stringify!($name)),
                    "the count of a list is called <list>_count",
                );)?
                assert!(::core::mem::size_of::<$of>() > 0, "a member has no length");
            )+
            assert!(::core::mem::size_of::<$struct>() <= $crate::layout::SIZE_MAX, "too long");
            assert!(
                <$struct as $crate::layout::Member>::DEPTH <= $crate::layout::DEPTH_MAX,
                "records are nested too deep",
            );
        };

        impl $crate::layout::Member for $struct {
            const ZERO: Self = Self {
                $($($count: 0,)? $name: $crate::layout!(@zero $of $(, $count)?),)+
            };
            const DEPTH: usize = {
                let mut depth = 0;
                $(if $crate::layout!(@depth $of $(, $count)?) > depth {
                    depth = $crate::layout!(@depth $of $(, $count)?);
                })+
                depth + 1
            };

            fn of() -> $crate::layout::Type {
                <Self as $crate::layout::Struct>::layout().into()
            }

            fn read(
                bytes: &[u8],
            ) -> ::core::result::Result<Self, $crate::layout::Fault> {
                let mut value = Self::ZERO;
                $($crate::layout!(@read value, bytes, $name $(, $count)?);)+
                Ok(value)
            }

            fn write(
                &self,
                bytes: &mut [u8],
            ) -> ::core::result::Result<(), $crate::layout::Fault> {
                $($crate::layout!(@write self, bytes, $name $(, $count)?);)+
                Ok(())
            }
        }

        impl $crate::layout::Struct for $struct {
            fn layout() -> &'static $crate::layout::Layout {
                static LAYOUT: ::std::sync::OnceLock<$crate::layout::Layout> =
                    ::std::sync::OnceLock::new();
                LAYOUT.get_or_init(|| {
                    let builder = $crate::layout::Layout::builder();
                    $(let builder = $crate::layout!(@builder builder, $name, $of $(, $count)?);)+
                    builder.build().expect("what could be wrong was checked at compile time")
                })
            }
        }

        impl ::core::default::Default for $struct {
            fn default() -> Self {
                <Self as $crate::layout::Member>::ZERO
            }
        }
    };
}
