//! Driving an engine for someone who reads payloads where they lie.

use super::desk::Desk;
use crate::engine::{Body, BufferId, Event, Host, LinkId};
use crate::error::Corrupt;
use crate::face::Arrival;
use crate::header::Kind;
use crate::session::Message;

/// Shows one-way messages that lie in one place to `read`; everything else goes to the desk.
pub(super) struct InPlace<'a, F> {
    pub desk: &'a mut Desk,
    pub read: &'a mut F,
}

impl<F: FnMut(Arrival<'_>) -> Result<(), Corrupt>> Host for InPlace<'_, F> {
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        if message.kind != Kind::OneWay {
            return self.desk.message(link, message, body);
        }
        self.desk.busy = true;
        // A session lets no code through that was not defined before.
        let name = self.desk.router.name(link, message).unwrap_or_default();
        (self.read)(Arrival { name, link, message, body })
    }

    fn open(&mut self, link: LinkId, message: &Message) -> BufferId {
        self.desk.open(link, message)
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        self.desk.fill(buffer, offset, body)
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        self.desk.finish(link, message, buffer);
    }

    fn discard(&mut self, buffer: BufferId) {
        self.desk.discard(buffer);
    }

    fn event(&mut self, event: Event<'_>) {
        self.desk.event(event);
    }
}
