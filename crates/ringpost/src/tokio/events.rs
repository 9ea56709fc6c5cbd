//! The queue of one-way messages of a connection.

use std::collections::VecDeque;

use super::job::Job;

/// Bytes that wait for handlers before no more is taken.
const WAITING_MAX: usize = 1 << 20;
/// Bytes a message that waits takes beside its payload, so that empty ones cannot wait without end.
const JOB_COST: usize = 256;
/// Messages taken out at once, so that the lock is not taken for each.
const BATCH: usize = 32;

#[derive(Default)]
pub(super) struct Events {
    waiting: VecDeque<Job>,
    /// Bytes of those waiting and of the batch that is being handled.
    len: usize,
    /// Bytes of that batch.
    batch_len: usize,
    /// A task is handling them, or about to.
    pub is_handled: bool,
    /// The connection is not read because of what waits here.
    pub is_full: bool,
}

impl Events {
    /// Puts one more behind the others. Returns whether a task has to be started.
    pub fn push(&mut self, job: Job) -> bool {
        self.len += cost(&job);
        self.waiting.push_back(job);
        !std::mem::replace(&mut self.is_handled, true)
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.len < WAITING_MAX
    }

    /// The last batch has been handled; moves the next one to `batch`. Returns whether there is
    /// one: if not, the task that handles them ends.
    pub fn next_batch(&mut self, batch: &mut Vec<Job>) -> bool {
        self.len -= self.batch_len;
        batch.extend(self.waiting.drain(..self.waiting.len().min(BATCH)));
        self.batch_len = batch.iter().map(cost).sum();
        self.is_handled = !batch.is_empty();
        self.is_handled
    }
}

fn cost(job: &Job) -> usize {
    job.payload.len() + JOB_COST
}
