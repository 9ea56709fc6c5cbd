//! What two sides agree on before the first frame: lanes, geometry, limits. Plain values.

use std::time::Duration;

use crate::checksum::CrcMode;
use crate::error::{Code, Error, Result};

/// Bytes of a page; rings start and end on one.
pub const PAGE: usize = 4096;
/// The smallest capacity one ring may have: one page.
pub const RING_LEN_MIN: u32 = 4096;
/// The largest capacity one ring may have.
pub const RING_LEN_MAX: u32 = 64 << 20;

/// The priority a message travels with. Order holds within a lane only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Read before everything else.
    Critical = 0,
    /// Read before normal traffic.
    High = 1,
    /// The big one, where a message goes by default.
    #[default]
    Normal = 2,
    /// Read last, but never starved.
    Low = 3,
}

impl Lane {
    /// All lanes, by falling priority.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The lane with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Critical),
            1 => Some(Self::High),
            2 => Some(Self::Normal),
            3 => Some(Self::Low),
            _ => None,
        }
    }
}

/// Rings in one direction: the four lanes and the control ring.
pub const RINGS: usize = Lane::ALL.len() + 1;
/// The control ring's place behind the lanes.
pub const CONTROL: usize = Lane::ALL.len();

/// Capacities of the rings of one direction, in bytes; the same both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Capacity of each lane, by [`Lane`], and of the control ring behind them.
    pub rings: [u32; RINGS],
}

impl Geometry {
    /// For a sealed memory file, whose pages come only when touched.
    pub const SPARSE: Self = Self { rings: [64 << 10, 64 << 10, 2 << 20, 64 << 10, 16 << 10] };
    /// For named segments, whose pages are all allocated up front.
    pub const DENSE: Self = Self { rings: [16 << 10, 16 << 10, 256 << 10, 16 << 10, 8 << 10] };

    /// The most a client gets of sealed memory unless its server sets another limit: a thousand
    /// clients that fill all of it still leave a machine to work with, and only what is used is
    /// there at all.
    pub const SPARSE_MAX: Self = Self { rings: [4 << 20, 4 << 20, 4 << 20, 4 << 20, 64 << 10] };
    /// The same of named segments, which are allocated before a client has sent anything.
    pub const DENSE_MAX: Self =
        Self { rings: [256 << 10, 256 << 10, 256 << 10, 256 << 10, 16 << 10] };

    /// For memory that each side has for itself, whose pages a system provides when they are
    /// touched, and WebAssembly all up front.
    pub const PRIVATE: Self = if cfg!(target_family = "wasm") {
        Self { rings: [16 << 10, 16 << 10, 512 << 10, 16 << 10, 8 << 10] }
    } else {
        Self::SPARSE
    };
    /// The most a client gets of that unless its server sets another limit.
    pub const PRIVATE_MAX: Self = if cfg!(target_family = "wasm") {
        Self { rings: [512 << 10, 512 << 10, 512 << 10, 512 << 10, 16 << 10] }
    } else {
        Self::SPARSE_MAX
    };

    /// This one, but with the capacities that were wished for; 0 is no wish.
    pub fn with(mut self, wishes: [u32; RINGS]) -> Self {
        for (capacity, wish) in self.rings.iter_mut().zip(wishes) {
            if wish != 0 {
                *capacity = wish;
            }
        }
        self
    }

    /// The lower of the two capacities of each ring.
    #[must_use]
    pub fn at_most(mut self, max: Self) -> Self {
        for (capacity, max) in self.rings.iter_mut().zip(max.rings) {
            *capacity = max.min(*capacity);
        }
        self
    }

    /// The higher of the two capacities of each ring.
    #[must_use]
    pub fn at_least(mut self, min: Self) -> Self {
        for (capacity, min) in self.rings.iter_mut().zip(min.rings) {
            *capacity = min.max(*capacity);
        }
        self
    }

    /// Whether every capacity is a power of two, whole pages, and not beyond all measure.
    pub fn is_valid(&self) -> bool {
        self.rings.iter().all(|&capacity| {
            capacity.is_power_of_two() && (RING_LEN_MIN..=RING_LEN_MAX).contains(&capacity)
        })
    }

    /// The most bytes of a message that is one frame in every lane, whatever options it has.
    pub fn one_piece_len_max(&self) -> u64 {
        let lanes = self.rings[..Lane::ALL.len()].iter();
        let frames = lanes.map(|&ring| frame_payload_max(ring as usize).min(FRAME_LEN_MAX));
        frames.min().unwrap_or(0).saturating_sub(crate::option_block::OPTIONS_LEN_MAX) as u64
    }
}

/// The most bytes after a header that one frame may hold in a ring of `capacity`: so that four
/// frames always fit, and a large message leaves room for what comes between its fragments.
#[inline]
pub const fn frame_payload_max(capacity: usize) -> usize {
    capacity / 4 - crate::header::HEADER_LEN
}

/// Bytes after a header above which a message is cut into fragments even if a frame would hold it,
/// so that the peer copies one part out while the next is copied in.
pub(crate) const FRAME_LEN_MAX: usize = 128 << 10;

/// Limits of one connection, agreed in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the longest message.
    pub message_len_max: u64,
    /// Requests in flight in one direction.
    pub pending_max: u32,
    /// Distinct names one side may use in one lane at a time.
    pub names_max: u16,
}

impl Limits {
    /// What a side offers by default.
    pub const DEFAULT: Self =
        Self { message_len_max: 64 << 20, pending_max: 65_536, names_max: 1024 };

    /// The stricter of two sides' wishes.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            message_len_max: self.message_len_max.min(other.message_len_max),
            pending_max: self.pending_max.min(other.pending_max),
            names_max: self.names_max.min(other.names_max),
        }
    }

    /// No more than this build could keep in one piece of memory, which is less where addresses
    /// have 32 bits.
    #[must_use]
    pub(crate) fn possible(self) -> Self {
        const KEPT_MAX: u64 = isize::MAX as u64;
        Self { message_len_max: self.message_len_max.min(KEPT_MAX), ..self }
    }
}

/// Everything agreed in the handshake that the session and its lanes live by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Ring capacities.
    pub geometry: Geometry,
    /// What checksums cover.
    pub crc: CrcMode,
    /// Limits.
    pub limits: Limits,
    /// Whether requests may have items.
    pub streams: bool,
    /// Whether payloads may be compressed.
    pub compression: bool,
    /// Whether both sides know PING, PONG and LEAVING.
    pub liveness: bool,
}

/// The smallest window of a stream: what its items may take without further credit.
pub const WINDOW_MIN: u32 = 4 << 10;
/// The largest window of a stream.
pub const WINDOW_MAX: u32 = 16 << 20;
/// The window of a stream whose caller asked for no other.
pub const WINDOW_DEFAULT: u32 = 256 << 10;
/// When a request is given up unless its caller sets another time: 30 seconds.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// When connecting is given up unless the client sets another time: 5 seconds.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// The longest method or event name, in bytes of UTF-8.
pub const METHOD_LEN_MAX: usize = 255;
/// The longest server name: with the directory and a suffix it has to fit a socket address.
pub const SERVER_NAME_LEN_MAX: usize = 64;

/// Checks the name of a method or event.
pub fn check_method_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > METHOD_LEN_MAX {
        let message =
            format!("a method name must have 1 to {METHOD_LEN_MAX} bytes, got {}", name.len());
        return Err(Error::new(Code::InvalidName, message));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::new(
            Code::InvalidName,
            "a method name must not contain control characters",
        ));
    }
    Ok(())
}

/// Checks the name of a server, which becomes a file name.
pub fn check_server_name(name: &str) -> Result<()> {
    check_file_name("server", name)
}

/// Checks the name of anything that becomes a file name.
pub fn check_file_name(of: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > SERVER_NAME_LEN_MAX {
        let len = name.len();
        let message = format!("a {of} name must have 1 to {SERVER_NAME_LEN_MAX} bytes, got {len}");
        return Err(Error::new(Code::InvalidName, message));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.starts_with('.') || !name.chars().all(fits) {
        let message = format!(
            "a {of} name takes letters, digits, '-', '_' and '.', and does not start with '.'"
        );
        return Err(Error::new(Code::InvalidName, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_that_would_leave_the_directory_are_refused() {
        for bad in ["", ".", "..", ".hidden", "a/b", "../x", "a\0b", "ä", "a b", &"x".repeat(65)] {
            assert_eq!(check_server_name(bad).unwrap_err().code(), Code::InvalidName, "{bad:?}");
        }
        for good in ["a", "demo-1", "A_b.c", &"x".repeat(64)] {
            check_server_name(good).unwrap();
        }
    }

    #[test]
    fn method_names_take_anything_printable() {
        for good in ["echo", "text/open", "größe", &"m".repeat(255)] {
            check_method_name(good).unwrap();
        }
        for bad in ["", "a\nb", &"m".repeat(256)] {
            assert_eq!(check_method_name(bad).unwrap_err().code(), Code::InvalidName);
        }
    }

    #[test]
    fn built_in_geometries_are_valid() {
        assert!(Geometry::SPARSE.is_valid() && Geometry::DENSE.is_valid());
        let odd = Geometry { rings: [RING_LEN_MIN + 8; RINGS] };
        assert!(!odd.is_valid());
    }
}
