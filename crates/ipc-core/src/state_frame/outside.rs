//! What a frame says of itself without its value.

use super::checked_cell;
use crate::error::Result;
use crate::published::Opened;
use crate::time::Time;

/// A state frame as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameState {
    /// Bytes of the longest value its file has room for.
    pub capacity: usize,
    /// The number of the newest value; 0: there is none in this file.
    pub number: u64,
    /// When that was written, on the clock of [`Time::now`].
    pub written_at: Option<Time>,
}

pub(crate) fn state_of(file: &Opened) -> Result<FrameState> {
    let cell = checked_cell(&file.head)?;
    let newest = cell.stamped(&file.segment);
    Ok(FrameState {
        capacity: usize::try_from(file.head.shape.capacity).expect("checked above"),
        number: cell.newest(&file.segment),
        written_at: newest.map(|value| value.at),
    })
}
