//! What is read beside connections: published objects.

use ipc_core::LinkId;

use super::Inbox;
use crate::arena::Head;
use crate::records::event::{EVENT_CHANGED, EVENT_UNWATCHED};

impl Inbox {
    /// Something that is read beside connections may have changed.
    pub(super) fn look_around(&mut self) {
        let (mut changed, mut unwatched) = (Vec::new(), Vec::new());
        if let Some(watcher) = &mut self.watcher {
            watcher.take(&mut changed);
            let failed = changed.iter().copied().filter(|id| watcher.check(*id).is_err());
            unwatched.extend(failed);
        }
        for id in changed {
            self.record(LinkId(0), Head::event(EVENT_CHANGED).about(id.0), &[]);
        }
        for id in unwatched {
            self.record(LinkId(0), Head::event(EVENT_UNWATCHED).about(id.0), &[]);
        }
    }
}
