//! A request that is waited for synchronously, as the inbox has it.

use std::rc::Rc;

use ipc_core::{Ending, Error, LinkId};

use crate::memory::Memory;

/// A request JavaScript waits for without turning its loop.
pub struct SyncCall {
    pub link: LinkId,
    pub id: u64,
    /// Where in the synchronous arena a small answer goes.
    pub free: usize,
    pub outcome: Option<Outcome>,
}

/// How a synchronous request ended.
pub enum Outcome {
    /// The answer is in its arena.
    Answered { head: u32, len: usize },
    /// The answer is in memory of its own.
    Outside { head: u32, payload: Rc<Memory>, len: usize },
    /// There is no answer.
    Ended(Ending),
    /// The request was not sent.
    Refused(Error),
}
