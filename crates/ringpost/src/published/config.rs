//! How what is published is made.

use std::path::PathBuf;

use ipc_core::{Codec, Format, FrameOptions, MapOptions, MapSizes, Place};

/// How a state frame is made, and where.
///
/// ```
/// use ringpost::Codec;
/// use ringpost::published::FrameConfig;
///
/// let config = FrameConfig::new()
///     .directory("/run/user/1000/app")
///     .capacity(64 << 10)
///     .codec(Codec::Json)
///     .take_over(true);
/// assert_eq!(config.options.capacity, 65536);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FrameConfig {
    /// Where it is found.
    pub place: Place,
    /// What it is like.
    pub options: FrameOptions,
}

/// How a map is made, and where.
///
/// ```
/// use ringpost::Codec;
/// use ringpost::published::MapConfig;
///
/// let config = MapConfig::new()
///     .directory("/run/user/1000/app")
///     .sizes(10_000, 64, 512)
///     .codec(Codec::Json)
///     .take_over(true);
/// assert_eq!(config.options.sizes.entries_max, 10_000);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MapConfig {
    /// Where it is found.
    pub place: Place,
    /// What it is like.
    pub options: MapOptions,
}

/// The builder methods that both have.
macro_rules! common {
    ($config:ident) => {
        impl $config {
            /// Sets where it is found.
            ///
            /// ```
            /// use ringpost::published::Place;
            #[doc = concat!("use ringpost::published::", stringify!($config), " as Config;")]
            ///
            /// let config = Config::new().place(Place::at("/run/app"));
            /// assert!(config.place.directory.is_some());
            /// ```
            #[must_use]
            pub fn place(mut self, place: Place) -> Self {
                self.place = place;
                self
            }

            /// Sets the directory it is found in.
            ///
            /// ```
            #[doc = concat!("use ringpost::published::", stringify!($config), " as Config;")]
            ///
            /// let config = Config::new().directory("/run/app");
            /// assert!(config.place.directory.is_some());
            /// ```
            #[must_use]
            pub fn directory(self, directory: impl Into<PathBuf>) -> Self {
                self.place(Place::at(directory))
            }

            /// Sets how values are encoded, for readers to know.
            ///
            /// ```
            /// use ringpost::Codec;
            #[doc = concat!("use ringpost::published::", stringify!($config), " as Config;")]
            ///
            /// let config = Config::new().codec(Codec::MessagePack);
            /// assert_eq!(config.options.format.codec, Codec::MessagePack);
            /// ```
            #[must_use]
            pub fn codec(self, codec: Codec) -> Self {
                self.format(Format::of(codec))
            }

            /// Sets the same with a layout.
            ///
            /// ```
            /// use ringpost::Codec;
            /// use ringpost::published::Format;
            #[doc = concat!("use ringpost::published::", stringify!($config), " as Config;")]
            ///
            /// let format = Format { hash: 7, ..Format::of(Codec::Custom) };
            /// assert_eq!(Config::new().format(format).options.format.hash, 7);
            /// ```
            #[must_use]
            pub fn format(mut self, format: Format) -> Self {
                self.options.format = format;
                self
            }

            /// Sets whether to take the name from a writer that lives. That one's next write, or
            /// change of a map, fails with [`Code::NameInUse`](crate::Code::NameInUse).
            ///
            /// ```
            #[doc = concat!("use ringpost::published::", stringify!($config), " as Config;")]
            ///
            /// assert!(Config::new().take_over(true).options.take_over);
            /// ```
            #[must_use]
            pub fn take_over(mut self, take_over: bool) -> Self {
                self.options.take_over = take_over;
                self
            }
        }
    };
}

common!(FrameConfig);
common!(MapConfig);

impl FrameConfig {
    /// The defaults.
    ///
    /// ```
    /// use ringpost::published::FrameConfig;
    ///
    /// assert!(!FrameConfig::new().options.take_over);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the bytes of the longest value, for now: a longer one makes a new file, to which
    /// readers move by themselves.
    ///
    /// ```
    /// use ringpost::published::FrameConfig;
    ///
    /// assert_eq!(FrameConfig::new().capacity(5000).options.capacity, 5000);
    /// ```
    #[must_use]
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.options.capacity = bytes;
        self
    }
}

impl MapConfig {
    /// The defaults: a thousand entries of up to a kilobyte.
    ///
    /// ```
    /// use ringpost::published::MapConfig;
    ///
    /// assert_eq!(MapConfig::new().options.sizes.entries_max, 1024);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many entries there may be, and how long keys and values may be, in bytes. The file
    /// has room for all of them from the start.
    ///
    /// ```
    /// use ringpost::published::MapConfig;
    ///
    /// assert_eq!(MapConfig::new().sizes(10, 20, 30).options.sizes.value_len_max, 30);
    /// ```
    #[must_use]
    pub fn sizes(mut self, entries_max: u32, key_len_max: u32, value_len_max: u32) -> Self {
        self.options.sizes = MapSizes { entries_max, key_len_max, value_len_max };
        self
    }
}
