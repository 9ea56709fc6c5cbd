//! Whether the records that are read are those a program knows.

use ipc_core::Format;
use ringpost::layout::Layout;

use crate::error::Error;

/// What a program knows, and for which file that was compared.
pub struct Records {
    layout: Option<Layout>,
    checked: u64,
}

impl Records {
    pub fn of(layout: Option<Layout>) -> Self {
        Self { layout, checked: 0 }
    }

    /// How many bytes of each record the program knows. `file` counts files from 1.
    pub fn check(&mut self, file: u64, format: &Format) -> Result<usize, Error> {
        let Some(layout) = &self.layout else { return Ok(usize::MAX) };
        if self.checked != file {
            layout.reader(&format.description)?;
            self.checked = file;
        }
        Ok(layout.size())
    }
}
