//! An engine with what it is driven into, and the memory that both languages look at.

use ipc_core::{Code, Engine, Error, LinkId, LinkStats, ListenerId, Result, Totals, id};

use crate::inbox::Inbox;
use crate::memory::Memory;
use crate::records::state::{
    STATE_ABANDONED, STATE_NAMES_EPOCH, STATE_SYNC_GENERATION, STATE_SYNC_LINK, STATE_SYNC_SLOT,
};

pub struct Inner {
    pub engine: Engine,
    pub inbox: Inbox,
    pub outbox: Memory,
    pub state: Memory,
}

impl Inner {
    /// Links that had to wait until JavaScript has taken what there was are read again.
    pub fn resume_held_back(&mut self) {
        for link in self.inbox.take_held_back() {
            self.engine.resume(link);
        }
    }

    /// The request that the state names.
    pub fn named_request(&self) -> (LinkId, u64) {
        let word = |index: u32| self.state.word(index as usize);
        let id = id::join(word(STATE_SYNC_SLOT), word(STATE_SYNC_GENERATION));
        (LinkId(word(STATE_SYNC_LINK)), id)
    }

    /// Checks whether the reply to the request the state names is still wanted. Returns whether
    /// that has produced events.
    pub fn look_abandoned(&mut self) -> bool {
        let (link, id) = self.named_request();
        let is_changed = self.engine.read_cancels(link, &mut self.inbox);
        let abandoned = !self.engine.is_serving(link, id);
        self.state.set_word(STATE_ABANDONED as usize, u32::from(abandoned));
        is_changed
    }

    pub fn retire_listener(&mut self, listener: ListenerId) {
        self.engine.retire_listener(listener, &mut self.inbox);
    }

    /// Closes a connection, because its server `leaves` or not.
    pub fn close(&mut self, link: LinkId, leaves: bool) {
        if leaves {
            self.engine.leave_now(link, &mut self.inbox);
        } else {
            self.engine.close(link, &mut self.inbox);
        }
    }

    /// Ends a connection that JavaScript cannot go on with.
    pub fn break_off(&mut self, link: LinkId) {
        let message = "memory that was only lent was taken away";
        self.engine.break_off(link, Error::new(Code::InvalidArgument, message));
    }

    /// This side's code for a name, of the epoch that the state says afterwards.
    pub fn code(&mut self, name: &str) -> Result<u32> {
        let code = self.engine.code(name)?;
        self.state.set_word(STATE_NAMES_EPOCH as usize, u32::from(self.engine.names_epoch()));
        Ok(code)
    }

    /// What a connection has counted, unless it is over and was forgotten.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        let now = self.engine.link_stats(link);
        now.or_else(|| Some(self.inbox.ended.get(link)?.stats()))
    }

    /// The same, to be added to what others have counted.
    pub fn totals(&self, link: LinkId) -> Option<Totals> {
        self.engine.totals(link).or_else(|| self.inbox.ended.get(link).cloned())
    }
}
