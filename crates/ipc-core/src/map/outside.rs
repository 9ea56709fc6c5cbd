//! What a map says of itself without its keys and values.

use super::layout::{CHANGES, LEN, MapSizes};
use super::reader::checked_layout;
use crate::error::Result;
use crate::memory::words::Words;
use crate::published::Opened;
use crate::sync::OBSERVE;

/// A map as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapState {
    /// What it has room for.
    pub sizes: MapSizes,
    /// Entries in it, as its owner says, with those that have expired and are not yet removed.
    pub entries: u64,
    /// How often it has been changed.
    pub changes: u64,
}

pub(crate) fn state_of(file: &Opened) -> Result<MapState> {
    let (sizes, _) = checked_layout(&file.head)?;
    let (entries, changes) = (file.segment.load(LEN, OBSERVE), file.segment.load(CHANGES, OBSERVE));
    Ok(MapState { sizes, entries, changes })
}
