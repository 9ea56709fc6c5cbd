//! Waiting for the answer to one request, while JavaScript waits and takes nothing else.

use std::rc::Rc;

use ipc_core::{Body, Corrupt, LinkId, Message};

use super::{Inbox, RUNS_SHARED};
use crate::arena::head_of;
use crate::memory::Memory;
use crate::records::RUNS_MAX;
use crate::sync_call::{Outcome, SyncCall};

impl Inbox {
    /// Waits for the answer to one request by itself; everything else is put down as ever.
    pub fn begin_sync(&mut self, call: SyncCall) {
        let refused = self.refused.take_if(|(link, id, _)| (*link, *id) == (call.link, call.id));
        let outcome = refused.map(|(_, _, error)| Outcome::Refused(error));
        let link = call.link;
        self.sync = Some(SyncCall { outcome, ..call });
        if !self.late.is_empty() {
            self.put_late_of(link);
        }
    }

    /// What comes of a link that is waited for comes behind what is late of it, and of no other.
    #[cold]
    fn put_late_of(&mut self, link: LinkId) {
        for (of, head, payload) in std::mem::take(&mut self.late) {
            if of == link {
                self.record(of, head, &payload);
            } else {
                self.late.push_back((of, head, payload));
            }
        }
    }

    /// Whether there is a run for what comes of a link.
    #[inline]
    pub(super) fn has_run_for(&self, link: LinkId) -> bool {
        if self.sync.as_ref().is_some_and(|call| call.link == link) {
            return self.run_count < RUNS_MAX as usize && self.late.iter().all(|it| it.0 != link);
        }
        self.run_count < RUNS_SHARED && self.late.is_empty()
    }

    /// It has come to this.
    pub(super) fn settle_sync(&mut self, outcome: Outcome) {
        if let Some(call) = &mut self.sync {
            call.outcome = Some(outcome);
        }
    }

    /// How the wait stands.
    pub fn sync_outcome(&mut self) -> Option<Outcome> {
        self.sync.as_mut()?.outcome.take()
    }

    /// Ends the wait.
    pub fn end_sync(&mut self) {
        self.sync = None;
    }

    pub(super) fn is_sync(&self, link: LinkId, id: u64) -> bool {
        self.sync.as_ref().is_some_and(|call| call.link == link && call.id == id)
    }

    /// It has been answered.
    pub(super) fn sync_answer(&mut self, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let len = body.len();
        let head = head_of(message).head;
        let Some(call) = &mut self.sync else { return Ok(()) };
        let arena = self.sync_arena.as_ref().filter(|arena| call.free + len <= arena.len());
        if let Some(arena) = arena {
            body.copy_to(arena.bytes_mut(call.free, len))?;
            call.outcome = Some(Outcome::Answered { head, len });
        } else if let Some(payload) = Memory::buffer(self.env, len) {
            body.copy_to(payload.bytes_mut(0, len))?;
            call.outcome = Some(Outcome::Outside { head, payload: Rc::new(payload), len });
        }
        Ok(())
    }
}
