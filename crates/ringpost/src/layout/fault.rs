//! Why bytes are no record, or a value cannot be one, and where in it the reason is.

use ipc_core::{Code, Error, Result};

/// What is wrong with a value or with bytes, for [`layout!`](crate::layout!).
#[doc(hidden)]
#[derive(Debug)]
pub struct Fault {
    way: String,
    reason: String,
}

impl Fault {
    #[cold]
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { way: String::new(), reason: reason.into() }
    }

    /// It lies in a member of this name.
    #[cold]
    pub(super) fn within(mut self, name: &str) -> Self {
        let mark = if self.way.is_empty() || self.way.starts_with('[') { "" } else { "." };
        self.way.insert_str(0, mark);
        self.way.insert_str(0, name);
        self
    }

    /// It lies in this item of a list.
    #[cold]
    pub(super) fn within_item(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}

impl From<Fault> for Error {
    fn from(Fault { way, reason }: Fault) -> Self {
        let message = if way.is_empty() { reason } else { format!("{way}: {reason}") };
        Self::new(Code::InvalidPayload, message)
    }
}

/// Whether bytes are as many as a record has.
pub(super) fn check_len(found: usize, size: usize) -> Result<()> {
    if found == size {
        return Ok(());
    }
    let message = format!("{found} bytes, the layout has {size}");
    Err(Error::new(Code::InvalidPayload, message))
}
