//! Driving an engine for a caller that reads payloads where they lie.

use ipc_core::{Body, BufferId, Corrupt, Event, Host, Kind, LinkId, Message};

use super::dispatcher::Dispatcher;
use crate::api::Arrival;

/// Shows one-way messages that lie in one place to `read`; everything else goes to the dispatcher.
pub(super) struct InPlace<'a, F> {
    pub dispatcher: &'a mut Dispatcher,
    pub read: &'a mut F,
}

impl<F: FnMut(Arrival<'_>) -> Result<(), Corrupt>> Host for InPlace<'_, F> {
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        if message.kind != Kind::OneWay {
            return self.dispatcher.message(link, message, body);
        }
        self.dispatcher.busy = true;
        // A session lets no code through that was not defined before.
        let name = self.dispatcher.router.name(link, message).unwrap_or_default();
        (self.read)(Arrival { name, link, message, body })
    }

    fn open(&mut self, link: LinkId, message: &Message) -> BufferId {
        self.dispatcher.open(link, message)
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        self.dispatcher.fill(buffer, offset, body)
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        self.dispatcher.finish(link, message, buffer);
    }

    fn discard(&mut self, buffer: BufferId) {
        self.dispatcher.discard(buffer);
    }

    fn event(&mut self, event: Event<'_>) {
        self.dispatcher.event(event);
    }
}
